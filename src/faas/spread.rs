//! How a manycall spreads its items over providers, and what it does when nobody is left to take them.

use super::ManycallPolicy;
use super::cache::{Entry, Provider};
use super::call::CallState;
use super::life::backoff;
use super::map::MapState;
use super::router::{Env, Router};
use super::timers::Key;
use crate::context::Context;
use crate::draws::Purpose;
use crate::io::{AttemptKind, CallId, CallOutcome, MapId, Output};
use crate::key::PeerHandle;
use crate::time::{Duration, Time};

/// Most items in flight at one provider beyond its slots, however far away it is.
const MAX_HIDDEN: u64 = 1_024;

/// Items that `static` asks for at a time when it does not know how many there are.
const STATIC_BATCH: u64 = 1_024;

/// Most items that are given out and have not left this node, apart from one for each provider, which may have to be
/// dialled. Sending takes the node's own time: what queues for it delays signs of life, and is bound to a provider
/// too early. These few keep a link busy while the next ones are fetched.
const MAX_UNSENT: u64 = 256;

/// A run of a function none of whose runs has ended yet: long enough that items go to who has few of them, and not to
/// who is a millisecond nearer.
const UNMEASURED: Duration = Duration::from_secs(1);

/// What part of a run it costs to find no free slot, at least: more than the error of measured durations, so that of
/// equal providers none gets an item that has to wait while another has room; little beside true differences of speed.
const NO_SLOT: i64 = 8;

/// How many items may be in flight at a provider: its slots, and as many more as are worked off there during one
/// round trip, but no more than `most` and none that it would refuse. One before it has said how full it is.
fn window(provider: &Provider, rtt: Option<Duration>, most: u32) -> u32 {
    if provider.capacity.is_none() {
        return 1;
    }
    let slots = provider.slots();
    let hidden = match (rtt, provider.service()) {
        (Some(rtt), Some(service)) if !rtt.is_zero() => {
            let rtt = u128::from(rtt.as_nanos().unsigned_abs()) * u128::from(slots);
            let service = u128::from(service.as_nanos().unsigned_abs().max(1));
            rtt.div_ceil(service).min(u128::from(MAX_HIDDEN)) as u32
        }
        _ => 0,
    };
    slots.saturating_add(hidden).min(most).min(provider.limit()).max(1)
}

impl Router {
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
    pub(super) fn dispatch_pool(&mut self, env: &mut Env<'_, '_>, id: MapId) {
        let mut at = 0;
        while let Some(map) = self.maps.get(&id)
            && !map.pool.is_empty()
            && self.sending_room(map) > 0
            && self.anybody(env, map)
        {
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
            let kind = if call.made == 0 { AttemptKind::First } else { AttemptKind::Retry };
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
    }

    pub(super) fn start_item(
        &mut self,
        env: &mut Env<'_, '_>,
        id: MapId,
        item: CallId,
        peer: PeerHandle,
        kind: AttemptKind,
    ) {
        let attempt = self.start(env, item, peer, kind);
        let local = peer == self.me;
        if let (Some(attempt), Some(map)) = (attempt, self.maps.get_mut(&id)) {
            map.live.insert(attempt);
            map.unsent += u64::from(!local);
        }
    }

    /// How many more items may be given out before those that were have left.
    fn sending_room(&self, map: &MapState) -> u64 {
        let providers = self.cache.get(map.function).map_or(0, |entry| entry.providers.len() as u64);
        (MAX_UNSENT + providers).saturating_sub(map.unsent)
    }

    /// An item has left this node.
    pub(super) fn item_sent(&mut self, env: &mut Env<'_, '_>, id: MapId) {
        let Some(map) = self.maps.get(&id) else { return };
        let (function, full) = (map.function, self.sending_room(map) == 0);
        if let Some(map) = self.maps.get_mut(&id) {
            map.unsent = map.unsent.saturating_sub(1);
        }
        if full {
            self.pump(env, function);
        }
    }

    /// True if the provider may get an item of this manycall, room aside.
    pub(super) fn fit(&self, cx: &Context<'_>, now: Time, map: &MapState, provider: &Provider) -> bool {
        let health = self.health.get(provider.health);
        !health.dead && !health.silent(cx.config.faas.probe_misses) && (map.desperate || !health.avoided(now))
    }

    /// True if some provider may get an item now: else the pool need not be searched.
    fn anybody(&self, env: &Env<'_, '_>, map: &MapState) -> bool {
        let entry = self.cache.get(map.function);
        entry.is_some_and(|entry| {
            entry.providers.iter().any(|provider| {
                provider.closed(env.now).is_none() && self.fit(env.cx, env.now, map, provider)
            })
        })
    }

    /// The providers that may get an item, room aside, each with what is free of its window.
    ///
    /// While one of them has not said yet how full it is, or others are looked for, nobody gets more than its share of
    /// what is left: else the first to answer would get all of a short manycall.
    pub(super) fn windows<'e>(
        &'e self,
        cx: &'e Context<'_>,
        now: Time,
        map: &'e MapState,
        entry: &'e Entry,
    ) -> impl Iterator<Item = (&'e Provider, u32)> {
        let fit = move |provider: &&Provider| self.fit(cx, now, map, provider);
        // One that is still looked for is counted as one more.
        let mut unknown = entry.lookup.is_some();
        let mut count = u64::from(unknown);
        if map.items.is_some() {
            for provider in entry.providers.iter().filter(fit) {
                count += 1;
                unknown |= provider.capacity.is_none();
            }
        }
        let share = match map.items {
            Some(items) if unknown => {
                let left = items.saturating_sub(map.received).saturating_add(map.open);
                u32::try_from(left.div_ceil(count)).unwrap_or(u32::MAX)
            }
            _ => u32::MAX,
        };
        let most = cx.config.faas.manycall_window.min(share);
        entry.providers.iter().filter(fit).filter(move |provider| provider.closed(now).is_none()).map(
            move |provider| {
                let here = provider.peer == self.me;
                let rtt = if here { None } else { self.health.get(provider.health).rtt() };
                (provider, window(provider, rtt, most).saturating_sub(provider.in_flight))
            },
        )
    }

    /// How long an item takes there that finds a free slot, where one run takes `service`.
    fn unhindered(&self, provider: &Provider, service: Duration) -> Duration {
        let rtt = self.health.get(provider.health).rtt().unwrap_or_default();
        Duration::from_nanos(rtt.as_nanos().saturating_add(service.as_nanos()))
    }

    /// The same by what has been measured there.
    pub(super) fn measured(&self, provider: &Provider) -> Duration {
        self.unhindered(provider, provider.service().unwrap_or_default())
    }

    /// When an item sent there now would be answered, as far as is known.
    ///
    /// Each that is in flight there counts as its part of a run: beyond the slots that is how long this one waits, and
    /// within them it is how much slower it may run, since slots share a machine. So equal providers fill alike, and a
    /// full one comes after one that has a slot left ([`NO_SLOT`]).
    /// Where no run has ended yet it is taken to be as long as those elsewhere, `typical`.
    fn expected(&self, provider: &Provider, typical: Duration) -> Duration {
        let service = provider.service().unwrap_or(typical);
        let slots = i64::from(provider.slots());
        let in_flight = i64::from(provider.in_flight);
        let shared = service.as_nanos().saturating_mul(in_flight) / slots;
        let waits = if in_flight < slots { 0 } else { service.as_nanos() / NO_SLOT };
        let nanos = self.unhindered(provider, service).as_nanos();
        Duration::from_nanos(nanos.saturating_add(shared).saturating_add(waits))
    }

    /// The free provider that would be quickest for an item (not `but` another).
    pub(super) fn best(
        &self,
        cx: &Context<'_>,
        now: Time,
        map: &MapState,
        call: &CallState,
        but: Option<PeerHandle>,
    ) -> Option<PeerHandle> {
        let entry = self.cache.get(map.function)?;
        let services = entry.providers.iter().filter_map(Provider::service);
        let typical = services.max().unwrap_or(UNMEASURED);
        self.windows(cx, now, map, entry)
            .filter(|(_, free)| *free > 0)
            .map(|(provider, _)| provider)
            .filter(|provider| !call.excluded.contains(&provider.peer) && Some(provider.peer) != but)
            .min_by_key(|provider| self.expected(provider, typical))
            .map(|provider| provider.peer)
    }

    /// Where an item of a `static` split goes now: its own provider; if that one fails, the one with the fewest.
    pub(super) fn assigned(
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
            None => entry.providers.iter().filter(fit).min_by_key(|provider| provider.in_flight)?,
        };
        provider.closed(now).is_none().then_some(provider.peer)
    }

    /// Asks for as many items as there are free places, within the credit.
    pub(super) fn pull(&mut self, cx: &mut Context<'_>, now: Time, id: MapId) {
        let Some(map) = self.maps.get(&id) else { return };
        if map.ended {
            return;
        }
        let want = match map.policy {
            ManycallPolicy::Static => match (&map.split, map.items) {
                (None, _) => 0,
                (Some(list), items) => {
                    // Whom an item goes to is settled; when it is fetched makes no difference to that.
                    let most = list.len() as u64 * u64::from(cx.config.faas.manycall_window);
                    let left = items.map_or(STATIC_BATCH, |items| items.saturating_sub(map.received));
                    left.min(most.saturating_sub(map.open))
                }
            },
            ManycallPolicy::LateBinding | ManycallPolicy::Backup => {
                let Some(entry) = self.cache.get(map.function) else {
                    return;
                };
                let free: u64 = self.windows(cx, now, map, entry).map(|(_, free)| u64::from(free)).sum();
                free.min(self.sending_room(map)).saturating_sub(map.pool.len() as u64)
            }
        };
        self.ask_items(cx, id, want);
    }

    /// Asks for items so that `want` are on their way, within the credit and what there is.
    pub(super) fn ask_items(&mut self, cx: &mut Context<'_>, id: MapId, want: u64) {
        let Some(map) = self.maps.get_mut(&id) else { return };
        let left = map.items.map_or(u64::MAX, |items| items.saturating_sub(map.received + map.asked));
        let count =
            want.saturating_sub(map.asked).min(map.allowance()).min(left).min(u64::from(u32::MAX)) as u32;
        if count > 0 {
            map.asked += u64::from(count);
            cx.emit(Output::PullItems { map: id, count });
        }
    }

    /// True if somebody may take items, now or when it has room again.
    pub(super) fn has_hope(&self, env: &Env<'_, '_>, id: MapId) -> bool {
        let Some(map) = self.maps.get(&id) else {
            return true;
        };
        self.cache.get(map.function).is_some_and(|entry| {
            entry.providers.iter().any(|provider| self.fit(env.cx, env.now, map, provider))
        })
    }

    /// Nobody can take items: look for others, pause, try those that failed, at last give the items up.
    pub(super) fn nobody_for_items(&mut self, env: &mut Env<'_, '_>, id: MapId) {
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
        let outcome = if negative { CallOutcome::NotFound } else { CallOutcome::Unreachable };
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
}
