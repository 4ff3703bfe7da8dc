//! Settings of a node. Command line and files are read elsewhere; this is what they come to.

use crate::experiment::Experiment;
use edge_faas_core::context;
use libp2p::{Multiaddr, PeerId};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a node.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where the identity and what must survive a restart lie; `None`: nothing survives (tests, experiments).
    pub state_dir: Option<PathBuf>,
    /// How it is reached, and whom it knows.
    pub network: Network,
    /// What it takes.
    pub limits: Limits,
    /// How long it waits.
    pub timeouts: Timeouts,
    /// Kademlia and the routing of calls: what the simulator has under `[kademlia]` and `[faas]`.
    pub core: context::Config,
    /// The experiment that it takes part in; its place in a network it gets by that, not by [`Network::bootstrap`].
    pub experiment: Option<Arc<Experiment>>,
}

/// How a node is reached, and whom it knows.
#[derive(Clone, Debug)]
pub struct Network {
    /// Where to listen. TCP (`/ip4/0.0.0.0/tcp/4001`), QUIC (`/ip4/0.0.0.0/udp/4001/quic-v1`, not with a
    /// pre-shared key), or within the process (`/memory/1`).
    pub listen: Vec<Multiaddr>,
    /// Addresses under which others reach this node, where they are not those it listens on.
    pub external: Vec<Multiaddr>,
    /// Peers to begin with, each with its address. Those that are down are tried again.
    pub bootstrap: Vec<(PeerId, Multiaddr)>,
    /// Kademlia's protocol name. Under our own name the extensions (withdrawal, pages of providers) are used; under
    /// `/ipfs/kad/1.0.0` they are not.
    pub kad_protocol: String,
    /// Only nodes with the same 32 bytes can connect (TCP only).
    pub pre_shared_key: Option<[u8; 32]>,
    /// Find peers on the local network by multicast DNS.
    pub mdns: bool,
    /// Only these peers may connect; `None`: everybody.
    pub allow: Option<Vec<PeerId>>,
}

/// What a node takes. Beyond a limit it refuses, and says so where there is somebody to say it to.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections, both ways.
    pub connections: u32,
    /// Connections to one peer.
    pub connections_per_peer: u32,
    /// Connections from others whose handshake is not over.
    pub pending_incoming: u32,
    /// Streams for calls on one connection, both ways: at most so many calls are in flight on it. Each may take 256 KiB
    /// before anybody reads. Up to 16,384.
    pub streams: usize,
    /// Streams for Kademlia that one connection may have opened to us.
    pub kad_streams: usize,
    /// Kademlia requests a second that one connection may make; twice that in a burst.
    pub kad_rate: u32,
    /// Calls a second that one connection may bring; twice that in a burst. Beyond: answered as full.
    pub call_rate: u32,
    /// Calls of others that are run at once, all functions together. Beyond: answered as full.
    pub served_calls: usize,
    /// Calls of users that are under way at once. Beyond: rejected.
    pub open_calls: usize,
    /// Bytes of a request's body.
    pub request_body: u64,
    /// Bytes of an answer's body.
    pub response_body: u64,
    /// Bytes of a body that are kept so that a call can be sent again; a larger body is sent once.
    pub replay_body: usize,
    /// Bytes of method, path, query and headers together.
    pub head: usize,
    /// Results of a manycall that are made before the user takes any.
    pub map_results: u32,
}

/// How long a node waits.
#[derive(Clone, Debug)]
pub struct Timeouts {
    /// For an answer, where the call does not say.
    pub call: Duration,
    /// The longest that a call may ask for.
    pub call_max: Duration,
    /// For a connection to stand, its handshake included.
    pub dial: Duration,
    /// For the next bytes of a message that has begun, or of a body.
    pub stall: Duration,
    /// Until a connection that nobody uses is closed.
    pub idle: Duration,
    /// Until a stream that waits for its next call is closed.
    pub idle_stream: Duration,
    /// For calls under way when the node shuts down.
    pub drain: Duration,
}

/// The most streams for calls that one connection can have.
const STREAMS_MAX: usize = 16_384;

/// Our own name of Kademlia's protocol: the extensions are understood by everybody who speaks it.
pub const KAD_PROTOCOL: &str = "/edge-faas/kad/1.0.0";
/// The name under which rust-libp2p and go-libp2p speak it.
pub const IPFS_KAD_PROTOCOL: &str = "/ipfs/kad/1.0.0";

impl Config {
    /// Says what makes no sense, and what would.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn check(&self) -> Result<(), String> {
        let limits = &self.limits;
        if !(8..=STREAMS_MAX).contains(&limits.streams) {
            return Err(format!("limits.streams is {}; 8 to {STREAMS_MAX} are possible", limits.streams));
        }
        if limits.head < 1_024 {
            return Err(format!("limits.head is {} bytes; at least 1,024 are needed", limits.head));
        }
        if limits.connections == 0 || limits.connections_per_peer == 0 {
            return Err("limits.connections and limits.connections_per_peer must be at least 1".to_owned());
        }
        if self.timeouts.call.is_zero() || self.timeouts.call_max.is_zero() {
            return Err("timeouts.call and timeouts.call_max must be above zero".to_owned());
        }
        Ok(())
    }
}

impl Default for Network {
    fn default() -> Self {
        Network {
            listen: Vec::new(),
            external: Vec::new(),
            bootstrap: Vec::new(),
            kad_protocol: KAD_PROTOCOL.to_owned(),
            pre_shared_key: None,
            mdns: false,
            allow: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 1_024,
            connections_per_peer: 4,
            pending_incoming: 128,
            streams: 4_096,
            kad_streams: 64,
            kad_rate: 1_000,
            call_rate: 100_000,
            served_calls: 16_384,
            open_calls: 16_384,
            request_body: 4 << 30,
            response_body: 4 << 30,
            replay_body: 256 * 1024,
            head: 64 * 1024,
            map_results: 1_024,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            call: Duration::from_secs(60),
            call_max: Duration::from_secs(24 * 3_600),
            dial: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            idle_stream: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}
