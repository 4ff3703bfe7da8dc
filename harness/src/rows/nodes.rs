//! The rows of nodes and links.

use super::Story;
use crate::links;
use edge_faas_core::results::{EventKind, LinkRecord, Name, NodeRecord, RepetitionWriter};
use edge_faas_core::scenario::schema::Work;
use edge_faas_core::time::{Duration, Time};
use edge_faas_node::experiment::Event;
use edge_faas_sim::engine::node_name;
use std::io;

impl Story<'_> {
    pub(super) fn node_rows(&self, writer: &mut RepetitionWriter) -> io::Result<()> {
        let several = self.plan.scenario.node_classes.len() > 1;
        let regions = self.plan.population.regions();
        for node in 0..self.plan.nodes() {
            let end = self.nodes.get(node as usize).copied().unwrap_or_default();
            let class = self.plan.class(node);
            let region = self.plan.population.region(node);
            let region = region.and_then(|region| regions.get(region as usize));
            let (mut executions, mut busy) = (0u64, Duration::ZERO);
            for event in self.lives.iter().filter(|life| life.node == node).flat_map(|life| &life.events) {
                let Event::Execution { function, times, started: true, .. } = event else { continue };
                // Not what the conformance suite called.
                let Some(index) = self.plan.functions.iter().position(|name| name == function) else {
                    continue;
                };
                executions += 1;
                if self.plan.work(u32::try_from(index).unwrap_or(0)) == Work::Cpu {
                    busy += Duration::from_nanos(times.exec);
                }
            }
            writer.node(&NodeRecord {
                node: node_name(node),
                class: class.filter(|_| several).map(|class| Name::Text(&class.name)),
                region: region.map(|region| Name::Text(region)),
                uptime_us: self.uptime(node).as_micros(),
                functions: end.functions,
                capacity: self.plan.cores(node) * self.plan.speed(node),
                busy_us: busy.as_micros(),
                executions,
                longest_queue: self.longest_queue(node),
                table_size: end.table,
                stale_share: None,
                // Nobody counts a real node's traffic by class.
                upkeep_messages_in: None,
                upkeep_messages_out: None,
                upkeep_bytes_in: None,
                upkeep_bytes_out: None,
                lookup_messages_in: None,
                lookup_messages_out: None,
                lookup_bytes_in: None,
                lookup_bytes_out: None,
                records_messages_in: None,
                records_messages_out: None,
                records_bytes_in: None,
                records_bytes_out: None,
                calls_messages_in: None,
                calls_messages_out: None,
                calls_bytes_in: None,
                calls_bytes_out: None,
            })?;
        }
        Ok(())
    }

    /// How long a node was up from time 0 on, by its lives: each ends with the fault that took it down.
    fn uptime(&self, node: u32) -> Duration {
        let downs: Vec<Time> = self
            .happenings
            .iter()
            .filter(|happening| happening.node == Some(node))
            .filter(|happening| matches!(happening.kind, EventKind::Kill | EventKind::PowerOff))
            .map(|happening| happening.time)
            .collect();
        let lives = self.lives.iter().filter(|life| life.node == node);
        let up = lives.map(|life| {
            let from = life.time(&self.clock, 0);
            let to = downs.iter().copied().filter(|down| *down > from).min().unwrap_or(self.end);
            to.since(from.max(Time::ZERO)).max(Duration::ZERO)
        });
        up.fold(Duration::ZERO, |sum, part| sum + part)
    }

    /// The most calls that waited at a node at once: as many intervals of waiting as overlap.
    fn longest_queue(&self, node: u32) -> u32 {
        let mut changes: Vec<(i64, i32)> = Vec::new();
        for event in self.lives.iter().filter(|life| life.node == node).flat_map(|life| &life.events) {
            if let Event::Execution { start, times, .. } = event
                && times.queue > 0
            {
                changes.extend([(*start, 1), (start.saturating_add(times.queue), -1)]);
            }
        }
        // At one instant, ends before beginnings.
        changes.sort_unstable();
        let (mut waiting, mut longest) = (0, 0);
        for (_, change) in changes {
            waiting += change;
            longest = longest.max(waiting);
        }
        u32::try_from(longest).unwrap_or(0)
    }

    pub(super) fn link_rows(&self, writer: &mut RepetitionWriter) -> io::Result<()> {
        for link in &self.links {
            let speeds = &self.plan.fabric.links;
            let narrow = speeds.of(link.from).up.min(speeds.of(link.to).down);
            writer.link(&LinkRecord {
                moment: link.moment,
                from: node_name(link.from),
                to: node_name(link.to),
                method: Name::Text(links::METHOD),
                samples: u32::try_from(link.trips.len()).unwrap_or(u32::MAX),
                asked_rtt_us: Some(link.asked.as_micros()),
                rtt_p50_us: link.quantile(0.5).map(Duration::as_micros),
                rtt_p95_us: link.quantile(0.95).map(Duration::as_micros),
                asked_loss: Some(link.asked_loss),
                loss: link.loss,
                asked_bytes_per_second: Some(narrow / 8).filter(|_| narrow != u64::MAX),
                bytes_per_second: None,
            })?;
        }
        Ok(())
    }
}
