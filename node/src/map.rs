//! A user's manycall: items are pulled as the core asks for them, results go out as they come about.

use crate::body::BodyError;
use crate::call::{CallFailure, FailureReason, MapAnswer, MapItem, MapRequest, MapResult, MapStream};
use crate::driver::{Driver, MapEvent, MapEvents};
use crate::entry::{self, CallHead, OpenCall, Payload};
use crate::path;
use edge_faas_core::io::{Input, MapId};
use futures::channel::mpsc;
use futures::stream::{self, FuturesUnordered};
use futures::{SinkExt, Stream, StreamExt};
use http_body_util::{BodyExt, Limited};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio_util::task::AbortOnDropHandle;

/// Begins a manycall. Its results come out of the stream; dropping it cancels the rest.
pub(crate) fn map(driver: &Arc<Driver>, request: MapRequest) -> MapStream {
    if driver.is_closing() {
        let error = BodyError::Broken("the node is shutting down: ask another one".to_owned());
        return stream::iter([Err(error)]).boxed();
    }
    if let Err(failure) = entry::check_name(&request.function) {
        return stream::iter([Err(BodyError::Broken(failure.to_string()))]).boxed();
    }
    let credit = driver.config.limits.map_results.max(1);
    let MapRequest { function, policy, idempotent, count, timeout, items } = request;
    let timeout = timeout.unwrap_or(driver.config.timeouts.call).min(driver.config.timeouts.call_max);
    let (id, events) = driver.begin_map(&function, policy, count, credit);
    // One place for the error that may come last.
    let (sender, results) = mpsc::channel(credit as usize + 1);
    let spreading =
        Spreading { driver: driver.clone(), id, function: function.into(), idempotent, timeout, sender };
    let task = driver.tasks.spawn(spreading.run(events, items));
    let results = Results {
        driver: driver.clone(),
        id,
        results,
        taken: 0,
        batch: (credit / 8).max(1),
        over: false,
        _task: AbortOnDropHandle::new(task),
    };
    results.boxed()
}

/// A manycall that is not over.
struct Spreading {
    driver: Arc<Driver>,
    id: MapId,
    function: Arc<str>,
    idempotent: Option<bool>,
    timeout: Duration,
    sender: mpsc::Sender<Result<MapResult, BodyError>>,
}

impl Spreading {
    async fn run(
        mut self,
        mut events: MapEvents,
        items: stream::BoxStream<'static, Result<MapItem, BodyError>>,
    ) {
        let mut items = Some(items);
        let mut wanted = 0u64;
        let mut index = 0u64;
        let mut broke = None;
        // Dropped with this task, when the manycall is cancelled.
        let mut running = FuturesUnordered::new();
        loop {
            let pulling = wanted > 0;
            let next = async {
                match &mut items {
                    Some(items) if pulling => items.next().await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                event = events.next() => match event {
                    Some(MapEvent::Pull(count)) => wanted += u64::from(count),
                    Some(MapEvent::Done) | None => break,
                },
                item = next => match item {
                    Some(Ok(item)) => {
                        wanted -= 1;
                        let task = self.begin(index, item);
                        running.push(task);
                        index += 1;
                    }
                    end => {
                        items = None;
                        broke = end.and_then(Result::err);
                        self.driver.input(Input::ItemsEnd { map: self.id });
                    }
                },
                Some(_) = running.next(), if !running.is_empty() => {}
            }
        }
        // The core is done with all of them; the last results may still be on their way.
        while running.next().await.is_some() {}
        if let Some(error) = broke {
            let _ = self.sender.send(Err(error)).await;
        }
    }

    /// Starts an item in a task of its own, so that items run on all cores.
    fn begin(&self, index: u64, item: MapItem) -> AbortOnDropHandle<()> {
        let arrived = Instant::now();
        let deadline = arrived + self.timeout;
        let driver = &self.driver;
        let limit = driver.config.limits.response_body;
        let begun = driver.begin_item(self.id, &self.function, driver.time(deadline), self.idempotent);
        let open = OpenCall::new(driver.clone(), begun, None);
        let mut sender = self.sender.clone();
        let function = self.function.to_string();
        AbortOnDropHandle::new(driver.tasks.spawn(async move {
            let MapItem { method, path, query, headers, body } = item;
            let outcome = match path::check(&path, query.as_deref()) {
                Ok(()) => {
                    let head = CallHead { function, method, path, query, headers, deadline };
                    let payload = Payload::Whole(body);
                    match entry::run(open, Arc::new(head), payload, arrived).await {
                        Ok(response) => collect(response, limit).await,
                        Err(failure) => Err(failure),
                    }
                }
                Err(error) => {
                    drop(open);
                    Err(entry::refused(FailureReason::BadRequest, error.to_string()))
                }
            };
            // Within the credit there is room; else nobody takes results any more.
            let _ = sender.send(Ok(MapResult { index, outcome })).await;
        }))
    }
}

/// The whole answer to an item.
async fn collect(response: crate::call::CallResponse, limit: u64) -> Result<MapAnswer, CallFailure> {
    let crate::call::CallResponse { status, headers, body, info } = response;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(MapAnswer { status, headers, body: body.to_bytes(), info }),
        Err(error) => Err(CallFailure {
            reason: FailureReason::Outcome(edge_faas_core::io::CallOutcome::Truncated),
            message: format!("the answer broke off: {error}"),
            retry_after: None,
            info: Box::new(info),
        }),
    }
}

/// The results of a manycall, as the user takes them.
struct Results {
    driver: Arc<Driver>,
    id: MapId,
    results: mpsc::Receiver<Result<MapResult, BodyError>>,
    /// Taken, and not told to the core.
    taken: u32,
    batch: u32,
    over: bool,
    _task: AbortOnDropHandle<()>,
}

impl Stream for Results {
    type Item = Result<MapResult, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.results.poll_next_unpin(cx);
        match &next {
            Poll::Ready(Some(_)) => {
                self.taken += 1;
                if self.taken >= self.batch {
                    let count = std::mem::take(&mut self.taken);
                    self.driver.input(Input::ResultsTaken { map: self.id, count });
                }
            }
            Poll::Ready(None) => self.over = true,
            Poll::Pending => {}
        }
        next
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        if !self.over {
            self.driver.input(Input::CancelMap { map: self.id });
        }
    }
}
