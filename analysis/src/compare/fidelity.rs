//! How far simulated calls are from those of real nodes.

use super::comparison::Side;
use super::error::Incomparable;
use super::margins::{Margins, Tolerance, Tolerated};
use super::scenario::{self, Setting};
use super::values::{Key, values};
use crate::run::{Run, RunError};
use crate::stats::{kolmogorov_smirnov, median, quantile_of_sorted, wasserstein};
use edge_faas_core::results::{CallRecord, Manifest, Outcome, Source, Table};
use edge_faas_core::scenario::Variant;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What is compared of a call, in the order of reports.
const PARTS: [&str; 5] = ["latency", "lookup", "network", "exec", "latency - exec"];

/// A quantile, simulated and real.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuantileError {
    /// Its name: `p50`.
    pub quantile: &'static str,
    /// The median of the quantiles of the simulated repetitions, in microseconds.
    pub simulated_us: f64,
    /// The same of the real ones.
    pub real_us: f64,
    /// Simulated minus real.
    pub error_us: f64,
    /// How large the error may be; none if it is only told.
    pub tolerated_us: Option<f64>,
    /// False if the error is larger than tolerated.
    pub holds: bool,
}

/// A part of the calls of a phase, simulated and real.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FidelityRow {
    /// The cell of the sweep; empty without one.
    pub variant: String,
    /// The phase.
    pub phase: String,
    /// The part of a call's time.
    pub part: &'static str,
    /// Simulated calls with a value, over all repetitions.
    pub simulated: usize,
    /// Real ones.
    pub real: usize,
    /// The quantiles.
    pub quantiles: Vec<QuantileError>,
    /// The largest difference of the distribution functions, 0 to 1: the median over pairs of repetitions.
    pub kolmogorov_smirnov: f64,
    /// The area between the distribution functions in microseconds, likewise.
    pub wasserstein_us: f64,
}

/// Policies for manycalls, by their makespan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PolicyOrder {
    /// The levels of the sweep's other factors.
    pub variant: String,
    /// The quickest first, as simulated.
    pub simulated: Vec<String>,
    /// As measured.
    pub real: Vec<String>,
    /// Whether no pair of policies is the other way round. Makespans that differ by no more than the tolerance of `p50` are equal.
    pub holds: bool,
}

/// Simulated runs held against those of real nodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fidelity {
    /// The simulated run.
    pub simulated: Side,
    /// The run of real nodes.
    pub real: Side,
    /// What the scenarios set differently.
    pub settings: Vec<Setting>,
    /// Every measured phase and part that both have.
    pub rows: Vec<FidelityRow>,
    /// The order of policies, where a sweep has several.
    pub orders: Vec<PolicyOrder>,
    /// Phases of which only one of the runs has calls that ended `ok`.
    pub missing: Vec<String>,
    /// Whether every tolerance and every order holds, and no phase is missing.
    pub holds: bool,
}

/// Holds a simulated run against one of real nodes, whichever is given first. Calls that ended `ok` in measured phases count; statistics
/// are taken within each repetition, then their median.
///
/// # Errors
/// If they are not one of each kind, were asked for other work, or keep no `calls.csv`.
pub fn fidelity(base: &Run, new: &Run, margins: &Margins) -> Result<Fidelity, Incomparable> {
    let (simulated, real) = one_of_each(base, new)?;
    let settings = scenario::settings(simulated.manifest(), real.manifest())?;
    let tolerances = margins.tolerances()?;
    let (of_simulated, of_real) = (samples(simulated)?, samples(real)?);
    let mut rows = Vec::new();
    let mut missing = Vec::new();
    let phases: BTreeSet<&Phase> = of_simulated.keys().chain(of_real.keys()).collect();
    for phase in phases {
        let both = (of_simulated.get(phase), of_real.get(phase));
        let (Some(in_simulated), Some(in_real)) = both else {
            let side = if both.0.is_some() { "simulated" } else { "real" };
            let variant =
                if phase.variant.is_empty() { String::new() } else { format!("{} ", phase.variant) };
            missing.push(format!("{variant}phase={}: only {side} calls ended ok", phase.name));
            continue;
        };
        rows.extend(PARTS.iter().enumerate().filter_map(|(part, name)| {
            row(phase, name, &in_simulated.part(part), &in_real.part(part), &tolerances)
        }));
    }
    let p50 = tolerances.iter().find(|one| one.quantile == "p50").and_then(|one| one.tolerance);
    let orders = orders(simulated, real, p50)?;
    let holds = missing.is_empty()
        && !rows.is_empty()
        && rows.iter().all(|row| row.quantiles.iter().all(|quantile| quantile.holds))
        && orders.iter().all(|order| order.holds);
    let (simulated, real) = (Side::of(simulated), Side::of(real));
    Ok(Fidelity { simulated, real, settings, rows, orders, missing, holds })
}

/// The simulated run and the one of real nodes, whichever is given first.
pub(super) fn one_of_each<'a>(base: &'a Run, new: &'a Run) -> Result<(&'a Run, &'a Run), Incomparable> {
    let backends = (base.manifest().backend, new.manifest().backend);
    match (backends.0 == Source::Sim, backends.1 == Source::Sim) {
        (true, false) => Ok((base, new)),
        (false, true) => Ok((new, base)),
        _ => Err(Incomparable::NotOneOfEach { base: backends.0, new: backends.1 }),
    }
}

/// A phase of a variant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Phase {
    variant: String,
    name: String,
}

/// The parts of the calls of a phase, by repetition, sorted.
#[derive(Debug, Default)]
struct PhaseSamples(BTreeMap<u32, [Vec<i64>; PARTS.len()]>);

impl PhaseSamples {
    /// One part, by repetition; those without a value are left out.
    fn part(&self, part: usize) -> BTreeMap<u32, &[i64]> {
        let values = self.0.iter().map(|(repetition, parts)| (*repetition, parts[part].as_slice()));
        values.filter(|(_, values)| !values.is_empty()).collect()
    }
}

/// Reads `calls.csv`.
fn samples(run: &Run) -> Result<BTreeMap<Phase, PhaseSamples>, Incomparable> {
    if !run.keeps(Table::Calls) {
        return Err(Incomparable::NoCalls { folder: run.folder().to_owned() });
    }
    let measured = measured_phases(run.manifest())?;
    let mut all: BTreeMap<Phase, PhaseSamples> = BTreeMap::new();
    let mut rows = run.rows(Table::Calls)?;
    // Rows of a phase follow each other for long: the name is looked up when it changes.
    let mut phase = Phase { variant: String::new(), name: String::new() };
    let mut counts = false;
    while let Some((context, call)) = rows.next::<CallRecord<'_>>()? {
        if call.outcome != Outcome::Ok {
            continue;
        }
        if call.phase != *phase.name.as_str() || context.variant != phase.variant {
            phase = Phase { variant: context.variant.to_owned(), name: call.phase.to_string() };
            counts = measured.contains(&phase);
        }
        if !counts {
            continue;
        }
        if !all.contains_key(&phase) {
            all.insert(phase.clone(), PhaseSamples::default());
        }
        let Some(samples) = all.get_mut(&phase) else { continue };
        let parts = samples.0.entry(context.repetition.unwrap_or(0)).or_default();
        let without_exec =
            call.latency_us.zip(call.exec_us).map(|(latency, exec)| latency.saturating_sub(exec));
        let values = [call.latency_us, call.lookup_us, call.network_us, call.exec_us, without_exec];
        for (part, value) in parts.iter_mut().zip(values) {
            part.extend(value);
        }
    }
    for samples in all.values_mut() {
        samples.0.values_mut().flatten().for_each(|part| part.sort_unstable());
    }
    Ok(all)
}

pub(super) fn variants(manifest: &Manifest) -> Result<Vec<Variant>, Incomparable> {
    serde_json::from_value(manifest.scenario.clone())
        .map_err(|error| Incomparable::Scenario { name: manifest.name.clone(), error })
}

/// The phases that are no warm-up.
fn measured_phases(manifest: &Manifest) -> Result<BTreeSet<Phase>, Incomparable> {
    let variants = variants(manifest)?;
    let phases = variants.into_iter().flat_map(|variant| {
        let measured = variant.scenario.phases.into_iter().filter(|phase| phase.measure);
        measured.map(move |phase| Phase { variant: variant.label.clone(), name: phase.name })
    });
    Ok(phases.collect())
}

/// One part of a phase; none if a side never measured it.
fn row(
    phase: &Phase,
    part: &'static str,
    simulated: &BTreeMap<u32, &[i64]>,
    real: &BTreeMap<u32, &[i64]>,
    tolerances: &[Tolerated],
) -> Option<FidelityRow> {
    let over_repetitions = |side: &BTreeMap<u32, &[i64]>, per_mille| {
        let each: Vec<f64> = side
            .values()
            .filter_map(|values| quantile_of_sorted(values, per_mille).map(|value| value as f64))
            .collect();
        median(&each)
    };
    let mut quantiles = Vec::new();
    for Tolerated { quantile, per_mille, tolerance } in tolerances {
        let (simulated_us, real_us) =
            (over_repetitions(simulated, *per_mille)?, over_repetitions(real, *per_mille)?);
        let error_us = simulated_us - real_us;
        let tolerated_us = tolerance.map(|tolerance| tolerance.from(real_us));
        let holds = tolerated_us.is_none_or(|tolerated| error_us.abs() <= tolerated);
        quantiles.push(QuantileError { quantile, simulated_us, real_us, error_us, tolerated_us, holds });
    }
    // The first repetition of the one with the first of the other, and so on: with the same seed they are of the same calls.
    let pairs = || simulated.values().zip(real.values());
    let distance = |of: fn(&[i64], &[i64]) -> Option<f64>| {
        median(&pairs().filter_map(|(simulated, real)| of(simulated, real)).collect::<Vec<_>>())
    };
    Some(FidelityRow {
        variant: phase.variant.clone(),
        phase: phase.name.clone(),
        part,
        simulated: simulated.values().map(|values| values.len()).sum(),
        real: real.values().map(|values| values.len()).sum(),
        quantiles,
        kolmogorov_smirnov: distance(kolmogorov_smirnov)?,
        wasserstein_us: distance(wasserstein)?,
    })
}

/// The order of the policies of manycalls, for each combination of the other factors.
fn orders(
    simulated: &Run,
    real: &Run,
    tolerance: Option<Tolerance>,
) -> Result<Vec<PolicyOrder>, Incomparable> {
    let (of_simulated, of_real) = (makespans(simulated)?, makespans(real)?);
    let mut groups: BTreeMap<String, Vec<(String, f64, f64)>> = BTreeMap::new();
    for variant in variants(simulated.manifest())? {
        let is_policy = |(factor, _): &&(String, String)| {
            factor.ends_with("manycall.policy") || factor.ends_with("manycall_policy")
        };
        let Some((_, policy)) = variant.values.iter().find(is_policy) else { continue };
        let both = (of_simulated.get(&variant.label), of_real.get(&variant.label));
        let (Some(in_simulated), Some(in_real)) = both else { continue };
        let others: Vec<String> = variant
            .values
            .iter()
            .filter(|value| !is_policy(value))
            .map(|(factor, level)| format!("{factor}={level}"))
            .collect();
        groups.entry(others.join(" ")).or_default().push((policy.clone(), *in_simulated, *in_real));
    }
    let order = |(variant, policies): (String, Vec<(String, f64, f64)>)| {
        let by = |makespan: fn(&(String, f64, f64)) -> f64| {
            let mut sorted: Vec<&(String, f64, f64)> = policies.iter().collect();
            sorted.sort_by(|a, b| makespan(a).total_cmp(&makespan(b)));
            sorted.into_iter().map(|(policy, ..)| policy.clone()).collect()
        };
        let differ =
            |a: f64, b: f64| (a - b).abs() > tolerance.map_or(0.0, |tolerance| tolerance.from(a.min(b)));
        let turned = |a: &(String, f64, f64), b: &(String, f64, f64)| {
            (a.1 < b.1) != (a.2 < b.2) && differ(a.1, b.1) && differ(a.2, b.2)
        };
        let holds = !policies.iter().any(|a| policies.iter().any(|b| turned(a, b)));
        PolicyOrder { variant, simulated: by(|one| one.1), real: by(|one| one.2), holds }
    };
    Ok(groups.into_iter().filter(|(_, policies)| policies.len() > 1).map(order).collect())
}

/// The median over repetitions of the median makespan, by variant, in microseconds.
fn makespans(run: &Run) -> Result<BTreeMap<String, f64>, RunError> {
    let of = |key: &Key| key.metric == "makespan" && key.statistic == "p50" && key.group == "all";
    let all = values(run)?.into_iter().filter(|(key, _)| of(key));
    Ok(all
        .filter_map(|(key, values)| {
            let each: Vec<f64> = values.by_repetition.into_values().collect();
            Some((key.variant, median(&each)?))
        })
        .collect())
}
