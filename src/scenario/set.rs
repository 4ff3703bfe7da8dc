//! Setting a key by its path: `network.nodes`, `function.resize.providers`, `fault.0.at`.

use super::error::ScenarioError;
use super::keys::suggestion;
use super::read::name_of;
use super::value::{At, Data, Sources, Table, Value};

/// Parts of a path, at most.
const PARTS_MAX: usize = 12;

/// The parts of a path; a part in quotes may hold dots.
pub(super) fn split(path: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    for c in path.chars() {
        match (quote, c) {
            (None, '.') => parts.push(String::new()),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {
                if let Some(part) = parts.last_mut() {
                    part.push(c);
                }
            }
        }
    }
    parts
}

/// Sets the key at `path`, making tables on the way; elements of arrays of tables must exist.
pub(super) fn set(
    root: &mut Table,
    path: &str,
    at: At,
    value: Value,
    sources: &Sources,
) -> Result<(), ScenarioError> {
    let parts = split(path);
    if parts.len() > PARTS_MAX || parts.iter().any(String::is_empty) {
        let problem = format!("`{path}` is no key: write network.nodes or function.resize.providers");
        return Err(sources.error(at, problem));
    }
    let Some((last, parents)) = parts.split_last() else {
        return Ok(());
    };
    let mut table = root;
    let mut so_far = String::new();
    let mut parents = parents.iter();
    while let Some(part) = parents.next() {
        if !so_far.is_empty() {
            so_far.push('.');
        }
        so_far.push_str(part);
        if table.get(part).is_none() {
            table.set(part, at, Value { at, data: Data::Table(Table::default()) });
        }
        // The entry was there or has just been made.
        let Some(mut entry) = table.get_mut(part) else {
            return Ok(());
        };
        if let Data::List(_) = entry.data {
            let Some(name) = parents.next() else {
                let problem = format!("`{path}` names no element: write {so_far}.<name>.{last}");
                return Err(sources.error(at, problem));
            };
            entry = element(entry, &so_far, name, at, sources)?;
            so_far.push('.');
            so_far.push_str(name);
        }
        match &mut entry.data {
            Data::Table(inner) => table = inner,
            other => {
                let problem = format!("{so_far} is {}: it has no key `{last}` to set", other.kind());
                return Err(sources.error(at, problem));
            }
        }
    }
    table.set(last, at, value);
    Ok(())
}

/// The element of an array of tables by its name, or by its place.
fn element<'v>(
    list: &'v mut Value,
    path: &str,
    name: &str,
    at: At,
    sources: &Sources,
) -> Result<&'v mut Value, ScenarioError> {
    let Data::List(elements) = &mut list.data else {
        return Err(sources.error(at, format!("{path} is no list")));
    };
    let by_name = elements.iter().position(|element| name_of(element) == Some(name));
    let index = by_name.or_else(|| name.parse().ok().filter(|index| *index < elements.len()));
    match index {
        Some(index) => match elements.get_mut(index) {
            Some(element) => Ok(element),
            None => Err(sources.error(at, format!("no [[{path}]] is named `{name}`"))),
        },
        None => {
            let hint = suggestion(name, elements.iter().filter_map(name_of));
            Err(sources.error(at, format!("no [[{path}]] is named `{name}`: {hint}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_dots_together() {
        assert_eq!(split("a.b"), ["a", "b"]);
        assert_eq!(split("sweep.\"network.nodes\""), ["sweep", "network.nodes"]);
    }
}
