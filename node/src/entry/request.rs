//! What a call carries to its provider.

use super::refused;
use crate::body::{self, Body, BodyError};
use crate::call::{CallFailure, FailureReason};
use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use http::{HeaderMap, Method};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A body whose length nobody knows, and that has not ended after this time, is streamed: it may be a conversation.
const GATHER_FOR: Duration = Duration::from_millis(20);

/// A call's head, shared by its attempts.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) function: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) deadline: Instant,
}

/// A call's body, shared by its attempts.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    /// In memory: it can be sent again.
    Whole(Bytes),
    /// Streamed: who takes it is the last who can send it.
    Once(Arc<Streamed>),
}

/// A body that is sent while it comes.
#[derive(Debug)]
pub(crate) struct Streamed {
    body: Mutex<Option<Body>>,
    /// Why it broke off.
    broke: Mutex<Option<(FailureReason, String)>>,
}

impl Payload {
    pub(super) fn once(body: Body) -> Self {
        let streamed = Arc::new(Streamed { body: Mutex::default(), broke: Mutex::default() });
        let told = streamed.clone();
        let body = body.map_err(move |error| {
            let reason = match error {
                BodyError::TooLarge { limit } => FailureReason::TooLarge { limit },
                BodyError::Broken(_) | BodyError::Source(_) => FailureReason::BrokenRequest,
            };
            *told.broke.lock() = Some((reason, error.to_string()));
            error
        });
        *streamed.body.lock() = Some(body.boxed_unsync());
        Payload::Once(streamed)
    }

    /// The body for the own runtime.
    pub(super) fn body(&self) -> Body {
        match self {
            Payload::Whole(bytes) => body::full(bytes.clone()),
            // A runtime that read of it and then did not start is tried again: with half a body it must not run.
            Payload::Once(streamed) => streamed.take().unwrap_or_else(gone),
        }
    }

    /// Why the user's body broke off, if it did.
    pub(super) fn broke(&self) -> Option<(FailureReason, String)> {
        match self {
            Payload::Whole(_) => None,
            Payload::Once(streamed) => streamed.broke.lock().take(),
        }
    }
}

/// The body of a call whose body has been used up.
fn gone() -> Body {
    let error = BodyError::Broken("it was sent once already, and is too large to be kept".to_owned());
    let frames = futures::stream::iter([Err(error)]);
    http_body_util::StreamBody::new(frames).boxed_unsync()
}

impl Streamed {
    /// The body, once.
    pub(super) fn take(&self) -> Option<Body> {
        self.body.lock().take()
    }
}

/// A body as it was found.
pub(super) enum Gathered {
    /// It is all here.
    Whole(Bytes),
    /// It is too large to be kept, or is still coming.
    Streaming(Body),
}

/// Reads a body that can be kept for another attempt, up to `keep` bytes. One of more than `limit` is refused, where its
/// length is known; else it breaks off when it is too long.
pub(super) async fn gather(body: Body, keep: usize, limit: u64) -> Result<Gathered, CallFailure> {
    let hint = body.size_hint();
    let too_large = || {
        let message = format!("the body is larger than {limit} bytes, which is what the node takes");
        refused(FailureReason::TooLarge { limit }, message)
    };
    if hint.lower() > limit {
        return Err(too_large());
    }
    if body.is_end_stream() {
        return Ok(Gathered::Whole(Bytes::new()));
    }
    let bound = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut body = Limited::new(body, bound);
    if hint.lower() > keep as u64 {
        return Ok(Gathered::Streaming(body.map_err(move |error| body_error(error, limit)).boxed_unsync()));
    }
    let known = hint.exact().is_some();
    let started = Instant::now();
    let mut first: Option<Bytes> = None;
    let mut more = BytesMut::new();
    loop {
        // Most bodies are here already: no timer for them.
        let next = match body.frame().now_or_never() {
            Some(frame) => Some(frame),
            None if known => Some(body.frame().await),
            None => {
                let left = GATHER_FOR.saturating_sub(started.elapsed());
                tokio::time::timeout(left, body.frame()).await.ok()
            }
        };
        let frame = match next {
            Some(Some(Ok(frame))) => frame,
            Some(Some(Err(error))) => {
                return Err(match body_error(error, limit) {
                    BodyError::TooLarge { .. } => too_large(),
                    error => refused(
                        FailureReason::BrokenRequest,
                        format!("the request's body broke off: {error}"),
                    ),
                });
            }
            Some(None) => break,
            None => return Ok(Gathered::Streaming(prefixed(first, more, body, limit))),
        };
        if let Ok(data) = frame.into_data() {
            match &first {
                None => first = Some(data),
                Some(_) => more.extend_from_slice(&data),
            }
        }
        if first.as_ref().map_or(0, Bytes::len) + more.len() > keep {
            return Ok(Gathered::Streaming(prefixed(first, more, body, limit)));
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(Gathered::Whole(match (first, more.is_empty()) {
        (Some(first), true) => first,
        (Some(first), false) => [first, more.freeze()].concat().into(),
        (None, _) => Bytes::new(),
    }))
}

/// What was read, then the rest.
fn prefixed(first: Option<Bytes>, more: BytesMut, rest: Limited<Body>, limit: u64) -> Body {
    use futures::stream::{self, StreamExt};
    let read = [first.unwrap_or_default(), more.freeze()];
    let read = read.into_iter().filter(|bytes| !bytes.is_empty());
    let read = stream::iter(read).map(|bytes| Ok(http_body::Frame::data(bytes)));
    let rest = http_body_util::BodyStream::new(rest.map_err(move |error| body_error(error, limit)));
    http_body_util::StreamBody::new(read.chain(rest)).boxed_unsync()
}

/// What a limited body's error is.
fn body_error(error: Box<dyn std::error::Error + Send + Sync>, limit: u64) -> BodyError {
    match error.downcast::<BodyError>() {
        Ok(error) => *error,
        Err(error) if error.is::<http_body_util::LengthLimitError>() => BodyError::TooLarge { limit },
        Err(error) => BodyError::Source(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use http_body_util::StreamBody;

    fn pieces(pieces: Vec<&'static str>) -> Body {
        let frames = pieces.into_iter().map(|piece| Ok(http_body::Frame::data(Bytes::from(piece))));
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    }

    async fn rest(gathered: Gathered) -> (bool, String) {
        let (whole, bytes) = match gathered {
            Gathered::Whole(bytes) => (true, bytes),
            Gathered::Streaming(body) => (false, body.collect().await.unwrap().to_bytes()),
        };
        (whole, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn short_bodies_are_kept_and_long_ones_streamed_and_nothing_is_lost() {
        for (body, whole, text) in [
            (body::full("abc"), true, "abc"),
            (body::empty(), true, ""),
            (pieces(vec!["ab", "", "c"]), true, "abc"),
            (pieces(vec!["abc", "def", "ghi"]), false, "abcdefghi"),
            (body::full("abcdef"), false, "abcdef"),
        ] {
            let gathered = gather(body, 4, 100).await.unwrap();
            assert_eq!(rest(gathered).await, (whole, text.to_owned()));
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused() {
        let known = gather(body::full("abcdef"), 10, 5).await;
        assert!(matches!(known, Err(CallFailure { reason: FailureReason::TooLarge { limit: 5 }, .. })));
        let unknown = gather(pieces(vec!["abc", "def"]), 10, 5).await;
        assert!(matches!(unknown, Err(CallFailure { reason: FailureReason::TooLarge { limit: 5 }, .. })));
    }

    #[tokio::test]
    async fn a_conversation_is_streamed() {
        let first = stream::iter([Ok(http_body::Frame::data(Bytes::from("a")))]);
        let body = StreamBody::new(futures::StreamExt::chain(first, stream::pending())).boxed_unsync();
        assert!(matches!(gather(body, 10, 100).await, Ok(Gathered::Streaming(_))));
    }
}
