//! A central gateway's directory.
//!
//! A node registers each function that it hosts with the gateway, again every `republish_interval`, and again when
//! its connection to the gateway breaks; one that is not acknowledged within `request_timeout` is sent again. A
//! record is forgotten after `provider_ttl`; leaving nodes withdraw theirs. A gateway that restarts has forgotten
//! everything. Only the gateway's own node resolves: calls of other entries pass through it.

use super::letter::{Note, Timer};
use super::{Engine, Kind};
use edge_faas_core::key::{FunctionHandle, PeerHandle};
use edge_faas_core::results::TrafficClass;
use edge_faas_core::time::Time;
use std::collections::BTreeMap;

/// The gateway, and what nodes await from it.
#[derive(Debug)]
pub(super) struct Central {
    /// Machine number.
    gateway: u32,
    /// (Function, provider) → when the record is forgotten.
    records: BTreeMap<(FunctionHandle, u32), Time>,
    /// (Node, function) → number of the registration that is not acknowledged yet.
    open: BTreeMap<(u32, FunctionHandle), u32>,
    registrations: u32,
}

impl Central {
    pub(super) fn new(gateway: u32) -> Self {
        Central { gateway, records: BTreeMap::new(), open: BTreeMap::new(), registrations: 0 }
    }

    /// The gateway's machine number.
    pub(super) fn gateway(&self) -> u32 {
        self.gateway
    }

    /// A machine has come up: if it is the gateway's, it knows nothing.
    pub(super) fn came_up(&mut self, number: u32) {
        if number == self.gateway {
            self.records.clear();
        }
    }

    /// The providers of a function that are known at `now`.
    fn providers(&self, function: FunctionHandle, now: Time) -> Vec<PeerHandle> {
        let records = self.records.range((function, 0)..=(function, u32::MAX));
        records.filter(|(_, until)| **until > now).map(|((_, peer), _)| PeerHandle::new(*peer)).collect()
    }
}

impl Engine<'_> {
    fn central(&mut self) -> Option<&mut Central> {
        match &mut self.discovery.kind {
            Kind::Central(central) => Some(central),
            _ => None,
        }
    }

    pub(super) fn resolve_at_gateway(&mut self, node: u32, function: FunctionHandle) {
        let (now, number) = (self.now, self.population.number(node));
        let known = self.central().filter(|central| central.gateway == number);
        let providers = known.map_or_else(Vec::new, |central| central.providers(function, now));
        self.resolved(node, function, providers, true);
    }

    pub(super) fn publish_at_gateway(&mut self, node: u32, function: FunctionHandle, hosted: bool) {
        // What the gateway hosts itself its node knows.
        let Some(gateway) = self.gateway_for(self.population.number(node)) else { return };
        if !hosted {
            if let Some(central) = self.central() {
                central.open.remove(&(node, function));
            }
            self.send_letter(node, gateway, TrafficClass::Records, Note::Register { function, hosted });
            return;
        }
        let mut since = self.now;
        if self.discovery.settling {
            since = self.settled_since(node, function);
            let until = since + self.config.kad.provider_ttl;
            if let Some(central) = self.central() {
                central.records.insert((function, node), until);
            }
        } else {
            self.register(node, function);
        }
        self.set_republish(node, function, since + self.config.kad.republish_interval);
    }

    /// Tells the gateway that a node hosts a function.
    pub(super) fn register(&mut self, node: u32, function: FunctionHandle) {
        let Some(gateway) = self.gateway_for(self.population.number(node)) else { return };
        self.await_registration(node, function);
        self.send_letter(node, gateway, TrafficClass::Records, Note::Register { function, hosted: true });
    }

    /// A node expects an acknowledgement; without it, it registers again.
    fn await_registration(&mut self, node: u32, function: FunctionHandle) {
        let Some(central) = self.central() else { return };
        central.registrations = central.registrations.wrapping_add(1);
        let serial = central.registrations;
        central.open.insert((node, function), serial);
        let at = self.now + self.config.kad.request_timeout;
        self.set_timer(node, at, Timer::Unacknowledged(function, serial));
    }

    /// The gateway went away, and may have forgotten this node.
    pub(super) fn register_again(&mut self, node: u32) {
        let hosted = self.nodes[node as usize].peer.faas().map(|faas| faas.hosted().to_vec());
        for function in hosted.unwrap_or_default() {
            self.await_registration(node, function);
        }
    }

    pub(super) fn unacknowledged(&mut self, node: u32, function: FunctionHandle, serial: u32) {
        let open = self.central().and_then(|central| central.open.get(&(node, function)).copied());
        if open == Some(serial) && self.is_hosted(node, function) {
            self.register(node, function);
        }
    }

    /// The gateway hears of a provider.
    pub(super) fn registered(&mut self, node: u32, gateway: u32, function: FunctionHandle, hosted: bool) {
        let until = self.now + self.config.kad.provider_ttl;
        let Some(central) = self.central() else { return };
        if hosted {
            central.records.insert((function, node), until);
        } else {
            central.records.remove(&(function, node));
        }
        self.send_letter(gateway, node, TrafficClass::Records, Note::Registered { function });
    }

    pub(super) fn registration_acknowledged(&mut self, node: u32, function: FunctionHandle) {
        if let Some(central) = self.central() {
            central.open.remove(&(node, function));
        }
    }
}
