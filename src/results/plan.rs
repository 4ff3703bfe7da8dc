//! What the summary needs to know of a scenario.

use super::column::Table;
use super::writer::{PhasePlan, RepetitionPlan};
use crate::scenario::Scenario;
use crate::time::Time;

impl RepetitionPlan {
    /// The plan of a scenario's repetitions: its phases one after the other, and the files that it leaves out.
    pub fn of(scenario: &Scenario) -> Self {
        let mut start = Time::ZERO;
        let phases = scenario
            .phases
            .iter()
            .map(|phase| {
                let plan = PhasePlan {
                    name: phase.name.clone(),
                    start,
                    duration: Some(phase.duration),
                    measure: phase.measure,
                };
                start = start.saturating_add(phase.duration);
                plan
            })
            .collect();
        let output = &scenario.output;
        let tables = [
            (Table::Calls, output.calls),
            (Table::Attempts, output.attempts),
            (Table::Lookups, output.lookups),
            (Table::Nodes, output.nodes),
            (Table::Timeline, output.timeline),
            (Table::Events, output.events),
        ];
        let without = tables.into_iter().filter(|(_, wanted)| !wanted).map(|(table, _)| table).collect();
        RepetitionPlan { phases, without }
    }
}
