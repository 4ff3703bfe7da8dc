//! Which result files are written, and what only real nodes need.

use serde::{Deserialize, Serialize};

/// Which result files are written; all by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// `calls.csv`.
    pub calls: bool,
    /// `attempts.csv`.
    pub attempts: bool,
    /// `lookups.csv`.
    pub lookups: bool,
    /// `nodes.csv`.
    pub nodes: bool,
    /// `timeline.csv`.
    pub timeline: bool,
    /// `events.csv`.
    pub events: bool,
    /// The folder that run folders go to, relative to where the program runs.
    pub directory: String,
}

/// What only real nodes need.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Harness {}
