//! The entry's side: a user's call, from its arrival to its answer.

mod answer;
mod attempt;
mod info;
mod request;
mod wire;

use crate::body::Body;
use crate::call::{CallFailure, CallInfo, CallRequest, CallResponse, FailureReason};
use crate::counted::Counted;
use crate::driver::{CallEvent, CallEvents, Driver};
use crate::path;
use answer::AnswerBody;
use attempt::{Answer, AttemptEnd, Running};
use edge_faas_core::io::{
    AttemptEvent, AttemptFailure, AttemptId, CallId, CallOutcome, CallReport, Input, Started,
};
use futures::{FutureExt, StreamExt};
use info::Stamps;
use request::{Gathered, Head};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

pub(crate) use request::{Head as CallHead, Payload};

/// The longest name of a function: a key of Kademlia's, and a Kubernetes name, with room to spare.
const NAME_MAX: usize = 253;

/// Carries a user's call to a provider and its answer back.
pub(crate) async fn call(driver: &Arc<Driver>, request: CallRequest) -> Result<CallResponse, CallFailure> {
    let arrived = Instant::now();
    let limits = &driver.config.limits;
    if driver.is_closing() {
        return Err(refused(FailureReason::ShuttingDown, "the node is shutting down: call another one"));
    }
    let Some(place) = Counted::within(&driver.open_calls, limits.open_calls) else {
        let message = "the node has as many calls under way as it may (limits.open_calls): try again later";
        return Err(refused(FailureReason::Outcome(CallOutcome::Rejected), message));
    };
    check(&request, limits.head)?;
    let CallRequest { function, method, path, query, headers, body, timeout, policy, idempotent } = request;
    let timeout = timeout.unwrap_or(driver.config.timeouts.call).min(driver.config.timeouts.call_max);
    let deadline = arrived + timeout;
    let gathered = request::gather(body, limits.replay_body, limits.request_body).await?;
    let payload = match gathered {
        Gathered::Whole(bytes) => Payload::Whole(bytes),
        Gathered::Streaming(body) => Payload::once(body),
    };
    let replayable = matches!(payload, Payload::Whole(_));
    let head = Arc::new(Head { function, method, path, query, headers, deadline });
    let begun = driver.begin_call(&head.function, policy, driver.time(deadline), idempotent, replayable);
    run(OpenCall::new(driver.clone(), begun, Some(place)), head, payload, arrived).await
}

/// A call that the core has, and what it says of it; where it is dropped before its end, it is cancelled.
#[derive(Debug)]
pub(crate) struct OpenCall {
    driver: Arc<Driver>,
    id: CallId,
    events: CallEvents,
    over: bool,
    _place: Option<Counted>,
}

impl OpenCall {
    /// A call that has just begun; `place` is what counts it among the node's.
    pub(crate) fn new(driver: Arc<Driver>, begun: (CallId, CallEvents), place: Option<Counted>) -> Self {
        OpenCall { driver, id: begun.0, events: begun.1, over: false, _place: place }
    }

    /// What the core says next; none after the end.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<CallEvent>> {
        let event = ready!(self.events.poll_next_unpin(cx));
        self.over |= matches!(event, Some(CallEvent::Done(_)));
        Poll::Ready(event)
    }

    /// Tells the core that an attempt it asked for is not made: it waits for the end of each.
    fn decline(&self, attempt: AttemptId) {
        let reason = AttemptFailure::Cancelled;
        self.driver.attempt(attempt, AttemptEvent::Failed { reason, started: Started::No, capacity: None });
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.driver.input(Input::CancelCall { call: self.id });
        // What it had asked for in the meantime, and nobody has looked at.
        while let Some(Some(event)) = self.events.next().now_or_never() {
            if let CallEvent::Start(attempt, _) = event {
                self.decline(attempt.id);
            }
        }
    }
}

/// Does what the core says of a call, until it has an answer or its end.
pub(crate) async fn run(
    mut open: OpenCall,
    head: Arc<Head>,
    payload: Payload,
    arrived: Instant,
) -> Result<CallResponse, CallFailure> {
    let driver = open.driver.clone();
    let experiment = driver.config.experiment.as_ref();
    if let Some(experiment) = experiment {
        experiment.begun(open.id, &head.headers);
    }
    let mut running: Vec<Running> = Vec::new();
    // In the order in which they came. There may be several: the loser of a race may answer before it is cancelled.
    let mut answers: Vec<Answer> = Vec::new();
    let mut stamps = Stamps::new(arrived);
    // What the last provider that failed said of it.
    let mut complaint = String::new();
    let end = poll_fn(|cx| {
        loop {
            match open.poll_event(cx) {
                Poll::Ready(Some(CallEvent::Start(attempt, provider))) => {
                    stamps.attempt();
                    running.push(Running::start(&driver, *attempt, provider, &head, &payload));
                    continue;
                }
                Poll::Ready(Some(CallEvent::Cancel { attempt, only_queued })) => {
                    if only_queued {
                        if let Some(running) = running.iter_mut().find(|running| running.id == attempt) {
                            running.reclaim();
                        }
                    } else {
                        // Dropping it tells the core and, by a broken stream, the provider.
                        running.retain(|running| running.id != attempt);
                        answers.retain(|answer| answer.attempt != attempt);
                    }
                    continue;
                }
                Poll::Ready(Some(CallEvent::Done(report))) => return Poll::Ready(Some(report)),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {}
            }
            if answers.first().is_some_and(Answer::is_streaming) {
                return Poll::Ready(None);
            }
            let mut progress = false;
            let mut at = 0;
            while let Some(attempt) = running.get_mut(at) {
                match attempt.future.as_mut().poll(cx) {
                    Poll::Pending => at += 1,
                    Poll::Ready(end) => {
                        progress = true;
                        drop(running.swap_remove(at));
                        match end {
                            AttemptEnd::Answered(answer) => {
                                if let (Some(experiment), Some(connect)) = (experiment, answer.connect) {
                                    experiment.connected(answer.attempt, connect);
                                }
                                answers.push(*answer);
                            }
                            AttemptEnd::Failed(said) if !said.is_empty() => complaint = said,
                            AttemptEnd::Failed(_) => {}
                        }
                    }
                }
            }
            if !progress {
                return Poll::Pending;
            }
        }
    })
    .await;
    let winner = end.as_ref().and_then(|report| report.winner);
    let chosen = answers.iter().position(|answer| winner.is_none_or(|winner| answer.attempt == winner));
    match (end, chosen.map(|at| answers.swap_remove(at))) {
        (Some(report), Some(answer))
            if matches!(report.outcome, CallOutcome::Ok | CallOutcome::FunctionError) =>
        {
            let info = stamps.of_report(&driver, &report, answer.provider, answer.connect);
            Ok(answer.complete(info))
        }
        (None, Some(answer)) => {
            let info = stamps.so_far(&driver, &answer);
            let Answer { status, headers, rest, .. } = answer;
            let body: Body = http_body_util::BodyExt::boxed_unsync(AnswerBody::new(open, rest));
            Ok(CallResponse { status, headers, body, info })
        }
        (Some(report), _) => Err(match payload.broke() {
            // The user's own doing.
            Some((reason, message)) => refused(reason, format!("the request's body broke off: {message}")),
            None => failed(&driver, &head, &report, &stamps, complaint),
        }),
        // The driver ended.
        (None, None) => {
            Err(refused(FailureReason::ShuttingDown, "the node is shutting down: call another one"))
        }
    }
}

/// A call that the core ended without an answer.
fn failed(
    driver: &Driver,
    head: &Head,
    report: &CallReport,
    stamps: &Stamps,
    complaint: String,
) -> CallFailure {
    let info = stamps.of_report(driver, report, None, None);
    let function = &head.function;
    let attempts = info.attempts;
    let mut message = match report.outcome {
        CallOutcome::NotFound => {
            format!("no node provides {function:?}: deploy it, or check the name")
        }
        CallOutcome::Rejected => format!("every provider of {function:?} is full: try again later"),
        CallOutcome::Timeout => {
            format!("{function:?} did not answer in time ({attempts} attempts): allow it more time")
        }
        CallOutcome::Unreachable => {
            format!("no provider of {function:?} could be reached ({attempts} attempts)")
        }
        CallOutcome::Unknown => format!(
            "the provider of {function:?} failed; the function may have run, and is not marked idempotent, so it was not \
             run again"
        ),
        CallOutcome::Truncated => format!("the answer of {function:?} broke off"),
        CallOutcome::Cancelled => "the call was cancelled".to_owned(),
        // An answer that was lost between here and the core: it cannot be.
        CallOutcome::Ok | CallOutcome::FunctionError => format!("the answer of {function:?} was lost"),
    };
    for detail in [report.error, complaint.as_str()] {
        if !detail.is_empty() {
            message.push_str(": ");
            message.push_str(detail);
        }
    }
    CallFailure {
        reason: FailureReason::Outcome(report.outcome),
        message,
        retry_after: None,
        info: Box::new(info),
    }
}

/// A call that never came to the core.
pub(crate) fn refused(reason: FailureReason, message: impl Into<String>) -> CallFailure {
    CallFailure { reason, message: message.into(), retry_after: None, info: Box::default() }
}

/// Refuses what cannot be passed on.
fn check(request: &CallRequest, head_max: usize) -> Result<(), CallFailure> {
    check_name(&request.function)?;
    path::check(&request.path, request.query.as_deref())
        .map_err(|error| refused(FailureReason::BadRequest, error.to_string()))?;
    let headers: usize =
        request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 8).sum();
    let query = request.query.as_ref().map_or(0, String::len);
    // Some room for the rest of the message.
    let size = request.path.len() + query + headers + request.function.len() + 128;
    if size > head_max {
        let message = format!("path, query and headers take {size} bytes; at most {head_max} are passed on");
        return Err(refused(FailureReason::BadRequest, message));
    }
    Ok(())
}

/// Refuses a name that OpenFaaS would refuse.
pub(crate) fn check_name(name: &str) -> Result<(), CallFailure> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(allowed) {
        let message = format!(
            "{name:?} is no function's name: letters, digits, -, _ and . are allowed, at most {NAME_MAX} of them"
        );
        return Err(refused(FailureReason::BadRequest, message));
    }
    Ok(())
}

impl Answer {
    /// A complete answer, for the user.
    fn complete(self, info: CallInfo) -> CallResponse {
        let Answer { status, headers, rest, .. } = self;
        CallResponse { status, headers, body: rest.into_whole(), info }
    }
}
