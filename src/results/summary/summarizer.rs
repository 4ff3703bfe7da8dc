//! Gathers the statistics of one repetition from its rows as they are written, in bounded memory.

use super::calls::{CallStats, Window};
use super::lookups::LookupStats;
use super::nodes::NodeStats;
use super::recovery::{Fault, recovery};
use super::statistic::Collector;
use super::{RepetitionSummary, Samples};
use crate::results::cell::Name;
use crate::results::record::{CallRecord, EventRecord, LookupRecord, NodeRecord};
use crate::results::timeline::Timeline;
use crate::results::word::LookupPurpose;
use crate::results::writer::{PhasePlan, RepetitionPlan};
use crate::time::Duration;
use std::collections::BTreeMap;

/// Calls of one phase and policy.
struct Leaf {
    /// The phase's position in the summary.
    phase: usize,
    policy: String,
    stats: CallStats,
}

/// A phase, as planned or as first met.
struct Phase {
    name: String,
    window: Window,
    measure: bool,
}

/// The `ok` latencies of one phase and policy, for `latency.hlog`.
pub(crate) struct LatencyLog {
    pub(crate) phase: String,
    pub(crate) policy: String,
    /// When the first of its calls was due and the last ended, in microseconds.
    pub(crate) span: (i64, i64),
    pub(crate) latency: Samples,
}

/// Sees every row of a repetition.
pub(crate) struct Summarizer {
    phases: Vec<Phase>,
    leaves: Vec<Leaf>,
    /// Where the last call was counted; the next is mostly of the same phase and policy.
    last: usize,
    lookups: BTreeMap<LookupPurpose, LookupStats>,
    setup: Option<LookupStats>,
    nodes: NodeStats,
    faults: BTreeMap<u32, Fault>,
}

impl Summarizer {
    pub(crate) fn new(plan: &RepetitionPlan) -> Self {
        let window = |phase: &PhasePlan| {
            let until = phase.start.saturating_add(phase.duration?);
            Some((phase.start.as_micros(), until.as_micros()))
        };
        let phases = plan
            .phases
            .iter()
            .map(|phase| Phase { name: phase.name.clone(), window: window(phase), measure: phase.measure })
            .collect();
        Summarizer {
            phases,
            leaves: Vec::new(),
            last: 0,
            lookups: BTreeMap::new(),
            setup: None,
            nodes: NodeStats::new(),
            faults: BTreeMap::new(),
        }
    }

    /// The position of a phase; one that the plan does not list is measured, and its length is not known.
    fn phase(&mut self, name: Name<'_>) -> usize {
        if let Some(at) = self.phases.iter().position(|phase| name == *phase.name.as_str()) {
            return at;
        }
        self.phases.push(Phase { name: name.to_string(), window: None, measure: true });
        self.phases.len() - 1
    }

    /// The calls of a phase and policy, and the phase's window; none for a phase that is not measured.
    fn leaf(&mut self, phase: Name<'_>, policy: Name<'_>) -> Option<(&mut CallStats, Window)> {
        let is = |leaf: &Leaf, phases: &[Phase]| {
            policy == *leaf.policy.as_str() && phase == *phases[leaf.phase].name.as_str()
        };
        if !self.leaves.get(self.last).is_some_and(|leaf| is(leaf, &self.phases)) {
            self.last = match self.leaves.iter().position(|leaf| is(leaf, &self.phases)) {
                Some(at) => at,
                None => {
                    let phase = self.phase(phase);
                    self.leaves.push(Leaf { phase, policy: policy.to_string(), stats: CallStats::new() });
                    self.leaves.len() - 1
                }
            };
        }
        let leaf = &mut self.leaves[self.last];
        let phase = &self.phases[leaf.phase];
        phase.measure.then_some((&mut leaf.stats, phase.window))
    }

    pub(crate) fn call(&mut self, call: &CallRecord<'_>) {
        if let Some((stats, window)) = self.leaf(call.phase, call.policy) {
            stats.call(call, window);
        }
    }

    /// Takes the round trip to the provider taken, and the shortest one to any that could have been.
    pub(crate) fn stretch(&mut self, phase: Name<'_>, policy: Name<'_>, taken: Duration, shortest: Duration) {
        let (taken, shortest) = (i128::from(taken.as_nanos()), i128::from(shortest.as_nanos()));
        if shortest > 0
            && let Some((stats, _)) = self.leaf(phase, policy)
        {
            stats.stretch(i64::try_from(taken * 1000 / shortest).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn lookup(&mut self, lookup: &LookupRecord<'_>) {
        if lookup.start_us < 0 {
            self.setup.get_or_insert_with(LookupStats::new).lookup(lookup);
        } else {
            self.lookups.entry(lookup.purpose).or_insert_with(LookupStats::new).lookup(lookup);
        }
    }

    pub(crate) fn node(&mut self, node: &NodeRecord<'_>) {
        self.nodes.node(node);
    }

    pub(crate) fn event(&mut self, event: &EventRecord<'_>) {
        if let Some(number) = event.fault.filter(|_| event.kind.is_fault()) {
            self.faults.entry(number).or_insert_with(|| Fault {
                number,
                time_us: event.time_us,
                label: event.detail.map_or_else(|| event.kind.to_string(), |detail| detail.to_string()),
            });
        }
    }

    pub(crate) fn finish(self, repetition: u32, timeline: &Timeline) -> (RepetitionSummary, Vec<LatencyLog>) {
        let mut statistics = Vec::new();
        // Leaves come in the order in which calls end; the summary's order is the plan's, then the policies'.
        let mut leaves: Vec<Leaf> =
            self.leaves.into_iter().filter(|leaf| self.phases[leaf.phase].measure).collect();
        leaves.sort_by(|a, b| (a.phase, &a.policy).cmp(&(b.phase, &b.policy)));

        if let Some((first, rest)) = leaves.split_first() {
            let mut all = first.stats.clone();
            rest.iter().for_each(|leaf| all.merge(&leaf.stats));
            let several = rest.iter().any(|leaf| leaf.phase != first.phase);
            let window = self.phases[first.phase].window;
            all.collect(&mut Collector::new(&mut statistics, "all"), window, several);
        }
        let mut phases = Vec::new();
        for of_phase in leaves.chunk_by(|a, b| a.phase == b.phase) {
            let Some((first, rest)) = of_phase.split_first() else {
                continue;
            };
            let Phase { name, window, .. } = &self.phases[first.phase];
            phases.push(name.clone());
            let mut whole = first.stats.clone();
            rest.iter().for_each(|leaf| whole.merge(&leaf.stats));
            whole.collect(&mut Collector::new(&mut statistics, format!("phase={name}")), *window, false);
            for leaf in of_phase {
                let group = format!("phase={name} policy={}", leaf.policy);
                leaf.stats.collect(&mut Collector::new(&mut statistics, group), *window, false);
            }
        }

        let mut all = LookupStats::new();
        self.lookups.values().for_each(|stats| all.merge(stats));
        all.collect(&mut Collector::new(&mut statistics, "all"));
        for (purpose, stats) in &self.lookups {
            stats.collect(&mut Collector::new(&mut statistics, format!("purpose={purpose}")));
        }
        if let Some(stats) = &self.setup {
            stats.collect(&mut Collector::new(&mut statistics, "before=0"));
        }
        self.nodes.collect(&mut statistics);

        let faults: Vec<Fault> = self.faults.into_values().collect();
        for fault in &faults {
            let before = faults.iter().map(|other| other.time_us).filter(|time| *time < fault.time_us).max();
            Collector::new(&mut statistics, format!("fault={}", fault.number)).add(
                "recovery",
                "time",
                "us",
                recovery(timeline, fault, before),
                1,
            );
        }

        let logs = leaves
            .into_iter()
            .filter_map(|leaf| {
                Some(LatencyLog {
                    phase: self.phases[leaf.phase].name.clone(),
                    policy: leaf.policy,
                    span: leaf.stats.span()?,
                    latency: leaf.stats.latency().clone(),
                })
            })
            .collect();
        (RepetitionSummary { repetition, statistics, phases, faults }, logs)
    }
}
