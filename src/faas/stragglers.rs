//! The end game of a manycall, when no items are left to give out: those that wait at slow providers are fetched
//! back for free ones, those that run too long are copied (`backup`).

use super::cache::{Entry, Provider};
use super::map::MapState;
use super::router::{Env, Router};
use super::timers::Key;
use crate::io::{AttemptKind, MapId, Output};
use crate::key::PeerHandle;
use crate::time::{Duration, Time};
use std::collections::VecDeque;

impl Router {
    /// No items are left to give out: fetches those that wait at slow providers for one that is free.
    pub(super) fn reclaim(&mut self, env: &mut Env<'_, '_>, id: MapId) {
        let Some(map) = self.maps.get(&id) else { return };
        let Some(entry) = self.cache.get(map.function) else {
            return;
        };
        let Some((quick, free, quick_time)) = self.free_slot(env, map, entry) else {
            return;
        };
        // Whoever takes longest to work off what waits there.
        let slow = entry
            .providers
            .iter()
            .filter(|provider| provider.peer != quick && provider.in_flight > provider.slots())
            .map(|provider| (Self::works_off(provider), provider))
            .max_by_key(|(end, _)| *end);
        let Some((end, slow)) = slow else { return };
        let slow_rtt = self.health.get(slow.health).rtt().unwrap_or(Duration::ZERO);
        if end <= quick_time.as_nanos().saturating_add(slow_rtt.as_nanos()) {
            return;
        }
        let most = slow.in_flight - slow.slots();
        let (slow, patience) = (slow.peer, slow_rtt.saturating_mul(2) + env.probe_interval());
        let mut on_their_way = 0;
        let mut last = VecDeque::new();
        for attempt_id in &map.live {
            let Some(attempt) = self.attempts.get(attempt_id) else {
                continue;
            };
            match attempt.reclaimed {
                Some(until) if until > env.now => on_their_way += 1,
                Some(_) => {}
                None if attempt.peer == slow && !attempt.orphan => {
                    last.push_back(*attempt_id);
                    if last.len() > most.min(free) as usize {
                        last.pop_front();
                    }
                }
                None => {}
            }
        }
        // No more than can run at once there.
        for id in last.into_iter().rev().take(free.saturating_sub(on_their_way) as usize) {
            if let Some(attempt) = self.attempts.get_mut(&id) {
                attempt.reclaimed = Some(env.now.saturating_add(patience));
                env.cx.emit(Output::CancelAttempt { attempt: id, only_queued: true });
            }
        }
    }

    /// Nanoseconds until a provider whose slots are full has worked off the last that waits there, at the latest.
    ///
    /// For how long those that run have run is not known: items that were sent together also end together, and what
    /// waits then waits for a whole run. Fetching one back too early costs two messages, too late a run.
    fn works_off(provider: &Provider) -> i64 {
        let slots = provider.slots();
        let waiting = provider.in_flight.saturating_sub(slots).max(1);
        let rounds = i64::from((waiting - 1) / slots) + 2;
        provider.service().map_or(i64::MAX, |service| service.as_nanos().saturating_mul(rounds))
    }

    /// The quickest provider with free slots, how many, and how long an item takes there.
    pub(super) fn free_slot(
        &self,
        env: &Env<'_, '_>,
        map: &MapState,
        entry: &Entry,
    ) -> Option<(PeerHandle, u32, Duration)> {
        self.windows(env.cx, env.now, map, entry)
            .filter(|(_, free)| *free > 0)
            .map(|(provider, _)| {
                let slots = provider.capacity.map_or(1, |capacity| capacity.slots);
                let free = slots.saturating_sub(provider.in_flight);
                (provider.peer, free, self.measured(provider))
            })
            .filter(|(_, free, _)| *free > 0)
            .min_by_key(|(.., time)| *time)
    }

    /// No items are left to give out: free providers get copies of the items that take too long.
    pub(super) fn copy_stragglers(&mut self, env: &mut Env<'_, '_>, id: MapId) {
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
