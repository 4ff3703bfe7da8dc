//! The simulation of one repetition: nodes, network, faults and workload around the core, under one virtual clock.
//!
//! [`Engine`] pops events and turns them into inputs of nodes; what nodes put out becomes messages, attempts and
//! rows of results. Each aspect is a file of its own:
//!
//! - `population`, `node`, `connections`: who is who, and what a machine remembers;
//! - `traffic`: Kademlia's messages, `parcels`: those on their way, `prefetch`: their memory; `flight`: attempts of calls; `relay`: calls through a gateway;
//!   `workload`: the schedule of calls;
//! - `start`: joining, or a network that has settled (`settled`: its tables and records); `lifecycle` and `churn`: nodes that go and come back;
//!   `fault`: the fault timeline; `misbehave`: nodes that break the protocol;
//! - `calibration`: what real nodes take besides;
//! - `truth`: what only a simulator knows; `record`: rows.

mod build;
mod calibration;
mod churn;
mod connections;
mod fault;
mod flight;
mod lifecycle;
mod misbehave;
mod node;
mod parcels;
mod population;
mod prefetch;
mod record;
mod relay;
mod settled;
mod start;
mod traffic;
mod truth;
mod workload;

pub use build::{BuildError, Inputs, check, config, fabric};
pub use fault::{describe as describe_fault, kind as kind_of_fault};

use crate::discovery::Discovery;
use crate::network::{Fabric, Rules, Transfers};
use crate::queue::EventQueue;
use edge_faas_core::context::{Config, Context, FunctionTable, Outputs};
use edge_faas_core::draws::Draws;
use edge_faas_core::io::{Input, Output};
use edge_faas_core::key::PeerHandle;
use edge_faas_core::peer::Peer;
use edge_faas_core::results::TrafficClass;
use edge_faas_core::scenario::Scenario;
use edge_faas_core::time::{Duration, Time};
use flight::{Flight, FlightId, Step};
use node::Node;
use parcels::Parcels;
use population::Population;
pub use record::node_name;
use slab::Slab;
use std::collections::{BTreeMap, VecDeque};
use std::io;
pub(crate) use traffic::Link;
use workload::Workload;

/// What the simulator draws; the schedule has 256 to 287, the network 512 to 527, `calibration` 1038 to 1042.
pub(crate) mod purpose {
    use edge_faas_core::draws::Purpose;

    /// The key of an identity.
    pub(crate) const IDENTITY: Purpose = Purpose(1026);
    /// When a node joins.
    pub(crate) const JOIN: Purpose = Purpose(1027);
    /// Which entries a settled routing table has.
    pub(crate) const TABLE: Purpose = Purpose(1028);
    /// The phases of timers and records in a settled network.
    pub(crate) const SETTLED: Purpose = Purpose(1029);
    /// Sessions and gaps.
    pub(crate) const CHURN: Purpose = Purpose(1030);
    /// The start of an instance.
    pub(crate) const COLD_START: Purpose = Purpose(1031);
    /// Whether a node is a client.
    pub(crate) const CLIENT: Purpose = Purpose(1032);
    /// What a liar answers.
    pub(crate) const LIE: Purpose = Purpose(1033);
    /// The overlay of a flood, the rumours of a gossip.
    pub(crate) const DISCOVERY: Purpose = Purpose(1034);
    /// For how long a machine of a settled network has been up, or away.
    pub(crate) const AGE: Purpose = Purpose(1035);
    /// Who else is in a settled routing table although it is away.
    pub(crate) const STALE: Purpose = Purpose(1036);
    /// Whether a machine that was away from the beginning had said goodbye.
    pub(crate) const GOODBYE: Purpose = Purpose(1037);
}

/// Something that is due.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A message arrives.
    Parcel { slot: u32, to: u32 },
    /// A node's own deadline.
    Wake(u32),
    /// A request is known to have failed.
    Failed(u32),
    /// `node` learns that its connections to `peer` broke.
    Disconnected { node: u32, peer: u32 },
    /// A step in the life of an attempt.
    Flight(FlightId, Step),
    /// The runtime of a machine (by number) has something to say.
    Runtime(u32),
    /// A body has been sent.
    Transfer,
    /// The next call of the open-loop schedule is due.
    Arrival,
    /// The next call of a closed-loop client is due.
    Client(u32),
    /// A call has come to its entry.
    Entered(u32),
    /// A machine (by number) joins for the first time.
    Join(u32),
    /// A machine's session or gap ends.
    Churn(u32),
    /// A fault of the timeline begins.
    Fault(u32),
    /// A fault of the timeline ends.
    FaultEnd(u32),
    /// The message of a discovery that is not Kademlia.
    Discovery(u32),
    /// Time 0: counting begins.
    Zero,
}

/// Settings of the machines, from the scenario.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) idle_timeout: Duration,
    pub(crate) max_connections: usize,
    pub(crate) handshake_round_trips: u32,
    pub(crate) dial_timeout: Duration,
    pub(crate) message_cpu: Duration,
    pub(crate) forward_cpu: Duration,
}

/// Messages and bytes of one machine by class of traffic.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) messages_in: [u64; TrafficClass::COUNT],
    pub(crate) messages_out: [u64; TrafficClass::COUNT],
    pub(crate) bytes_in: [u64; TrafficClass::COUNT],
    pub(crate) bytes_out: [u64; TrafficClass::COUNT],
}

/// Bytes of the present second, by class.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    pub(crate) number: i64,
    pub(crate) bytes: [u64; TrafficClass::COUNT],
}

/// What a repetition did, for the manifest and the summary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events taken from the queue.
    pub events: u64,
    /// Kademlia requests and responses delivered, and the messages of another discovery.
    pub messages: u64,
    /// Connections opened or tried.
    pub dials: u64,
    /// Attempts of calls.
    pub attempts: u64,
    /// The most events that were pending at once.
    pub queue_peak: u64,
}

/// One repetition under way.
pub struct Engine<'s> {
    pub(crate) scenario: &'s Scenario,
    pub(crate) now: Time,
    pub(crate) queue: EventQueue<Event>,
    pub(crate) draws: Draws,
    pub(crate) config: Config,
    pub(crate) limits: Limits,
    pub(crate) functions: FunctionTable,
    pub(crate) population: Population,
    pub(crate) nodes: Vec<Node>,
    pub(crate) fabric: Fabric,
    pub(crate) rules: Rules,
    pub(crate) transfers: Transfers,
    transfer_wake: Time,
    /// By machine number.
    pub(crate) machines: Vec<build::Machine>,
    pub(crate) hosts: build::Hosts,
    pub(crate) counters: Vec<Counters>,
    pub(crate) parcels: Parcels,
    failures: Slab<(u32, Input)>,
    pub(crate) flights: Slab<Flight>,
    flight_generation: u32,
    /// Entries whose attempts went down with a provider, by its handle.
    pub(crate) bereaved: BTreeMap<u32, Vec<u32>>,
    pub(crate) workload: Workload<'s>,
    pub(crate) churn: churn::Churn,
    pub(crate) faults: fault::Faults,
    pub(crate) misbehaving: misbehave::Misbehaving,
    pub(crate) discovery: Discovery,
    /// True once a node has come back: connections of before may be broken.
    pub(crate) restarts: bool,
    /// The class of the request that is being answered, and whether it was dialled for.
    pub(crate) answering: (TrafficClass, bool),
    pending: VecDeque<(u32, Input)>,
    out: Outputs,
    pub(crate) second: Second,
    pub(crate) up: u64,
    pub(crate) totals: Totals,
    pub(crate) rows: record::Rows,
    pub(crate) tracer: Option<crate::trace::Tracer>,
    failed: Option<io::Error>,
}

impl<'s> Engine<'s> {
    /// Runs until every call is done, or until about `events` more events are handled. False: it is done.
    ///
    /// # Errors
    /// If a row cannot be written.
    pub fn run(&mut self, events: u64) -> io::Result<bool> {
        for _ in 0..events {
            if self.is_done() {
                return Ok(false);
            }
            let Some((at, event)) = self.queue.pop() else {
                return Ok(false);
            };
            self.prefetch();
            self.now = at;
            self.totals.events += 1;
            if at.as_nanos() >= self.second_end() {
                self.end_second();
            }
            self.handle(event);
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
        }
        Ok(true)
    }

    /// The virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// When the last phase ends.
    pub fn end(&self) -> Time {
        Time::ZERO + self.scenario.duration()
    }

    /// What has happened so far.
    pub fn totals(&self) -> Totals {
        Totals { queue_peak: self.queue.peak() as u64, ..self.totals }
    }

    /// Keeps the first error of a row that could not be written; the run ends with it.
    pub(crate) fn check(&mut self, result: io::Result<()>) {
        if let (Err(error), None) = (result, &self.failed) {
            self.failed = Some(error);
        }
    }

    fn is_done(&self) -> bool {
        self.now >= self.end() && self.workload.is_done()
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Parcel { slot, .. } => self.deliver(slot),
            Event::Wake(node) => self.wake(node),
            Event::Failed(slot) => {
                let (node, input) = self.failures.remove(slot as usize);
                self.input_if_up(node, input);
            }
            Event::Disconnected { node, peer } => self.disconnected(node, peer),
            Event::Flight(flight, step) => self.step(flight, step),
            Event::Runtime(number) => self.runtime_due(number),
            Event::Transfer => self.transfer_due(),
            Event::Arrival => self.arrival_due(),
            Event::Client(client) => self.client_due(client),
            Event::Entered(call) => self.call_entered(call),
            Event::Join(number) => self.join(number),
            Event::Churn(number) => self.churn_due(number),
            Event::Fault(fault) => self.fault_begins(fault),
            Event::FaultEnd(fault) => self.fault_ends(fault),
            Event::Discovery(slot) => self.discovery_due(slot),
            Event::Zero => self.zero(),
        }
        while let Some((node, input)) = self.pending.pop_front() {
            self.input_if_up(node, input);
        }
        self.write_settled();
    }

    /// Gives a node an input once the present event is handled, in order.
    pub(crate) fn later(&mut self, node: u32, input: Input) {
        self.pending.push_back((node, input));
    }

    fn input_if_up(&mut self, node: u32, input: Input) {
        if self.nodes[node as usize].is_up() {
            self.input(node, input);
        }
    }

    /// One input, then drain the outputs, then read the timeout.
    pub(crate) fn input(&mut self, node: u32, input: Input) {
        let now = self.now;
        let (peer, mut cx) = self.lend(node);
        peer.handle(&mut cx, now, input);
        while let Some(output) = {
            let (peer, mut cx) = self.lend(node);
            peer.poll(&mut cx)
        } {
            self.carry_out(node, output);
        }
        self.set_wake(node);
    }

    /// A node's state machine, and the context that it is lent.
    #[inline]
    fn lend(&mut self, node: u32) -> (&mut Peer, Context<'_>) {
        let cx = Context {
            identity: self.population.identity(node),
            config: &self.config,
            peers: &self.population.keys,
            functions: &self.functions,
            draws: &self.draws,
            out: &mut self.out,
        };
        (&mut self.nodes[node as usize].peer, cx)
    }

    /// Does what a node wants done. Never gives an input itself: that would be a second one before the first is
    /// drained.
    fn carry_out(&mut self, node: u32, output: Output) {
        match output {
            Output::KadRequest { to, exchange, request } => {
                self.send_request(node, to.get(), exchange, request)
            }
            Output::KadResponse { to, reply, response } => self.answer(node, to.get(), reply, response),
            Output::Joined => self.joined(node),
            Output::LookupDone(report) => self.lookup_done(node, &report),
            Output::Value { .. } => {}
            Output::Resolve { function } => self.resolve(node, function),
            Output::Publish { function, hosted } => self.publish(node, function, hosted),
            Output::Attempt(attempt) => self.launch(node, *attempt),
            Output::CancelAttempt { attempt, only_queued } => self.cancel(node, attempt, only_queued),
            Output::AttemptDone(report) => self.attempt_done(node, &report),
            Output::CallDone(report) => self.call_done(report),
            Output::PullItems { map, count } => self.pull_items(node, map, count),
            // Counted by its items: the last one's end closes it.
            Output::MapDone { .. } => {}
            Output::Serve { reply, function, .. } => self.serve(node, reply, function),
            Output::Refuse { reply, .. } => self.refuse(reply),
            Output::Probe { peer, function } => self.send_probe(node, peer.get(), function),
        }
    }

    /// Makes sure that the node is woken at its next deadline. A pending wake-up that is too early stays: it finds
    /// nothing due and looks again.
    fn set_wake(&mut self, node: u32) {
        let state = &mut self.nodes[node as usize];
        if let Some(wakeup) = state.peer.poll_timeout()
            && wakeup.at < state.wake
        {
            state.wake = wakeup.at.max(self.now);
            self.queue.push(state.wake, Event::Wake(node));
        }
    }

    fn wake(&mut self, node: u32) {
        let state = &mut self.nodes[node as usize];
        if state.wake != self.now {
            return;
        }
        state.wake = Time::MAX;
        if !state.is_up() {
            return;
        }
        match state.peer.poll_timeout() {
            Some(wakeup) if wakeup.at <= self.now => self.input(node, Input::Timeout),
            _ => self.set_wake(node),
        }
    }

    fn disconnected(&mut self, node: u32, peer: u32) {
        if self.nodes[node as usize].is_up() {
            self.nodes[node as usize].connections.remove(peer);
            self.input(node, Input::Disconnected { peer: PeerHandle::new(peer) });
            self.discovery_disconnected(node, peer);
        }
    }

    fn second_end(&self) -> i64 {
        (self.second.number + 1).saturating_mul(1_000_000_000)
    }

    /// Hands the bytes of the second that has passed to the timeline.
    pub(crate) fn end_second(&mut self) {
        let at = Time::from_nanos(self.second.number * 1_000_000_000);
        for class in TrafficClass::ALL {
            let bytes = self.second.bytes[class.index()];
            if bytes > 0 {
                self.rows.writer.bytes_sent(at, *class, bytes);
            }
        }
        self.second =
            Second { number: self.now.as_nanos().div_euclid(1_000_000_000), bytes: [0; TrafficClass::COUNT] };
    }

    /// Schedules the executor of a machine to be asked at its next deadline.
    pub(crate) fn set_runtime(&mut self, number: u32) {
        let machine = &mut self.machines[number as usize];
        let Some(runtime) = &mut machine.runtime else {
            return;
        };
        if let Some(at) = runtime.executor.next_deadline()
            && at < runtime.wake
        {
            runtime.wake = at.max(self.now);
            self.queue.push(runtime.wake, Event::Runtime(number));
        }
    }

    pub(crate) fn set_transfer(&mut self) {
        if let Some(at) = self.transfers.next_end()
            && at < self.transfer_wake
        {
            self.transfer_wake = at.max(self.now);
            self.queue.push(self.transfer_wake, Event::Transfer);
        }
    }

    fn transfer_due(&mut self) {
        if self.transfer_wake != self.now {
            return;
        }
        self.transfer_wake = Time::MAX;
        while let Some(transfer) = self.transfers.poll(self.now) {
            self.body_sent(transfer);
        }
        self.set_transfer();
    }
}
