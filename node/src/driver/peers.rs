//! What stands behind the core's handles of peers: ids and addresses.

use super::functions::Functions;
use edge_faas_core::kad::wire;
use edge_faas_core::key::{FunctionHandle, Key, KeyTable, PeerHandle};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::net::IpAddr;

/// Addresses kept of one peer.
const ADDRESSES_MAX: usize = 8;
/// Peers below which nobody is swept.
const SWEEP_MIN: usize = 4_096;

/// What is known of a peer.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) id: PeerId,
    /// Best first: those that led to a connection, then its own word, then hearsay.
    addresses: SmallVec<[Multiaddr; 2]>,
    /// It answers Kademlia requests, by its own word.
    pub(super) server: bool,
    pub(super) connected: bool,
    /// Somebody connected to it over more than the loopback interface.
    remote: bool,
}

/// The peers that have a handle.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) keys: KeyTable,
    known: Vec<Option<Known>>,
    by_id: HashMap<PeerId, PeerHandle>,
    free: Vec<PeerHandle>,
    me: PeerHandle,
    /// Where this node can be reached.
    own: Vec<Multiaddr>,
    /// As many handles in use make a sweep worth while.
    sweep_at: usize,
}

impl Peers {
    /// A table with this node only.
    pub(super) fn new(me: PeerId) -> Self {
        let mut peers = Peers {
            keys: KeyTable::new(),
            known: Vec::new(),
            by_id: HashMap::new(),
            free: Vec::new(),
            me: PeerHandle::new(0),
            own: Vec::new(),
            sweep_at: SWEEP_MIN,
        };
        peers.me = peers.handle(me);
        peers
    }

    pub(super) fn me(&self) -> PeerHandle {
        self.me
    }

    /// The handle of a peer; a new one where it has none.
    pub(super) fn handle(&mut self, id: PeerId) -> PeerHandle {
        if let Some(handle) = self.by_id.get(&id) {
            return *handle;
        }
        let key = Key::hash(&id.to_bytes());
        let known = Known { id, addresses: SmallVec::new(), server: false, connected: false, remote: false };
        let handle = match self.free.pop() {
            Some(handle) => {
                self.keys.set(handle, key);
                self.known[handle.index()] = Some(known);
                handle
            }
            None => {
                self.known.push(Some(known));
                self.keys.push(key)
            }
        };
        self.by_id.insert(id, handle);
        handle
    }

    pub(super) fn find(&self, id: &PeerId) -> Option<PeerHandle> {
        self.by_id.get(id).copied()
    }

    pub(super) fn get(&self, handle: PeerHandle) -> Option<&Known> {
        self.known.get(handle.index())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, handle: PeerHandle) -> Option<&mut Known> {
        self.known.get_mut(handle.index())?.as_mut()
    }

    pub(super) fn id(&self, handle: PeerHandle) -> Option<PeerId> {
        self.get(handle).map(|known| known.id)
    }

    pub(super) fn addresses(&self, handle: PeerHandle) -> &[Multiaddr] {
        if handle == self.me {
            return &self.own;
        }
        self.get(handle).map_or(&[], |known| &known.addresses)
    }

    /// Where this node can be reached.
    pub(super) fn set_own(&mut self, addresses: Vec<Multiaddr>) {
        let public: Vec<Multiaddr> = addresses.iter().filter(|addr| !is_loopback(addr)).cloned().collect();
        // Loopback addresses are of use only among nodes that have nothing else.
        self.own = if public.is_empty() { addresses } else { public };
    }

    /// Handles in use.
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True when a sweep is worth while.
    pub(super) fn is_crowded(&self) -> bool {
        self.len() >= self.sweep_at
    }

    /// Frees every handle that `marked` says nothing of, but for connected peers and this node.
    pub(super) fn sweep(&mut self, marked: &[bool]) {
        for index in 0..self.known.len() {
            let handle = PeerHandle::new(index as u32);
            let used = marked.get(index).copied().unwrap_or(false) || handle == self.me;
            if let Some(known) = &self.known[index]
                && !used
                && !known.connected
            {
                self.by_id.remove(&known.id);
                self.known[index] = None;
                self.free.push(handle);
            }
        }
        self.sweep_at = (self.len() * 2).max(SWEEP_MIN);
    }

    /// Slots of the table, for a sweep's marks.
    pub(super) fn slots(&self) -> usize {
        self.known.len()
    }
}

impl Known {
    /// A connection to this address stands.
    pub(super) fn connected_at(&mut self, address: Option<&Multiaddr>, loopback: bool) {
        self.connected = true;
        self.remote |= !loopback;
        if let Some(address) = address.and_then(|address| dialable(address, &self.id)) {
            self.addresses.retain(|other| *other != address);
            self.addresses.insert(0, address);
            self.addresses.truncate(ADDRESSES_MAX);
        }
    }

    /// Its own word on where it listens.
    pub(super) fn says(&mut self, addresses: &[Multiaddr]) {
        let mut said: SmallVec<[Multiaddr; 2]> = SmallVec::new();
        for address in addresses.iter().filter_map(|address| dialable(address, &self.id)) {
            // From another machine, its loopback address is ours.
            let ours = self.remote && is_loopback(&address);
            if !ours && !said.contains(&address) {
                said.push(address);
            }
        }
        // Where it was reached comes first, as long as it still says so.
        if let Some(best) = self.addresses.first()
            && let Some(at) = said.iter().position(|address| address == best)
        {
            said[..=at].rotate_right(1);
        }
        if !said.is_empty() {
            said.truncate(ADDRESSES_MAX);
            self.addresses = said;
        }
    }

    /// Somebody else's word on where it listens: tried last.
    pub(super) fn hear(&mut self, address: &Multiaddr) {
        if let Some(address) = dialable(address, &self.id)
            && self.addresses.len() < ADDRESSES_MAX
            && !self.addresses.contains(&address)
        {
            self.addresses.push(address);
        }
    }

    /// None of its addresses led to it.
    pub(super) fn unreachable(&mut self) {
        if self.addresses.len() > 1 {
            self.addresses.rotate_left(1);
        }
    }
}

/// The address without the peer id at its end; `None` for another peer's, and for what cannot be dialled.
fn dialable(address: &Multiaddr, id: &PeerId) -> Option<Multiaddr> {
    let mut address = address.clone();
    if let Some(Protocol::P2p(named)) = address.iter().last() {
        if named != *id {
            return None;
        }
        address.pop();
    }
    match address.iter().next()? {
        Protocol::Ip4(ip) if ip.is_unspecified() => None,
        Protocol::Ip6(ip) if ip.is_unspecified() => None,
        Protocol::Ip4(_)
        | Protocol::Ip6(_)
        | Protocol::Dns(_)
        | Protocol::Dns4(_)
        | Protocol::Dns6(_)
        | Protocol::Memory(_) => Some(address),
        _ => None,
    }
}

/// True for an address within this machine.
pub(super) fn is_loopback(address: &Multiaddr) -> bool {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Protocol::Ip6(ip)) => IpAddr::from(ip).is_loopback(),
        _ => false,
    }
}

/// What the core's codec asks for.
pub(super) struct Directory<'a> {
    pub(super) peers: &'a mut Peers,
    pub(super) functions: &'a Functions,
}

impl wire::Directory for Directory<'_> {
    fn peer_id(&self, peer: PeerHandle) -> Vec<u8> {
        self.peers.id(peer).map(|id| id.to_bytes()).unwrap_or_default()
    }

    fn addresses(&self, peer: PeerHandle) -> Vec<Vec<u8>> {
        self.peers.addresses(peer).iter().map(Multiaddr::to_vec).collect()
    }

    fn function_name(&self, function: FunctionHandle) -> Vec<u8> {
        self.functions.name(function).as_bytes().to_vec()
    }

    fn peer(&mut self, id: &[u8], addresses: &[Vec<u8>]) -> Option<PeerHandle> {
        let id = PeerId::from_bytes(id).ok()?;
        let handle = self.peers.handle(id);
        if handle != self.peers.me {
            let known = self.peers.get_mut(handle)?;
            for address in addresses.iter().take(ADDRESSES_MAX) {
                if let Ok(address) = Multiaddr::try_from(address.clone()) {
                    known.hear(&address);
                }
            }
        }
        Some(handle)
    }

    fn function(&self, name: &[u8]) -> Option<FunctionHandle> {
        self.functions.find(std::str::from_utf8(name).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn swept_handles_are_used_again() {
        let mut peers = Peers::new(PeerId::random());
        let (a, b) = (PeerId::random(), PeerId::random());
        let (first, second) = (peers.handle(a), peers.handle(b));
        let mut marked = vec![false; peers.slots()];
        marked[second.index()] = true;
        peers.sweep(&marked);
        assert_eq!((peers.find(&a), peers.find(&b)), (None, Some(second)));
        let c = PeerId::random();
        assert_eq!(peers.handle(c), first);
        assert_eq!(peers.keys.key(first), Key::hash(&c.to_bytes()));
        assert_eq!(peers.me(), PeerHandle::new(0));
    }

    #[test]
    fn where_it_was_reached_comes_first_and_hearsay_last() {
        let mut peers = Peers::new(PeerId::random());
        let id = PeerId::random();
        let handle = peers.handle(id);
        let known = peers.get_mut(handle).unwrap();
        let [a, b, c] = [1, 2, 3].map(|port| address(&format!("/ip4/10.0.0.1/tcp/{port}")));
        known.hear(&c);
        known.connected_at(Some(&a.clone().with(Protocol::P2p(id))), false);
        assert_eq!(peers.addresses(handle), [a.clone(), c.clone()]);
        let known = peers.get_mut(handle).unwrap();
        // Its own word replaces hearsay; loopback is of no use from elsewhere.
        known.says(&[b.clone(), address("/ip4/127.0.0.1/tcp/1"), a.clone(), address("/ip4/0.0.0.0/tcp/9")]);
        assert_eq!(peers.addresses(handle), [a, b]);
        let known = peers.get_mut(handle).unwrap();
        known.hear(&address("/ip4/10.0.0.1/tcp/4").with(Protocol::P2p(PeerId::random())));
        assert_eq!(peers.addresses(handle).len(), 2);
    }
}
