//! Chosen statistics of a simulated run and of one of real nodes, side by side.

use super::error::Incomparable;
use super::fidelity::{one_of_each, variants};
use super::judge::Effect;
use super::print::{Layout, change, value};
use super::scenario;
use super::values::{Key, Values, values};
use crate::run::Run;
use crate::stats::median;
use std::collections::BTreeMap;

/// What a cell without a value says.
const NONE: &str = "–";

/// A row for each variant: the levels of the factors that have several, then each of `statistics` (`latency.p50`) over all
/// measured phases, simulated, real, and the difference. Values are medians over the repetitions. The order of the runs does
/// not matter.
///
/// # Errors
/// If the runs are not one of each kind or were asked for other work, or if neither has one of the statistics.
pub fn table(base: &Run, new: &Run, statistics: &[String], layout: Layout) -> Result<String, Incomparable> {
    let (simulated, real) = one_of_each(base, new)?;
    scenario::settings(simulated.manifest(), real.manifest())?;
    let sides = [values(simulated)?, values(real)?];
    for statistic in statistics {
        if !sides.iter().flat_map(BTreeMap::keys).any(|key| name(key) == *statistic) {
            return Err(Incomparable::NoStatistic { name: statistic.clone(), known: known(&sides) });
        }
    }
    let variants = variants(simulated.manifest())?;
    let levels = |place: usize| variants.iter().filter_map(move |variant| variant.values.get(place));
    let factors = variants.first().map_or(0, |variant| variant.values.len());
    let varied: Vec<usize> = (0..factors)
        .filter(|place| levels(*place).any(|value| Some(value) != levels(*place).next()))
        .collect();
    let mut header: Vec<(String, bool)> = varied
        .iter()
        .filter_map(|place| levels(*place).next())
        .map(|(factor, _)| (factor.clone(), false))
        .collect();
    for statistic in statistics {
        let columns = [format!("{statistic} simulated"), "real".to_owned(), "difference".to_owned()];
        header.extend(columns.map(|column| (column, true)));
    }
    let rows: Vec<Vec<String>> = variants
        .iter()
        .map(|variant| {
            let values = varied.iter().filter_map(|place| variant.values.get(*place));
            let mut cells: Vec<String> = values.map(|(_, level)| level.clone()).collect();
            for statistic in statistics {
                cells.extend(three(statistic, &variant.label, &sides));
            }
            cells
        })
        .collect();
    let header: Vec<(&str, bool)> = header.iter().map(|(name, number)| (name.as_str(), *number)).collect();
    Ok(layout.table(&header, &rows))
}

/// A statistic of a variant: simulated, real, simulated minus real.
fn three(statistic: &str, variant: &str, sides: &[BTreeMap<Key, Values>; 2]) -> [String; 3] {
    let found = sides.each_ref().map(|side| {
        let of = |key: &Key| key.variant == variant && key.group == "all" && name(key) == statistic;
        let (_, values) = side.iter().find(|(key, _)| of(key))?;
        let each: Vec<f64> = values.by_repetition.values().copied().collect();
        Some((median(&each)?, values.unit.as_str()))
    });
    let shown =
        |side: Option<(f64, &str)>| side.map_or(NONE.to_owned(), |(number, unit)| value(number, unit));
    let difference = match found {
        // Two that are infinite do not differ.
        [Some((simulated, unit)), Some((real, _))] if simulated == real => {
            change(0.0, Effect::Difference, unit)
        }
        [Some((simulated, unit)), Some((real, _))] => change(simulated - real, Effect::Difference, unit),
        _ => NONE.to_owned(),
    };
    let [simulated, real] = found;
    [shown(simulated), shown(real), difference]
}

fn name(key: &Key) -> String {
    format!("{}.{}", key.metric, key.statistic)
}

/// The statistics that there are over all phases, in the order of the file.
fn known(sides: &[BTreeMap<Key, Values>; 2]) -> String {
    let mut all: Vec<(usize, String)> = sides
        .iter()
        .flatten()
        .filter(|(key, _)| key.group == "all")
        .map(|(key, values)| (values.order, name(key)))
        .collect();
    all.sort();
    let mut names: Vec<String> = Vec::new();
    for (_, name) in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}
