//! The files that a run reads, as scenarios and manifests name them.

use serde::{Deserialize, Serialize};

/// A file that went into a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputFile {
    /// Its path, as the scenario names it.
    pub path: String,
    /// The SHA-256 of its bytes, 64 hexadecimal digits in lower case.
    pub sha256: String,
    /// Its size in bytes.
    pub bytes: u64,
}
