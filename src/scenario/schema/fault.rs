//! Faults: what goes wrong, when, where.

use super::{Bandwidth, Selector};
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};

/// Something that goes wrong at an instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When, from time 0.
    pub at: Time,
    /// How long; then it is undone. `None`: for good, or a `restart` or `heal` undoes it.
    pub duration: Option<Duration>,
    /// What.
    pub action: FaultAction,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultAction {
    /// The process dies: peers see a reset. After `duration` the nodes return.
    Kill {
        /// The nodes.
        nodes: Selector,
        /// Those that return have a new id and host nothing.
        fresh: bool,
    },
    /// The machine goes silent: peers see nothing. After `duration` the nodes return.
    PowerOff {
        /// The nodes.
        nodes: Selector,
        /// Those that return have a new id and host nothing.
        fresh: bool,
    },
    /// Nodes that are down return; nodes that are up go down (as by `Kill`) and return at once.
    Restart {
        /// The nodes.
        nodes: Selector,
        /// They have a new id and host nothing.
        fresh: bool,
    },
    /// Groups of nodes cannot reach each other.
    Partition(Partition),
    /// Every partition ends.
    Heal,
    /// The nodes' cores work slower.
    Slow {
        /// The nodes.
        nodes: Selector,
        /// How many times slower; at least 1.
        factor: f64,
    },
    /// The nodes' links get worse, in both directions.
    Degrade {
        /// The nodes.
        nodes: Selector,
        /// Added to every one-way delay.
        latency: Duration,
        /// Added to the share of lost messages.
        loss: f64,
        /// A bound on the links.
        bandwidth: Bandwidth,
    },
    /// The nodes' function runtimes are down; the nodes themselves live on.
    RuntimeDown {
        /// The nodes.
        nodes: Selector,
    },
    /// The nodes misbehave in the DHT.
    Misbehave {
        /// The nodes.
        nodes: Selector,
        /// How.
        kind: Misbehaviour,
    },
}

/// Who is cut off from whom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// At least one; a node belongs to the first group that selects it, and nodes of no group form another one.
    pub groups: Vec<Selector>,
}

/// How a node misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Misbehaviour {
    /// It takes requests and never answers.
    BlackHole,
    /// It answers with peers that do not exist and providers that are none.
    Lie,
    /// It answers this much later.
    Slow {
        /// The delay, positive.
        delay: Duration,
    },
}
