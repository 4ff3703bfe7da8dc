//! Signs of life: peers with attempts in flight are watched over, dead ones are asked whether they live again.

use super::health::Watch;
use super::router::{Env, Router};
use super::timers::Key;
use crate::context::Capacity;
use crate::io::{AttemptFailure, AttemptId, Output};
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::Time;

impl Router {
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
            env.cx.emit(Output::Probe { peer: *peer, function: Some(function) });
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
                if let Some(provider) = self.cache.get_mut(function).and_then(|entry| entry.provider(peer)) {
                    provider.report(env.now, capacity, pause);
                }
                self.asked_load(env, function, peer);
                self.pump(env, function);
            }
            (None, Some(function)) if peer != self.me => {
                if let Some(entry) = self.cache.get_mut(function)
                    && entry.provider(peer).is_some_and(|provider| provider.in_flight == 0)
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
        let lost: Vec<AttemptId> =
            self.attempts.iter().filter(|(_, attempt)| attempt.peer == peer).map(|(id, _)| *id).collect();
        for id in lost {
            if silent {
                env.cx.emit(Output::CancelAttempt { attempt: id, only_queued: false });
            }
            self.attempt_lost(env, id, AttemptFailure::Lost);
        }
        self.pump_all(env);
    }
}
