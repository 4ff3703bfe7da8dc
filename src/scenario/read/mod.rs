//! From tables to a [`Scenario`]: each section's keys beside the function that reads and checks it.

mod calibration;
mod churn;
mod class;
pub(super) mod discovery;
mod distribution;
mod faas;
mod fault;
mod function;
mod kademlia;
mod latency;
mod names;
mod network;
mod output;
mod phase;
pub(super) mod select;

use super::error::ScenarioError;
use super::files::Files;
use super::keys::*;
use super::reader::Reader;
use super::schema::{Discovery, Scenario};
use super::sweep::SWEEP;
use super::value::{At, Data, Sources, Table, Value};
use crate::time::{Duration, Time};
use crate::units;
use names::Names;
use std::borrow::Cow;

/// Elements of an array of tables, at most.
const TABLES_MAX: usize = 10_000;

/// The whole file.
pub(super) static SCENARIO: Section = Section {
    id: "scenario",
    title: "the scenario",
    doc: "What stands before the first section.",
    keys: &[
        required(
            "name",
            Kind::Text("a name"),
            "Lower-case letters, digits and dashes; names the results folder.",
        ),
        default("seed", Kind::Integer(0, u64::MAX), "1", "The seed of every draw."),
        default(
            "repetitions",
            Kind::Integer(1, 100_000),
            "1",
            "How often the experiment runs, each time with draws of its own.",
        ),
        optional(
            "include",
            Kind::List(&Kind::Text("a file's path")),
            "",
            "Scenario files that this one builds on, relative to it. Keys of this file win; elements of `[[…]]` with the same name are merged key by key, others are added behind.",
        ),
        optional("discovery", discovery::KIND, "kademlia", "How entry nodes find providers."),
        required("network", Kind::Table(&network::NETWORK), "The network."),
        optional(
            "node_class",
            Kind::Tables(&class::NODE_CLASS),
            "one class with the defaults",
            "Classes of nodes.",
        ),
        optional("kademlia", Kind::Table(&kademlia::KADEMLIA), "", "The DHT."),
        optional("faas", Kind::Table(&faas::FAAS), "", "Call routing."),
        optional("churn", Kind::Table(&churn::CHURN), "no churn", "Nodes that come and go."),
        optional("function", Kind::Tables(&function::FUNCTION), "none", "Functions."),
        required("phase", Kind::Tables(&phase::PHASE), "The workload, phase by phase."),
        optional("fault", Kind::Tables(&fault::FAULT), "none", "What goes wrong, and when."),
        optional("sweep", Kind::Table(&SWEEP), "one variant", "A grid over any key."),
        optional("output", Kind::Table(&output::OUTPUT), "", "Which result files are written."),
        optional("harness", Kind::Table(&output::HARNESS), "", "What only real nodes need."),
        optional(
            "calibration",
            Kind::Table(&calibration::CALIBRATION),
            "",
            "What real nodes take for what costs nothing in the simulator.",
        ),
    ],
    choices: &[],
};

/// Reads a whole scenario. `start` is the place of the file's begin.
pub(super) fn scenario(
    root: &Table,
    start: At,
    sources: &Sources,
    files: &mut Files<'_>,
) -> Result<Scenario, ScenarioError> {
    let root = Reader::of(sources, &SCENARIO, Cow::Borrowed(root), start, String::new())?;
    let name = root.text("name")?;
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 100 || !name.chars().all(valid) {
        return Err(
            root.error("name", "must be made of lower-case letters, digits and dashes (1 to 100 of them)")
        );
    }
    let section = |key: &'static str, section: &'static Section| match root.table(key, section)? {
        Some(reader) => Ok(reader),
        None => Reader::empty(sources, section, start, key),
    };
    let network_section = section("network", &network::NETWORK)?;
    let mut network = network::network(&network_section, files)?;
    let classes = class::classes(&tables(&root, "node_class", &class::NODE_CLASS)?, &network, &root)?;
    let mut names = Names::of(&network, &classes);
    let functions =
        function::functions(&tables(&root, "function", &function::FUNCTION)?, &names, &classes, files)?;
    names.with_functions(&functions);
    let churn = match root.table("churn", &churn::CHURN)? {
        Some(reader) => Some(churn::churn(&reader, &names, files)?),
        None => None,
    };
    let kademlia = kademlia::kademlia(&section("kademlia", &kademlia::KADEMLIA)?)?;
    let discovery = discovery::discovery(&root, network.nodes)?;
    if churn.as_ref().is_some_and(|churn| churn.from <= Time::ZERO) && discovery == Discovery::Kademlia {
        network::settle_under_churn(&network_section, &mut network, kademlia.refresh_interval);
    }
    let mut phases = Vec::new();
    let mut end = Duration::ZERO;
    for reader in tables(&root, "phase", &phase::PHASE)? {
        let phase = phase::phase(&reader, &names, files)?;
        end = Duration::from_nanos(end.as_nanos().saturating_add(phase.duration.as_nanos()));
        if end > units::DURATION_MAX {
            return Err(reader.error("duration", "makes the phases longer than ten years together"));
        }
        phases.push(phase);
    }
    if phases.is_empty() {
        return Err(root.error("phase", "is empty: a scenario needs a [[phase]]"));
    }
    let mut faults = tables(&root, "fault", &fault::FAULT)?
        .iter()
        .map(|reader| fault::fault(reader, &names, end))
        .collect::<Result<Vec<_>, _>>()?;
    faults.sort_by_key(|fault| fault.at);
    Ok(Scenario {
        name,
        seed: root.integer("seed")?,
        repetitions: root.count("repetitions")?,
        discovery,
        kademlia,
        faas: faas::faas(&section("faas", &faas::FAAS)?)?,
        output: output::output(&section("output", &output::OUTPUT)?)?,
        calibration: calibration::calibration(&section("calibration", &calibration::CALIBRATION)?)?,
        harness: output::harness(&section("harness", &output::HARNESS)?)?,
        network,
        node_classes: classes,
        churn,
        functions,
        phases,
        faults,
    })
}

/// Opens the elements of an array of tables; their names must differ.
fn tables<'r>(
    root: &'r Reader<'_>,
    key: &'static str,
    section: &'static Section,
) -> Result<Vec<Reader<'r>>, ScenarioError> {
    let Some(value) = root.given(key) else {
        return Ok(Vec::new());
    };
    let Data::List(list) = &value.data else {
        let problem = format!("{key} must be written as [[{key}]], one table each");
        return Err(root.sources.error(value.at, problem));
    };
    if list.len() > TABLES_MAX {
        return Err(root.sources.error(value.at, format!("more than {TABLES_MAX} tables [[{key}]]")));
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut readers = Vec::with_capacity(list.len());
    for (index, value) in list.iter().enumerate() {
        let name = name_of(value);
        let path = name.map_or_else(|| format!("{key}.{index}"), |name| format!("{key}.{name}"));
        let reader = Reader::open(root.sources, section, value, path)?;
        if let Some(name) = name
            && !seen.insert(name)
        {
            return Err(reader.error("name", format!("is taken: another [[{key}]] has it")));
        }
        readers.push(reader);
    }
    Ok(readers)
}

/// The `name` of a table, if it is a text.
pub(super) fn name_of(value: &Value) -> Option<&str> {
    match &value.data {
        Data::Table(table) => match &table.get("name")?.data {
            Data::Text(name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}
