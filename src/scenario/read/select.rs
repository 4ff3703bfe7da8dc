//! Selectors: which nodes.

use super::super::error::ScenarioError;
use super::super::keys::*;
use super::super::reader::{Reader, shown};
use super::super::schema::{NodeRange, Pool, Selector, Take};
use super::super::value::{At, Data, Value};
use super::names::Names;

/// More nodes than a simulation can hold.
pub(in crate::scenario) const NODES_MAX: u64 = 20_000_000;

pub(in crate::scenario) const NODE_LIST: Kind = Kind::List(&Kind::Any(&[
    Kind::Integer(0, NODES_MAX - 1),
    Kind::Text("a range of indexes such as \"10-19\""),
]));
pub(in crate::scenario) const FUNCTION_LIST: Kind = Kind::Any(&[
    Kind::Text("a function's name, in which * stands for anything"),
    Kind::List(&Kind::Text("a function's name, in which * stands for anything")),
]);

/// The keys of a selector, and others beside them.
macro_rules! selector_keys {
    ($($extra:expr),* $(,)?) => {
        &[
            optional("share", SHARE, "all", "This share of the nodes chosen from, at least one; which ones is drawn."),
            optional("count", Kind::Integer(1, NODES_MAX), "all", "This many of them; which ones is drawn."),
            optional("nodes", NODE_LIST, "all nodes", "Choose from these nodes, by index from 0: `[0, 7, \"10-19\"]`."),
            optional("region", Kind::Text("a region's name"), "all nodes", "Choose from the nodes of a region."),
            optional("class", Kind::Text("a node class' name"), "all nodes", "Choose from the nodes of a class."),
            optional("function", FUNCTION_LIST, "all nodes", "Choose from the providers of these functions."),
            $($extra),*
        ]
    };
}
pub(in crate::scenario) use selector_keys;

/// The choices that every selector makes.
pub(in crate::scenario) const SELECTOR_CHOICES: &[Choice] = &[
    Choice { keys: &["share", "count"], required: false },
    Choice { keys: &["nodes", "region", "class", "function"], required: false },
];

pub(in crate::scenario) static SELECTOR: Section = Section {
    id: "selector",
    title: "a selector",
    doc: "A set of nodes: where to choose from (`nodes`, `region`, `class`, `function`; all nodes without) and how many (`share`, `count`; all without). `\"all\"` is every node.",
    keys: selector_keys!(),
    choices: SELECTOR_CHOICES,
};

pub(in crate::scenario) const ALL: Kind = Kind::Word(&["all"]);
/// `"all"` or a table.
pub(in crate::scenario) const SELECTOR_KIND: Kind = Kind::Any(&[ALL, Kind::Table(&SELECTOR)]);

/// The selector that a key holds: `"all"` or a table.
pub(super) fn selector_of(
    reader: &Reader<'_>,
    value: &Value,
    path: String,
    names: &Names,
) -> Result<Selector, ScenarioError> {
    match &value.data {
        Data::Text(text) if text == "all" => Ok(Selector::ALL),
        Data::Table(_) => selector(&Reader::open(reader.sources, &SELECTOR, value, path)?, names),
        _ => Err(reader.sources.error(
            value.at,
            format!(
                "{path} = {} must be \"all\" or a table such as {{ share = \"5%\" }}, {{ nodes = [0, 1] }} or {{ region = \"…\" }}",
                shown(value)
            ),
        )),
    }
}

/// The selector that a table's keys say; at least one of them must be there.
pub(super) fn selector(reader: &Reader<'_>, names: &Names) -> Result<Selector, ScenarioError> {
    match selector_if_any(reader, names)? {
        Some(selector) => Ok(selector),
        None => Err(reader.sources.error(
            reader.at,
            format!(
                "{} needs one of share, count, nodes, region, class, function to say which nodes",
                reader.path
            ),
        )),
    }
}

/// The selector that a table's keys say, if any of them is there.
pub(super) fn selector_if_any(reader: &Reader<'_>, names: &Names) -> Result<Option<Selector>, ScenarioError> {
    let (from, size) = pool(reader, names)?;
    let take = if reader.has("share") {
        let share = reader.share("share")?;
        if share == 0.0 {
            return Err(reader.error("share", "selects nobody: it must be above zero"));
        }
        Take::Share(share)
    } else if reader.has("count") {
        let count = reader.count("count")?;
        if let Some(size) = size
            && count > size
        {
            return Err(reader.error("count", format!("asks for more nodes than the {size} to choose from")));
        }
        Take::Count(count)
    } else {
        Take::All
    };
    let chosen = from != Pool::All || take != Take::All;
    Ok(chosen.then_some(Selector { from, take }))
}

/// The pool and its size where that is known.
fn pool(reader: &Reader<'_>, names: &Names) -> Result<(Pool, Option<u32>), ScenarioError> {
    if let Some(value) = reader.given("nodes") {
        let ranges = node_ranges(reader, value, names.nodes)?;
        let size = ranges.iter().map(|range| range.count).fold(0, u32::saturating_add);
        return Ok((Pool::Nodes(ranges), Some(size)));
    }
    if let Some(region) = reader.optional_text("region")? {
        names.region(reader.sources, reader.at("region"), &region)?;
        return Ok((Pool::Region(region), None));
    }
    if let Some(class) = reader.optional_text("class")? {
        let (index, count) = names.class(reader.sources, reader.at("class"), &class)?;
        return Ok((Pool::Class(index), Some(count)));
    }
    // The providers of a function are not chosen by the providers of another: there the key does not exist.
    if reader.has("function")
        && let Some(value) = reader.given("function")
    {
        let patterns = patterns(reader, "function", value)?;
        return Ok((Pool::Function(names.functions(reader.sources, &patterns)?), None));
    }
    Ok((Pool::All, Some(names.nodes)))
}

/// The patterns of a key that holds one text or a list of texts.
pub(super) fn patterns(
    reader: &Reader<'_>,
    key: &str,
    value: &Value,
) -> Result<Vec<(String, At)>, ScenarioError> {
    let wrong = |value: &Value| {
        let problem = format!("{key} = {} must be a function's name or a list of names", shown(value));
        reader.sources.error(value.at, problem)
    };
    match &value.data {
        Data::Text(text) => Ok(vec![(text.clone(), value.at)]),
        Data::List(list) if !list.is_empty() => list
            .iter()
            .map(|value| match &value.data {
                Data::Text(text) => Ok((text.clone(), value.at)),
                _ => Err(wrong(value)),
            })
            .collect(),
        _ => Err(wrong(value)),
    }
}

/// The ranges of a list of nodes, ascending and apart.
fn node_ranges(reader: &Reader<'_>, value: &Value, nodes: u32) -> Result<Vec<NodeRange>, ScenarioError> {
    let wrong = |value: &Value| {
        let problem = format!(
            "{} is no node: write indexes from 0 to {} and ranges such as \"10-19\"",
            shown(value),
            nodes.saturating_sub(1)
        );
        reader.sources.error(value.at, problem)
    };
    let Data::List(list) = &value.data else {
        return Err(wrong(value));
    };
    if list.is_empty() {
        return Err(reader.sources.error(value.at, "an empty list of nodes selects nobody"));
    }
    let mut ranges: Vec<(NodeRange, At)> = Vec::with_capacity(list.len());
    for item in list {
        let (first, last) = match &item.data {
            Data::Integer(index) => (u32::try_from(*index).ok(), u32::try_from(*index).ok()),
            Data::Text(text) => match text.split_once('-') {
                Some((first, last)) => (first.trim().parse().ok(), last.trim().parse().ok()),
                None => (None, None),
            },
            _ => (None, None),
        };
        match (first, last) {
            (Some(first), Some(last)) if first <= last && last < nodes => {
                ranges.push((NodeRange { first, count: last - first + 1 }, item.at));
            }
            _ => return Err(wrong(item)),
        }
    }
    ranges.sort_by_key(|(range, at)| (range.first, *at));
    for pair in ranges.windows(2) {
        if let [(before, _), (after, at)] = pair
            && before.first + before.count > after.first
        {
            return Err(reader.sources.error(*at, format!("node {} is listed twice", after.first)));
        }
    }
    Ok(ranges.into_iter().map(|(range, _)| range).collect())
}
