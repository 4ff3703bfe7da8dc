//! The routing tables and provider records of a network that has settled.
//!
//! Under churn a table also has peers that are away, and a holder may have come back without the records that it had
//! before. Both follow from for how long each machine has been up, or away.

use super::churn::Initial;
use super::{Engine, purpose};
use edge_faas_core::context::Context;
use edge_faas_core::draws::Stream;
use edge_faas_core::kad::Kad;
use edge_faas_core::key::{FunctionHandle, Key, PeerHandle};
use edge_faas_core::time::{Duration, Time};
use std::ops::Range;

/// Under churn, buckets of more than this many times k members are not looked through, but drawn from.
const LOOKED_THROUGH: usize = 8;
/// How often an entry is asked within a refresh interval, on average: measured in networks that joined, with sessions of
/// minutes to hours.
const ASKED_PER_REFRESH: f64 = 2.0;

/// Room for one routing table in the making.
#[derive(Default)]
struct Tables {
    peers: Vec<PeerHandle>,
    lens: Vec<u8>,
    picked: Vec<usize>,
    /// The members of a bucket that a node knows.
    known: Vec<u32>,
    /// Entries that have failed once.
    stale: Vec<PeerHandle>,
    /// The way down to the last node: the subtree at each depth, as a range of the servers, and where it splits.
    path: Vec<(Range<usize>, usize)>,
}

/// The servers of a network that settles, in the order of keys.
struct Servers<'a> {
    initial: &'a Initial,
    /// Those that are up.
    up: Vec<u32>,
    /// These and those that are away.
    all: Vec<u32>,
}

/// What one node knows of peers that come and go.
struct View<'a> {
    initial: &'a Initial,
    /// For how long the node has been up.
    age: Duration,
    /// How long an entry goes unasked on average, in seconds.
    unasked: f64,
    stream: Stream,
}

/// How a peer stands in a routing table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It answers, or nobody has noticed that it does not.
    Live,
    /// It has failed once.
    Stale,
}

impl View<'_> {
    /// Whether a machine is known, if there is room for it, and how.
    ///
    /// One that is away is known to those that met it before it went, until it has failed twice. Entries are asked at
    /// random instants: so it is there with the probability that a Poisson process has come less than twice since
    /// it went (the Erlang distribution of two stages), and stale if it has come once.
    fn standing(&mut self, number: u32) -> Option<Standing> {
        if self.initial.is_up(number) {
            return Some(Standing::Live);
        }
        let away = self.initial.age(number);
        if away >= self.age {
            return None;
        }
        let asked = away.as_secs_f64() / self.unasked;
        let never = libm::exp(-asked);
        let drawn = self.stream.unit();
        match drawn {
            _ if drawn < never => Some(Standing::Live),
            _ if drawn < never * (1.0 + asked) => Some(Standing::Stale),
            _ => None,
        }
    }
}

impl Engine<'_> {
    /// Fills tables and records as the protocol would have, long after; `up` are the nodes that take part.
    pub(super) fn settle_kademlia(&mut self, up: &[u32], initial: &Initial) {
        let server = |handle: &u32| self.nodes[*handle as usize].server;
        let servers = Servers {
            initial,
            up: up.iter().copied().filter(server).collect(),
            all: (0..self.population.nodes()).filter(server).collect(),
        };
        let mut tables = Tables::default();
        for handle in up {
            self.settle_table(*handle, &servers, &mut tables);
        }
        for function in 0..self.hosts.len() {
            self.settle_records(FunctionHandle(function), &servers);
        }
    }

    /// Bucket by bucket: all servers that belong in it, or k of them.
    fn settle_table(&mut self, handle: u32, servers: &Servers<'_>, tables: &mut Tables) {
        let me = PeerHandle::new(handle);
        let keys = &self.population.keys;
        let prefix = keys.prefix(me);
        let identity = self.population.identity(handle);
        let k = self.config.kad.k;
        let near = k.saturating_sub(self.config.kad.alpha);
        let mut stream = self.draws.stream(purpose::TABLE, identity);
        let mut view = View {
            initial: servers.initial,
            age: servers.initial.age(self.population.number(handle)),
            unasked: self.config.kad.refresh_interval.as_secs_f64() / ASKED_PER_REFRESH,
            stream: self.draws.stream(purpose::STALE, identity),
        };
        let some_away = servers.up.len() < servers.all.len();
        tables.peers.clear();
        tables.lens.clear();
        tables.stale.clear();
        // The servers that share `depth` bits with this node; handles, and so servers, are in the order of keys.
        let list: &[u32] = if some_away { &servers.all } else { &servers.up };
        let mut subtree = 0..list.len();
        for depth in 0..u64::BITS {
            if subtree.is_empty() || subtree.len() == 1 && list[subtree.start] == handle {
                break;
            }
            let bit = 1u64 << (63 - depth);
            // Nodes come in the order of keys: most of the way is that of the node before.
            let split = match tables.path.get(depth as usize) {
                Some((known, split)) if *known == subtree => *split,
                _ => {
                    let is_zero = |server: &u32| keys.prefix(PeerHandle::new(*server)) & bit == 0;
                    let split = subtree.start + list[subtree.clone()].partition_point(is_zero);
                    tables.path.truncate(depth as usize);
                    tables.path.push((subtree.clone(), split));
                    split
                }
            };
            let (zeros, ones) = (subtree.start..split, split..subtree.end);
            let (own, other) = if prefix & bit == 0 { (zeros, ones) } else { (ones, zeros) };
            let other = &list[other];
            let before = tables.peers.len();
            if some_away {
                let mut known = |handle: u32| {
                    let standing = view.standing(self.population.number(handle));
                    if standing == Some(Standing::Stale) {
                        tables.stale.push(PeerHandle::new(handle));
                    }
                    standing.is_some()
                };
                tables.known.clear();
                if other.len() <= k * LOOKED_THROUGH {
                    tables.known.extend(other.iter().copied().filter(|handle| known(*handle)));
                    pick(&tables.known, k, near, &mut stream, &mut tables.picked, &mut tables.peers);
                } else {
                    draw(other, k, near, &mut stream, known, &mut tables.known);
                    tables.peers.extend(tables.known.iter().map(|peer| PeerHandle::new(*peer)));
                }
                // The least recently seen come first.
                let up = |peer: &PeerHandle| servers.initial.is_up(self.population.number(peer.get()));
                tables.peers[before..].sort_by_key(up);
            } else {
                pick(other, k, near, &mut stream, &mut tables.picked, &mut tables.peers);
            }
            tables.lens.push((tables.peers.len() - before) as u8);
            subtree = own;
        }
        self.with_kad(handle, |kad, cx, now| {
            kad.settle(cx, now, &tables.peers, &tables.lens);
            for peer in &tables.stale {
                kad.settle_stale(cx, *peer);
            }
        });
    }

    /// Every provider of a function announced it at an instant within the last republish interval, to the k closest that
    /// were up then; those that have been up since have the record.
    fn settle_records(&mut self, function: FunctionHandle, servers: &Servers<'_>) {
        let initial = servers.initial;
        let key: Key = self.functions.get(function).key;
        let (k, interval) = (self.config.kad.k, self.config.kad.republish_interval);
        let away = servers.all.len() - servers.up.len();
        // As many as are needed for k to be up among them, and some more, as it is a matter of chance.
        let wide = k.saturating_mul(servers.all.len().div_ceil(servers.up.len().max(1)) + 1);
        let closest = match away {
            0 => self.closest_of(&key, &servers.up, k),
            _ => self.closest_of(&key, &servers.all, wide.min(servers.all.len())),
        };
        let providers: Vec<u32> = self.hosts.providers(function).to_vec();
        for number in providers {
            let provider = self.population.handle(number);
            let entity = self.population.identity(provider) ^ key.prefix();
            let share = self.draws.stream(purpose::SETTLED, entity).unit();
            let (is_up, age) = (initial.is_up(number), initial.age(number));
            if is_up {
                // One that has come back has announced it since.
                let announced: Time = self.now - interval.min(age).mul_f64(share);
                self.settle_record(key, provider, announced, &closest, initial);
                let next = announced + interval.max(Duration::from_nanos(1));
                self.with_kad(provider, |kad, _, _| kad.settle_provided(function, next));
            } else if age < self.config.kad.provider_ttl && !self.said_goodbye(number) {
                let announced = self.now - age - interval.mul_f64(share);
                self.settle_record(key, provider, announced, &closest, initial);
            }
        }
    }

    /// Whether a machine that was away from the beginning has withdrawn its records.
    fn said_goodbye(&self, number: u32) -> bool {
        let leave = self.scenario.churn.as_ref().map_or(0.0, |churn| churn.leave);
        self.draws.stream(purpose::GOODBYE, u64::from(number)).chance(leave)
    }

    /// Gives a record to those that have it of the `closest` servers.
    fn settle_record(
        &mut self,
        key: Key,
        provider: u32,
        announced: Time,
        closest: &[u32],
        initial: &Initial,
    ) {
        let expires = announced + self.config.kad.provider_ttl;
        let since = self.now.since(announced);
        let mut told = 0;
        for holder in closest {
            let number = self.population.number(*holder);
            let (is_up, age) = (initial.is_up(number), initial.age(number));
            // Who came since was away before, and who went since was up.
            told += usize::from(is_up == (age >= since));
            if is_up && age >= since && expires > self.now {
                self.with_kad(*holder, |kad, cx, now| {
                    kad.insert_provider(cx, now, key, PeerHandle::new(provider), expires);
                });
            }
            if told == self.config.kad.k {
                break;
            }
        }
    }

    fn with_kad(&mut self, handle: u32, act: impl FnOnce(&mut Kad, &mut Context<'_>, Time)) {
        let now = self.now;
        let (peer, mut cx) = self.lend(handle);
        act(peer.kad_mut(), &mut cx, now);
    }
}

/// A bucket of `members`: all of them, or k.
///
/// Which k matters. A node fills a far bucket by the look-up that joining sends there: it meets α peers on the way,
/// anywhere in the bucket, and then the neighbours of the target; what it knows it keeps. Buckets of k drawn uniformly would
/// make look-ups a seventh shorter than those of networks that joined (measured at 1,000 and 10,000 nodes).
fn pick(
    members: &[u32],
    k: usize,
    near: usize,
    stream: &mut Stream,
    picked: &mut Vec<usize>,
    peers: &mut Vec<PeerHandle>,
) {
    if members.len() <= k {
        peers.extend(members.iter().map(|peer| PeerHandle::new(*peer)));
        return;
    }
    // The neighbours of the point that the joining look-up of this bucket went to …
    let pivot = stream.below(members.len() as u64) as usize;
    let first = pivot.saturating_sub(near / 2).min(members.len() - near);
    peers.extend(members[first..first + near].iter().map(|peer| PeerHandle::new(*peer)));
    // … and who was met on the way: any of the others, by Floyd's sampling (Bentley and Floyd, CACM 30, 1987).
    let (rest, others) = (k - near, members.len() - near);
    picked.clear();
    for j in others - rest..others {
        let at = stream.below(j as u64 + 1) as usize;
        let at = if picked.contains(&at) { j } else { at };
        picked.push(at);
        let at = if at < first { at } else { at + near };
        peers.push(PeerHandle::new(members[at]));
    }
}

/// The same of a bucket with very many members, not all of whom are `known`: neighbours first, then some of any.
fn draw(
    members: &[u32],
    k: usize,
    near: usize,
    stream: &mut Stream,
    mut known: impl FnMut(u32) -> bool,
    drawn: &mut Vec<u32>,
) {
    let first = stream.below(members.len() as u64) as usize;
    let (before, from) = members.split_at(first);
    drawn.extend(from.iter().chain(before).copied().filter(|peer| known(*peer)).take(near));
    // Nearly everybody may be away: then it stays at what is found.
    for _ in 0..k * LOOKED_THROUGH * LOOKED_THROUGH {
        if drawn.len() >= k {
            break;
        }
        let peer = members[stream.below(members.len() as u64) as usize];
        if !drawn.contains(&peer) && known(peer) {
            drawn.push(peer);
        }
    }
}
