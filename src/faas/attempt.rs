//! An attempt's life at its entry node: news of it, its end, and what the end means for its call.

use super::health::HealthId;
use super::router::{Env, MIN_PAUSE, Router};
use super::timers::Key;
use crate::context::{Capacity, Context, Timing};
use crate::io::{
    AttemptEvent, AttemptFailure, AttemptId, AttemptKind, AttemptReport, CallId, CallOutcome, MapId, Output,
    Started,
};
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::Time;

/// An attempt that has not ended.
#[derive(Debug)]
pub(super) struct AttemptState {
    pub(super) call: CallId,
    pub(super) map: Option<MapId>,
    pub(super) function: FunctionHandle,
    pub(super) peer: PeerHandle,
    pub(super) health: HealthId,
    /// Within the call, from 1.
    pub(super) number: u32,
    pub(super) kind: AttemptKind,
    pub(super) start: Time,
    /// When the connection stood and it was sent.
    pub(super) sent: Option<Time>,
    pub(super) accepted: bool,
    /// Its head was sent, its body waits for the provider's word.
    pub(super) offered: bool,
    /// What the provider says of itself counts this attempt.
    pub(super) seen: bool,
    /// Its call is over: only its end is waited for.
    pub(super) orphan: bool,
    /// It was told to come back if it has not started, since another provider would be quicker.
    /// Meanwhile that is waited for until then.
    pub(super) reclaimed: Option<Time>,
    /// When it has taken too long.
    pub(super) limit: Option<Time>,
}

/// The answer that ends a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Win {
    pub(super) attempt: AttemptId,
    pub(super) start: Time,
    pub(super) peer: PeerHandle,
    pub(super) status: u16,
    pub(super) timing: Timing,
}

impl Router {
    /// News of an attempt.
    pub(super) fn on_attempt(&mut self, env: &mut Env<'_, '_>, id: AttemptId, event: AttemptEvent) {
        let me = self.me;
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        let (function, peer) = (attempt.function, attempt.peer);
        let health = self.health.get_mut(attempt.health);
        let from_peer = match &event {
            AttemptEvent::Sent | AttemptEvent::Offered => false,
            AttemptEvent::Accepted { .. } | AttemptEvent::Head | AttemptEvent::Finished { .. } => true,
            AttemptEvent::Failed { reason, .. } => matches!(
                reason,
                AttemptFailure::NotHosted | AttemptFailure::Full { .. } | AttemptFailure::Runtime
            ),
        };
        if from_peer {
            health.alive(env.now);
        }
        match event {
            AttemptEvent::Sent | AttemptEvent::Offered => {
                attempt.offered = event == AttemptEvent::Offered;
                if attempt.sent.is_none() {
                    attempt.sent = Some(env.now);
                    health.connected(attempt.start, env.now);
                    if let Some(map) = attempt.map {
                        self.item_sent(env, map);
                    }
                }
            }
            AttemptEvent::Accepted { capacity } => {
                if attempt.accepted {
                    return;
                }
                attempt.accepted = true;
                if let Some(sent) = attempt.sent
                    && peer != me
                {
                    health.sample(env.now.since(sent));
                }
                self.seen(id);
                self.report(env, function, peer, capacity);
                self.pump(env, function);
            }
            AttemptEvent::Head => self.head(env, id),
            AttemptEvent::Finished { status, timing, capacity } => {
                if !attempt.accepted
                    && let Some(sent) = attempt.sent
                    && peer != me
                {
                    // It was done before it could have been said that it was taken.
                    let there = timing.queue + timing.cold + timing.exec;
                    health.sample(env.now.since(sent).saturating_sub(there));
                }
                health.succeeded();
                self.seen(id);
                self.finished(env, id, status, timing, capacity);
                self.pump(env, function);
            }
            AttemptEvent::Failed { reason, started, capacity } => {
                self.failed(env, id, reason, started, capacity);
                self.pump(env, function);
            }
        }
    }

    /// From now on the provider's word counts this attempt.
    fn seen(&mut self, id: AttemptId) {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return;
        };
        if attempt.seen {
            return;
        }
        attempt.seen = true;
        let entry = self.cache.get_mut(attempt.function);
        if let Some(provider) = entry.and_then(|entry| entry.provider(attempt.peer)) {
            provider.seen();
        }
    }

    fn report(&mut self, env: &Env<'_, '_>, function: FunctionHandle, peer: PeerHandle, capacity: Capacity) {
        let entry = self.cache.get_mut(function);
        if let Some(provider) = entry.and_then(|entry| entry.provider(peer)) {
            provider.report(env.now, capacity, env.pause());
        }
    }

    /// The first bytes of this answer go to the user: it is the call's, come what may.
    fn head(&mut self, env: &mut Env<'_, '_>, id: AttemptId) {
        let Some(attempt) = self.attempts.get(&id).filter(|attempt| !attempt.orphan) else {
            return;
        };
        let Some(call) = self.calls.get_mut(&attempt.call) else {
            return;
        };
        if call.head.is_some() {
            return;
        }
        call.head = Some(id);
        let losers: Vec<AttemptId> = call.live.iter().copied().filter(|live| *live != id).collect();
        call.live.retain(|live| *live == id);
        for loser in losers {
            self.abandon(env.cx, loser);
        }
    }

    /// Nobody waits for this attempt any more.
    pub(super) fn abandon(&mut self, cx: &mut Context<'_>, id: AttemptId) {
        if let Some(attempt) = self.attempts.get_mut(&id) {
            attempt.orphan = true;
            cx.emit(Output::CancelAttempt { attempt: id, only_queued: false });
        }
    }

    fn finished(
        &mut self,
        env: &mut Env<'_, '_>,
        id: AttemptId,
        status: u16,
        timing: Timing,
        capacity: Capacity,
    ) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        let (call, function, peer, start) = (attempt.call, attempt.function, attempt.peer, attempt.start);
        let entry = self.cache.get_mut(function);
        if let Some(provider) = entry.and_then(|entry| entry.provider(peer)) {
            provider.ran(timing.exec);
        }
        let won = !attempt.orphan;
        self.end(env, id, Some(timing), Started::Yes, won, Ok(status));
        self.report(env, function, peer, capacity);
        if !won {
            return;
        }
        if let Some(call) = self.calls.get_mut(&call) {
            call.live.retain(|live| *live != id);
            if let Some(map) = call.map {
                self.map_item_took(map, env.now.since(start));
            }
        }
        let outcome = if status < 400 { CallOutcome::Ok } else { CallOutcome::FunctionError };
        let win = Win { attempt: id, start, peer, status, timing };
        self.finish(env.cx, env.now, call, outcome, Some(win));
    }

    /// The core itself gives an attempt up.
    pub(super) fn attempt_lost(&mut self, env: &mut Env<'_, '_>, id: AttemptId, reason: AttemptFailure) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        let function = attempt.function;
        let started =
            if attempt.sent.is_some() || attempt.peer == self.me { Started::Maybe } else { Started::No };
        self.failed(env, id, reason, started, None);
        self.pump(env, function);
    }

    fn failed(
        &mut self,
        env: &mut Env<'_, '_>,
        id: AttemptId,
        reason: AttemptFailure,
        started: Started,
        capacity: Option<Capacity>,
    ) {
        let Some(attempt) = self.attempts.get(&id) else {
            return;
        };
        let (call_id, function, peer) = (attempt.call, attempt.function, attempt.peer);
        let (orphan, was_sent) = (attempt.orphan, attempt.sent.is_some() && !attempt.offered);
        let reclaimed = attempt.reclaimed.is_some();
        let avoid = env.config().avoid;
        let remote = peer != self.me;
        let health = self.health.get_mut(attempt.health);
        match reason {
            AttemptFailure::Dial | AttemptFailure::Lost if remote => {
                // One event makes a peer dead, not each attempt that it took along.
                if !health.dead {
                    health.failed(env.now, avoid);
                    health.suspect();
                }
            }
            AttemptFailure::Dial
            | AttemptFailure::Lost
            | AttemptFailure::Runtime
            | AttemptFailure::Timeout => {
                if !health.avoided(env.now) {
                    health.failed(env.now, avoid);
                }
            }
            AttemptFailure::NotHosted | AttemptFailure::Full { .. } | AttemptFailure::Cancelled => {}
        }
        self.seen(id);
        self.end(env, id, None, started, false, Err(reason));
        match (capacity, reason) {
            (Some(capacity), _) => self.report(env, function, peer, capacity),
            (None, AttemptFailure::Cancelled) => {
                let entry = self.cache.get_mut(function);
                if let Some(provider) = entry.and_then(|entry| entry.provider(peer)) {
                    provider.given_back();
                }
            }
            (None, _) => {}
        }
        let pause = env.pause();
        if let Some(entry) = self.cache.get_mut(function) {
            match reason {
                AttemptFailure::Full { retry_after } => {
                    if let Some(provider) = entry.provider(peer) {
                        provider.refused(env.now, retry_after.unwrap_or(pause).max(MIN_PAUSE));
                    }
                }
                AttemptFailure::NotHosted => entry.remove(peer, &mut self.health),
                _ => {}
            }
        }
        if orphan {
            return;
        }
        let Some(call) = self.calls.get_mut(&call_id) else {
            return;
        };
        call.live.retain(|live| *live != id);
        if reclaimed && reason == AttemptFailure::Cancelled {
            // Fetched back as was asked: no failure.
            call.counted = call.counted.saturating_sub(1);
        } else {
            call.failed_with(reason, peer);
        }
        if call.head == Some(id) {
            self.finish(env.cx, env.now, call_id, CallOutcome::Truncated, None);
            return;
        }
        if !call.live.is_empty() {
            call.doubtful |= started != Started::No;
            return;
        }
        // What may have run, or whose body may be gone, is not repeated unless that is allowed.
        let doubtful = call.doubtful || started != Started::No;
        if doubtful && !call.repeatable() {
            self.finish(env.cx, env.now, call_id, CallOutcome::Unknown, None);
        } else if was_sent && !call.replayable || call.counted >= env.cx.config.faas.max_attempts.max(1) {
            let outcome = call.verdict();
            self.finish(env.cx, env.now, call_id, outcome, None);
        } else if env.now >= call.deadline {
            self.deadline(env, call_id);
        } else {
            self.advance(env, call_id);
        }
    }

    /// Takes an attempt out and reports it.
    fn end(
        &mut self,
        env: &mut Env<'_, '_>,
        id: AttemptId,
        timing: Option<Timing>,
        started: Started,
        won: bool,
        result: Result<u16, AttemptFailure>,
    ) {
        let Some(attempt) = self.attempts.remove(&id) else {
            return;
        };
        if let Some(limit) = attempt.limit {
            self.timers.remove(limit, Key::Attempt(id));
        }
        let health = self.health.get_mut(attempt.health);
        health.outstanding = health.outstanding.saturating_sub(1);
        self.health.release(attempt.health);
        let entry = self.cache.get_mut(attempt.function);
        if let Some(provider) = entry.and_then(|entry| entry.provider(attempt.peer)) {
            provider.ended();
        }
        if let Some(map) = attempt.map {
            let unsent = attempt.sent.is_none() && attempt.peer != self.me;
            self.map_attempt_ended(map, id, unsent);
        }
        env.cx.emit(Output::AttemptDone(Box::new(AttemptReport {
            id,
            call: attempt.call,
            number: attempt.number,
            kind: attempt.kind,
            provider: attempt.peer,
            start: attempt.start,
            end: env.now,
            timing,
            started,
            won,
            result,
        })));
    }
}
