//! The JSON of OpenFaaS' provider API.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A function to deploy or update (`POST` and `PUT /system/functions`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionDeployment {
    /// The function's name.
    pub service: String,
    /// Its image.
    pub image: String,
    /// Its namespace; `None`: the runtime's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The command that the watchdog runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_process: Option<String>,
    /// Environment variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_vars: Option<BTreeMap<String, String>>,
    /// Where to place it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Vec<String>>,
    /// Names of secrets that it may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations. `idempotent: "true"` allows calls that may have started to be run again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// The most it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<FunctionResources>,
    /// What it is sure of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<FunctionResources>,
    /// Is its file system read-only?
    pub read_only_root_filesystem: bool,
}

/// Resources as Kubernetes writes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionResources {
    /// Memory, e.g. `128Mi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Processor, e.g. `100m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
}

/// A function as it is deployed (`GET /system/functions`, `GET /system/function/{name}`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionStatus {
    /// The function's name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The command that the watchdog runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_process: Option<String>,
    /// Environment variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env_vars: Option<BTreeMap<String, String>>,
    /// Where it may be placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Vec<String>>,
    /// Names of secrets that it may read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Vec<String>>,
    /// Labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// The most it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<FunctionResources>,
    /// What it is sure of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<FunctionResources>,
    /// Is its file system read-only?
    pub read_only_root_filesystem: bool,
    /// Calls so far.
    pub invocation_count: f64,
    /// Instances asked for.
    pub replicas: u64,
    /// Instances that can take calls.
    pub available_replicas: u64,
    /// When it was deployed (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// What it uses, where the runtime measures it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<FunctionUsage>,
}

/// What a function uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FunctionUsage {
    /// Processor, in thousandths of a core.
    pub cpu: f64,
    /// Memory in bytes.
    #[serde(rename = "totalMemoryBytes")]
    pub total_memory_bytes: f64,
}

/// `DELETE /system/functions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeleteFunctionRequest {
    /// The function's name.
    pub function_name: String,
    /// Its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// `POST /system/scale-function/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScaleServiceRequest {
    /// The function's name.
    pub service_name: String,
    /// Instances asked for.
    pub replicas: u64,
    /// Its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A secret; without values where it is listed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its value as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Its value as bytes, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_value: Option<String>,
}

impl std::fmt::Debug for Secret {
    /// Values stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret")
            .field("name", &self.name)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// What to do with secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretOperation {
    /// List those of a namespace.
    List {
        /// The namespace; `None`: the runtime's default.
        namespace: Option<String>,
    },
    /// Make one.
    Create(Secret),
    /// Give one another value.
    Update(Secret),
    /// Remove one, by name and namespace.
    Delete(Secret),
}

/// Which lines of a function's log (`GET /system/logs`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogQuery {
    /// The function's name.
    pub name: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// One instance only.
    pub instance: Option<String>,
    /// From this instant on (RFC 3339).
    pub since: Option<String>,
    /// So many of the last lines.
    pub tail: Option<i64>,
    /// Go on as lines come.
    pub follow: bool,
}

/// A line of a function's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogMessage {
    /// The function's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The instance.
    pub instance: String,
    /// When (RFC 3339).
    pub timestamp: String,
    /// The line.
    pub text: String,
}

/// What a runtime is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeInfo {
    /// Its name, e.g. `builtin`, `faas-netes`.
    pub provider: String,
    /// What runs the containers, e.g. `kubernetes`, `containerd`, `none`.
    pub orchestration: String,
    /// Its version.
    pub release: String,
    /// The commit that it was built from, where known.
    pub sha: String,
}
