//! Messages on their way: Kademlia's requests and responses, and probes.

use super::connections::{Clock, Connection, TICK};
use super::node::Status;
use super::{Engine, Event};
use crate::trace::show_response;
use edge_faas_core::context::Capacity;
use edge_faas_core::io::{Exchange, Failure, Input};
use edge_faas_core::kad::{Preimage, Request, Response, wire};
use edge_faas_core::key::{FunctionHandle, PeerHandle};
use edge_faas_core::results::TrafficClass;
use edge_faas_core::time::{Duration, Time};

/// Bytes that opening a connection puts on the wire in each direction: TCP's or QUIC's own packets, noise XX with
/// its certificates, the negotiation of protocols, and identify (measured sizes of rust-libp2p's messages, rounded).
pub(crate) const HANDSHAKE_BYTES: u64 = 1_200;
/// A probe and its answer: a frame of the call protocol with its stream's header.
pub(crate) const PROBE_BYTES: u64 = 64;

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) sent: Time,
    pub(crate) bytes: u32,
    /// The requester's number for it, in both directions.
    pub(crate) exchange: Exchange,
    pub(crate) class: TrafficClass,
    pub(crate) dialled: bool,
    pub(crate) body: Body,
}

#[derive(Debug)]
pub(crate) enum Body {
    Request(Request),
    Response(Response),
    Probe(Option<FunctionHandle>),
    ProbeReply(Option<(FunctionHandle, Capacity)>),
}

/// Sizes on the wire, from the real encoding.
impl Engine<'_> {
    fn request_bytes(&self, request: &Request) -> u32 {
        wire::request_len(request, &self.config, &self.functions)
    }

    fn response_bytes(&self, response: &Response) -> u32 {
        wire::response_len(response, &self.config)
    }
}

/// How a connection came about for a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
    /// The message can leave at this instant; true if it had to dial for it.
    Ready(Time, bool),
    /// The dial is refused, known at this instant.
    Refused(Time),
    /// The other end has forgotten the connection: known at this instant.
    Reset(Time),
    /// Nothing will ever answer.
    Silence,
}

/// What a request is for, as traffic: told from what it asks about.
pub(crate) fn class_of(request: &Request) -> TrafficClass {
    match request {
        Request::GetProviders { .. } => TrafficClass::Lookup,
        Request::AddProvider(_)
        | Request::RemoveProvider(_)
        | Request::PutValue(_)
        | Request::GetValue(_) => TrafficClass::Records,
        Request::FindNode(target) => match target.preimage {
            Preimage::Function(_) | Preimage::Bytes(_) => TrafficClass::Records,
            Preimage::Peer(_) | Preimage::Random(_) => TrafficClass::Upkeep,
        },
        Request::Ping => TrafficClass::Upkeep,
    }
}

impl Engine<'_> {
    /// The connection from `from` to `to`, opened if need be: when can a message leave?
    pub(crate) fn link(&mut self, from: u32, to: u32, depart: Time) -> Link {
        let clock = self.clock(depart);
        let connection = self.nodes[from as usize].connections.reuse(to, clock);
        if let Connection::Opening(ready) = connection {
            return Link::Ready(ready, false);
        }
        if let Connection::Open(last) = connection {
            if self.restarts
                && self.nodes[to as usize].is_up()
                && self.nodes[to as usize].up_since > last + Duration::from_nanos(TICK)
            {
                // The other end came back without this connection: the first packet on it is answered by a reset.
                self.nodes[from as usize].connections.remove(to);
                return match self.round_trip(self.number(from), self.number(to)) {
                    Some(round_trip) => Link::Reset(depart + round_trip),
                    None => Link::Silence,
                };
            }
            return Link::Ready(depart, false);
        }
        self.totals.dials += 1;
        let Some(round_trip) = self.round_trip(self.number(from), self.number(to)) else {
            return Link::Silence;
        };
        match self.nodes[to as usize].status {
            Status::Up => {
                let trips = round_trip * i64::from(self.limits.handshake_round_trips);
                let ready = depart + trips + self.handshake_time();
                self.nodes[from as usize].connections.open(to, ready, clock);
                self.count_bytes(from, TrafficClass::Upkeep, HANDSHAKE_BYTES, false);
                self.count_bytes(to, TrafficClass::Upkeep, HANDSHAKE_BYTES, false);
                Link::Ready(ready, true)
            }
            Status::Refusing => Link::Refused(depart + round_trip),
            Status::Silent => Link::Silence,
        }
    }

    /// The machine of a node.
    pub(crate) fn number(&self, node: u32) -> u32 {
        self.nodes[node as usize].number
    }

    /// The round trip between two machines as faults leave it; `None` across a partition.
    pub(crate) fn round_trip(&self, a: u32, b: u32) -> Option<Duration> {
        if a == b {
            return Some(Duration::ZERO);
        }
        if !self.rules.connected(a, b) {
            return None;
        }
        Some(self.fabric.round_trip(a, b) + self.rules.between(a, b).delay * 2)
    }

    /// Sends a request of Kademlia's.
    pub(crate) fn send_request(&mut self, from: u32, to: u32, exchange: Exchange, request: Request) {
        self.trace_message(from, '>', to, |engine| engine.show_request(&request));
        let bytes = self.request_bytes(&request);
        let class = class_of(&request);
        let expects = request.has_response();
        let depart = self.depart(from);
        match self.link(from, to, depart) {
            Link::Ready(at, dialled) => {
                let body = Body::Request(request);
                self.post(at, Parcel { from, to, sent: at, bytes, exchange, class, dialled, body });
            }
            Link::Refused(at) if expects => self.fail_request(from, to, exchange, Failure::Dial, at),
            Link::Reset(at) => {
                self.queue.push(at, Event::Disconnected { node: from, peer: to });
                if expects {
                    self.fail_request(from, to, exchange, Failure::Reset, at);
                }
            }
            // The core has its own deadline.
            Link::Refused(_) | Link::Silence => {}
        }
    }

    fn fail_request(&mut self, from: u32, to: u32, exchange: Exchange, failure: Failure, at: Time) {
        let peer = PeerHandle::new(to);
        let slot = self.failures.insert((from, Input::KadFailed { peer, exchange, failure })) as u32;
        self.queue.push(at, Event::Failed(slot));
    }

    /// Sends a response on the connection that its request came on.
    pub(crate) fn send_response(&mut self, from: u32, to: u32, reply: u32, response: Response) {
        let answering = self.answering;
        self.send_response_after(from, to, reply, answering, response, Duration::ZERO);
    }

    /// As `send_response`, `delay` later than possible.
    pub(crate) fn send_response_after(
        &mut self,
        from: u32,
        to: u32,
        reply: u32,
        (class, dialled): (TrafficClass, bool),
        response: Response,
        delay: Duration,
    ) {
        let bytes = self.response_bytes(&response);
        let depart = self.depart(from) + self.request_time(from) + delay;
        // The connection is open: the requester waits, and its request has just kept it so.
        let (exchange, body) = (Exchange(reply), Body::Response(response));
        self.post(depart, Parcel { from, to, sent: depart, bytes, exchange, class, dialled, body });
    }

    /// Sends a probe; one that cannot leave is simply not answered.
    pub(crate) fn send_probe(&mut self, from: u32, to: u32, function: Option<FunctionHandle>) {
        let depart = self.depart(from);
        match self.link(from, to, depart) {
            Link::Ready(at, dialled) => {
                let (exchange, class, body) = (Exchange(0), TrafficClass::Upkeep, Body::Probe(function));
                let bytes = PROBE_BYTES as u32;
                self.post(at, Parcel { from, to, sent: at, bytes, exchange, class, dialled, body });
            }
            Link::Reset(at) => self.queue.push(at, Event::Disconnected { node: from, peer: to }),
            Link::Refused(_) | Link::Silence => {}
        }
    }

    /// Puts a message on its way at `at`.
    #[inline]
    fn post(&mut self, at: Time, parcel: Parcel) {
        let (from, to) = (parcel.from, parcel.to);
        let bytes = u64::from(parcel.bytes);
        self.count_bytes(from, parcel.class, bytes, true);
        if let Some(delay) = self.message_delay(from, to, bytes) {
            let slot = self.parcels.insert(parcel);
            self.queue.push(at + delay, Event::Parcel { slot, to });
        }
    }

    /// How long a message of `from`'s takes; `None` across a partition.
    pub(crate) fn message_delay(&mut self, from: u32, to: u32, bytes: u64) -> Option<Duration> {
        let node = &mut self.nodes[from as usize];
        let number = node.sent;
        node.sent = node.sent.wrapping_add(1);
        let (from, to) = (node.number, self.number(to));
        let message = crate::network::Message { from, to, bytes, number };
        self.fabric.delay(&self.rules, &self.draws, message)
    }

    /// A message arrives.
    pub(crate) fn deliver(&mut self, slot: u32) {
        let parcel = self.parcels.remove(slot);
        let Parcel { from, to, sent, bytes, exchange, class, dialled, body } = parcel;
        if !self.reaches(from, to, sent) {
            return;
        }
        self.arrive(from, to, class, u64::from(bytes));
        let peer = PeerHandle::new(from);
        let input = match body {
            Body::Request(request) => {
                self.totals.messages += 1;
                self.trace_message(to, '<', from, |engine| engine.show_request(&request));
                if !self.behaves(to, &request, from, exchange, class) {
                    return;
                }
                let server = self.nodes[from as usize].server;
                self.answering = (class, dialled);
                Input::KadRequest { from: peer, server, reply: exchange.0, request }
            }
            Body::Response(response) => {
                self.totals.messages += 1;
                self.trace_message(to, '=', from, |_| show_response(&response));
                Input::KadResponse { from: peer, exchange, bytes, response, dialled }
            }
            Body::Probe(function) => {
                let number = self.population.number(to);
                let capacity = function.and_then(|f| self.capacity(number, f).map(|capacity| (f, capacity)));
                let depart = self.depart(to);
                let (class, body, bytes) =
                    (TrafficClass::Upkeep, Body::ProbeReply(capacity), PROBE_BYTES as u32);
                let exchange = Exchange(0);
                let reply =
                    Parcel { from: to, to: from, sent: depart, bytes, exchange, class, dialled: false, body };
                self.post(depart, reply);
                return;
            }
            Body::ProbeReply(capacity) => Input::ProbeReply { peer, capacity },
        };
        self.input(to, input);
    }

    /// Whether what was sent at `sent` reaches a node that is there to take it.
    pub(crate) fn reaches(&self, from: u32, to: u32, sent: Time) -> bool {
        let node = &self.nodes[to as usize];
        node.is_up()
            && node.up_since <= sent
            && (!self.rules.is_partitioned() || self.rules.connected(self.number(from), node.number))
    }

    /// What every arriving message does: it is counted, keeps its connection open and takes processor time.
    pub(crate) fn arrive(&mut self, from: u32, to: u32, class: TrafficClass, bytes: u64) {
        let (now, cost) = (self.now, self.limits.message_cpu);
        let clock = self.clock(now);
        let node = &mut self.nodes[to as usize];
        node.connections.touch(from, now, clock);
        node.cpu_free = node.cpu_free.max(now) + cost;
        if let Some(counters) = self.counters.get_mut(node.number as usize) {
            counters.messages_in[class.index()] += 1;
            counters.bytes_in[class.index()] += bytes;
        }
    }

    pub(crate) fn clock(&self, now: Time) -> Clock {
        Clock { now, idle: self.limits.idle_timeout, max: self.limits.max_connections }
    }

    /// When what a node sends now leaves it: after its processor has done what came in before.
    pub(crate) fn depart(&self, node: u32) -> Time {
        self.nodes[node as usize].cpu_free.max(self.now)
    }

    /// Takes processor time of a node's for passing a call, or its answer, on: once at each end of each way.
    pub(crate) fn charge_forward(&mut self, node: u32) {
        let now = self.now;
        let node = &mut self.nodes[node as usize];
        node.cpu_free = node.cpu_free.max(now) + self.limits.forward_cpu;
    }

    /// Counts bytes sent.
    pub(crate) fn count_bytes(&mut self, from: u32, class: TrafficClass, bytes: u64, message: bool) {
        self.second.bytes[class.index()] += bytes;
        let number = self.number(from);
        if let Some(counters) = self.counters.get_mut(number as usize) {
            counters.messages_out[class.index()] += u64::from(message);
            counters.bytes_out[class.index()] += bytes;
        }
    }
}
