//! What a node announces, and what it does for itself: joining, refreshing, announcing again.

use super::Preimage;
use super::behaviour::{Kad, Phase, function_target};
use super::lookup::Goal;
use super::message::{Record, Request, Target};
use super::wire;
use crate::context::Context;
use crate::draws::Purpose;
use crate::io::{LookupPurpose, LookupReport, Output};
use crate::key::{FunctionHandle, Key, PeerHandle};
use crate::time::{Duration, Time};

/// The first pause after a join that reached nobody; doubles up to [`JOIN_RETRY_MAX`].
const JOIN_RETRY: Duration = Duration::from_secs(1);
/// The longest such pause.
const JOIN_RETRY_MAX: Duration = Duration::from_secs(60);
/// When a node that knows fewer than k others after joining looks for its neighbours again. A node is named to others
/// only once it is known to answer requests, which identify says after its first one: of two that join through the same
/// node before that, neither hears of the other.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// When to announce again what could be announced to nobody.
const LONELY_RETRY: Duration = Duration::from_secs(5);
/// Made-up ids tried for one that falls into a bucket, as in rust-libp2p's bootstrap.
const TRIALS: u64 = 16;
/// Buckets for which ids are made up: 16 trials hit bucket 2 in 88 % of cases, deeper ones less and less. There the
/// id of a known member is looked for instead.
const MADE_UP_BUCKETS: usize = 3;

/// Draws under [`Purpose::TIMER`]: blocks below this number are the joins' pauses.
const REPUBLISH_DRAWS: u32 = 1 << 16;

/// What a node has that joined by the protocol or hosts functions.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) bootstrap: Vec<PeerHandle>,
    hosted: Vec<Hosted>,
    /// The earliest `next` of the hosted.
    pub(super) next_at: Time,
    /// Joins that reached nobody, in a row.
    failed_joins: u32,
}

#[derive(Debug)]
struct Hosted {
    function: FunctionHandle,
    /// When to announce it; [`Time::MAX`] before joining and while it is being announced for the first time.
    next: Time,
    announced: bool,
}

impl Default for Home {
    fn default() -> Self {
        Home { bootstrap: Vec::new(), hosted: Vec::new(), next_at: Time::MAX, failed_joins: 0 }
    }
}

impl Home {
    /// The functions that are announced.
    pub(super) fn functions(&self) -> impl Iterator<Item = FunctionHandle> + '_ {
        self.hosted.iter().map(|hosted| hosted.function)
    }

    fn plan(&mut self) {
        self.next_at = self.hosted.iter().map(|hosted| hosted.next).min().unwrap_or(Time::MAX);
    }
}

impl Kad {
    pub(crate) fn join(&mut self, cx: &mut Context<'_>, now: Time, mut bootstrap: Vec<PeerHandle>) {
        bootstrap.retain(|peer| *peer != self.me);
        let home = self.home.get_or_insert_default();
        home.bootstrap = bootstrap;
        home.failed_joins = 0;
        self.phase = Phase::Joining;
        self.begin_join(cx, now);
        self.reschedule();
    }

    /// Looks for the own key, from the bootstrap peers.
    pub(super) fn begin_join(&mut self, cx: &mut Context<'_>, now: Time) {
        self.refresh_at = Time::MAX;
        let seeds = self.home.as_ref().map_or(Vec::new(), |home| home.bootstrap.clone());
        if seeds.is_empty() && self.table.is_empty() {
            // The first of its network.
            self.joined(cx, now);
            return;
        }
        let target = self.own_target(cx);
        self.start(cx, now, target, Goal::Join(None), LookupPurpose::Join, &seeds);
    }

    /// A look-up of joining is over. The next refreshes the bucket before those that are done, nearest first: the
    /// look-up of the own key has met everybody in the nearest ones (as rust-libp2p's bootstrap).
    pub(super) fn continue_join(&mut self, cx: &mut Context<'_>, now: Time, left: Option<u8>) {
        let left = match left {
            Some(left) => usize::from(left),
            None if self.table.is_empty() => {
                self.join_failed(cx, now);
                return;
            }
            None => self.table.nearest_buckets(cx.config.kad.k),
        };
        let Some(bucket) = left.checked_sub(1) else {
            self.joined(cx, now);
            return;
        };
        let target = self.target_in(cx, now, bucket);
        // At most 256 buckets.
        let goal = Goal::Join(Some(bucket as u8));
        self.start(cx, now, target, goal, LookupPurpose::Refresh, &[]);
    }

    /// Nobody answered: again after a pause, with jitter, so that a whole network does not come back at once.
    fn join_failed(&mut self, cx: &Context<'_>, now: Time) {
        let home = self.home.get_or_insert_default();
        let doublings = home.failed_joins.min(6);
        home.failed_joins = home.failed_joins.saturating_add(1);
        let pause = JOIN_RETRY.saturating_mul(1 << doublings).min(JOIN_RETRY_MAX);
        let block = home.failed_joins.min(REPUBLISH_DRAWS - 1);
        let jitter = cx.draws.stream_at(Purpose::TIMER, cx.identity, block).unit();
        self.refresh_at = now.saturating_add(pause.mul_f64(0.5 + 0.5 * jitter));
    }

    fn joined(&mut self, cx: &mut Context<'_>, now: Time) {
        if self.phase == Phase::Joining {
            cx.emit(Output::Joined);
        }
        self.begin_upkeep(cx, now);
        if self.table.len() < cx.config.kad.k {
            self.refresh_at = self.refresh_at.min(now.saturating_add(LOOK_AGAIN));
        }
        let home = self.home.get_or_insert_default();
        home.failed_joins = 0;
        let waiting: Vec<FunctionHandle> =
            home.hosted.iter().filter(|hosted| !hosted.announced).map(|hosted| hosted.function).collect();
        for function in waiting {
            self.announce(cx, now, function, LookupPurpose::Announce);
        }
    }

    /// A member from now on; where in the period of its refreshes is drawn.
    fn begin_upkeep(&mut self, cx: &Context<'_>, now: Time) {
        self.phase = Phase::Joined;
        let mut draws = cx.draws.stream(Purpose::TIMER, cx.identity);
        let pause = self.refresh_pause(cx);
        self.refresh_at = now.saturating_add(pause.mul_f64(draws.unit_positive()));
        self.step = draws.below(256) as u8;
    }

    /// A full refresh is a look-up for each bucket before the nearest ones and one for the own key; they are spread
    /// evenly over the interval.
    fn refresh_pause(&self, cx: &Context<'_>) -> Duration {
        let steps = self.table.nearest_buckets(cx.config.kad.k) + 1;
        cx.config.kad.refresh_interval / steps as i64
    }

    /// One step of the periodic refresh.
    pub(super) fn refresh(&mut self, cx: &mut Context<'_>, now: Time) {
        // A refresh of no length would never let time go on.
        let pause = self.refresh_pause(cx).max(Duration::from_millis(1));
        let planned = self.refresh_at.saturating_add(pause);
        self.refresh_at = if planned > now { planned } else { now.saturating_add(pause) };
        if self.table.is_empty() {
            if self.home.as_ref().is_some_and(|home| !home.bootstrap.is_empty()) {
                self.phase = Phase::Rejoining;
                self.begin_join(cx, now);
            }
            return;
        }
        let nearest = self.table.nearest_buckets(cx.config.kad.k);
        let step = usize::from(self.step) % (nearest + 1);
        self.step = ((step + 1) % (nearest + 1)) as u8;
        let buckets = if step == nearest { nearest..self.table.buckets() } else { step..step + 1 };
        for peer in self.table.suspects(buckets) {
            // Stock peers do not answer PING (rust-libp2p's handler refuses it; the specification deprecates it).
            let request = match cx.config.kad.extensions {
                true => Request::Ping,
                false => Request::FindNode(self.own_target(cx)),
            };
            self.ask(cx, now, peer, request);
        }
        if step == nearest {
            let target = self.own_target(cx);
            self.start(cx, now, target, Goal::Closest, LookupPurpose::Refresh, &[]);
            return;
        }
        let bit = 1u32.checked_shl(step as u32).unwrap_or(0);
        if self.touched & bit != 0 {
            // A look-up went that way since the last time.
            self.touched &= !bit;
            return;
        }
        let target = self.target_in(cx, now, step);
        self.start(cx, now, target, Goal::Closest, LookupPurpose::Refresh, &[]);
    }

    fn own_target(&self, cx: &Context<'_>) -> Target {
        Target { key: cx.peers.key(self.me), preimage: Preimage::Peer(self.me) }
    }

    /// A target in `bucket`: a made-up id, or where those rarely fall a known member's.
    fn target_in(&self, cx: &Context<'_>, now: Time, bucket: usize) -> Target {
        let mut draws = cx.draws.stream_at(Purpose::REFRESH, cx.identity, now.as_micros() as u32);
        let members = self.table.bucket(bucket).count() as u64;
        if bucket >= MADE_UP_BUCKETS && members > 0 {
            let chosen = draws.below(members) as usize;
            if let Some((peer, _)) = self.table.bucket(bucket).nth(chosen) {
                return Target { key: cx.peers.key(peer), preimage: Preimage::Peer(peer) };
            }
        }
        let own = cx.peers.key(self.me);
        let mut target = Target::random(draws.next_u64());
        for _ in 1..TRIALS {
            if own.common_prefix(&target.key) as usize == bucket {
                break;
            }
            target = Target::random(draws.next_u64());
        }
        target
    }

    /// Announces a function now and again until `unprovide`. A node that has not joined yet does it once it has.
    pub fn provide(&mut self, cx: &mut Context<'_>, now: Time, function: FunctionHandle) {
        let home = self.home.get_or_insert_default();
        if home.hosted.iter().any(|hosted| hosted.function == function) {
            return;
        }
        home.hosted.push(Hosted { function, next: Time::MAX, announced: false });
        if self.phase == Phase::Joined {
            self.announce(cx, now, function, LookupPurpose::Announce);
        }
        self.reschedule();
    }

    /// Withdraws a function.
    pub fn unprovide(&mut self, cx: &mut Context<'_>, now: Time, function: FunctionHandle) {
        let Some(home) = &mut self.home else {
            return;
        };
        let before = home.hosted.len();
        home.hosted.retain(|hosted| hosted.function != function);
        home.plan();
        if home.hosted.len() < before && cx.config.kad.extensions && !self.table.is_empty() {
            let target = function_target(cx, function);
            self.start(cx, now, target, Goal::Withdraw, LookupPurpose::Announce, &[]);
        }
        self.reschedule();
    }

    fn announce(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        function: FunctionHandle,
        purpose: LookupPurpose,
    ) {
        if self.table.is_empty() {
            self.plan_announcement(function, now.saturating_add(LONELY_RETRY), false);
            return;
        }
        let target = function_target(cx, function);
        self.start(cx, now, target, Goal::Announce(function), purpose, &[]);
    }

    fn plan_announcement(&mut self, function: FunctionHandle, next: Time, announced: bool) {
        if let Some(home) = &mut self.home
            && let Some(hosted) = home.hosted.iter_mut().find(|hosted| hosted.function == function)
        {
            hosted.next = next;
            hosted.announced |= announced;
            home.plan();
        }
    }

    /// The look-up of an announcement is over: the closest are told.
    pub(super) fn announce_to(
        &mut self,
        cx: &mut Context<'_>,
        function: FunctionHandle,
        report: &LookupReport,
    ) {
        let Some(hosted) = self.hosted(function) else {
            return;
        };
        let first = !hosted.announced;
        if report.closest.is_empty() {
            self.plan_announcement(function, report.done.saturating_add(LONELY_RETRY), false);
            return;
        }
        for peer in &report.closest {
            self.tell(cx, *peer, Request::AddProvider(report.target.clone()));
        }
        if first {
            let block = (report.target.key.prefix() as u32).max(REPUBLISH_DRAWS);
            let phase = cx.draws.stream_at(Purpose::TIMER, cx.identity, block).unit();
            let pause = cx.config.kad.republish_interval.mul_f64(0.5 + 0.5 * phase);
            self.plan_announcement(function, report.done.saturating_add(pause), true);
        }
    }

    fn hosted(&self, function: FunctionHandle) -> Option<&Hosted> {
        self.home.as_ref()?.hosted.iter().find(|hosted| hosted.function == function)
    }

    /// Announces again what is due.
    pub(super) fn republish(&mut self, cx: &mut Context<'_>, now: Time) {
        let Some(home) = &mut self.home else {
            return;
        };
        let pause = cx.config.kad.republish_interval.max(Duration::from_secs(1));
        let mut due = Vec::new();
        for hosted in home.hosted.iter_mut().filter(|hosted| hosted.next <= now) {
            hosted.next = now.saturating_add(pause);
            due.push((hosted.function, hosted.announced));
        }
        home.plan();
        for (function, announced) in due {
            let purpose = if announced { LookupPurpose::Republish } else { LookupPurpose::Announce };
            self.announce(cx, now, function, purpose);
        }
    }

    /// The look-up for storing a value is over: the closest are asked to keep it, this node too if it is one of them.
    pub(super) fn put_to(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        record: Box<Record>,
        report: &LookupReport,
    ) {
        for peer in &report.closest {
            self.ask(cx, now, *peer, Request::PutValue(record.clone()));
        }
        let among_closest = match report.closest.last() {
            Some(last) if report.closest.len() >= cx.config.kad.k => {
                cx.peers.cmp_distance(&report.target.key, self.me, *last).is_lt()
            }
            _ => true,
        };
        if among_closest {
            self.keep_value(cx, now, record);
        }
    }

    /// The providers of `key` for one answer, and how many there are in all, the asker left out.
    ///
    /// Where they do not fit one answer, each asker gets them in an order of its own at each holder, so that the first
    /// pages of k holders together are a wide sample, and the pages of one holder have all.
    pub(super) fn providers_answer(
        &self,
        cx: &Context<'_>,
        now: Time,
        asker: PeerHandle,
        key: &Key,
        page: u16,
    ) -> (Vec<PeerHandle>, u32) {
        let mut list: Vec<PeerHandle> = match &self.store {
            Some(store) => {
                store.providers(key, now).filter(|peer| *peer != asker && *peer != self.me).collect()
            }
            None => Vec::new(),
        };
        let hosts = |hosted: &Hosted| cx.functions.get(hosted.function).key == *key;
        if self.home.as_ref().is_some_and(|home| home.hosted.iter().any(hosts)) {
            list.push(self.me);
        }
        let total = list.len() as u32;
        let size = wire::providers_per_answer(&cx.config.kad);
        if list.len() > size {
            let pair = cx.peers.prefix(self.me) ^ cx.peers.prefix(asker).rotate_left(32);
            let seed = cx.draws.stream(Purpose::SAMPLE, pair).next_u64();
            list.sort_unstable_by_key(|peer| (mix(seed ^ cx.peers.prefix(*peer)), *peer));
        }
        let start = usize::from(page).saturating_mul(size).min(list.len());
        let end = start.saturating_add(size).min(list.len());
        list.truncate(end);
        list.drain(..start);
        (list, total)
    }

    /// Makes this node a settled member at once: a driver's `converged` start. `peers` are its table, bucket by
    /// bucket, the farthest (0) first, least recently seen first in each; `lens` are the buckets' sizes. The phase of
    /// the periodic refresh is drawn uniformly.
    ///
    /// Panics if the sizes do not add up; debug builds check that each peer is in its bucket.
    pub fn settle(&mut self, cx: &Context<'_>, now: Time, peers: &[PeerHandle], lens: &[u8]) {
        self.table.fill(self.me, peers, lens, cx.peers);
        self.begin_upkeep(cx, now);
        self.reschedule();
    }

    /// As part of a settled start: marks an entry of the table stale.
    pub fn settle_stale(&mut self, cx: &Context<'_>, peer: PeerHandle) {
        self.table.suspect(self.me, peer, cx.peers);
    }

    /// As part of a settled start: this node has announced `function` and does it again at `next`.
    pub fn settle_provided(&mut self, function: FunctionHandle, next: Time) {
        let home = self.home.get_or_insert_default();
        home.hosted.retain(|hosted| hosted.function != function);
        home.hosted.push(Hosted { function, next, announced: true });
        home.plan();
        self.reschedule();
    }

    /// Keeps a provider record, as an announcement does. Returns false where a limit forbids it.
    pub fn insert_provider(
        &mut self,
        cx: &Context<'_>,
        now: Time,
        key: Key,
        provider: PeerHandle,
        expires: Time,
    ) -> bool {
        let store = self.store.get_or_insert_default();
        let kept = store.add_provider(key, provider, expires, now, &cx.config.kad);
        self.reschedule();
        kept
    }
}

/// Scrambles 64 bits (the finalizer of SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}
