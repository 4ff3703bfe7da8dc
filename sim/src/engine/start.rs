//! How a network begins: every node joins by the protocol, or it has settled already.

use super::churn::Initial;
use super::{Engine, Event, purpose};
use edge_faas_core::context::Context;
use edge_faas_core::io::Input;
use edge_faas_core::key::{Key, PeerHandle};
use edge_faas_core::scenario::schema::Start;
use edge_faas_core::time::{Duration, Time};

impl Engine<'_> {
    /// Schedules everything that is known beforehand.
    pub(crate) fn start(&mut self) {
        let initial = self.start_churn();
        match self.scenario.network.start {
            Start::Join => self.start_joining(&initial),
            Start::Converged => self.start_converged(&initial),
        }
        self.start_faults();
    }

    /// The bootstrap nodes join at once, the others at instants drawn uniformly.
    fn start_joining(&mut self, initial: &Initial) {
        let over = self.scenario.network.join_over;
        let origin = self.now;
        for number in 0..self.population.nodes() {
            if !initial.is_up(number) {
                continue;
            }
            let at = if number < self.scenario.network.bootstrap {
                origin
            } else {
                origin + over.mul_f64(self.draws.stream(purpose::JOIN, u64::from(number)).unit())
            };
            self.queue.push(at, Event::Join(number));
        }
    }

    /// Fills tables and records as the protocol would have, long after.
    fn start_converged(&mut self, initial: &Initial) {
        let now = self.now;
        let up: Vec<u32> = (0..self.population.nodes())
            .filter(|handle| initial.is_up(self.population.number(*handle)))
            .collect();
        let servers: Vec<u32> =
            up.iter().copied().filter(|handle| self.nodes[*handle as usize].server).collect();
        let (k, near) = (self.config.kad.k, self.config.kad.k.saturating_sub(self.config.kad.alpha));
        let mut tables =
            Tables { peers: Vec::new(), lens: Vec::new(), picked: Vec::with_capacity(k), path: Vec::new() };
        let kademlia = self.discovery.is_kademlia();
        for handle in &up {
            self.set_up(*handle);
            if kademlia {
                self.settle_table(*handle, &servers, k, near, &mut tables);
            }
        }
        for function in 0..if kademlia { self.hosts.len() } else { 0 } {
            self.settle_records(function, &servers, initial);
        }
        self.discovery_settles();
        for &handle in &up {
            let number = self.population.number(handle);
            let functions =
                self.machines[number as usize].runtime.as_ref().map(|runtime| runtime.functions.clone());
            for function in functions.unwrap_or_default() {
                self.input(handle, Input::Host { function: edge_faas_core::key::FunctionHandle(function) });
            }
            self.set_wake(handle);
        }
        self.discovery_settled(&up);
        debug_assert!(self.now == now, "a settled start takes no time");
    }

    /// Bucket by bucket: all servers that belong in it, or k of them.
    ///
    /// Which k matters. A node fills a far bucket by the look-up that joining sends there: it meets α peers on the way,
    /// anywhere in the bucket, and then the neighbours of the target; what it knows it keeps. Buckets of k drawn uniformly would
    /// make look-ups a seventh shorter than those of networks that joined (measured at 1,000 and 10,000 nodes).
    fn settle_table(&mut self, handle: u32, servers: &[u32], k: usize, near: usize, tables: &mut Tables) {
        let me = PeerHandle::new(handle);
        let keys = &self.population.keys;
        let prefix = keys.prefix(me);
        let mut stream = self.draws.stream(purpose::TABLE, self.population.identity(handle));
        tables.peers.clear();
        tables.lens.clear();
        // The servers that share `depth` bits with this node; handles, and so servers, are in the order of keys.
        let mut subtree = 0..servers.len();
        for depth in 0..u64::BITS {
            if subtree.len() <= 1 && servers[subtree.clone()].first().is_none_or(|server| *server == handle) {
                break;
            }
            let bit = 1u64 << (63 - depth);
            // Nodes come in the order of keys: most of the way is that of the node before.
            let split = match tables.path.get(depth as usize) {
                Some((known, split)) if *known == subtree => *split,
                _ => {
                    let is_zero = |server: &u32| keys.prefix(PeerHandle::new(*server)) & bit == 0;
                    let split = subtree.start + servers[subtree.clone()].partition_point(is_zero);
                    tables.path.truncate(depth as usize);
                    tables.path.push((subtree.clone(), split));
                    split
                }
            };
            let (zeros, ones) = (subtree.start..split, split..subtree.end);
            let (own, other) = if prefix & bit == 0 { (zeros, ones) } else { (ones, zeros) };
            let other = &servers[other];
            let before = tables.peers.len();
            if other.len() <= k {
                tables.peers.extend(other.iter().map(|peer| PeerHandle::new(*peer)));
            } else {
                // The neighbours of the point that the joining look-up of this bucket went to …
                let pivot = stream.below(other.len() as u64) as usize;
                let first = pivot.saturating_sub(near / 2).min(other.len() - near);
                tables.peers.extend(other[first..first + near].iter().map(|peer| PeerHandle::new(*peer)));
                // … and who was met on the way: any of the others, by Floyd's sampling (Bentley and Floyd, CACM 30, 1987).
                let (rest, others) = (k - near, other.len() - near);
                tables.picked.clear();
                for j in others - rest..others {
                    let at = stream.below(j as u64 + 1) as usize;
                    let at = if tables.picked.contains(&at) { j } else { at };
                    tables.picked.push(at);
                    let at = if at < first { at } else { at + near };
                    tables.peers.push(PeerHandle::new(other[at]));
                }
            }
            tables.lens.push((tables.peers.len() - before) as u8);
            subtree = own;
        }
        let now = self.now;
        let (peer, cx) = self.lend(handle);
        peer.kad_mut().settle(&cx, now, &tables.peers, &tables.lens);
    }

    /// Every provider of a function announced it at an instant within the last republish interval.
    fn settle_records(&mut self, function: u32, servers: &[u32], initial: &Initial) {
        let function = edge_faas_core::key::FunctionHandle(function);
        let key: Key = self.functions.get(function).key;
        let providers: Vec<u32> = self
            .hosts
            .providers(function)
            .iter()
            .filter(|number| initial.is_up(**number))
            .map(|number| self.population.handle(*number))
            .collect();
        if providers.is_empty() {
            return;
        }
        let holders = self.closest_of(&key, servers, self.config.kad.k);
        let interval = self.config.kad.republish_interval;
        let ttl = self.config.kad.provider_ttl;
        for provider in providers {
            let entity = self.population.identity(provider) ^ key.prefix();
            let age = interval.mul_f64(self.draws.stream(purpose::SETTLED, entity).unit());
            let announced: Time = self.now - age;
            for holder in &holders {
                self.with_kad(*holder, |kad, cx, now| {
                    kad.insert_provider(cx, now, key, PeerHandle::new(provider), announced + ttl);
                });
            }
            let next = announced + interval.max(Duration::from_nanos(1));
            self.with_kad(provider, |kad, _, _| kad.settle_provided(function, next));
        }
    }

    fn with_kad(
        &mut self,
        handle: u32,
        act: impl FnOnce(&mut edge_faas_core::kad::Kad, &mut Context<'_>, Time),
    ) {
        let now = self.now;
        let (peer, mut cx) = self.lend(handle);
        act(peer.kad_mut(), &mut cx, now);
    }
}

/// Room for one routing table in the making.
struct Tables {
    peers: Vec<PeerHandle>,
    lens: Vec<u8>,
    picked: Vec<usize>,
    /// The way down to the last node: the subtree at each depth, and where it splits.
    path: Vec<(std::ops::Range<usize>, usize)>,
}
