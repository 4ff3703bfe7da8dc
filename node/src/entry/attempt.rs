//! One attempt of a call: at another node over a stream, or in the own runtime.

use super::answer::{Rest, Source, Streaming};
use super::request::{Head, Payload};
use super::wire::{Event, Wire};
use crate::driver::{Driver, core_duration};
use crate::network::OpenError;
use crate::protocol::{ChannelError, MessageError};
use crate::runtime::{ExecuteRequest, ExecuteResponse, RuntimeFailureReason, StartGate};
use bytes::Bytes;
use edge_faas_core::context::{Capacity, Timing};
use edge_faas_core::io::{Attempt, AttemptEvent, AttemptFailure, AttemptId, Started};
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::FusedFuture;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use libp2p::PeerId;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Pieces of an answer of the own runtime that are looked at before it counts as streamed.
const AT_ONCE: usize = 4;
/// How long a provider is left alone whose connection carries as many calls as it may.
const FULL_LINK_PAUSE: Duration = Duration::from_millis(50);
/// The end of a connection is known after this, once its streams have ended.
const END_KNOWN: Duration = Duration::from_millis(100);

/// An attempt under way.
pub(super) struct Running {
    pub(super) id: AttemptId,
    pub(super) future: Pin<Box<dyn Future<Output = AttemptEnd> + Send>>,
    reclaim: Option<oneshot::Sender<()>>,
}

/// How an attempt ended; the core knows already.
pub(super) enum AttemptEnd {
    /// With an answer, or its beginning.
    Answered(Box<Answer>),
    /// Without one; what was said of it, for people.
    Failed(String),
}

/// A function's answer, or its beginning.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) attempt: AttemptId,
    /// Where; `None`: here.
    pub(super) provider: Option<PeerId>,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Up to the head, or in all where the answer is complete.
    pub(super) timing: Timing,
    /// How long it took to get a stream, where none waited.
    pub(super) connect: Option<Duration>,
    pub(super) rest: Rest,
}

impl Answer {
    /// How long it says that it is.
    fn length(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// True if more of it is to come.
    pub(super) fn is_streaming(&self) -> bool {
        matches!(self.rest, Rest::Streaming(_))
    }
}

impl Running {
    /// Starts an attempt. It makes progress when its future is polled.
    pub(super) fn start(
        driver: &Arc<Driver>,
        attempt: Attempt,
        provider: Option<PeerId>,
        head: &Arc<Head>,
        payload: &Payload,
    ) -> Running {
        let id = attempt.id;
        let (reclaim, reclaimed) = oneshot::channel();
        let open = OpenAttempt { driver: driver.clone(), id, started: Started::No, over: false };
        let (head, payload) = (head.clone(), payload.clone());
        let future: Pin<Box<dyn Future<Output = AttemptEnd> + Send>> = match provider {
            Some(provider) => Box::pin(remote(open, provider, head, payload, reclaimed)),
            None => Box::pin(local(open, head, payload, reclaimed)),
        };
        Running { id, future, reclaim: Some(reclaim) }
    }

    /// The core would rather have it elsewhere, if its code has not begun.
    pub(super) fn reclaim(&mut self) {
        if let Some(reclaim) = self.reclaim.take() {
            let _ = reclaim.send(());
        }
    }
}

/// An attempt that is not over for the core; where it is dropped, it was cancelled.
#[derive(Debug)]
pub(super) struct OpenAttempt {
    pub(super) driver: Arc<Driver>,
    pub(super) id: AttemptId,
    started: Started,
    over: bool,
}

impl OpenAttempt {
    fn tell(&self, event: AttemptEvent) {
        self.driver.attempt(self.id, event);
    }

    pub(super) fn finished(&mut self, status: StatusCode, timing: Timing, capacity: Capacity) {
        self.over = true;
        self.tell(AttemptEvent::Finished { status: status.as_u16(), timing, capacity });
    }

    pub(super) fn failed(&mut self, reason: AttemptFailure, started: Started, capacity: Option<Capacity>) {
        self.over = true;
        self.tell(AttemptEvent::Failed { reason, started, capacity });
    }

    fn fail(
        mut self,
        reason: AttemptFailure,
        started: Started,
        capacity: Option<Capacity>,
        said: String,
    ) -> AttemptEnd {
        self.failed(reason, started, capacity);
        AttemptEnd::Failed(said)
    }

    /// The answer begins: from here on nothing is retried.
    fn head(&mut self) {
        self.started = Started::Yes;
        self.tell(AttemptEvent::Head);
    }

    /// A sign of life, and news of how full the provider is.
    pub(super) fn accepted(&self, capacity: Capacity) {
        self.tell(AttemptEvent::Accepted { capacity });
    }
}

impl Drop for OpenAttempt {
    fn drop(&mut self) {
        if !self.over {
            let started = self.started;
            self.tell(AttemptEvent::Failed { reason: AttemptFailure::Cancelled, started, capacity: None });
        }
    }
}

/// Bytes in all.
fn size(chunks: &VecDeque<Bytes>) -> u64 {
    chunks.iter().map(|bytes| bytes.len() as u64).sum()
}

/// In the own runtime.
async fn local(
    mut open: OpenAttempt,
    head: Arc<Head>,
    payload: Payload,
    mut reclaimed: oneshot::Receiver<()>,
) -> AttemptEnd {
    let driver = open.driver.clone();
    let gate = StartGate::new();
    let request = ExecuteRequest {
        function: head.function.clone(),
        method: head.method.clone(),
        path: head.path.clone(),
        query: head.query.clone(),
        headers: head.headers.clone(),
        body: payload.body(),
        deadline: head.deadline,
        start: gate.clone(),
    };
    open.started = Started::Maybe;
    let mut execution = driver.runtime.execute(request);
    let result = poll_fn(|cx| {
        if let Poll::Ready(result) = execution.as_mut().poll(cx) {
            return Poll::Ready(Some(result));
        }
        match was_asked(&mut reclaimed, cx) && gate.reclaim() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    })
    .await;
    drop(execution);
    let response = match result {
        Some(Ok(response)) => response,
        None => {
            let capacity = driver.runtime.capacity(&head.function);
            return open.fail(AttemptFailure::Cancelled, Started::No, capacity, String::new());
        }
        Some(Err(failure)) => {
            let capacity = driver.runtime.capacity(&head.function);
            let reason = match failure.reason {
                RuntimeFailureReason::Full { retry_after } => {
                    AttemptFailure::Full { retry_after: retry_after.map(core_duration) }
                }
                RuntimeFailureReason::NotHosted => AttemptFailure::NotHosted,
                RuntimeFailureReason::Runtime => AttemptFailure::Runtime,
                RuntimeFailureReason::Cancelled => AttemptFailure::Cancelled,
            };
            return open.fail(reason, failure.started, capacity, failure.message);
        }
    };
    let ExecuteResponse { status, headers, mut body, timing } = response;
    let mut answer = Answer {
        attempt: open.id,
        provider: None,
        status,
        headers,
        timing,
        connect: None,
        rest: Rest::Whole(VecDeque::new()),
    };
    // Most answers are complete at once.
    let mut chunks = VecDeque::new();
    let complete = loop {
        if body.is_end_stream() {
            break true;
        }
        if chunks.len() >= AT_ONCE {
            break false;
        }
        match body.frame().now_or_never() {
            Some(Some(Ok(frame))) => chunks.extend(frame.into_data()),
            Some(None) => break true,
            None => break false,
            Some(Some(Err(error))) => {
                let capacity = driver.runtime.capacity(&head.function);
                return open.fail(AttemptFailure::Runtime, Started::Yes, capacity, error.to_string());
            }
        }
    };
    answer.rest = if complete {
        drop(body);
        let capacity = driver.runtime.capacity(&head.function).unwrap_or_default();
        open.finished(status, timing, capacity);
        Rest::Whole(chunks)
    } else {
        open.head();
        let source = Source::Local { body, function: head.function.clone() };
        let length = answer.length();
        Rest::Streaming(Box::new(Streaming::new(chunks, source, status, timing, open, length)))
    };
    AttemptEnd::Answered(Box::new(answer))
}

/// True once, when the core asks for the attempt back.
fn was_asked(reclaimed: &mut oneshot::Receiver<()>, cx: &mut Context<'_>) -> bool {
    !reclaimed.is_terminated() && matches!(Pin::new(reclaimed).poll(cx), Poll::Ready(Ok(())))
}

/// Why a stream broke: its connection did, or the provider dropped this one stream.
async fn broken(driver: &Driver, provider: &PeerId) -> AttemptFailure {
    // A connection's streams know of its end a moment before all others do.
    match driver.links.is_connected_after(provider, END_KNOWN).await {
        true => AttemptFailure::Runtime,
        false => AttemptFailure::Lost,
    }
}

/// At another node.
async fn remote(
    mut open: OpenAttempt,
    provider: PeerId,
    head: Arc<Head>,
    payload: Payload,
    mut reclaimed: oneshot::Receiver<()>,
) -> AttemptEnd {
    let driver = open.driver.clone();
    let (leased, connect) = match driver.links.idle(provider) {
        Some(leased) => (leased, None),
        None => {
            let begun = Instant::now();
            match driver.links.lease(provider).await {
                Ok(leased) => (leased, Some(begun.elapsed())),
                Err(error) => {
                    let reason = match error {
                        OpenError::Full => {
                            AttemptFailure::Full { retry_after: Some(core_duration(FULL_LINK_PAUSE)) }
                        }
                        OpenError::Dial(_) | OpenError::Stream(_) => AttemptFailure::Dial,
                    };
                    return open.fail(reason, Started::No, None, error.to_string());
                }
            }
        }
    };
    let mut wire = Wire::new(leased, &head, &payload);
    let offered = matches!(payload, Payload::Once(_));
    open.tell(if offered { AttemptEvent::Offered } else { AttemptEvent::Sent });
    open.started = Started::Maybe;
    let mut answer: Option<Box<Answer>> = None;
    let mut chunks = VecDeque::new();
    loop {
        // What has come together is looked at together: most answers are complete at once.
        let event = match wire.buffered() {
            // One whose bytes are all here lacks only its end.
            Ok(None) if answer.as_ref().is_some_and(|answer| answer.length() != Some(size(&chunks))) => break,
            Ok(None) => {
                poll_fn(|cx| {
                    if was_asked(&mut reclaimed, cx) {
                        wire.reclaim();
                    }
                    wire.poll_event(cx)
                })
                .await
            }
            Ok(Some(event)) => Ok(event),
            Err(error) => Err(error),
        };
        match (event, &mut answer) {
            (Ok(Event::Accepted(message)), _) => {
                if let Some(capacity) = message.capacity {
                    driver.learn(&head.function, capacity.idempotent);
                    open.accepted(capacity.capacity());
                }
            }
            (Ok(Event::Continue), _) => open.tell(AttemptEvent::Sent),
            (Ok(Event::Head { status, headers, timing }), None) => {
                answer = Some(Box::new(Answer {
                    attempt: open.id,
                    provider: Some(provider),
                    status,
                    headers,
                    timing,
                    connect,
                    rest: Rest::Whole(VecDeque::new()),
                }));
            }
            (Ok(Event::Data(bytes)), Some(_)) => chunks.push_back(bytes),
            (Ok(Event::Done(message)), Some(_)) => {
                let (timing, capacity) =
                    (message.timing.unwrap_or_default(), message.capacity.unwrap_or_default());
                driver.learn(&head.function, capacity.idempotent);
                wire.give_back(&driver.links);
                if let Some(mut answer) = answer.take() {
                    open.finished(answer.status, timing.timing(), capacity.capacity());
                    answer.timing = timing.timing();
                    answer.rest = Rest::Whole(chunks);
                    return AttemptEnd::Answered(answer);
                }
                return open.fail(AttemptFailure::Lost, Started::Yes, None, String::new());
            }
            // Nobody's fault but the user's.
            (Ok(Event::UploadBroke(error)), _) => {
                return open.fail(AttemptFailure::Cancelled, Started::Maybe, None, error.to_string());
            }
            (Ok(Event::Failed(message)), _) => {
                let (reason, started) = message.failure();
                let capacity = message.capacity.map(|capacity| capacity.capacity());
                wire.give_back(&driver.links);
                return open.fail(reason, started, capacity, message.message);
            }
            (Ok(event @ (Event::Head { .. } | Event::Data(_) | Event::Done(_))), _) => {
                let error: ChannelError = MessageError::Unexpected(event.kind()).into();
                return open.fail(AttemptFailure::Runtime, Started::Maybe, None, error.to_string());
            }
            (Err(error), _) => {
                let reason = broken(&driver, &provider).await;
                return open.fail(reason, Started::Maybe, None, error.to_string());
            }
        }
    }
    let Some(mut answer) = answer else {
        return open.fail(AttemptFailure::Lost, Started::Maybe, None, String::new());
    };
    open.head();
    let (status, timing, length) = (answer.status, answer.timing, answer.length());
    let source = Source::Remote(Box::new(wire));
    answer.rest = Rest::Streaming(Box::new(Streaming::new(chunks, source, status, timing, open, length)));
    AttemptEnd::Answered(answer)
}
