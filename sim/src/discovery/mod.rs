//! How entry nodes find providers without the DHT: baselines that say what the DHT costs and brings.

use crate::engine::Engine;
use edge_faas_core::io::Input;
use edge_faas_core::key::{FunctionHandle, PeerHandle};
use edge_faas_core::scenario::schema::{self, Scenario};

/// The state of a discovery that is not Kademlia.
#[derive(Debug)]
pub(crate) struct Discovery {
    kind: schema::Discovery,
}

impl Discovery {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Discovery { kind: scenario.discovery.clone() }
    }
}

impl Engine<'_> {
    /// A node asks who provides a function.
    pub(crate) fn resolve(&mut self, node: u32, function: FunctionHandle) {
        let providers = match self.discovery.kind {
            schema::Discovery::Oracle => self
                .hosts
                .providers(function)
                .iter()
                .filter(|number| self.provides(**number))
                .map(|number| PeerHandle::new(self.population.handle(*number)))
                .collect(),
            _ => Vec::new(),
        };
        self.later(node, Input::Resolved { function, providers, done: true });
    }

    /// A node hosts a function, or does not any more.
    pub(crate) fn publish(&mut self, _node: u32, _function: FunctionHandle, _hosted: bool) {}

    /// A message of the discovery arrives.
    pub(crate) fn discovery_due(&mut self, _slot: u32) {}
}
