//! An answer's body, while it streams to the user.

use super::OpenCall;
use super::attempt::OpenAttempt;
use super::wire::{Event, Wire};
use crate::body::{self, Body, BodyError};
use crate::driver::{CallEvent, core_duration};
use bytes::Bytes;
use edge_faas_core::context::{Capacity, Timing};
use edge_faas_core::io::{AttemptFailure, CallOutcome, Started};
use http::StatusCode;
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, StreamBody};
use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

/// While an answer comes in, the core hears of it this often: it counts as a sign of life.
const ALIVE_EVERY: Duration = Duration::from_millis(100);

/// What is left of an answer after its head.
#[derive(Debug)]
pub(super) enum Rest {
    /// All of it is here.
    Whole(VecDeque<Bytes>),
    /// More of it is to come.
    Streaming(Box<Streaming>),
}

/// Where more of an answer comes from.
#[derive(Debug)]
pub(super) enum Source {
    Remote(Box<Wire>),
    Local { body: Body, function: String },
}

/// An answer that is on its way.
#[derive(Debug)]
pub(super) struct Streaming {
    chunks: VecDeque<Bytes>,
    /// `None` once it has ended.
    source: Option<Source>,
    status: StatusCode,
    timing: Timing,
    open: OpenAttempt,
    began: Instant,
    told: Instant,
    capacity: Capacity,
    received: u64,
    /// How long the answer says that it is.
    length: Option<u64>,
    /// Its last piece: who has all bytes of an answer asks for no more, so it is given out only after the end has come.
    last: Option<Bytes>,
}

impl Rest {
    /// The body of a complete answer.
    pub(super) fn into_whole(self) -> Body {
        match self {
            Rest::Whole(mut chunks) if chunks.len() <= 1 => {
                chunks.pop_front().map_or_else(body::empty, body::full)
            }
            Rest::Whole(chunks) => {
                let frames = chunks.into_iter().map(|bytes| Ok(Frame::data(bytes)));
                StreamBody::new(futures::stream::iter(frames)).boxed_unsync()
            }
            // It is not complete: whoever asks has not looked.
            Rest::Streaming(_) => body::empty(),
        }
    }
}

impl Streaming {
    pub(super) fn new(
        chunks: VecDeque<Bytes>,
        source: Source,
        status: StatusCode,
        timing: Timing,
        open: OpenAttempt,
        length: Option<u64>,
    ) -> Self {
        let now = Instant::now();
        let received = chunks.iter().map(|bytes| bytes.len() as u64).sum();
        let capacity = Capacity::default();
        Streaming {
            chunks,
            source: Some(source),
            status,
            timing,
            open,
            began: now,
            told: now,
            capacity,
            received,
            length,
            last: None,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if let Some(bytes) = self.chunks.pop_front() {
            if !self.chunks.is_empty() || self.length != Some(self.received) {
                return Poll::Ready(Some(Ok(bytes)));
            }
            self.last = Some(bytes);
        }
        let limit = self.open.driver.config.limits.response_body;
        loop {
            let bytes = match &mut self.source {
                None => return Poll::Ready(self.last.take().map(Ok)),
                Some(Source::Local { body, .. }) => match ready!(Pin::new(body).poll_frame(cx)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(bytes) => bytes,
                        Err(_) => continue,
                    },
                    Some(Err(error)) => {
                        self.broke(AttemptFailure::Runtime);
                        return Poll::Ready(Some(Err(error)));
                    }
                    None => {
                        self.ended_here();
                        return Poll::Ready(self.last.take().map(Ok));
                    }
                },
                Some(Source::Remote(wire)) => match ready!(wire.poll_event(cx)) {
                    Ok(Event::Data(bytes)) => bytes,
                    Ok(Event::Accepted(message)) => {
                        self.capacity =
                            message.capacity.map_or(self.capacity, |capacity| capacity.capacity());
                        continue;
                    }
                    // A function that answers while it reads. The core cares no more: nothing is retried.
                    Ok(Event::Continue) => continue,
                    Ok(Event::Done(message)) => {
                        let timing = message.timing.unwrap_or_default().timing();
                        let capacity = message.capacity.unwrap_or_default().capacity();
                        if let Some(Source::Remote(wire)) = self.source.take() {
                            wire.give_back(&self.open.driver.links);
                        }
                        self.open.finished(self.status, timing, capacity);
                        return Poll::Ready(self.last.take().map(Ok));
                    }
                    Ok(Event::UploadBroke(error)) => {
                        self.broke(AttemptFailure::Cancelled);
                        return Poll::Ready(Some(Err(error)));
                    }
                    Ok(Event::Failed(message)) => {
                        self.broke(message.failure().0);
                        return Poll::Ready(Some(Err(BodyError::Broken(message.message))));
                    }
                    Ok(Event::Head { .. }) => {
                        self.broke(AttemptFailure::Lost);
                        return Poll::Ready(Some(Err(BodyError::Broken("a second head came".to_owned()))));
                    }
                    Err(error) => {
                        self.broke(AttemptFailure::Lost);
                        return Poll::Ready(Some(Err(BodyError::Broken(error.to_string()))));
                    }
                },
            };
            if bytes.is_empty() {
                continue;
            }
            self.received = self.received.saturating_add(bytes.len() as u64);
            if self.received > limit {
                self.broke(AttemptFailure::Lost);
                return Poll::Ready(Some(Err(BodyError::TooLarge { limit })));
            }
            self.tell();
            if self.length == Some(self.received) {
                self.last = Some(bytes);
                continue;
            }
            return Poll::Ready(Some(Ok(bytes)));
        }
    }

    /// Lets the core know that its provider lives.
    fn tell(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.told) >= ALIVE_EVERY {
            self.told = now;
            self.open.accepted(self.capacity);
        }
    }

    fn broke(&mut self, reason: AttemptFailure) {
        (self.source, self.last) = (None, None);
        self.open.failed(reason, Started::Yes, None);
    }

    /// The own runtime's answer is complete.
    fn ended_here(&mut self) {
        let Some(Source::Local { body, function }) = self.source.take() else { return };
        // Its place in the runtime is free from here on.
        drop(body);
        let capacity = self.open.driver.runtime.capacity(&function).unwrap_or_default();
        let exec = self.timing.exec + core_duration(self.began.elapsed());
        self.open.finished(self.status, Timing { exec, ..self.timing }, capacity);
    }
}

/// The body of an answer that streams to the user; dropping it cancels the call.
#[derive(Debug)]
pub(super) struct AnswerBody {
    /// Dropped before the call: an attempt's end is part of it.
    streaming: Option<Box<Streaming>>,
    call: OpenCall,
}

impl AnswerBody {
    pub(super) fn new(call: OpenCall, rest: Rest) -> Self {
        let streaming = match rest {
            Rest::Streaming(streaming) => Some(streaming),
            Rest::Whole(_) => None,
        };
        AnswerBody { streaming, call }
    }

    /// What the core says meanwhile: the error, if it ended the call.
    fn listen(&mut self, cx: &mut Context<'_>) -> Option<BodyError> {
        while let Poll::Ready(event) = self.call.poll_event(cx) {
            let ended = match event {
                Some(CallEvent::Done(report)) => match report.outcome {
                    CallOutcome::Ok | CallOutcome::FunctionError => return None,
                    CallOutcome::Timeout => "the call's time ran out",
                    _ => "the call was given up",
                },
                Some(CallEvent::Cancel { only_queued: false, .. }) => "the call was given up",
                Some(CallEvent::Cancel { .. }) => continue,
                Some(CallEvent::Start(attempt, _)) => {
                    self.call.decline(attempt.id);
                    continue;
                }
                None => return None,
            };
            self.streaming = None;
            return Some(BodyError::Broken(ended.to_owned()));
        }
        None
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(streaming) = &mut this.streaming else {
            return Poll::Ready(None);
        };
        let next = streaming.poll_next(cx);
        match &next {
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(None | Some(Err(_))) => {
                this.streaming = None;
                // The core has said how it ended.
                let _ = this.listen(cx);
            }
            Poll::Pending => {
                if let Some(error) = this.listen(cx) {
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        next.map(|next| next.map(|bytes| bytes.map(Frame::data)))
    }
}
