//! What a scenario asks for that real nodes cannot honour. Such a scenario is refused, unless the user says otherwise.

use crate::plan::Plan;
use edge_faas_core::faas::AnycallPolicy;
use edge_faas_core::scenario::Scenario;
use edge_faas_core::scenario::schema::{Discovery, FaultAction, Start, Transport};
use edge_faas_core::time::Duration;

/// A key that real nodes cannot honour, and why, for people.
pub type Complaint = String;

/// What real nodes cannot honour of `scenario`.
pub fn complaints(scenario: &Scenario) -> Vec<Complaint> {
    let mut found = Vec::new();
    let mut refuse = |condition: bool, key: &str, why: &str| {
        if condition {
            found.push(format!("{key}: {why}"));
        }
    };
    let network = &scenario.network;
    refuse(
        scenario.discovery != Discovery::Kademlia,
        "discovery",
        "real nodes have the DHT only; the baselines are the simulator's",
    );
    refuse(
        network.start == Start::Converged,
        "network.start = \"converged\"",
        "real nodes join by the protocol",
    );
    refuse(network.jitter.is_some(), "network.jitter", "links are shaped without jitter");
    refuse(
        network.transport == Transport::Quic,
        "network.transport = \"quic\"",
        "the node shapes TCP and memory connections only",
    );
    refuse(
        network.handshake_round_trips != network.transport.handshake_round_trips()
            && scenario.calibration.is_empty(),
        "network.handshake_round_trips",
        "a real handshake takes what it takes (`harness calibrate` measures it)",
    );
    refuse(scenario.churn.is_some(), "churn", "nodes come and go by [[fault]] only");
    refuse(scenario.kademlia.client_share > 0.0, "kademlia.client_share", "every node is a server");
    refuse(scenario.faas.attempt_timeout.is_some(), "faas.attempt_timeout", "the node has no such setting");
    refuse(
        scenario.node_classes.iter().any(|class| class.cores < 1.0),
        "node_class.cores",
        "the built-in runtime computes on whole cores: at least 1",
    );
    for function in &scenario.functions {
        let key = |name: &str| format!("function.{}.{name}", function.name);
        refuse(function.cold_start.is_some(), &key("cold_start"), "the built-in runtime starts no instances");
        refuse(function.keep_alive.is_some(), &key("keep_alive"), "the built-in runtime starts no instances");
        refuse(
            function.failure_share > 0.0,
            &key("failure_share"),
            "a built-in function does not fail by chance",
        );
    }
    for (number, fault) in scenario.faults.iter().enumerate() {
        let key = format!("fault.{number}");
        match &fault.action {
            FaultAction::Misbehave { .. } => {
                refuse(true, &key, "real nodes keep to the protocol (misbehave)");
            }
            FaultAction::Degrade { bandwidth, .. } => {
                let bounded = bandwidth.up.is_some() || bandwidth.down.is_some();
                refuse(bounded, &key, "a real link's bandwidth does not change in a run (degrade.bandwidth)");
            }
            _ => {}
        }
    }
    found
}

/// What only the placement of nodes shows.
pub fn misplaced(plan: &Plan) -> Vec<Complaint> {
    let mut found = Vec::new();
    for phase in &plan.scenario.phases {
        let Some(calls) = &phase.anycall else { continue };
        let policy = calls.policy.unwrap_or(plan.scenario.faas.policy);
        if policy != AnycallPolicy::Direct {
            continue;
        }
        let entries = plan.population.select(&calls.stream.entry.nodes, "entry");
        let functions = calls.stream.functions.iter();
        let functions: Vec<u32> =
            functions.flat_map(|range| range.first..range.first + range.count).collect();
        let far = entries.iter().any(|entry| {
            functions.iter().any(|function| {
                let provider = nearest(plan, *entry, *function);
                provider.is_some_and(|node| plan.fabric.round_trip(*entry, node) > Duration::ZERO)
            })
        });
        if far {
            found.push(format!(
                "phase.{}: `direct` from a node that does not host the function: the harness calls a runtime where it \
                 is, without a link between (let calls enter at the provider)",
                phase.name
            ));
        }
    }
    found
}

/// The provider whose runtime a `direct` call goes to: the nearest.
pub fn nearest(plan: &Plan, entry: u32, function: u32) -> Option<u32> {
    let providers = plan.population.providers(function).iter().copied();
    providers.min_by_key(|provider| {
        let trip = if *provider == entry { Duration::ZERO } else { plan.fabric.round_trip(entry, *provider) };
        (trip, *provider)
    })
}
