//! A resolved scenario: every default filled in, every name resolved, every value checked.
//!
//! Durations are [`Duration`](crate::time::Duration), instants are relative to time 0 (the start of the first phase), shares and
//! probabilities are 0 to 1, sizes are bytes, bandwidths bits per second, rates events per second.

mod calibration;
mod churn;
mod distribution;
mod faas;
mod fault;
mod function;
mod kademlia;
mod network;
mod output;
mod phase;
mod policy;
mod select;
mod serde_time;

pub use crate::draws::Distribution;
pub use crate::faas::{AnycallPolicy, ManycallPolicy};
pub use calibration::Calibration;
pub use churn::{Churn, Sessions};
pub use faas::Faas;
pub use fault::{Fault, FaultAction, Misbehaviour, Partition};
pub use function::{Function, ServiceTime, Work};
pub use kademlia::Kademlia;
pub use network::{
    Bandwidth, Latency, MatrixFormat, Missing, Network, NodeClass, Regions, Start, TimeUnit, Transport,
};
pub use output::{Harness, Output};
pub use phase::{Anycalls, Arrivals, CallStream, Entry, Manycalls, Phase, Popularity, Process};
pub use select::{FileRef, FunctionRange, NodeRange, Pool, Selector, Take};

use serde::{Deserialize, Serialize};

/// One experiment, complete and checked: what the simulator and the harness run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name: lower-case letters, digits and dashes. Names the results folder.
    pub name: String,
    /// The seed of every draw.
    pub seed: u64,
    /// How many times the experiment runs, each with draws of its own; at least 1.
    pub repetitions: u32,
    /// How entry nodes find providers.
    pub discovery: Discovery,
    /// The network and how it starts.
    pub network: Network,
    /// The classes of nodes, at least one; their counts add up to `network.nodes`. Which nodes belong to which class is drawn.
    pub node_classes: Vec<NodeClass>,
    /// The settings of the DHT.
    pub kademlia: Kademlia,
    /// The settings of call routing.
    pub faas: Faas,
    /// Nodes that come and go; none by default.
    pub churn: Option<Churn>,
    /// The functions, in the order of the file; each stands for `copies` functions.
    pub functions: Vec<Function>,
    /// The workload, one phase after the other from time 0; at least one.
    pub phases: Vec<Phase>,
    /// The faults, by time (those of the same instant in the order of the file).
    pub faults: Vec<Fault>,
    /// What real nodes take for what costs nothing in the simulator.
    #[serde(default, skip_serializing_if = "Calibration::is_empty")]
    pub calibration: Calibration,
    /// What only real nodes need.
    pub harness: Harness,
    /// Which result files are written.
    pub output: Output,
}

/// How an entry node finds the providers of a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Discovery {
    /// Provider records in the DHT.
    Kademlia,
    /// A gateway at one node knows every provider, and every call passes through it.
    Central {
        /// The gateway's index among the nodes.
        node: u32,
    },
    /// Every node holds the whole directory; changes spread by gossip.
    Full {
        /// To how many nodes a change is passed on; at least 1.
        fanout: u32,
    },
    /// A look-up floods an overlay of random links.
    Flood {
        /// How many links a request may travel; at least 1.
        ttl: u32,
        /// Links of each node; at least 1.
        degree: u32,
    },
    /// The truth, at no cost.
    Oracle,
    /// None: a node knows only what it hosts itself.
    None,
}

impl Scenario {
    /// How many functions there are, copies counted.
    pub fn function_count(&self) -> u32 {
        self.functions.iter().map(|f| f.copies).fold(0, u32::saturating_add)
    }

    /// The definition of function `index` (0 to [`Scenario::function_count`], in the order of the file) and which of its copies it is.
    pub fn function(&self, index: u32) -> Option<(&Function, u32)> {
        let mut rest = index;
        for function in &self.functions {
            if rest < function.copies {
                return Some((function, rest));
            }
            rest -= function.copies;
        }
        None
    }

    /// The name of function `index`: `resize`, or `resize-3` where there are copies.
    pub fn function_name(&self, index: u32) -> Option<String> {
        self.function(index).map(|(function, copy)| function.copy_name(copy))
    }

    /// The end of the last phase, relative to time 0.
    pub fn duration(&self) -> crate::time::Duration {
        let nanos = self.phases.iter().fold(0i64, |sum, phase| sum.saturating_add(phase.duration.as_nanos()));
        crate::time::Duration::from_nanos(nanos)
    }
}
