//! What the network tells the driver, and what the driver tells of itself.

use super::peers::is_loopback;
use super::{Driver, State};
use crate::handle::{NodeInfo, PeerInfo, ProviderInfo};
use edge_faas_core::io::Input;
use edge_faas_core::key::PeerHandle;
use libp2p::{Multiaddr, PeerId};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Driver {
    /// Enters the network through these peers.
    pub(crate) fn join(self: &Arc<Self>, peers: &[(PeerId, Multiaddr)]) {
        self.with(|state| {
            let mut bootstrap = Vec::new();
            for (id, address) in peers {
                let handle = state.peer_handle(*id);
                if let Some(known) = state.peers.get_mut(handle) {
                    known.hear(address);
                }
                if !bootstrap.contains(&handle) {
                    bootstrap.push(handle);
                }
            }
            state.input(self, Input::Join { bootstrap });
        });
    }

    /// A peer may be reached here.
    pub(crate) fn hear(&self, id: PeerId, address: &Multiaddr) {
        self.with(|state| {
            let handle = state.peer_handle(id);
            if let Some(known) = state.peers.get_mut(handle) {
                known.hear(address);
            }
        });
    }

    /// Forgets who provides what.
    pub(crate) fn forget_providers(&self) {
        self.with(|state| state.peer.forget_providers());
    }

    /// Peers were found on the local network. A node that knows nobody joins through them.
    pub(crate) fn discovered(self: &Arc<Self>, peers: &[(PeerId, Multiaddr)]) {
        let lonely = self.with(|state| {
            for (id, address) in peers {
                let handle = state.peer_handle(*id);
                if let Some(known) = state.peers.get_mut(handle) {
                    known.hear(address);
                }
            }
            state.peer.kad().table().is_empty()
        });
        if lonely {
            let all: Vec<_> = self.config.network.bootstrap.iter().chain(peers).cloned().collect();
            self.join(&all);
        }
    }

    /// Where this node can be reached.
    pub(crate) fn set_own_addresses(&self, addresses: Vec<Multiaddr>) {
        self.state.lock().peers.set_own(addresses);
    }

    /// A connection stands; `dialled`: to this address, by us.
    pub(crate) fn connected(&self, peer: PeerId, dialled: Option<&Multiaddr>, remote: &Multiaddr) {
        self.with(|state| {
            let handle = state.peer_handle(peer);
            if let Some(known) = state.peers.get_mut(handle) {
                known.connected_at(dialled, is_loopback(remote));
            }
        });
    }

    /// The last connection to a peer is gone; `broke`: with calls on it. One that nobody used was closed for that, and
    /// says nothing against the peer.
    pub(crate) fn disconnected(self: &Arc<Self>, peer: PeerId, broke: bool) {
        self.with(|state| {
            if let Some(handle) = state.peers.find(&peer) {
                if let Some(known) = state.peers.get_mut(handle) {
                    known.connected = false;
                }
                if broke {
                    state.input(self, Input::Disconnected { peer: handle });
                }
            }
        });
    }

    /// None of a peer's addresses led to it.
    pub(crate) fn unreachable(&self, peer: PeerId) {
        let mut state = self.state.lock();
        if let Some(handle) = state.peers.find(&peer)
            && let Some(known) = state.peers.get_mut(handle)
        {
            known.unreachable();
        }
    }

    /// A peer said where it listens, and whether it answers Kademlia requests.
    pub(crate) fn identified(self: &Arc<Self>, peer: PeerId, server: bool, listens: &[Multiaddr]) {
        self.with(|state| {
            let handle = state.peer_handle(peer);
            let Some(known) = state.peers.get_mut(handle) else { return };
            known.says(listens);
            known.server = server;
            // Without an address nobody else could reach it.
            if server && !state.peers.addresses(handle).is_empty() {
                state.input(self, Input::Identified { peer: handle });
            }
        });
    }

    /// The id behind a handle that the core has just named.
    pub(crate) fn peer_id(&self, peer: PeerHandle) -> Option<PeerId> {
        self.state.lock().peers.id(peer)
    }

    /// Where a peer may be reached, best first.
    pub(crate) fn addresses(&self, peer: &PeerId) -> Vec<Multiaddr> {
        let state = self.state.lock();
        state.peers.find(peer).map_or_else(Vec::new, |handle| state.peers.addresses(handle).to_vec())
    }

    /// What it says of itself.
    pub(crate) fn info(&self) -> NodeInfo {
        let state = self.state.lock();
        NodeInfo {
            id: self.me(),
            listening: state.peers.addresses(state.peers.me()).to_vec(),
            joined: state.joined,
            hosted: state.announced().keys().cloned().collect(),
            open_calls: self.open_calls.load(Ordering::Acquire),
            served_calls: self.served_calls.load(Ordering::Acquire),
            uptime: self.uptime(),
        }
    }

    /// The peers it is connected to or has in its routing table.
    pub(crate) fn peers(&self) -> Vec<PeerInfo> {
        let connected = self.links.connected_peers();
        let state = self.state.lock();
        let mut handles: Vec<PeerHandle> = state.peer.kad().table().iter().collect();
        let routing = handles.len();
        for peer in connected.iter().filter_map(|id| state.peers.find(id)) {
            if !handles[..routing].contains(&peer) {
                handles.push(peer);
            }
        }
        let about = |(at, handle): (usize, &PeerHandle)| {
            let id = state.peers.id(*handle)?;
            Some(PeerInfo {
                id,
                addresses: state.peers.addresses(*handle).to_vec(),
                connected: connected.contains(&id),
                routing: at < routing,
            })
        };
        handles.iter().enumerate().filter_map(about).collect()
    }

    /// What is known of these providers.
    pub(crate) fn about_providers(&self, function: &str, providers: &[PeerHandle]) -> Vec<ProviderInfo> {
        let state = self.state.lock();
        let me = state.peers.me();
        let mut handles = providers.to_vec();
        if state.announced().contains_key(function) && !handles.contains(&me) {
            handles.insert(0, me);
        }
        let about = |handle: &PeerHandle| {
            Some(ProviderInfo {
                id: state.peers.id(*handle)?,
                addresses: state.peers.addresses(*handle).to_vec(),
                local: *handle == me,
            })
        };
        handles.iter().filter_map(about).collect()
    }

    /// What it holds, for those who look for leaks; its metrics say so too from then on.
    pub(crate) fn census(&self) -> Census {
        let census = Census::of(&self.state.lock(), self);
        self.metrics.held(&census);
        census
    }
}

/// How many of everything a node holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Calls of users, items of manycalls among them.
    pub calls: usize,
    /// Attempts that are not over for the core.
    pub attempts: usize,
    /// Manycalls.
    pub maps: usize,
    /// Calls of others.
    pub served: usize,
    /// Handles of peers.
    pub peers: usize,
    /// Handles of functions.
    pub functions: usize,
    /// Look-ups.
    pub lookups: usize,
    /// Streams that live.
    pub streams: usize,
    /// Streams among them that wait for their next call.
    pub idle_streams: usize,
    /// Tasks of the tokio runtime that the node lives in, others' among them.
    pub tasks: usize,
}

impl Census {
    fn of(state: &State, driver: &Driver) -> Self {
        let (streams, idle_streams) = driver.links.streams();
        Census {
            calls: state.calls.len(),
            attempts: state.attempts.len(),
            maps: state.maps.len(),
            served: driver.served_calls.load(Ordering::Acquire),
            peers: state.peers.len(),
            functions: state.functions.len(),
            lookups: state.peer.kad().lookups(),
            streams,
            idle_streams,
            tasks: driver.tasks.metrics().num_alive_tasks(),
        }
    }
}
