//! Real libp2p swarms over the memory transport.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use futures::{FutureExt, StreamExt};
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::swarm::{Config, NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Transport, kad, plaintext, yamux};
use std::task::Poll;
use std::time::Duration;

/// The identity of node `i`, the same in every run.
pub fn keypair(i: u32) -> Keypair {
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&i.to_be_bytes());
    Keypair::ed25519_from_bytes(seed).expect("32 bytes")
}

/// Where node `i` listens; each test has its own `base`, for all tests share the process.
pub fn address(base: u64, i: u32) -> Multiaddr {
    format!("/memory/{}", base + u64::from(i)).parse().expect("a memory address")
}

/// A swarm that listens.
pub fn swarm<B: NetworkBehaviour>(base: u64, i: u32, behaviour: impl FnOnce(PeerId) -> B) -> Swarm<B> {
    let key = keypair(i);
    let peer = key.public().to_peer_id();
    let transport = MemoryTransport::new()
        .upgrade(Version::V1)
        .authenticate(plaintext::Config::new(&key))
        .multiplex(yamux::Config::default())
        .boxed();
    let config = Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(300));
    let mut swarm = Swarm::new(transport, behaviour(peer), peer, config);
    swarm.listen_on(address(base, i)).expect("a free address");
    swarm.add_external_address(address(base, i));
    swarm
}

/// libp2p-kad with its defaults, as a server.
pub fn stock(peer: PeerId) -> kad::Behaviour<MemoryStore> {
    let mut behaviour = kad::Behaviour::new(peer, MemoryStore::new(peer));
    behaviour.set_mode(Some(kad::Mode::Server));
    behaviour
}

/// Many stock nodes on one task.
pub struct Stock {
    pub base: u64,
    pub ids: Vec<PeerId>,
    pub swarms: Vec<Swarm<kad::Behaviour<MemoryStore>>>,
    turn: usize,
}

impl Stock {
    pub fn new(base: u64, n: u32) -> Self {
        let ids = (0..n).map(|i| keypair(i).public().to_peer_id()).collect();
        let swarms = (0..n).map(|i| swarm(base, i, stock)).collect();
        Stock { base, ids, swarms, turn: 0 }
    }

    /// The next event of any node. Who connects is told to the table with its address, as identify does.
    pub async fn next(&mut self) -> (usize, SwarmEvent<kad::Event>) {
        let Stock { swarms, turn, .. } = self;
        let (i, event) = std::future::poll_fn(|cx| {
            for step in 1..=swarms.len() {
                let i = (*turn + step) % swarms.len();
                if let Poll::Ready(Some(event)) = swarms[i].poll_next_unpin(cx) {
                    *turn = i;
                    return Poll::Ready((i, event));
                }
            }
            Poll::Pending
        })
        .await;
        if let SwarmEvent::ConnectionEstablished { peer_id, .. } = &event
            && let Some(other) = self.ids.iter().position(|id| id == peer_id)
        {
            let address = address(self.base, other as u32);
            self.swarms[i].behaviour_mut().add_address(peer_id, address);
        }
        (i, event)
    }

    /// Every node joins through the first, one after another.
    pub async fn join_all(&mut self) {
        let (first, at) = (self.ids[0], address(self.base, 0));
        for i in 1..self.swarms.len() {
            let behaviour = self.swarms[i].behaviour_mut();
            behaviour.add_address(&first, at.clone());
            let query = behaviour.bootstrap().expect("a known peer");
            loop {
                if let (by, SwarmEvent::Behaviour(kad::Event::OutboundQueryProgressed { id, step, .. })) =
                    self.next().await
                    && by == i
                    && id == query
                    && step.last
                {
                    break;
                }
            }
        }
    }

    /// Lets the nodes do what they do for a while.
    pub async fn idle(&mut self, time: Duration) {
        let mut timer = std::pin::pin!(tokio::time::sleep(time).fuse());
        loop {
            futures::select! {
                () = timer => return,
                _ = self.next().fuse() => {}
            }
        }
    }

    /// A look-up by node `i`: who was found, closest first, and how many requests it took.
    pub async fn find_closest(&mut self, i: usize, target: PeerId) -> (Vec<PeerId>, u32) {
        let query = self.swarms[i].behaviour_mut().get_closest_peers(target);
        loop {
            if let (
                by,
                SwarmEvent::Behaviour(kad::Event::OutboundQueryProgressed {
                    id,
                    result: kad::QueryResult::GetClosestPeers(result),
                    stats,
                    ..
                }),
            ) = self.next().await
                && by == i
                && id == query
            {
                let found = result.expect("no time-out").peers;
                let found = found.into_iter().map(|info| info.peer_id).collect();
                return (found, stats.num_requests());
            }
        }
    }
}
