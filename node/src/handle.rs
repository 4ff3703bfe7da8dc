//! The handle by which everything else uses a running node.

use crate::call::{CallFailure, CallRequest, CallResponse, MapRequest, MapStream};
use crate::config::Config;
use crate::runtime::Runtime;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;

/// A running node; clones are the same node. It stops by [`Node::shutdown`], or when the last clone is dropped.
#[derive(Clone)]
pub struct Node {}

/// What a node says of itself.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// Its id.
    pub id: PeerId,
    /// Where it listens, interfaces resolved.
    pub listening: Vec<Multiaddr>,
    /// True once it is a member of a network (the first node of one is at once).
    pub joined: bool,
    /// The functions it announces, by name.
    pub hosted: Vec<String>,
    /// Calls of users under way.
    pub open_calls: usize,
    /// Calls of other nodes that are run here.
    pub served_calls: usize,
    /// Since its start.
    pub uptime: Duration,
}

/// What a node knows of another.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// Its id.
    pub id: PeerId,
    /// Where it may be reached, best first.
    pub addresses: Vec<Multiaddr>,
    /// True while there is a connection.
    pub connected: bool,
    /// True while it is in the routing table.
    pub routing: bool,
}

/// A provider of a function.
#[derive(Clone, Debug)]
pub struct ProviderInfo {
    /// Its id.
    pub id: PeerId,
    /// Where it may be reached, best first.
    pub addresses: Vec<Multiaddr>,
    /// True for this node.
    pub local: bool,
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting makes no sense.
    #[error("{0}")]
    Config(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// Why.
        reason: String,
    },
    /// The operating system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

/// The registry that the node's metrics are in; `/metrics` encodes it.
pub type SharedRegistry = Arc<Mutex<Registry>>;

impl Node {
    /// Starts a node: listens, joins through the bootstrap peers, announces what the runtime hosts. Returns once it
    /// listens on all its addresses.
    ///
    /// # Errors
    /// [`StartError`] says what to change.
    pub async fn start(
        _config: Config,
        _identity: Keypair,
        _runtime: Arc<dyn Runtime>,
        _metrics: SharedRegistry,
    ) -> Result<Node, StartError> {
        unimplemented!()
    }

    /// Its id.
    pub fn id(&self) -> PeerId {
        unimplemented!()
    }

    /// Carries a user's call to a provider and its answer back. Dropping the future, or the answer's body, cancels.
    ///
    /// # Errors
    /// [`CallFailure`] where no function answered.
    pub async fn call(&self, _request: CallRequest) -> Result<CallResponse, CallFailure> {
        unimplemented!()
    }

    /// Spreads a manycall over the providers of its function.
    pub fn map(&self, _request: MapRequest) -> MapStream {
        unimplemented!()
    }

    /// What it says of itself.
    pub fn info(&self) -> NodeInfo {
        unimplemented!()
    }

    /// The peers it is connected to or has in its routing table.
    pub fn peers(&self) -> Vec<PeerInfo> {
        unimplemented!()
    }

    /// Looks all providers of a function up in the network, without the cache.
    pub async fn providers(&self, _function: &str) -> Vec<ProviderInfo> {
        unimplemented!()
    }

    /// Takes no more calls, lets those under way end (up to `timeouts.drain`), withdraws its functions, disconnects.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}
