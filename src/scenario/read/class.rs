//! `[[node_class]]`.

use super::super::error::ScenarioError;
use super::super::keys::*;
use super::super::reader::Reader;
use super::super::schema::{Latency, Network, NodeClass};
use super::network::{BANDWIDTH, bandwidth};
use super::select::NODES_MAX;

pub(in crate::scenario) static NODE_CLASS: Section = Section {
    id: "node_class",
    title: "[[node_class]]",
    doc: "Nodes of one kind. Nodes that no class claims are of the class `default`, with the defaults below. Which nodes belong to which class is drawn.",
    keys: &[
        required("name", Kind::Text("a name"), "Its name, unique."),
        optional("share", SHARE, "", "Its share of all nodes."),
        optional(
            "count",
            Kind::Integer(0, NODES_MAX),
            "",
            "How many nodes it has. A class without `share` and `count` has the rest.",
        ),
        default("cores", Kind::Number(0.01, 10_000.0), "4", "Cores that the node's running functions share."),
        default(
            "memory",
            Kind::Quantity(crate::units::Quantity::Size, Zero::Refused),
            "8GiB",
            "Memory for instances.",
        ),
        default(
            "speed",
            Kind::Number(0.0001, 10_000.0),
            "1",
            "Speed of a core: work of 1 s takes 1 s / `speed`.",
        ),
        optional("bandwidth", Kind::Table(&BANDWIDTH), "the network's", "What its nodes' links carry."),
        optional(
            "region",
            Kind::Text("a region's name"),
            "drawn by the regions' weights",
            "The region of its nodes; where the latency knows no regions, a label that selectors can name.",
        ),
    ],
    choices: &[Choice { keys: &["share", "count"], required: false }],
};

/// The class of nodes that no other claims.
const REST: &str = "default";

/// Reads the classes; their counts add up to the number of nodes.
pub(super) fn classes(
    readers: &[Reader<'_>],
    network: &Network,
    root: &Reader<'_>,
) -> Result<Vec<NodeClass>, ScenarioError> {
    let mut classes = Vec::with_capacity(readers.len() + 1);
    let mut claims: Vec<Claim> = Vec::with_capacity(readers.len());
    for reader in readers {
        classes.push(class(reader, network)?);
        claims.push(if reader.has("share") {
            Claim::Share(reader.share("share")?)
        } else if reader.has("count") {
            Claim::Count(reader.count("count")?)
        } else {
            Claim::Rest
        });
    }
    let rests: Vec<&Reader<'_>> = readers
        .iter()
        .zip(&claims)
        .filter(|(_, claim)| matches!(claim, Claim::Rest))
        .map(|(r, _)| r)
        .collect();
    if let [_, second, ..] = rests.as_slice() {
        return Err(second.error(
            "name",
            "is a second class that would have the rest: give one of them a share or a count",
        ));
    }
    let counts = divide(&claims, network.nodes).map_err(|problem| {
        let last = readers
            .last()
            .map_or(root.at, |reader| reader.at(if reader.has("share") { "share" } else { "count" }));
        root.sources.error(last, problem)
    })?;
    for (class, count) in classes.iter_mut().zip(&counts) {
        class.count = *count;
    }
    let claimed: u32 = counts.iter().sum();
    if rests.is_empty() && claimed < network.nodes {
        if let Some(reader) =
            readers.iter().zip(&classes).find(|(_, class)| class.name == REST).map(|(r, _)| r)
        {
            let problem =
                format!("and the other classes leave {} nodes without a class", network.nodes - claimed);
            return Err(reader.error("name", problem));
        }
        let mut table = super::super::value::Table::default();
        let name = super::super::value::Value::of_default(REST, root.at);
        table.set("name", root.at, name);
        let reader =
            Reader::of(root.sources, &NODE_CLASS, std::borrow::Cow::Owned(table), root.at, REST.to_owned())?;
        classes.push(NodeClass { count: network.nodes - claimed, ..class(&reader, network)? });
    }
    Ok(classes)
}

enum Claim {
    Share(f64),
    Count(u32),
    Rest,
}

/// How many nodes each claim gets: counts first, shares of all nodes rounded down with the largest remainders rounded
/// up, then the rest.
fn divide(claims: &[Claim], nodes: u32) -> Result<Vec<u32>, String> {
    let shares: f64 =
        claims.iter().map(|claim| if let Claim::Share(share) = claim { *share } else { 0.0 }).sum();
    if shares > 1.0 + 1e-9 {
        return Err(format!(
            "the shares of the classes add up to {}%, more than 100%",
            round(shares * 100.0)
        ));
    }
    let total = f64::from(nodes);
    // How many nodes the shares have together, so that thirds lose nobody.
    let target = libm::round(shares * total) as u64;
    let mut counts: Vec<u32> = Vec::with_capacity(claims.len());
    let mut remainders: Vec<(f64, usize)> = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        counts.push(match claim {
            Claim::Share(share) => {
                let exact = share * total;
                remainders.push((exact - libm::floor(exact), index));
                libm::floor(exact) as u32
            }
            Claim::Count(count) => *count,
            Claim::Rest => 0,
        });
    }
    remainders.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let floors: u64 =
        remainders.iter().filter_map(|(_, index)| counts.get(*index)).map(|c| u64::from(*c)).sum();
    let missing = target.saturating_sub(floors) as usize;
    for (_, index) in remainders.iter().take(missing) {
        if let Some(count) = counts.get_mut(*index) {
            *count += 1;
        }
    }
    let claimed: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    if claimed > u64::from(nodes) {
        return Err(format!(
            "the classes ask for {claimed} nodes, more than there are (network.nodes = {nodes})"
        ));
    }
    if let Some(rest) = claims.iter().position(|claim| matches!(claim, Claim::Rest))
        && let Some(count) = counts.get_mut(rest)
    {
        *count = nodes - claimed as u32;
    }
    Ok(counts)
}

fn round(value: f64) -> f64 {
    libm::round(value * 1_000.0) / 1_000.0
}

fn class(reader: &Reader<'_>, network: &Network) -> Result<NodeClass, ScenarioError> {
    let region = reader.optional_text("region")?;
    if let (Some(region), Latency::Regions(model)) = (&region, &network.latency)
        && !model.names.contains(region)
    {
        let hint = suggestion(region, model.names.iter().map(String::as_str));
        return Err(reader.error("region", format!("is not a region of network.latency: {hint}")));
    }
    Ok(NodeClass {
        name: reader.text("name")?,
        count: 0,
        cores: reader.number("cores")?,
        memory: reader.size("memory")?,
        speed: reader.number("speed")?,
        bandwidth: bandwidth(reader)?,
        region,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_divided_without_losing_any() {
        let third = || Claim::Share(1.0 / 3.0);
        assert_eq!(divide(&[third(), third(), third()], 100), Ok(vec![34, 33, 33]));
        assert_eq!(divide(&[Claim::Share(0.1), Claim::Rest], 15), Ok(vec![2, 13]));
        assert_eq!(divide(&[Claim::Count(3), Claim::Rest], 15), Ok(vec![3, 12]));
        assert!(divide(&[Claim::Count(16)], 15).is_err());
        assert!(divide(&[Claim::Share(0.6), Claim::Share(0.5)], 15).is_err());
        assert!(divide(&[Claim::Share(1.0), Claim::Count(1)], 15).is_err());
        assert_eq!(divide(&[], 15), Ok(vec![]));
    }
}
