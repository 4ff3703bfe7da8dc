//! A call's life at its entry node: it looks for a provider, waits for room, tries, tries elsewhere, and ends
//! exactly once.

use super::AnycallPolicy;
use super::attempt::Win;
use super::call::{CallState, Wait};
use super::choose::{Pick, choose};
use super::router::{Env, Router};
use super::timers::Key;
use crate::context::Context;
use crate::draws::Purpose;
use crate::io::{AttemptKind, CacheResult, Call, CallId, CallOutcome, CallReport, Output};
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::{Duration, Time};
use smallvec::SmallVec;

/// A back-off doubles so many times at most, whatever the settings.
const MAX_DOUBLINGS: u32 = 20;

impl Router {
    /// A user's call.
    pub(super) fn call(&mut self, env: &mut Env<'_, '_>, call: &Call) {
        let id = call.id;
        if self.calls.contains_key(&id) {
            return;
        }
        let policy = match call.policy.unwrap_or(env.config().anycall) {
            // It passes no node: a driver that asks for it here means its own runtime.
            AnycallPolicy::Direct => AnycallPolicy::LocalOnly,
            policy => policy,
        };
        let idempotent = env.cx.functions.get(call.function).idempotent;
        let mut state = CallState::new(env.now, call, policy, idempotent);
        self.local(env, call.function, call.local);
        self.pump(env, call.function);
        let (me, now) = (self.me, env.now);
        let entry = self.entry(env, call.function);
        let local_only = policy == AnycallPolicy::LocalOnly;
        let negative = if local_only {
            call.local.is_none()
        } else {
            entry.providers.is_empty() && entry.negative_until > env.now
        };
        let fresh = entry.fresh_until.is_some_and(|until| until > env.now);
        // With room in the local runtime nobody else need be known.
        let free_here = entry.provider(me).is_some_and(|local| match policy {
            AnycallPolicy::LocalFirst => local.has_free_slot(),
            AnycallPolicy::Nearest => local.closed(now).is_none(),
            _ => false,
        });
        state.cache = if negative {
            CacheResult::Negative
        } else if local_only || fresh && !entry.providers.is_empty() || free_here {
            CacheResult::Hit
        } else if entry.providers.is_empty() {
            CacheResult::Miss
        } else {
            CacheResult::Stale
        };
        let cache = state.cache;
        self.calls.insert(id, Box::new(state));
        if negative {
            self.finish(env.cx, env.now, id, CallOutcome::NotFound, None);
            return;
        }
        if call.deadline <= env.now {
            self.finish(env.cx, env.now, id, CallOutcome::Timeout, None);
            return;
        }
        self.timers.add(call.deadline, Key::Deadline(id));
        self.advance(env, id);
        if cache == CacheResult::Stale {
            self.look_up(env, call.function, Some(id));
        }
        self.arm_opening(env, call.function);
    }

    /// The next step of a call that has no attempt in flight.
    pub(super) fn advance(&mut self, env: &mut Env<'_, '_>, id: CallId) {
        self.unwait(env.now, id);
        let Some(call) = self.calls.get(&id) else { return };
        if call.map.is_some() {
            self.item_back(env, id);
            return;
        }
        let Some(entry) = self.cache.get(call.function) else {
            return;
        };
        let function = call.function;
        let ask = self.ask(env, call);
        let mut stream = Self::stream(env.cx, Purpose::CHOICE, id, call.made);
        let mut choice = choose(entry, &self.health, &ask, &mut stream);
        if !call.answered.is_empty() && matches!(choice.pick, Pick::One(_)) {
            // The answers decide, if one of them is of use.
            let best = call
                .answered
                .iter()
                .filter_map(|peer| entry.find(*peer).map(|at| &entry.providers[at]))
                .filter(|provider| ask.usable(provider, self.health.get(provider.health)))
                .min_by_key(|provider| provider.load());
            if let Some(best) = best {
                choice.pick = Pick::One(best.peer);
            }
        }
        let race = ask.policy == AnycallPolicy::Race;
        let asks_first = env.config().probe_first
            && call.asked.is_empty()
            && matches!(ask.policy, AnycallPolicy::LeastLoaded | AnycallPolicy::PowerOfTwo);
        let kind = if call.made == 0 { AttemptKind::First } else { AttemptKind::Retry };
        match choice.pick {
            Pick::One(_) if race => {
                let all: SmallVec<[PeerHandle; 8]> = entry
                    .providers
                    .iter()
                    .filter(|provider| ask.usable(provider, self.health.get(provider.health)))
                    .map(|provider| provider.peer)
                    .collect();
                for peer in all {
                    self.start(env, id, peer, AttemptKind::Race);
                }
            }
            Pick::One(_) if asks_first && entry.providers.len() > 1 => self.ask_load(env, id),
            Pick::One(peer) => {
                self.start(env, id, peer, kind);
            }
            Pick::Closed(_)
                if ask.policy == AnycallPolicy::LocalOnly && call.local_room && call.made == 0 =>
            {
                // The runtime's own word counts more than what is reckoned from here.
                self.start(env, id, self.me, kind);
            }
            Pick::Closed(_) if ask.policy == AnycallPolicy::LocalOnly => {
                self.finish(env.cx, env.now, id, CallOutcome::Rejected, None);
            }
            Pick::Closed(_) => self.wait_for_room(env, id),
            Pick::None => self.nobody(env, id, kind),
        }
        self.probe(env, &choice.probe, function);
    }

    /// Every provider that lives is full.
    pub(super) fn wait_for_room(&mut self, env: &mut Env<'_, '_>, id: CallId) {
        if self.queued >= env.config().entry_queue {
            self.finish(env.cx, env.now, id, CallOutcome::Rejected, None);
            return;
        }
        self.queued += 1;
        self.wait(env.now, id, Wait::Window);
        if let Some(function) = self.calls.get(&id).map(|call| call.function) {
            self.arm_opening(env, function);
        }
    }

    /// No provider is known that has not failed: look for others, try those that failed lately, or pause.
    pub(super) fn nobody(&mut self, env: &mut Env<'_, '_>, id: CallId, kind: AttemptKind) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let function = call.function;
        let local_only = call.policy == AnycallPolicy::LocalOnly;
        // Once to find anybody, once more when all that were found have failed.
        let wanted = if call.made == 0 { 1 } else { 2 };
        if !local_only && call.looked_up < wanted {
            call.looked_up = wanted;
            self.look_up(env, function, Some(id));
        }
        let Some(call) = self.calls.get(&id) else { return };
        let Some(entry) = self.cache.get(function) else {
            return;
        };
        let mut ask = self.ask(env, call);
        ask.avoided = true;
        let mut stream = Self::stream(env.cx, Purpose::CHOICE, id, call.made);
        match choose(entry, &self.health, &ask, &mut stream).pick {
            Pick::One(peer) => {
                self.start(env, id, peer, kind);
                return;
            }
            // Full as well as failing: a pause will do.
            Pick::Closed(_) | Pick::None => {}
        }
        let me = self.me;
        let alive = entry
            .providers
            .iter()
            .filter(|provider| !local_only || provider.peer == me)
            .any(|provider| !self.health.get(provider.health).dead);
        let looking = entry.lookup.is_some() && !local_only;
        let none = entry.providers.is_empty() || local_only && !alive;
        if looking {
            // A look-up that meets dead peers takes long: do not wait for its end if somebody may be tried again.
            let patience = if alive { env.config().backoff_max } else { Duration::MAX };
            let until = env.now.saturating_add(patience.max(Duration::from_micros(1)));
            if until < Time::MAX {
                self.timers.add(until, Key::Backoff(id));
            }
            self.wait(env.now, id, Wait::Lookup { until });
            self.probe_dead(env, function);
            return;
        }
        if none {
            // Whether nobody answered or nobody provides it, the look-up's end has told.
            let outcome = match call.last_failure {
                Some(_) => call.verdict(),
                None if entry.unheard && !local_only => CallOutcome::Unreachable,
                None => CallOutcome::NotFound,
            };
            let ttl = env.config().negative_ttl;
            if outcome == CallOutcome::NotFound
                && !local_only
                && let Some(entry) = self.cache.get_mut(function)
            {
                entry.negative_until = env.now.saturating_add(ttl);
            }
            self.finish(env.cx, env.now, id, outcome, None);
            return;
        }
        let config = env.config();
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.rounds + 1 >= config.max_attempts.max(1) {
            let outcome = call.verdict();
            self.finish(env.cx, env.now, id, outcome, None);
            return;
        }
        call.rounds += 1;
        let pause = backoff(env, Purpose::BACKOFF, id, call.rounds);
        let until = env.now.saturating_add(pause);
        self.timers.add(until, Key::Backoff(id));
        self.wait(env.now, id, Wait::Backoff { until });
        self.probe_dead(env, function);
    }

    /// A pause, or the wait for answers on load, is over.
    pub(super) fn pause_over(&mut self, env: &mut Env<'_, '_>, at: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let function = call.function;
        match call.wait {
            Wait::Backoff { until } | Wait::Lookup { until } if until == at => call.excluded.clear(),
            Wait::Load { until } if until == at => {
                let avoid = env.config().avoid;
                for peer in call.asked.iter().filter(|peer| !call.answered.contains(peer)) {
                    if let Some(health) = self.health.find(*peer) {
                        health.failed(env.now, avoid);
                        health.suspect();
                    }
                }
            }
            _ => return,
        }
        self.advance(env, id);
        self.pump(env, function);
    }

    /// Asks providers how loaded they are before one is chosen.
    pub(super) fn ask_load(&mut self, env: &mut Env<'_, '_>, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let Some(entry) = self.cache.get(call.function) else {
            return;
        };
        let function = call.function;
        let ask = self.ask(env, call);
        let mut asked: SmallVec<[PeerHandle; 2]> = entry
            .providers
            .iter()
            .filter(|provider| ask.usable(provider, self.health.get(provider.health)))
            .map(|provider| provider.peer)
            .collect();
        if ask.policy == AnycallPolicy::PowerOfTwo && asked.len() > 2 {
            let mut stream = Self::stream(env.cx, Purpose::CHOICE, id, call.made);
            let first = stream.below(asked.len() as u64) as usize;
            asked.swap(0, first);
            let second = 1 + stream.below(asked.len() as u64 - 1) as usize;
            asked.swap(1, second);
            asked.truncate(2);
        }
        let me = self.me;
        let remote: SmallVec<[PeerHandle; 8]> = asked.iter().copied().filter(|peer| *peer != me).collect();
        let patience = env
            .probe_interval()
            .saturating_mul(i64::from(env.config().probe_misses.max(1)))
            .max(Duration::from_nanos(1));
        let until = env.now.saturating_add(patience);
        if let Some(call) = self.calls.get_mut(&id) {
            // The load of the local runtime is known.
            call.answered.extend(asked.iter().copied().filter(|peer| *peer == me));
            call.asked = asked;
        }
        self.timers.add(until, Key::Backoff(id));
        self.wait(env.now, id, Wait::Load { until });
        self.probe(env, &remote, function);
    }

    /// A provider said how loaded it is, or that it does not host the function.
    pub(super) fn asked_load(&mut self, env: &mut Env<'_, '_>, function: FunctionHandle, peer: PeerHandle) {
        let Some(entry) = self.cache.get(function) else {
            return;
        };
        let waiting: SmallVec<[CallId; 8]> = entry.waiting.iter().map(|(_, id)| *id).collect();
        for id in waiting {
            let Some(call) = self.calls.get_mut(&id) else {
                continue;
            };
            if !matches!(call.wait, Wait::Load { .. })
                || !call.asked.contains(&peer)
                || call.answered.contains(&peer)
            {
                continue;
            }
            call.answered.push(peer);
            if call.answered.len() == call.asked.len() {
                self.advance(env, id);
            }
        }
    }

    /// The user gives up now.
    pub(super) fn deadline(&mut self, env: &mut Env<'_, '_>, id: CallId) {
        let Some(call) = self.calls.get(&id) else { return };
        let function = call.function;
        let outcome = if !call.live.is_empty() || call.last_failure.is_none() {
            CallOutcome::Timeout
        } else if call.only_refused {
            CallOutcome::Rejected
        } else {
            call.verdict()
        };
        self.finish(env.cx, env.now, id, outcome, None);
        // Its place is free for others, and a manycall that waited for it asks for its next item.
        self.pump(env, function);
    }

    /// Ends a call: its attempts are called off, the user is told.
    pub(super) fn finish(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        id: CallId,
        outcome: CallOutcome,
        win: Option<Win>,
    ) {
        self.unwait(now, id);
        let Some(mut call) = self.calls.remove(&id) else {
            return;
        };
        self.timers.remove(call.deadline, Key::Deadline(id));
        let pooled = call.wait == Wait::Pool;
        for attempt in std::mem::take(&mut call.live) {
            self.abandon(cx, attempt);
        }
        // What passed since the last change of state counts too.
        call.set_wait(now, Wait::No);
        let retry = win.and_then(|win| Some(win.start.since(call.first?))).unwrap_or(Duration::ZERO);
        cx.emit(Output::CallDone(Box::new(CallReport {
            call: id,
            map: call.map,
            outcome,
            status: win.map(|win| win.status),
            winner: win.map(|win| win.attempt),
            provider: win.map(|win| win.peer).or(call.last),
            received: call.received,
            done: now,
            lookup: call.lookup,
            dispatch: call.dispatch,
            retry,
            timing: win.map(|win| win.timing),
            cache: call.cache,
            attempts: call.made,
            lookup_messages: call.lookup_messages,
            error: call.error(outcome),
        })));
        if let Some(map) = call.map {
            self.map_item_done(cx, map, id, pooled);
        }
    }
}

/// The `round`-th pause (from 1): exponential, with half of it drawn ("equal jitter").
pub(super) fn backoff(env: &Env<'_, '_>, purpose: Purpose, id: CallId, round: u32) -> Duration {
    let config = env.config();
    let doublings = round.saturating_sub(1).min(MAX_DOUBLINGS);
    let full = config
        .backoff_initial
        .saturating_mul(1 << doublings)
        .min(config.backoff_max)
        .max(Duration::from_micros(1));
    let half = full.as_nanos() / 2;
    let mut stream = Router::stream(env.cx, purpose, id, round);
    let jitter = stream.below(half.unsigned_abs() + 1) as i64;
    Duration::from_nanos(full.as_nanos() - half + jitter)
}
