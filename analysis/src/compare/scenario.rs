//! What two scenarios have in common, and whether that is enough to compare their runs.

use super::Incomparable;
use edge_faas_core::results::Manifest;
use edge_faas_core::scenario::Variant;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a function may have another of and still be asked for the same work: how it is provided.
const PROVISION: [&str; 9] =
    ["providers", "concurrency", "queue", "cold_start", "image", "keep_alive", "prewarm", "memory", "policy"];

/// A key that two runs set differently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its path: `faas.policy`, `function.resize.queue`.
    pub key: String,
    /// Its value in the base, as JSON; empty if it is not there.
    pub base: String,
    /// Its value in the new run.
    pub new: String,
    /// In how many of the variants it differs like this.
    pub variants: usize,
}

/// What differs between two scenarios, keys in alphabetical order.
///
/// # Errors
/// If they do not ask for the same work: other variants, functions or phases.
pub(super) fn settings(base: &Manifest, new: &Manifest) -> Result<Vec<Setting>, Incomparable> {
    let (base_variants, new_variants) = (variants(base)?, variants(new)?);
    let only = |these: &BTreeMap<String, Value>, others: &BTreeMap<String, Value>| -> Vec<String> {
        let missing = these.keys().filter(|label| !others.contains_key(*label));
        missing
            .map(|label| if label.is_empty() { "one without a sweep".to_owned() } else { label.clone() })
            .collect()
    };
    let only = (only(&base_variants, &new_variants), only(&new_variants, &base_variants));
    if !only.0.is_empty() || !only.1.is_empty() {
        return Err(Incomparable::Variants { base: some(&only.0), new: some(&only.1) });
    }
    let mut differences: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for (label, base) in &base_variants {
        let mut found = Vec::new();
        walk("", base, new_variants.get(label).unwrap_or(&Value::Null), &mut found);
        for difference in found {
            *differences.entry(difference).or_default() += 1;
        }
    }
    let settings: Vec<Setting> = differences
        .into_iter()
        .map(|((key, base, new), variants)| Setting { key, base, new, variants })
        .collect();
    let workload: Vec<String> = settings
        .iter()
        .filter(|setting| is_workload(&setting.key))
        .map(|setting| {
            format!("{}: {} in base, {} in new", setting.key, shown(&setting.base), shown(&setting.new))
        })
        .collect();
    if workload.is_empty() {
        Ok(settings)
    } else {
        Err(Incomparable::Workload { differences: some(&workload) })
    }
}

/// The scenarios of the variants, by label.
fn variants(manifest: &Manifest) -> Result<BTreeMap<String, Value>, Incomparable> {
    let unreadable = |error| Incomparable::Scenario { name: manifest.name.clone(), error };
    let variants: Vec<Variant> = serde_json::from_value(manifest.scenario.clone()).map_err(unreadable)?;
    variants
        .into_iter()
        .map(|variant| Ok((variant.label, serde_json::to_value(variant.scenario).map_err(unreadable)?)))
        .collect()
}

/// The first few, and how many more there are.
fn some(list: &[String]) -> String {
    const SHOWN: usize = 5;
    let mut text = list.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
    if list.len() > SHOWN {
        text += &format!("; and {} more", list.len() - SHOWN);
    }
    if list.is_empty() { "none".into() } else { text }
}

/// A value for a person to read: a long one would hide the others.
pub(super) fn shown(json: &str) -> String {
    const LENGTH: usize = 40;
    match json {
        "" => "not there".into(),
        json if json.chars().count() > LENGTH => {
            format!("{} …", json.chars().take(LENGTH).collect::<String>())
        }
        json => json.into(),
    }
}

/// Whether a key says what work is asked for.
fn is_workload(key: &str) -> bool {
    let mut parts = key.split('.');
    match parts.next() {
        // function.NAME.KEY
        Some("function") => !parts.nth(1).is_some_and(|key| PROVISION.contains(&key)),
        // phase.NAME.STREAM.KEY
        Some("phase") => parts.nth(2) != Some("policy"),
        _ => false,
    }
}

/// Finds the leaves that differ. Elements with a name go by it, others by their place.
fn walk(path: &str, base: &Value, new: &Value, found: &mut Vec<(String, String, String)>) {
    if base == new {
        return;
    }
    let below = |key: &str| if path.is_empty() { singular(key).to_owned() } else { format!("{path}.{key}") };
    match (keyed(base), keyed(new)) {
        (Some(base), Some(new)) => {
            let keys: std::collections::BTreeSet<&String> = base.keys().chain(new.keys()).collect();
            for key in keys {
                let (base, new) = (base.get(key).copied(), new.get(key).copied());
                match (base, new) {
                    (Some(base), Some(new)) => walk(&below(key), base, new, found),
                    _ => found.push((below(key), json(base), json(new))),
                }
            }
        }
        _ => found.push((path.to_owned(), json(Some(base)), json(Some(new)))),
    }
}

/// The entries of an object, or of a list of objects with names.
fn keyed(value: &Value) -> Option<BTreeMap<String, &Value>> {
    match value {
        Value::Object(map) => Some(map.iter().map(|(key, value)| (key.clone(), value)).collect()),
        Value::Array(list) => list
            .iter()
            .map(|element| Some((element.get("name")?.as_str()?.to_owned(), element)))
            .collect::<Option<BTreeMap<_, _>>>()
            .filter(|named| named.len() == list.len()),
        _ => None,
    }
}

fn json(value: Option<&Value>) -> String {
    value.map_or_else(String::new, Value::to_string)
}

/// The name of a list as a scenario file writes it.
fn singular(key: &str) -> &str {
    match key {
        "functions" => "function",
        "phases" => "phase",
        "faults" => "fault",
        "node_classes" => "node_class",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_the_workload_and_what_serves_it_is_not() {
        for key in [
            "function.f.service_time.drawn.constant",
            "function.f",
            "phase.p.duration",
            "phase.p.anycall.entry.nodes",
            "phase",
        ] {
            assert!(is_workload(key), "{key}");
        }
        for key in [
            "function.f.queue",
            "function.f.providers.take",
            "phase.p.anycall.policy",
            "phase.p.manycall.policy",
            "faas.policy",
            "network.nodes",
            "seed",
        ] {
            assert!(!is_workload(key), "{key}");
        }
    }
}
