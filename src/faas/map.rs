//! A manycall at its entry node: it pulls its items as windows open, spreads them over the providers, and gives
//! every item exactly one end.

use super::cache::{Entry, Provider};
use super::call::{CallState, Wait, backoff};
use super::histogram::Histogram;
use super::router::{Env, Router};
use super::timers::Key;
use super::{AnycallPolicy, ManycallPolicy};
use crate::context::Context;
use crate::draws::Purpose;
use crate::io::{AttemptId, AttemptKind, CacheResult, Call, CallId, CallOutcome, Map, MapId, Output};
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::{Duration, Time};
use std::collections::{BTreeSet, VecDeque};

/// Most items in flight at one provider beyond its slots, however far away it is.
const MAX_HIDDEN: u64 = 1_024;

/// Items that `static` asks for at a time when it does not know how many there are.
const STATIC_BATCH: u64 = 1_024;

/// A manycall that is not over.
#[derive(Debug)]
pub(super) struct MapState {
    function: FunctionHandle,
    policy: ManycallPolicy,
    /// How many items there are, where known.
    items: Option<u64>,
    /// How many results may be produced in all; `None`: no bound.
    credit: Option<u64>,
    /// Items asked for that have not come.
    asked: u64,
    /// Items that came.
    received: u64,
    /// Items that came and are not over.
    open: u64,
    /// No more items will come.
    ended: bool,
    /// Items that came and have no attempt in flight.
    pool: VecDeque<CallId>,
    /// Attempts in flight, in the order they were started.
    live: BTreeSet<AttemptId>,
    /// How long successful items took (`backup`).
    took: Option<Box<Histogram>>,
    backup_timer: Option<Time>,
    /// Whom `static` gives items to, once it has split.
    split: Option<Vec<PeerHandle>>,
    /// Nobody is left to send to: a look-up was made, pauses were made, the present one ends then.
    looked_up: bool,
    rounds: u32,
    stuck: Option<Time>,
    /// Providers that failed lately will do.
    desperate: bool,
    /// Items to ask for next when all that is left is to tell them that nobody can be reached.
    batch: u64,
}

impl MapState {
    /// How many more items the credit allows to ask for.
    fn allowance(&self) -> u64 {
        let done = self.received - self.open;
        let taken = done + self.open + self.asked;
        self.credit
            .map_or(u64::MAX, |credit| credit.saturating_sub(taken))
    }
}

/// How many items may be in flight at a provider: its slots, and as many more as are worked off there during one
/// round trip, but none that it would refuse. One before it has said how full it is.
fn window(provider: &Provider, rtt: Option<Duration>) -> u32 {
    let Some(capacity) = provider.capacity else {
        return 1;
    };
    let slots = capacity.slots.max(1);
    let hidden = match (rtt, provider.service()) {
        (Some(rtt), Some(service)) if !rtt.is_zero() => {
            let rtt = u128::from(rtt.as_nanos().unsigned_abs()) * u128::from(slots);
            let service = u128::from(service.as_nanos().unsigned_abs().max(1));
            rtt.div_ceil(service).min(u128::from(MAX_HIDDEN)) as u32
        }
        _ => 0,
    };
    slots.saturating_add(hidden).min(provider.limit()).max(1)
}

impl Router {
    /// A user's manycall.
    pub(super) fn map(&mut self, env: &mut Env<'_, '_>, map: &Map) {
        if self.maps.contains_key(&map.id) {
            return;
        }
        let policy = map.policy.unwrap_or(env.config().manycall);
        self.local(env, map.function, map.local);
        let state = MapState {
            function: map.function,
            policy,
            items: map.items,
            credit: map.credit.map(u64::from),
            asked: 0,
            received: 0,
            open: 0,
            ended: map.items == Some(0),
            pool: VecDeque::new(),
            live: BTreeSet::new(),
            took: (policy == ManycallPolicy::Backup).then(|| Box::new(Histogram::new())),
            backup_timer: None,
            split: None,
            looked_up: false,
            rounds: 0,
            stuck: None,
            desperate: false,
            batch: 1,
        };
        self.maps.insert(map.id, Box::new(state));
        let now = env.now;
        let entry = self.entry(env, map.function);
        entry.maps.push(map.id);
        let negative = entry.providers.is_empty() && entry.negative_until > now;
        let fresh = entry.fresh_until.is_some_and(|until| until > now);
        let look_up = !negative && !(fresh && !entry.providers.is_empty());
        self.wanted.insert(map.function);
        if look_up {
            if let Some(state) = self.maps.get_mut(&map.id) {
                state.looked_up = true;
            }
            self.look_up(env, map.function, None);
        }
        self.map_over(env.cx, map.id);
        self.pump(env, map.function);
    }

    /// An item of a manycall.
    pub(super) fn item(&mut self, env: &mut Env<'_, '_>, id: MapId, call: &Call) {
        if self.calls.contains_key(&call.id) {
            return;
        }
        let idempotent = env.cx.functions.get(call.function).idempotent;
        let mut state = CallState::new(env.now, call, AnycallPolicy::Nearest, idempotent);
        state.map = Some(id);
        let Some(map) = self.maps.get_mut(&id).filter(|map| !map.ended) else {
            // It came too late: the manycall is over, or was cancelled while it was on its way.
            self.calls.insert(call.id, Box::new(state));
            self.finish(env.cx, env.now, call.id, CallOutcome::Cancelled, None);
            return;
        };
        let function = map.function;
        state.function = function;
        state.wait = Wait::Pool;
        if let Some(list) = &map.split
            && !list.is_empty()
        {
            state.assigned = Some(list[(map.received % list.len() as u64) as usize]);
        }
        map.asked = map.asked.saturating_sub(1);
        map.received += 1;
        map.open += 1;
        map.ended = map.items.is_some_and(|items| map.received >= items);
        map.pool.push_back(call.id);
        self.local(env, function, call.local);
        let entry = self.entry(env, function);
        state.cache = match (entry.providers.is_empty(), entry.fresh_until) {
            (true, _) if entry.negative_until > env.now => CacheResult::Negative,
            (true, _) => CacheResult::Miss,
            (false, Some(until)) if until > env.now => CacheResult::Hit,
            (false, _) => CacheResult::Stale,
        };
        self.calls.insert(call.id, Box::new(state));
        if call.deadline <= env.now {
            self.finish(env.cx, env.now, call.id, CallOutcome::Timeout, None);
            return;
        }
        self.timers.add(call.deadline, Key::Deadline(call.id));
        self.pump(env, function);
    }

    /// A manycall has no more items.
    pub(super) fn items_end(&mut self, env: &mut Env<'_, '_>, id: MapId) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        let function = map.function;
        map.ended = true;
        map.asked = 0;
        self.map_over(env.cx, id);
        self.pump(env, function);
    }

    /// The user took results.
    pub(super) fn results_taken(&mut self, cx: &mut Context<'_>, now: Time, id: MapId, count: u32) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        map.credit = map.credit.map(|credit| credit.saturating_add(u64::from(count)));
        self.pull(cx, now, id);
    }

    /// The user went away.
    pub(super) fn cancel_map(&mut self, cx: &mut Context<'_>, now: Time, id: MapId) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        map.ended = true;
        map.asked = 0;
        let items: Vec<CallId> = self
            .calls
            .iter()
            .filter(|(_, call)| call.map == Some(id))
            .map(|(call, _)| *call)
            .collect();
        for item in items {
            self.finish(cx, now, item, CallOutcome::Cancelled, None);
        }
        self.map_over(cx, id);
    }

    /// An item's attempt failed: it waits for another, before all others.
    pub(super) fn item_back(&mut self, env: &mut Env<'_, '_>, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.set_wait(env.now, Wait::Pool);
        if let Some(map) = call.map.and_then(|map| self.maps.get_mut(&map)) {
            map.pool.push_front(id);
        }
    }

    /// An item is over.
    pub(super) fn map_item_done(&mut self, cx: &mut Context<'_>, id: MapId, call: CallId) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        map.open = map.open.saturating_sub(1);
        if let Some(at) = map.pool.iter().position(|item| *item == call) {
            map.pool.remove(at);
        }
        self.map_over(cx, id);
    }

    /// An item's answer came this long after its attempt began.
    pub(super) fn map_item_took(&mut self, id: MapId, took: Duration) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        map.rounds = 0;
        map.looked_up = false;
        map.batch = 1;
        if let Some(histogram) = &mut map.took {
            histogram.add(took);
        }
    }

    pub(super) fn map_attempt_ended(&mut self, id: MapId, attempt: AttemptId) {
        if let Some(map) = self.maps.get_mut(&id) {
            map.live.remove(&attempt);
        }
    }

    /// Ends a manycall that has nothing left.
    fn map_over(&mut self, cx: &mut Context<'_>, id: MapId) {
        if self.maps.get(&id).is_none_or(|map| !map.ended || map.open > 0) {
            return;
        }
        let Some(map) = self.maps.remove(&id) else { return };
        if let Some(at) = map.backup_timer {
            self.timers.remove(at, Key::Backup(id));
        }
        if let Some(at) = map.stuck {
            self.timers.remove(at, Key::Stuck(id));
        }
        if let Some(entry) = self.cache.get_mut(map.function) {
            entry.maps.retain(|other| *other != id);
        }
        cx.emit(Output::MapDone { map: id });
    }

    // ---- giving items to providers ----

    /// Gives items to providers that are free and asks for more.
    pub(super) fn pump_map(&mut self, env: &mut Env<'_, '_>, id: MapId) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        let function = map.function;
        if map.policy == ManycallPolicy::Static && map.split.is_none() {
            let Some(entry) = self.cache.get(function) else {
                return;
            };
            // The split is over all providers: wait until all are known.
            if entry.lookup.is_some() {
                return;
            }
            let list: Vec<PeerHandle> = entry
                .providers
                .iter()
                .filter(|provider| !self.health.get(provider.health).dead)
                .map(|provider| provider.peer)
                .collect();
            if !list.is_empty() {
                map.split = Some(list);
            }
        }
        self.dispatch_pool(env, id);
        self.pull(env.cx, env.now, id);
        let Some(map) = self.maps.get(&id) else { return };
        if map.live.is_empty() && (!map.pool.is_empty() || !map.ended) && !self.has_hope(env, id) {
            self.nobody_for_items(env, id);
        } else if map.ended && map.pool.is_empty() && map.policy != ManycallPolicy::Static {
            self.reclaim(env, id);
            self.copy_stragglers(env, id);
        }
    }

    /// Gives the items of the pool to providers, as long as somebody is free.
    fn dispatch_pool(&mut self, env: &mut Env<'_, '_>, id: MapId) {
        let mut at = 0;
        while let Some(map) = self.maps.get(&id) {
            let Some(item) = map.pool.get(at).copied() else {
                break;
            };
            let Some(call) = self.calls.get(&item) else { break };
            let best = match call.assigned {
                Some(assigned) => self.assigned(env.cx, env.now, map, call, assigned),
                None => self.best(env.cx, env.now, map, call, None),
            };
            let Some(peer) = best else {
                if call.assigned.is_none() && call.excluded.is_empty() {
                    // Nor could any other item be served.
                    break;
                }
                at += 1;
                continue;
            };
            let kind = if call.made == 0 {
                AttemptKind::First
            } else {
                AttemptKind::Retry
            };
            if let Some(map) = self.maps.get_mut(&id) {
                map.pool.remove(at);
            }
            self.start_item(env, id, item, peer, kind);
        }
        // An item that every provider has failed may try them again; its attempts are bounded.
        let Some(map) = self.maps.get(&id) else { return };
        if map.live.is_empty()
            && let Some(item) = map.pool.front().copied()
            && let Some(call) = self.calls.get_mut(&item)
            && !call.excluded.is_empty()
        {
            call.excluded.clear();
            self.dispatch_pool(env, id);
        }
        if let Some(map) = self.maps.get_mut(&id) {
            map.desperate = false;
        }
    }

    fn start_item(
        &mut self,
        env: &mut Env<'_, '_>,
        id: MapId,
        item: CallId,
        peer: PeerHandle,
        kind: AttemptKind,
    ) {
        let attempt = self.start(env, item, peer, kind);
        if let (Some(attempt), Some(map)) = (attempt, self.maps.get_mut(&id)) {
            map.live.insert(attempt);
        }
    }

    /// True if the provider may get an item of this manycall, room aside.
    fn fit(&self, cx: &Context<'_>, now: Time, map: &MapState, provider: &Provider) -> bool {
        let health = self.health.get(provider.health);
        !health.dead && !health.silent(cx.config.faas.probe_misses) && (map.desperate || !health.avoided(now))
    }

    /// The window at a provider and what is free of it.
    fn windows(&self, cx: &Context<'_>, now: Time, map: &MapState, provider: &Provider) -> (u32, u32) {
        if !self.fit(cx, now, map, provider) || provider.closed(now).is_some() {
            return (0, 0);
        }
        let rtt = if provider.peer == self.me {
            None
        } else {
            self.health.get(provider.health).rtt()
        };
        let window = window(provider, rtt);
        (window, window.saturating_sub(provider.in_flight))
    }

    /// When an item sent there now would be answered, as far as is known.
    fn expected(&self, provider: &Provider) -> Duration {
        let rtt = self.health.get(provider.health).rtt().unwrap_or(Duration::ZERO);
        let service = provider.service().unwrap_or(Duration::ZERO);
        let slots = i64::from(provider.capacity.map_or(1, |capacity| capacity.slots).max(1));
        let ahead = (i64::from(provider.in_flight) - slots + 1).max(0);
        let waits = Duration::from_nanos(service.as_nanos().saturating_mul(ahead) / slots);
        Duration::from_nanos(
            rtt.as_nanos()
                .saturating_add(service.as_nanos())
                .saturating_add(waits.as_nanos()),
        )
    }

    /// The free provider that would be quickest for an item (not `but` another).
    fn best(
        &self,
        cx: &Context<'_>,
        now: Time,
        map: &MapState,
        call: &CallState,
        but: Option<PeerHandle>,
    ) -> Option<PeerHandle> {
        let entry = self.cache.get(map.function)?;
        entry
            .providers
            .iter()
            .filter(|provider| !call.excluded.contains(&provider.peer) && Some(provider.peer) != but)
            .filter(|provider| self.windows(cx, now, map, provider).1 > 0)
            .min_by_key(|provider| self.expected(provider))
            .map(|provider| provider.peer)
    }

    /// Where an item of a `static` split goes now: its own provider; if that one fails, the one with the fewest.
    fn assigned(
        &self,
        cx: &Context<'_>,
        now: Time,
        map: &MapState,
        call: &CallState,
        assigned: PeerHandle,
    ) -> Option<PeerHandle> {
        let entry = self.cache.get(map.function)?;
        let fit = |provider: &&Provider| {
            !call.excluded.contains(&provider.peer) && self.fit(cx, now, map, provider)
        };
        let own = entry.find(assigned).map(|at| &entry.providers[at]).filter(fit);
        let provider = match own {
            Some(own) => own,
            None => entry
                .providers
                .iter()
                .filter(fit)
                .min_by_key(|provider| provider.in_flight)?,
        };
        provider.closed(now).is_none().then_some(provider.peer)
    }

    /// Asks for as many items as there are free places, within the credit.
    fn pull(&mut self, cx: &mut Context<'_>, now: Time, id: MapId) {
        let Some(map) = self.maps.get(&id) else { return };
        if map.ended {
            return;
        }
        let want = match map.policy {
            ManycallPolicy::Static => match (&map.split, map.items) {
                (None, _) => 0,
                (Some(_), Some(items)) => items - map.received.min(items),
                (Some(_), None) => STATIC_BATCH,
            },
            ManycallPolicy::LateBinding | ManycallPolicy::Backup => {
                let Some(entry) = self.cache.get(map.function) else {
                    return;
                };
                let free: u64 = entry
                    .providers
                    .iter()
                    .map(|provider| u64::from(self.windows(cx, now, map, provider).1))
                    .sum();
                free.saturating_sub(map.pool.len() as u64)
            }
        };
        self.ask_items(cx, id, want);
    }

    /// Asks for items so that `want` are on their way, within the credit and what there is.
    fn ask_items(&mut self, cx: &mut Context<'_>, id: MapId, want: u64) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        let left = map
            .items
            .map_or(u64::MAX, |items| items.saturating_sub(map.received + map.asked));
        let count = want
            .saturating_sub(map.asked)
            .min(map.allowance())
            .min(left)
            .min(u64::from(u32::MAX)) as u32;
        if count > 0 {
            map.asked += u64::from(count);
            cx.emit(Output::PullItems { map: id, count });
        }
    }

    // ---- when nobody is left ----

    /// True if somebody may take items, now or when it has room again.
    fn has_hope(&self, env: &Env<'_, '_>, id: MapId) -> bool {
        let Some(map) = self.maps.get(&id) else {
            return true;
        };
        self.cache.get(map.function).is_some_and(|entry| {
            entry
                .providers
                .iter()
                .any(|provider| self.fit(env.cx, env.now, map, provider))
        })
    }

    /// Nobody can take items: look for others, pause, try those that failed, at last give the items up.
    fn nobody_for_items(&mut self, env: &mut Env<'_, '_>, id: MapId) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        let function = map.function;
        let Some(entry) = self.cache.get(function) else {
            return;
        };
        let negative = entry.providers.is_empty() && entry.negative_until > env.now;
        if entry.lookup.is_some() || map.stuck.is_some() {
            return;
        }
        if !negative && !map.looked_up {
            map.looked_up = true;
            self.look_up(env, function, None);
            self.probe_dead(env, function);
            return;
        }
        let empty = entry.providers.is_empty();
        map.rounds += 1;
        if !empty && map.rounds < env.config().max_attempts.max(1) {
            let pause = backoff(env, Purpose::BACKOFF, CallId(!id.0), map.rounds);
            let at = env.now.saturating_add(pause);
            map.stuck = Some(at);
            self.timers.add(at, Key::Stuck(id));
            self.probe_dead(env, function);
            return;
        }
        // These items are given up. The next ones, twice as many, get all the patience again.
        map.rounds = 0;
        map.looked_up = false;
        let batch = map.batch;
        map.batch = batch.saturating_mul(2).min(1 << 20);
        let outcome = if negative {
            CallOutcome::NotFound
        } else {
            CallOutcome::Unreachable
        };
        for item in map.pool.clone() {
            let outcome = match self.calls.get(&item) {
                Some(call) if call.made > 0 => call.verdict(),
                _ => outcome,
            };
            self.finish(env.cx, env.now, item, outcome, None);
        }
        self.ask_items(env.cx, id, batch);
    }

    /// The pause of a manycall with nobody to send to is over.
    pub(super) fn stuck_due(&mut self, env: &mut Env<'_, '_>, at: Time, id: MapId) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        if map.stuck != Some(at) {
            return;
        }
        map.stuck = None;
        map.desperate = true;
        let function = map.function;
        self.pump(env, function);
    }

    // ---- the end game ----

    /// No items are left to give out: fetches those that wait at slow providers for one that is free.
    fn reclaim(&mut self, env: &mut Env<'_, '_>, id: MapId) {
        let Some(map) = self.maps.get(&id) else { return };
        let Some(entry) = self.cache.get(map.function) else {
            return;
        };
        let Some((quick, quick_time)) = self.free_slot(env, map, entry) else {
            return;
        };
        let slots = |provider: &Provider| provider.capacity.map_or(1, |capacity| capacity.slots).max(1);
        // Whoever takes longest to work off what waits there.
        let slow = entry
            .providers
            .iter()
            .filter(|provider| provider.peer != quick && provider.in_flight > slots(provider))
            .map(|provider| (self.backlog(provider, slots(provider)), provider))
            .max_by_key(|(backlog, _)| *backlog);
        let Some((backlog, slow)) = slow else { return };
        let slow_rtt = self.health.get(slow.health).rtt().unwrap_or(Duration::ZERO);
        if backlog <= quick_time.as_nanos().saturating_add(slow_rtt.as_nanos()) {
            return;
        }
        let slow = slow.peer;
        let mut on_their_way = 0;
        let mut last = None;
        for attempt_id in &map.live {
            let Some(attempt) = self.attempts.get(attempt_id) else {
                continue;
            };
            match attempt.reclaimed {
                Some(until) if until > env.now => on_their_way += 1,
                Some(_) => {}
                None if attempt.peer == slow && !attempt.orphan => last = Some(*attempt_id),
                None => {}
            }
        }
        // One at a time: the estimate is no better than that.
        let Some(last) = last.filter(|_| on_their_way == 0) else {
            return;
        };
        if let Some(attempt) = self.attempts.get_mut(&last) {
            let patience = slow_rtt.saturating_mul(2) + env.cx.config.faas.probe_interval;
            attempt.reclaimed = Some(env.now.saturating_add(patience));
            env.cx.emit(Output::CancelAttempt {
                attempt: last,
                only_queued: true,
            });
        }
    }

    /// Nanoseconds until a provider has worked off what is in flight there.
    fn backlog(&self, provider: &Provider, slots: u32) -> i64 {
        let waiting = i64::from(provider.in_flight.saturating_sub(slots));
        let service = provider.service().map_or(i64::MAX / 4, Duration::as_nanos);
        // The running ones are half done on average.
        (service / 2).saturating_add(service.saturating_mul(waiting) / i64::from(slots))
    }

    /// The quickest provider with a free slot, and how long an item takes there.
    fn free_slot(&self, env: &Env<'_, '_>, map: &MapState, entry: &Entry) -> Option<(PeerHandle, Duration)> {
        entry
            .providers
            .iter()
            .filter(|provider| {
                let slots = provider.capacity.map_or(1, |capacity| capacity.slots);
                provider.in_flight < slots && self.windows(env.cx, env.now, map, provider).1 > 0
            })
            .map(|provider| (provider.peer, self.expected(provider)))
            .min_by_key(|(_, expected)| *expected)
    }

    /// No items are left to give out: free providers get copies of the items that take too long.
    fn copy_stragglers(&mut self, env: &mut Env<'_, '_>, id: MapId) {
        let factor = env.config().backup_factor.max(1.0);
        let Some(map) = self.maps.get(&id) else { return };
        let Some(median) = map.took.as_ref().and_then(|took| took.median()) else {
            return;
        };
        let patience = median.mul_f64(factor).max(Duration::from_nanos(1));
        let mut next = None;
        let mut late = Vec::new();
        for attempt_id in &map.live {
            let Some(attempt) = self.attempts.get(attempt_id).filter(|attempt| !attempt.orphan) else {
                continue;
            };
            let Some(call) = self.calls.get(&attempt.call) else {
                continue;
            };
            if call.copied || !call.repeatable() || call.live.len() != 1 || call.head.is_some() {
                continue;
            }
            let due = attempt.start.saturating_add(patience);
            if due > env.now {
                // The later ones are due later.
                next = Some(due);
                break;
            }
            late.push((attempt.call, attempt.peer));
        }
        for (call_id, peer) in late {
            let Some(map) = self.maps.get(&id) else { return };
            let Some(call) = self.calls.get_mut(&call_id) else {
                continue;
            };
            call.copied = true;
            let Some(call) = self.calls.get(&call_id) else {
                continue;
            };
            match self.best(env.cx, env.now, map, call, Some(peer)) {
                Some(other) => self.start_item(env, id, call_id, other, AttemptKind::Backup),
                None => {
                    if let Some(call) = self.calls.get_mut(&call_id) {
                        call.copied = false;
                    }
                    break;
                }
            }
        }
        let Some(map) = self.maps.get_mut(&id) else { return };
        if map.backup_timer == next {
            return;
        }
        if let Some(old) = map.backup_timer {
            self.timers.remove(old, Key::Backup(id));
        }
        map.backup_timer = next;
        if let Some(at) = next {
            self.timers.add(at, Key::Backup(id));
        }
    }

    /// An item may have become a straggler.
    pub(super) fn backup_due(&mut self, env: &mut Env<'_, '_>, at: Time, id: MapId) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        if map.backup_timer != Some(at) {
            return;
        }
        map.backup_timer = None;
        let function = map.function;
        self.pump(env, function);
    }
}
