//! A world for tests: one entry node under a virtual clock, and providers with slots, a queue, a speed and a
//! distance. Discovery is the driver's own, so that Kademlia plays no part.

use super::{Config, Discovery, Faas};
use crate::context::{self, Capacity, Context, FunctionTable, Outputs, Timing};
use crate::draws::Draws;
use crate::io::{
    AttemptEvent, AttemptFailure, AttemptId, AttemptReport, Call, CallId, CallOutcome, CallReport, Map,
    MapId, Output, Started,
};
use crate::kad::Kad;
use crate::key::{FunctionHandle, KeyTable, PeerHandle};
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, VecDeque};

pub(super) const FUNCTION: FunctionHandle = FunctionHandle(0);
/// The entry node.
pub(super) const ME: PeerHandle = PeerHandle::new(0);

pub(super) fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn at(ms: i64) -> Time {
    Time::from_micros(ms * 1_000)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Up,
    /// It resets connections.
    Killed,
    /// It says nothing.
    Off,
    /// It answers probes, takes calls, and never ends them.
    Stalled,
    /// Its runtime is down.
    Broken,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) rtt: Duration,
    pub(super) slots: u32,
    pub(super) queue_limit: u32,
    pub(super) service: Duration,
    pub(super) hosts: bool,
    pub(super) state: State,
    pub(super) status: u16,
    pub(super) running: Vec<AttemptId>,
    pub(super) queue: VecDeque<AttemptId>,
    pub(super) executed: u64,
    pub(super) refused: u64,
    pub(super) last_arrival: Time,
}

impl Node {
    fn capacity(&self) -> Capacity {
        Capacity {
            slots: self.slots,
            running: self.running.len() as u32,
            queued: self.queue.len() as u32,
            queue_limit: self.queue_limit,
        }
    }
}

#[derive(Clone, Debug)]
enum Happens {
    /// The attempt reaches its provider.
    Arrives(AttemptId),
    /// It was sent: the dial is done.
    Sent(AttemptId),
    /// A run ends.
    Ends(PeerHandle, AttemptId, Time),
    /// News reaches the entry node.
    News(AttemptId, AttemptEvent),
    ProbeArrives(PeerHandle, Option<FunctionHandle>),
    ProbeReply(PeerHandle, Option<(FunctionHandle, Capacity)>),
    CancelArrives(AttemptId, bool),
    Resolved(FunctionHandle),
    Disconnected(PeerHandle),
    Set(PeerHandle, State),
    Client(u64),
    Item(MapId, u64),
    ItemsEnd(MapId),
    Timeout,
}

pub(super) struct World {
    pub(super) now: Time,
    pub(super) faas: Faas,
    kad: Kad,
    config: context::Config,
    peers: KeyTable,
    functions: FunctionTable,
    draws: Draws,
    out: Outputs,
    events: BTreeMap<(Time, u64), Happens>,
    sequence: u64,
    wakeup: Option<Time>,
    pub(super) nodes: BTreeMap<PeerHandle, Node>,
    /// Where attempts in flight went, and when.
    attempts: BTreeMap<AttemptId, PeerHandle>,
    pub(super) starts: BTreeMap<AttemptId, (PeerHandle, Time, CallId)>,
    queued_at: BTreeMap<AttemptId, Time>,
    pub(super) calls: Vec<CallReport>,
    pub(super) attempt_reports: Vec<AttemptReport>,
    pub(super) maps_done: Vec<(MapId, Time)>,
    pub(super) probes: Vec<(Time, PeerHandle)>,
    pub(super) resolves: Vec<Time>,
    /// How long a look-up takes.
    pub(super) lookup_time: Duration,
    /// What an idle world still has to give to manycalls.
    pub(super) items_left: u64,
    pub(super) item: Call,
    pub(super) max_open_items: u64,
    pub(super) clients: Option<Clients>,
    next_call: u64,
}

/// Closed-loop clients: each sends its next call when the last one has ended.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub(super) template: Call,
    pub(super) patience: Duration,
    pub(super) think_after_failure: Duration,
    pub(super) until: Time,
}

impl World {
    pub(super) fn new(set: impl FnOnce(&mut Config)) -> Self {
        let mut config = context::Config::default();
        config.faas.discovery = Discovery::Driver;
        set(&mut config.faas);
        let mut functions = FunctionTable::default();
        functions.push("f", false);
        World {
            now: Time::ZERO,
            faas: Faas::new(ME),
            kad: Kad::new(ME),
            config,
            peers: KeyTable::new(),
            functions,
            draws: Draws::new(7, 0),
            out: Outputs::default(),
            events: BTreeMap::new(),
            sequence: 0,
            wakeup: None,
            nodes: BTreeMap::new(),
            attempts: BTreeMap::new(),
            starts: BTreeMap::new(),
            queued_at: BTreeMap::new(),
            calls: Vec::new(),
            attempt_reports: Vec::new(),
            maps_done: Vec::new(),
            probes: Vec::new(),
            resolves: Vec::new(),
            lookup_time: ms(100),
            items_left: 0,
            item: call(0),
            max_open_items: 0,
            clients: None,
            next_call: 1_000_000,
        }
    }

    /// Adds a provider at a distance.
    pub(super) fn provider(
        &mut self,
        index: u32,
        rtt: Duration,
        slots: u32,
        service: Duration,
    ) -> PeerHandle {
        let peer = PeerHandle::new(index);
        self.nodes.insert(
            peer,
            Node {
                rtt,
                slots,
                queue_limit: 0,
                service,
                hosts: true,
                state: State::Up,
                status: 200,
                running: Vec::new(),
                queue: VecDeque::new(),
                executed: 0,
                refused: 0,
                last_arrival: Time::MIN,
            },
        );
        peer
    }

    pub(super) fn node(&mut self, peer: PeerHandle) -> &mut Node {
        self.nodes.get_mut(&peer).unwrap()
    }

    fn plan(&mut self, at: Time, event: Happens) {
        self.sequence += 1;
        self.events.insert((at, self.sequence), event);
    }

    /// Lets a state change happen later.
    pub(super) fn set_at(&mut self, at: Time, peer: PeerHandle, state: State) {
        self.plan(at, Happens::Set(peer, state));
    }

    /// Gives one input, then drains the outputs, then reads the timeout.
    pub(super) fn input(&mut self, act: impl FnOnce(&mut Faas, &mut Context<'_>, Time, &mut Kad)) {
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
            self.carry_out(output);
        }
        let next = self.faas.next_timeout().map(|(at, _)| at);
        if next != self.wakeup {
            self.wakeup = next;
            if let Some(at) = next {
                self.plan(at.max(self.now), Happens::Timeout);
            }
        }
    }

    fn half(&self, peer: PeerHandle) -> Duration {
        self.nodes[&peer].rtt / 2
    }

    fn carry_out(&mut self, output: Output) {
        let now = self.now;
        match output {
            Output::Attempt(attempt) => {
                let peer = attempt.provider;
                self.attempts.insert(attempt.id, peer);
                self.starts.insert(attempt.id, (peer, now, attempt.call));
                self.node(peer).last_arrival = now;
                self.plan(now, Happens::Sent(attempt.id));
                let half = self.half(peer);
                self.plan(now + half, Happens::Arrives(attempt.id));
            }
            Output::CancelAttempt { attempt, only_queued } => {
                if let Some(peer) = self.attempts.get(&attempt) {
                    let half = self.half(*peer);
                    self.plan(now + half, Happens::CancelArrives(attempt, only_queued));
                }
            }
            Output::AttemptDone(report) => {
                assert!(self.starts.contains_key(&report.id));
                self.attempt_reports.push(*report);
            }
            Output::CallDone(report) => {
                if let (Some(clients), None) = (&self.clients, report.map) {
                    let ok = report.outcome == CallOutcome::Ok;
                    let pause = if ok { Duration::ZERO } else { clients.think_after_failure };
                    if now + pause < clients.until {
                        self.next_call += 1;
                        self.plan(now + pause, Happens::Client(self.next_call));
                    }
                }
                self.calls.push(*report);
            }
            Output::PullItems { map, count } => self.give_items(map, count),
            Output::MapDone { map } => self.maps_done.push((map, now)),
            Output::Resolve { function } => {
                self.resolves.push(now);
                self.plan(now + self.lookup_time, Happens::Resolved(function));
            }
            Output::Probe { peer, function } => {
                self.probes.push((now, peer));
                let half = self.half(peer);
                self.plan(now + half, Happens::ProbeArrives(peer, function));
            }
            Output::Publish { .. } => {}
            other => panic!("unexpected {other:?}"),
        }
    }

    fn give_items(&mut self, map: MapId, count: u32) {
        // Items come as inputs of their own, after this one's outputs are drained.
        let give = self.items_left.min(u64::from(count));
        self.items_left -= give;
        for _ in 0..give {
            self.next_call += 1;
            self.plan(self.now, Happens::Item(map, self.next_call));
        }
        if give < u64::from(count) {
            self.plan(self.now, Happens::ItemsEnd(map));
        }
    }

    /// A user's call now.
    pub(super) fn call(&mut self, call: Call) {
        self.input(|faas, cx, now, kad| faas.call(cx, now, kad, Box::new(call)));
    }

    /// A user's manycall of so many items now.
    pub(super) fn map(&mut self, map: Map, items: u64) {
        self.items_left = items;
        self.input(|faas, cx, now, kad| faas.map(cx, now, kad, Box::new(map)));
    }

    /// Runs until `end`, or until nothing happens any more.
    pub(super) fn run(&mut self, end: Time) {
        let mut steps = 0u64;
        while let Some((time, _)) = self.events.first_key_value().map(|(key, _)| *key)
            && time <= end
        {
            let Some(((time, _), event)) = self.events.pop_first() else {
                break;
            };
            self.now = self.now.max(time);
            self.happen(event);
            steps += 1;
            assert!(steps < 5_000_000, "the world does not come to rest");
        }
        self.now = self.now.max(end);
    }

    fn news(&mut self, id: AttemptId, peer: PeerHandle, event: AttemptEvent) {
        if !matches!(self.nodes[&peer].state, State::Killed | State::Off) {
            let half = self.half(peer);
            self.plan(self.now + half, Happens::News(id, event));
        }
    }

    fn begin_run(&mut self, peer: PeerHandle, id: AttemptId) {
        let now = self.now;
        let node = self.node(peer);
        node.running.push(id);
        node.executed += 1;
        let end = now + node.service;
        if node.state != State::Stalled {
            self.plan(end, Happens::Ends(peer, id, now));
        }
    }

    fn next_from_queue(&mut self, peer: PeerHandle) {
        let node = self.node(peer);
        if node.running.len() < node.slots as usize
            && let Some(next) = node.queue.pop_front()
        {
            self.begin_run(peer, next);
        }
    }

    fn happen(&mut self, event: Happens) {
        match event {
            Happens::Timeout => {
                if self.wakeup.is_some_and(|at| at <= self.now) {
                    self.wakeup = None;
                    self.input(|faas, cx, now, kad| faas.on_timeout(cx, now, kad));
                }
            }
            Happens::Sent(id) => {
                let peer = self.attempts[&id];
                let event = match self.nodes[&peer].state {
                    State::Killed => AttemptEvent::Failed {
                        reason: AttemptFailure::Dial,
                        started: Started::No,
                        capacity: None,
                    },
                    _ => AttemptEvent::Sent,
                };
                self.input(|faas, cx, now, kad| faas.attempt(cx, now, kad, id, event));
            }
            Happens::Arrives(id) => self.arrives(id),
            Happens::Ends(peer, id, start) => {
                let now = self.now;
                let node = self.node(peer);
                if matches!(node.state, State::Killed | State::Off | State::Stalled) {
                    return;
                }
                let Some(place) = node.running.iter().position(|running| *running == id) else {
                    return;
                };
                node.running.remove(place);
                let status = node.status;
                self.next_from_queue(peer);
                let queue = start.since(self.queued_at[&id]);
                let event = AttemptEvent::Finished {
                    status,
                    timing: Timing { queue, cold: Duration::ZERO, exec: now.since(start) },
                    capacity: self.nodes[&peer].capacity(),
                };
                self.news(id, peer, event);
            }
            Happens::News(id, event) => {
                self.input(|faas, cx, now, kad| faas.attempt(cx, now, kad, id, event));
            }
            Happens::ProbeArrives(peer, function) => {
                let node = self.node(peer);
                if matches!(node.state, State::Killed | State::Off) {
                    return;
                }
                let capacity = function.filter(|_| node.hosts).map(|f| (f, node.capacity()));
                let half = node.rtt / 2;
                self.plan(self.now + half, Happens::ProbeReply(peer, capacity));
            }
            Happens::ProbeReply(peer, capacity) => {
                self.input(|faas, cx, now, kad| faas.probe_reply(cx, now, kad, peer, capacity));
            }
            Happens::CancelArrives(id, only_queued) => {
                let peer = self.attempts[&id];
                let node = self.node(peer);
                let started = if let Some(place) = node.queue.iter().position(|queued| *queued == id) {
                    node.queue.remove(place);
                    Started::No
                } else if let Some(place) = node.running.iter().position(|running| *running == id) {
                    if only_queued {
                        return;
                    }
                    node.running.remove(place);
                    Started::Yes
                } else {
                    return;
                };
                self.next_from_queue(peer);
                let capacity = Some(self.nodes[&peer].capacity());
                let reason = AttemptFailure::Cancelled;
                self.news(id, peer, AttemptEvent::Failed { reason, started, capacity });
            }
            Happens::Resolved(function) => {
                let providers: Vec<PeerHandle> = self
                    .nodes
                    .iter()
                    .filter(|(peer, node)| node.hosts && **peer != ME)
                    .map(|(peer, _)| *peer)
                    .collect();
                self.input(|faas, cx, now, kad| faas.resolved(cx, now, kad, function, providers, true));
            }
            Happens::Disconnected(peer) => {
                self.input(|faas, cx, now, kad| faas.on_disconnected(cx, now, kad, peer));
            }
            Happens::Set(peer, state) => {
                self.node(peer).state = state;
                if matches!(state, State::Killed | State::Off) {
                    let node = self.node(peer);
                    node.running.clear();
                    node.queue.clear();
                }
                if state == State::Killed {
                    let half = self.half(peer);
                    self.plan(self.now + half, Happens::Disconnected(peer));
                }
            }
            Happens::Client(id) => {
                let Some(clients) = self.clients.clone() else {
                    return;
                };
                let mut call = clients.template;
                call.id = CallId(id);
                call.deadline = self.now + clients.patience;
                call.local = self.nodes.get(&ME).map(Node::capacity);
                self.call(call);
            }
            Happens::Item(map, id) => {
                let mut item = self.item.clone();
                item.id = CallId(id);
                item.local = self.nodes.get(&ME).map(Node::capacity);
                self.input(|faas, cx, now, kad| faas.item(cx, now, kad, map, Box::new(item)));
                self.max_open_items = self.max_open_items.max(self.faas.open_calls() as u64);
            }
            Happens::ItemsEnd(map) => {
                self.input(|faas, cx, now, kad| faas.items_end(cx, now, kad, map));
            }
        }
    }

    fn arrives(&mut self, id: AttemptId) {
        let now = self.now;
        let peer = self.attempts[&id];
        let node = self.node(peer);
        let fail = |reason, capacity| AttemptEvent::Failed { reason, started: Started::No, capacity };
        match node.state {
            State::Killed | State::Off => return,
            State::Broken => {
                self.news(id, peer, fail(AttemptFailure::Runtime, None));
                return;
            }
            State::Up | State::Stalled => {}
        }
        if !node.hosts {
            self.news(id, peer, fail(AttemptFailure::NotHosted, None));
            return;
        }
        let capacity = node.capacity();
        if capacity.is_full() {
            node.refused += 1;
            let reason = AttemptFailure::Full { retry_after: None };
            self.news(id, peer, fail(reason, Some(capacity)));
            return;
        }
        self.queued_at.insert(id, now);
        if self.nodes[&peer].running.len() < self.nodes[&peer].slots as usize {
            self.begin_run(peer, id);
        } else {
            self.node(peer).queue.push_back(id);
        }
        let capacity = self.nodes[&peer].capacity();
        self.news(id, peer, AttemptEvent::Accepted { capacity });
    }

    /// Starts closed-loop clients.
    pub(super) fn start_clients(&mut self, count: u64, clients: Clients) {
        self.clients = Some(clients);
        for id in 0..count {
            self.plan(self.now, Happens::Client(id));
        }
    }

    /// Checks what must hold whatever happened: every call ended once, its parts add up, its attempts are all told.
    pub(super) fn check(&self) {
        let mut seen = std::collections::BTreeSet::new();
        for call in &self.calls {
            assert!(seen.insert(call.call), "{:?} ended twice", call.call);
            if let Some(winner) = call.winner {
                let (peer, start, _) = self.starts[&winner];
                assert_eq!(call.lookup + call.dispatch + call.retry, start.since(call.received), "{call:?}");
                assert_eq!(call.provider, Some(peer));
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        for attempt in &self.attempt_reports {
            assert!(seen.insert(attempt.id), "{:?} ended twice", attempt.id);
        }
        assert_eq!(self.faas.open_calls(), 0);
    }
}

/// A call of the function with a deadline of ten seconds.
pub(super) fn call(id: u64) -> Call {
    Call {
        id: CallId(id),
        function: FUNCTION,
        policy: None,
        deadline: Time::ZERO + Duration::from_secs(10),
        idempotent: None,
        replayable: true,
        local: None,
    }
}
