//! The delays, losses and partitions that a scenario puts on a node's links, without help from the kernel.
//!
//! Who dials a connection shapes both of its directions, so that each connection is shaped once and who accepts it need
//! not know who comes. What leaves or enters a node shares the node's bandwidth at both ends.

use super::timer::Timer;
use edge_faas_core::draws::{Draws, Purpose};
use edge_faas_core::time::Duration as CoreDuration;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What chunks of bytes are drawn for.
const LOSS: Purpose = Purpose(768);
/// As many losses of the same bytes, one after the other, as TCP has patience for.
const MAX_LOSSES: u32 = 9;

/// What a node's links are to be like: the body of `PUT /api/v1/experiment/links`. What is not named is not shaped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkPlan {
    /// By the address that is dialled, without a peer id: `/ip4/127.0.0.2/tcp/4001`.
    pub paths: BTreeMap<String, PathPlan>,
    /// What the node can send in a second, in bits; `None`: anything.
    pub up: Option<u64>,
    /// What the node can receive in a second, in bits.
    pub down: Option<u64>,
    /// The least time until lost bytes are sent again, in nanoseconds.
    pub retransmit: u64,
    /// The seed of losses.
    pub seed: u64,
}

/// The way to another node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathPlan {
    /// Nanoseconds one way; both ways have the same.
    pub one_way: u64,
    /// Share of chunks of bytes that are lost and sent again, from 0 to below 1.
    #[serde(default)]
    pub loss: f64,
    /// Nothing gets through. What was sent arrives once that is over.
    #[serde(default)]
    pub blocked: bool,
}

impl LinkPlan {
    /// Says what makes no sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (address, path) in &self.paths {
            address.parse::<Multiaddr>().map_err(|error| format!("paths: {address:?}: {error}"))?;
            if !(0.0..1.0).contains(&path.loss) {
                return Err(format!("paths: {address}: loss = {} is not from 0 to below 1", path.loss));
            }
        }
        if self.up == Some(0) || self.down == Some(0) {
            return Err("up and down are bits a second, above zero".to_owned());
        }
        Ok(())
    }
}

/// A node's links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    plan: watch::Sender<Arc<LinkPlan>>,
    up: Mutex<Option<Instant>>,
    down: Mutex<Option<Instant>>,
    connections: AtomicU32,
    chunks: AtomicU64,
    lost: AtomicU64,
    timer: Timer,
}

/// Which way bytes go, as the node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Out,
    In,
}

impl Links {
    /// From now on they are like this, connections that stand included.
    pub(crate) fn set(&self, plan: LinkPlan) {
        self.plan.send_replace(Arc::new(plan));
    }

    /// Chunks that were shaped so far, and how many losses they met.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.chunks.load(Ordering::Relaxed), self.lost.load(Ordering::Relaxed))
    }

    /// The path of a connection that was dialled to `address`; `None` for one that was accepted.
    pub(super) fn path(self: &Arc<Self>, address: Option<&Multiaddr>) -> Path {
        Path {
            links: self.clone(),
            plan: self.plan.subscribe(),
            address: address.map(key),
            number: self.connections.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// True if what is accepted has to be shaped too.
    pub(super) fn has_bandwidth(&self) -> bool {
        let plan = self.plan.borrow();
        plan.up.is_some() || plan.down.is_some()
    }

    /// When so many bytes are through the node's own link, in their turn.
    fn serialised(&self, now: Instant, direction: Direction, bytes: usize) -> Instant {
        let plan = self.plan.borrow();
        let (speed, free) = match direction {
            Direction::Out => (plan.up, &self.up),
            Direction::In => (plan.down, &self.down),
        };
        let Some(speed) = speed else { return now };
        let time = Duration::from_secs_f64(bytes as f64 * 8.0 / speed as f64);
        let mut free = free.lock();
        let through = free.map_or(now, |free| free.max(now)) + time;
        *free = Some(through);
        through
    }
}

/// The way of one connection.
#[derive(Debug)]
pub(super) struct Path {
    links: Arc<Links>,
    plan: watch::Receiver<Arc<LinkPlan>>,
    address: Option<String>,
    number: u32,
}

impl Path {
    /// The same way for the other direction.
    pub(super) fn another(&self) -> Path {
        Path {
            links: self.links.clone(),
            plan: self.plan.clone(),
            address: self.address.clone(),
            number: self.links.connections.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn now(&self) -> PathPlan {
        let plan = self.plan.borrow();
        self.address.as_ref().and_then(|address| plan.paths.get(address)).copied().unwrap_or_default()
    }

    /// A round trip on it, as things are.
    pub(super) fn round_trip(&self) -> Duration {
        Duration::from_nanos(self.now().one_way.saturating_mul(2))
    }

    /// When a chunk that came at `now` is through; `count` is its number on this way.
    pub(super) fn through(&self, now: Instant, direction: Direction, bytes: usize, count: u32) -> Instant {
        let PathPlan { one_way, loss, .. } = self.now();
        self.links.chunks.fetch_add(1, Ordering::Relaxed);
        let mut at = self.links.serialised(now, direction, bytes) + Duration::from_nanos(one_way);
        if loss > 0.0 {
            at += self.retransmission(one_way, loss, count);
        }
        at
    }

    /// What losses cost, as in the simulator: each a retransmission timeout, each timeout twice the one before
    /// (RFC 6298, 5.5).
    fn retransmission(&self, one_way: u64, loss: f64, count: u32) -> Duration {
        let plan = self.plan.borrow().clone();
        let draw = Draws::new(plan.seed, 0).stream_at(LOSS, u64::from(self.number), count).unit();
        let timeout = Duration::from_nanos(one_way.saturating_mul(4).max(plan.retransmit));
        let (mut losses, mut probability, mut delay) = (0, loss, Duration::ZERO);
        while draw < probability && losses < MAX_LOSSES {
            delay += timeout * (1 << losses);
            losses += 1;
            probability *= loss;
        }
        self.links.lost.fetch_add(u64::from(losses), Ordering::Relaxed);
        delay
    }

    /// Waits until what is on its way is through.
    pub(super) async fn wait_until(&self, at: Instant) {
        self.links.timer.wait_until(at).await;
    }

    /// Waits until the way is not blocked. True if it was.
    pub(super) async fn opened(&mut self) -> bool {
        let mut waited = false;
        while self.now().blocked {
            waited = true;
            if self.plan.changed().await.is_err() {
                // The node has ended; so will its connections.
                std::future::pending::<()>().await;
            }
        }
        waited
    }
}

/// An address without its peer id.
fn key(address: &Multiaddr) -> String {
    let parts = address.iter().filter(|part| !matches!(part, Protocol::P2p(_)));
    parts.collect::<Multiaddr>().to_string()
}

/// A duration of the core's in nanoseconds, for a plan.
impl PathPlan {
    /// A way that takes so long, one way.
    pub fn new(one_way: CoreDuration) -> Self {
        PathPlan { one_way: one_way.as_nanos().unsigned_abs(), ..PathPlan::default() }
    }
}
