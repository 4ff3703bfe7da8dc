//! Look-ups for providers: shared by all calls of a function, by Kademlia or by the driver's own discovery.

use super::Discovery;
use super::cache::Lookup;
use super::router::{Env, Router};
use super::timers::Key;
use crate::io::{CallId, LookupOutcome, LookupPurpose, Output};
use crate::kad::Event;
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::{Duration, Time};

impl Router {
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
                let id = env.kad.find_providers(env.cx, env.now, function, LookupPurpose::Call);
                (Some(id), None)
            }
            Discovery::Driver => {
                env.cx.emit(Output::Resolve { function });
                let limit = env.now.saturating_add(env.cx.config.kad.lookup_timeout);
                self.timers.add(limit, Key::Lookup(function));
                (None, Some(limit))
            }
        };
        let lookup = Lookup { id, starter, named: Vec::new(), limit };
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
            Event::ProvidersDone { messages, outcome, .. } => {
                self.lookup_done(env, function, messages, outcome)
            }
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
    pub(super) fn found(
        &mut self,
        env: &mut Env<'_, '_>,
        function: FunctionHandle,
        providers: &[PeerHandle],
    ) {
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
            self.advance_waiting(env, function);
            self.pump(env, function);
        }
    }

    pub(super) fn lookup_done(
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
            entry.unheard = outcome == LookupOutcome::Failed && messages > 0;
            let ttl = if entry.unheard { Duration::ZERO } else { config.negative_ttl };
            entry.negative_until = env.now.saturating_add(ttl);
        } else {
            entry.negative_until = Time::MIN;
            entry.unheard = false;
        }
        if let Some(call) = lookup.starter.and_then(|starter| self.calls.get_mut(&starter)) {
            call.lookup_messages = call.lookup_messages.saturating_add(messages);
        }
        self.advance_waiting(env, function);
        self.pump(env, function);
    }

    /// The driver's own discovery did not answer in time.
    pub(super) fn lookup_timed_out(&mut self, env: &mut Env<'_, '_>, function: FunctionHandle) {
        let lookup = self.cache.get(function).and_then(|entry| entry.lookup.as_ref());
        if lookup.and_then(|lookup| lookup.limit).is_some_and(|limit| limit <= env.now) {
            self.lookup_done(env, function, 0, LookupOutcome::Timeout);
        }
    }
}
