//! `[output]` and `[harness]`.

use super::super::error::ScenarioError;
use super::super::keys::*;
use super::super::reader::Reader;
use super::super::schema::{Harness, Output};
use super::super::value::{Data, Value};
use std::collections::BTreeMap;

pub(in crate::scenario) static OUTPUT: Section = Section {
    id: "output",
    title: "[output]",
    doc: "Which result files are written; the manifest, the summary and the latency histograms always are.",
    keys: &[
        default("calls", Kind::Bool, "true", "`calls.csv`: a row a call."),
        default("attempts", Kind::Bool, "true", "`attempts.csv`: a row an attempt."),
        default("lookups", Kind::Bool, "true", "`lookups.csv`: a row a look-up."),
        default("nodes", Kind::Bool, "true", "`nodes.csv`: a row a node."),
        default("timeline", Kind::Bool, "true", "`timeline.csv`: a row a second."),
        default("events", Kind::Bool, "true", "`events.csv`: faults and churn."),
        default(
            "directory",
            Kind::Text("a folder's path"),
            "results",
            "The folder for run folders, relative to where the program runs.",
        ),
    ],
    choices: &[],
};

pub(in crate::scenario) static HARNESS: Section = Section {
    id: "harness",
    title: "[harness]",
    doc: "What only real nodes need. The simulator runs the whole grid of a sweep; real nodes, which take as long as the calls do, may run a smaller one, and so does the simulator with `--real-grid`. Options of the command (`--only`, `--repetitions`) count more.",
    keys: &[
        optional(
            "repetitions",
            Kind::Integer(1, 100_000),
            "as the scenario says",
            "How often real nodes run each variant.",
        ),
        optional(
            "only",
            Kind::Map(&Kind::List(&Kind::Text("a level of the factor"))),
            "all",
            "The levels of the sweep that real nodes run, by factor: `only = { path = [\"local\", \"nearest-warm\"] }`. A factor that is not named keeps all of its levels.",
        ),
    ],
    choices: &[],
};

/// Reads `[output]`.
pub(super) fn output(reader: &Reader<'_>) -> Result<Output, ScenarioError> {
    let directory = reader.text("directory")?;
    if directory.is_empty() || directory.contains('\0') {
        return Err(reader.error("directory", "must name a folder"));
    }
    Ok(Output {
        calls: reader.bool("calls")?,
        attempts: reader.bool("attempts")?,
        lookups: reader.bool("lookups")?,
        nodes: reader.bool("nodes")?,
        timeline: reader.bool("timeline")?,
        events: reader.bool("events")?,
        directory,
    })
}

/// Reads `[harness]`.
pub(super) fn harness(reader: &Reader<'_>) -> Result<Harness, ScenarioError> {
    let wrong = || {
        reader.error(
            "only",
            "must be a table of factors and lists of their levels, such as { path = [\"local\"] }",
        )
    };
    let mut only = BTreeMap::new();
    if let Some(value) = reader.given("only") {
        let Data::Table(table) = &value.data else { return Err(wrong()) };
        for entry in &table.0 {
            let Data::List(levels) = &entry.value.data else { return Err(wrong()) };
            let level = |level: &Value| match &level.data {
                Data::Text(text) => Ok(text.clone()),
                _ => Err(wrong()),
            };
            only.insert(entry.key.clone(), levels.iter().map(level).collect::<Result<Vec<_>, _>>()?);
        }
    }
    let repetitions = match reader.has("repetitions") {
        true => Some(reader.count("repetitions")?),
        false => None,
    };
    Ok(Harness { repetitions, only })
}
