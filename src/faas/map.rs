//! A manycall at its entry node: it pulls its items as windows open, spreads them over the providers, and gives
//! every item exactly one end.

use super::call::{CallState, Wait};
use super::histogram::Histogram;
use super::router::{Env, Router};
use super::timers::Key;
use super::{AnycallPolicy, ManycallPolicy};
use crate::context::Context;
use crate::io::{AttemptId, CacheResult, Call, CallId, CallOutcome, Map, MapId, Output};
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::{Duration, Time};
use std::collections::{BTreeSet, VecDeque};

/// A manycall that is not over.
#[derive(Debug)]
pub(super) struct MapState {
    pub(super) function: FunctionHandle,
    pub(super) policy: ManycallPolicy,
    /// How many items there are, where known.
    pub(super) items: Option<u64>,
    /// How many results may be produced in all; `None`: no bound.
    pub(super) credit: Option<u64>,
    /// Items asked for that have not come.
    pub(super) asked: u64,
    /// Items that came.
    pub(super) received: u64,
    /// Items that came and are not over.
    pub(super) open: u64,
    /// No more items will come.
    pub(super) ended: bool,
    /// Items that came and have no attempt in flight.
    pub(super) pool: VecDeque<CallId>,
    /// Attempts in flight, in the order they were started.
    pub(super) live: BTreeSet<AttemptId>,
    /// Of these, how many have not left this node.
    pub(super) unsent: u64,
    /// How long successful items took (`backup`).
    pub(super) took: Option<Box<Histogram>>,
    pub(super) backup_timer: Option<Time>,
    /// Whom `static` gives items to, once it has split.
    pub(super) split: Option<Vec<PeerHandle>>,
    /// Nobody is left to send to: a look-up was made, pauses were made, the present one ends then.
    pub(super) looked_up: bool,
    pub(super) rounds: u32,
    pub(super) stuck: Option<Time>,
    /// Providers that failed lately will do, until the next failure or success.
    pub(super) desperate: bool,
    /// Items to ask for next when all that is left is to tell them that nobody can be reached.
    pub(super) batch: u64,
}

impl MapState {
    /// How many more items the credit allows to ask for.
    pub(super) fn allowance(&self) -> u64 {
        let done = self.received - self.open;
        let taken = done + self.open + self.asked;
        self.credit.map_or(u64::MAX, |credit| credit.saturating_sub(taken))
    }
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
            unsent: 0,
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
        let look_up = !negative && (!fresh || entry.providers.is_empty());
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
            // The next one is asked for all the same: every item has an end.
            self.pump(env, function);
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
        let items: Vec<CallId> =
            self.calls.iter().filter(|(_, call)| call.map == Some(id)).map(|(call, _)| *call).collect();
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
            map.desperate = false;
        }
    }

    /// An item is over (`pooled`: while it waited for an attempt).
    pub(super) fn map_item_done(&mut self, cx: &mut Context<'_>, id: MapId, call: CallId, pooled: bool) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        map.open = map.open.saturating_sub(1);
        if pooled && let Some(at) = map.pool.iter().position(|item| *item == call) {
            map.pool.remove(at);
        }
        self.map_over(cx, id);
    }

    /// An item's answer came this long after its attempt began.
    pub(super) fn map_item_took(&mut self, id: MapId, took: Duration) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        map.rounds = 0;
        map.looked_up = false;
        map.desperate = false;
        map.batch = 1;
        if let Some(histogram) = &mut map.took {
            histogram.add(took);
        }
    }

    /// An attempt is over (`unsent`: before it has left this node).
    pub(super) fn map_attempt_ended(&mut self, id: MapId, attempt: AttemptId, unsent: bool) {
        if let Some(map) = self.maps.get_mut(&id) {
            map.live.remove(&attempt);
            map.unsent = map.unsent.saturating_sub(u64::from(unsent));
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
}
