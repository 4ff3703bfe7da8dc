//! The timeline of faults, made to happen to real nodes.

use crate::clock::Clock;
use crate::failure::Failure;
use crate::network::Network;
use edge_faas_core::results::EventKind;
use edge_faas_core::scenario::schema::{Fault, FaultAction};
use edge_faas_core::time::Time;
use edge_faas_sim::engine::{describe_fault, kind_of_fault};
use edge_faas_sim::network::{Degradation, FaultId};
use futures::future::try_join_all;
use parking_lot::Mutex;
use std::sync::Arc;

/// A row of `events.csv` to be.
#[derive(Clone, Debug)]
pub struct Happening {
    /// When.
    pub time: Time,
    /// What.
    pub kind: EventKind,
    /// The fault of the scenario.
    pub fault: u32,
    /// The node; `None`: several.
    pub node: Option<u32>,
    /// More, for people.
    pub detail: Option<String>,
}

/// What happened, and how many nodes were up from when on.
#[derive(Debug, Default)]
pub struct Log {
    happenings: Mutex<Vec<Happening>>,
    up: Mutex<Vec<(Time, u64)>>,
}

impl Log {
    /// Everything, in its order.
    pub fn take(&self) -> (Vec<Happening>, Vec<(Time, u64)>) {
        (std::mem::take(&mut *self.happenings.lock()), std::mem::take(&mut *self.up.lock()))
    }
}

/// Makes the scenario's faults happen, each in its time.
///
/// # Errors
/// If one cannot be made.
pub async fn play(network: &Network, clock: Clock, log: &Log) -> Result<(), Failure> {
    log.up.lock().push((Time::ZERO, network.up()));
    let faults = &network.plan.scenario.faults;
    let mut steps: Vec<(Time, u32, bool)> = Vec::new();
    for (index, fault) in (0u32..).zip(faults) {
        steps.push((fault.at, index, true));
        steps.extend(fault.duration.map(|duration| (fault.at.saturating_add(duration), index, false)));
    }
    steps.sort_unstable();
    let mut active = vec![false; faults.len()];
    for (at, index, begins) in steps {
        clock.until(at).await;
        let Some(fault) = faults.get(index as usize) else { continue };
        let timeline = Timeline { network, clock, log };
        if begins {
            active[index as usize] = true;
            if fault.action == FaultAction::Heal {
                for (other, fault) in faults.iter().enumerate() {
                    active[other] &= !matches!(fault.action, FaultAction::Partition(_));
                }
            }
            timeline.begin(index, fault).await?;
        } else if std::mem::take(&mut active[index as usize]) {
            timeline.end(index, fault).await?;
        }
        log.up.lock().push((clock.now(), network.up()));
    }
    Ok(())
}

struct Timeline<'a> {
    network: &'a Network,
    clock: Clock,
    log: &'a Log,
}

impl Timeline<'_> {
    fn note(&self, kind: EventKind, fault: u32, node: Option<u32>, detail: Option<String>) {
        let time = self.clock.now();
        self.log.happenings.lock().push(Happening { time, kind, fault, node, detail });
    }

    /// As in the simulator: the first row of a fault is about all of its nodes, then there is one for each.
    async fn begin(&self, index: u32, fault: &Fault) -> Result<(), Failure> {
        let network = self.network;
        let groups = network.plan.population.fault(&network.plan.scenario, index as usize);
        let nodes: Vec<u32> = groups.iter().flatten().copied().collect();
        let kind = kind_of_fault(&fault.action);
        self.note(kind, index, None, Some(describe_fault(&fault.action, &nodes)));
        match &fault.action {
            FaultAction::Kill { .. } | FaultAction::PowerOff { .. } => {
                let off = matches!(fault.action, FaultAction::PowerOff { .. });
                let down = |node: u32| async move {
                    self.note(kind, index, Some(node), None);
                    network.set_up(node, false);
                    match off {
                        true => network.backend.power_off(node).await,
                        false => network.backend.kill(node).await,
                    }
                };
                try_join_all(nodes.into_iter().map(down)).await?;
            }
            FaultAction::Restart { fresh, .. } => {
                let fresh = *fresh;
                try_join_all(nodes.iter().map(|node| self.bring_up(*node, fresh))).await?;
                for node in nodes {
                    self.note(EventKind::Restart, index, Some(node), None);
                }
            }
            FaultAction::Partition(_) => {
                let mut group = vec![0u8; network.len() as usize];
                for (number, members) in (1u8..).zip(&groups) {
                    for node in members {
                        group[*node as usize] = number;
                    }
                }
                network.rules.lock().partition(FaultId(index), Arc::from(group));
                network.shape_all().await?;
            }
            FaultAction::Heal => {
                for (other, fault) in (0u32..).zip(&network.plan.scenario.faults) {
                    if matches!(fault.action, FaultAction::Partition(_)) {
                        network.rules.lock().heal(FaultId(other));
                    }
                }
                network.shape_all().await?;
            }
            FaultAction::Slow { factor, .. } => self.set_speeds(nodes, 1.0 / factor.max(1.0)).await?,
            FaultAction::Degrade { latency, loss, .. } => {
                for node in nodes {
                    let worse = Degradation { delay: *latency, loss: *loss, bandwidth: 1.0 };
                    network.rules.lock().degrade(FaultId(index), node, worse);
                }
                network.shape_all().await?;
            }
            FaultAction::RuntimeDown { .. } => self.set_runtimes(nodes, true).await?,
            // Refused before the run, or the user has said that it may be left out.
            FaultAction::Misbehave { .. } => {}
        }
        Ok(())
    }

    async fn end(&self, index: u32, fault: &Fault) -> Result<(), Failure> {
        let network = self.network;
        let groups = network.plan.population.fault(&network.plan.scenario, index as usize);
        let nodes: Vec<u32> = groups.into_iter().flatten().collect();
        let down = matches!(fault.action, FaultAction::Kill { .. } | FaultAction::PowerOff { .. });
        let kind = if down { EventKind::Restart } else { EventKind::Heal };
        self.note(kind, index, None, Some("the fault's time is over".to_owned()));
        match &fault.action {
            FaultAction::Kill { fresh, .. } | FaultAction::PowerOff { fresh, .. } => {
                let fresh = *fresh;
                try_join_all(nodes.into_iter().map(|node| self.bring_up(node, fresh))).await?;
            }
            FaultAction::Partition(_) | FaultAction::Degrade { .. } => {
                network.rules.lock().heal(FaultId(index));
                network.shape_all().await?;
            }
            FaultAction::Slow { .. } => self.set_speeds(nodes, 1.0).await?,
            FaultAction::RuntimeDown { .. } => self.set_runtimes(nodes, false).await?,
            FaultAction::Restart { .. } | FaultAction::Heal | FaultAction::Misbehave { .. } => {}
        }
        Ok(())
    }

    /// Starts a node again; one that is up dies first.
    async fn bring_up(&self, node: u32, fresh: bool) -> Result<(), Failure> {
        let network = self.network;
        network.set_up(node, false);
        network.backend.restart(node, &network.settings(node)?, fresh).await?;
        network.await_start(node).await?;
        network.join(node).await
    }

    /// Machines compute at this share of their speed.
    async fn set_speeds(&self, nodes: Vec<u32>, share: f64) -> Result<(), Failure> {
        let network = self.network;
        for node in nodes {
            if !network.backend.set_share(node, share).await? {
                let speed = network.plan.speed(node) * share;
                network.set_runtime(node, |plan| plan.speed = speed).await?;
            }
        }
        Ok(())
    }

    async fn set_runtimes(&self, nodes: Vec<u32>, down: bool) -> Result<(), Failure> {
        for node in nodes.into_iter().filter(|node| self.network.is_up(*node)) {
            self.network.set_runtime(node, |plan| plan.down = down).await?;
        }
        Ok(())
    }
}
