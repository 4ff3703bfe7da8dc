//! The handle by which everything else uses a running node.

use crate::call::{CallFailure, CallRequest, CallResponse, MapRequest, MapStream};
use crate::config::Config;
use crate::driver::Driver;
use crate::experiment::Experiment;
use crate::metrics::Metrics;
use crate::network::{self, Links};
use crate::runtime::Runtime;
use crate::{entry, exchange, map};
use edge_faas_core::io::Input;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use crate::driver::Census;

/// A running node; clones are the same node. It stops by [`Node::shutdown`], or when the last clone is dropped.
#[derive(Clone)]
pub struct Node(Arc<Owner>);

/// Ends the node when nobody has it any more.
struct Owner {
    driver: Arc<Driver>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.driver.stop.cancel();
    }
}

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

/// Withdrawing is a courtesy: it is given up after this time.
const WITHDRAW_PATIENCE: Duration = Duration::from_secs(5);
/// How often a node that shuts down looks whether it is done.
const DRAIN_TICK: Duration = Duration::from_millis(10);

/// How long connections may take to close, and how often that is looked at.
const COLD_PATIENCE: Duration = Duration::from_secs(1);
const COLD_TICK: Duration = Duration::from_millis(1);

impl Node {
    /// Starts a node: listens, joins through the bootstrap peers, announces what the runtime hosts. Returns once it
    /// listens on all its addresses.
    ///
    /// # Errors
    /// [`StartError`] says what to change.
    pub async fn start(
        config: Config,
        identity: Keypair,
        runtime: Arc<dyn Runtime>,
        metrics: SharedRegistry,
    ) -> Result<Node, StartError> {
        config.check().map_err(StartError::Config)?;
        let me = identity.public().to_peer_id();
        let (links, dials) = Links::new(config.limits.streams, config.limits.head);
        let metrics = Metrics::new(&mut metrics.lock());
        let driver = Driver::new(me, config, links.clone(), runtime, metrics)
            .map_err(|error| StartError::Io { what: "get random numbers", source: error.into() })?;
        let listening = network::start(&driver.config, identity, driver.clone(), links, dials).await?;
        driver.tasks.spawn(network::run(listening, driver.clone()));
        driver.tasks.spawn(driver.clone().keep_time());
        if driver.config.experiment.is_none() {
            driver.join(&driver.config.network.bootstrap);
        }
        driver.tasks.spawn(driver.clone().follow_runtime());
        Ok(Node(Arc::new(Owner { driver })))
    }

    fn driver(&self) -> &Arc<Driver> {
        &self.0.driver
    }

    /// Its id.
    pub fn id(&self) -> PeerId {
        self.driver().me()
    }

    /// Carries a user's call to a provider and its answer back. Dropping the future, or the answer's body, cancels.
    ///
    /// # Errors
    /// [`CallFailure`] where no function answered.
    pub async fn call(&self, request: CallRequest) -> Result<CallResponse, CallFailure> {
        entry::call(self.driver(), request).await
    }

    /// Spreads a manycall over the providers of its function.
    pub fn map(&self, request: MapRequest) -> MapStream {
        map::map(self.driver(), request)
    }

    /// What it says of itself.
    pub fn info(&self) -> NodeInfo {
        self.driver().info()
    }

    /// The peers it is connected to or has in its routing table.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.driver().peers()
    }

    /// Looks all providers of a function up in the network, without the cache.
    pub async fn providers(&self, function: &str) -> Vec<ProviderInfo> {
        let report = self.driver().find_providers(function).await;
        let providers = report.map(|report| report.providers).unwrap_or_default();
        self.driver().about_providers(function, &providers)
    }

    /// Looks a value up in the DHT.
    pub async fn get_value(&self, key: &[u8]) -> Option<Vec<u8>> {
        let record = self.driver().get_value(key).await.ok()??;
        Some(record.value.to_vec())
    }

    /// Stores a value in the DHT, at the nodes closest to its key.
    pub fn put_value(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) {
        let secs = ttl.map(|ttl| u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX).max(1));
        self.driver().put_value(key, value, secs);
    }

    /// The experiment that it takes part in.
    pub(crate) fn experiment(&self) -> Option<&Arc<Experiment>> {
        self.driver().config.experiment.as_ref()
    }

    /// How long a call may take that does not say.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.driver().config.timeouts.call
    }

    /// Enters a network through these peers; none: begins one.
    pub(crate) fn join(&self, peers: &[(PeerId, Multiaddr)]) {
        self.driver().join(peers);
    }

    /// Forgets providers and closes all connections. False if there are still some after a second.
    pub(crate) async fn make_cold(&self) -> bool {
        let driver = self.driver();
        driver.forget_providers();
        let Some(experiment) = &driver.config.experiment else { return false };
        experiment.disconnect.notify_one();
        let closed = async {
            while !driver.links.connected_peers().is_empty() {
                tokio::time::sleep(COLD_TICK).await;
            }
        };
        tokio::time::timeout(COLD_PATIENCE, closed).await.is_ok()
    }

    /// Round trips to another node, one after the other, over a connection that stands: probes, as the core sends them.
    /// Those without an answer are left out.
    pub(crate) async fn round_trips(&self, peer: PeerId, address: &Multiaddr, samples: u32) -> Vec<Duration> {
        self.driver().hear(peer, address);
        let mut trips = Vec::new();
        // The first one dials.
        for number in 0..=samples {
            let trip = exchange::round_trip(self.driver(), peer).await;
            trips.extend(trip.filter(|_| number > 0));
        }
        trips
    }

    /// How many of everything it holds, for those who look for leaks.
    pub fn census(&self) -> Census {
        self.driver().census()
    }

    /// Takes no more calls, withdraws its functions, lets calls under way end (up to `timeouts.drain`), disconnects.
    pub async fn shutdown(&self) {
        let driver = self.driver();
        driver.close();
        let begun = Instant::now();
        driver.input(Input::Leave);
        let drain = driver.config.timeouts.drain;
        loop {
            let census = driver.census();
            let info = driver.info();
            let busy = info.open_calls + census.calls + census.maps + info.served_calls;
            let withdrawing = census.lookups > 0 && begun.elapsed() < WITHDRAW_PATIENCE;
            if busy == 0 && !withdrawing {
                break;
            }
            if begun.elapsed() >= drain && !withdrawing {
                tracing::warn!(
                    calls = busy,
                    "shutting down with calls under way: they took longer than timeouts.drain"
                );
                break;
            }
            tokio::time::sleep(DRAIN_TICK).await;
        }
        driver.stop.cancel();
    }
}
