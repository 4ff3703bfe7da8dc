//! What the nodes of a repetition are to be: who is where, hosts what, and how each node is set.

use crate::failure::Failure;
use crate::openfaas::Mode;
use edge_faas_core::draws::Draws;
use edge_faas_core::scenario::Scenario;
use edge_faas_core::scenario::schedule::Population;
use edge_faas_core::scenario::schema::{self, Work};
use edge_faas_core::time::Duration;
use edge_faas_node::experiment::{LinkPlan, PathPlan};
use edge_faas_node::openfaas::FunctionDeployment;
use edge_faas_node::runtime::annotation;
use edge_faas_sim::engine::{self, Inputs};
use edge_faas_sim::network::{Fabric, Rules};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The nodes of a repetition, drawn as the simulator draws them.
#[derive(Debug)]
pub struct Plan {
    /// What is run.
    pub scenario: Arc<Scenario>,
    /// Who is where and hosts what.
    pub population: Population,
    /// The network between them.
    pub fabric: Fabric,
    /// The draws of the repetition.
    pub draws: Draws,
    /// Names of functions, copies counted.
    pub functions: Vec<String>,
    /// What runs them.
    pub openfaas: Mode,
}

impl Plan {
    /// The plan of repetition `repetition` (from 0).
    ///
    /// # Errors
    /// What the scenario's checks could not know before its files and draws.
    pub fn new(scenario: Arc<Scenario>, inputs: &Inputs, repetition: u32) -> Result<Self, Failure> {
        let draws = Draws::new(scenario.seed, repetition);
        let population = Population::new(&scenario, draws).map_err(Failure::input)?;
        let fabric = engine::fabric(&scenario, inputs, &population, &draws).map_err(Failure::input)?;
        let functions = (0..scenario.function_count()).filter_map(|index| scenario.function_name(index));
        let functions = functions.collect();
        Ok(Plan { scenario, population, fabric, draws, functions, openfaas: Mode::default() })
    }

    /// The same, with functions that are run by `mode`.
    #[must_use]
    pub fn with_openfaas(self, mode: Mode) -> Self {
        Plan { openfaas: mode, ..self }
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> u32 {
        self.scenario.network.nodes
    }

    /// The class of a node.
    pub fn class(&self, node: u32) -> Option<&schema::NodeClass> {
        self.scenario.node_classes.get(self.population.class(node) as usize)
    }

    /// The cores of a node.
    pub fn cores(&self, node: u32) -> f64 {
        self.class(node).map_or(1.0, |class| class.cores)
    }

    /// As many calls may compute at once on a node: as there are whole cores, at least one.
    pub fn whole_cores(&self, node: u32) -> u32 {
        libm::ceil(self.cores(node)).clamp(1.0, 4_096.0) as u32
    }

    /// The speed of a node's cores.
    pub fn speed(&self, node: u32) -> f64 {
        self.class(node).map_or(1.0, |class| class.speed)
    }

    /// The functions that a node hosts, by index.
    pub fn hosted(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        (0..self.functions.len() as u32)
            .filter(move |function| self.population.providers(*function).contains(&node))
    }

    /// The nodes that host functions, in order.
    pub fn hosts(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.nodes()).filter(|node| self.hosted(*node).next().is_some())
    }

    /// The name of a function; empty for one that does not exist.
    pub fn function(&self, index: u32) -> &str {
        self.functions.get(index as usize).map_or("", String::as_str)
    }

    /// What function `index` does.
    pub fn work(&self, index: u32) -> Work {
        self.scenario.function(index).map_or(Work::Cpu, |(function, _)| function.work)
    }

    /// The deployment of function `index` on the built-in runtime.
    pub fn deployment(&self, index: u32) -> Option<FunctionDeployment> {
        let (function, copy) = self.scenario.function(index)?;
        let image = match function.work {
            Work::Cpu => "builtin/cpu",
            Work::Sleep => "builtin/sleep",
        };
        let idempotent = function.idempotent.unwrap_or(self.scenario.faas.idempotent);
        let annotations = [
            (annotation::CONCURRENCY, function.concurrency.to_string()),
            (annotation::QUEUE, function.queue.to_string()),
            (annotation::IDEMPOTENT, idempotent.to_string()),
        ];
        Some(FunctionDeployment {
            service: function.copy_name(copy),
            image: image.to_owned(),
            annotations: annotations.map(|(name, value)| (name.to_owned(), value)).into(),
            ..FunctionDeployment::default()
        })
    }

    /// The settings of a node, as `--set` takes them; where it listens is the backend's.
    pub fn settings(&self, node: u32) -> Vec<(String, String)> {
        let (calls, kademlia, network) =
            (&self.scenario.faas, &self.scenario.kademlia, &self.scenario.network);
        let quoted = |text: &str| format!("{text:?}");
        let time = |duration: Duration| format!("\"{}ns\"", duration.as_nanos());
        [
            ("experiment.enabled", "true".to_owned()),
            ("runtime.cores", self.whole_cores(node).to_string()),
            ("network.kad_protocol", quoted(&kademlia.protocol)),
            ("timeouts.idle", time(network.idle_timeout)),
            ("timeouts.drain", quoted("1s")),
            ("limits.connections", network.max_connections.to_string()),
            ("limits.replay_body", format!("\"{}B\"", calls.retry_body_limit)),
            ("calls.policy", quoted(calls.policy.name())),
            ("calls.map_policy", quoted(calls.manycall_policy.name())),
            ("calls.max_attempts", calls.max_attempts.to_string()),
            ("calls.cache_ttl", time(calls.cache_ttl)),
            ("calls.negative_ttl", time(calls.negative_ttl)),
            ("calls.backoff_initial", time(calls.backoff_initial)),
            ("calls.backoff_max", time(calls.backoff_max)),
            ("calls.retry_after", time(calls.retry_after)),
            ("calls.avoid", time(calls.avoid)),
            ("calls.probe_interval", time(calls.probe_interval)),
            ("calls.probe_misses", calls.probe_misses.to_string()),
            ("calls.entry_queue", calls.entry_queue.to_string()),
            ("calls.manycall_window", calls.manycall_window.to_string()),
            ("calls.probe_first", calls.probe.to_string()),
            ("kademlia.k", kademlia.k.to_string()),
            ("kademlia.alpha", kademlia.alpha.to_string()),
            ("kademlia.request_timeout", time(kademlia.request_timeout)),
            ("kademlia.lookup_timeout", time(kademlia.lookup_timeout)),
            ("kademlia.disjoint_paths", kademlia.disjoint_paths.to_string()),
            ("kademlia.refresh_interval", time(kademlia.refresh_interval)),
            ("kademlia.provider_ttl", time(kademlia.provider_ttl)),
            ("kademlia.republish_interval", time(kademlia.republish_interval)),
            ("kademlia.max_providers_per_key", kademlia.max_providers_per_key.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// The one-way delay between two nodes, as faults have it now.
    pub fn one_way(&self, rules: &Rules, from: u32, to: u32) -> Duration {
        self.fabric.one_way(from, to) + rules.between(from, to).delay
    }

    /// The share of losses between two nodes, as faults have it now.
    pub fn loss(&self, rules: &Rules, from: u32, to: u32) -> f64 {
        let more = rules.between(from, to).loss;
        // Below 1, so that something gets through at some time.
        (self.fabric.loss + more - self.fabric.loss * more).clamp(0.0, 0.999)
    }

    /// A node's links, as faults have them now; `address` says where a node is reached.
    pub fn links(&self, node: u32, rules: &Rules, address: impl Fn(u32) -> String) -> LinkPlan {
        let others = (0..self.nodes()).filter(|other| *other != node);
        let paths: BTreeMap<String, PathPlan> = others
            .map(|other| {
                let path = PathPlan {
                    loss: self.loss(rules, node, other),
                    blocked: !rules.connected(node, other),
                    ..PathPlan::new(self.one_way(rules, node, other))
                };
                (address(other), path)
            })
            .collect();
        let limited = |bits: u64| Some(bits).filter(|bits| *bits != u64::MAX);
        let link = self.fabric.links.of(node);
        LinkPlan {
            paths,
            up: limited(link.up),
            down: limited(link.down),
            retransmit: self.scenario.network.retransmit_timeout.as_nanos().unsigned_abs(),
            seed: self.scenario.seed ^ (u64::from(node) << 32),
        }
    }
}
