//! Two runs of one kind, metric by metric.

use super::error::Incomparable;
use super::files::{self, FileDifference};
use super::judge::{Effect, Measured, Verdict, measure};
use super::margins::{Margin, Margins};
use super::scenario::{self, Setting};
use super::values::{Key, Values, values};
use crate::run::Run;
use crate::stats::{Pairing, benjamini_hochberg};
use edge_faas_core::results::Source;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};

/// A run, as far as a reader of the comparison has to know it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Its folder.
    pub folder: String,
    /// The scenario's name.
    pub name: String,
    /// Who ran it.
    pub source: Source,
    /// The seed of all draws.
    pub seed: u64,
    /// Repetitions of each variant.
    pub repetitions: u32,
    /// The program, its version and, if it is known, its git commit.
    pub program: String,
    /// The identity of what was run.
    pub run: String,
    /// The hash of all that came of it.
    pub run_hash: String,
    /// Files that the folder keeps, of those that the run wrote.
    pub kept: usize,
    /// Files that the run wrote.
    pub files: usize,
}

impl Side {
    pub(super) fn of(run: &Run) -> Self {
        let manifest = run.manifest();
        let kept = manifest.files.iter().filter(|entry| run.folder().join(&entry.name).exists()).count();
        let program = &manifest.program;
        let commit = program.git_commit.as_ref().map_or_else(String::new, |commit| format!(" {commit}"));
        Side {
            folder: run.folder().display().to_string(),
            name: manifest.name.clone(),
            source: manifest.backend,
            seed: manifest.seed,
            repetitions: manifest.repetitions,
            program: format!("{} {}{commit}", program.name, program.version),
            run: manifest.run.clone(),
            run_hash: manifest.run_hash.clone(),
            kept,
            files: manifest.files.len(),
        }
    }
}

/// What became of a statistic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The cell of the sweep; empty without one.
    pub variant: String,
    /// What was measured.
    pub metric: String,
    /// The rows it was measured over.
    pub group: String,
    /// The statistic of each repetition.
    pub statistic: String,
    /// The unit of values.
    pub unit: String,
    /// The median over the base's repetitions.
    #[serde(serialize_with = "number")]
    pub base: f64,
    /// The median over the new repetitions.
    #[serde(serialize_with = "number")]
    pub new: f64,
    /// How `change`, `low` and `high` are told.
    pub effect: Effect,
    /// The change of the median.
    #[serde(serialize_with = "number")]
    pub change: f64,
    /// The ends of its interval of 95 %; none of too few repetitions.
    #[serde(serialize_with = "numbers")]
    pub interval: Option<(f64, f64)>,
    /// The p-value of this metric alone.
    pub p: Option<f64>,
    /// The p-value as it counts among all metrics that were tested.
    pub adjusted_p: Option<f64>,
    /// The margin.
    pub margin: Margin,
    /// What is said of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: &'static str,
    /// Repetitions of the base that have a value; with pairs, the pairs.
    pub n_base: usize,
    /// Repetitions of the new run.
    pub n_new: usize,
}

/// JSON has no infinite numbers: they are the text `inf`, as in the files.
fn number<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.collect_str(value) }
}

fn numbers<S: Serializer>(interval: &Option<(f64, f64)>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Number(#[serde(serialize_with = "number")] f64);
    interval.map(|(low, high)| [Number(low), Number(high)]).serialize(serializer)
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The run compared with.
    pub base: Side,
    /// The run that is judged.
    pub new: Side,
    /// Whether every file is the same, byte for byte. Then there is nothing to judge, and `rows` is empty.
    pub identical: bool,
    /// What the scenarios set differently.
    pub settings: Vec<Setting>,
    /// If the same was run with the same seed: the files that came out another way.
    pub files: Vec<FileDifference>,
    /// Whether repetition i of the one belongs to repetition i of the other: they do if the seeds are equal.
    pub paired: bool,
    /// Metrics that were tested; `adjusted_p` takes them all into account.
    pub tests: usize,
    /// Every statistic that is judged and that both have, in the order of `summary.csv`.
    pub rows: Vec<Row>,
    /// Statistics that would be judged and that only the base has.
    pub only_in_base: usize,
    /// Those that only the new run has.
    pub only_in_new: usize,
}

impl Comparison {
    /// How many rows have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows.iter().filter(|row| row.verdict == verdict).count()
    }
}

/// Compares two runs of one kind.
///
/// The unit is the repetition: a statistic is taken within each, then the medians over repetitions are held against each other.
/// With equal seeds repetition i of both was asked for the same calls at the same times: they are compared in pairs.
///
/// # Errors
/// If they are not of one kind, were asked for other work, or `margins` names what there is not.
pub fn compare(base: &Run, new: &Run, margins: &Margins) -> Result<Comparison, Incomparable> {
    let (base_manifest, new_manifest) = (base.manifest(), new.manifest());
    if base_manifest.backend != new_manifest.backend {
        return Err(Incomparable::Backends { base: base_manifest.backend, new: new_manifest.backend });
    }
    let settings = scenario::settings(base_manifest, new_manifest)?;
    let paired = base_manifest.seed == new_manifest.seed;
    let same_run = base_manifest.run == new_manifest.run && base_manifest.backend == Source::Sim;
    let identical = same_run && base_manifest.run_hash == new_manifest.run_hash;
    let mut comparison = Comparison {
        base: Side::of(base),
        new: Side::of(new),
        identical,
        settings,
        files: if same_run && !identical { files::differences(base, new)? } else { Vec::new() },
        paired,
        tests: 0,
        rows: Vec::new(),
        only_in_base: 0,
        only_in_new: 0,
    };
    let (of_base, of_new) = (values(base)?, values(new)?);
    let names: BTreeSet<(&str, &str)> = of_base
        .keys()
        .chain(of_new.keys())
        .map(|key| (key.metric.as_str(), key.statistic.as_str()))
        .collect();
    margins.check_names(&names)?;
    if identical {
        return Ok(comparison);
    }
    let (base_judged, new_judged) = (judged(&of_base, margins)?, judged(&of_new, margins)?);
    comparison.only_in_base = base_judged.keys().filter(|key| !new_judged.contains_key(*key)).count();
    comparison.only_in_new = new_judged.keys().filter(|key| !base_judged.contains_key(*key)).count();
    let mut measured: Vec<(&Key, &Values, Margin, Measured)> = Vec::new();
    for (key, (of_base, margin)) in &base_judged {
        let Some((of_new, _)) = new_judged.get(key) else { continue };
        let (base_values, new_values, pairing) = samples(of_base, of_new, paired);
        if let Some(one) = measure(&base_values, &new_values, pairing) {
            measured.push((key, of_base, *margin, one));
        }
    }
    if measured.is_empty() {
        return Err(Incomparable::Nothing);
    }
    measured.sort_by_key(|(_, values, ..)| values.order);
    let tested: Vec<f64> = measured.iter().filter_map(|(.., one)| one.p).collect();
    let mut adjusted = benjamini_hochberg(&tested).into_iter();
    comparison.tests = tested.len();
    for (key, values, margin, one) in measured {
        let adjusted_p = one.p.and_then(|_| adjusted.next());
        let judged = one.judge(adjusted_p, &margin);
        comparison.rows.push(Row {
            variant: key.variant.clone(),
            metric: key.metric.clone(),
            group: key.group.clone(),
            statistic: key.statistic.clone(),
            unit: values.unit.clone(),
            base: one.base,
            new: one.new,
            effect: one.effect,
            change: one.change,
            interval: one.interval,
            p: one.p,
            adjusted_p,
            margin,
            verdict: judged.verdict,
            reason: judged.reason,
            n_base: one.n_base,
            n_new: one.n_new,
        });
    }
    Ok(comparison)
}

/// The values of both in the order of repetitions; if these belong together, only of those that both have.
fn samples(base: &Values, new: &Values, paired: bool) -> (Vec<f64>, Vec<f64>, Pairing) {
    let (base, new) = (&base.by_repetition, &new.by_repetition);
    if !paired {
        return (base.values().copied().collect(), new.values().copied().collect(), Pairing::Independent);
    }
    let (base, new) =
        base.iter().filter_map(|(repetition, base)| Some((*base, *new.get(repetition)?))).unzip();
    (base, new, Pairing::Paired)
}

/// The statistics that are judged, with their margins.
fn judged<'a>(
    values: &'a BTreeMap<Key, Values>,
    margins: &Margins,
) -> Result<BTreeMap<&'a Key, (&'a Values, Margin)>, Incomparable> {
    // Of calls, each phase is judged; what has no phases, as a whole. The finer groups would only say the same again.
    let by_phase: BTreeSet<(&str, &str)> = values
        .keys()
        .filter(|key| is_phase(&key.group))
        .map(|key| (key.variant.as_str(), key.metric.as_str()))
        .collect();
    let mut judged = BTreeMap::new();
    for (key, values) in values {
        let whole = key.group == "all" && !by_phase.contains(&(key.variant.as_str(), key.metric.as_str()));
        let part = ["fault=", "class="].iter().any(|kind| key.group.starts_with(kind));
        if (whole || part || is_phase(&key.group))
            && let Some(margin) = margins.of(&key.metric, &key.statistic, &values.unit)?
        {
            judged.insert(key, (values, margin));
        }
    }
    Ok(judged)
}

/// Whether a group is a phase, all of it.
fn is_phase(group: &str) -> bool {
    group.starts_with("phase=") && !group.contains(" policy=")
}
