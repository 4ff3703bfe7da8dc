//! The fault timeline.

use super::lifecycle::Departure;
use super::{Engine, Event};
use crate::network::{Degradation, FaultId};
use edge_faas_core::results::EventKind;
use edge_faas_core::scenario::schedule::Population;
use edge_faas_core::scenario::schema::{FaultAction, Scenario};
use edge_faas_core::time::Time;
use std::sync::Arc;

/// Whom each fault of the timeline is about.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// By fault: groups of machines; one group but for partitions.
    nodes: Vec<Vec<Vec<u32>>>,
    /// By fault: under way.
    active: Vec<bool>,
}

impl Faults {
    pub(crate) fn new(scenario: &Scenario, places: &Population) -> Self {
        let nodes: Vec<_> = (0..scenario.faults.len()).map(|index| places.fault(scenario, index)).collect();
        Faults { active: vec![false; nodes.len()], nodes }
    }
}

impl Engine<'_> {
    pub(crate) fn start_faults(&mut self) {
        for (index, fault) in self.scenario.faults.iter().enumerate() {
            self.queue.push(fault.at, Event::Fault(index as u32));
            if let Some(duration) = fault.duration {
                self.queue.push(fault.at.saturating_add(duration), Event::FaultEnd(index as u32));
            }
        }
    }

    /// A fault begins. The first row of a fault is about all of its nodes, then there is one for each.
    pub(crate) fn fault_begins(&mut self, index: u32) {
        let scenario = self.scenario;
        let Some(fault) = scenario.faults.get(index as usize) else {
            return;
        };
        self.faults.active[index as usize] = true;
        let groups = self.faults.nodes[index as usize].clone();
        let nodes: Vec<u32> = groups.iter().flatten().copied().collect();
        let id = FaultId(index);
        let kind = kind(&fault.action);
        let detail = describe(&fault.action, &nodes);
        self.event_row(kind, Some(index), None, Some(&detail));
        match fault.action.clone() {
            FaultAction::Kill { .. } => self.take_all_down(&nodes, Departure::Kill, index),
            FaultAction::PowerOff { .. } => self.take_all_down(&nodes, Departure::PowerOff, index),
            FaultAction::Restart { fresh, .. } => {
                for number in nodes {
                    self.take_down(self.population.handle(number), Departure::Kill);
                    self.bring_up(number, fresh);
                    self.event_row(EventKind::Restart, Some(index), Some(number), None);
                }
            }
            FaultAction::Partition(_) => {
                let mut group = vec![0u8; self.population.nodes() as usize];
                for (number, members) in groups.iter().enumerate() {
                    for node in members {
                        group[*node as usize] = (number + 1).min(255) as u8;
                    }
                }
                self.rules.partition(id, Arc::from(group));
            }
            FaultAction::Heal => {
                for (other, fault) in scenario.faults.iter().enumerate() {
                    if matches!(fault.action, FaultAction::Partition(_)) && self.faults.active[other] {
                        self.faults.active[other] = false;
                        self.rules.heal(FaultId(other as u32));
                    }
                }
            }
            FaultAction::Slow { factor, .. } => self.set_speeds(&nodes, 1.0 / factor.max(1.0)),
            FaultAction::Degrade { latency, loss, bandwidth, .. } => {
                for number in nodes {
                    let link = self.fabric.links.of(number);
                    let share = |bound: Option<u64>, speed: u64| {
                        bound.map_or(1.0, |bound| (bound as f64 / speed as f64).min(1.0))
                    };
                    let factor = share(bandwidth.up, link.up).min(share(bandwidth.down, link.down));
                    self.rules.degrade(id, number, Degradation { delay: latency, loss, bandwidth: factor });
                    self.transfers.set_factor(self.now, number, self.rules.degradation(number).bandwidth);
                }
                self.set_transfer();
            }
            FaultAction::RuntimeDown { .. } => self.set_runtimes(&nodes, true),
            FaultAction::Misbehave { kind, .. } => {
                for number in nodes {
                    self.misbehaving.set(number, Some(kind));
                }
                self.make_phantoms();
            }
        }
    }

    fn take_all_down(&mut self, nodes: &[u32], departure: Departure, index: u32) {
        let kind = match departure {
            Departure::Kill => EventKind::Kill,
            Departure::PowerOff => EventKind::PowerOff,
        };
        for number in nodes {
            self.event_row(kind, Some(index), Some(*number), None);
            self.take_down(self.population.handle(*number), departure);
        }
    }

    /// A fault ends by itself.
    pub(crate) fn fault_ends(&mut self, index: u32) {
        let scenario = self.scenario;
        let Some(fault) = scenario.faults.get(index as usize) else {
            return;
        };
        if !std::mem::take(&mut self.faults.active[index as usize]) {
            return;
        }
        let nodes: Vec<u32> = self.faults.nodes[index as usize].iter().flatten().copied().collect();
        let kind = if matches!(fault.action, FaultAction::Kill { .. } | FaultAction::PowerOff { .. }) {
            EventKind::Restart
        } else {
            EventKind::Heal
        };
        self.event_row(kind, Some(index), None, Some("the fault's time is over"));
        match fault.action.clone() {
            FaultAction::Kill { fresh, .. } | FaultAction::PowerOff { fresh, .. } => {
                for number in nodes {
                    self.bring_up(number, fresh);
                }
            }
            FaultAction::Partition(_) | FaultAction::Degrade { .. } => {
                for number in self.rules.heal(FaultId(index)) {
                    self.transfers.set_factor(self.now, number, self.rules.degradation(number).bandwidth);
                }
                self.set_transfer();
            }
            FaultAction::Slow { .. } => self.set_speeds(&nodes, 1.0),
            FaultAction::RuntimeDown { .. } => self.set_runtimes(&nodes, false),
            FaultAction::Misbehave { .. } => {
                for number in nodes {
                    self.misbehaving.set(number, None);
                }
            }
            FaultAction::Restart { .. } | FaultAction::Heal => {}
        }
    }

    /// Machines compute at this share of their speed.
    fn set_speeds(&mut self, nodes: &[u32], share: f64) {
        let now = self.now;
        for number in nodes {
            let class = usize::from(self.machines[*number as usize].class);
            let speed = self.scenario.node_classes.get(class).map_or(1.0, |class| class.speed);
            if let Some(runtime) = self.machines[*number as usize].runtime.as_mut() {
                runtime.executor.set_speed(now, speed * share);
                // What was due later may be due earlier now.
                runtime.wake = Time::MAX;
            }
            self.runtime_events(*number);
            self.set_runtime(*number);
        }
    }

    /// Runtimes go down, and what runs there is lost and said to be; or they come up again.
    fn set_runtimes(&mut self, nodes: &[u32], down: bool) {
        let now = self.now;
        for number in nodes {
            let Some(runtime) = self.machines[*number as usize].runtime.as_mut() else {
                continue;
            };
            runtime.down = down;
            if down {
                let lost = runtime.executor.stop(now);
                self.fail_lost(&lost);
            } else {
                runtime.executor.restart(now);
            }
        }
    }
}

/// What a fault is called in `events.csv`.
pub fn kind(action: &FaultAction) -> EventKind {
    match action {
        FaultAction::Kill { .. } => EventKind::Kill,
        FaultAction::PowerOff { .. } => EventKind::PowerOff,
        FaultAction::Restart { .. } => EventKind::Restart,
        FaultAction::Partition(_) => EventKind::Partition,
        FaultAction::Heal => EventKind::Heal,
        FaultAction::Slow { .. } => EventKind::SlowNode,
        FaultAction::Degrade { .. } => EventKind::DegradedLink,
        FaultAction::RuntimeDown { .. } => EventKind::RuntimeDown,
        FaultAction::Misbehave { .. } => EventKind::Misbehave,
    }
}

/// What a fault does, for a person.
pub fn describe(action: &FaultAction, nodes: &[u32]) -> String {
    let nodes = match nodes.len() {
        1 => "1 node".to_owned(),
        many => format!("{many} nodes"),
    };
    match action {
        FaultAction::Kill { .. } => format!("{nodes} killed"),
        FaultAction::PowerOff { .. } => format!("{nodes} powered off"),
        FaultAction::Restart { .. } => format!("{nodes} restarted"),
        FaultAction::Partition(_) => format!("{nodes} cut off"),
        FaultAction::Heal => "partitions healed".to_owned(),
        FaultAction::Slow { factor, .. } => format!("{nodes} slowed down {factor} times"),
        FaultAction::Degrade { .. } => format!("links of {nodes} degraded"),
        FaultAction::RuntimeDown { .. } => format!("runtimes of {nodes} down"),
        FaultAction::Misbehave { .. } => format!("{nodes} misbehaving"),
    }
}
