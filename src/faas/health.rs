//! What a node knows of the peers that it sends calls to: round-trip time, signs of life, failures.

use crate::key::{FunctionHandle, PeerHandle};
use crate::time::{Duration, Time};
use std::collections::BTreeMap;

/// The place of a peer's health in the [`HealthTable`]; valid while a reference to it is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct HealthId(u32);

/// Peers that failed and that nothing refers to are remembered up to this number: a look-up may name them again.
const MAX_REMEMBERED: usize = 1_024;

/// Failures in a row double the time a peer is avoided; beyond this number it stays the same.
const MAX_DOUBLINGS: u32 = 10;

/// However far away a peer is, it is given up after this many times the usual silence.
const MAX_PATIENCE: i64 = 8;
/// So many times the usual patience with a peer that is being dialled: a handshake takes several round trips.
const DIAL_PATIENCE: i64 = 4;

/// The health of one peer.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) peer: PeerHandle,
    /// Cache entries and attempts that refer to it.
    references: u32,
    /// Smoothed round-trip time and its mean deviation, by RFC 6298.
    smoothed: Option<Duration>,
    deviation: Duration,
    /// This node's own attempts there that have not ended.
    pub(super) outstanding: u32,
    /// Failures in a row.
    failures: u32,
    /// Until then it gets calls only if there is nobody else.
    avoid_until: Time,
    /// It gets no calls before it has answered a probe.
    pub(super) dead: bool,
    /// It was asked for a sign of life once, to learn how far away it is.
    pub(super) explored: bool,
    /// The last sign of life, or the moment since when one is expected.
    quiet_since: Time,
    /// None of the attempts there has been sent yet: perhaps it is being dialled.
    dialling: bool,
    /// How long its first connection took; zero if that is not known.
    handshake: Duration,
    /// Probes since `quiet_since`.
    pub(super) misses: u32,
    /// When the timer that watches over it is due.
    pub(super) watch: Option<Time>,
    /// Probes that were not answered, the last one's time and question.
    open_probes: u32,
    probed_at: Time,
    asked: Option<FunctionHandle>,
}

impl Health {
    fn new(peer: PeerHandle) -> Self {
        Health {
            peer,
            references: 0,
            smoothed: None,
            deviation: Duration::ZERO,
            outstanding: 0,
            failures: 0,
            avoid_until: Time::MIN,
            dead: false,
            explored: false,
            quiet_since: Time::MIN,
            dialling: false,
            handshake: Duration::ZERO,
            misses: 0,
            watch: None,
            open_probes: 0,
            probed_at: Time::MIN,
            asked: None,
        }
    }

    /// The smoothed round-trip time; `None` before the first measurement.
    pub(super) fn rtt(&self) -> Option<Duration> {
        self.smoothed
    }

    /// Takes a measured round-trip time (RFC 6298, section 2: α = 1/8, β = 1/4).
    pub(super) fn sample(&mut self, rtt: Duration) {
        match self.smoothed {
            None => {
                self.smoothed = Some(rtt);
                self.deviation = rtt / 2;
            }
            Some(smoothed) => {
                let error = smoothed.saturating_sub(rtt) + rtt.saturating_sub(smoothed);
                self.deviation = mix(self.deviation, error, 4);
                self.smoothed = Some(mix(smoothed, rtt, 8));
            }
        }
    }

    /// A message came from it.
    pub(super) fn alive(&mut self, now: Time) {
        self.quiet_since = now;
        self.misses = 0;
    }

    /// An attempt there begins.
    pub(super) fn begin(&mut self, now: Time) {
        if self.outstanding == 0 {
            self.quiet_since = now;
            self.misses = 0;
            self.dialling = true;
        }
        self.outstanding += 1;
    }

    /// An attempt that began at `start` was sent. If that took a handshake, it is a sign of life, and the time it took a
    /// bound on the round trip. What is sent while others are in flight there took none: were it a sign of life, a
    /// dead peer would live as long as it gets calls.
    pub(super) fn connected(&mut self, start: Time, now: Time) {
        if std::mem::take(&mut self.dialling) && now > start {
            self.handshake = now.since(start);
            self.alive(now);
        }
    }

    /// An attempt there succeeded.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.avoid_until = Time::MIN;
        self.dead = false;
    }

    /// It failed: it is avoided for a while, twice as long with each failure in a row.
    pub(super) fn failed(&mut self, now: Time, avoid: Duration) {
        let factor = 1i64 << self.failures.min(MAX_DOUBLINGS);
        self.avoid_until = now.saturating_add(avoid.saturating_mul(factor));
        self.failures = self.failures.saturating_add(1);
    }

    /// Its connections broke while nothing was in flight there: it must answer before it gets calls again.
    pub(super) fn suspect(&mut self) {
        self.dead = true;
    }

    /// True while it should get calls only if there is nobody else.
    pub(super) fn avoided(&self, now: Time) -> bool {
        self.avoid_until > now
    }

    /// True if it was silent for so long that it should get no new calls, although what is in flight there is not
    /// given up yet (a first connection may take several round trips).
    pub(super) fn silent(&self, probe_misses: u32) -> bool {
        self.outstanding > 0 && self.misses >= probe_misses.max(1)
    }

    /// True when a probe may go out: none did within `interval`.
    pub(super) fn may_probe(&self, now: Time, interval: Duration) -> bool {
        self.open_probes == 0 || self.probed_at.saturating_add(interval) <= now
    }

    /// A probe goes out.
    pub(super) fn probing(&mut self, now: Time, function: Option<FunctionHandle>) {
        self.open_probes = self.open_probes.saturating_add(1);
        self.probed_at = now;
        self.asked = function;
        self.explored = true;
    }

    /// A probe was answered. Says which function the only open probe was about.
    pub(super) fn replied(&mut self, now: Time) -> Option<FunctionHandle> {
        // With several open it is not known which one was answered: no measurement (Karn's rule).
        let only = self.open_probes == 1;
        if only {
            self.sample(now.since(self.probed_at));
        }
        self.open_probes = 0;
        self.alive(now);
        if self.dead {
            self.dead = false;
            self.avoid_until = Time::MIN;
        }
        self.asked.take().filter(|_| only)
    }

    /// What to do for the watched peer now: sleep until an instant, probe it and sleep, or give it up.
    pub(super) fn watch(&mut self, now: Time, interval: Duration, probe_misses: u32) -> Watch {
        let interval = interval.max(Duration::from_nanos(1));
        let next = self.quiet_since.saturating_add(interval.saturating_mul(i64::from(self.misses) + 1));
        if now < next {
            return Watch::Sleep(next);
        }
        let limit = interval.saturating_mul(i64::from(probe_misses.max(1)));
        // The first probe is due after one interval. A peer that is far away has a whole time-out of RFC 6298 to
        // answer it, one that has yet to be connected a
        // multiple of the usual time, one that was just connected as long as that took.
        let patience = match self.smoothed {
            Some(smoothed) => {
                let timeout = smoothed + self.deviation.saturating_mul(4);
                timeout.clamp(limit, limit.saturating_mul(MAX_PATIENCE))
            }
            None if self.dialling => limit,
            None => self.handshake.clamp(limit, limit.saturating_mul(MAX_PATIENCE)),
        };
        let patience = if self.dialling { patience.saturating_mul(DIAL_PATIENCE) } else { patience };
        let end = self.quiet_since.saturating_add(interval).saturating_add(patience);
        if now >= end {
            return Watch::Dead;
        }
        self.misses = self.misses.saturating_add(1);
        Watch::Probe(end.min(now.saturating_add(interval)))
    }
}

/// What the timer that watches over a peer is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Watch {
    /// Nothing until then.
    Sleep(Time),
    /// Ask for a sign of life, and look again then.
    Probe(Time),
    /// Give it up.
    Dead,
}

/// `old` moved one `share`-th of the way to `new`.
pub(super) fn mix(old: Duration, new: Duration, share: i64) -> Duration {
    Duration::from_nanos(old.as_nanos() - old.as_nanos() / share + new.as_nanos() / share)
}

/// The health of all peers that calls were sent to or may be sent to.
#[derive(Debug, Default)]
pub(super) struct HealthTable {
    peers: Vec<Health>,
    free: Vec<u32>,
    index: BTreeMap<PeerHandle, u32>,
    /// Peers without references that are remembered because they failed.
    remembered: usize,
}

impl HealthTable {
    /// The health of a peer, with a reference to it that [`HealthTable::release`] gives back.
    pub(super) fn acquire(&mut self, peer: PeerHandle) -> HealthId {
        let at = match self.index.get(&peer) {
            Some(at) => *at,
            None => {
                let at = match self.free.pop() {
                    Some(at) => {
                        self.peers[at as usize] = Health::new(peer);
                        at
                    }
                    None => {
                        self.peers.push(Health::new(peer));
                        (self.peers.len() - 1) as u32
                    }
                };
                self.index.insert(peer, at);
                self.remembered += 1;
                at
            }
        };
        let health = &mut self.peers[at as usize];
        if health.references == 0 {
            self.remembered -= 1;
        }
        health.references += 1;
        HealthId(at)
    }

    /// Gives a reference back.
    pub(super) fn release(&mut self, id: HealthId) {
        let health = &mut self.peers[id.0 as usize];
        health.references -= 1;
        if health.references > 0 {
            return;
        }
        if health.failures == 0 && !health.dead {
            let peer = health.peer;
            self.index.remove(&peer);
            self.free.push(id.0);
            return;
        }
        self.remembered += 1;
        if self.remembered > MAX_REMEMBERED {
            self.drop_unreferenced();
        }
    }

    fn drop_unreferenced(&mut self) {
        let (peers, free) = (&self.peers, &mut self.free);
        self.index.retain(|_, at| {
            let keep = peers[*at as usize].references > 0;
            if !keep {
                free.push(*at);
            }
            keep
        });
        self.remembered = 0;
    }

    /// Forgets everything but what is in flight.
    pub(super) fn forget(&mut self) {
        self.drop_unreferenced();
        for at in self.index.values() {
            let health = &mut self.peers[*at as usize];
            let mut fresh = Health::new(health.peer);
            fresh.references = health.references;
            fresh.outstanding = health.outstanding;
            fresh.quiet_since = health.quiet_since;
            fresh.dialling = health.dialling;
            fresh.misses = health.misses;
            fresh.watch = health.watch;
            *health = fresh;
        }
    }

    pub(super) fn get(&self, id: HealthId) -> &Health {
        &self.peers[id.0 as usize]
    }

    pub(super) fn get_mut(&mut self, id: HealthId) -> &mut Health {
        &mut self.peers[id.0 as usize]
    }

    /// The health of a peer, if anything is known of it.
    pub(super) fn find(&mut self, peer: PeerHandle) -> Option<&mut Health> {
        let at = *self.index.get(&peer)?;
        Some(&mut self.peers[at as usize])
    }

    /// Every peer that is known.
    pub(super) fn peers(&self) -> impl Iterator<Item = PeerHandle> + '_ {
        self.index.keys().copied()
    }

    /// The functions that open probes are about.
    pub(super) fn asked(&self) -> impl Iterator<Item = FunctionHandle> + '_ {
        self.index.values().filter_map(|at| self.peers[*at as usize].asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> Time {
        Time::from_micros(ms * 1_000)
    }

    const INTERVAL: Duration = Duration::from_millis(250);

    #[test]
    fn round_trips_are_smoothed_as_rfc_6298_says() {
        let mut health = Health::new(PeerHandle::new(1));
        health.sample(Duration::from_millis(80));
        assert_eq!(health.rtt(), Some(Duration::from_millis(80)));
        health.sample(Duration::from_millis(160));
        assert_eq!(health.rtt(), Some(Duration::from_millis(90)));
        assert_eq!(health.deviation, Duration::from_millis(50));
    }

    #[test]
    fn a_silent_peer_is_given_up_after_four_probes() {
        let mut health = Health::new(PeerHandle::new(1));
        health.alive(ms(0));
        health.begin(ms(0));
        health.connected(ms(0), ms(0));
        assert_eq!(health.watch(ms(100), INTERVAL, 4), Watch::Sleep(ms(250)));
        for probe in 1..=4 {
            assert!(!health.silent(4));
            assert_eq!(health.watch(ms(250 * probe), INTERVAL, 4), Watch::Probe(ms(250 * (probe + 1))));
        }
        assert_eq!(health.watch(ms(1_250), INTERVAL, 4), Watch::Dead);
    }

    #[test]
    fn a_peer_never_heard_of_gets_more_time_but_no_new_calls() {
        let mut health = Health::new(PeerHandle::new(1));
        health.begin(ms(0));
        for probe in 1..=16 {
            assert_eq!(health.silent(4), probe > 4);
            assert!(matches!(health.watch(ms(250 * probe), INTERVAL, 4), Watch::Probe(_)), "{probe}");
        }
        assert_eq!(health.watch(ms(4_250), INTERVAL, 4), Watch::Dead);
    }

    #[test]
    fn a_peer_just_connected_has_as_long_as_the_handshake_took() {
        let mut health = Health::new(PeerHandle::new(1));
        health.begin(ms(0));
        health.connected(ms(0), ms(3_000));
        assert!(matches!(health.watch(ms(5_900), INTERVAL, 4), Watch::Probe(_)));
        assert_eq!(health.watch(ms(6_250), INTERVAL, 4), Watch::Dead);
    }

    #[test]
    fn what_is_sent_to_a_dead_peer_is_no_sign_of_its_life() {
        let mut health = Health::new(PeerHandle::new(1));
        health.sample(Duration::from_millis(20));
        for call in 0..125 {
            // A call every 10 ms, which leaves 60 µs after it began: its processor takes that long.
            let start = ms(10 * call);
            health.begin(start);
            health.connected(start, start + Duration::from_micros(60));
            if call % 25 == 0 {
                health.watch(start + Duration::from_millis(1), INTERVAL, 4);
            }
        }
        assert!(health.silent(4));
        assert_eq!(health.watch(ms(1_252), INTERVAL, 4), Watch::Dead);
    }

    #[test]
    fn a_peer_far_away_has_a_round_trip_to_answer() {
        let mut health = Health::new(PeerHandle::new(1));
        for _ in 0..50 {
            health.sample(Duration::from_millis(2_000));
        }
        health.alive(ms(0));
        health.begin(ms(0));
        for probe in 1..=8 {
            assert!(matches!(health.watch(ms(250 * probe), INTERVAL, 4), Watch::Probe(_)), "{probe}");
        }
        health.alive(ms(2_250));
        assert_eq!(health.watch(ms(2_250), INTERVAL, 4), Watch::Sleep(ms(2_500)));
    }

    #[test]
    fn failures_in_a_row_double_the_time_of_avoidance() {
        let mut health = Health::new(PeerHandle::new(1));
        let avoid = Duration::from_secs(5);
        health.failed(ms(0), avoid);
        assert!(health.avoided(ms(4_999)) && !health.avoided(ms(5_000)));
        health.failed(ms(5_000), avoid);
        assert!(health.avoided(ms(14_999)) && !health.avoided(ms(15_000)));
        health.succeeded();
        assert!(!health.avoided(ms(5_000)));
        for _ in 0..100 {
            health.failed(ms(0), Duration::MAX);
        }
        assert!(health.avoided(ms(1_000_000)));
    }

    #[test]
    fn a_failed_peer_is_remembered_without_references_a_healthy_one_is_not() {
        let mut table = HealthTable::default();
        let (good, bad) = (PeerHandle::new(1), PeerHandle::new(2));
        let (a, b) = (table.acquire(good), table.acquire(bad));
        table.get_mut(b).failed(ms(0), Duration::from_secs(5));
        table.release(a);
        table.release(b);
        assert_eq!(table.peers().collect::<Vec<_>>(), [bad]);
        let b = table.acquire(bad);
        assert!(table.get(b).avoided(ms(1)));
        table.forget();
        assert!(!table.get(b).avoided(ms(1)));
        table.release(b);
        assert_eq!(table.peers().count(), 0);
    }

    #[test]
    fn the_memory_for_failed_peers_is_bounded() {
        let mut table = HealthTable::default();
        for peer in 0..5_000 {
            let id = table.acquire(PeerHandle::new(peer));
            table.get_mut(id).failed(ms(0), Duration::from_secs(5));
            table.release(id);
        }
        assert!(table.index.len() <= MAX_REMEMBERED + 1);
        assert!(table.peers.len() <= MAX_REMEMBERED + 2);
    }
}
