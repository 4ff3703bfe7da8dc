//! The network: latency, links, transport, the start, and the classes of nodes.

use super::{Distribution, FileRef};
use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// The network and how it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// How many nodes, 2 to 20,000,000.
    pub nodes: u32,
    /// How the network comes to be.
    pub start: Start,
    /// Over how long the joins are spread, uniformly (start `join`).
    pub join_over: Duration,
    /// How many bootstrap nodes every other node knows at first; at least 1.
    pub bootstrap: u32,
    /// How long the network rests after joins and announcements, before time 0.
    pub settle: Duration,
    /// The propagation delay between nodes.
    pub latency: Latency,
    /// Added to every one-way delay, once for each end, drawn once a node; seconds. For a matrix none by default.
    pub last_mile: Option<Distribution>,
    /// Added to every message, one way, drawn for each; seconds.
    pub jitter: Option<Distribution>,
    /// The share of messages lost once (0 to below 1); a loss costs a retransmission.
    pub loss: f64,
    /// What each node's link carries, unless its class says otherwise.
    pub bandwidth: Bandwidth,
    /// The transport protocol.
    pub transport: Transport,
    /// Round trips that opening a connection takes before the first message travels.
    pub handshake_round_trips: u32,
    /// A connection without traffic closes after this.
    pub idle_timeout: Duration,
    /// Connections that a node holds at once; at least 1.
    pub max_connections: u32,
    /// The first retransmission of a lost message comes after this, or after two round trips if that is longer; it doubles each time.
    pub retransmit_timeout: Duration,
}

/// How the network comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Every node joins by the protocol.
    Join,
    /// Routing tables and records are filled as a settled network would have them.
    Converged,
}

/// Where one-way delays come from. A one-way delay is half a round trip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Latency {
    /// A file of measured round trips; each node is drawn onto one of its rows.
    Matrix {
        /// The file.
        file: FileRef,
        /// The unit of its cells.
        unit: TimeUnit,
        /// How it is laid out.
        format: MatrixFormat,
        /// What to do about missing and non-positive cells off the diagonal.
        missing: Missing,
        /// The round trip between nodes on the same row.
        intra_site: Duration,
    },
    /// Median round trips between regions; each node is drawn into one.
    Regions(Regions),
    /// Points in a cube; the round trip is `base` plus the distance.
    Euclidean {
        /// Dimensions of the cube, 1 to 8.
        dimensions: u32,
        /// The length of its edge, as a round trip.
        side: Duration,
        /// What every round trip takes at least.
        base: Duration,
    },
    /// As `Euclidean`, plus a height of each of the two nodes (Dabek, Cox, Kaashoek, Morris, "Vivaldi", SIGCOMM 2004).
    Vivaldi {
        /// Dimensions of the cube, 1 to 8.
        dimensions: u32,
        /// The length of its edge, as a round trip.
        side: Duration,
        /// What every round trip takes at least.
        base: Duration,
        /// The height of a node, drawn once; seconds of round trip.
        height: Distribution,
    },
    /// A round trip drawn for each pair of nodes; seconds.
    Pairs {
        /// The distribution of round trips.
        round_trip: Distribution,
    },
}

/// Round trips between regions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regions {
    /// The names, in the order of the tables below.
    pub names: Vec<String>,
    /// Each region's share of the nodes that no class places; they add up to 1.
    pub weights: Vec<f64>,
    /// Median round trips, row by row; symmetric, the diagonal is the round trip within a region.
    pub round_trip: Vec<Vec<Duration>>,
}

/// The unit of a file's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeUnit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
}

/// How a latency file is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatrixFormat {
    /// Told from its first lines.
    Auto,
    /// One row a line, as many columns as rows (PlanetLab, Seattle).
    Square,
    /// One pair a line: from, to, round trip (King, WonderNetwork).
    Pairs,
}

/// What to do about a missing or non-positive cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// Refuse the file.
    Error,
    /// Use the median of the other cells.
    Median,
    /// Leave out the rows with the most missing cells until none is missing.
    DropNode,
}

/// The capacity of a node's link in bits per second; `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bandwidth {
    /// From the node.
    pub up: Option<u64>,
    /// To the node.
    pub down: Option<u64>,
}

/// The transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// TCP with noise and yamux.
    Tcp,
    /// QUIC.
    Quic,
}

impl Transport {
    /// Round trips that a rust-libp2p node takes before a new connection carries its first message. TCP: its own, and one of noise
    /// XX, whose first message travels with the negotiation and whose last with the first request (multistream-select, version
    /// `1Lazy`); so it was measured with nodes of ours. QUIC: one.
    pub fn handshake_round_trips(self) -> u32 {
        match self {
            Transport::Tcp => 2,
            Transport::Quic => 1,
        }
    }
}

/// Nodes of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeClass {
    /// Its name.
    pub name: String,
    /// How many nodes belong to it.
    pub count: u32,
    /// Cores that a node's running functions share; may be fractional, positive.
    pub cores: f64,
    /// Memory for instances, in bytes.
    pub memory: u64,
    /// Speed of a core: work of 1 s takes 1/speed s; positive.
    pub speed: f64,
    /// Its link, if not the network's.
    pub bandwidth: Option<Bandwidth>,
    /// The region of its nodes: one of the latency model's, or a label for selectors where that has none.
    pub region: Option<String>,
}
