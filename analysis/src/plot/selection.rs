//! Which runs and variants a figure overlays, and what they are called.

use super::PlotError;
use super::draw::MAX_SERIES;
use crate::Run;
use edge_faas_core::results::{MANIFEST, RowContext};
use edge_faas_core::scenario::Variant;
use std::collections::{BTreeMap, BTreeSet};

/// A variant of a run: what one curve stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// The run, by its position.
    pub(crate) run: usize,
    /// The variant as the files name it; empty without a sweep.
    pub(crate) variant: String,
    /// What tells it from the others; empty if there are none.
    pub(crate) label: String,
    /// The phases that are summarised.
    measured: BTreeSet<String>,
}

/// What is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Selection {
    /// At most as many as a figure can hold.
    pub(crate) series: Vec<Series>,
    /// What the labels are of: factors and properties of runs; empty if there is one series.
    pub(crate) legend_title: String,
    /// Every variant that was asked for, of every run, with its factors' levels: what sweep curves are made of.
    pub(crate) cells: Vec<Cell>,
    /// The factor that tells runs apart; none if there is one run.
    pub(crate) run_factor: Option<String>,
    /// Names of the measured phases, in the order of the scenarios.
    pub(crate) phases: Vec<String>,
    /// Where each phase starts, in seconds; of the first series.
    pub(crate) phase_starts: Vec<(f64, String)>,
    /// Variants that were asked for and have no room.
    pub(crate) without_room: usize,
    /// Position in `series` of each run's variants.
    index: Vec<BTreeMap<String, usize>>,
}

/// A variant with its place in the sweep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) run: usize,
    pub(crate) variant: String,
    /// Factor and level; what tells the run from others is a factor, too.
    pub(crate) values: Vec<(String, String)>,
}

impl Selection {
    /// Chooses variants: those that have one of the levels asked for in each of the factors asked for, `wanted` being
    /// (factor, level).
    ///
    /// # Errors
    /// If a manifest's scenario cannot be read, or nothing has what was asked for.
    pub(crate) fn new(runs: &[Run], wanted: &[(String, String)]) -> Result<Self, PlotError> {
        let names = run_factor(runs);
        let mut cells = Vec::new();
        let mut series = Vec::new();
        let mut selection_phases: Vec<String> = Vec::new();
        let mut phase_starts = Vec::new();
        for (at, run) in runs.iter().enumerate() {
            let variants: Vec<Variant> =
                serde_json::from_value(run.manifest().scenario.clone()).map_err(|error| {
                    PlotError::Scenario { path: run.folder().join(MANIFEST), error: error.to_string() }
                })?;
            for variant in variants {
                if !has(&variant.values, wanted) {
                    continue;
                }
                let mut start = 0.0;
                let mut measured = BTreeSet::new();
                for phase in &variant.scenario.phases {
                    if cells.is_empty() {
                        phase_starts.push((start, phase.name.clone()));
                    }
                    start += phase.duration.as_secs_f64();
                    if phase.measure {
                        measured.insert(phase.name.clone());
                        if !selection_phases.contains(&phase.name) {
                            selection_phases.push(phase.name.clone());
                        }
                    }
                }
                let mut values: Vec<(String, String)> = Vec::new();
                if let Some((properties, of_runs)) = &names {
                    values.push((properties.clone(), of_runs[at].clone()));
                }
                values.extend(variant.values);
                cells.push(Cell { run: at, variant: variant.label.clone(), values });
                series.push(Series { run: at, variant: variant.label, label: String::new(), measured });
            }
        }
        if cells.is_empty() {
            return Err(nothing_has(runs, wanted));
        }
        let without_room = series.len().saturating_sub(MAX_SERIES);
        series.truncate(MAX_SERIES);
        let legend_title = label(&mut series, &cells);
        let mut index = vec![BTreeMap::new(); runs.len()];
        for (at, one) in series.iter().enumerate() {
            index[one.run].insert(one.variant.clone(), at);
        }
        let run_factor = names.map(|(name, _)| name);
        Ok(Selection {
            run_factor,
            series,
            legend_title,
            cells,
            phases: selection_phases,
            phase_starts,
            without_room,
            index,
        })
    }

    /// The series that a row of a run belongs to, if it is drawn.
    pub(crate) fn series_of(&self, run: usize, context: &RowContext<'_>) -> Option<usize> {
        self.index.get(run)?.get(context.variant).copied()
    }

    /// Position of a phase if it is measured in this series.
    pub(crate) fn measured_phase(&self, series: usize, phase: &str) -> Option<usize> {
        if !self.series.get(series)?.measured.contains(phase) {
            return None;
        }
        self.phases.iter().position(|name| name == phase)
    }
}

fn has(values: &[(String, String)], wanted: &[(String, String)]) -> bool {
    wanted.iter().all(|(factor, _)| {
        let mut levels = wanted.iter().filter(|(other, _)| other == factor).map(|(_, level)| level);
        levels.any(|level| values.iter().any(|(name, value)| is_named(name, factor) && value == level))
    })
}

/// A factor may be called by its last part, as the labels of variants call it.
fn is_named(factor: &str, asked: &str) -> bool {
    factor == asked || factor.rsplit('.').next() == Some(asked)
}

fn nothing_has(runs: &[Run], wanted: &[(String, String)]) -> PlotError {
    let asked: Vec<String> = wanted.iter().map(|(factor, level)| format!("{factor}={level}")).collect();
    let mut labels: Vec<&str> = runs
        .iter()
        .flat_map(|run| &run.manifest().variants)
        .map(String::as_str)
        .filter(|label| !label.is_empty())
        .collect();
    labels.dedup();
    let there = match labels.as_slice() {
        [] => "the runs have no sweep".to_owned(),
        labels => {
            let shown = labels.len().min(12);
            let more = if labels.len() > shown {
                format!(", and {} more", labels.len() - shown)
            } else {
                String::new()
            };
            format!("there are {}{more}", labels[..shown].join(" | "))
        }
    };
    PlotError::NoVariant { asked: asked.join(" "), there }
}

/// What tells the runs apart as one factor, with each run's level; none if there is one run.
fn run_factor(runs: &[Run]) -> Option<(String, Vec<String>)> {
    let columns = run_names(runs);
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let level =
        |at: usize| columns.iter().map(|(_, values)| values[at].as_str()).collect::<Vec<_>>().join(", ");
    (!columns.is_empty()).then(|| (names.join(", "), (0..runs.len()).map(level).collect()))
}

/// The properties in which the runs differ, with their values: what a run is called by among these.
fn run_names(runs: &[Run]) -> Vec<(String, Vec<String>)> {
    if runs.len() < 2 {
        return Vec::new();
    }
    let column =
        |name: &str, of: &dyn Fn(&Run) -> String| (name.to_owned(), runs.iter().map(of).collect::<Vec<_>>());
    let mut columns = vec![
        column("scenario", &|run| run.manifest().name.clone()),
        column("backend", &|run| run.manifest().backend.to_string()),
        column("seed", &|run| run.manifest().seed.to_string()),
    ];
    let differ = |values: &[String]| values.iter().any(|value| *value != values[0]);
    columns.retain(|(_, values)| differ(values));
    let unique = |columns: &[(String, Vec<String>)]| {
        let names: BTreeSet<Vec<&String>> =
            (0..runs.len()).map(|at| columns.iter().map(|(_, values)| &values[at]).collect()).collect();
        names.len() == runs.len()
    };
    if !unique(&columns) {
        columns.push(column("run", &|run| run.manifest().run.chars().take(8).collect()));
        columns.retain(|(_, values)| differ(values));
    }
    if !unique(&columns) {
        // The same run twice, or two versions' results of it.
        columns.push(column("hash", &|run| run.manifest().run_hash.chars().take(8).collect()));
        columns.retain(|(_, values)| differ(values));
    }
    if !unique(&columns) {
        columns.push(("folder".into(), (1..=runs.len()).map(|at| at.to_string()).collect()));
    }
    columns
}

/// Calls each series by the values in which they differ, and says what these are of.
fn label(series: &mut [Series], cells: &[Cell]) -> String {
    let mut factors: Vec<&str> = Vec::new();
    for (factor, _) in cells[..series.len()].iter().flat_map(|cell| &cell.values) {
        if !factors.contains(&factor.as_str()) {
            factors.push(factor);
        }
    }
    let value = |cell: &Cell, factor: &str| {
        cell.values
            .iter()
            .find(|(name, _)| name == factor)
            .map_or_else(String::new, |(_, value)| value.clone())
    };
    factors
        .retain(|factor| (1..series.len()).any(|at| value(&cells[at], factor) != value(&cells[0], factor)));
    for (at, one) in series.iter_mut().enumerate() {
        let values: Vec<String> =
            factors.iter().map(|factor| value(&cells[at], factor)).filter(|v| !v.is_empty()).collect();
        one.label = values.join(", ");
    }
    factors.iter().map(|factor| short(factor)).collect::<Vec<_>>().join(", ")
}

/// The last part of a factor's name: `network.nodes` is `nodes`.
pub(crate) fn short(factor: &str) -> &str {
    factor.rsplit('.').next().unwrap_or(factor)
}
