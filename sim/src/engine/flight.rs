//! Attempts of calls on their way: dialling, bodies, the provider's runtime, the answer.
//!
//! An attempt at this node's own runtime takes no network. One by the policy `direct` takes the same way as any
//! other, but neither its entry nor its provider has a node in it. What a central gateway carries between an entry
//! and itself (`relay`) takes that way too: there the gateway stands in the provider's place.

use super::calibration::Way;
use super::relay::Relay;
use super::traffic::Link;
use super::{Engine, Event};
use crate::executor::{self, Cut, Job, Lost, Submit};
use crate::network::{FlowId, MAX_LOSSES, Transfer, retransmission_timeout};
use edge_faas_core::context::{Capacity, Timing};
use edge_faas_core::io::{Attempt, AttemptEvent, AttemptFailure, AttemptId, Input, Started};
use edge_faas_core::key::{FunctionHandle, PeerHandle};
use edge_faas_core::results::TrafficClass;
use edge_faas_core::time::{Duration, Time};

/// The head of a call or of an answer: a frame with function, deadline and the usual headers.
pub(super) const HEAD_BYTES: u64 = 256;
/// A frame that only says something: accepted, refused, cancel.
pub(super) const NOTE_BYTES: u64 = 64;

/// An attempt's place in the slab, with a stamp that tells it from an earlier one in the same place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FlightId {
    pub(crate) slot: u32,
    pub(crate) stamp: u32,
}

impl FlightId {
    fn to_bits(self) -> u64 {
        u64::from(self.stamp) << 32 | u64::from(self.slot)
    }

    fn from_bits(bits: u64) -> Self {
        FlightId { slot: bits as u32, stamp: (bits >> 32) as u32 }
    }
}

/// What happens next to an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The entry takes it up: it dials if it has to.
    Begin,
    /// The entry can send: its connection stands.
    Ready,
    /// The dial failed.
    DialFailed,
    /// The call has arrived at the provider.
    Arrived,
    /// The entry hears that the call was taken.
    Accepted,
    /// The entry hears that the call failed.
    Failed,
    /// The answer has arrived at the entry.
    Answered,
    /// The provider hears that the call is cancelled.
    Cancelled,
    /// The provider hears that the call is wanted back if it still waits.
    Reclaimed,
    /// The client of a direct or relayed call gives up.
    Deadline,
    /// The entry notices that the other end is gone.
    Lost,
}

/// One attempt under way.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) stamp: u32,
    /// The entry node's handle.
    pub(crate) entry: u32,
    /// The provider's handle.
    pub(crate) provider: u32,
    pub(crate) attempt: AttemptId,
    /// The call's place in the workload.
    pub(crate) call: u64,
    pub(crate) function: u32,
    pub(crate) direct: bool,
    /// What is carried to the gateway and back, if that is the other end.
    pub(super) relay: Option<Relay>,
    /// When the entry began it.
    pub(crate) start: Time,
    /// When what is on its way now left.
    pub(super) sent: Time,
    /// How long it waited for a handshake, its own or one that was under way.
    pub(crate) connect: Duration,
    /// What it takes on each way besides links.
    passage: Duration,
    /// Where the provider's answer to the entry stands.
    failure: Option<(AttemptFailure, Started)>,
    capacity: Option<Capacity>,
    status: u16,
    pub(crate) timing: Timing,
    /// The job is in the provider's runtime.
    running: bool,
    /// Its entry asked for it back before it had come.
    wanted_back: bool,
    /// The body that is on its way, and which way.
    body: Option<(FlowId, Step)>,
    /// True once the entry has heard the end.
    told: bool,
    /// How often what is on its way now had to be sent again.
    resent: u32,
}

impl Flight {
    pub(crate) fn id(&self, slot: usize) -> FlightId {
        FlightId { slot: slot as u32, stamp: self.stamp }
    }

    /// What `step` takes besides links: the call's way and the answer's, not that of a word between.
    fn passage(&self, step: Step) -> Duration {
        if matches!(step, Step::Arrived | Step::Answered) { self.passage } else { Duration::ZERO }
    }
}

impl Engine<'_> {
    /// Starts an attempt that a node asked for.
    pub(crate) fn launch(&mut self, node: u32, attempt: Attempt) {
        let provider = attempt.provider.get();
        self.start_flight(node, provider, attempt.id, attempt.call.0, attempt.function, false);
    }

    /// Starts an attempt.
    pub(crate) fn start_flight(
        &mut self,
        entry: u32,
        provider: u32,
        attempt: AttemptId,
        call: u64,
        function: FunctionHandle,
        direct: bool,
    ) {
        self.totals.attempts += 1;
        let id = self.insert_flight((entry, provider), attempt, call, function, direct, None);
        self.workload.flight_started(call, entry, attempt, id);
        let way = match (direct, entry == provider) {
            (true, _) => Way::Direct,
            (false, true) => Way::Local,
            (false, false) => Way::Routed,
        };
        let passage = self.passage_time(call, way);
        self.flights[id.slot as usize].passage = passage;
        let number = self.population.number(provider);
        self.trace(entry, || format!("call {call} goes to node-{number}"));
        if !self.nodes[provider as usize].is_up() {
            self.rows.writer.sent_to_dead(self.now);
        }
        if entry == provider {
            self.queue.push(self.now + passage, Event::Flight(id, Step::Arrived));
            return;
        }
        if !direct {
            self.charge_forward(entry);
        }
        self.dial(id);
    }

    /// Makes room for an attempt, or for what is relayed, from `ends.0` to `ends.1`.
    pub(super) fn insert_flight(
        &mut self,
        ends: (u32, u32),
        attempt: AttemptId,
        call: u64,
        function: FunctionHandle,
        direct: bool,
        relay: Option<Relay>,
    ) -> FlightId {
        self.flight_generation = self.flight_generation.wrapping_add(1);
        let stamp = self.flight_generation;
        let flight = Flight {
            stamp,
            entry: ends.0,
            provider: ends.1,
            attempt,
            call,
            function: function.0,
            direct,
            relay,
            resent: 0,
            start: self.now,
            sent: self.now,
            connect: Duration::ZERO,
            passage: Duration::ZERO,
            failure: None,
            capacity: None,
            status: 0,
            timing: Timing::default(),
            running: false,
            wanted_back: false,
            body: None,
            told: false,
        };
        FlightId { slot: self.flights.insert(flight) as u32, stamp }
    }

    /// Opens the entry's connection, if there is none.
    pub(super) fn dial(&mut self, id: FlightId) {
        let Some(flight) = self.flight(id) else { return };
        let (entry, provider, direct, relayed) =
            (flight.entry, flight.provider, flight.direct, flight.relay.is_some());
        let depart = if direct { self.now } else { self.depart(entry) };
        match self.link(entry, provider, depart) {
            Link::Ready(at, _) => {
                // The handshake, or what is left of one that is under way for somebody else.
                self.flights[id.slot as usize].connect = at.since(depart);
                self.queue.push(at, Event::Flight(id, Step::Ready));
            }
            Link::Refused(at) => self.queue.push(at, Event::Flight(id, Step::DialFailed)),
            Link::Reset(at) => {
                self.queue.push(at, Event::Disconnected { node: entry, peer: provider });
                // There is no other gateway: it is dialled again.
                let next = if relayed { Step::Begin } else { Step::DialFailed };
                self.queue.push(at, Event::Flight(id, next));
            }
            Link::Silence => {
                if relayed {
                    self.flights[id.slot as usize].failure = Some((AttemptFailure::Timeout, Started::No));
                }
                self.queue.push(depart + self.limits.dial_timeout, Event::Flight(id, Step::DialFailed));
            }
        }
    }

    pub(super) fn flight(&self, id: FlightId) -> Option<&Flight> {
        self.flights.get(id.slot as usize).filter(|flight| flight.stamp == id.stamp)
    }

    pub(super) fn flight_mut(&mut self, id: FlightId) -> Option<&mut Flight> {
        self.flights.get_mut(id.slot as usize).filter(|flight| flight.stamp == id.stamp)
    }

    /// Forgets an attempt that nothing can happen to any more.
    pub(crate) fn drop_flight(&mut self, id: FlightId) {
        self.drop_flight_for(id, |_| ());
    }

    /// As [`Engine::drop_flight`]; `before` the call hears of it.
    fn drop_flight_for(&mut self, id: FlightId, before: impl FnOnce(&mut Self)) {
        if self.flight(id).is_none() {
            return;
        }
        let flight = self.flights.remove(id.slot as usize);
        if let Some((flow, _)) = flight.body {
            self.transfers.cancel(self.now, flow);
            self.set_transfer();
        }
        before(self);
        self.flight_over(&flight);
    }

    pub(crate) fn step(&mut self, id: FlightId, step: Step) {
        let Some(flight) = self.flight(id) else { return };
        let (entry, provider, sent) = (flight.entry, flight.provider, flight.sent);
        match step {
            // Cancelled before it was there: what follows of it is void.
            Step::Begin | Step::Ready | Step::Arrived if flight.failure.is_some() => {}
            Step::Begin => self.relay_begins(id),
            Step::Ready => {
                // The handshake itself may have met a death.
                if !self.nodes[provider as usize].is_up()
                    && self.flights[id.slot as usize].connect > Duration::ZERO
                {
                    self.queue.push(self.now, Event::Flight(id, Step::DialFailed));
                    return;
                }
                self.flights[id.slot as usize].sent = self.now;
                self.tell(id, AttemptEvent::Sent);
                let bytes = self.out_bytes(id);
                self.send_body(id, entry, provider, bytes, Step::Arrived);
            }
            Step::DialFailed => {
                let (reason, started) = flight.failure.unwrap_or((AttemptFailure::Dial, Started::No));
                self.nodes[entry as usize].connections.remove(provider);
                self.fail_here(id, reason, started);
            }
            Step::Arrived => {
                if entry != provider {
                    if !self.reaches(entry, provider, sent) {
                        self.undelivered(id, step);
                        return;
                    }
                    self.flights[id.slot as usize].resent = 0;
                    let bytes = self.out_bytes(id);
                    self.arrive(entry, provider, TrafficClass::Calls, bytes);
                }
                if self.flights[id.slot as usize].relay.is_some() {
                    self.relay_arrived(id);
                    return;
                }
                let flight = &self.flights[id.slot as usize];
                let function = FunctionHandle(flight.function);
                if flight.direct || entry == provider {
                    self.serve(provider, id.to_bits(), function);
                } else {
                    self.charge_forward(provider);
                    let from = PeerHandle::new(entry);
                    self.input(provider, Input::CallArrived { from, reply: id.to_bits(), function });
                }
            }
            Step::Accepted => {
                let Some(capacity) = flight.capacity else { return };
                if self.reaches(provider, entry, sent) {
                    self.arrive_back(id, NOTE_BYTES);
                    self.tell(id, AttemptEvent::Accepted { capacity });
                }
            }
            Step::Failed => {
                let (Some((reason, started)), capacity) = (flight.failure, flight.capacity) else {
                    return;
                };
                if !self.reaches(provider, entry, sent) {
                    self.undelivered(id, step);
                    return;
                }
                self.arrive_back(id, NOTE_BYTES);
                self.tell(id, AttemptEvent::Failed { reason, started, capacity });
                self.drop_flight(id);
            }
            Step::Answered if flight.relay.is_some() => self.relay_answered(id),
            Step::Answered => {
                let (status, timing) = (flight.status, flight.timing);
                let capacity = flight.capacity.unwrap_or_default();
                if !self.reaches(provider, entry, sent) {
                    self.undelivered(id, step);
                    return;
                }
                let bytes = HEAD_BYTES + self.workload.response_bytes(self.flights[id.slot as usize].call);
                self.answer_back(id, bytes);
                self.answered(id, timing, status);
                self.tell(id, AttemptEvent::Finished { status, timing, capacity });
                self.drop_flight(id);
            }
            Step::Cancelled => self.cancelled_at_provider(id),
            Step::Reclaimed => self.reclaimed_at_provider(id),
            Step::Deadline => self.give_up(id),
            Step::Lost => {
                self.nodes[entry as usize].connections.remove(provider);
                self.fail_here(id, AttemptFailure::Lost, Started::Maybe);
            }
        }
    }

    /// Bytes of a call on its way out: a head, and the body unless only a manycall is announced.
    fn out_bytes(&self, id: FlightId) -> u64 {
        self.flight(id).map_or(0, |flight| HEAD_BYTES + self.workload.request_bytes(flight.call))
    }

    /// Word from the provider has come back: counted like any message, unless it never left the machine.
    fn arrive_back(&mut self, id: FlightId, bytes: u64) {
        let Some(flight) = self.flight(id) else { return };
        let (from, to) = (flight.provider, flight.entry);
        if from != to {
            self.arrive(from, to, TrafficClass::Calls, bytes);
        }
    }

    /// The answer has come back: its entry passes it on.
    pub(super) fn answer_back(&mut self, id: FlightId, bytes: u64) {
        self.arrive_back(id, bytes);
        let Some(flight) = self.flight(id) else { return };
        let (from, to, direct) = (flight.provider, flight.entry, flight.direct);
        if from != to && !direct {
            self.charge_forward(to);
        }
    }

    /// Gives the entry news of an attempt.
    fn tell(&mut self, id: FlightId, event: AttemptEvent) {
        let Some(flight) = self.flight_mut(id) else { return };
        let over = matches!(event, AttemptEvent::Finished { .. } | AttemptEvent::Failed { .. });
        if flight.told {
            return;
        }
        flight.told = over;
        let (entry, attempt, direct, call) = (flight.entry, flight.attempt, flight.direct, flight.call);
        if let Some(relay) = flight.relay {
            if let AttemptEvent::Failed { reason, started, .. } = event {
                self.drop_flight_for(id, |engine| engine.relay_failed(relay, call, reason, started));
            }
        } else if direct {
            if over {
                let flight = self.flights.remove(id.slot as usize);
                self.direct_attempt_row(&flight, &event);
                self.direct_over(call, &event);
                self.flight_over(&flight);
            }
        } else {
            self.later(entry, Input::Attempt { attempt, event });
        }
    }

    /// The attempt fails without the provider's word.
    fn fail_here(&mut self, id: FlightId, reason: AttemptFailure, started: Started) {
        self.tell(id, AttemptEvent::Failed { reason, started, capacity: None });
        self.drop_flight(id);
    }

    /// What was on its way has not arrived.
    ///
    /// Across a partition its stream sends it again, as TCP does, after a timeout that doubles each time; in the end
    /// the connection breaks. What was sent to a machine that went down is lost: the entry finds out by its probes,
    /// or by a reset once the machine is back.
    pub(super) fn undelivered(&mut self, id: FlightId, step: Step) {
        let Some(flight) = self.flight(id) else { return };
        let (entry, provider, sent, resent) = (flight.entry, flight.provider, flight.sent, flight.resent);
        let (direct, call) = (flight.direct, flight.call);
        if flight.relay.is_some() {
            let at = self.now + self.relay_silence();
            self.queue.push(at, Event::Flight(id, Step::Lost));
            return;
        }
        let to = if step == Step::Arrived { provider } else { entry };
        let node = &self.nodes[to as usize];
        if !node.is_up() || node.up_since > sent {
            if direct {
                self.fail_here(id, AttemptFailure::Lost, Started::Maybe);
            } else {
                self.lose(id);
            }
            return;
        }
        if self.workload.call(call).is_none_or(|state| state.end.is_some()) {
            // Nobody waits for it any more.
            self.drop_flight(id);
            return;
        }
        if resent >= MAX_LOSSES {
            self.fail_here(id, AttemptFailure::Lost, Started::Maybe);
            return;
        }
        let round_trip =
            self.fabric.round_trip(self.population.number(entry), self.population.number(provider));
        let wait = retransmission_timeout(round_trip, self.fabric.min_rto).saturating_mul(1 << resent);
        if let Some(flight) = self.flight_mut(id) {
            flight.resent += 1;
        }
        self.queue.push(self.now.saturating_add(wait), Event::Flight(id, step));
    }

    /// Forgets an attempt at a machine that went down. Its entry is not told, unless the machine comes back.
    fn lose(&mut self, id: FlightId) {
        let Some(flight) = self.flight(id) else { return };
        let (entry, provider) = (flight.entry, flight.provider);
        self.bereaved.entry(provider).or_default().push(entry);
        self.drop_flight(id);
    }

    /// A machine is back: who had attempts there meets a reset, as its connection is one of before.
    pub(crate) fn reset_bereaved(&mut self, provider: u32) {
        let mut entries = self.bereaved.remove(&provider).unwrap_or_default();
        entries.sort_unstable();
        entries.dedup();
        for entry in entries {
            if let Some(delay) = self.message_delay(provider, entry, 0) {
                self.queue.push(self.now + delay, Event::Disconnected { node: entry, peer: provider });
            }
        }
    }

    /// Sends a note from the provider to the entry, or hands it over where they are the same.
    fn note(&mut self, id: FlightId, step: Step) {
        let now = self.now;
        let Some(flight) = self.flight_mut(id) else { return };
        let (from, to, direct) = (flight.provider, flight.entry, flight.direct);
        if from == to {
            flight.sent = now;
            self.queue.push(self.now, Event::Flight(id, step));
            return;
        }
        let depart = if direct { self.now } else { self.depart(from) };
        self.post_flight(id, from, to, NOTE_BYTES, depart, step);
    }

    fn post_flight(&mut self, id: FlightId, from: u32, to: u32, bytes: u64, at: Time, step: Step) {
        self.count_bytes(from, TrafficClass::Calls, bytes, true);
        if let Some(flight) = self.flight(id) {
            self.workload.message(flight.call);
        }
        match self.message_delay(from, to, bytes) {
            Some(delay) => {
                let mut passage = Duration::ZERO;
                if let Some(flight) = self.flight_mut(id) {
                    flight.sent = at;
                    passage = flight.passage(step);
                }
                self.queue.push(at + delay + passage, Event::Flight(id, step));
            }
            None if step == Step::Accepted => {}
            None => {
                if let Some(flight) = self.flight_mut(id) {
                    flight.sent = at;
                }
                self.undelivered(id, step);
            }
        }
    }

    /// Sends a body: a short one as a message, a long one as a flow that shares the links.
    pub(super) fn send_body(&mut self, id: FlightId, from: u32, to: u32, bytes: u64, step: Step) {
        let (number_from, number_to) = (self.population.number(from), self.population.number(to));
        let direct = self.flight(id).is_some_and(|flight| flight.direct);
        let depart = if direct { self.now } else { self.depart(from) };
        if self.transfers.bypasses(number_from, number_to, bytes) {
            self.post_flight(id, from, to, bytes, depart, step);
            return;
        }
        self.count_bytes(from, TrafficClass::Calls, bytes, true);
        let flow = self.transfers.start(self.now, number_from, number_to, bytes, id.to_bits());
        let call = self.flights[id.slot as usize].call;
        self.workload.message(call);
        self.flights[id.slot as usize].body = Some((flow, step));
        self.set_transfer();
    }

    /// The last bit of a body has left: it arrives a delay later.
    pub(crate) fn body_sent(&mut self, transfer: Transfer) {
        let id = FlightId::from_bits(transfer.tag);
        let Some(flight) = self.flight_mut(id) else { return };
        let Some((_, step)) = flight.body.take() else {
            return;
        };
        let (from, to) = if step == Step::Arrived {
            (flight.entry, flight.provider)
        } else {
            (flight.provider, flight.entry)
        };
        if !self.nodes[from as usize].is_up() {
            self.drop_flight(id);
            return;
        }
        let delay = self.message_delay(from, to, 0);
        let at = self.now;
        let mut passage = Duration::ZERO;
        if let Some(flight) = self.flight_mut(id) {
            flight.sent = at;
            passage = flight.passage(step);
        }
        match delay {
            Some(delay) => self.queue.push(at + delay + passage, Event::Flight(id, step)),
            None => self.undelivered(id, step),
        }
    }

    /// The provider runs the call.
    pub(crate) fn serve(&mut self, provider: u32, reply: u64, function: FunctionHandle) {
        let id = FlightId::from_bits(reply);
        let Some(flight) = self.flight(id) else { return };
        let call = flight.call;
        let number = self.population.number(provider);
        let attempts = self.workload.call(call).map_or(0, |state| state.attempts);
        let job = Job {
            id: id.to_bits(),
            function: function.0,
            work: self.work(call, function),
            cold: self.cold_start(call, attempts, function),
        };
        let now = self.now;
        let Some(runtime) = self.machines[number as usize].runtime.as_mut() else {
            self.refused(id, AttemptFailure::NotHosted);
            return;
        };
        let submitted = runtime.executor.submit(now, job);
        let capacity = runtime.executor.capacity(function.0);
        self.runtime_events(number);
        let Some(flight) = self.flight_mut(id) else { return };
        flight.capacity = Some(capacity);
        match submitted {
            Submit::Rejected => self.refused(id, AttemptFailure::Full { retry_after: None }),
            Submit::NotHosted => self.refused(id, AttemptFailure::NotHosted),
            Submit::Down => self.refused(id, AttemptFailure::Runtime),
            Submit::Started | Submit::Queued => {
                flight.running = true;
                let wanted_back = flight.wanted_back;
                self.note(id, Step::Accepted);
                if wanted_back {
                    self.reclaimed_at_provider(id);
                }
            }
        }
        self.set_runtime(number);
    }

    /// The node at the provider refuses the call.
    pub(crate) fn refuse(&mut self, reply: u64) {
        self.refused(FlightId::from_bits(reply), AttemptFailure::NotHosted);
    }

    fn refused(&mut self, id: FlightId, reason: AttemptFailure) {
        let Some(flight) = self.flight_mut(id) else { return };
        flight.failure = Some((reason, Started::No));
        self.note(id, Step::Failed);
    }

    /// A machine's runtime is due.
    pub(crate) fn runtime_due(&mut self, number: u32) {
        let now = self.now;
        let Some(runtime) = self.machines[number as usize].runtime.as_mut() else {
            return;
        };
        if runtime.wake != now {
            return;
        }
        runtime.wake = Time::MAX;
        self.runtime_events(number);
        self.set_runtime(number);
    }

    /// Takes what a machine's runtime has finished.
    pub(crate) fn runtime_events(&mut self, number: u32) {
        let now = self.now;
        while let Some(event) =
            self.machines[number as usize].runtime.as_mut().and_then(|runtime| runtime.executor.poll(now))
        {
            match event {
                executor::Event::Finished(executor::Finished { id, queue, cold, exec, .. }) => {
                    self.finished(FlightId::from_bits(id), Timing { queue, cold, exec });
                }
                // A job that leaves the queue starts then; its row says so by its parts.
                executor::Event::Started { .. } | executor::Event::Charged { .. } => {}
            }
        }
    }

    fn finished(&mut self, id: FlightId, timing: Timing) {
        let Some(flight) = self.flight(id) else { return };
        let (entry, provider, call, function) = (flight.entry, flight.provider, flight.call, flight.function);
        let number = self.population.number(provider);
        let capacity = self.capacity(number, FunctionHandle(function));
        let status = self.workload.status(call);
        let direct = flight.direct;
        self.workload.executed(call);
        let now = self.now;
        let Some(flight) = self.flight_mut(id) else { return };
        flight.running = false;
        flight.timing = timing;
        flight.status = status;
        flight.capacity = capacity.or(flight.capacity);
        if entry == provider {
            flight.sent = now;
            let passage = flight.passage;
            self.queue.push(now + passage, Event::Flight(id, Step::Answered));
            return;
        }
        if !direct {
            self.charge_forward(provider);
        }
        let bytes = HEAD_BYTES + self.workload.response_bytes(call);
        self.send_body(id, provider, entry, bytes, Step::Answered);
    }

    /// The client of a direct call gives up: the provider notices that its caller is gone.
    fn give_up(&mut self, id: FlightId) {
        self.cut_short(id);
        self.fail_here(id, AttemptFailure::Timeout, Started::Maybe);
    }

    /// Takes an attempt's job off its runtime, wherever it stands.
    fn cut_short(&mut self, id: FlightId) {
        let Some(flight) = self.flight(id).filter(|flight| flight.running) else {
            return;
        };
        let (provider, call) = (flight.provider, flight.call);
        let number = self.population.number(provider);
        let now = self.now;
        let cut = self.machines[number as usize]
            .runtime
            .as_mut()
            .and_then(|runtime| runtime.executor.cancel(now, id.to_bits()));
        self.runtime_events(number);
        self.set_runtime(number);
        if let Some(cut) = cut {
            self.burnt(call, cut);
        }
    }

    /// A node stops an attempt.
    pub(crate) fn cancel(&mut self, node: u32, attempt: AttemptId, only_queued: bool) {
        let step = if only_queued { Step::Reclaimed } else { Step::Cancelled };
        let Some(id) = self.workload.flight_of(node, attempt) else {
            return;
        };
        let Some(flight) = self.flight(id) else { return };
        let (entry, provider) = (flight.entry, flight.provider);
        if entry == provider {
            self.queue.push(self.now, Event::Flight(id, step));
            return;
        }
        let depart = self.depart(entry);
        self.count_bytes(entry, TrafficClass::Calls, NOTE_BYTES, true);
        let call = self.flights[id.slot as usize].call;
        self.workload.message(call);
        if let Some(delay) = self.message_delay(entry, provider, NOTE_BYTES) {
            self.queue.push(depart + delay, Event::Flight(id, step));
        }
    }

    /// A call is wanted back: given only if it still waits.
    fn reclaimed_at_provider(&mut self, id: FlightId) {
        let Some(flight) = self.flight_mut(id) else { return };
        if !flight.running {
            // A stream keeps the order: one that has not come yet is asked for when it is there.
            flight.wanted_back = true;
            return;
        }
        let provider = flight.provider;
        let number = self.population.number(provider);
        let runtime = self.machines[number as usize].runtime.as_ref();
        if runtime.is_some_and(|runtime| runtime.executor.is_queued(id.to_bits())) {
            self.cancelled_at_provider(id);
        }
    }

    fn cancelled_at_provider(&mut self, id: FlightId) {
        let now = self.now;
        let Some(flight) = self.flight(id) else { return };
        let (provider, running, call) = (flight.provider, flight.running, flight.call);
        if !self.nodes[provider as usize].is_up() {
            return;
        }
        let number = self.population.number(provider);
        if !running {
            // Not there yet: it is refused on arrival. Or already on its way back: that answer counts.
            if flight.body.is_some_and(|(_, step)| step == Step::Arrived) || flight.capacity.is_none() {
                self.fail_flight(id, AttemptFailure::Cancelled, Started::No);
            }
            return;
        }
        let cancelled = self.machines[number as usize]
            .runtime
            .as_mut()
            .and_then(|runtime| runtime.executor.cancel(now, id.to_bits()));
        self.runtime_events(number);
        self.set_runtime(number);
        let Some(cancelled) = cancelled else { return };
        let started = if cancelled.started { Started::Yes } else { Started::No };
        if let Some(flight) = self.flight_mut(id) {
            flight.running = false;
            flight.timing.exec = cancelled.burnt;
        }
        self.burnt(call, cancelled);
        self.fail_flight(id, AttemptFailure::Cancelled, started);
    }

    /// The provider gives an attempt up and says so.
    pub(crate) fn fail_flight(&mut self, id: FlightId, reason: AttemptFailure, started: Started) {
        let Some(flight) = self.flight(id) else { return };
        let number = self.population.number(flight.provider);
        let capacity = self.capacity(number, FunctionHandle(flight.function));
        let Some(flight) = self.flight_mut(id) else { return };
        flight.running = false;
        flight.failure = Some((reason, started));
        flight.capacity = capacity;
        // What was scheduled for it before is void.
        if let Some((flow, _)) = flight.body.take() {
            self.transfers.cancel(self.now, flow);
            self.set_transfer();
        }
        self.note(id, Step::Failed);
    }

    /// Everything that a machine's death takes with it: jobs in its runtime, bodies from and to it.
    pub(crate) fn drop_flights_of(&mut self, node: u32) {
        let number = self.population.number(node);
        for transfer in self.transfers.cancel_node(self.now, number) {
            let id = FlightId::from_bits(transfer.tag);
            if let Some(flight) = self.flight_mut(id) {
                flight.body = None;
            }
        }
        self.set_transfer();
        let gone: Vec<FlightId> = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.provider == node || flight.entry == node)
            .map(|(slot, flight)| flight.id(slot))
            .collect();
        for id in gone {
            let Some(flight) = self.flight(id) else { continue };
            if let Some(relay) = flight.relay {
                self.relay_end_died(id, relay, node);
            } else if flight.entry == node && flight.provider != node {
                // The provider notices that its caller is gone and stops.
                self.cut_short(id);
                self.drop_flight(id);
            } else if flight.entry == node {
                self.drop_flight(id);
            } else if flight.direct {
                self.fail_here(id, AttemptFailure::Lost, Started::Maybe);
            } else {
                self.lose(id);
            }
        }
    }

    /// How full a machine's runtime is for a function; `None`: not hosted, or down.
    pub(crate) fn capacity(&self, number: u32, function: FunctionHandle) -> Option<Capacity> {
        let runtime = self.machines[number as usize].runtime.as_ref()?;
        (!runtime.down && runtime.executor.hosts(function.0)).then(|| runtime.executor.capacity(function.0))
    }

    /// Jobs died with their machine: what they burnt is counted.
    pub(crate) fn count_lost(&mut self, lost: &[Lost]) {
        for lost in lost {
            if let Some(flight) = self.flight(FlightId::from_bits(lost.id)) {
                let call = flight.call;
                self.burnt(call, lost.cut);
            }
        }
    }

    /// Jobs died with a runtime whose node lives: it says so.
    pub(crate) fn fail_lost(&mut self, lost: &[Lost]) {
        self.count_lost(lost);
        for lost in lost {
            let started = if lost.cut.started { Started::Yes } else { Started::No };
            self.fail_flight(FlightId::from_bits(lost.id), AttemptFailure::Runtime, started);
        }
    }

    /// A job was cut off.
    fn burnt(&mut self, call: u64, cut: Cut) {
        if cut.started {
            self.workload.executed(call);
            self.workload.wasted(call, cut.burnt);
        }
    }
}
