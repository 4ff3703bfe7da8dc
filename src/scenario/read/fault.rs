//! `[[fault]]`.

use super::super::error::ScenarioError;
use super::super::keys::*;
use super::super::reader::{Reader, shown};
use super::super::schema::{Bandwidth, Fault, FaultAction, Misbehaviour, Partition, Selector};
use super::super::value::{Data, Value};
use super::names::Names;
use super::network::{BANDWIDTH, bandwidth};
use super::select::{
    ALL, FUNCTION_LIST, NODE_LIST, NODES_MAX, SELECTOR, SELECTOR_CHOICES, SELECTOR_KIND, selector,
    selector_keys, selector_of,
};
use crate::time::{Duration, Time};

const ACTIONS: &[&str] = &[
    "kill",
    "crash",
    "power_off",
    "restart",
    "partition",
    "heal",
    "slow",
    "degrade",
    "runtime_down",
    "misbehave",
];

pub(in crate::scenario) static FAULT: Section = Section {
    id: "fault",
    title: "[[fault]]",
    doc: "Something that goes wrong at an instant; exactly one of the actions.",
    keys: &[
        optional(
            "name",
            Kind::Text("a name"),
            "",
            "A name to address it by, unique; else its place in the list, from 0.",
        ),
        required("at", DURATION, "When, from time 0; before the end of the last phase."),
        optional("for", POSITIVE_DURATION, "for good", "Then it is undone."),
        optional(
            "kill",
            Kind::Any(&[ALL, Kind::Table(&DOWN)]),
            "",
            "Processes die: peers see a reset. With `for` they return.",
        ),
        optional("crash", Kind::Any(&[ALL, Kind::Table(&DOWN)]), "", "The same as `kill`."),
        optional(
            "power_off",
            Kind::Any(&[ALL, Kind::Table(&DOWN)]),
            "",
            "Machines go silent: peers see nothing. With `for` they return.",
        ),
        optional(
            "restart",
            Kind::Any(&[ALL, Kind::Table(&DOWN)]),
            "",
            "Nodes that are down return; those that are up die and return at once.",
        ),
        optional("partition", Kind::Table(&PARTITION), "", "Groups of nodes cannot reach each other."),
        optional("heal", Kind::Bool, "", "`true`: every partition ends."),
        optional("slow", Kind::Table(&SLOW), "", "Cores work slower."),
        optional("degrade", Kind::Table(&DEGRADE), "", "Links get worse, in both directions."),
        optional(
            "runtime_down",
            SELECTOR_KIND,
            "",
            "Function runtimes are down; the nodes themselves live on.",
        ),
        optional("misbehave", Kind::Table(&MISBEHAVE), "", "Nodes misbehave in the DHT."),
    ],
    choices: &[Choice { keys: ACTIONS, required: true }],
};

pub(in crate::scenario) static DOWN: Section = Section {
    id: "down",
    title: "a fault's nodes",
    doc: "Which nodes go down, and as what they return.",
    keys: selector_keys!(default(
        "fresh",
        Kind::Bool,
        "false",
        "They return with a new id and host nothing."
    )),
    choices: SELECTOR_CHOICES,
};

pub(in crate::scenario) static PARTITION: Section = Section {
    id: "partition",
    title: "partition",
    doc: "Who is cut off: the nodes of a selector from all others, or several groups from each other and from the rest.",
    keys: selector_keys!(optional(
        "groups",
        Kind::List(&Kind::Table(&SELECTOR)),
        "",
        "Selectors, one a group; a node belongs to the first group that selects it."
    )),
    choices: &[
        Choice { keys: &["share", "count", "groups"], required: false },
        Choice { keys: &["nodes", "region", "class", "function", "groups"], required: false },
    ],
};

pub(in crate::scenario) static SLOW: Section = Section {
    id: "slow",
    title: "slow",
    doc: "Cores work slower.",
    keys: selector_keys!(required("factor", Kind::Number(1.0, 1e6), "How many times slower.")),
    choices: SELECTOR_CHOICES,
};

pub(in crate::scenario) static DEGRADE: Section = Section {
    id: "degrade",
    title: "degrade",
    doc: "Links get worse; at least one of `latency`, `loss`, `bandwidth`.",
    keys: selector_keys!(
        default("latency", DURATION, "0s", "Added to every one-way delay."),
        default("loss", SHARE, "0%", "Added to the share of lost messages."),
        optional("bandwidth", Kind::Table(&BANDWIDTH), "unchanged", "A bound on the link."),
    ),
    choices: SELECTOR_CHOICES,
};

pub(in crate::scenario) static MISBEHAVE: Section = Section {
    id: "misbehave",
    title: "misbehave",
    doc: "Nodes misbehave in the DHT.",
    keys: selector_keys!(
        required(
            "kind",
            Kind::Word(&["black-hole", "lie", "slow"]),
            "`black-hole`: takes requests, never answers. `lie`: answers with peers and providers that do not exist. `slow`: answers late."
        ),
        optional("delay", POSITIVE_DURATION, "5s", "With `slow`: how late."),
    ),
    choices: SELECTOR_CHOICES,
};

/// Reads a fault. `end` is the end of the last phase.
pub(super) fn fault(reader: &Reader<'_>, names: &Names, end: Duration) -> Result<Fault, ScenarioError> {
    let at = reader.duration("at")?;
    if at >= end {
        return Err(reader.error("at", format!("is not before the end of the last phase, {end}")));
    }
    let duration = reader.optional_duration("for")?;
    let action = action(reader, names)?;
    if duration.is_some() && matches!(action, FaultAction::Restart { .. } | FaultAction::Heal) {
        return Err(reader.error("for", "says nothing here: a restart or a healing cannot be undone"));
    }
    Ok(Fault { at: Time::ZERO + at, duration, action })
}

fn action(reader: &Reader<'_>, names: &Names) -> Result<FaultAction, ScenarioError> {
    let key = ACTIONS.iter().copied().find(|key| reader.has(key)).unwrap_or("kill");
    let Some(value) = reader.given(key) else {
        return Err(reader.error(key, "is missing"));
    };
    match key {
        "power_off" => {
            let (nodes, fresh) = down(reader, key, value, names)?;
            Ok(FaultAction::PowerOff { nodes, fresh })
        }
        "restart" => {
            let (nodes, fresh) = down(reader, key, value, names)?;
            Ok(FaultAction::Restart { nodes, fresh })
        }
        "partition" => {
            let table = Reader::open(reader.sources, &PARTITION, value, reader.child(key))?;
            partition(&table, names).map(FaultAction::Partition)
        }
        "heal" => match reader.bool(key)? {
            true => Ok(FaultAction::Heal),
            false => Err(reader.error(key, "does nothing: leave the fault out, or write heal = true")),
        },
        "slow" => {
            let table = Reader::open(reader.sources, &SLOW, value, reader.child(key))?;
            Ok(FaultAction::Slow { nodes: selector(&table, names)?, factor: table.number("factor")? })
        }
        "degrade" => degrade(&Reader::open(reader.sources, &DEGRADE, value, reader.child(key))?, names),
        "runtime_down" => {
            Ok(FaultAction::RuntimeDown { nodes: selector_of(reader, value, reader.child(key), names)? })
        }
        "misbehave" => misbehave(&Reader::open(reader.sources, &MISBEHAVE, value, reader.child(key))?, names),
        _ => {
            let (nodes, fresh) = down(reader, key, value, names)?;
            Ok(FaultAction::Kill { nodes, fresh })
        }
    }
}

/// Which nodes go down and whether they return as new ones.
fn down(
    reader: &Reader<'_>,
    key: &str,
    value: &Value,
    names: &Names,
) -> Result<(Selector, bool), ScenarioError> {
    if let Data::Table(_) = value.data {
        let table = Reader::open(reader.sources, &DOWN, value, reader.child(key))?;
        return Ok((selector(&table, names)?, table.bool("fresh")?));
    }
    Ok((selector_of(reader, value, reader.child(key), names)?, false))
}

fn partition(table: &Reader<'_>, names: &Names) -> Result<Partition, ScenarioError> {
    let Some(value) = table.given("groups") else {
        return Ok(Partition { groups: vec![selector(table, names)?] });
    };
    let Data::List(list) = &value.data else {
        return Err(table.error("groups", "must be a list of selectors such as [{ region = \"…\" }]"));
    };
    if list.is_empty() || list.len() > 1_000 {
        return Err(table.error("groups", format!("must hold 1 to 1000 selectors, not {}", list.len())));
    }
    let groups = list
        .iter()
        .enumerate()
        .map(|(index, value)| selector_of(table, value, format!("{}.{index}", table.child("groups")), names))
        .collect::<Result<Vec<_>, _>>()?;
    if let ([group], [value]) = (groups.as_slice(), list.as_slice())
        && *group == Selector::ALL
    {
        let problem = format!("{} cuts nobody off: the one group has every node", shown(value));
        return Err(table.sources.error(value.at, problem));
    }
    Ok(Partition { groups })
}

fn degrade(table: &Reader<'_>, names: &Names) -> Result<FaultAction, ScenarioError> {
    if !["latency", "loss", "bandwidth"].iter().any(|key| table.has(key)) {
        return Err(table
            .sources
            .error(table.at, format!("{} needs latency, loss or bandwidth", table.path)));
    }
    Ok(FaultAction::Degrade {
        nodes: selector(table, names)?,
        latency: table.duration("latency")?,
        loss: table.share("loss")?,
        bandwidth: bandwidth(table)?.unwrap_or(Bandwidth::default()),
    })
}

fn misbehave(table: &Reader<'_>, names: &Names) -> Result<FaultAction, ScenarioError> {
    let delay = table.optional_duration("delay")?;
    let slow = Misbehaviour::Slow { delay: delay.unwrap_or(Duration::from_secs(5)) };
    let kinds = [("black-hole", Misbehaviour::BlackHole), ("lie", Misbehaviour::Lie), ("slow", slow)];
    let kind = table.word("kind", &kinds)?;
    if delay.is_some() && kind != slow {
        return Err(table.error("delay", "says something only together with kind = \"slow\""));
    }
    Ok(FaultAction::Misbehave { nodes: selector(table, names)?, kind })
}
