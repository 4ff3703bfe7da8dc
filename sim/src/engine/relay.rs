//! Calls through a central gateway: the entry carries the call there, the gateway's node routes it, and the answer
//! comes back the same way.
//!
//! Both bodies pass through the gateway: they take time and bytes on its links and its processor's time for passing
//! them on. What the gateway's node reports of look-up, dispatch and retries is the call's; the time on the way to
//! the gateway and back is network, that of dialling it connect. A call that cannot leave is `unreachable` (the gateway refuses) or a `timeout`
//! (silence); one that has left when the gateway dies is `unknown`. An entry notices a reset as soon as it arrives,
//! and silence as a node notices it of a provider: after `probe_interval` times `probe_misses` (the transport's own
//! keep-alives, which cost nothing here).
//!
//! A manycall runs at the gateway. When its node asks for items, that word travels to the entry (one note each
//! time), and each item takes the way of a call.

use super::flight::{FlightId, HEAD_BYTES, NOTE_BYTES, Step};
use super::node::Status;
use super::{Engine, Event};
use edge_faas_core::io::{AttemptFailure, Call, CallOutcome, CallReport, Input, Map, MapId, Started};
use edge_faas_core::key::FunctionHandle;
use edge_faas_core::results::{Outcome, TrafficClass};
use edge_faas_core::scenario::schedule::CallKind;
use edge_faas_core::time::{Duration, Time};

/// What is carried between an entry and the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Relay {
    /// A call, or an item of a manycall.
    Call,
    /// A manycall, by number: open as long as it runs.
    Map(u64),
}

/// A call that a gateway has, or will.
#[derive(Debug)]
pub(super) struct RelayedCall {
    flight: FlightId,
    /// What the gateway's node is asked.
    call: Call,
    map: Option<MapId>,
    /// The request has reached the gateway.
    arrived: bool,
    /// How long the entry dialled the gateway.
    pub(super) connect: Duration,
    /// How it ended there.
    report: Option<Box<CallReport>>,
}

/// A manycall that a gateway has, or will.
#[derive(Clone, Copy, Debug)]
pub(super) struct RelayedMap {
    pub(super) flight: FlightId,
    /// The gateway's handle.
    pub(super) gateway: u32,
    /// Items that have reached the gateway or never will.
    pub(super) settled: u32,
}

impl Engine<'_> {
    /// How long an entry hears nothing before it takes the gateway for dead.
    pub(super) fn relay_silence(&self) -> Duration {
        self.config.faas.probe_interval * i64::from(self.config.faas.probe_misses)
    }

    /// Prepares what is to be carried; [`Engine::dial`] or [`Step::Begin`] sets it off.
    pub(super) fn relay(
        &mut self,
        entry: u32,
        gateway: u32,
        call: u64,
        function: u32,
        relay: Relay,
    ) -> FlightId {
        let attempt = self.workload.unattached();
        let id =
            self.insert_flight((entry, gateway), attempt, call, FunctionHandle(function), false, Some(relay));
        self.workload.relay_started(call);
        self.charge_forward(entry);
        id
    }

    /// Prepares a call for its way to the gateway.
    pub(super) fn relay_call(
        &mut self,
        entry: u32,
        gateway: u32,
        call: Call,
        map: Option<MapId>,
    ) -> FlightId {
        let (number, deadline) = (call.id.0, call.deadline);
        let id = self.relay(entry, gateway, number, call.function.0, Relay::Call);
        if let Some(state) = self.workload.calls.get_mut(&number) {
            state.relayed = Some(Box::new(RelayedCall {
                flight: id,
                call,
                map,
                arrived: false,
                connect: Duration::ZERO,
                report: None,
            }));
        }
        if deadline < Time::MAX {
            self.queue.push(deadline.max(self.now), Event::Flight(id, Step::Deadline));
        }
        id
    }

    /// The entry takes an item up, or dials again.
    pub(super) fn relay_begins(&mut self, id: FlightId) {
        let Some(flight) = self.flight(id) else { return };
        let (call, now) = (flight.call, self.now);
        if let Some(state) = self.workload.calls.get_mut(&call) {
            state.sent.get_or_insert(now);
        }
        self.dial(id);
    }

    /// The gateway has it.
    pub(super) fn relay_arrived(&mut self, id: FlightId) {
        let Some(flight) = self.flight(id) else { return };
        let (gateway, call, relay, function) =
            (flight.provider, flight.call, flight.relay, FunctionHandle(flight.function));
        let connect = flight.connect;
        self.charge_forward(gateway);
        let local = self.capacity(self.population.number(gateway), function);
        if let Some(Relay::Map(map)) = relay {
            let Some(state) = self.workload.maps.get(&map) else { return };
            let CallKind::Manycall { policy, items } = state.scheduled.kind else { return };
            let (policy, items) = (Some(policy), Some(u64::from(items)));
            let map = Map { id: MapId(map), function, policy, items, credit: None, local };
            self.later(gateway, Input::Map(Box::new(map)));
            return;
        }
        let Some(relayed) = self.workload.calls.get_mut(&call).and_then(|state| state.relayed.as_mut())
        else {
            return;
        };
        relayed.arrived = true;
        relayed.connect = connect;
        let (call, map) = (Box::new(Call { local, ..relayed.call.clone() }), relayed.map);
        match map {
            Some(map) => {
                self.later(gateway, Input::Item { map, call });
                self.item_settled(map);
            }
            None => self.later(gateway, Input::Call(call)),
        }
    }

    /// One more item has reached the gateway or never will: after the last, the manycall has no more.
    fn item_settled(&mut self, map: MapId) {
        let Some(state) = self.workload.maps.get_mut(&map.0) else { return };
        let Some(relayed) = state.relayed.as_mut() else { return };
        relayed.settled += 1;
        if relayed.settled == state.items {
            let gateway = relayed.gateway;
            self.later(gateway, Input::ItemsEnd { map });
        }
    }

    /// The gateway's word to the entry that it wants items: when it arrives. Lost, the manycall is.
    pub(super) fn ask_entry(&mut self, id: FlightId) -> Option<Time> {
        let flight = self.flight(id)?;
        let (entry, gateway) = (flight.entry, flight.provider);
        let depart = self.depart(gateway);
        self.count_bytes(gateway, TrafficClass::Calls, NOTE_BYTES, true);
        let delay = self.message_delay(gateway, entry, NOTE_BYTES);
        if delay.is_none() {
            self.undelivered(id, Step::Answered);
        }
        Some(depart + delay?)
    }

    /// A call has ended at the node that routes it. If that is a gateway, its answer sets off for the entry; else
    /// the report comes back.
    pub(super) fn relay_back(&mut self, report: Box<CallReport>) -> Option<Box<CallReport>> {
        let call = report.call.0;
        let Some(relayed) = self.workload.calls.get_mut(&call).and_then(|state| state.relayed.as_mut())
        else {
            return Some(report);
        };
        let id = relayed.flight;
        relayed.report = Some(report);
        // It may be over for the entry.
        let flight = self.flight(id)?;
        let (entry, gateway) = (flight.entry, flight.provider);
        self.charge_forward(gateway);
        let bytes = self.back_bytes(call);
        self.send_body(id, gateway, entry, bytes, Step::Answered);
        None
    }

    /// Bytes of an answer: a body only if the function answered.
    fn back_bytes(&self, call: u64) -> u64 {
        let relayed = self.workload.call(call).and_then(|state| state.relayed.as_ref());
        match relayed.and_then(|relayed| relayed.report.as_ref()).map(|report| report.outcome) {
            Some(CallOutcome::Ok | CallOutcome::FunctionError) => {
                HEAD_BYTES + self.workload.response_bytes(call)
            }
            _ => NOTE_BYTES,
        }
    }

    /// The answer has reached the entry.
    pub(super) fn relay_answered(&mut self, id: FlightId) {
        let Some(flight) = self.flight(id) else { return };
        let (entry, gateway, sent, call) = (flight.entry, flight.provider, flight.sent, flight.call);
        if !self.reaches(gateway, entry, sent) {
            self.undelivered(id, Step::Answered);
            return;
        }
        self.answer_back(id, self.back_bytes(call));
        let report = self
            .workload
            .calls
            .get_mut(&call)
            .and_then(|state| state.relayed.as_mut())
            .and_then(|relayed| relayed.report.take());
        if let Some(report) = report {
            self.conclude(report);
        }
        self.drop_flight(id);
    }

    /// The entry knows that it will have no answer.
    pub(super) fn relay_failed(&mut self, relay: Relay, call: u64, reason: AttemptFailure, started: Started) {
        let (outcome, error) = match (reason, started) {
            (AttemptFailure::Dial, _) => (Outcome::Unreachable, "the gateway cannot be reached"),
            (AttemptFailure::Timeout, Started::No) => (Outcome::Timeout, "the gateway does not answer"),
            (AttemptFailure::Timeout, _) => (Outcome::Timeout, "the deadline passed"),
            _ => (Outcome::Unknown, "the connection to the gateway broke"),
        };
        match relay {
            Relay::Map(map) => self.end_items(map, outcome, error),
            Relay::Call => {
                let relayed = self.workload.call(call).and_then(|state| state.relayed.as_ref());
                let item = relayed.and_then(|relayed| Some((relayed.map?, relayed.arrived)));
                if let Some((map, arrived)) = item {
                    if !arrived {
                        self.item_settled(map);
                    }
                    let way = self.workload.maps.get(&map.0).and_then(|state| state.relayed);
                    let late = reason == AttemptFailure::Timeout && started != Started::No;
                    if let (Some(way), false) = (way, late) {
                        // The way of one is the way of all: nobody will ask for the rest.
                        self.queue.push(self.now, Event::Flight(way.flight, Step::Lost));
                    }
                }
                self.end_call(call, outcome, None, error);
            }
        }
    }

    /// One end of the way has died.
    pub(super) fn relay_end_died(&mut self, id: FlightId, relay: Relay, node: u32) {
        let Some(flight) = self.flight(id) else { return };
        let (entry, gateway, call) = (flight.entry, flight.provider, flight.call);
        if entry == node {
            // The gateway notices that its caller is gone, and stops.
            match relay {
                Relay::Map(map) => self.later(gateway, Input::CancelMap { map: MapId(map) }),
                Relay::Call => {
                    self.later(gateway, Input::CancelCall { call: edge_faas_core::io::CallId(call) })
                }
            }
            self.drop_flight(id);
            return;
        }
        let noticed = match self.nodes[gateway as usize].status {
            Status::Refusing => self.message_delay(gateway, entry, 0),
            _ => None,
        };
        let at = self.now + noticed.unwrap_or_else(|| self.relay_silence());
        self.queue.push(at, Event::Flight(id, Step::Lost));
    }

    /// Every item of a manycall has ended for the entry.
    pub(super) fn close_map(&mut self, map: u64, relayed: RelayedMap) {
        self.later(relayed.gateway, Input::CancelMap { map: MapId(map) });
        self.drop_flight(relayed.flight);
    }
}
