//! Which result files are written, and what only real nodes need.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
pub struct Harness {
    /// How often real nodes run a variant; `None`: as often as the simulator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repetitions: Option<u32>,
    /// The levels of the sweep that real nodes run, by factor; of others, all.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, Vec<String>>,
}
