//! The providers of each function that a node calls: found by look-ups, kept for a time, used past it while they
//! are looked up again ("stale while revalidate", RFC 5861).

use super::health::{HealthId, HealthTable, mix};
use crate::context::Capacity;
use crate::io::{CallId, MapId};
use crate::kad::LookupId;
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::{Duration, Time};
use smallvec::SmallVec;
use std::collections::{BTreeMap, VecDeque};

/// How many more calls a provider takes when it never said how full it is.
const UNKNOWN: u32 = u32::MAX;

/// One provider of one function.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) peer: PeerHandle,
    pub(super) health: HealthId,
    /// What it said last of how full it is.
    pub(super) capacity: Option<Capacity>,
    /// Calls it would still take, by what it said and what was sent since.
    room: u32,
    /// Own attempts that its word does not count yet.
    unseen: u32,
    /// It is the local runtime, whose word is exact.
    local: bool,
    /// Own attempts at it that have not ended.
    pub(super) in_flight: u32,
    /// Until then it is taken to be full.
    closed_until: Time,
    /// Smoothed time of one run, by its own clock.
    service: Option<Duration>,
}

impl Provider {
    fn new(peer: PeerHandle, health: HealthId) -> Self {
        Provider {
            peer,
            health,
            capacity: None,
            room: UNKNOWN,
            unseen: 0,
            local: false,
            in_flight: 0,
            closed_until: Time::MIN,
            service: None,
        }
    }

    /// `None`: it would take a call; else when it is worth asking again ([`Time::MAX`]: when an own attempt ends).
    pub(super) fn closed(&self, now: Time) -> Option<Time> {
        if !self.local && self.in_flight > 0 && self.in_flight >= self.limit() {
            return Some(Time::MAX);
        }
        (self.closed_until > now).then_some(self.closed_until)
    }

    /// Calls it takes in all, running and waiting.
    pub(super) fn limit(&self) -> u32 {
        self.capacity.map_or(UNKNOWN, |capacity| capacity.slots.saturating_add(capacity.queue_limit))
    }

    /// Calls it runs at once, at least one; one, before it has said.
    pub(super) fn slots(&self) -> u32 {
        self.capacity.map_or(1, |capacity| capacity.slots).max(1)
    }

    /// It said how full it is. With none left it closes for `pause`, else it opens at once.
    pub(super) fn report(&mut self, now: Time, capacity: Capacity, pause: Duration) {
        self.capacity = Some(capacity);
        let occupied = occupied(&capacity).saturating_add(self.unseen);
        self.room = self.limit().saturating_sub(occupied).min(UNKNOWN - 1);
        self.closed_until = if self.room == 0 { now.saturating_add(pause) } else { Time::MIN };
    }

    /// As [`Provider::report`], by the local runtime.
    pub(super) fn report_local(&mut self, now: Time, capacity: Capacity, pause: Duration) {
        self.local = true;
        self.report(now, capacity, pause);
    }

    /// An attempt goes there.
    pub(super) fn sent(&mut self, now: Time, pause: Duration) {
        self.in_flight += 1;
        self.unseen = self.unseen.saturating_add(1);
        if self.room != UNKNOWN {
            self.room = self.room.saturating_sub(1);
            if self.room == 0 {
                // Somebody else's calls end there without a word to us: after the pause one is tried again.
                self.closed_until = now.saturating_add(pause);
            }
        }
    }

    /// From now on what it says counts this attempt.
    pub(super) fn seen(&mut self) {
        self.unseen = self.unseen.saturating_sub(1);
    }

    /// An attempt there ended.
    pub(super) fn ended(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// An attempt was taken back, and its provider has no word on how full that leaves it: it had a place there.
    pub(super) fn given_back(&mut self) {
        if self.room != UNKNOWN {
            self.room = self.room.saturating_add(1).min(self.limit()).min(UNKNOWN - 1);
            self.closed_until = Time::MIN;
        }
    }

    /// 429. It opens after `pause`, for one call at first, or when an own attempt there ends.
    pub(super) fn refused(&mut self, now: Time, pause: Duration) {
        self.room = 0;
        self.closed_until = now.saturating_add(pause);
    }

    /// It ran a call for this long.
    pub(super) fn ran(&mut self, time: Duration) {
        self.service = Some(self.service.map_or(time, |service| mix(service, time, 8)));
    }

    /// Smoothed time of one run; `None` before the first.
    pub(super) fn service(&self) -> Option<Duration> {
        self.service
    }

    /// True if a call would run at once, by what is known.
    pub(super) fn has_free_slot(&self) -> bool {
        self.capacity.is_none_or(|capacity| occupied(&capacity).saturating_add(self.unseen) < capacity.slots)
    }

    /// How loaded it is, in thousandths of its slots; nothing said counts as idle.
    pub(super) fn load(&self) -> u64 {
        let Some(capacity) = self.capacity else {
            return u64::from(self.unseen);
        };
        let occupied = u64::from(occupied(&capacity)) + u64::from(self.unseen);
        occupied * 1_000 / u64::from(self.slots())
    }
}

/// Calls that run or wait.
fn occupied(capacity: &Capacity) -> u32 {
    capacity.running.saturating_add(capacity.queued)
}

/// A look-up that is under way.
#[derive(Debug)]
pub(super) struct Lookup {
    /// Its number; `None`: the driver's own discovery.
    pub(super) id: Option<LookupId>,
    /// The call that started it.
    pub(super) starter: Option<CallId>,
    /// Whom it named so far, sorted.
    pub(super) named: Vec<PeerHandle>,
    /// When it is given up (the driver's own only).
    pub(super) limit: Option<Time>,
}

/// What the cache knows of one function.
#[derive(Debug)]
pub(super) struct Entry {
    /// Sorted by handle.
    pub(super) providers: Vec<Provider>,
    /// Until then they are used without another look-up; `None`: never looked up.
    pub(super) fresh_until: Option<Time>,
    /// Until then "nobody provides it" is believed.
    pub(super) negative_until: Time,
    /// Nobody answered the last look-up.
    pub(super) unheard: bool,
    pub(super) lookup: Option<Lookup>,
    /// Calls that wait for a provider, in the order they came in.
    pub(super) waiting: VecDeque<(Time, CallId)>,
    /// Manycalls that are under way.
    pub(super) maps: SmallVec<[MapId; 1]>,
    /// When the timer for the opening of a provider is due.
    pub(super) open_timer: Option<Time>,
    /// The provider that had the last turn (`round-robin`).
    pub(super) turn: Option<PeerHandle>,
    used: u64,
}

impl Entry {
    /// The place of a provider.
    pub(super) fn find(&self, peer: PeerHandle) -> Option<usize> {
        self.providers.binary_search_by_key(&peer, |provider| provider.peer).ok()
    }

    pub(super) fn provider(&mut self, peer: PeerHandle) -> Option<&mut Provider> {
        let at = self.find(peer)?;
        self.providers.get_mut(at)
    }

    /// Adds a provider if it is new.
    pub(super) fn add(&mut self, peer: PeerHandle, health: &mut HealthTable) -> &mut Provider {
        let at = match self.providers.binary_search_by_key(&peer, |provider| provider.peer) {
            Ok(at) => at,
            Err(at) => {
                self.providers.insert(at, Provider::new(peer, health.acquire(peer)));
                at
            }
        };
        &mut self.providers[at]
    }

    pub(super) fn remove(&mut self, peer: PeerHandle, health: &mut HealthTable) {
        if let Some(at) = self.find(peer) {
            health.release(self.providers.remove(at).health);
        }
    }

    /// Keeps the providers of which `keep` is true.
    pub(super) fn retain(&mut self, health: &mut HealthTable, keep: impl Fn(&Provider) -> bool) {
        self.providers.retain(|provider| {
            let stays = keep(provider);
            if !stays {
                health.release(provider.health);
            }
            stays
        });
    }

    /// True if nobody would notice its absence.
    fn idle(&self) -> bool {
        self.waiting.is_empty()
            && self.maps.is_empty()
            && self.lookup.is_none()
            && self.providers.iter().all(|provider| provider.in_flight == 0)
    }
}

/// What a node knows of functions; bounded, the least recently used go first.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: BTreeMap<FunctionHandle, Box<Entry>>,
    clock: u64,
}

impl Cache {
    pub(super) fn get(&self, function: FunctionHandle) -> Option<&Entry> {
        self.entries.get(&function).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, function: FunctionHandle) -> Option<&mut Entry> {
        self.entries.get_mut(&function).map(Box::as_mut)
    }

    /// The entry of a function for a use of it; an empty one if there is none. Afterwards at most `limit` (and those
    /// that are needed at the moment) are left.
    pub(super) fn touch(
        &mut self,
        function: FunctionHandle,
        limit: usize,
        health: &mut HealthTable,
    ) -> &mut Entry {
        self.clock += 1;
        let clock = self.clock;
        if self.entries.len() >= limit.max(1) && !self.entries.contains_key(&function) {
            self.evict(limit.max(1), health);
        }
        let entry = self.entries.entry(function).or_insert_with(|| {
            Box::new(Entry {
                providers: Vec::new(),
                fresh_until: None,
                negative_until: Time::MIN,
                unheard: false,
                lookup: None,
                waiting: VecDeque::new(),
                maps: SmallVec::new(),
                open_timer: None,
                turn: None,
                used: 0,
            })
        });
        entry.used = clock;
        entry
    }

    /// Makes room: a sixteenth of the entries at a time, so that the search for the oldest is worth it.
    fn evict(&mut self, limit: usize, health: &mut HealthTable) {
        let mut idle: Vec<(u64, FunctionHandle)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.idle())
            .map(|(function, entry)| (entry.used, *function))
            .collect();
        let surplus = (self.entries.len() + 1).saturating_sub(limit) + limit / 16;
        idle.sort_unstable();
        for (_, function) in idle.into_iter().take(surplus) {
            self.drop_entry(function, health);
        }
    }

    fn drop_entry(&mut self, function: FunctionHandle, health: &mut HealthTable) {
        if let Some(mut entry) = self.entries.remove(&function) {
            entry.retain(health, |_| false);
        }
    }

    /// Forgets everything but what is in flight.
    pub(super) fn forget(&mut self, health: &mut HealthTable) {
        let functions: Vec<_> = self.entries.keys().copied().collect();
        for function in functions {
            let Some(entry) = self.entries.get_mut(&function) else {
                continue;
            };
            if entry.waiting.is_empty() && entry.maps.is_empty() {
                // A look-up in the background goes on without us.
                self.drop_entry(function, health);
            } else if entry.lookup.is_none() {
                entry.fresh_until = None;
            }
        }
    }

    /// Entries, by function.
    pub(super) fn iter(&self) -> impl Iterator<Item = (FunctionHandle, &Entry)> {
        self.entries.iter().map(|(function, entry)| (*function, entry.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);

    fn at(ms: i64) -> Time {
        Time::from_micros(ms * 1_000)
    }

    fn capacity(slots: u32, running: u32, queue_limit: u32) -> Capacity {
        Capacity { slots, running, queued: 0, queue_limit }
    }

    fn provider() -> (HealthTable, Provider) {
        let mut health = HealthTable::default();
        let id = health.acquire(PeerHandle::new(1));
        (health, Provider::new(PeerHandle::new(1), id))
    }

    #[test]
    fn a_provider_is_open_until_what_it_said_is_used_up() {
        let (_, mut provider) = provider();
        for _ in 0..100 {
            provider.sent(at(0), PAUSE);
            provider.seen();
            provider.ended();
        }
        assert_eq!(provider.closed(at(0)), None, "it never said how full it is");
        provider.report(at(0), capacity(10, 8, 0), PAUSE);
        provider.sent(at(0), PAUSE);
        assert_eq!(provider.closed(at(0)), None);
        provider.sent(at(0), PAUSE);
        assert_eq!(provider.closed(at(0)), Some(at(1_000)));
        // It takes the first: that is no news, the second is still on its way.
        provider.seen();
        provider.report(at(10), capacity(10, 9, 0), PAUSE);
        assert!(provider.closed(at(10)).is_some());
        provider.seen();
        provider.report(at(20), capacity(10, 9, 0), PAUSE);
        assert_eq!(provider.closed(at(20)), None, "one of the others' calls has ended meanwhile");
    }

    #[test]
    fn a_refusal_closes_and_after_the_pause_one_call_is_tried() {
        let (_, mut provider) = provider();
        provider.refused(at(0), PAUSE);
        assert_eq!(provider.closed(at(999)), Some(at(1_000)));
        assert_eq!(provider.closed(at(1_000)), None);
        provider.sent(at(1_000), PAUSE);
        assert_eq!(provider.closed(at(1_000)), Some(at(2_000)));
    }

    #[test]
    fn a_provider_full_of_our_own_calls_is_not_asked_again() {
        let (_, mut provider) = provider();
        provider.report(at(0), capacity(1, 0, 1), PAUSE);
        provider.sent(at(0), PAUSE);
        provider.sent(at(0), PAUSE);
        assert_eq!(provider.closed(at(60_000)), Some(Time::MAX));
        provider.ended();
        assert_eq!(provider.closed(at(60_000)), None);
    }

    #[test]
    fn nonsense_of_a_provider_does_no_harm() {
        let (_, mut provider) = provider();
        let most = Capacity { slots: u32::MAX, running: u32::MAX, queued: u32::MAX, queue_limit: u32::MAX };
        provider.report(at(0), most, PAUSE);
        assert!(!provider.has_free_slot());
        assert!(provider.load() > 0);
        provider.report(at(0), Capacity::default(), PAUSE);
        assert_eq!(provider.closed(at(999)), Some(at(1_000)));
        assert_eq!(provider.closed(at(1_000)), None, "nothing of ours is there: it may be asked again");
    }

    #[test]
    fn the_least_recently_used_functions_go_first() {
        let mut health = HealthTable::default();
        let mut cache = Cache::default();
        for function in 0..100 {
            let entry = cache.touch(FunctionHandle(function), 16, &mut health);
            entry.add(PeerHandle::new(function), &mut health);
            cache.touch(FunctionHandle(0), 16, &mut health);
        }
        assert!(cache.entries.len() <= 16);
        assert!(cache.get(FunctionHandle(0)).is_some());
        assert!(cache.get(FunctionHandle(99)).is_some());
        assert!(cache.get(FunctionHandle(50)).is_none());
        assert_eq!(health.peers().count(), cache.entries.len(), "health goes with the entries");
    }

    #[test]
    fn an_entry_that_is_needed_stays() {
        let mut health = HealthTable::default();
        let mut cache = Cache::default();
        for function in 0..20 {
            let entry = cache.touch(FunctionHandle(function), 4, &mut health);
            entry.waiting.push_back((Time::ZERO, CallId(u64::from(function))));
        }
        assert_eq!(cache.entries.len(), 20);
        cache.forget(&mut health);
        assert_eq!(cache.entries.len(), 20);
    }
}
