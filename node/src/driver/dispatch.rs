//! The core's outputs, carried out; and what happens to the driver besides.

use super::mailbox::{CallEvent, CallEvents, MapEvent, MapEvents};
use super::peers::Directory;
use super::state::{KadAnswer, Reply, State};
use super::{Driver, std_duration};
use crate::exchange;
use crate::experiment::Event;
use edge_faas_core::context::Capacity;
use edge_faas_core::faas::{AnycallPolicy, ManycallPolicy};
use edge_faas_core::io::{Call, CallId, Exchange, Input, LookupPurpose, LookupReport, Map, MapId, Output};
use edge_faas_core::kad::{Preimage, Record, Target, wire};
use edge_faas_core::key::Key;
use edge_faas_core::time::Time;
use futures::channel::{mpsc, oneshot};
use libp2p::PeerId;
use std::sync::Arc;

impl State {
    /// Carries one output out, without waiting for anything.
    pub(super) fn carry_out(&mut self, driver: &Arc<Driver>, output: Output) {
        match output {
            Output::KadRequest { to, exchange, request } => {
                let Some(id) = self.peers.id(to) else { return };
                let me = self.peers.me();
                let has_response = request.has_response();
                let config = self.kad_config().clone();
                let timeout = std_duration(self.kad_request_timeout());
                let directory = Directory { peers: &mut self.peers, functions: &self.functions };
                let bytes = wire::encode_request(&request, me, &directory, &config);
                let task = exchange::kad_request(driver.clone(), id, exchange, bytes, has_response, timeout);
                driver.tasks.spawn(task);
            }
            Output::KadResponse { response, .. } => {
                let config = self.kad_config().clone();
                let directory = Directory { peers: &mut self.peers, functions: &self.functions };
                self.reply = Some(Reply::Kad(wire::encode_response(&response, &directory, &config)));
            }
            Output::Joined => {
                self.joined = true;
                tracing::info!(peers = self.peer.kad().table().iter().count(), "joined the network");
            }
            Output::LookupDone(report) => self.lookup_done(driver, report),
            Output::Value { target, record } => {
                if let Some(at) = self.values.iter().position(|(key, _)| *key == target.key) {
                    let (_, waiting) = self.values.remove(at);
                    let _ = waiting.send(record);
                }
            }
            Output::Attempt(attempt) => {
                self.attempts.insert(attempt.id, attempt.call);
                let local = attempt.provider == self.peers.me();
                let provider = if local { None } else { self.peers.id(attempt.provider) };
                self.tell_call(attempt.call, CallEvent::Start(attempt, provider));
            }
            Output::CancelAttempt { attempt, only_queued } => {
                if let Some(call) = self.attempts.get(&attempt) {
                    self.tell_call(*call, CallEvent::Cancel { attempt, only_queued });
                }
            }
            Output::AttemptDone(report) => {
                self.attempts.remove(&report.id);
                driver.metrics.attempt(&report);
                if let Some(experiment) = &driver.config.experiment {
                    let provider = self.peers.id(report.provider).map(|id| id.to_string());
                    experiment.records.push(Event::attempt(&report, provider));
                }
            }
            Output::CallDone(report) => {
                driver.metrics.call(&report);
                if let Some(experiment) = &driver.config.experiment {
                    let provider = report.provider.and_then(|peer| self.peers.id(peer));
                    experiment.records.push(Event::call(&report, provider.map(|id| id.to_string())));
                }
                self.tell_call(report.call, CallEvent::Done(report));
            }
            Output::PullItems { map, count } => self.tell_map(map, MapEvent::Pull(count)),
            Output::MapDone { map } => {
                self.tell_map(map, MapEvent::Done);
                self.maps.remove(&map);
            }
            Output::Serve { .. } => self.reply = Some(Reply::Serve(true)),
            Output::Refuse { .. } => self.reply = Some(Reply::Serve(false)),
            Output::Probe { peer, function } => {
                let Some(id) = self.peers.id(peer) else { return };
                let function = function.map(|function| self.functions.name(function).to_owned());
                let patience = std_duration(self.probe_patience());
                driver.tasks.spawn(exchange::probe(driver.clone(), id, function, patience));
            }
            // The driver's own discovery is not used: the DHT is the core's.
            Output::Resolve { .. } | Output::Publish { .. } => {}
        }
    }

    fn tell_call(&mut self, call: CallId, event: CallEvent) {
        let over = matches!(event, CallEvent::Done(_));
        if let Some(mailbox) = self.calls.get(&call) {
            // Whoever is gone has said so by a cancellation, or is about to.
            let _ = mailbox.unbounded_send(event);
        }
        if over {
            self.calls.remove(&call);
        }
    }

    fn tell_map(&mut self, map: MapId, event: MapEvent) {
        if let Some(mailbox) = self.maps.get(&map) {
            let _ = mailbox.unbounded_send(event);
        }
    }

    fn lookup_done(&mut self, driver: &Arc<Driver>, report: Box<LookupReport>) {
        driver.metrics.lookup(&report);
        if let Some(experiment) = &driver.config.experiment {
            let function = match report.target.preimage {
                Preimage::Function(function) => Some(self.functions.name(function).to_owned()),
                _ => None,
            };
            experiment.records.push(Event::lookup(&report, function));
        }
        tracing::debug!(
            purpose = ?report.purpose, outcome = ?report.outcome, requests = report.requests,
            timeouts = report.timeouts, failures = report.failures, found = report.closest.len(),
            providers = report.providers.len(), "look-up done",
        );
        if report.purpose == LookupPurpose::Experiment
            && let Some(at) = self.lookups.iter().position(|(key, _)| *key == report.target.key)
        {
            let (_, waiting) = self.lookups.remove(at);
            let _ = waiting.send(report);
        }
    }
}

impl Driver {
    /// A user's call begins: its events come out of the receiver, the last one is [`CallEvent::Done`].
    pub(crate) fn begin_call(
        self: &Arc<Self>,
        function: &str,
        policy: Option<AnycallPolicy>,
        deadline: Time,
        idempotent: Option<bool>,
        replayable: bool,
    ) -> (CallId, CallEvents) {
        let local = self.runtime.capacity(function);
        self.with(|state| {
            let (id, events) = state.mailbox();
            let function = state.function(function);
            let call = Call { id, function, policy, deadline, idempotent, replayable, local };
            state.input(self, Input::Call(Box::new(call)));
            (id, events)
        })
    }

    /// A manycall begins.
    pub(crate) fn begin_map(
        self: &Arc<Self>,
        function: &str,
        policy: Option<ManycallPolicy>,
        items: Option<u64>,
        credit: u32,
    ) -> (MapId, MapEvents) {
        let local = self.runtime.capacity(function);
        self.with(|state| {
            let (mailbox, events) = mpsc::unbounded();
            let id = MapId(state.number());
            state.maps.insert(id, mailbox);
            let function = state.function(function);
            let map = Map { id, function, policy, items, credit: Some(credit), local };
            state.input(self, Input::Map(Box::new(map)));
            (id, events)
        })
    }

    /// An item of a manycall begins.
    pub(crate) fn begin_item(
        self: &Arc<Self>,
        map: MapId,
        function: &str,
        deadline: Time,
        idempotent: Option<bool>,
    ) -> (CallId, CallEvents) {
        let local = self.runtime.capacity(function);
        self.with(|state| {
            let (id, events) = state.mailbox();
            let function = state.function(function);
            let call = Call { id, function, policy: None, deadline, idempotent, replayable: true, local };
            state.input(self, Input::Item { map, call: Box::new(call) });
            (id, events)
        })
    }

    /// A Kademlia request, its length prefix taken off. The response's bytes, where there is one.
    pub(crate) fn kad_request(
        self: &Arc<Self>,
        from: PeerId,
        body: &[u8],
    ) -> Result<Option<Vec<u8>>, wire::DecodeError> {
        self.with(|state| state.kad_request(self, from, body))
    }

    /// How a Kademlia request of ours ended.
    pub(crate) fn kad_answer(self: &Arc<Self>, from: PeerId, exchange: Exchange, answer: KadAnswer) {
        self.with(|state| state.kad_answer(self, from, exchange, answer));
    }

    /// A routed call arrived: is it run here?
    pub(crate) fn call_arrived(self: &Arc<Self>, from: PeerId, function: &str) -> bool {
        self.with(|state| state.call_arrived(self, from, function))
    }

    /// A peer gave a sign of life.
    pub(crate) fn probe_reply(self: &Arc<Self>, from: PeerId, capacity: Option<(&str, Capacity, bool)>) {
        self.with(|state| {
            let Some(peer) = state.peers.find(&from) else { return };
            let capacity = capacity.and_then(|(name, capacity, idempotent)| {
                let function = state.functions.find(name)?;
                state.functions.set_idempotent(function, idempotent);
                Some((function, capacity))
            });
            state.input(self, Input::ProbeReply { peer, capacity });
        });
    }

    /// A provider's word on whether a function may run twice.
    pub(crate) fn learn(&self, function: &str, idempotent: bool) {
        let mut state = self.state.lock();
        if let Some(function) = state.functions.find(function) {
            state.functions.set_idempotent(function, idempotent);
        }
    }

    /// Looks a function's providers up, without the cache.
    pub(crate) fn find_providers(self: &Arc<Self>, function: &str) -> oneshot::Receiver<Box<LookupReport>> {
        self.with(|state| {
            let (waiting, report) = oneshot::channel();
            let function = state.function(function);
            let key = state.functions.table.get(function).key;
            state.lookups.push((key, waiting));
            state.input(self, Input::FindProviders { function });
            report
        })
    }

    /// Looks a value up.
    pub(crate) fn get_value(self: &Arc<Self>, key: &[u8]) -> oneshot::Receiver<Option<Box<Record>>> {
        let bytes: Arc<[u8]> = key.into();
        let target = Target { key: Key::hash(key), preimage: Preimage::Bytes(bytes) };
        self.with(|state| {
            let (waiting, value) = oneshot::channel();
            state.values.push((target.key, waiting));
            state.input(self, Input::GetValue { target });
            value
        })
    }

    /// Stores a value at the nodes closest to its key.
    pub(crate) fn put_value(self: &Arc<Self>, key: &[u8], value: &[u8], ttl_secs: Option<u32>) {
        let record = Record { key: key.into(), value: value.into(), publisher: None, ttl_secs };
        self.input(Input::PutValue { record: Box::new(record) });
    }
}

impl State {
    fn mailbox(&mut self) -> (CallId, CallEvents) {
        let (mailbox, events) = mpsc::unbounded();
        let id = CallId(self.number());
        self.calls.insert(id, mailbox);
        (id, events)
    }
}
