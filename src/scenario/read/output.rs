//! `[output]` and `[harness]`.

use super::super::error::ScenarioError;
use super::super::keys::*;
use super::super::reader::Reader;
use super::super::schema::Output;

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
    doc: "Reserved for what only real nodes need; it has no keys yet.",
    keys: &[],
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
