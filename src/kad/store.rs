//! What a node keeps for others: provider records and values.

use super::Config;
use super::message::Record;
use crate::key::{Key, PeerHandle};
use crate::time::{Duration, Time};
use std::collections::BTreeMap;

/// Provider records and values by key. Keys come from anybody: the maps are ordered and everything is bounded.
///
/// What has run out is never given out; memory of it is freed by a sweep now and then, not by a timer a record.
#[derive(Debug)]
pub(super) struct Store {
    providers: BTreeMap<Key, Vec<ProviderRecord>>,
    values: BTreeMap<Key, StoredValue>,
    /// When to sweep; [`Time::MAX`] while there is nothing.
    pub(super) sweep_at: Time,
}

#[derive(Clone, Copy, Debug)]
struct ProviderRecord {
    peer: PeerHandle,
    expires: Time,
}

#[derive(Debug)]
struct StoredValue {
    record: Box<Record>,
    expires: Time,
}

impl Default for Store {
    fn default() -> Self {
        Store { providers: BTreeMap::new(), values: BTreeMap::new(), sweep_at: Time::MAX }
    }
}

impl Store {
    /// `peer` provides `key` until `expires`. Returns false where a limit forbids to keep that.
    pub(super) fn add_provider(
        &mut self,
        key: Key,
        peer: PeerHandle,
        expires: Time,
        now: Time,
        config: &Config,
    ) -> bool {
        if !self.providers.contains_key(&key) && self.providers.len() >= config.max_keys {
            self.sweep(now, config);
            if self.providers.len() >= config.max_keys {
                return false;
            }
        }
        let records = self.providers.entry(key).or_default();
        let mut place = records.binary_search_by_key(&peer, |record| record.peer);
        if place.is_err() && records.len() >= config.max_providers_per_key {
            records.retain(|record| record.expires > now);
            place = records.binary_search_by_key(&peer, |record| record.peer);
            if records.len() >= config.max_providers_per_key {
                return false;
            }
        }
        match place {
            Ok(at) => records[at].expires = expires,
            Err(at) => records.insert(at, ProviderRecord { peer, expires }),
        }
        self.plan_sweep(now, config);
        true
    }

    /// `peer` does not provide `key` any more.
    pub(super) fn remove_provider(&mut self, key: &Key, peer: PeerHandle) {
        if let Some(records) = self.providers.get_mut(key) {
            records.retain(|record| record.peer != peer);
            if records.is_empty() {
                self.providers.remove(key);
            }
        }
    }

    /// Who provides `key`, by handle.
    pub(super) fn providers(&self, key: &Key, now: Time) -> impl Iterator<Item = PeerHandle> + '_ {
        self.providers
            .get(key)
            .into_iter()
            .flatten()
            .filter(move |record| record.expires > now)
            .map(|record| record.peer)
    }

    /// Keeps a value. Returns false where a limit forbids it.
    pub(super) fn put(&mut self, key: Key, record: Box<Record>, now: Time, config: &Config) -> bool {
        if record.value.len() > config.max_value_bytes {
            return false;
        }
        if !self.values.contains_key(&key) && self.values.len() >= config.max_keys {
            self.sweep(now, config);
            if self.values.len() >= config.max_keys {
                return false;
            }
        }
        let asked = record.ttl_secs.map_or(Duration::MAX, |secs| Duration::from_secs(i64::from(secs)));
        let expires = now.saturating_add(asked.min(config.record_ttl));
        self.values.insert(key, StoredValue { record, expires });
        self.plan_sweep(now, config);
        true
    }

    /// The value of `key`, with the seconds it has left.
    pub(super) fn get(&self, key: &Key, now: Time) -> Option<Box<Record>> {
        let stored = self.values.get(key).filter(|stored| stored.expires > now)?;
        let secs = stored.expires.since(now).as_nanos() / 1_000_000_000;
        let mut record = stored.record.clone();
        // Zero means "for ever" on the wire.
        record.ttl_secs = Some(u32::try_from(secs).unwrap_or(u32::MAX).max(1));
        Some(record)
    }

    /// Frees what has run out and plans the next sweep.
    pub(super) fn sweep(&mut self, now: Time, config: &Config) {
        self.providers.retain(|_, records| {
            records.retain(|record| record.expires > now);
            !records.is_empty()
        });
        self.values.retain(|_, stored| stored.expires > now);
        self.sweep_at = Time::MAX;
        if !self.providers.is_empty() || !self.values.is_empty() {
            self.plan_sweep(now, config);
        }
    }

    fn plan_sweep(&mut self, now: Time, config: &Config) {
        if self.sweep_at == Time::MAX {
            let life = config.provider_ttl.min(config.record_ttl);
            self.sweep_at = now.saturating_add((life / 4).max(Duration::from_secs(1)));
        }
    }

    /// Provider records, those that ran out and are not swept yet included.
    pub(super) fn provider_records(&self) -> usize {
        self.providers.values().map(Vec::len).sum()
    }

    /// Calls `visit` with every handle it refers to.
    pub(super) fn mark(&self, visit: &mut dyn FnMut(PeerHandle)) {
        for record in self.providers.values().flatten() {
            visit(record.peer);
        }
        for stored in self.values.values() {
            stored.record.publisher.iter().for_each(|peer| visit(*peer));
        }
    }
}
