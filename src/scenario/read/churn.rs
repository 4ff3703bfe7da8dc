//! `[churn]`.

use super::super::error::ScenarioError;
use super::super::files::Files;
use super::super::keys::*;
use super::super::reader::Reader;
use super::super::schema::{Churn, Selector, Sessions};
use super::distribution::{durations, optional_distribution};
use super::names::Names;
use super::select::{SELECTOR_KIND, selector_of};
use crate::draws::Distribution;
use crate::time::Time;
use crate::units::Quantity;

pub(in crate::scenario) static CHURN: Section = Section {
    id: "churn",
    title: "[churn]",
    doc: "Nodes that come and go. Without this section every node stays.",
    keys: &[
        optional("session", durations::KIND, "", "How long a node stays. Together with `gap`."),
        optional("gap", durations::KIND, "", "How long it stays away."),
        optional(
            "trace",
            Kind::Text("a file's path"),
            "",
            "Instead of both: a CSV file with the columns `node,up_s,down_s`, a row a session, in seconds from time 0.",
        ),
        default("leave", SHARE, "0%", "Share of departures that say goodbye; the others are crashes."),
        default("fresh", Kind::Bool, "false", "A node that returns has a new id and hosts nothing."),
        optional("nodes", SELECTOR_KIND, "all", "Which nodes come and go."),
        default(
            "from",
            DURATION,
            "0s",
            "When it begins, from time 0. At 0, a `converged` network has had it for ever.",
        ),
        optional(
            "until",
            POSITIVE_DURATION,
            "the end",
            "When it ends, from time 0; nodes that are away then stay away.",
        ),
    ],
    choices: &[
        Choice { keys: &["session", "trace"], required: true },
        Choice { keys: &["gap", "trace"], required: true },
    ],
};

/// Shorter mean sessions and gaps are no churn, but a loop.
const MEAN_MIN_S: f64 = 0.1;

/// Reads `[churn]`.
pub(super) fn churn(
    reader: &Reader<'_>,
    names: &Names,
    files: &mut Files<'_>,
) -> Result<Churn, ScenarioError> {
    let sessions = match reader.optional_text("trace")? {
        Some(path) => Sessions::Trace { file: files.named(reader.sources, reader.at("trace"), &path)? },
        None => Sessions::Drawn { session: times(reader, "session")?, gap: times(reader, "gap")? },
    };
    let from = reader.duration("from")?;
    let until = reader.optional_duration("until")?;
    if let Some(until) = until
        && until <= from
    {
        return Err(reader.error("until", format!("must be after from = {from}")));
    }
    let nodes = match reader.given("nodes") {
        Some(value) => selector_of(reader, value, reader.child("nodes"), names)?,
        None => Selector::ALL,
    };
    Ok(Churn {
        sessions,
        leave: reader.share("leave")?,
        fresh: reader.bool("fresh")?,
        nodes,
        from: Time::ZERO + from,
        until: until.map(|until| Time::ZERO + until),
    })
}

fn times(reader: &Reader<'_>, key: &str) -> Result<Distribution, ScenarioError> {
    let Some(times) = optional_distribution(reader, key, Quantity::Duration)? else {
        return Err(reader.error(key, "is missing"));
    };
    // The median as well: a heavy tail can hide that nearly every draw is tiny.
    if times.mean().is_some_and(|mean| mean < MEAN_MIN_S) || times.quantile(0.5) < MEAN_MIN_S / 100.0 {
        return Err(reader.error(key, "is too short: its mean must be 100ms or more, its median 1ms"));
    }
    Ok(times)
}
