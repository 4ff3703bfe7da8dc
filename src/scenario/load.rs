//! Loading a scenario: files, includes, overrides, the grid; and what comes out.

use super::error::{Location, ScenarioError};
use super::files::{self, Files, Loader};
use super::read;
use super::schema::{Arrivals, FileRef, Latency, Scenario, ServiceTime, Sessions};
use super::set::{set, split};
use super::sweep::{combinations, short_names};
use super::value::{At, Data, Sources, Table, Value, document};
use crate::InputFile;
use serde::{Deserialize, Serialize};

/// A scenario file larger than this is none.
const FILE_MAX: usize = 16 << 20;
/// Files that include each other, at most.
const INCLUDE_DEPTH_MAX: usize = 8;

/// A scenario file, resolved: its variants and the files that went into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loaded {
    /// One for each combination of `[sweep]`, in order; one without a name if there is no sweep.
    pub variants: Vec<Variant>,
    /// Every file read: the scenario, what it includes, matrices, traces; by path.
    pub inputs: Vec<InputFile>,
}

/// One combination of the levels of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// `providers=2,policy=race`; empty without a sweep.
    pub label: String,
    /// Each factor and its level, in the order of the file.
    pub values: Vec<(String, String)>,
    /// What runs.
    pub scenario: Scenario,
}

impl Loaded {
    /// The resolved variants and inputs as JSON, for a manifest. The same scenario gives the same bytes.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The variants and inputs that [`Loaded::to_json`] wrote.
    ///
    /// # Errors
    /// Text that it did not write.
    pub fn from_json(text: &str) -> Result<Loaded, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// What is run, without where its files lie and its results go: what identifies a run, and what a manifest
    /// holds. [`Loaded::from_identity`] is the way back.
    pub fn identity(&self) -> Vec<Variant> {
        let mut variants = self.variants.clone();
        for variant in &mut variants {
            variant.scenario.output.directory.clear();
            variant.scenario.files_mut().into_iter().for_each(|file| file.path.clear());
        }
        variants
    }

    /// What [`Loaded::identity`] was made of: files are found among `inputs` by their hash.
    pub fn from_identity(mut variants: Vec<Variant>, inputs: Vec<InputFile>) -> Loaded {
        for variant in &mut variants {
            for file in variant.scenario.files_mut() {
                if let Some(input) = inputs.iter().find(|input| input.sha256 == file.sha256) {
                    file.path.clone_from(&input.path);
                }
            }
        }
        Loaded { variants, inputs }
    }
}

impl Scenario {
    /// Loads the scenario file at `path`, with `overrides` (key and value, as `--set key=value` gives them) on top, in their
    /// order. The key `include` names a file whose keys are put on top.
    ///
    /// Paths inside of a file are relative to it; paths of overrides are given to the loader as they are.
    ///
    /// # Errors
    /// The first mistake, with its place and what would be right.
    pub fn load(
        path: &str,
        loader: &dyn Loader,
        overrides: &[(String, String)],
    ) -> Result<Loaded, ScenarioError> {
        let mut sources = Sources::default();
        let mut files = Files::new(loader);
        let (mut root, start) = read_file(path, None, &mut Vec::new(), &mut sources, &mut files)?;
        let mut pinned = Vec::with_capacity(overrides.len());
        for (key, text) in overrides {
            let at = sources.add_override(format!("{key}={text}"));
            if split(key).first().is_some_and(|first| first == "include") {
                // On top of the file, and below what is set after it.
                let (included, _) =
                    read_file(text, Some(at), &mut vec![path.to_owned()], &mut sources, &mut files)?;
                merge(&mut root, included);
                continue;
            }
            let value = Value::of_override(text, at, &sources)?;
            set(&mut root, key, at, value, &sources)?;
            pinned.push(split(key));
        }
        let mut variants = Vec::new();
        for combination in combinations(root, &pinned, &sources)? {
            let scenario = read::scenario(&combination.root, start, &sources, &mut files)?;
            let names: Vec<String> = combination.values.iter().map(|(name, _)| name.clone()).collect();
            let parts: Vec<String> = short_names(&names)
                .into_iter()
                .zip(&combination.values)
                .map(|(name, (_, level))| format!("{name}={level}"))
                .collect();
            variants.push(Variant { label: parts.join(","), values: combination.values, scenario });
        }
        Ok(Loaded { variants, inputs: files.into_inputs() })
    }

    /// This scenario as JSON: the same scenario gives the same bytes.
    ///
    /// # Errors
    /// A scenario that JSON cannot hold (an infinite number); none that was loaded.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// The scenario that [`Scenario::to_json`] wrote.
    ///
    /// # Errors
    /// Text that it did not write.
    pub fn from_json(text: &str) -> Result<Scenario, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Every file that it names.
    fn files_mut(&mut self) -> Vec<&mut FileRef> {
        let mut files = Vec::new();
        if let Latency::Matrix { file, .. } = &mut self.network.latency {
            files.push(file);
        }
        if let Some(churn) = &mut self.churn
            && let Sessions::Trace { file } = &mut churn.sessions
        {
            files.push(file);
        }
        for function in &mut self.functions {
            if let ServiceTime::Trace { file } = &mut function.service_time {
                files.push(file);
            }
        }
        for calls in self.phases.iter_mut().filter_map(|phase| phase.anycall.as_mut()) {
            match &mut calls.stream.arrivals {
                Arrivals::Azure2019 { invocations, durations, .. } => {
                    files.push(invocations);
                    files.extend(durations);
                }
                Arrivals::Azure2021 { file, .. } => files.push(file),
                Arrivals::Poisson { .. } | Arrivals::Every { .. } | Arrivals::Clients { .. } => {}
            }
        }
        files
    }
}

/// Reads a file and what it includes. `from` is the place that names it; `open` are the files that led here.
fn read_file(
    path: &str,
    from: Option<At>,
    open: &mut Vec<String>,
    sources: &mut Sources,
    files: &mut Files<'_>,
) -> Result<(Table, At), ScenarioError> {
    let bytes = files.load(path).map_err(|message| match from {
        Some(at) => sources.error(at, message),
        None => ScenarioError { location: Location::File(path.to_owned()), message },
    })?;
    let start = sources.add_file(path);
    if bytes.len() > FILE_MAX {
        return Err(sources.error(start, format!("is larger than {} MiB: no scenario", FILE_MAX >> 20)));
    }
    let text = files::text(path, bytes)?;
    let own = document(&text, start, sources)?;
    open.push(path.to_owned());
    let merged = include(own, open, sources, files)?;
    open.pop();
    Ok((merged, start))
}

/// Puts a file's tables on top of those that it includes.
fn include(
    mut own: Table,
    open: &mut Vec<String>,
    sources: &mut Sources,
    files: &mut Files<'_>,
) -> Result<Table, ScenarioError> {
    let Some(entry) = own.remove("include") else {
        return Ok(own);
    };
    let at = entry.value.at;
    let Data::List(list) = entry.value.data else {
        return Err(sources.error(at, "include must be a list of files such as [\"base.toml\"]"));
    };
    let mut merged = Table::default();
    for value in list {
        let Data::Text(named) = &value.data else {
            return Err(sources.error(value.at, "include must be a list of files such as [\"base.toml\"]"));
        };
        let path = files::relative_to(sources.file(value.at), named);
        if open.contains(&path) || open.len() >= INCLUDE_DEPTH_MAX {
            let problem = format!("{path} includes itself, or is the ninth file in a chain of includes");
            return Err(sources.error(value.at, problem));
        }
        let (included, _) = read_file(&path, Some(value.at), open, sources, files)?;
        merge(&mut merged, included);
    }
    merge(&mut merged, own);
    Ok(merged)
}

/// Puts `over` on `base`: sections are merged key by key, elements of arrays of tables with the same name as well;
/// everything else is replaced as a whole.
fn merge(base: &mut Table, over: Table) {
    for entry in over.0 {
        let Some(below) = base.get_mut(&entry.key) else {
            base.set(&entry.key, entry.at, entry.value);
            continue;
        };
        match (&mut below.data, entry.value.data) {
            (Data::Table(below_table), Data::Table(over)) if entry.key != "discovery" => {
                below.at = entry.value.at;
                over.0.into_iter().for_each(|entry| below_table.set(&entry.key, entry.at, entry.value));
            }
            (Data::List(below), Data::List(over)) => {
                over.into_iter().for_each(|value| merge_element(below, value))
            }
            (_, data) => *below = Value { at: entry.value.at, data },
        }
    }
}

/// Merges an element into the one of the same name, or adds it.
fn merge_element(list: &mut Vec<Value>, element: Value) {
    let name = read::name_of(&element);
    let below = list.iter_mut().find(|below| name.is_some() && read::name_of(below) == name);
    match (below, element.data) {
        (Some(Value { at, data: Data::Table(below) }), Data::Table(over)) => {
            *at = element.at;
            over.0.into_iter().for_each(|entry| below.set(&entry.key, entry.at, entry.value));
        }
        (_, data) => list.push(Value { at: element.at, data }),
    }
}
