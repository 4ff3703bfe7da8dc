//! What runs functions: the contract between the node and the runtime behind it.

pub mod annotation;
mod builtin;
mod openfaas;
mod slots;

pub use builtin::{Builtin, SERVICE_TIME, Settings as BuiltinSettings};
pub use openfaas::{Credentials, OpenFaas, Settings as OpenFaasSettings};

use crate::body::Body;
use crate::openfaas::{
    FunctionDeployment, FunctionName, FunctionStatus, LogMessage, LogQuery, Provider, Secret,
};
use edge_faas_core::context::{Capacity, Timing};
use edge_faas_core::io::Started;
use futures::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long a provider and its runtime go on after a call's deadline. The call's entry gives up first then, and says that
/// it was the time; what the provider says is for an entry that does not.
pub(crate) const DEADLINE_GRACE: Duration = Duration::from_secs(1);

/// The functions that a runtime hosts, by name.
pub type HostedFunctions = Arc<BTreeMap<String, Hosted>>;

/// What the node must know of a hosted function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hosted {
    /// May a call that may have started be run again? The deploy annotation [`annotation::IDEMPOTENT`].
    pub idempotent: bool,
}

/// Runs functions. One per node; the node and the HTTP API share it.
#[async_trait::async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// What it is.
    async fn info(&self) -> Result<Provider, RuntimeError>;

    /// Deploys a function. It shows in [`Runtime::hosted`] once it can be called.
    async fn deploy(&self, deployment: FunctionDeployment) -> Result<(), RuntimeError>;

    /// Changes a function that is deployed.
    async fn update(&self, deployment: FunctionDeployment) -> Result<(), RuntimeError>;

    /// Removes a function.
    async fn remove(&self, function: &FunctionName) -> Result<(), RuntimeError>;

    /// All functions of a namespace; `None`: of the default one.
    async fn list(&self, namespace: Option<&str>) -> Result<Vec<FunctionStatus>, RuntimeError>;

    /// One function; `usage` asks for what it uses, too.
    async fn describe(&self, function: &FunctionName, usage: bool) -> Result<FunctionStatus, RuntimeError>;

    /// Sets the number of a function's instances.
    async fn scale(&self, function: &FunctionName, replicas: u64) -> Result<(), RuntimeError>;

    /// A function's log; endless if the query says `follow`.
    async fn logs(
        &self,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogMessage, RuntimeError>>, RuntimeError>;

    /// Secrets: what is listed carries no values.
    async fn secrets(&self, operation: SecretOperation) -> Result<Vec<Secret>, RuntimeError>;

    /// The namespaces there are.
    async fn namespaces(&self) -> Result<Vec<String>, RuntimeError>;

    /// True while calls can be run; else why not.
    async fn healthy(&self) -> Result<(), RuntimeError>;

    /// The functions that can be called now. The node announces and withdraws them as this changes.
    fn hosted(&self) -> watch::Receiver<HostedFunctions>;

    /// How full the runtime is for a function; `None`: not hosted. Read for every call: cheap, and it never waits.
    fn capacity(&self, function: &str) -> Option<Capacity>;

    /// Runs a call. Dropping the future cancels it, as does dropping the answer's body before its end.
    ///
    /// # Errors
    /// [`RuntimeFailure`] for what is not the function's own answer.
    async fn execute(&self, request: ExecuteRequest) -> Result<ExecuteResponse, RuntimeFailure>;
}

/// What to do with secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretOperation {
    /// List those of a namespace.
    List {
        /// The namespace; `None`: the default one.
        namespace: Option<String>,
    },
    /// Make one.
    Create(Secret),
    /// Give one another value.
    Update(Secret),
    /// Remove one, by name and namespace.
    Delete(Secret),
}

/// A call to be run.
#[derive(Debug)]
pub struct ExecuteRequest {
    /// The function's name.
    pub function: String,
    /// The method.
    pub method: Method,
    /// What follows the function's name in the path: empty, or from a `/` on. It never leaves the function.
    pub path: String,
    /// The query without its `?`.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body. Where it fails while it is being read, the call's entry is gone: give up.
    pub body: Body,
    /// When nobody waits for the answer any more.
    pub deadline: Instant,
    /// Where the runtime says that the function's code begins.
    pub start: StartGate,
}

/// The function's answer.
#[derive(Debug)]
pub struct ExecuteResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers, hop-by-hop ones removed.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// Times up to the head. What the body takes after it is added to `exec` by who reads it.
    pub timing: Timing,
}

/// A call that the runtime did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuntimeFailure {
    /// Why.
    pub reason: RuntimeFailureReason,
    /// What is known of whether the function's code ran.
    pub started: Started,
    /// For people.
    pub message: String,
}

/// Why a runtime did not answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeFailureReason {
    /// No room, as by status 429.
    Full {
        /// When to come back, where it is known.
        retry_after: Option<Duration>,
    },
    /// It does not host the function.
    NotHosted,
    /// It is down, or it broke.
    Runtime,
    /// The call was fetched back before it began: [`StartGate::start`] said false.
    Cancelled,
}

/// A question to the runtime that it did not answer as was hoped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RuntimeError {
    /// What sort.
    pub kind: RuntimeErrorKind,
    /// For people.
    pub message: String,
}

/// Sorts of [`RuntimeError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeErrorKind {
    /// The request makes no sense to it (400).
    Invalid,
    /// There is no such function, secret or namespace (404).
    NotFound,
    /// It is there already (409).
    Exists,
    /// This runtime cannot do that (501).
    Unsupported,
    /// It cannot be reached, or it broke (502).
    Unavailable,
}

/// Decides, once, between a function's code that begins and a call that is fetched back from the queue.
#[derive(Clone, Debug, Default)]
pub struct StartGate(Arc<AtomicU8>);

impl RuntimeError {
    /// An error of a sort, with its message for people.
    pub fn new(kind: RuntimeErrorKind, message: impl Into<String>) -> Self {
        RuntimeError { kind, message: message.into() }
    }
}

impl RuntimeFailure {
    /// A failure, with its message for people.
    pub fn new(reason: RuntimeFailureReason, started: Started, message: impl Into<String>) -> Self {
        RuntimeFailure { reason, started, message: message.into() }
    }
}

impl StartGate {
    const QUEUED: u8 = 0;
    const STARTED: u8 = 1;
    const RECLAIMED: u8 = 2;

    /// A call that waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The runtime is about to run the function's code. False: the call was fetched back and must not run; end with
    /// [`RuntimeFailureReason::Cancelled`].
    #[must_use]
    pub fn start(&self) -> bool {
        self.0.compare_exchange(Self::QUEUED, Self::STARTED, Ordering::AcqRel, Ordering::Acquire).is_ok()
            || self.is_started()
    }

    /// True after [`StartGate::start`] said so.
    pub fn is_started(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::STARTED
    }

    /// Fetches the call back. False: its code has begun.
    #[must_use]
    pub fn reclaim(&self) -> bool {
        self.0.compare_exchange(Self::QUEUED, Self::RECLAIMED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}
