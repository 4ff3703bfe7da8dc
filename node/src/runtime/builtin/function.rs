//! One function of the built-in runtime.

use super::kind::Kind;
use super::log::{Event, Log};
use super::options::Options;
use super::run::{self, Answer, Cores};
use super::state::Deployed;
use crate::body::{self, Body, BodyError, read_ahead};
use crate::openfaas::{FunctionDeployment, FunctionName, FunctionStatus, LogMessage, LogQuery};
use crate::runtime::slots::{Admission, Refusal, Slot, Slots};
use crate::runtime::{
    DEADLINE_GRACE, ExecuteRequest, ExecuteResponse, RuntimeError, RuntimeErrorKind, RuntimeFailure,
    RuntimeFailureReason, annotation,
};
use bytes::Bytes;
use edge_faas_core::context::{Capacity, Timing};
use edge_faas_core::io::Started;
use edge_faas_core::time;
use futures::stream::BoxStream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::CONTENT_TYPE};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Bytes of a request that `echo` reads before its answer begins.
const ECHO_AHEAD: u64 = 1 << 20;

/// A function that is deployed.
#[derive(Debug)]
pub(super) struct Function {
    name: FunctionName,
    kind: Kind,
    options: Options,
    idempotent: bool,
    deployed: Deployed,
    slots: Slots,
    log: Arc<Log>,
    invocations: Arc<AtomicU64>,
    what: &'static str,
}

impl Function {
    pub(super) fn new(deployed: Deployed) -> Result<Self, RuntimeError> {
        let slots = Slots::new(0, 0);
        Self::build(deployed, slots, Arc::new(Log::new()), Arc::default(), "deployed")
    }

    /// The same function by another deployment.
    pub(super) fn changed(&self, deployment: FunctionDeployment) -> Result<Self, RuntimeError> {
        self.successor(Deployed { deployment, ..self.deployed.clone() }, "updated")
    }

    /// The same function with another number of instances.
    pub(super) fn scaled(&self, replicas: u64) -> Self {
        let deployed = Deployed { replicas, ..self.deployed.clone() };
        Function {
            name: self.name.clone(),
            kind: self.kind,
            options: self.options.clone(),
            idempotent: self.idempotent,
            deployed,
            slots: self.slots.clone(),
            log: Arc::clone(&self.log),
            invocations: Arc::clone(&self.invocations),
            what: "scaled",
        }
    }

    fn successor(&self, deployed: Deployed, what: &'static str) -> Result<Self, RuntimeError> {
        let (log, invocations) = (Arc::clone(&self.log), Arc::clone(&self.invocations));
        Self::build(deployed, self.slots.clone(), log, invocations, what)
    }

    fn build(
        deployed: Deployed,
        slots: Slots,
        log: Arc<Log>,
        invocations: Arc<AtomicU64>,
        what: &'static str,
    ) -> Result<Self, RuntimeError> {
        let invalid = |error: String| RuntimeError::new(RuntimeErrorKind::Invalid, error);
        let deployment = &deployed.deployment;
        let name = FunctionName::deployable(&deployment.service, &deployment.namespace)
            .map_err(|error| invalid(error.to_string()))?;
        let kind = Kind::of_image(&deployment.image).map_err(invalid)?;
        let options = Options::of(kind, deployment).map_err(invalid)?;
        let idempotent = annotation::flag(&deployment.annotations, annotation::IDEMPOTENT)
            .map_err(invalid)?
            .unwrap_or(false);
        Ok(Function { name, kind, options, idempotent, deployed, slots, log, invocations, what })
    }

    /// Begins to hold: from here on the slots are this deployment's.
    pub(super) fn begin(&self) {
        // A function that was scaled to zero is started by the next call, in no time.
        let replicas = u32::try_from(self.deployed.replicas.max(1)).unwrap_or(u32::MAX);
        self.slots.resize(self.options.concurrency.saturating_mul(replicas), self.options.queue);
        self.log.push(Event::Changed { what: self.what, replicas: self.deployed.replicas });
    }

    pub(super) fn name(&self) -> &FunctionName {
        &self.name
    }

    pub(super) fn idempotent(&self) -> bool {
        self.idempotent
    }

    pub(super) fn replicas(&self) -> u64 {
        self.deployed.replicas
    }

    pub(super) fn deployed(&self) -> Deployed {
        self.deployed.clone()
    }

    pub(super) fn capacity(&self) -> Capacity {
        self.slots.capacity()
    }

    pub(super) fn status(&self) -> FunctionStatus {
        FunctionStatus {
            namespace: self.name.namespace().to_owned(),
            invocation_count: self.invocations.load(Ordering::Relaxed) as f64,
            replicas: self.deployed.replicas,
            available_replicas: self.deployed.replicas,
            created_at: self.deployed.created_at.clone(),
            ..FunctionStatus::of(&self.deployed.deployment)
        }
    }

    pub(super) fn read_log(&self, query: &LogQuery) -> Result<BoxStream<'static, LogMessage>, String> {
        self.log.read(&self.name, query)
    }

    /// Runs a call: admitted or refused at once, then its body is read (of `echo` the first MiB), then it waits for its turn.
    pub(super) async fn execute(
        &self,
        request: ExecuteRequest,
        cores: &Cores,
    ) -> Result<ExecuteResponse, RuntimeFailure> {
        let ExecuteRequest { method, query, headers, body, start, .. } = request;
        let deadline = request.deadline + DEADLINE_GRACE;
        let admission = self.slots.admit();
        if matches!(admission, Admission::Full) {
            return Err(Refusal::Full.failure(self.name.as_str()));
        }
        let failed = |started, message: &str| {
            RuntimeFailure::new(RuntimeFailureReason::Runtime, started, format!("{}: {message}", self.name))
        };
        let body = match self.kind {
            // It streams, but a small body is read before the answer begins, as watchdogs do: HTTP/1 servers such as OpenFaaS'
            // gateway cut a request off whose answer has begun.
            Kind::Echo => read_ahead(body, ECHO_AHEAD).await,
            // On its way to the function, and no time of the function's.
            _ => drain(body).await.map_err(|error| failed(Started::No, &error.to_string()))?,
        };
        let queued = Instant::now();
        let slot = admission.slot(deadline).await;
        let slot = slot.map_err(|refusal| refusal.failure(self.name.as_str()))?;
        if !start.start() {
            return Err(RuntimeFailure::new(
                RuntimeFailureReason::Cancelled,
                Started::No,
                format!("{}: fetched back from the queue", self.name),
            ));
        }
        let begun = Instant::now();
        self.invocations.fetch_add(1, Ordering::Relaxed);
        let until = self.options.exec_timeout.map_or(deadline, |timeout| deadline.min(begun + timeout));
        let answer = match self.options.of_call(query.as_deref(), &headers) {
            Err(error) => Some(refusal(StatusCode::BAD_REQUEST, error)),
            Ok(options) => {
                let run = run::run(self.kind, &options, (headers, body), cores);
                match tokio::time::timeout_at(until.into(), run).await {
                    Ok(answer) => answer,
                    Err(_) if until < deadline => Some(refusal(
                        StatusCode::GATEWAY_TIMEOUT,
                        format!("it ran longer than its {}", annotation::TIMEOUT),
                    )),
                    Err(_) => {
                        self.log.push(Event::Broke { method, why: "the deadline passed" });
                        return Err(failed(Started::Yes, "the deadline passed"));
                    }
                }
            }
        };
        let Some(Answer { status, headers, body }) = answer else {
            self.log.push(Event::Broke { method, why: "it crashed" });
            return Err(failed(Started::Yes, "it crashed"));
        };
        let timing = Timing {
            queue: duration(begun - queued),
            cold: time::Duration::ZERO,
            exec: duration(begun.elapsed()),
        };
        let done = Done { log: Arc::clone(&self.log), method, status, begun, slot };
        // What is in memory already is done with; a stream holds its slot until it ends.
        let body =
            if body.size_hint().exact().is_some_and(|size| size <= 64 * 1024) && self.kind != Kind::Echo {
                drop(done);
                body
            } else {
                Held { body, done: Some(done) }.boxed_unsync()
            };
        Ok(ExecuteResponse { status, headers, body, timing })
    }
}

/// An answer of the runtime's own that is still the function's: trying elsewhere would give the same.
fn refusal(status: StatusCode, text: String) -> Answer {
    let content_type = (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Answer { status, headers: HeaderMap::from_iter([content_type]), body: body::full(text + "\n") }
}

fn duration(duration: Duration) -> time::Duration {
    time::Duration::from_nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// Reads a body to its end and keeps nothing of it.
async fn drain(mut body: Body) -> Result<Body, BodyError> {
    if !body.is_end_stream() {
        while let Some(frame) = body.frame().await {
            frame?;
        }
    }
    Ok(body::empty())
}

/// What ends when a call does.
#[derive(Debug)]
struct Done {
    log: Arc<Log>,
    method: Method,
    status: StatusCode,
    begun: Instant,
    #[allow(dead_code, reason = "held, and given back by being dropped")]
    slot: Slot,
}

impl Drop for Done {
    fn drop(&mut self) {
        self.log.push(Event::Answered {
            method: self.method.clone(),
            status: self.status,
            exec: self.begun.elapsed(),
        });
    }
}

/// A body whose function holds its slot until it ends.
struct Held {
    body: Body,
    done: Option<Done>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) || self.body.is_end_stream() {
            self.done = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
