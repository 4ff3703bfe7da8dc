//! `discovery`.

use super::super::error::ScenarioError;
use super::super::keys::*;
use super::super::reader::{Reader, shown};
use super::super::schema::Discovery;
use super::super::value::{Data, Value};
use super::select::NODES_MAX;
use std::borrow::Cow;

const KINDS: &[&str] = &["kademlia", "central", "full", "flood", "oracle", "none"];

pub(in crate::scenario) static DISCOVERY: Section = Section {
    id: "discovery",
    title: "discovery",
    doc: "How entry nodes find providers, with the settings of that kind.",
    keys: &[
        required(
            "kind",
            Kind::Word(KINDS),
            "`kademlia`: provider records in the DHT. `central`: a gateway at one node that every call passes through. `full`: every node holds the whole directory. `flood`: a look-up floods an overlay. `oracle`: the truth, free. `none`: a node knows only what it hosts.",
        ),
        optional("node", Kind::Integer(0, NODES_MAX - 1), "0", "With `central`: the gateway, by index."),
        optional(
            "fanout",
            Kind::Integer(1, 1_000),
            "4",
            "With `full`: to how many nodes a change is passed on.",
        ),
        optional("ttl", Kind::Integer(1, 64), "4", "With `flood`: how many links a request may travel."),
        optional("degree", Kind::Integer(1, 1_000), "8", "With `flood`: links of each node."),
    ],
    choices: &[],
};

/// `"central"` or a table.
pub(in crate::scenario) const KIND: Kind = Kind::Any(&[Kind::Word(KINDS), Kind::Table(&DISCOVERY)]);

/// Reads `discovery` of the top level.
pub(super) fn discovery(root: &Reader<'_>, nodes: u32) -> Result<Discovery, ScenarioError> {
    let table;
    let reader = match root.given("discovery") {
        None => return Ok(Discovery::Kademlia),
        Some(value @ Value { data: Data::Table(_), .. }) => {
            Reader::open(root.sources, &DISCOVERY, value, "discovery".to_owned())?
        }
        Some(value @ Value { data: Data::Text(_), .. }) => {
            let mut keys = super::super::value::Table::default();
            keys.set("kind", value.at, value.clone());
            table = keys;
            Reader::of(root.sources, &DISCOVERY, Cow::Borrowed(&table), value.at, "discovery".to_owned())?
        }
        Some(value) => {
            let problem = format!(
                "discovery = {} must be one of {}, or a table with `kind`",
                shown(value),
                quoted(KINDS)
            );
            return Err(root.sources.error(value.at, problem));
        }
    };
    let kinds: Vec<(&str, &str)> = KINDS.iter().map(|kind| (*kind, *kind)).collect();
    let kind = reader.word("kind", &kinds)?;
    for (key, with) in [("node", "central"), ("fanout", "full"), ("ttl", "flood"), ("degree", "flood")] {
        if reader.has(key) && kind != with {
            return Err(reader.error(key, format!("says something only together with kind = \"{with}\"")));
        }
    }
    let setting = |key: &str, otherwise: u32| -> Result<u32, ScenarioError> {
        Ok(reader.optional_integer(key)?.map_or(otherwise, |value| value as u32))
    };
    Ok(match kind {
        "central" => {
            let node = setting("node", 0)?;
            if node >= nodes {
                return Err(reader.error("node", format!("is no node: indexes go from 0 to {}", nodes - 1)));
            }
            Discovery::Central { node }
        }
        "full" => Discovery::Full { fanout: setting("fanout", 4)? },
        "flood" => {
            let degree = setting("degree", 8)?;
            if degree >= nodes {
                return Err(reader.error("degree", format!("must be below the number of nodes, {nodes}")));
            }
            Discovery::Flood { ttl: setting("ttl", 4)?, degree }
        }
        "oracle" => Discovery::Oracle,
        "none" => Discovery::None,
        _ => Discovery::Kademlia,
    })
}
