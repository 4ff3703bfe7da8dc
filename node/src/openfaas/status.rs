//! What a provider says of its functions and of itself.

use super::{FunctionDeployment, Resources, null_as_default};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// An element of `GET /system/functions`, and the answer of `GET /system/function/{name}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionStatus {
    /// The function's name.
    pub name: String,
    /// The image.
    #[serde(default, deserialize_with = "null_as_default")]
    pub image: String,
    /// The namespace.
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
    /// Annotations.
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
    /// How often it was called; a float, as in Go's API.
    #[serde(default, deserialize_with = "null_as_default")]
    pub invocation_count: f64,
    /// Replicas asked for.
    #[serde(default, deserialize_with = "null_as_default")]
    pub replicas: u64,
    /// Replicas that can take calls.
    #[serde(default, deserialize_with = "null_as_default")]
    pub available_replicas: u64,
    /// When it was deployed, RFC 3339.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub created_at: String,
    /// What it uses, if that was asked for and is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What this version does not know, passed on as it came.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a function uses at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Thousandths of a core.
    #[serde(default)]
    pub cpu: f64,
    /// Bytes of memory.
    #[serde(default)]
    pub total_memory_bytes: f64,
}

impl FunctionStatus {
    /// What a deployment looks like once it is there; counts are left at zero.
    pub fn of(deployment: &FunctionDeployment) -> Self {
        let deployment = deployment.clone();
        FunctionStatus {
            name: deployment.service,
            image: deployment.image,
            namespace: deployment.namespace,
            env_process: deployment.env_process,
            env_vars: deployment.env_vars,
            constraints: deployment.constraints,
            secrets: deployment.secrets,
            labels: deployment.labels,
            annotations: deployment.annotations,
            limits: deployment.limits,
            requests: deployment.requests,
            read_only_root_filesystem: deployment.read_only_root_filesystem,
            ..FunctionStatus::default()
        }
    }
}

/// The answer of `GET /system/info`: a gateway's. A provider's, which is its [`Provider`] alone, is read as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Info")]
pub struct SystemInfo {
    /// What runs the functions.
    pub provider: Provider,
    /// The gateway's own version; not known of a provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The machine's architecture; not known of a provider.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arch: String,
}

/// The two forms: `provider` is an object in the one and a name in the other.
#[derive(Deserialize)]
#[serde(untagged)]
enum Info {
    Gateway {
        /// `null` from a gateway that did not understand its provider.
        #[serde(default, deserialize_with = "null_as_default")]
        provider: Provider,
        version: Option<Version>,
        #[serde(default, deserialize_with = "null_as_default")]
        arch: String,
    },
    Provider(Provider),
}

impl From<Info> for SystemInfo {
    fn from(info: Info) -> Self {
        match info {
            Info::Gateway { provider, version, arch } => SystemInfo { provider, version, arch },
            Info::Provider(provider) => SystemInfo { provider, ..SystemInfo::default() },
        }
    }
}

/// What runs the functions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Its name, `faas-netes` for instance.
    #[serde(default, deserialize_with = "null_as_default")]
    pub provider: String,
    /// Its version.
    #[serde(default, deserialize_with = "null_as_default")]
    pub version: Version,
    /// What it places functions with, `kubernetes` for instance.
    #[serde(default, deserialize_with = "null_as_default")]
    pub orchestration: String,
}

/// A version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The commit's first line.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub commit_message: String,
    /// The commit.
    #[serde(default, deserialize_with = "null_as_default")]
    pub sha: String,
    /// The release.
    #[serde(default, deserialize_with = "null_as_default")]
    pub release: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_faas_netes_and_a_bare_one_of_faasd_are_read() {
        let netes = r#"{"name":"env","image":"ghcr.io/openfaas/alpine:latest","namespace":"openfaas-fn",
            "envProcess":"env","labels":{"faas_function":"env"},"annotations":{"prometheus.io.scrape":"false"},
            "invocationCount":12.0,"replicas":1,"availableReplicas":1,"createdAt":"2026-07-01T10:00:00Z",
            "usage":{"cpu":1.5,"totalMemoryBytes":4194304},"novelty":[1]}"#;
        let status: FunctionStatus = serde_json::from_str(netes).unwrap();
        assert_eq!((status.invocation_count, status.available_replicas), (12.0, 1));
        assert_eq!(status.usage.map(|usage| usage.cpu), Some(1.5));
        assert_eq!(serde_json::to_value(&status).unwrap()["novelty"], serde_json::json!([1]));

        let faasd =
            r#"{"name":"env","image":"x","labels":null,"annotations":null,"invocationCount":0,"replicas":0}"#;
        let status: FunctionStatus = serde_json::from_str(faasd).unwrap();
        assert_eq!((status.replicas, status.available_replicas), (0, 0));
    }

    #[test]
    fn a_deployment_becomes_a_status_with_its_metadata() {
        let deployment = FunctionDeployment {
            service: "resize".to_owned(),
            image: "builtin/cpu".to_owned(),
            annotations: [("edge-faas.idempotent".to_owned(), "true".to_owned())].into(),
            ..FunctionDeployment::default()
        };
        let status = FunctionStatus::of(&deployment);
        assert_eq!((status.name.as_str(), status.image.as_str()), ("resize", "builtin/cpu"));
        assert_eq!(status.annotations, deployment.annotations);
    }

    #[test]
    fn the_info_of_a_gateway_is_read() {
        let text = r#"{"provider":{"provider":"faas-netes","version":{"sha":"a","release":"0.18.17"},
            "orchestration":"kubernetes"},"version":{"commit_message":"m","sha":"b","release":"0.27.14"},"arch":"x86_64"}"#;
        let info: SystemInfo = serde_json::from_str(text).unwrap();
        assert_eq!(info.provider.provider, "faas-netes");
        assert_eq!(info.version.map(|version| version.release), Some("0.27.14".to_owned()));
        let info: SystemInfo =
            serde_json::from_str(r#"{"provider":null,"version":null,"arch":"x86_64"}"#).unwrap();
        assert_eq!((info.provider, info.arch.as_str()), (Provider::default(), "x86_64"));
    }

    #[test]
    fn the_info_of_a_provider_is_read() {
        let text = r#"{"provider":"faas-netes","version":{"sha":"a","release":"0.18.17"},"orchestration":"kubernetes"}"#;
        let info: SystemInfo = serde_json::from_str(text).unwrap();
        assert_eq!(
            (info.provider.provider.as_str(), info.provider.orchestration.as_str()),
            ("faas-netes", "kubernetes")
        );
        assert_eq!((info.provider.version.release.as_str(), info.version), ("0.18.17", None));
    }
}
