//! Logs of functions: what is asked for, and a line of the answer.

use super::null_as_default;
use serde::{Deserialize, Serialize};

/// The query of `GET /system/logs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogQuery {
    /// The function's name.
    pub name: String,
    /// The namespace; empty: the default one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// One instance; empty: all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// Only what is later than this, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only so many of the last lines; 0 and less: all that are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<i64>,
    /// Go on with lines as they come.
    #[serde(default)]
    pub follow: bool,
}

/// A line of the answer (NDJSON).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMessage {
    /// The function's name.
    pub name: String,
    /// The namespace.
    #[serde(default, deserialize_with = "null_as_default")]
    pub namespace: String,
    /// The instance.
    #[serde(default, deserialize_with = "null_as_default")]
    pub instance: String,
    /// When, RFC 3339.
    #[serde(default, deserialize_with = "null_as_default")]
    pub timestamp: String,
    /// What.
    #[serde(default, deserialize_with = "null_as_default")]
    pub text: String,
}
