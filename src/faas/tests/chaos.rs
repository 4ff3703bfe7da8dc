//! Whatever a driver tells, in whatever order and however often: every call ends once, nothing panics.

use crate::context::{self, Capacity, Context, FunctionTable, Outputs, Timing};
use crate::draws::Draws;
use crate::faas::{AnycallPolicy, Discovery, Faas, ManycallPolicy};
use crate::io::{
    AttemptEvent, AttemptFailure, AttemptId, AttemptReport, Call, CallId, CallOutcome, CallReport, Map,
    MapId, Output, Started,
};
use crate::kad::Kad;
use crate::key::{FunctionHandle, KeyTable, PeerHandle};
use crate::time::{Duration, Time};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const ME: PeerHandle = PeerHandle::new(0);

#[derive(Clone, Debug)]
enum Op {
    Call {
        policy: u8,
        function: u32,
        patience: i64,
        idempotent: bool,
        replayable: bool,
        local: Option<Capacity>,
    },
    Cancel(u8),
    Map {
        policy: u8,
        function: u32,
        items: Option<u64>,
        credit: Option<u32>,
    },
    /// What was asked for by `PullItems`, or one that was not.
    Item {
        map: u8,
        patience: i64,
        asked: bool,
    },
    ItemsEnd(u8),
    Taken(u8, u32),
    CancelMap(u8),
    Resolved {
        function: u32,
        providers: Vec<u32>,
        done: bool,
    },
    /// News of the n-th attempt ever made, over or not.
    News(u8, AttemptEvent),
    ProbeReply(u32, Option<(u32, Capacity)>),
    Disconnected(u32),
    /// Time passes; the timeout is served late by that much.
    Pass(i64),
    Unhost(u32),
    Forget,
}

fn capacity() -> impl Strategy<Value = Capacity> {
    let number = prop_oneof![6 => 0u32..5, 1 => Just(u32::MAX)];
    (number.clone(), number.clone(), number.clone(), number)
        .prop_map(|(slots, running, queued, queue_limit)| Capacity { slots, running, queued, queue_limit })
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (0i64..2_000).prop_map(Duration::from_millis),
        1 => Just(Duration::MAX),
        1 => Just(Duration::ZERO)
    ]
}

fn news() -> impl Strategy<Value = AttemptEvent> {
    let timing =
        (duration(), duration(), duration()).prop_map(|(queue, cold, exec)| Timing { queue, cold, exec });
    let reason = prop_oneof![
        Just(AttemptFailure::Dial),
        Just(AttemptFailure::Lost),
        Just(AttemptFailure::NotHosted),
        proptest::option::of(duration()).prop_map(|retry_after| AttemptFailure::Full { retry_after }),
        Just(AttemptFailure::Runtime),
        Just(AttemptFailure::Cancelled),
        Just(AttemptFailure::Timeout),
    ];
    let started = prop_oneof![3 => Just(Started::No), 1 => Just(Started::Maybe), 1 => Just(Started::Yes)];
    prop_oneof![
        3 => Just(AttemptEvent::Sent),
        3 => capacity().prop_map(|capacity| AttemptEvent::Accepted { capacity }),
        1 => Just(AttemptEvent::Head),
        4 => (200u16..600, timing, capacity())
            .prop_map(|(status, timing, capacity)| AttemptEvent::Finished { status, timing, capacity }),
        4 => (reason, started, proptest::option::of(capacity()))
            .prop_map(|(reason, started, capacity)| AttemptEvent::Failed { reason, started, capacity }),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let local = proptest::option::weighted(0.3, capacity());
    prop_oneof![
        6 => (0u8..10, 0u32..2, 0i64..5_000, any::<bool>(), any::<bool>(), local).prop_map(
            |(policy, function, patience, idempotent, replayable, local)| Op::Call {
                policy, function, patience, idempotent, replayable, local,
            }
        ),
        1 => any::<u8>().prop_map(Op::Cancel),
        2 => (0u8..3, 0u32..2, proptest::option::of(0u64..20), proptest::option::of(0u32..10))
            .prop_map(|(policy, function, items, credit)| Op::Map { policy, function, items, credit }),
        6 => (any::<u8>(), 0i64..5_000, prop::bool::weighted(0.9))
            .prop_map(|(map, patience, asked)| Op::Item { map, patience, asked }),
        1 => any::<u8>().prop_map(Op::ItemsEnd),
        1 => (any::<u8>(), 0u32..5).prop_map(|(map, count)| Op::Taken(map, count)),
        1 => any::<u8>().prop_map(Op::CancelMap),
        5 => (0u32..2, prop::collection::vec(0u32..6, 0..5), any::<bool>())
            .prop_map(|(function, providers, done)| Op::Resolved { function, providers, done }),
        14 => (any::<u8>(), news()).prop_map(|(attempt, news)| Op::News(attempt, news)),
        2 => (0u32..6, proptest::option::of((0u32..2, capacity()))).prop_map(|(peer, c)| Op::ProbeReply(peer, c)),
        1 => (0u32..6).prop_map(Op::Disconnected),
        6 => prop_oneof![Just(0i64), 1i64..300, 300i64..5_000].prop_map(Op::Pass),
        1 => (0u32..2).prop_map(Op::Unhost),
        1 => Just(Op::Forget),
    ]
}

struct Driver {
    faas: Faas,
    kad: Kad,
    config: context::Config,
    peers: KeyTable,
    functions: FunctionTable,
    draws: Draws,
    out: Outputs,
    now: Time,
    next: u64,
    /// Calls and items that were given, and whether they may run twice.
    given: BTreeMap<CallId, bool>,
    ended: BTreeMap<CallId, CallReport>,
    attempts: Vec<(AttemptId, CallId, Time)>,
    reports: BTreeMap<AttemptId, AttemptReport>,
    maps: Vec<(MapId, u64)>,
    open_maps: BTreeSet<MapId>,
}

impl Driver {
    fn new(probe_first: bool, entry_queue: usize) -> Self {
        let mut config = context::Config::default();
        config.faas.discovery = Discovery::Driver;
        config.faas.probe_first = probe_first;
        config.faas.entry_queue = entry_queue;
        config.faas.attempt_timeout = probe_first.then(|| Duration::from_millis(700));
        config.faas.cache_functions = 1;
        let mut functions = FunctionTable::default();
        functions.push("a", false);
        functions.push("b", true);
        Driver {
            faas: Faas::new(ME),
            kad: Kad::new(ME),
            config,
            peers: KeyTable::new(),
            functions,
            draws: Draws::new(3, 0),
            out: Outputs::default(),
            now: Time::ZERO,
            next: 0,
            given: BTreeMap::new(),
            ended: BTreeMap::new(),
            attempts: Vec::new(),
            reports: BTreeMap::new(),
            maps: Vec::new(),
            open_maps: BTreeSet::new(),
        }
    }

    fn input(&mut self, act: impl FnOnce(&mut Faas, &mut Context<'_>, Time, &mut Kad)) {
        let mut cx = Context {
            identity: 1,
            config: &self.config,
            peers: &self.peers,
            functions: &self.functions,
            draws: &self.draws,
            out: &mut self.out,
        };
        act(&mut self.faas, &mut cx, self.now, &mut self.kad);
        while let Some(output) = self.out.queue.pop_front() {
            match output {
                Output::Attempt(attempt) => {
                    assert!(self.given.contains_key(&attempt.call));
                    assert!(!self.ended.contains_key(&attempt.call), "an attempt for a call that is over");
                    let repeatable = self.given[&attempt.call];
                    for (earlier, call, _) in &self.attempts {
                        assert_ne!(*earlier, attempt.id);
                        if *call == attempt.call && !repeatable {
                            let report = self.reports.get(earlier);
                            assert_eq!(report.map(|report| report.started), Some(Started::No), "run twice");
                        }
                    }
                    self.attempts.push((attempt.id, attempt.call, self.now));
                }
                Output::AttemptDone(report) => {
                    assert!(self.attempts.iter().any(|(id, ..)| *id == report.id));
                    assert!(self.reports.insert(report.id, *report).is_none(), "an attempt ended twice");
                }
                Output::CallDone(report) => {
                    assert!(self.given.contains_key(&report.call));
                    if let Some(winner) = report.winner {
                        let (_, call, start) = *self.attempts.iter().find(|(id, ..)| *id == winner).unwrap();
                        assert_eq!(call, report.call);
                        let parts = report.lookup + report.dispatch + report.retry;
                        assert_eq!(parts, start.since(report.received));
                        assert!(self.reports[&winner].won);
                    }
                    assert!(self.ended.insert(report.call, *report).is_none(), "a call ended twice");
                }
                Output::PullItems { map, count } => {
                    assert!(count > 0);
                    if let Some((_, asked)) = self.maps.iter_mut().find(|(id, _)| *id == map) {
                        *asked += u64::from(count);
                    }
                }
                Output::MapDone { map } => assert!(self.open_maps.remove(&map), "a manycall ended twice"),
                _ => {}
            }
        }
    }

    fn call(&mut self, function: u32, patience: i64, idempotent: Option<bool>, replayable: bool) -> Call {
        self.next += 1;
        let function = FunctionHandle(function);
        let id = CallId(self.next);
        let runs_twice = idempotent.unwrap_or(self.functions.get(function).idempotent) && replayable;
        self.given.insert(id, runs_twice);
        Call {
            id,
            function,
            policy: None,
            deadline: self.now + Duration::from_millis(patience),
            idempotent,
            replayable,
            local: None,
        }
    }

    fn pick_map(&self, n: u8) -> Option<MapId> {
        let at = usize::from(n).checked_rem(self.maps.len())?;
        Some(self.maps[at].0)
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Call { policy, function, patience, idempotent, replayable, local } => {
                let mut call = self.call(function, patience, Some(idempotent), replayable);
                call.policy = Some(AnycallPolicy::NAMES[usize::from(policy)].0);
                call.local = local;
                self.input(|faas, cx, now, kad| faas.call(cx, now, kad, Box::new(call.clone())));
                // The same again while it is open, or after it.
                if !self.ended.contains_key(&call.id) {
                    self.input(|faas, cx, now, kad| faas.call(cx, now, kad, Box::new(call)));
                }
            }
            Op::Cancel(n) => {
                let id = CallId(u64::from(n) % (self.next + 1));
                self.input(|faas, cx, now, _| faas.cancel_call(cx, now, id));
            }
            Op::Map { policy, function, items, credit } => {
                let id = MapId(self.maps.len() as u64);
                self.maps.push((id, 0));
                self.open_maps.insert(id);
                let map = Map {
                    id,
                    function: FunctionHandle(function),
                    policy: Some(ManycallPolicy::NAMES[usize::from(policy)].0),
                    items,
                    credit,
                    local: None,
                };
                self.input(|faas, cx, now, kad| faas.map(cx, now, kad, Box::new(map)));
            }
            Op::Item { map, patience, asked } => {
                let Some(id) = self.pick_map(map) else { return };
                let place = self.maps.iter_mut().find(|(map, _)| *map == id).unwrap();
                if asked {
                    if place.1 == 0 {
                        return;
                    }
                    place.1 -= 1;
                }
                let item = self.call(1, patience, None, true);
                self.input(|faas, cx, now, kad| faas.item(cx, now, kad, id, Box::new(item)));
            }
            Op::ItemsEnd(n) => {
                let Some(id) = self.pick_map(n) else { return };
                self.input(|faas, cx, now, kad| faas.items_end(cx, now, kad, id));
            }
            Op::Taken(n, count) => {
                let Some(id) = self.pick_map(n) else { return };
                self.input(|faas, cx, now, _| faas.results_taken(cx, now, id, count));
            }
            Op::CancelMap(n) => {
                let Some(id) = self.pick_map(n) else { return };
                self.input(|faas, cx, now, _| faas.cancel_map(cx, now, id));
            }
            Op::Resolved { function, providers, done } => {
                let providers: Vec<_> = providers.into_iter().map(PeerHandle::new).collect();
                let function = FunctionHandle(function);
                self.input(|faas, cx, now, kad| faas.resolved(cx, now, kad, function, providers, done));
            }
            Op::News(n, event) => {
                // Mostly of the latest attempts.
                let Some(at) = usize::from(n).checked_rem(self.attempts.len()) else {
                    return;
                };
                let at = if n % 2 == 0 { self.attempts.len() - 1 - at.min(3) } else { at };
                let id = self.attempts[at].0;
                self.input(|faas, cx, now, kad| faas.attempt(cx, now, kad, id, event));
            }
            Op::ProbeReply(peer, capacity) => {
                let capacity = capacity.map(|(function, capacity)| (FunctionHandle(function), capacity));
                let peer = PeerHandle::new(peer);
                self.input(|faas, cx, now, kad| faas.probe_reply(cx, now, kad, peer, capacity));
            }
            Op::Disconnected(peer) => {
                let peer = PeerHandle::new(peer);
                self.input(|faas, cx, now, kad| faas.on_disconnected(cx, now, kad, peer));
            }
            Op::Pass(ms) => {
                self.now += Duration::from_millis(ms);
                self.input(|faas, cx, now, kad| faas.on_timeout(cx, now, kad));
                let next = self.faas.next_timeout().map(|(at, _)| at);
                assert!(next.is_none_or(|at| at > self.now), "a deadline that has come is not served");
            }
            Op::Unhost(function) => {
                self.input(|faas, cx, now, kad| faas.unhost(cx, now, kad, FunctionHandle(function)));
            }
            Op::Forget => self.faas.forget_providers(),
        }
        self.faas.mark(&mut |_| {});
    }

    fn end(&mut self) {
        for (id, _) in self.maps.clone() {
            self.input(|faas, cx, now, kad| faas.items_end(cx, now, kad, id));
        }
        // Every deadline passes.
        self.apply(Op::Pass(20_000));
        assert_eq!(self.faas.open_calls(), 0);
        assert!(self.given.keys().eq(self.ended.keys()), "a call did not end");
        assert!(self.open_maps.is_empty(), "a manycall did not end: {:?}", self.open_maps);
        for (id, ..) in self.attempts.clone() {
            let event = AttemptEvent::Failed {
                reason: AttemptFailure::Cancelled,
                started: Started::Maybe,
                capacity: None,
            };
            self.input(|faas, cx, now, kad| faas.attempt(cx, now, kad, id, event));
        }
        assert_eq!(self.reports.len(), self.attempts.len());
        // Nothing is left that would wake the node for ever.
        for _ in 0..100 {
            self.apply(Op::Pass(60_000));
        }
        assert_eq!(self.faas.next_timeout(), None);
    }
}

/// One call, two known providers.
fn one_call(idempotent: bool, replayable: bool) -> (Driver, CallId) {
    let mut driver = Driver::new(false, 10);
    let call = driver.call(0, 60_000, Some(idempotent), replayable);
    let id = call.id;
    driver.input(|faas, cx, now, kad| faas.call(cx, now, kad, Box::new(call)));
    driver.apply(Op::Resolved { function: 0, providers: vec![1, 2], done: true });
    (driver, id)
}

fn tell(driver: &mut Driver, attempt: usize, event: AttemptEvent) {
    let id = driver.attempts[attempt].0;
    driver.input(|faas, cx, now, kad| faas.attempt(cx, now, kad, id, event));
}

fn failed(reason: AttemptFailure, started: Started) -> AttemptEvent {
    AttemptEvent::Failed { reason, started, capacity: None }
}

#[test]
fn nothing_is_retried_after_the_first_byte_of_the_answer() {
    let (mut driver, id) = one_call(true, true);
    tell(&mut driver, 0, AttemptEvent::Sent);
    tell(&mut driver, 0, AttemptEvent::Head);
    tell(&mut driver, 0, failed(AttemptFailure::Lost, Started::Yes));
    assert_eq!(driver.ended[&id].outcome, CallOutcome::Truncated);
    assert_eq!(driver.attempts.len(), 1);
}

#[test]
fn a_body_that_is_not_kept_is_sent_once() {
    let (mut driver, id) = one_call(true, false);
    // The dial failed: nobody has read of it.
    tell(&mut driver, 0, failed(AttemptFailure::Dial, Started::No));
    assert_eq!(driver.attempts.len(), 2);
    tell(&mut driver, 1, AttemptEvent::Sent);
    let full = AttemptFailure::Full { retry_after: None };
    tell(&mut driver, 1, failed(full, Started::No));
    assert_eq!(driver.ended[&id].outcome, CallOutcome::Unreachable);
    assert_eq!(driver.attempts.len(), 2);
}

#[test]
fn a_refusal_is_retried_even_if_the_call_must_not_run_twice() {
    let (mut driver, id) = one_call(false, true);
    tell(&mut driver, 0, AttemptEvent::Sent);
    tell(&mut driver, 0, failed(AttemptFailure::Full { retry_after: None }, Started::No));
    assert_eq!(driver.attempts.len(), 2);
    tell(&mut driver, 1, failed(AttemptFailure::Runtime, Started::Maybe));
    assert_eq!(driver.ended[&id].outcome, CallOutcome::Unknown);
}

#[test]
fn who_waits_for_room_at_a_provider_that_dies_looks_for_another() {
    let (mut driver, id) = one_call(true, true);
    for attempt in 0..2 {
        tell(
            &mut driver,
            attempt,
            failed(AttemptFailure::Full { retry_after: Some(Duration::from_secs(30)) }, Started::No),
        );
    }
    driver.apply(Op::Disconnected(1));
    driver.apply(Op::Disconnected(2));
    assert_eq!(driver.attempts.len(), 2);
    driver.apply(Op::Resolved { function: 0, providers: vec![1, 2, 3], done: true });
    assert_eq!(driver.attempts.len(), 3);
    let finished =
        AttemptEvent::Finished { status: 200, timing: Timing::default(), capacity: Capacity::default() };
    tell(&mut driver, 2, finished);
    assert_eq!(driver.ended[&id].provider, Some(PeerHandle::new(3)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn every_call_ends_once_whatever_comes(
        ops in prop::collection::vec(op(), 1..120),
        probe_first: bool,
        entry_queue in 0usize..4,
    ) {
        let mut driver = Driver::new(probe_first, entry_queue);
        for op in ops {
            driver.apply(op);
        }
        driver.end();
    }
}
