//! Functions: where they run and what a call of them costs.

use super::{AnycallPolicy, Distribution, FileRef, Selector};
use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// A function, or `copies` functions that are alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// Its name; with copies, `name-0`, `name-1` ….
    pub name: String,
    /// How many functions this is; at least 1.
    pub copies: u32,
    /// Whether names carry the copy's number.
    pub numbered: bool,
    /// The nodes that host it; drawn for each copy apart.
    pub providers: Selector,
    /// How long a call's work takes on a core of speed 1; seconds.
    pub service_time: ServiceTime,
    /// What it does meanwhile.
    pub work: Work,
    /// Calls that a provider runs at once (each in an instance of its own); at least 1.
    pub concurrency: u32,
    /// Calls that may wait at a provider; beyond, it answers 429.
    pub queue: u32,
    /// The start of an instance; seconds. `None`: instances are always warm.
    pub cold_start: Option<Distribution>,
    /// The image's size in bytes, pulled once a node before the first cold start.
    pub image: u64,
    /// An idle instance stops after this; `None`: never.
    pub keep_alive: Option<Duration>,
    /// Instances that are warm from the start, up to `concurrency`.
    pub prewarm: u32,
    /// Memory of an instance, in bytes.
    pub memory: u64,
    /// Whether a call that may have started may run again; `None`: as `[faas]` says.
    pub idempotent: Option<bool>,
    /// The policy of its anycalls; `None`: as the phase or `[faas]` says.
    pub policy: Option<AnycallPolicy>,
    /// A call's deadline, counted from its scheduled time, unless the phase names one.
    pub timeout: Duration,
    /// A request's body in bytes, unless the phase says otherwise.
    pub request: Distribution,
    /// A response's body in bytes, unless the phase says otherwise.
    pub response: Distribution,
    /// The share of calls that the function itself answers with an error.
    pub failure_share: f64,
}

impl Function {
    /// The name of copy `copy`.
    pub fn copy_name(&self, copy: u32) -> String {
        if self.numbered { format!("{}-{copy}", self.name) } else { self.name.clone() }
    }
}

/// Where service times come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ServiceTime {
    /// A distribution, in seconds.
    Drawn(Distribution),
    /// A durations file of the Azure 2019 format: copy `i` has the percentiles of row `i`, modulo the rows.
    Trace {
        /// The file.
        file: FileRef,
    },
}

/// What a function does with its service time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// It computes: running calls share the node's cores, and the node's speed counts.
    Cpu,
    /// It waits: neither cores nor speed count.
    Sleep,
}
