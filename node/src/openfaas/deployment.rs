//! What is sent to deploy, delete and scale a function.

use super::null_as_default;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The body of `POST` and `PUT /system/functions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionDeployment {
    /// The function's name.
    pub service: String,
    /// The image; for the built-in runtime `builtin/echo` and the like.
    #[serde(default, deserialize_with = "null_as_default")]
    pub image: String,
    /// The namespace; empty: the default one.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The process that the watchdog starts.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub env_process: String,
    /// Environment variables.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub env_vars: BTreeMap<String, String>,
    /// Where it may be placed.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// Names of the secrets it may read.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Labels.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations; those that begin with `edge-faas.` are heeded by the node.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Upper limits of what an instance may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Resources>,
    /// What an instance asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Resources>,
    /// Mounts the root file system for reading only.
    #[serde(default, deserialize_with = "null_as_default")]
    pub read_only_root_filesystem: bool,
    /// What this version does not know, passed on as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Memory and processor time, in Kubernetes' notation (`128Mi`, `100m`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Memory.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub memory: String,
    /// Processor time.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub cpu: String,
}

/// The body of `DELETE /system/functions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeleteFunctionRequest {
    /// The function's name.
    pub function_name: String,
    /// The namespace; empty: the default one.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// The body of `POST /system/scale-function/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleServiceRequest {
    /// The function's name; the path's name counts.
    #[serde(default, deserialize_with = "null_as_default")]
    pub service_name: String,
    /// How many replicas.
    pub replicas: u64,
    /// The namespace; empty: the default one.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_faas_cli_sends_is_read_and_passed_on_whole() {
        let sent = r#"{"service":"resize","image":"ghcr.io/acme/resize:0.1","network":"","envProcess":"node index.js",
            "envVars":{"write_debug":"true"},"constraints":null,"registryAuth":"x","secrets":["s3"],
            "labels":{"tier":"edge"},"annotations":null,"limits":{"memory":"128Mi"},"requests":null,
            "readOnlyRootFilesystem":true}"#;
        let deployment: FunctionDeployment = serde_json::from_str(sent).unwrap();
        assert_eq!(deployment.service, "resize");
        assert_eq!(deployment.env_vars["write_debug"], "true");
        assert!(deployment.constraints.is_empty() && deployment.annotations.is_empty());
        assert_eq!(deployment.other["registryAuth"], "x");
        let passed_on: Value = serde_json::to_value(&deployment).unwrap();
        assert_eq!(passed_on["registryAuth"], "x");
        assert_eq!(passed_on["envProcess"], "node index.js");
        assert_eq!(passed_on["readOnlyRootFilesystem"], true);
        assert_eq!(passed_on["limits"]["memory"], "128Mi");
    }

    #[test]
    fn the_shortest_bodies_are_read() {
        let deployment: FunctionDeployment = serde_json::from_str(r#"{"service":"f"}"#).unwrap();
        assert_eq!((deployment.service.as_str(), deployment.image.as_str()), ("f", ""));
        let delete: DeleteFunctionRequest = serde_json::from_str(r#"{"functionName":"f"}"#).unwrap();
        assert_eq!(delete.function_name, "f");
        let scale: ScaleServiceRequest = serde_json::from_str(r#"{"replicas":3}"#).unwrap();
        assert_eq!(scale.replicas, 3);
        serde_json::from_str::<FunctionDeployment>(r#"{"image":"x"}"#).expect_err("a function has a name");
        serde_json::from_str::<ScaleServiceRequest>(r#"{"replicas":-1}"#).expect_err("not below none");
    }
}
