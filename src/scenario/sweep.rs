//! `[sweep]`: a grid over any key.

use super::error::ScenarioError;
use super::keys::*;
use super::reader::{Reader, shown};
use super::set::{set, split};
use super::value::{At, Data, Sources, Table, Value};

/// Variants of a scenario, at most.
const VARIANTS_MAX: usize = 10_000;

pub(super) static SWEEP: Section = Section {
    id: "sweep",
    title: "[sweep]",
    doc: "A grid: every combination of the levels of its factors is a variant. A factor is a key in quotes with a list of values, such as `\"function.resize.providers\" = [1, 2, 4]`, or a `[[sweep.factor]]` whose levels set several keys at once. Elements of `[[…]]` are addressed by name (or by place, from 0).",
    keys: &[
        default(
            "mode",
            Kind::Word(&["product", "zip"]),
            "product",
            "`product`: every combination. `zip`: the first levels together, the second ones together …; all factors have as many.",
        ),
        optional("factor", Kind::Tables(&FACTOR), "none", "Factors whose levels have names."),
    ],
    choices: &[],
};

pub(super) static FACTOR: Section = Section {
    id: "factor",
    title: "[[sweep.factor]]",
    doc: "A factor whose levels set several keys at once.",
    keys: &[
        required("name", Kind::Text("a name"), "Its name, unique."),
        required(
            "levels",
            Kind::Map(&Kind::Map(&Kind::Free)),
            "The levels in order: a name and a table of the keys that it sets, such as `{ local = { \"faas.policy\" = \"local-only\" }, routed = { \"faas.policy\" = \"nearest\" } }`.",
        ),
    ],
    choices: &[],
};

/// What belongs to the run as a whole and cannot differ between variants.
const OF_THE_RUN: [&str; 7] = ["name", "seed", "repetitions", "include", "sweep", "output", "harness"];

/// A factor of the grid.
struct Factor {
    name: String,
    at: At,
    levels: Vec<Level>,
}

/// A level of a factor: what it is called and what it sets.
struct Level {
    label: String,
    sets: Vec<(String, At, Value)>,
}

/// A variant: which level of each factor, and the tables that result.
pub(super) struct Combination {
    pub(super) values: Vec<(String, String)>,
    pub(super) root: Table,
}

/// Takes `[sweep]` out of the scenario and makes its combinations. Factors whose only key is one of `pinned` (set on
/// the command line) are left out: they have the one value.
pub(super) fn combinations(
    mut root: Table,
    pinned: &[Vec<String>],
    sources: &Sources,
) -> Result<Vec<Combination>, ScenarioError> {
    let Some(sweep) = root.remove("sweep") else {
        return Ok(vec![Combination { values: Vec::new(), root }]);
    };
    let Data::Table(mut table) = sweep.value.data else {
        return Err(sources.error(sweep.at, "sweep must be a table: [sweep]"));
    };
    let at = sweep.value.at;
    let mut reserved = Table::default();
    for key in ["mode", "factor"] {
        if let Some(entry) = table.remove(key) {
            reserved.set(key, entry.at, entry.value);
        }
    }
    let reader = Reader::of(sources, &SWEEP, std::borrow::Cow::Owned(reserved), at, "sweep".to_owned())?;
    let zip = reader.word("mode", &[("product", false), ("zip", true)])?;
    let mut factors = Vec::new();
    keyed("", &table, sources, &mut factors)?;
    named(&reader, &mut factors)?;
    factors.retain(|factor| !pinned.contains(&split(&factor.name)));
    for (index, factor) in factors.iter().enumerate() {
        if factors.iter().take(index).any(|other| other.name == factor.name) {
            return Err(sources.error(factor.at, format!("the factor `{}` is there twice", factor.name)));
        }
    }
    let choices = if zip { zipped(&factors, sources)? } else { product(&factors, at, sources)? };
    let mut combinations = Vec::with_capacity(choices.len());
    for choice in choices {
        let mut root = root.clone();
        let mut values = Vec::with_capacity(factors.len());
        for (factor, level) in factors.iter().zip(choice) {
            let Some(level) = factor.levels.get(level) else {
                continue;
            };
            for (path, at, value) in &level.sets {
                if split(path).first().is_some_and(|first| OF_THE_RUN.contains(&first.as_str())) {
                    let problem = format!("`{path}` belongs to the run as a whole and cannot be swept over");
                    return Err(sources.error(*at, problem));
                }
                set(&mut root, path, *at, value.clone(), sources)?;
            }
            values.push((factor.name.clone(), level.label.clone()));
        }
        combinations.push(Combination { values, root });
    }
    Ok(combinations)
}

/// Factors written as a key and its values, in quotes or as tables inside each other.
fn keyed(
    prefix: &str,
    table: &Table,
    sources: &Sources,
    into: &mut Vec<Factor>,
) -> Result<(), ScenarioError> {
    for entry in &table.0 {
        let path = if prefix.is_empty() { entry.key.clone() } else { format!("{prefix}.{}", entry.key) };
        match &entry.value.data {
            Data::Table(table) => keyed(&path, table, sources, into)?,
            Data::List(list) if list.is_empty() => {
                return Err(sources.error(entry.value.at, format!("{path} has no values to sweep over")));
            }
            Data::List(list) => {
                let level = |value: &Value| Level {
                    label: value.label(),
                    sets: vec![(path.clone(), value.at, value.clone())],
                };
                into.push(Factor { at: entry.at, levels: list.iter().map(level).collect(), name: path });
            }
            _ => {
                let problem = format!(
                    "{path} = {} must be a list of values to sweep over, such as [1, 2, 4]",
                    shown(&entry.value)
                );
                return Err(sources.error(entry.value.at, problem));
            }
        }
    }
    Ok(())
}

/// Factors of `[[sweep.factor]]`.
fn named(reader: &Reader<'_>, into: &mut Vec<Factor>) -> Result<(), ScenarioError> {
    let sources = reader.sources;
    let Some(value) = reader.given("factor") else {
        return Ok(());
    };
    let Data::List(list) = &value.data else {
        return Err(reader.error("factor", "must be written as [[sweep.factor]], one table each"));
    };
    for (index, value) in list.iter().enumerate() {
        let factor = Reader::open(sources, &FACTOR, value, format!("sweep.factor.{index}"))?;
        let wrong = || {
            factor.error("levels", "must be a table of levels, each with the keys that it sets: { name = { \"some.key\" = value } }")
        };
        let Some(Value { data: Data::Table(table), .. }) = factor.given("levels") else {
            return Err(wrong());
        };
        let mut levels = Vec::with_capacity(table.0.len());
        for entry in &table.0 {
            let Data::Table(sets) = &entry.value.data else {
                let problem = format!(
                    "the level `{}` must be a table of the keys that it sets, such as {{ \"faas.policy\" = \"nearest\" }}",
                    entry.key
                );
                return Err(sources.error(entry.value.at, problem));
            };
            levels.push(Level {
                label: entry.key.clone(),
                sets: sets.0.iter().map(|set| (set.key.clone(), set.at, set.value.clone())).collect(),
            });
        }
        if levels.is_empty() {
            return Err(wrong());
        }
        into.push(Factor { name: factor.text("name")?, at: factor.at, levels });
    }
    Ok(())
}

/// Every combination, the last factor fastest.
fn product(factors: &[Factor], at: At, sources: &Sources) -> Result<Vec<Vec<usize>>, ScenarioError> {
    let count = factors.iter().try_fold(1usize, |count, factor| count.checked_mul(factor.levels.len()));
    if count.is_none_or(|count| count > VARIANTS_MAX) {
        return Err(sources.error(at, format!("the sweep makes more than {VARIANTS_MAX} variants")));
    }
    let mut choices = vec![Vec::new()];
    for factor in factors {
        choices = choices
            .into_iter()
            .flat_map(|choice| {
                (0..factor.levels.len()).map(move |level| {
                    let mut choice = choice.clone();
                    choice.push(level);
                    choice
                })
            })
            .collect();
    }
    Ok(choices)
}

/// The n-th levels of all factors together.
fn zipped(factors: &[Factor], sources: &Sources) -> Result<Vec<Vec<usize>>, ScenarioError> {
    let Some(first) = factors.first() else {
        return Ok(vec![Vec::new()]);
    };
    let count = first.levels.len();
    if let Some(odd) = factors.iter().find(|factor| factor.levels.len() != count) {
        let problem = format!(
            "with mode = \"zip\" all factors have as many levels: `{}` has {}, `{}` has {count}",
            odd.name,
            odd.levels.len(),
            first.name
        );
        return Err(sources.error(odd.at, problem));
    }
    if count > VARIANTS_MAX {
        return Err(sources.error(first.at, format!("the sweep makes more than {VARIANTS_MAX} variants")));
    }
    Ok((0..count).map(|level| vec![level; factors.len()]).collect())
}

/// Short names of the factors, for labels: the last part of the key where that is unique.
pub(super) fn short_names(names: &[String]) -> Vec<String> {
    let last = |name: &str| split(name).pop().unwrap_or_default();
    names
        .iter()
        .map(|name| {
            let short = last(name);
            let unique = names.iter().filter(|other| last(other) == short).count() == 1;
            if unique { short } else { name.clone() }
        })
        .collect()
}
