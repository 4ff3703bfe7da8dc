//! The simulated network: how long a message takes from one node to another, and who cannot reach whom.
//!
//! - [`Latency`] is the propagation delay between two nodes, deterministic and without any draw per message:
//!   measured matrices ([`RoundTrips`]), regions, coordinates ([`Space`]), or a distribution.
//! - [`Fabric`] adds what a message meets on its way: last mile, serialisation, jitter, retransmissions.
//! - [`Rules`] is what faults change: degraded nodes and partitions.
//! - [`Transfers`] shares links among the bodies of calls.
//!
//! All models are given round-trip times, as measurements are; a one-way delay is half of the round trip.

mod error;
mod fabric;
mod latency;
mod links;
mod matrix;
mod pairs;
mod read;
mod rule;
mod sites;
mod space;
mod square;
mod transfer;

pub use error::{MatrixError, MatrixProblem};
pub use fabric::{Fabric, MAX_LOSSES, MIN_RTO, Message, retransmission_delay, retransmission_timeout};
pub use latency::{LastMile, Latency, PairLatency};
pub use links::{Bandwidth, Links};
pub use matrix::{BadCell, BadCellKind, BadCells, MAX_ROUND_TRIP, MAX_ROWS, Missing, RoundTrips, TimeUnit};
pub use read::{MatrixFormat, MatrixOptions};
pub use rule::{Degradation, FaultId, Rules};
pub use sites::Sites;
pub use space::Space;
pub use transfer::{FlowId, Transfer, Transfers};

use edge_faas_core::draws::Purpose;

/// What the network draws; drivers' purposes start at 256, the network has 512 to 527.
pub(crate) mod purpose {
    use super::Purpose;

    /// The matrix row or region of a node.
    pub(crate) const PLACEMENT: Purpose = Purpose(512);
    /// The coordinates of a node.
    pub(crate) const COORDINATES: Purpose = Purpose(513);
    /// The round trip of an unordered pair of nodes.
    pub(crate) const PAIR: Purpose = Purpose(514);
    /// The last mile of a node.
    pub(crate) const LAST_MILE: Purpose = Purpose(515);
    /// The jitter of a message, by sender and number.
    pub(crate) const JITTER: Purpose = Purpose(516);
    /// The losses of a message, by sender and number.
    pub(crate) const LOSS: Purpose = Purpose(517);
    /// The height of a node above its coordinates.
    pub(crate) const HEIGHT: Purpose = Purpose(518);
}
