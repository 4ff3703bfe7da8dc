//! The state of a node that routes calls, and what its parts share: starting look-ups and attempts, watching over
//! peers, waking up who waits.

use super::attempt::AttemptState;
use super::cache::{Cache, Entry, Lookup};
use super::call::{CallState, Wait};
use super::choose::{Ask, Pick, choose};
use super::health::{HealthTable, Watch};
use super::map::MapState;
use super::timers::{Key, Timers};
use super::{AnycallPolicy, Config, Discovery};
use crate::context::{Capacity, Context};
use crate::draws::{Purpose, Stream};
use crate::io::{
    Attempt, AttemptFailure, AttemptId, AttemptKind, CallId, LookupOutcome, LookupPurpose, MapId, Output,
};
use crate::kad::{Event, Kad};
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
        self.cache
            .touch(function, env.config().cache_functions, &mut self.health)
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
            Some(capacity) => entry
                .add(me, &mut self.health)
                .report_local(env.now, capacity, env.pause()),
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

    // ---- look-ups ----

    /// Starts a look-up for the providers of a function unless one is under way.
    pub(super) fn look_up(
        &mut self,
        env: &mut Env<'_, '_>,
        function: FunctionHandle,
        starter: Option<CallId>,
    ) {
        if self.entry(env, function).lookup.is_some() {
            return;
        }
        let (id, limit) = match env.config().discovery {
            Discovery::Kademlia => {
                let id = env
                    .kad
                    .find_providers(env.cx, env.now, function, LookupPurpose::Call);
                (Some(id), None)
            }
            Discovery::Driver => {
                env.cx.emit(Output::Resolve { function });
                let limit = env.now.saturating_add(env.cx.config.kad.lookup_timeout);
                self.timers.add(limit, Key::Lookup(function));
                (None, Some(limit))
            }
        };
        let lookup = Lookup {
            id,
            starter,
            named: Vec::new(),
            limit,
        };
        self.entry(env, function).lookup = Some(lookup);
    }

    /// News of Kademlia's.
    pub(super) fn on_kad_event(&mut self, env: &mut Env<'_, '_>, event: Event) {
        let (id, function) = match &event {
            Event::Providers { lookup, function, .. } | Event::ProvidersDone { lookup, function, .. } => {
                (*lookup, *function)
            }
        };
        let ours = self.cache.get(function).and_then(|entry| entry.lookup.as_ref());
        if ours.is_none_or(|lookup| lookup.id != Some(id)) {
            return;
        }
        match event {
            Event::Providers { providers, .. } => self.found(env, function, &providers),
            Event::ProvidersDone {
                messages, outcome, ..
            } => self.lookup_done(env, function, messages, outcome),
        }
    }

    /// News of the driver's own discovery.
    pub(super) fn resolved(
        &mut self,
        env: &mut Env<'_, '_>,
        function: FunctionHandle,
        providers: &[PeerHandle],
        done: bool,
    ) {
        let ours = self.cache.get(function).and_then(|entry| entry.lookup.as_ref());
        if ours.is_none_or(|lookup| lookup.id.is_some()) {
            return;
        }
        self.found(env, function, providers);
        if done {
            self.lookup_done(env, function, 0, LookupOutcome::Ok);
        }
    }

    /// A look-up named providers.
    fn found(&mut self, env: &mut Env<'_, '_>, function: FunctionHandle, providers: &[PeerHandle]) {
        let me = self.me;
        let Some(entry) = self.cache.get_mut(function) else {
            return;
        };
        let mut news = false;
        for peer in providers {
            // Whether this node hosts the function it knows better itself.
            if *peer == me {
                continue;
            }
            news |= entry.find(*peer).is_none();
            entry.add(*peer, &mut self.health);
            if let Some(lookup) = &mut entry.lookup
                && let Err(at) = lookup.named.binary_search(peer)
            {
                lookup.named.insert(at, *peer);
            }
        }
        if news {
            self.advance_waiting(env, function, Wait::Lookup);
            self.pump(env, function);
        }
    }

    fn lookup_done(
        &mut self,
        env: &mut Env<'_, '_>,
        function: FunctionHandle,
        messages: u32,
        outcome: LookupOutcome,
    ) {
        let me = self.me;
        let Some(entry) = self.cache.get_mut(function) else {
            return;
        };
        let Some(lookup) = entry.lookup.take() else { return };
        if let Some(limit) = lookup.limit {
            self.timers.remove(limit, Key::Lookup(function));
        }
        if outcome == LookupOutcome::Ok {
            // It is complete: who is not named any more has withdrawn or died long ago.
            entry.retain(&mut self.health, |provider| {
                provider.peer == me
                    || provider.in_flight > 0
                    || lookup.named.binary_search(&provider.peer).is_ok()
            });
        }
        let config = &env.cx.config.faas;
        // When nobody answered, what was known before is all there is: ask again soon.
        let ttl = if outcome == LookupOutcome::Failed {
            config.backoff_max.min(config.cache_ttl)
        } else {
            config.cache_ttl
        };
        entry.fresh_until = Some(env.now.saturating_add(ttl));
        if entry.providers.is_empty() {
            // Somebody must have been asked before "nobody provides it" can be believed.
            let unheard = outcome == LookupOutcome::Failed && messages > 0;
            let ttl = if unheard {
                Duration::ZERO
            } else {
                config.negative_ttl
            };
            entry.negative_until = env.now.saturating_add(ttl);
        } else {
            entry.negative_until = Time::MIN;
        }
        if let Some(call) = lookup.starter.and_then(|starter| self.calls.get_mut(&starter)) {
            call.lookup_messages = call.lookup_messages.saturating_add(messages);
        }
        self.advance_waiting(env, function, Wait::Lookup);
        self.pump(env, function);
    }

    /// The driver's own discovery did not answer in time.
    pub(super) fn lookup_timed_out(&mut self, env: &mut Env<'_, '_>, function: FunctionHandle) {
        let lookup = self.cache.get(function).and_then(|entry| entry.lookup.as_ref());
        if lookup
            .and_then(|lookup| lookup.limit)
            .is_some_and(|limit| limit <= env.now)
        {
            self.lookup_done(env, function, 0, LookupOutcome::Timeout);
        }
    }

    // ---- attempts ----

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
        let limit = env
            .config()
            .attempt_timeout
            .map(|limit| env.now.saturating_add(limit));
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

    // ---- signs of life ----

    /// Asks peers for a sign of life and how full they are, unless that was just done.
    pub(super) fn probe(&mut self, env: &mut Env<'_, '_>, peers: &[PeerHandle], function: FunctionHandle) {
        let (interval, avoid) = (env.probe_interval(), env.config().avoid);
        for peer in peers {
            let Some(health) = self.health.find(*peer) else {
                continue;
            };
            if *peer == self.me || !health.may_probe(env.now, interval) {
                continue;
            }
            if health.dead && !health.avoided(env.now) {
                // Until it answers it stays avoided, longer each time.
                health.failed(env.now, avoid);
            }
            health.probing(env.now, Some(function));
            env.cx.emit(Output::Probe {
                peer: *peer,
                function: Some(function),
            });
        }
    }

    /// Asks all dead providers of a function whether they live again: nobody else is left.
    pub(super) fn probe_dead(&mut self, env: &mut Env<'_, '_>, function: FunctionHandle) {
        let Some(entry) = self.cache.get(function) else {
            return;
        };
        let dead: Vec<PeerHandle> = entry
            .providers
            .iter()
            .filter(|provider| self.health.get(provider.health).dead)
            .map(|provider| provider.peer)
            .collect();
        self.probe(env, &dead, function);
    }

    /// The timer that watches over a peer with attempts in flight.
    pub(super) fn watch(&mut self, env: &mut Env<'_, '_>, at: Time, peer: PeerHandle) {
        let Some(health) = self.health.find(peer) else {
            return;
        };
        if health.watch != Some(at) {
            return;
        }
        health.watch = None;
        if health.outstanding == 0 {
            return;
        }
        let (interval, misses) = (env.probe_interval(), env.config().probe_misses);
        match health.watch(env.now, interval, misses) {
            Watch::Sleep(next) => {
                health.watch = Some(next);
                self.timers.add(next, Key::Probe(peer));
            }
            Watch::Probe(next) => {
                health.watch = Some(next);
                self.timers.add(next, Key::Probe(peer));
                health.probing(env.now, None);
                env.cx.emit(Output::Probe { peer, function: None });
            }
            Watch::Dead => self.peer_lost(env, peer, true),
        }
    }

    pub(super) fn probe_reply(
        &mut self,
        env: &mut Env<'_, '_>,
        peer: PeerHandle,
        capacity: Option<(FunctionHandle, Capacity)>,
    ) {
        let Some(health) = self.health.find(peer) else {
            return;
        };
        let revived = health.dead;
        let asked = health.replied(env.now);
        match (capacity, asked) {
            (Some((function, capacity)), _) => {
                let pause = env.pause();
                if let Some(provider) = self
                    .cache
                    .get_mut(function)
                    .and_then(|entry| entry.provider(peer))
                {
                    provider.report(env.now, capacity, pause);
                }
                self.asked_load(env, function, peer);
                self.pump(env, function);
            }
            (None, Some(function)) if peer != self.me => {
                if let Some(entry) = self.cache.get_mut(function)
                    && entry
                        .provider(peer)
                        .is_some_and(|provider| provider.in_flight == 0)
                {
                    entry.remove(peer, &mut self.health);
                }
                self.asked_load(env, function, peer);
            }
            _ => {}
        }
        if revived {
            self.pump_all(env);
        }
    }

    /// All connections to a peer broke (`silent`: it was found dead): what is in flight there is lost.
    pub(super) fn peer_lost(&mut self, env: &mut Env<'_, '_>, peer: PeerHandle, silent: bool) {
        if peer == self.me {
            return;
        }
        let avoid = env.config().avoid;
        let Some(health) = self.health.find(peer) else {
            return;
        };
        health.suspect();
        if health.outstanding > 0 {
            health.failed(env.now, avoid);
        }
        let lost: Vec<AttemptId> = self
            .attempts
            .iter()
            .filter(|(_, attempt)| attempt.peer == peer)
            .map(|(id, _)| *id)
            .collect();
        for id in lost {
            if silent {
                env.cx.emit(Output::CancelAttempt {
                    attempt: id,
                    only_queued: false,
                });
            }
            self.attempt_lost(env, id, AttemptFailure::Lost);
        }
        self.pump_all(env);
    }

    // ---- those who wait ----

    /// Gives calls that wait to providers that have room, in the order they came in.
    pub(super) fn pump(&mut self, env: &mut Env<'_, '_>, function: FunctionHandle) {
        if !self.wanted.contains(&function) {
            return;
        }
        let mut at = 0;
        while let Some(entry) = self.cache.get(function) {
            let Some((_, id)) = entry.waiting.get(at).copied() else {
                break;
            };
            let Some(call) = self.calls.get(&id) else { break };
            let ask = self.ask(env, call);
            let mut stream = Self::stream(env.cx, Purpose::CHOICE, id, call.made);
            let choice = choose(entry, &self.health, &ask, &mut stream);
            match choice.pick {
                Pick::One(_) if !matches!(call.wait, Wait::Load { .. }) => self.advance(env, id),
                // The others could not be served either.
                _ if call.excluded.is_empty() && !matches!(call.wait, Wait::Load { .. }) => break,
                _ => at += 1,
            }
        }
        self.arm_opening(env, function);
        let maps = self.cache.get(function).map(|entry| entry.maps.clone());
        for map in maps.into_iter().flatten() {
            self.pump_map(env, map);
        }
        if let Some(entry) = self.cache.get(function)
            && entry.waiting.is_empty()
            && entry.maps.is_empty()
        {
            self.wanted.remove(&function);
        }
    }

    pub(super) fn pump_all(&mut self, env: &mut Env<'_, '_>) {
        let wanted: Vec<_> = self.wanted.iter().copied().collect();
        for function in wanted {
            self.pump(env, function);
        }
    }

    /// Sets the timer for the next closed provider that opens, if anybody waits for it.
    pub(super) fn arm_opening(&mut self, env: &Env<'_, '_>, function: FunctionHandle) {
        let Some(entry) = self.cache.get_mut(function) else {
            return;
        };
        let wanted = !entry.waiting.is_empty() || !entry.maps.is_empty();
        let opens = entry
            .providers
            .iter()
            .filter(|_| wanted)
            .filter_map(|provider| provider.closed(env.now))
            .min()
            .filter(|opens| *opens < Time::MAX);
        if entry.open_timer == opens {
            return;
        }
        if let Some(old) = entry.open_timer {
            self.timers.remove(old, Key::Open(function));
        }
        entry.open_timer = opens;
        if let Some(at) = opens {
            self.timers.add(at, Key::Open(function));
        }
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
                        env.cx.emit(Output::CancelAttempt {
                            attempt,
                            only_queued: false,
                        });
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
            call.excluded
                .iter()
                .chain(&call.last)
                .copied()
                .for_each(&mut *visit);
        }
    }
}
