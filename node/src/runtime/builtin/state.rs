//! What of the built-in runtime survives a restart.

use super::secrets::Secrets;
use crate::openfaas::FunctionDeployment;
use crate::persist;
use crate::runtime::{RuntimeError, RuntimeErrorKind};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::SystemTime;

/// A function as it was deployed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deployed {
    pub(super) deployment: FunctionDeployment,
    pub(super) replicas: u64,
    /// RFC 3339.
    pub(super) created_at: String,
}

impl Deployed {
    /// A deployment that begins to be one now.
    pub(super) fn now(deployment: FunctionDeployment) -> Self {
        Deployed { deployment, replicas: 1, created_at: super::log::rfc3339(SystemTime::now()) }
    }
}

/// The file, and the secrets in it.
#[derive(Debug)]
pub(super) struct State {
    file: Option<PathBuf>,
    pub(super) secrets: Secrets,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    functions: Vec<Deployed>,
    secrets: Secrets,
}

impl State {
    /// Reads the file, if there is one, and returns the functions in it.
    pub(super) fn open(file: Option<PathBuf>) -> Result<(Self, Vec<Deployed>), RuntimeError> {
        let content = match &file {
            None => Content::default(),
            Some(path) => {
                let failed = |error: String| {
                    RuntimeError::new(
                        RuntimeErrorKind::Unavailable,
                        format!(
                            "{}: {error}; repair the file, or move it away to begin without functions",
                            path.display()
                        ),
                    )
                };
                match persist::read(path).map_err(|error| failed(error.to_string()))? {
                    None => Content::default(),
                    Some(text) => serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?,
                }
            }
        };
        Ok((State { file, secrets: content.secrets }, content.functions))
    }

    /// Writes the file, whole or not at all.
    pub(super) fn write(&self, functions: impl Iterator<Item = Deployed>) -> Result<(), RuntimeError> {
        let Some(path) = &self.file else { return Ok(()) };
        let content = Content { functions: functions.collect(), secrets: self.secrets.clone() };
        let failed = |error: String| {
            RuntimeError::new(
                RuntimeErrorKind::Unavailable,
                format!("nothing changed: {}: {error}", path.display()),
            )
        };
        let text = serde_json::to_vec_pretty(&content).map_err(|error| failed(error.to_string()))?;
        persist::replace(path, &text).map_err(|error| failed(error.to_string()))
    }
}
