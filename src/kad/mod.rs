//! Kademlia: routing table, iterative look-ups, provider records and values, as libp2p specifies it
//! (libp2p/specs, kad-dht), after Maymounkov and Mazières, "Kademlia: A Peer-to-peer Information System Based on
//! the XOR Metric", IPTPS 2002.

mod active;
mod behaviour;
mod config;
mod home;
mod lookup;
mod message;
mod store;
mod table;
mod walk;
pub mod wire;

pub use behaviour::Kad;
pub use config::Config;
pub use message::{Peers, Preimage, Record, Request, Response, Target};
pub use table::Table;

use crate::io::LookupOutcome;
use crate::key::{FunctionHandle, PeerHandle};

/// A look-up of this node, by a number that is not used again while anybody may wait for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LookupId(pub u32);

/// What Kademlia tells the other parts of its peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Providers of a function that were not named before in this look-up.
    Providers {
        /// The look-up.
        lookup: LookupId,
        /// The function.
        function: FunctionHandle,
        /// The new ones.
        providers: Vec<PeerHandle>,
    },
    /// A look-up for providers ended.
    ProvidersDone {
        /// The look-up.
        lookup: LookupId,
        /// The function.
        function: FunctionHandle,
        /// Requests and responses it took.
        messages: u32,
        /// How it ended.
        outcome: LookupOutcome,
    },
}

/// Why a node wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// A request of a look-up is due.
    Request,
    /// A look-up's own deadline.
    Lookup,
    /// A bucket is to be refreshed.
    Refresh,
    /// A function is to be announced again.
    Republish,
    /// Provider records or values run out.
    Expiry,
    /// Joining is to be tried again.
    Join,
}

/// Look-ups that ended, to be used again: shared by all nodes of a driver, so that a look-up allocates nothing in the
/// long run and an idle node holds nothing for the next one.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    #[allow(clippy::vec_box, reason = "they move between nodes and the pool")]
    lookups: Vec<Box<lookup::Lookup>>,
    #[allow(clippy::vec_box, reason = "they move between nodes and the pool")]
    active: Vec<Box<active::Active>>,
}

impl Pool {
    /// Kept of each sort.
    const LIMIT: usize = 1_024;
}
