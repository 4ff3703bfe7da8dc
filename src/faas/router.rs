//! The state of a node that routes calls, and what its parts share: starting look-ups and attempts, watching over
//! peers, waking up who waits.

use super::attempt::AttemptState;
use super::cache::{Cache, Entry};
use super::call::CallState;
use super::choose::Ask;
use super::health::HealthTable;
use super::map::MapState;
use super::timers::{Key, Timers};
use super::{AnycallPolicy, Config};
use crate::context::{Capacity, Context};
use crate::draws::{Purpose, Stream};
use crate::io::{Attempt, AttemptFailure, AttemptId, AttemptKind, CallId, MapId, Output};
use crate::kad::Kad;
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, BTreeSet};

/// A provider that refuses is left alone at least this long, whatever it says.
pub(super) const MIN_PAUSE: Duration = Duration::from_millis(10);

/// What one input lends to every step that it causes.
pub(super) struct Env<'e, 'c> {
    pub(super) cx: &'e mut Context<'c>,
    pub(super) now: Time,
    pub(super) kad: &'e mut Kad,
}

impl Env<'_, '_> {
    pub(super) fn config(&self) -> &Config {
        &self.cx.config.faas
    }

    /// How long a provider that said nothing else stays closed.
    pub(super) fn pause(&self) -> Duration {
        self.config().retry_after.max(MIN_PAUSE)
    }

    pub(super) fn probe_interval(&self) -> Duration {
        self.config().probe_interval
    }
}

/// The state of a node that routes calls.
#[derive(Debug)]
pub(super) struct Router {
    pub(super) me: PeerHandle,
    pub(super) cache: Cache,
    pub(super) health: HealthTable,
    pub(super) calls: BTreeMap<CallId, Box<CallState>>,
    pub(super) attempts: BTreeMap<AttemptId, AttemptState>,
    pub(super) maps: BTreeMap<MapId, Box<MapState>>,
    pub(super) timers: Timers,
    /// Functions that somebody waits for.
    pub(super) wanted: BTreeSet<FunctionHandle>,
    /// Calls that wait because every provider is closed.
    pub(super) queued: usize,
    next_attempt: u64,
}

impl Router {
    pub(super) fn new(me: PeerHandle) -> Self {
        Router {
            me,
            cache: Cache::default(),
            health: HealthTable::default(),
            calls: BTreeMap::new(),
            attempts: BTreeMap::new(),
            maps: BTreeMap::new(),
            timers: Timers::default(),
            wanted: BTreeSet::new(),
            queued: 0,
            next_attempt: 0,
        }
    }

    pub(super) fn entry(&mut self, env: &Env<'_, '_>, function: FunctionHandle) -> &mut Entry {
        self.cache.touch(function, env.config().cache_functions, &mut self.health)
    }

    /// The draws of one choice of a call.
    pub(super) fn stream(cx: &Context<'_>, purpose: Purpose, call: CallId, n: u32) -> Stream {
        // Any odd constant will do: it only keeps (node, call) pairs apart.
        let entity = cx.identity ^ call.0.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17);
        cx.draws.stream_at(purpose, entity, n.wrapping_mul(8))
    }

    /// The local runtime's word of how full it is; `None`: it does not host the function.
    pub(super) fn local(&mut self, env: &Env<'_, '_>, function: FunctionHandle, local: Option<Capacity>) {
        let me = self.me;
        self.entry(env, function);
        let Some(entry) = self.cache.get_mut(function) else {
            return;
        };
        match local {
            Some(capacity) => entry.add(me, &mut self.health).report_local(env.now, capacity, env.pause()),
            None => entry.remove(me, &mut self.health),
        }
    }

    /// The local runtime does not host the function any more.
    pub(super) fn unhosted(&mut self, function: FunctionHandle) {
        let me = self.me;
        if let Some(entry) = self.cache.get_mut(function) {
            entry.remove(me, &mut self.health);
        }
    }

    /// Hands a call to a provider.
    pub(super) fn start(
        &mut self,
        env: &mut Env<'_, '_>,
        id: CallId,
        peer: PeerHandle,
        kind: AttemptKind,
    ) -> Option<AttemptId> {
        self.unwait(env.now, id);
        let call = self.calls.get_mut(&id)?;
        let function = call.function;
        let pause = env.pause();
        let entry = self.cache.get_mut(function)?;
        let provider = entry.provider(peer)?;
        provider.sent(env.now, pause);
        entry.turn = Some(peer);
        let health_id = self.health.acquire(peer);
        let health = self.health.get_mut(health_id);
        health.begin(env.now);
        if peer != self.me && health.watch.is_none() {
            let at = env.now.saturating_add(env.probe_interval());
            health.watch = Some(at);
            self.timers.add(at, Key::Probe(peer));
        }
        let attempt = AttemptId(self.next_attempt);
        self.next_attempt += 1;
        call.begin(env.now, attempt, peer);
        let limit = env.config().attempt_timeout.map(|limit| env.now.saturating_add(limit));
        if let Some(limit) = limit {
            self.timers.add(limit, Key::Attempt(attempt));
        }
        let state = AttemptState {
            call: id,
            map: call.map,
            function,
            peer,
            health: health_id,
            number: call.made,
            kind,
            start: env.now,
            sent: None,
            accepted: false,
            offered: false,
            seen: false,
            orphan: false,
            reclaimed: None,
            limit,
        };
        self.attempts.insert(attempt, state);
        env.cx.emit(Output::Attempt(Box::new(Attempt {
            id: attempt,
            call: id,
            function,
            provider: peer,
            kind,
            deadline: call.deadline,
        })));
        Some(attempt)
    }

    /// What a call asks for.
    pub(super) fn ask<'a>(&self, env: &Env<'_, '_>, call: &'a CallState) -> Ask<'a> {
        let mut policy = call.policy;
        if policy == AnycallPolicy::Race && !call.repeatable() {
            policy = AnycallPolicy::Nearest;
        }
        Ask {
            policy,
            me: self.me,
            now: env.now,
            excluded: &call.excluded,
            avoided: false,
            probe_misses: env.config().probe_misses,
        }
    }

    /// Handles every deadline that has come.
    pub(super) fn on_timeout(&mut self, env: &mut Env<'_, '_>) {
        while let Some((at, key)) = self.timers.due(env.now) {
            match key {
                Key::Deadline(call) => self.deadline(env, call),
                Key::Backoff(call) => self.pause_over(env, at, call),
                Key::Attempt(attempt) => {
                    if self.attempts.contains_key(&attempt) {
                        env.cx.emit(Output::CancelAttempt { attempt, only_queued: false });
                        self.attempt_lost(env, attempt, AttemptFailure::Timeout);
                    }
                }
                Key::Open(function) => {
                    if let Some(entry) = self.cache.get_mut(function)
                        && entry.open_timer == Some(at)
                    {
                        entry.open_timer = None;
                        self.pump(env, function);
                    }
                }
                Key::Probe(peer) => self.watch(env, at, peer),
                Key::Lookup(function) => self.lookup_timed_out(env, function),
                Key::Backup(map) => self.backup_due(env, at, map),
                Key::Stuck(map) => self.stuck_due(env, at, map),
            }
        }
    }

    /// Calls `visit` with every handle this part still refers to.
    pub(super) fn mark(&self, visit: &mut dyn FnMut(PeerHandle)) {
        self.health.peers().for_each(&mut *visit);
        for (_, entry) in self.cache.iter() {
            let named = entry.lookup.iter().flat_map(|lookup| &lookup.named);
            named.chain(&entry.turn).copied().for_each(&mut *visit);
        }
        for call in self.calls.values() {
            call.excluded.iter().chain(&call.last).copied().for_each(&mut *visit);
        }
    }

    /// Calls `visit` with every function this part still refers to.
    pub(super) fn mark_functions(&self, visit: &mut dyn FnMut(FunctionHandle)) {
        self.cache.iter().for_each(|(function, _)| visit(function));
        self.calls.values().for_each(|call| visit(call.function));
        self.attempts.values().for_each(|attempt| visit(attempt.function));
        self.maps.values().for_each(|map| visit(map.function));
        self.wanted.iter().copied().for_each(&mut *visit);
        self.timers.functions().for_each(&mut *visit);
        self.health.asked().for_each(visit);
    }
}
