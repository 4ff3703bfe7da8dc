//! The workload: phases of anycalls and manycalls.

use super::{AnycallPolicy, Distribution, FileRef, FunctionRange, ManycallPolicy, Selector};
use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// A stretch of the run with its workload. Phases follow each other from time 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name, unique.
    pub name: String,
    /// How long calls are scheduled; positive. The next phase starts then, even if calls are still running.
    pub duration: Duration,
    /// False: a warm-up, recorded and not summarised.
    pub measure: bool,
    /// Its anycalls.
    pub anycall: Option<Anycalls>,
    /// Its manycalls.
    pub manycall: Option<Manycalls>,
}

/// A stream of single calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anycalls {
    /// When they come, of what and where.
    #[serde(flatten)]
    pub stream: CallStream,
    /// The policy; `None`: as the function or `[faas]` says.
    pub policy: Option<AnycallPolicy>,
    /// From the scheduled time; `None`: as the function says.
    pub deadline: Option<Duration>,
}

/// A stream of calls of many items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manycalls {
    /// Items of each manycall, 1 to 10,000,000.
    pub items: u32,
    /// When they come, of what and where; never a trace.
    #[serde(flatten)]
    pub stream: CallStream,
    /// The policy; `None`: as `[faas]` says.
    pub policy: Option<ManycallPolicy>,
    /// Of each item, from the manycall's scheduled time; `None`: none, an item ends when it is done or cannot be.
    pub deadline: Option<Duration>,
}

/// What streams of anycalls and of manycalls have in common; a call here is one or the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallStream {
    /// When calls come.
    pub arrivals: Arrivals,
    /// Stop after this many calls of the phase (all clients together); `None`: no limit.
    pub calls: Option<u64>,
    /// Stop each client after this many calls (closed loop); `None`: no limit.
    pub calls_per_client: Option<u64>,
    /// The functions called, in the order of their popularity. With a trace, its functions map onto these in order, modulo their number.
    pub functions: Vec<FunctionRange>,
    /// How calls spread over the functions (not used with a trace).
    pub popularity: Popularity,
    /// Where calls enter.
    pub entry: Entry,
    /// A request's body in bytes; `None`: as the function says.
    pub request: Option<Distribution>,
    /// A response's body in bytes; `None`: as the function says.
    pub response: Option<Distribution>,
    /// Whether a call, or an item, that may have started may run again; `None`: as the function says.
    pub idempotent: Option<bool>,
    /// Caches and connections of the entry are emptied before each call.
    pub cold: bool,
}

/// When calls come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Arrivals {
    /// Open loop, at random.
    Poisson {
        /// Mean calls per second, positive.
        rate: f64,
    },
    /// Open loop, evenly: at 0, `interval`, 2 × `interval` … from the phase's start.
    Every {
        /// The time between calls, positive.
        interval: Duration,
    },
    /// Closed loop: each client's next call is due at its last completion plus its think time; the first at the phase's start.
    Clients {
        /// How many; at least 1.
        clients: u32,
        /// Between a success and the next call; seconds.
        think_time: Distribution,
        /// Between a failure and the next call; seconds.
        think_after_failure: Distribution,
    },
    /// The Azure Functions 2019 format: invocations per minute and, in another file, percentiles of durations.
    Azure2019 {
        /// Invocations per function and minute.
        invocations: FileRef,
        /// Percentiles of durations; `None`: the functions' own service times.
        durations: Option<FileRef>,
        /// The share of the trace's functions that is used, above 0 to 1.
        sample: f64,
        /// How much faster than recorded; positive.
        speedup: f64,
        /// Where in a minute its calls come.
        within_minute: Process,
    },
    /// The Azure Functions 2021 format: a row an invocation, start = end − duration.
    Azure2021 {
        /// The file.
        file: FileRef,
        /// The share of the trace's functions that is used, above 0 to 1.
        sample: f64,
        /// How much faster than recorded; positive.
        speedup: f64,
    },
}

/// How arrivals spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Process {
    /// At random.
    Poisson,
    /// Evenly.
    Constant,
}

/// How calls spread over functions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Popularity {
    /// Evenly.
    Uniform,
    /// The function of rank r has weight r^-s; s is not negative.
    Zipf(f64),
}

/// Where calls enter the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The possible entry nodes.
    pub nodes: Selector,
    /// How calls spread over them (an open loop draws for each call, a client draws once).
    pub popularity: Popularity,
}
