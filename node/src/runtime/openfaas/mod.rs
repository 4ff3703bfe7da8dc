//! A runtime that is an OpenFaaS gateway, or a provider of that API, reached by HTTP.

mod answer;
mod api;
mod connect;
mod functions;
mod watcher;

#[cfg(test)]
mod tests;

pub use connect::Credentials;

use super::{
    DEADLINE_GRACE, ExecuteRequest, ExecuteResponse, HostedFunctions, Runtime, RuntimeError,
    RuntimeErrorKind, RuntimeFailure, RuntimeFailureReason, SecretOperation,
};
use crate::http::POLICY;
use crate::openfaas::{
    FunctionDeployment, FunctionName, FunctionStatus, LogMessage, LogQuery, Provider, Secret,
};
use crate::path;
use api::Api;
use connect::Connection;
use edge_faas_core::context::Capacity;
use edge_faas_core::faas::AnycallPolicy;
use edge_faas_core::io::Started;
use functions::Functions;
use futures::stream::BoxStream;
use http::{HeaderValue, Request, Uri};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use watcher::Watcher;

/// Settings of the runtime.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the gateway is: `http://127.0.0.1:8080`, also with a path below which its API lies.
    pub url: Uri,
    /// For `/system/…`; `None` where it asks for none.
    pub credentials: Option<Credentials>,
    /// How often it is asked what it hosts, and whether it lives.
    pub poll_interval: Duration,
    /// How long it may take to answer such a question, and to be connected to.
    pub timeout: Duration,
    /// Calls that one replica runs at once, where neither its annotation nor `max_inflight` says so.
    pub concurrency: u32,
    /// Calls of one function that may wait here, where its annotation does not say so.
    pub queue: u32,
}

impl Settings {
    /// The usual settings for a gateway.
    pub fn new(url: Uri) -> Self {
        Settings {
            url,
            credentials: None,
            poll_interval: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
            concurrency: 100,
            queue: 1_000,
        }
    }
}

/// An OpenFaaS gateway as a runtime. Its functions are those that it lists; they are hosted while it answers.
#[derive(Debug)]
pub struct OpenFaas {
    api: Arc<Api>,
    functions: Arc<Functions>,
    watcher: Watcher,
}

impl OpenFaas {
    /// A runtime behind which a gateway is, or will be: one that is down hosts nothing until it is up. Has to be
    /// called within a tokio runtime; asks the gateway once before it returns.
    ///
    /// # Errors
    /// The URL is none that can be called.
    pub async fn open(settings: Settings) -> Result<Self, RuntimeError> {
        let api = Arc::new(Api::new(Connection::new(&settings)?));
        let functions = Arc::new(Functions::new(settings.concurrency, settings.queue));
        let watcher = Watcher::start(Arc::clone(&api), Arc::clone(&functions), settings.poll_interval).await;
        Ok(OpenFaas { api, functions, watcher })
    }

    fn uri(&self, request: &ExecuteRequest) -> Result<Uri, RuntimeFailure> {
        let refused =
            |message: String| RuntimeFailure::new(RuntimeFailureReason::NotHosted, Started::No, message);
        // Whoever took the call from its user has checked this; a peer may not have.
        path::check(&request.path, request.query.as_deref()).map_err(|error| refused(error.to_string()))?;
        let name = FunctionName::parse(&request.function).map_err(|error| refused(error.to_string()))?;
        let query = request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let below = format!("/function/{name}{}{query}", request.path);
        self.api.connection().uri(&below).map_err(|error| refused(error.message))
    }
}

#[async_trait::async_trait]
impl Runtime for OpenFaas {
    async fn info(&self) -> Result<Provider, RuntimeError> {
        self.api.info().await
    }

    async fn deploy(&self, deployment: FunctionDeployment) -> Result<(), RuntimeError> {
        self.api.deploy(&deployment).await?;
        self.watcher.look().await;
        Ok(())
    }

    async fn update(&self, deployment: FunctionDeployment) -> Result<(), RuntimeError> {
        self.api.update(&deployment).await?;
        self.watcher.look().await;
        Ok(())
    }

    async fn remove(&self, function: &FunctionName) -> Result<(), RuntimeError> {
        self.api.remove(function).await?;
        // Kubernetes lists it for a while yet.
        self.functions.remove(function);
        Ok(())
    }

    async fn list(&self, namespace: Option<&str>) -> Result<Vec<FunctionStatus>, RuntimeError> {
        self.api.list(namespace).await
    }

    async fn describe(&self, function: &FunctionName, usage: bool) -> Result<FunctionStatus, RuntimeError> {
        self.api.describe(function, usage).await
    }

    async fn scale(&self, function: &FunctionName, replicas: u64) -> Result<(), RuntimeError> {
        self.api.scale(function, replicas).await?;
        self.watcher.look().await;
        Ok(())
    }

    async fn logs(
        &self,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogMessage, RuntimeError>>, RuntimeError> {
        self.api.logs(&query).await
    }

    async fn secrets(&self, operation: SecretOperation) -> Result<Vec<Secret>, RuntimeError> {
        self.api.secrets(operation).await
    }

    async fn namespaces(&self) -> Result<Vec<String>, RuntimeError> {
        self.api.namespaces().await
    }

    async fn healthy(&self) -> Result<(), RuntimeError> {
        self.api.healthy().await
    }

    fn hosted(&self) -> watch::Receiver<HostedFunctions> {
        self.functions.hosted()
    }

    fn capacity(&self, function: &str) -> Option<Capacity> {
        self.functions.capacity(function)
    }

    async fn execute(&self, request: ExecuteRequest) -> Result<ExecuteResponse, RuntimeFailure> {
        let not_hosted = || {
            let message = format!("the gateway does not list the function {}", request.function);
            RuntimeFailure::new(RuntimeFailureReason::NotHosted, Started::No, message)
        };
        let slots = self.functions.slots(&request.function).ok_or_else(not_hosted)?;
        let uri = self.uri(&request)?;
        let queued = Instant::now();
        let deadline = request.deadline + DEADLINE_GRACE;
        let slot = slots.admit().slot(deadline).await;
        let slot = slot.map_err(|refusal| refusal.failure(&request.function))?;
        if !request.start.start() {
            return Err(RuntimeFailure::new(
                RuntimeFailureReason::Cancelled,
                Started::No,
                format!("{}: fetched back from the queue", request.function),
            ));
        }
        let begun = Instant::now();
        let ExecuteRequest { function, method, mut headers, body, .. } = request;
        // The gateway is another host than the one that the caller named.
        headers.remove(http::header::HOST);
        // A gateway may stand in front of a node, even of this network. It has been decided who runs this call: sent on
        // from there, it could come back here, and go round until its deadline.
        headers.insert(POLICY, HeaderValue::from_static(AnycallPolicy::LocalOnly.name()));
        let mut sent = Request::new(body);
        (*sent.method_mut(), *sent.uri_mut(), *sent.headers_mut()) = (method, uri, headers);
        let answered = async {
            match self.api.connection().send(sent).await {
                Ok(response) => answer::read(&function, response, (begun - queued, begun), slot).await,
                Err(error) => Err(answer::broken(&function, &error)),
            }
        };
        let answered = tokio::time::timeout_at(deadline.into(), answered).await.unwrap_or_else(|_| {
            let message = format!("{function}: the gateway did not answer before the deadline");
            Err(RuntimeFailure::new(RuntimeFailureReason::Runtime, Started::Maybe, message))
        });
        if let Err(RuntimeFailure { reason, .. }) = &answered
            && matches!(reason, RuntimeFailureReason::Runtime | RuntimeFailureReason::NotHosted)
        {
            // Find out soon whether it is down for everybody, and what else it does not host any more.
            self.watcher.wake();
        }
        answered
    }
}

/// An error that says what of the gateway is not as it should be.
fn unavailable(message: impl Into<String>) -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::Unavailable, message)
}
