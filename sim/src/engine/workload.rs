//! The schedule of calls, played: calls that are due go into their entry nodes, and what becomes of them into rows.

use super::flight::{Flight, FlightId, Step};
use super::relay::{Relay, RelayedCall, RelayedMap};
use super::{Engine, Event};
use crate::executor;
use edge_faas_core::context::Timing;
use edge_faas_core::draws::Draws;
use edge_faas_core::faas::AnycallPolicy;
use edge_faas_core::io::{
    AttemptEvent, AttemptFailure, AttemptId, Call, CallId, CallOutcome, CallReport, Input, Map, MapId,
};
use edge_faas_core::key::FunctionHandle;
use edge_faas_core::results::Outcome;
use edge_faas_core::scenario::schedule::{
    self, CallKey, CallKind, CallNumber, Numbers, Schedule, ScheduledCall,
};
use edge_faas_core::scenario::schema;
use edge_faas_core::time::{Duration, Time};
use rustc_hash::FxHashMap;

/// What a client needs at least to see that a call is over and to make the next: calls that take no time at all
/// must not stop the clock.
const CLIENT_TURNAROUND: Duration = Duration::from_millis(1);

/// A call that has begun.
#[derive(Debug)]
pub(crate) struct CallState {
    pub(crate) phase: u16,
    pub(crate) function: u32,
    /// The entry's machine.
    pub(crate) entry: u32,
    /// Its identity then.
    pub(crate) node: u32,
    pub(crate) policy: &'static str,
    pub(crate) at: Time,
    pub(crate) sent: Option<Time>,
    pub(crate) work: schedule::Demand,
    pub(crate) key: CallKey,
    pub(crate) map: Option<(u64, u32)>,
    /// Its place in the schedule, for the client's next call.
    id: schedule::CallId,
    pub(crate) messages: u32,
    pub(crate) attempts: u32,
    pub(crate) executions: u32,
    pub(crate) wasted: Duration,
    /// Attempts that something can still happen to.
    flights: u32,
    /// The last answer that came in: which attempt's, its dial, and whether it crossed the network.
    pub(crate) answer: Option<Answer>,
    /// A central gateway has it.
    pub(super) relayed: Option<Box<RelayedCall>>,
    pub(crate) end: Option<End>,
}

impl CallState {
    /// A call, or an item of the manycall `scheduled`, that asks `demand` of the function and has not been taken yet.
    fn new(scheduled: &ScheduledCall, node: u32, policy: &'static str, demand: schedule::Demand) -> Self {
        CallState {
            phase: scheduled.id.phase,
            function: scheduled.function,
            entry: scheduled.entry,
            node,
            policy,
            at: scheduled.at,
            sent: None,
            work: demand,
            key: scheduled.key,
            map: None,
            id: scheduled.id,
            messages: 0,
            attempts: 0,
            executions: 0,
            wasted: Duration::ZERO,
            flights: 0,
            answer: None,
            relayed: None,
            end: None,
        }
    }
}

/// The answer that reached the entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) attempt: AttemptId,
    pub(crate) connect: Duration,
    pub(crate) provider: u32,
    pub(crate) timing: Timing,
    pub(crate) status: u16,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) outcome: Outcome,
    pub(crate) done: Time,
    pub(crate) report: Option<Box<CallReport>>,
    pub(crate) error: &'static str,
}

/// A manycall that has begun.
#[derive(Debug)]
pub(super) struct MapState {
    pub(super) scheduled: ScheduledCall,
    pub(super) node: u32,
    pub(super) items: u32,
    next: u32,
    done: u32,
    /// Number of its first item's call.
    first: u64,
    all_ok: bool,
    /// A central gateway has it.
    pub(super) relayed: Option<RelayedMap>,
}

/// The workload of a repetition.
#[derive(Debug)]
pub(crate) struct Workload<'s> {
    schedule: Schedule<'s>,
    /// By number, which the rows show. Its order is never observed.
    pub(super) calls: FxHashMap<u64, CallState>,
    pub(super) maps: FxHashMap<u64, MapState>,
    numbers: Numbers,
    /// Clients' next calls.
    clients: slab::Slab<ScheduledCall>,
    /// Calls on their way to their entries.
    entering: slab::Slab<(ScheduledCall, CallNumber)>,
    attempts: FxHashMap<(u32, u64), FlightId>,
    next_direct: u64,
    /// Calls that have ended and whose last attempt has, in the present event.
    settled: Vec<u64>,
}

impl<'s> Workload<'s> {
    pub(crate) fn new(schedule: Schedule<'s>) -> Self {
        Workload {
            schedule,
            calls: FxHashMap::default(),
            maps: FxHashMap::default(),
            numbers: Numbers::default(),
            clients: slab::Slab::new(),
            entering: slab::Slab::new(),
            attempts: FxHashMap::default(),
            next_direct: 0,
            settled: Vec::new(),
        }
    }

    pub(crate) fn next_at(&self) -> Option<Time> {
        self.schedule.next_at()
    }

    /// Everything that was due has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.calls.is_empty()
            && self.maps.is_empty()
            && self.clients.is_empty()
            && self.entering.is_empty()
            && self.next_at().is_none()
    }

    pub(crate) fn request_bytes(&self, call: u64) -> u64 {
        self.calls.get(&call).map_or(0, |state| state.work.request_bytes)
    }

    pub(crate) fn response_bytes(&self, call: u64) -> u64 {
        self.calls.get(&call).map_or(0, |state| state.work.response_bytes)
    }

    pub(crate) fn service_time(&self, call: u64) -> Duration {
        self.calls.get(&call).map_or(Duration::ZERO, |state| state.work.service_time)
    }

    /// The status that the function itself answers with.
    pub(crate) fn status(&self, call: u64) -> u16 {
        if self.calls.get(&call).is_some_and(|state| state.work.fails) { 500 } else { 200 }
    }

    pub(crate) fn key(&self, call: u64) -> CallKey {
        self.calls.get(&call).map_or(CallKey(0), |state| state.key)
    }

    pub(crate) fn call(&self, call: u64) -> Option<&CallState> {
        self.calls.get(&call)
    }

    pub(crate) fn message(&mut self, call: u64) {
        if let Some(state) = self.calls.get_mut(&call) {
            state.messages += 1;
        }
    }

    /// The function's code ran for this call.
    pub(crate) fn executed(&mut self, call: u64) {
        if let Some(state) = self.calls.get_mut(&call) {
            state.executions += 1;
        }
    }

    /// It ran so long for nothing.
    pub(crate) fn wasted(&mut self, call: u64, time: Duration) {
        if let Some(state) = self.calls.get_mut(&call) {
            state.wasted += time;
        }
    }

    pub(crate) fn flight_started(&mut self, call: u64, node: u32, attempt: AttemptId, id: FlightId) {
        if let Some(state) = self.calls.get_mut(&call) {
            state.flights += 1;
            state.attempts += 1;
        }
        self.attempts.insert((node, attempt.0), id);
    }

    /// A number for an attempt that no node's core gave out.
    pub(super) fn unattached(&mut self) -> AttemptId {
        self.next_direct += 1;
        AttemptId(u64::MAX - self.next_direct)
    }

    /// A call is on its way to the gateway: no attempt of its own, but it is not over before that is.
    pub(super) fn relay_started(&mut self, call: u64) {
        if let Some(state) = self.calls.get_mut(&call) {
            state.flights += 1;
        }
    }

    pub(crate) fn flight_of(&self, node: u32, attempt: AttemptId) -> Option<FlightId> {
        self.attempts.get(&(node, attempt.0)).copied()
    }
}

impl Engine<'_> {
    /// Calls of the open loop are due.
    pub(crate) fn arrival_due(&mut self) {
        while self.workload.next_at().is_some_and(|at| at <= self.now) {
            let Some(call) = self.workload.schedule.next() else {
                break;
            };
            self.begin(call);
        }
        self.set_arrival();
    }

    pub(crate) fn set_arrival(&mut self) {
        if let Some(at) = self.workload.next_at() {
            self.queue.push(at, Event::Arrival);
        }
    }

    pub(crate) fn client_due(&mut self, client: u32) {
        let call = self.workload.clients.remove(client as usize);
        self.begin(call);
    }

    /// A call is due at its entry.
    fn begin(&mut self, call: ScheduledCall) {
        let number = self.workload.numbers.next(self.scenario, &call);
        let node = self.population.handle(call.entry);
        if call.cold && self.nodes[node as usize].is_up() {
            self.make_cold(node);
        }
        let way = match call.kind {
            CallKind::Anycall { policy: AnycallPolicy::Direct } => Duration::ZERO,
            _ => self.entry_time(call.key),
        };
        if way > Duration::ZERO && self.nodes[node as usize].is_up() {
            let entering = self.workload.entering.insert((call, number)) as u32;
            self.queue.push(self.now + way, Event::Entered(entering));
            return;
        }
        self.enter(call, number);
    }

    /// A call has come to its entry.
    pub(crate) fn call_entered(&mut self, entering: u32) {
        let (call, number) = self.workload.entering.remove(entering as usize);
        self.enter(call, number);
    }

    fn enter(&mut self, call: ScheduledCall, number: CallNumber) {
        let node = self.population.handle(call.entry);
        match call.kind {
            CallKind::Anycall { policy } => self.begin_call(call, number.call, node, policy),
            CallKind::Manycall { policy, items } => {
                let map = number.call;
                let state = MapState {
                    scheduled: call,
                    node,
                    items,
                    next: 0,
                    done: 0,
                    first: number.first,
                    all_ok: true,
                    relayed: None,
                };
                self.workload.maps.insert(map, state);
                if !self.nodes[node as usize].is_up() {
                    self.end_items(map, Outcome::EntryDown, "the entry node is down");
                    return;
                }
                if let Some(gateway) = self.gateway_for(call.entry) {
                    let id = self.relay(node, gateway, u64::MAX, call.function, Relay::Map(map));
                    if let Some(state) = self.workload.maps.get_mut(&map) {
                        state.relayed = Some(RelayedMap { flight: id, gateway, settled: 0 });
                    }
                    if let Some(deadline) = call.deadline {
                        // Items that the gateway has not asked for by then end with it.
                        let at = call.at.saturating_add(deadline).max(self.now);
                        self.queue.push(at, Event::Flight(id, Step::Deadline));
                    }
                    self.dial(id);
                    return;
                }
                let function = FunctionHandle(call.function);
                let local = self.capacity(call.entry, function);
                let (policy, items) = (Some(policy), Some(u64::from(items)));
                let map = Map { id: MapId(map), function, policy, items, credit: None, local };
                self.later(node, Input::Map(Box::new(map)));
            }
        }
    }

    fn begin_call(&mut self, call: ScheduledCall, number: u64, node: u32, policy: AnycallPolicy) {
        let mut state = CallState::new(&call, node, policy.name(), call.demand);
        if !self.nodes[node as usize].is_up() {
            self.workload.calls.insert(number, state);
            self.end_call(number, Outcome::EntryDown, None, "the entry node is down");
            return;
        }
        state.sent = Some(self.now);
        self.workload.calls.insert(number, state);
        let deadline = call.deadline.map_or(Time::MAX, |deadline| call.at.saturating_add(deadline));
        let function = FunctionHandle(call.function);
        if policy == AnycallPolicy::Direct {
            self.begin_direct(number, node, function, deadline);
            return;
        }
        let gateway = self.gateway_for(call.entry).filter(|_| policy != AnycallPolicy::LocalOnly);
        let at = gateway.map_or(call.entry, |gateway| self.population.number(gateway));
        let call = Call {
            id: CallId(number),
            function,
            policy: Some(policy),
            deadline,
            idempotent: Some(call.idempotent),
            replayable: call.demand.request_bytes <= self.scenario.faas.retry_body_limit,
            local: self.capacity(at, function),
        };
        if let Some(gateway) = gateway {
            let id = self.relay_call(node, gateway, call, None);
            self.dial(id);
            return;
        }
        self.later(node, Input::Call(Box::new(call)));
    }

    /// The client calls the nearest provider's runtime itself.
    fn begin_direct(&mut self, number: u64, node: u32, function: FunctionHandle, deadline: Time) {
        let entry = self.population.number(node);
        let fabric = &self.fabric;
        let nearest = self.hosts.providers(function).iter().copied().min_by_key(|provider| {
            (if *provider == entry { Duration::ZERO } else { fabric.round_trip(entry, *provider) }, *provider)
        });
        let Some(provider) = nearest else {
            self.end_call(number, Outcome::NotFound, None, "nobody provides the function");
            return;
        };
        let attempt = self.workload.unattached();
        let provider = self.population.handle(provider);
        self.start_flight(node, provider, attempt, number, function, true);
        if let Some(id) = self.workload.flight_of(node, attempt)
            && deadline < Time::MAX
        {
            self.queue.push(deadline, Event::Flight(id, Step::Deadline));
        }
    }

    /// The end of a direct call's one attempt.
    pub(crate) fn direct_over(&mut self, call: u64, event: &AttemptEvent) {
        let (outcome, error) = match event {
            AttemptEvent::Finished { status, .. } if *status < 400 => (Outcome::Ok, ""),
            AttemptEvent::Finished { .. } => (Outcome::FunctionError, ""),
            AttemptEvent::Failed { reason: AttemptFailure::Full { .. }, .. } => {
                (Outcome::Rejected, "the provider is full")
            }
            AttemptEvent::Failed { reason: AttemptFailure::Timeout, .. } => {
                (Outcome::Timeout, "the deadline passed")
            }
            AttemptEvent::Failed { reason: AttemptFailure::Dial, .. } => {
                (Outcome::Unreachable, "the provider cannot be reached")
            }
            AttemptEvent::Failed { reason: AttemptFailure::Lost, .. } => {
                (Outcome::Unknown, "the connection broke")
            }
            _ => (Outcome::Unreachable, "the provider's runtime is down"),
        };
        self.end_call(call, outcome, None, error);
    }

    /// A node asks for items of a manycall.
    pub(crate) fn pull_items(&mut self, node: u32, map: MapId, count: u32) {
        let relayed = self.workload.maps.get(&map.0).and_then(|state| state.relayed);
        // The gateway's word has to reach the entry first; lost, it costs the manycall.
        let asked = match relayed {
            Some(relayed) => match self.ask_entry(relayed.flight) {
                Some(at) => at,
                None => return,
            },
            None => self.now,
        };
        for _ in 0..count {
            let Some(state) = self.workload.maps.get_mut(&map.0) else {
                return;
            };
            if state.next >= state.items {
                if relayed.is_none() {
                    self.later(node, Input::ItemsEnd { map });
                }
                return;
            }
            let item = state.next;
            state.next += 1;
            let (scheduled, first, entry) = (state.scheduled, state.first, state.node);
            let last = state.next == state.items;
            let work = self.workload.schedule.item(&scheduled, item);
            let number = first + u64::from(item);
            let CallKind::Manycall { policy, .. } = scheduled.kind else {
                return;
            };
            let deadline =
                scheduled.deadline.map_or(Time::MAX, |deadline| scheduled.at.saturating_add(deadline));
            let state = CallState {
                sent: relayed.is_none().then_some(self.now),
                key: scheduled.key.item(item),
                map: Some((map.0, item)),
                ..CallState::new(&scheduled, entry, policy.name(), work)
            };
            self.workload.calls.insert(number, state);
            let function = FunctionHandle(scheduled.function);
            let call = Call {
                id: CallId(number),
                function,
                policy: None,
                deadline,
                idempotent: Some(scheduled.idempotent),
                replayable: work.request_bytes <= self.scenario.faas.retry_body_limit,
                local: self.capacity(scheduled.entry, function),
            };
            if let Some(relayed) = relayed {
                let id = self.relay_call(entry, relayed.gateway, call, Some(map));
                self.queue.push(asked, Event::Flight(id, Step::Begin));
                continue;
            }
            self.later(node, Input::Item { map, call: Box::new(call) });
            if last {
                self.later(node, Input::ItemsEnd { map });
                return;
            }
        }
    }

    /// The items of a manycall that were never asked for end with it.
    pub(super) fn end_items(&mut self, map: u64, outcome: Outcome, error: &'static str) {
        let Some(state) = self.workload.maps.get_mut(&map) else {
            return;
        };
        let (scheduled, first, node) = (state.scheduled, state.first, state.node);
        let rest = state.next..state.items;
        state.next = state.items;
        let CallKind::Manycall { policy, .. } = scheduled.kind else {
            return;
        };
        for item in rest {
            let work = self.workload.schedule.item(&scheduled, item);
            let state =
                CallState { map: Some((map, item)), ..CallState::new(&scheduled, node, policy.name(), work) };
            let number = first + u64::from(item);
            self.workload.calls.insert(number, state);
            self.end_call(number, outcome, None, error);
        }
    }

    /// An answer has reached the entry.
    pub(crate) fn answered(&mut self, id: FlightId, timing: Timing, status: u16) {
        let Some(flight) = self.flights.get(id.slot as usize) else {
            return;
        };
        let (attempt, connect, provider) = (flight.attempt, flight.connect, flight.provider);
        if let Some(state) = self.workload.calls.get_mut(&flight.call) {
            state.answer = Some(Answer { attempt, connect, provider, timing, status });
        }
    }

    /// A node says how a call ended.
    pub(crate) fn call_done(&mut self, report: Box<CallReport>) {
        if let Some(report) = self.relay_back(report) {
            self.conclude(report);
        }
    }

    /// The entry knows how a call ended.
    pub(super) fn conclude(&mut self, report: Box<CallReport>) {
        let call = report.call.0;
        let mut outcome = match report.outcome {
            CallOutcome::Ok => Outcome::Ok,
            CallOutcome::FunctionError => Outcome::FunctionError,
            CallOutcome::NotFound => Outcome::NotFound,
            CallOutcome::Rejected => Outcome::Rejected,
            CallOutcome::Timeout => Outcome::Timeout,
            CallOutcome::Unreachable => Outcome::Unreachable,
            CallOutcome::Unknown => Outcome::Unknown,
            CallOutcome::Truncated => Outcome::Truncated,
            CallOutcome::Cancelled => Outcome::Cancelled,
        };
        if matches!(outcome, Outcome::NotFound | Outcome::Unreachable | Outcome::Timeout | Outcome::Rejected)
            && let Some(state) = self.workload.calls.get(&call)
            && self.is_unavailable(FunctionHandle(state.function), outcome)
        {
            outcome = Outcome::Unavailable;
        }
        let error = report.error;
        self.end_call(call, outcome, Some(report), error);
    }

    /// A call has ended for its user.
    pub(crate) fn end_call(
        &mut self,
        call: u64,
        outcome: Outcome,
        report: Option<Box<CallReport>>,
        error: &'static str,
    ) {
        let now = self.now;
        let Some(state) = self.workload.calls.get_mut(&call) else {
            return;
        };
        if state.end.is_some() {
            return;
        }
        if let Some(report) = &report {
            state.messages += report.lookup_messages;
        }
        state.end = Some(End { outcome, done: now, report, error });
        let node = state.node;
        let ok = matches!(outcome, Outcome::Ok | Outcome::FunctionError);
        let (id, at, map, settled) = (state.id, state.at, state.map, state.flights == 0);
        match map {
            None => self.next_call(id, at, ok),
            Some((map, _)) => {
                let over = self.workload.maps.get_mut(&map).is_some_and(|state| {
                    state.done += 1;
                    state.all_ok &= ok;
                    state.done == state.items
                });
                if over && let Some(state) = self.workload.maps.remove(&map) {
                    if let Some(relayed) = state.relayed {
                        self.close_map(map, relayed);
                    }
                    self.next_call(state.scheduled.id, state.scheduled.at, state.all_ok);
                }
            }
        }
        self.trace(node, || format!("call {call} over: {outcome}"));
        if settled {
            self.write_call(call);
        }
    }

    /// A client makes its next call.
    fn next_call(&mut self, done: schedule::CallId, due: Time, ok: bool) {
        let completed = if self.now == due { self.now + CLIENT_TURNAROUND } else { self.now };
        if let Some(next) = self.workload.schedule.after(done, completed, ok) {
            let at = next.at;
            let client = self.workload.clients.insert(next) as u32;
            self.queue.push(at, Event::Client(client));
        }
    }

    /// Nothing can happen to an attempt any more.
    pub(crate) fn flight_over(&mut self, flight: &Flight) {
        self.workload.attempts.remove(&(flight.entry, flight.attempt.0));
        let Some(state) = self.workload.calls.get_mut(&flight.call) else {
            return;
        };
        state.flights = state.flights.saturating_sub(1);
        if state.flights == 0 && state.end.is_some() {
            self.workload.settled.push(flight.call);
        }
    }

    /// Writes the rows of calls that nothing can happen to any more; once their nodes have heard all of it.
    pub(crate) fn write_settled(&mut self) {
        while let Some(call) = self.workload.settled.pop() {
            self.write_call(call);
        }
    }

    fn write_call(&mut self, call: u64) {
        if let Some(state) = self.workload.calls.remove(&call) {
            self.call_row(call, &state);
        }
    }

    /// An entry node is gone, and with it the calls that it had taken.
    pub(crate) fn lose_calls_of(&mut self, node: u32) {
        let mut calls: Vec<u64> = self
            .workload
            .calls
            .iter()
            .filter(|(_, state)| state.node == node && state.end.is_none())
            .map(|(number, _)| *number)
            .collect();
        calls.sort_unstable();
        for call in calls {
            self.end_call(call, Outcome::EntryLost, None, "the entry node went down");
        }
        let mut maps: Vec<u64> =
            self.workload.maps.iter().filter(|(_, state)| state.node == node).map(|(map, _)| *map).collect();
        maps.sort_unstable();
        for map in maps {
            self.end_items(map, Outcome::EntryLost, "the entry node went down");
        }
    }

    /// Writes what has not ended when the run does.
    pub(crate) fn write_unfinished(&mut self) {
        let mut calls: Vec<u64> = self.workload.calls.keys().copied().collect();
        calls.sort_unstable();
        for call in calls {
            if let Some(state) = self.workload.calls.get_mut(&call)
                && state.end.is_none()
            {
                let done = self.now;
                state.end =
                    Some(End { outcome: Outcome::Unfinished, done, report: None, error: "the run ended" });
            }
            self.write_call(call);
        }
    }

    /// What the provider's machine has to do for a call.
    pub(crate) fn work(&self, call: u64, function: FunctionHandle) -> executor::Work {
        let work = self.hosts.work(function);
        let time = self.workload.service_time(call) + self.overrun(call, work);
        match work {
            schema::Work::Cpu => executor::Work::Cpu(time),
            schema::Work::Sleep => executor::Work::Sleep(time),
        }
    }

    /// How long a new instance takes to start, if this attempt needs one: drawn by call and attempt.
    pub(crate) fn cold_start(&self, call: u64, attempts: u32, function: FunctionHandle) -> Duration {
        match self.hosts.cold_start(function) {
            Some(distribution) => {
                let draws: &Draws = &self.draws;
                let mut stream =
                    draws.stream_at(super::purpose::COLD_START, self.workload.key(call).0, attempts * 4);
                Duration::from_secs_f64(distribution.sample(&mut stream).min(1e9))
            }
            None => Duration::ZERO,
        }
    }
}
