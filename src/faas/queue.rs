//! The queue of a function at its entry node: calls that wait for a look-up, for room, or for the end of a pause.

use super::call::Wait;
use super::choose::{Pick, choose};
use super::router::{Env, Router};
use super::timers::Key;
use crate::draws::Purpose;
use crate::io::CallId;
use crate::key::FunctionHandle;
use crate::time::Time;

impl Router {
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
                // Those that were full have died meanwhile.
                Pick::None if call.wait == Wait::Window => self.advance(env, id),
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
        if !self.wanted.contains(&function) {
            return;
        }
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

    /// Lets a call wait, behind those that came before it.
    pub(super) fn wait(&mut self, now: Time, id: CallId, wait: Wait) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.set_wait(now, wait);
        let place = (call.received, id);
        self.wanted.insert(call.function);
        if let Some(entry) = self.cache.get_mut(call.function) {
            let at = entry.waiting.partition_point(|other| *other < place);
            entry.waiting.insert(at, place);
        }
    }

    /// Takes a call out of the queue, if it is there.
    pub(super) fn unwait(&mut self, now: Time, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        match call.wait {
            Wait::No | Wait::Pool => return,
            Wait::Window => self.queued = self.queued.saturating_sub(1),
            Wait::Backoff { until } | Wait::Load { until } | Wait::Lookup { until } => {
                self.timers.remove(until, Key::Backoff(id));
            }
        }
        call.set_wait(now, Wait::No);
        let place = (call.received, id);
        if let Some(entry) = self.cache.get_mut(call.function)
            && let Ok(at) = entry.waiting.binary_search(&place)
        {
            entry.waiting.remove(at);
        }
    }

    /// Takes the next step of all calls of a function that wait for a look-up.
    pub(super) fn advance_waiting(&mut self, env: &mut Env<'_, '_>, function: FunctionHandle) {
        let Some(entry) = self.cache.get(function) else {
            return;
        };
        let waiting: Vec<CallId> = entry.waiting.iter().map(|(_, id)| *id).collect();
        for id in waiting {
            let call = self.calls.get(&id);
            if call.is_some_and(|call| matches!(call.wait, Wait::Lookup { .. })) {
                self.advance(env, id);
            }
        }
    }
}
