//! Bodies of requests and answers: streamed, with back-pressure.

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};

/// A body that streams: `http_body` pulls it, and nothing is read ahead of who pulls.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, BodyError>;

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than the limit allows.
    #[error("the body is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The connection to the other side broke, or the other side gave up.
    #[error("the body broke off: {0}")]
    Broken(String),
    /// Whoever makes the body failed: the user's connection, or the runtime.
    #[error("the body's source failed: {0}")]
    Source(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// A body without bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is already in memory.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The same body, of which up to `limit` bytes, and the frame that reaches it, have been read ahead. What broke meanwhile breaks
/// again where it is read.
pub async fn read_ahead(mut body: Body, limit: u64) -> Body {
    let (mut frames, mut read) = (Vec::new(), 0u64);
    while read <= limit {
        let Some(frame) = body.frame().await else { break };
        read += frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, |data| data.len() as u64);
        let broken = frame.is_err();
        frames.push(frame);
        if broken {
            break;
        }
    }
    let rest = stream::unfold(body, |mut body| async move { body.frame().await.map(|frame| (frame, body)) });
    // Who reads a body may ask once more after its end.
    StreamBody::new(stream::iter(frames).chain(rest).fuse()).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(frames: Vec<Result<&'static [u8], BodyError>>) -> Body {
        let frames = frames.into_iter().map(|frame| frame.map(|data| Frame::data(Bytes::from_static(data))));
        StreamBody::new(stream::iter(frames)).boxed_unsync()
    }

    #[tokio::test]
    async fn what_is_read_ahead_is_not_lost_and_the_rest_follows() {
        for limit in [0, 1, 3, 4, 100] {
            let mut body = read_ahead(of(vec![Ok(b"ab"), Ok(b"cd"), Ok(b"ef")]), limit).await;
            let mut bytes = Vec::new();
            while let Some(frame) = body.frame().await {
                bytes.extend_from_slice(frame.unwrap().data_ref().unwrap());
            }
            assert_eq!(bytes, b"abcdef", "{limit}");
            assert!(body.frame().await.is_none(), "the end is the end");
        }
        let broken = || of(vec![Ok(b"ab"), Err(BodyError::Broken("gone".to_owned()))]);
        for limit in [0, 100] {
            let error = read_ahead(broken(), limit).await.collect().await.unwrap_err();
            assert!(matches!(error, BodyError::Broken(_)), "{limit}: {error}");
        }
    }
}
