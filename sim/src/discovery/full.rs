//! A directory at every node, kept alike by gossip.
//!
//! A change (a function announced, announced again or withdrawn) spreads as a rumour (Demers and others, "Epidemic
//! Algorithms for Replicated Database Maintenance", PODC 1987, rumour mongering: push, and a node that hears
//! something new passes it on once): to `fanout` nodes drawn at random. With a fanout of 4 about 98 % hear of it; who
//! missed it hears of the next announcement. Newer versions replace older ones; a withdrawal is remembered as long
//! as a record would be, so that no old rumour revives it.
//!
//! Who is in the network every node is taken to know; that a peer has gone it learns when a dial fails, and leaves it
//! out for `refresh_interval`. A node that joins copies the directory of a bootstrap node, the next one if that does
//! not answer within `request_timeout`. Look-ups are answered from the own directory, during the copy after it.

use super::letter::{Note, Posted, Timer};
use super::{Engine, Kind};
use crate::engine::purpose;
use edge_faas_core::key::{FunctionHandle, PeerHandle};
use edge_faas_core::results::TrafficClass;
use edge_faas_core::time::Time;

/// Peers found dead that a node keeps in mind.
const SUSPECTS: usize = 32;

/// What a directory says of one function at one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) function: FunctionHandle,
    provider: u32,
    /// When the provider said so: the record's version, and the begin of its life.
    stamp: Time,
    withdrawn: bool,
}

/// One node's directory.
#[derive(Debug, Default)]
struct Directory {
    /// Sorted by function and provider.
    records: Vec<Record>,
    /// Tidied when it has grown to this.
    tidy_at: usize,
    /// Peers that could not be reached, and until when they are left out.
    suspects: Vec<(u32, Time)>,
    /// The first copy is under way: the index of the bootstrap node that was asked.
    copying: Option<u32>,
    /// Look-ups that wait for the copy.
    waiting: Vec<FunctionHandle>,
    /// Rumours passed on, which numbers their draws.
    told: u32,
}

impl Directory {
    /// Takes a record over if it is news.
    fn merge(&mut self, record: Record, oldest: Time) -> bool {
        if record.stamp <= oldest {
            return false;
        }
        let key = |record: &Record| (record.function, record.provider);
        match self.records.binary_search_by_key(&key(&record), key) {
            Ok(at) if self.records[at].stamp >= record.stamp => false,
            Ok(at) => {
                self.records[at] = record;
                true
            }
            Err(at) => {
                self.records.insert(at, record);
                if self.records.len() > self.tidy_at {
                    self.records.retain(|record| record.stamp > oldest);
                    self.tidy_at = (self.records.len() * 2).max(64);
                }
                true
            }
        }
    }

    fn providers(&self, function: FunctionHandle, oldest: Time) -> Vec<PeerHandle> {
        let begin = self.records.partition_point(|record| record.function < function);
        let records = self.records[begin..].iter().take_while(|record| record.function == function);
        let valid = records.filter(|record| !record.withdrawn && record.stamp > oldest);
        valid.map(|record| PeerHandle::new(record.provider)).collect()
    }

    fn suspect(&mut self, peer: u32, now: Time, until: Time) {
        self.suspects.retain(|(other, until)| *other != peer && *until > now);
        if self.suspects.len() >= SUSPECTS {
            self.suspects.remove(0);
        }
        self.suspects.push((peer, until));
    }

    fn is_suspect(&self, peer: u32, now: Time) -> bool {
        self.suspects.iter().any(|(other, until)| *other == peer && *until > now)
    }
}

/// The directories of all nodes.
#[derive(Debug)]
pub(super) struct Full {
    fanout: u32,
    /// By handle; nodes without a word on any function have none.
    directories: Vec<Directory>,
    /// What everybody knows in a settled network.
    settled: Vec<Record>,
}

impl Full {
    pub(super) fn new(fanout: u32) -> Self {
        Full { fanout, directories: Vec::new(), settled: Vec::new() }
    }

    fn of(&mut self, node: u32) -> &mut Directory {
        let at = node as usize;
        if self.directories.len() <= at {
            self.directories.resize_with(at + 1, Directory::default);
        }
        &mut self.directories[at]
    }

    /// Gives the nodes that are up what everybody knows.
    pub(super) fn settled(&mut self, up: &[u32]) {
        let mut records = std::mem::take(&mut self.settled);
        records.sort_unstable_by_key(|record| (record.function, record.provider));
        for node in up {
            let directory = self.of(*node);
            directory.tidy_at = records.len() * 2;
            directory.records.clone_from(&records);
        }
    }
}

impl Engine<'_> {
    fn full(&mut self) -> &mut Full {
        match &mut self.discovery.kind {
            Kind::Full(full) => full,
            _ => unreachable!("only a full discovery has directories"),
        }
    }

    /// What was said at this instant or before is forgotten.
    fn oldest(&self) -> Time {
        self.now - self.config.kad.provider_ttl
    }

    pub(super) fn resolve_in_directory(&mut self, node: u32, function: FunctionHandle) {
        let oldest = self.oldest();
        let directory = self.full().of(node);
        let providers = directory.providers(function, oldest);
        let done = directory.copying.is_none();
        if !done {
            directory.waiting.push(function);
        }
        self.resolved(node, function, providers, done);
    }

    pub(super) fn publish_by_gossip(&mut self, node: u32, function: FunctionHandle, hosted: bool) {
        let mut since = self.now;
        if self.discovery.settling {
            since = self.settled_since(node, function);
            let record = Record { function, provider: node, stamp: since, withdrawn: false };
            self.full().settled.push(record);
        } else {
            self.announce(node, function, !hosted);
        }
        if hosted {
            self.set_republish(node, function, since + self.config.kad.republish_interval);
        }
    }

    /// A provider has something to say about itself.
    pub(super) fn announce(&mut self, node: u32, function: FunctionHandle, withdrawn: bool) {
        let (oldest, stamp) = (self.oldest(), self.now);
        let record = Record { function, provider: node, stamp, withdrawn };
        if self.full().of(node).merge(record, oldest) {
            self.spread(node, node, record);
        }
    }

    /// A rumour arrives.
    pub(super) fn heard(&mut self, node: u32, from: u32, record: Record) {
        let oldest = self.oldest();
        if self.full().of(node).merge(record, oldest) {
            self.spread(node, from, record);
        }
    }

    /// A node passes a rumour on to nodes drawn at random, but not to whom it has it from.
    fn spread(&mut self, node: u32, from: u32, record: Record) {
        let (now, nodes) = (self.now, self.population.nodes());
        let full = self.full();
        let fanout = full.fanout.min(nodes.saturating_sub(1));
        let directory = full.of(node);
        let told = directory.told;
        directory.told = told.wrapping_add(1);
        // Each draw may hit somebody who is left out, and is then repeated; a block holds two draws.
        let draws = fanout.saturating_mul(4);
        let block = told.wrapping_mul(draws / 2 + 1);
        let mut stream = self.draws.stream_at(purpose::DISCOVERY, self.population.identity(node), block);
        let mut chosen: Vec<u32> = Vec::with_capacity(fanout as usize);
        for _ in 0..draws {
            if chosen.len() >= fanout as usize {
                break;
            }
            let peer = self.population.handle(stream.below(u64::from(nodes)) as u32);
            let out = peer == node
                || peer == from
                || peer == record.provider
                || chosen.contains(&peer)
                || self.full().of(node).is_suspect(peer, now);
            if !out {
                chosen.push(peer);
            }
        }
        for peer in chosen {
            let posted = self.send_letter(node, peer, TrafficClass::Records, Note::Rumour(record));
            if matches!(posted, Posted::Failed) {
                let until = now + self.config.kad.refresh_interval;
                self.full().of(node).suspect(peer, now, until);
            }
        }
    }

    /// A node that has come into the network copies a directory.
    pub(super) fn join_directory(&mut self, node: u32) {
        let directory = self.full().of(node);
        // The draws go on where they were.
        *directory = Directory { told: directory.told, ..Directory::default() };
        self.copy_from(node, 0);
    }

    /// Asks the bootstrap node with this index.
    fn copy_from(&mut self, node: u32, index: u32) {
        let bootstrap = self.bootstrap(node).nth(index as usize);
        let Some(peer) = bootstrap else {
            // Nobody is left to ask: rumours will fill it.
            self.copy_ends(node);
            return;
        };
        self.full().of(node).copying = Some(index);
        let at = self.now + self.config.kad.request_timeout;
        self.set_timer(node, at, Timer::CopyFailed(index));
        self.send_letter(node, peer, TrafficClass::Records, Note::Copy);
    }

    pub(super) fn copy_failed(&mut self, node: u32, index: u32) {
        if self.full().of(node).copying == Some(index) {
            self.copy_from(node, index + 1);
        }
    }

    /// A bootstrap node is asked for its directory.
    pub(super) fn copy_wanted(&mut self, node: u32, asker: u32) {
        let oldest = self.oldest();
        let records = self.full().of(node).records.iter().filter(|record| record.stamp > oldest);
        let records = records.copied().collect();
        self.send_letter(node, asker, TrafficClass::Records, Note::Directory(records));
    }

    /// The copy has arrived.
    pub(super) fn copied(&mut self, node: u32, records: &[Record]) {
        let oldest = self.oldest();
        let directory = self.full().of(node);
        for record in records {
            directory.merge(*record, oldest);
        }
        self.copy_ends(node);
    }

    /// Look-ups that waited for the copy are answered.
    fn copy_ends(&mut self, node: u32) {
        let directory = self.full().of(node);
        directory.copying = None;
        for function in std::mem::take(&mut directory.waiting) {
            self.resolve_in_directory(node, function);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(provider: u32, stamp: i64, withdrawn: bool) -> Record {
        Record { function: FunctionHandle(1), provider, stamp: Time::from_nanos(stamp), withdrawn }
    }

    #[test]
    fn newer_words_win_and_old_ones_are_forgotten() {
        let mut directory = Directory::default();
        let never = Time::from_nanos(-1);
        assert!(directory.merge(record(7, 10, false), never));
        assert!(!directory.merge(record(7, 10, false), never), "a rumour dies where it is known");
        assert!(directory.merge(record(7, 20, true), never));
        assert!(!directory.merge(record(7, 15, false), never), "a withdrawal is not revived");
        assert!(directory.merge(record(8, 15, false), never));
        let at = |oldest| directory.providers(FunctionHandle(1), Time::from_nanos(oldest));
        assert_eq!(at(0), [PeerHandle::new(8)]);
        assert_eq!(at(15), []);
        assert!(!directory.merge(record(9, 15, false), Time::from_nanos(15)), "past its life");
    }

    #[test]
    fn a_directory_does_not_keep_the_forgotten() {
        let mut directory = Directory::default();
        for n in 0..10_000_i64 {
            directory.merge(record(n as u32, n, false), Time::from_nanos(n - 10));
        }
        assert!(directory.records.len() <= 64, "{}", directory.records.len());
    }

    #[test]
    fn suspects_are_bounded_and_forgotten() {
        let mut directory = Directory::default();
        for peer in 0..100 {
            directory.suspect(peer, Time::from_nanos(0), Time::from_nanos(50));
        }
        assert!(directory.is_suspect(99, Time::from_nanos(49)) && !directory.is_suspect(0, Time::ZERO));
        assert!(!directory.is_suspect(99, Time::from_nanos(50)));
        assert_eq!(directory.suspects.len(), SUSPECTS);
    }
}
