//! Where a run is, for a person who waits.

use crate::player::Watcher;
use edge_faas_core::scenario::Scenario;
use edge_faas_core::time::Time;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A line that says where the run is.
pub(super) struct Progress {
    bar: ProgressBar,
    /// Phases by name, and when each ends.
    phases: Vec<(String, Time)>,
}

impl Progress {
    /// Of repetition `label` of a scenario.
    pub(super) fn new(scenario: &Scenario, label: String, quiet: bool) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {elapsed}  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(label);
        bar.set_message("nodes come up");
        bar.enable_steady_tick(Duration::from_millis(200));
        let mut end = Time::ZERO;
        let phases = scenario.phases.iter().map(|phase| {
            end = end.saturating_add(phase.duration);
            (phase.name.clone(), end)
        });
        Progress { phases: phases.collect(), bar }
    }
}

impl Watcher for Progress {
    fn at(&self, now: Time, ended: u64) {
        let phase = self.phases.iter().find(|(_, end)| now < *end);
        let phase = phase.map_or("the last calls end", |(name, _)| name.as_str());
        self.bar.set_message(format!("{phase}: {ended} calls ended"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
