//! The built-in runtime: a few functions inside the node, for tests, experiments and first steps.
//!
//! They are real executors: a function has slots and a bounded queue and refuses what is more, what computes does so
//! on its own threads, and what is cancelled stops.

mod function;
mod kind;
mod log;
mod options;
mod pi;
mod run;
mod secrets;
mod state;

pub use options::SERVICE_TIME;

use super::{
    ExecuteRequest, ExecuteResponse, Hosted, HostedFunctions, Runtime, RuntimeError, RuntimeErrorKind,
    RuntimeFailure, RuntimeFailureReason, SecretOperation,
};
use crate::openfaas::{
    DEFAULT_NAMESPACE, FunctionDeployment, FunctionName, FunctionStatus, LogMessage, LogQuery, Provider,
    Secret, Version,
};
use edge_faas_core::context::Capacity;
use edge_faas_core::io::Started;
use function::Function;
use futures::stream::{BoxStream, StreamExt};
use parking_lot::{Mutex, RwLock};
use run::Cores;
use state::State;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// Functions that one node may host.
const FUNCTIONS_MAX: usize = 10_000;
/// Instances of one function.
const REPLICAS_MAX: u64 = 10_000;

/// Settings of the built-in runtime.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How many calls of `cpu` and `pi` compute at once; `None`: one a core of this machine.
    pub cores: Option<usize>,
    /// The file in which deployments and secrets survive a restart; `None`: they do not.
    pub state: Option<PathBuf>,
}

/// The built-in runtime.
#[derive(Debug)]
pub struct Builtin {
    functions: RwLock<BTreeMap<String, Arc<Function>>>,
    /// Held by who changes the functions or the secrets, until that is on disk.
    state: Mutex<State>,
    hosted: watch::Sender<HostedFunctions>,
    cores: Cores,
}

impl Builtin {
    /// A runtime with the functions that its state file has.
    ///
    /// # Errors
    /// If the state file cannot be read, says why and what to do.
    pub fn open(settings: &Settings) -> Result<Self, RuntimeError> {
        let cores =
            settings.cores.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        let (state, kept) = State::open(settings.state.clone())?;
        let runtime = Builtin {
            functions: RwLock::default(),
            state: Mutex::new(state),
            hosted: watch::Sender::new(HostedFunctions::default()),
            cores: Cores::new(cores),
        };
        for deployed in kept {
            let function = Function::new(deployed)?;
            function.begin();
            runtime.functions.write().insert(function.name().as_str().to_owned(), Arc::new(function));
        }
        runtime.publish();
        Ok(runtime)
    }

    fn get(&self, function: &str) -> Option<Arc<Function>> {
        self.functions.read().get(function).cloned()
    }

    fn find(&self, function: &FunctionName) -> Result<Arc<Function>, RuntimeError> {
        self.get(function.as_str()).ok_or_else(|| missing(function))
    }

    /// Tells the node what is hosted.
    fn publish(&self) {
        let functions = self.functions.read();
        let hosted = functions
            .iter()
            .map(|(name, function)| (name.clone(), Hosted { idempotent: function.idempotent() }));
        let hosted: BTreeMap<String, Hosted> = hosted.collect();
        self.hosted.send_if_modified(|known| {
            let changed = **known != hosted;
            if changed {
                *known = Arc::new(hosted);
            }
            changed
        });
    }

    /// Puts a deployment in place, as a new function or in place of the one there is.
    fn put(&self, deployment: FunctionDeployment, new: bool) -> Result<(), RuntimeError> {
        let name = FunctionName::deployable(&deployment.service, &deployment.namespace)
            .map_err(|error| RuntimeError::new(RuntimeErrorKind::Invalid, error.to_string()))?;
        let mut state = self.state.lock();
        for secret in &deployment.secrets {
            if !state.secrets.contains(name.namespace(), secret) {
                return Err(RuntimeError::new(
                    RuntimeErrorKind::Invalid,
                    format!(
                        "there is no secret {secret:?} in the namespace {}: make it first",
                        name.namespace()
                    ),
                ));
            }
        }
        let known = self.get(name.as_str());
        if known.is_none() && !new {
            return Err(missing(&name));
        }
        if known.is_none() && self.functions.read().len() >= FUNCTIONS_MAX {
            return Err(RuntimeError::new(
                RuntimeErrorKind::Invalid,
                format!("there are {FUNCTIONS_MAX} functions already, the most that a node hosts"),
            ));
        }
        // A function that is there already goes on with its queue, its log and its count of calls.
        let function = match known {
            Some(known) => known.changed(deployment)?,
            None => Function::new(state::Deployed::now(deployment))?,
        };
        self.store(&mut state, name.as_str(), Some(function))
    }

    /// Gives a function that was scaled to zero the one replica that a call needs.
    fn wake(&self, function: &Function) {
        let mut state = self.state.lock();
        // Another call may have done so, or somebody removed it.
        let Some(current) = self.get(function.name().as_str()).filter(|current| current.replicas() == 0)
        else {
            return;
        };
        if let Err(error) = self.store(&mut state, current.name().as_str(), Some(current.scaled(1))) {
            // It runs all the same: what cannot be written is only how many replicas it has.
            tracing::warn!(function = %current.name(), %error, "stays scaled to zero");
        }
    }

    /// Changes the set of functions, on disk first.
    fn store(&self, state: &mut State, name: &str, function: Option<Function>) -> Result<(), RuntimeError> {
        let mut functions = self.functions.read().clone();
        match function {
            Some(function) => functions.insert(name.to_owned(), Arc::new(function)),
            None => functions.remove(name),
        };
        state.write(functions.values().map(|function| function.deployed()))?;
        if let Some(function) = functions.get(name) {
            function.begin();
        }
        *self.functions.write() = functions;
        self.publish();
        Ok(())
    }
}

fn missing(function: &FunctionName) -> RuntimeError {
    RuntimeError::new(RuntimeErrorKind::NotFound, format!("this node does not host the function {function}"))
}

#[async_trait::async_trait]
impl Runtime for Builtin {
    async fn info(&self) -> Result<Provider, RuntimeError> {
        Ok(Provider {
            provider: "edge-faas builtin".to_owned(),
            version: Version { release: env!("CARGO_PKG_VERSION").to_owned(), ..Version::default() },
            orchestration: "none".to_owned(),
        })
    }

    async fn deploy(&self, deployment: FunctionDeployment) -> Result<(), RuntimeError> {
        self.put(deployment, true)
    }

    async fn update(&self, deployment: FunctionDeployment) -> Result<(), RuntimeError> {
        self.put(deployment, false)
    }

    async fn remove(&self, function: &FunctionName) -> Result<(), RuntimeError> {
        let mut state = self.state.lock();
        self.find(function)?;
        self.store(&mut state, function.as_str(), None)
    }

    async fn list(&self, namespace: Option<&str>) -> Result<Vec<FunctionStatus>, RuntimeError> {
        let namespace = namespace.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_NAMESPACE);
        let functions = self.functions.read();
        let of_it = functions.values().filter(|function| function.name().namespace() == namespace);
        Ok(of_it.map(|function| function.status()).collect())
    }

    async fn describe(&self, function: &FunctionName, _usage: bool) -> Result<FunctionStatus, RuntimeError> {
        Ok(self.find(function)?.status())
    }

    async fn scale(&self, function: &FunctionName, replicas: u64) -> Result<(), RuntimeError> {
        if replicas > REPLICAS_MAX {
            return Err(RuntimeError::new(
                RuntimeErrorKind::Invalid,
                format!("{replicas} replicas are more than the {REPLICAS_MAX} that a function may have here"),
            ));
        }
        let mut state = self.state.lock();
        let scaled = self.find(function)?.scaled(replicas);
        self.store(&mut state, function.as_str(), Some(scaled))
    }

    async fn logs(
        &self,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogMessage, RuntimeError>>, RuntimeError> {
        let invalid = |error: String| RuntimeError::new(RuntimeErrorKind::Invalid, error);
        let name =
            FunctionName::new(&query.name, &query.namespace).map_err(|error| invalid(error.to_string()))?;
        let lines = self.find(&name)?.read_log(&query).map_err(invalid)?;
        Ok(lines.map(Ok).boxed())
    }

    async fn secrets(&self, operation: SecretOperation) -> Result<Vec<Secret>, RuntimeError> {
        let mut state = self.state.lock();
        let changes = !matches!(operation, SecretOperation::List { .. });
        let before = state.secrets.clone();
        let answer = state.secrets.apply(operation)?;
        if changes {
            let functions = self.functions.read().clone();
            if let Err(error) = state.write(functions.values().map(|function| function.deployed())) {
                state.secrets = before;
                return Err(error);
            }
        }
        Ok(answer)
    }

    async fn namespaces(&self) -> Result<Vec<String>, RuntimeError> {
        let functions = self.functions.read();
        let mut names: BTreeSet<String> =
            functions.values().map(|function| function.name().namespace().to_owned()).collect();
        names.insert(DEFAULT_NAMESPACE.to_owned());
        Ok(names.into_iter().collect())
    }

    async fn healthy(&self) -> Result<(), RuntimeError> {
        Ok(())
    }

    fn hosted(&self) -> watch::Receiver<HostedFunctions> {
        self.hosted.subscribe()
    }

    fn capacity(&self, function: &str) -> Option<Capacity> {
        self.functions.read().get(function).map(|function| function.capacity())
    }

    async fn execute(&self, request: ExecuteRequest) -> Result<ExecuteResponse, RuntimeFailure> {
        let Some(function) = self.get(&request.function) else {
            return Err(RuntimeFailure::new(
                RuntimeFailureReason::NotHosted,
                Started::No,
                format!("the function {} is not hosted here", request.function),
            ));
        };
        if function.replicas() == 0 {
            self.wake(&function);
        }
        function.execute(request, &self.cores).await
    }
}

#[cfg(test)]
mod tests;
