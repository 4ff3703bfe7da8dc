//! Tells the function's own answer from the platform's.
//!
//! What marks a platform's answer differs between gateways, providers and watchdogs: a header, an empty 502, or only the
//! text. An answer in doubt is the function's: it is passed on and not repeated.

use super::api::chain;
use crate::body::BodyError;
use crate::openfaas::header::{DURATION_SECONDS, INTERNAL, remove_hop_by_hop};
use crate::runtime::slots::Slot;
use crate::runtime::{ExecuteResponse, RuntimeFailure, RuntimeFailureReason};
use bytes::Bytes;
use edge_faas_core::context::Timing;
use edge_faas_core::io::Started;
use edge_faas_core::time;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What a gateway says of a function that it does not know.
const UNKNOWN_FUNCTION: &[u8] = b"error finding function";

/// What is made of a call that got no answer.
pub(super) fn broken(function: &str, error: &Error) -> RuntimeFailure {
    let (started, what) = match error.is_connect() {
        true => (Started::No, "the gateway cannot be reached"),
        false => (Started::Maybe, "the gateway broke off"),
    };
    RuntimeFailure::new(
        RuntimeFailureReason::Runtime,
        started,
        format!("{function}: {what}: {}", chain(error)),
    )
}

/// Reads an answer's head. `times`: how long the call waited here, and when it was sent.
pub(super) async fn read(
    function: &str,
    response: Response<Incoming>,
    times: (Duration, Instant),
    slot: Slot,
) -> Result<ExecuteResponse, RuntimeFailure> {
    let (mut head, mut body) = response.into_parts();
    let internal = head.headers.contains_key(INTERNAL);
    let watchdog = seconds(&head.headers);
    let failed = |reason, started, why: &str| {
        Err(RuntimeFailure::new(
            reason,
            started,
            format!("{function}: {} from the gateway: {why}", head.status),
        ))
    };
    match head.status {
        // A function that ran and says so of its own accord has been called; who is full has called nothing.
        StatusCode::TOO_MANY_REQUESTS if internal || watchdog.is_none() => {
            let retry_after = retry_after(&head.headers);
            return failed(RuntimeFailureReason::Full { retry_after }, Started::No, "it is full");
        }
        // A node behind the gateway that does not host it any more.
        StatusCode::NOT_FOUND if internal && watchdog.is_none() => {
            return failed(RuntimeFailureReason::NotHosted, Started::No, "it does not host the function");
        }
        // A provider that finds no endpoint for the function has not called it.
        StatusCode::SERVICE_UNAVAILABLE if internal && watchdog.is_none() => {
            return failed(
                RuntimeFailureReason::Runtime,
                Started::No,
                "no instance of the function is there",
            );
        }
        status if internal && status.is_server_error() => {
            return failed(
                RuntimeFailureReason::Runtime,
                Started::Maybe,
                "the platform's error, not the function's",
            );
        }
        // What a gateway answers whose provider is down. A function's answer carries its watchdog's header.
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT
            if watchdog.is_none() && body.is_end_stream() =>
        {
            return failed(RuntimeFailureReason::Runtime, Started::Maybe, "its provider does not answer");
        }
        _ => {}
    }
    let mut first = None;
    if head.status == StatusCode::NOT_FOUND && watchdog.is_none() && is_plain_text(&head.headers) {
        first = body.frame().await;
        if let Some(Ok(frame)) = &first
            && frame.data_ref().is_some_and(|data| data.starts_with(UNKNOWN_FUNCTION))
        {
            return failed(RuntimeFailureReason::NotHosted, Started::No, "it does not know the function");
        }
    }
    remove_hop_by_hop(&mut head.headers);
    let (queue, begun) = times;
    let exec = watchdog.unwrap_or_else(|| begun.elapsed());
    Ok(ExecuteResponse {
        status: head.status,
        headers: head.headers,
        body: Answer { first, body, slot: Some(slot) }.boxed_unsync(),
        timing: Timing { queue: duration(queue), cold: time::Duration::ZERO, exec: duration(exec) },
    })
}

/// How long the watchdog says that the function took.
fn seconds(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(DURATION_SECONDS)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// Seconds; the other form, a date, would need both clocks to agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn is_plain_text(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/plain"))
}

fn duration(duration: Duration) -> time::Duration {
    time::Duration::from_nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// A gateway's answer on its way. The call holds its slot until it ends.
struct Answer {
    /// What was read ahead.
    first: Option<Result<Frame<Bytes>, hyper::Error>>,
    body: Incoming,
    slot: Option<Slot>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = match self.first.take() {
            Some(first) => Poll::Ready(Some(first)),
            None => Pin::new(&mut self.body).poll_frame(cx),
        };
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.slot = None;
        }
        polled.map_err(|error| BodyError::Source(Box::new(error)))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.first {
            // What was read ahead is not in the body's own hint.
            Some(_) => SizeHint::default(),
            None => self.body.size_hint(),
        }
    }
}
