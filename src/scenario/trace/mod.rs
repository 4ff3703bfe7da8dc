//! Recorded workloads and recorded sessions, read from any [`Read`](std::io::Read).
//!
//! Formats: the Azure Functions traces of 2019 (Shahrad et al., "Serverless in the Wild", USENIX ATC 2020) and of 2021
//! (Zhang et al., "Faster and Cheaper Serverless Computing on Harvested Resources", SOSP 2021), and sessions of nodes.

mod azure2019;
mod azure2021;
mod sessions;
mod set;
mod table;
#[cfg(test)]
mod tests;

pub use azure2019::{
    DurationRow, Durations, FunctionCounts, Invocations, Memory, MemoryRow, read_durations, read_invocations,
    read_memory,
};
pub use azure2021::{Recorded, RecordedCall, read_recorded};
pub use sessions::{SessionRow, read_sessions};
pub use set::{TraceFileError, Traces};

use crate::key::Key;

/// A trace that cannot be used: where, what was found, what would be valid. The caller adds the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {problem}", column.as_ref().map(|name| format!(", column `{name}`")).unwrap_or_default())]
pub struct TraceError {
    /// The line, from 1; the first is the header.
    pub line: u64,
    /// The column's name, where the problem has one.
    pub column: Option<String>,
    /// What was found and what would be valid.
    pub problem: String,
}

/// Whether a function of a trace is in the sample of this `share` (0 to 1): by the hash of its id, so that it does not
/// depend on the rest of the trace, and a larger share contains a smaller one.
pub fn sampled(id: &str, share: f64) -> bool {
    // 53 bits of the hash, as a number in [0, 1).
    (Key::hash(id.as_bytes()).prefix() >> 11) as f64 * (1.0 / (1u64 << 53) as f64) < share
}
