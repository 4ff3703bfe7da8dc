//! Which nodes, which functions, which files.

use serde::{Deserialize, Serialize};

/// A set of nodes: a pool, and how many of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// The nodes to choose from.
    pub from: Pool,
    /// How many of them; which ones is drawn by the seed.
    pub take: Take,
}

impl Selector {
    /// Every node.
    pub const ALL: Selector = Selector { from: Pool::All, take: Take::All };
}

/// The nodes that a selector chooses from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Pool {
    /// All nodes.
    All,
    /// These, ascending and apart from each other.
    Nodes(Vec<NodeRange>),
    /// Those of a region (of the latency model, or a label that node classes give).
    Region(String),
    /// Those of a class, by its index in [`Scenario::node_classes`](super::Scenario::node_classes).
    Class(u32),
    /// The providers of these functions.
    Function(Vec<FunctionRange>),
}

/// How many nodes of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Take {
    /// All of them.
    All,
    /// This share of them (0 to 1), rounded to the nearest number of nodes, at least one.
    Share(f64),
    /// This many, or all if there are fewer.
    Count(u32),
}

/// Nodes `first` to `first + count - 1`, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeRange {
    /// The first index.
    pub first: u32,
    /// How many; at least 1.
    pub count: u32,
}

/// Functions `first` to `first + count - 1`, by index (copies counted, in the order of the file).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionRange {
    /// The first index.
    pub first: u32,
    /// How many; at least 1.
    pub count: u32,
}

/// A file that the scenario names: a latency matrix, a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Where it is, as the loader was asked for it.
    pub path: String,
    /// The SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
}
