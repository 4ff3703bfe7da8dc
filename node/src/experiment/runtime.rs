//! A runtime under observation: what it runs is recorded, and it can be slowed down or go down at a word.

use super::record::{Event, Times};
use super::{Experiment, reference};
use crate::openfaas::{
    FunctionDeployment, FunctionName, FunctionStatus, LogMessage, LogQuery, Provider, Secret,
};
use crate::runtime::{
    ExecuteRequest, ExecuteResponse, HostedFunctions, Runtime, RuntimeError, RuntimeErrorKind,
    RuntimeFailure, RuntimeFailureReason, SERVICE_TIME, SecretOperation, StartGate,
};
use edge_faas_core::context::Capacity;
use edge_faas_core::io::Started;
use edge_faas_core::time::Duration as CoreDuration;
use edge_faas_core::units;
use futures::stream::BoxStream;
use http::HeaderValue;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// What a node's runtime is to be like: the body of `PUT /api/v1/experiment/runtime`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimePlan {
    /// It is down: what it runs is lost, what comes is refused.
    #[serde(default)]
    pub down: bool,
    /// How fast its cores are: a call of `builtin/cpu` that brings its service time takes that over `speed`.
    #[serde(default = "one")]
    pub speed: f64,
}

fn one() -> f64 {
    1.0
}

impl Default for RuntimePlan {
    fn default() -> Self {
        RuntimePlan { down: false, speed: 1.0 }
    }
}

impl RuntimePlan {
    /// Says what makes no sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.speed > 0.0 && self.speed.is_finite() {
            true => Ok(()),
            false => Err(format!("speed = {} is not above zero", self.speed)),
        }
    }
}

/// What the runtime is like at present.
#[derive(Debug, Default)]
pub(crate) struct Switch(watch::Sender<RuntimePlan>);

impl Switch {
    pub(crate) fn set(&self, plan: RuntimePlan) {
        self.0.send_replace(plan);
    }
}

/// A runtime under observation.
pub(crate) struct Observed {
    inner: Arc<dyn Runtime>,
    experiment: Arc<Experiment>,
    /// Whether a function computes, as far as that was asked.
    computes: Mutex<FxHashMap<String, bool>>,
}

impl Observed {
    pub(crate) fn new(inner: Arc<dyn Runtime>, experiment: Arc<Experiment>) -> Self {
        Observed { inner, experiment, computes: Mutex::default() }
    }

    /// Whether the function's time depends on the speed of cores.
    async fn computes(&self, function: &str) -> bool {
        if let Some(known) = self.computes.lock().get(function) {
            return *known;
        }
        let Ok(name) = FunctionName::parse(function) else { return false };
        let Ok(status) = self.inner.describe(&name, false).await else { return false };
        let computes = status.image.split(':').next().is_some_and(|image| image.ends_with("builtin/cpu"));
        self.computes.lock().insert(function.to_owned(), computes);
        computes
    }

    /// Stretches a call's service time by the speed of the cores.
    async fn at_speed(&self, speed: f64, request: &mut ExecuteRequest) {
        if speed == 1.0 || !self.computes(&request.function).await {
            return;
        }
        let asked = request.headers.get(SERVICE_TIME).and_then(|value| value.to_str().ok());
        let Some(Ok(time)) = asked.map(units::duration) else { return };
        let stretched = CoreDuration::from_secs_f64((time.as_secs_f64() / speed).min(1e9));
        // Digits and a unit: always a valid header.
        if let Ok(value) = HeaderValue::try_from(format!("{}ns", stretched.as_nanos())) {
            request.headers.insert(SERVICE_TIME, value);
        }
    }
}

/// An execution; where it is dropped before its end, it was cut off.
struct Execution<'a> {
    experiment: &'a Experiment,
    reference: Option<String>,
    function: String,
    gate: StartGate,
    begun: Instant,
    /// What the runtime said of an answer.
    answered: Option<Times>,
}

impl Drop for Execution<'_> {
    fn drop(&mut self) {
        let records = &self.experiment.records;
        let end = Instant::now();
        let started = self.answered.is_some() || self.gate.is_started();
        let lasted = i64::try_from((end - self.begun).as_nanos()).unwrap_or(i64::MAX);
        let cut_off = Times { exec: if started { lasted } else { 0 }, ..Times::default() };
        records.push(Event::Execution {
            reference: self.reference.take(),
            function: std::mem::take(&mut self.function),
            start: records.since_zero(self.begun),
            end: records.since_zero(end),
            times: self.answered.unwrap_or(cut_off),
            started,
            answered: self.answered.is_some(),
        });
    }
}

#[async_trait::async_trait]
impl Runtime for Observed {
    async fn info(&self) -> Result<Provider, RuntimeError> {
        self.inner.info().await
    }

    async fn deploy(&self, deployment: FunctionDeployment) -> Result<(), RuntimeError> {
        self.inner.deploy(deployment).await
    }

    async fn update(&self, deployment: FunctionDeployment) -> Result<(), RuntimeError> {
        self.computes.lock().remove(&deployment.service);
        self.inner.update(deployment).await
    }

    async fn remove(&self, function: &FunctionName) -> Result<(), RuntimeError> {
        self.computes.lock().remove(function.as_str());
        self.inner.remove(function).await
    }

    async fn list(&self, namespace: Option<&str>) -> Result<Vec<FunctionStatus>, RuntimeError> {
        self.inner.list(namespace).await
    }

    async fn describe(&self, function: &FunctionName, usage: bool) -> Result<FunctionStatus, RuntimeError> {
        self.inner.describe(function, usage).await
    }

    async fn scale(&self, function: &FunctionName, replicas: u64) -> Result<(), RuntimeError> {
        self.inner.scale(function, replicas).await
    }

    async fn logs(
        &self,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogMessage, RuntimeError>>, RuntimeError> {
        self.inner.logs(query).await
    }

    async fn secrets(&self, operation: SecretOperation) -> Result<Vec<Secret>, RuntimeError> {
        self.inner.secrets(operation).await
    }

    async fn namespaces(&self) -> Result<Vec<String>, RuntimeError> {
        self.inner.namespaces().await
    }

    async fn healthy(&self) -> Result<(), RuntimeError> {
        if self.experiment.runtime.0.borrow().down {
            return Err(RuntimeError::new(
                RuntimeErrorKind::Unavailable,
                "the experiment has the runtime down",
            ));
        }
        self.inner.healthy().await
    }

    fn hosted(&self) -> watch::Receiver<HostedFunctions> {
        self.inner.hosted()
    }

    fn capacity(&self, function: &str) -> Option<Capacity> {
        self.inner.capacity(function)
    }

    async fn execute(&self, mut request: ExecuteRequest) -> Result<ExecuteResponse, RuntimeFailure> {
        let mut plan = self.experiment.runtime.0.subscribe();
        let now = *plan.borrow_and_update();
        let mut execution = Execution {
            experiment: &self.experiment,
            reference: reference(&request.headers),
            function: request.function.clone(),
            gate: request.start.clone(),
            begun: Instant::now(),
            answered: None,
        };
        let down = |started| {
            RuntimeFailure::new(RuntimeFailureReason::Runtime, started, "the experiment has the runtime down")
        };
        if now.down {
            return Err(down(Started::No));
        }
        self.at_speed(now.speed, &mut request).await;
        let gate = request.start.clone();
        let result = tokio::select! {
            biased;
            Ok(_) = plan.wait_for(|plan| plan.down) => {
                Err(down(if gate.is_started() { Started::Yes } else { Started::No }))
            }
            result = self.inner.execute(request) => result,
        };
        execution.answered = result.as_ref().ok().map(|response| response.timing.into());
        result
    }
}
