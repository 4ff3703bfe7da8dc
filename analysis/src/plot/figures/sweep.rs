//! How results change along a sweep.

use super::{Drawn, legend};
use crate::plot::data::{SweepData, SweepValue};
use crate::plot::draw::{Axis, Chart, MAX_SERIES, Mark, Markers, Panel, Scale, Tick, TimeUnit, style};
use crate::plot::selection::{Cell, Selection, short};
use std::collections::BTreeMap;

/// (metric, statistic, what it is called, kind): what is drawn, the first that a run has of these.
const METRICS: &[(&str, &str, &str, Kind)] = &[
    ("makespan", "p50", "Makespan p50", Kind::Time),
    ("speed_up", "p50", "Speed-up", Kind::Plain),
    ("latency", "p50", "Latency p50", Kind::Time),
    ("latency", "p95", "Latency p95", Kind::Time),
    ("success", "share", "Success (%)", Kind::Percent),
    ("messages", "mean", "Messages a call", Kind::Plain),
    ("traffic", "bytes", "B/s a node", Kind::Plain),
];
/// Metrics of a figure, at most.
const METRICS_MAX: usize = 4;
/// Levels of a third factor side by side, at most.
const FACETS_MAX: usize = 3;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Time,
    Percent,
    Plain,
}

/// A factor and its levels in the order of the scenario.
#[derive(Clone, Debug, PartialEq)]
struct Factor {
    name: String,
    levels: Vec<String>,
}

/// Medians over the repetitions with their intervals, against the levels of a factor.
pub(in crate::plot) fn sweep(data: &SweepData, selection: &Selection, double: bool) -> Drawn {
    let mut notes = Vec::new();
    let mut factors = factors(&selection.cells);
    factors.retain(|factor| factor.levels.len() > 1);
    if factors.is_empty() {
        return Err("no factor has more than one level".into());
    }
    let along = take_along(&mut factors, selection.run_factor.as_deref());
    let of_runs = selection.run_factor.as_ref() == Some(&along.name);
    let mut facet = Vec::new();
    while factors.iter().map(|factor| factor.levels.len()).product::<usize>() > MAX_SERIES {
        // The factor of the fewest levels divides the figure, so that the others can still be told apart.
        let at = (0..factors.len()).rev().min_by_key(|at| factors[*at].levels.len()).unwrap_or(0);
        if factors.len() == 1 {
            notes.push(format!(
                "The first {MAX_SERIES} of {} levels of {}.",
                factors[0].levels.len(),
                factors[0].name
            ));
            factors[0].levels.truncate(MAX_SERIES);
            break;
        }
        facet.push(factors.remove(at));
    }
    let mut facets = combinations(&facet);
    let room = if double { FACETS_MAX } else { 1 };
    if facets.len() > room {
        let names: Vec<String> = facets[..room].iter().map(|levels| described(levels)).collect();
        notes.push(format!(
            "{room} of {} parts: {}; --variant FACTOR=LEVEL draws another.",
            facets.len(),
            names.join(" | ")
        ));
        facets.truncate(room);
    }
    let curves = combinations(&factors);
    let metrics: Vec<_> = METRICS
        .iter()
        .filter_map(|(metric, statistic, name, kind)| {
            let values = data.values.get(&((*metric).to_owned(), (*statistic).to_owned()))?;
            Some((values, *name, *kind))
        })
        .take(METRICS_MAX)
        .collect();
    if metrics.is_empty() {
        return Err("summary.csv has none of the metrics that are drawn".into());
    }
    let x = Axis {
        grid: false,
        ..Axis::new(if of_runs { &along.name } else { short(&along.name) }, x_scale(&along))
    };
    let mut panels = Vec::new();
    let mut no_interval = false;
    for (row, (values, name, kind)) in metrics.iter().enumerate() {
        let (unit, scale, label) = y_axis(values, name, *kind);
        for (column, facet) in facets.iter().enumerate() {
            let mut marks = Vec::new();
            for (at, curve) in curves.iter().enumerate() {
                let points = points(selection, values, &along, facet, curve, unit);
                no_interval |= points.iter().any(|(_, _, interval)| interval.is_none());
                let spread =
                    points.iter().filter_map(|(x, _, interval)| interval.map(|(low, high)| (*x, low, high)));
                let spread: Vec<_> = spread.collect();
                if !of_runs && along.levels.iter().all(|level| quantity(level).is_some()) && spread.len() > 1
                {
                    marks.push(Mark::Band { points: spread, ink: style(at).ink.alpha(0.16) });
                } else {
                    marks.push(Mark::Intervals { points: spread, style: style(at) });
                }
                let points = points.into_iter().map(|(x, y, _)| (x, y)).collect::<Vec<_>>();
                // Between runs there is nothing, so no line leads from one to the other.
                let lines: Vec<Vec<_>> = if of_runs {
                    points.into_iter().map(|point| vec![point]).collect()
                } else {
                    vec![points]
                };
                for points in lines.into_iter().filter(|points| !points.is_empty()) {
                    marks.push(Mark::Line { points, style: style(at), markers: Markers::All });
                }
            }
            // Bands first: no curve lies below another's band.
            marks.sort_by_key(|mark| !matches!(mark, Mark::Band { .. }));
            panels.push(Panel {
                title: if row == 0 { described(facet) } else { String::new() },
                x: if row + 1 < metrics.len() { x.bare() } else { x.clone() },
                y: Axis::new(if column == 0 { label.as_str() } else { "" }, scale.clone()),
                height: 1.05,
                marks,
            });
        }
    }
    notes.push(if no_interval {
        "Medians over the repetitions; with one repetition there is no interval.".into()
    } else {
        "Medians over the repetitions with the intervals of summary.csv: at 95 % from six repetitions on, with fewer the whole range.".into()
    });
    let names: Vec<String> = curves
        .iter()
        .map(|curve| curve.iter().map(|(_, level)| level.as_str()).collect::<Vec<_>>().join(", "))
        .collect();
    let legend = legend(names.iter().enumerate().map(|(at, name)| (at, name.as_str())), true);
    let titles: Vec<&str> = factors.iter().map(|factor| short(&factor.name)).collect();
    let legend_title = if legend.is_empty() { String::new() } else { format!("{}:", titles.join(", ")) };
    Ok((Chart { legend_title, legend, columns: facets.len(), panels }, notes))
}

fn factors(cells: &[Cell]) -> Vec<Factor> {
    let mut factors: Vec<Factor> = Vec::new();
    for (name, level) in cells.iter().flat_map(|cell| &cell.values) {
        match factors.iter_mut().find(|factor| factor.name == *name) {
            Some(factor) if factor.levels.contains(level) => {}
            Some(factor) => factor.levels.push(level.clone()),
            None => factors.push(Factor { name: name.clone(), levels: vec![level.clone()] }),
        }
    }
    factors
}

/// The factor to draw along: of those with numbers the one of the most levels, else of all.
fn take_along(factors: &mut Vec<Factor>, run_factor: Option<&str>) -> Factor {
    let numeric = |factor: &Factor| factor.levels.iter().all(|level| quantity(level).is_some());
    // What tells runs apart is no quantity, even if it is a number.
    let is_run = |factor: &Factor| run_factor == Some(factor.name.as_str());
    let best = (0..factors.len())
        .max_by_key(|at| {
            let factor = &factors[*at];
            (!is_run(factor), numeric(factor), factor.levels.len(), std::cmp::Reverse(*at))
        })
        .unwrap_or(0);
    factors.remove(best)
}

/// A level as a number with what stands behind it: `20ms`, `5%`, `10_000`.
fn quantity(level: &str) -> Option<(f64, &str)> {
    let end = level.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(level.len());
    let (number, unit) = level.split_at(end);
    let number: f64 = number.replace('_', "").parse().ok()?;
    Some((number, unit))
}

fn x_scale(along: &Factor) -> Scale {
    let places = places(along);
    let ticks = places
        .iter()
        .zip(&along.levels)
        .map(|(place, level)| Tick { value: *place, label: level.clone() })
        .collect();
    let (low, high) =
        places.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| (low.min(*p), high.max(*p)));
    let air = (high - low) * 0.05;
    Scale::linear(low - air, high + air).with_ticks(ticks)
}

/// Where the levels lie: at their numbers if all have the same unit, at their logarithms if these are far apart, else in
/// their order at equal distances.
fn places(along: &Factor) -> Vec<f64> {
    let quantities: Option<Vec<(f64, &str)>> = along.levels.iter().map(|level| quantity(level)).collect();
    let in_order = || (0..along.levels.len()).map(|at| at as f64).collect();
    let Some(quantities) = quantities.filter(|all| all.iter().all(|(_, unit)| *unit == all[0].1)) else {
        return in_order();
    };
    let numbers: Vec<f64> = quantities.iter().map(|(number, _)| *number).collect();
    let (low, high) =
        numbers.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), n| (low.min(*n), high.max(*n)));
    if low > 0.0 && high / low >= 8.0 { numbers.iter().map(|n| libm::log10(*n)).collect() } else { numbers }
}

fn y_axis(values: &BTreeMap<usize, SweepValue>, name: &str, kind: Kind) -> (f64, Scale, String) {
    let ends = |value: &SweepValue| {
        let (low, high) = value.interval.unwrap_or((value.median, value.median));
        [value.median, low, high]
    };
    let finite = || values.values().flat_map(ends).filter(|value| value.is_finite());
    let (low, high) =
        finite().fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let (divisor, label) = match kind {
        Kind::Time => {
            let unit = TimeUnit::of(high);
            (unit.micros, format!("{name} ({})", unit.name))
        }
        Kind::Percent => (0.01, name.to_owned()),
        Kind::Plain => (1.0, name.to_owned()),
    };
    let (low, high) = (low / divisor, high / divisor);
    let scale = match kind {
        // Success near 100 % is told apart only if the axis does not begin at 0.
        Kind::Percent if low > 80.0 => Scale::linear(libm::floor(low - 0.5).max(0.0), 100.0),
        Kind::Percent => Scale::linear(0.0, 100.0),
        _ if low > 0.0 && high / low > 30.0 => Scale::log(low * 0.8, high * 1.2),
        _ => Scale::from_zero(high),
    };
    (divisor, scale, label)
}

type Point = (f64, f64, Option<(f64, f64)>);

fn points(
    selection: &Selection,
    values: &BTreeMap<usize, SweepValue>,
    along: &Factor,
    facet: &[(String, String)],
    curve: &[(String, String)],
    unit: f64,
) -> Vec<Point> {
    let has =
        |cell: &Cell, levels: &[(String, String)]| levels.iter().all(|level| cell.values.contains(level));
    let mut points = Vec::new();
    for (place, level) in places(along).into_iter().zip(&along.levels) {
        let here = (along.name.clone(), level.clone());
        let cell = selection
            .cells
            .iter()
            .position(|cell| cell.values.contains(&here) && has(cell, facet) && has(cell, curve));
        if let Some(value) = cell.and_then(|cell| values.get(&cell)).filter(|value| value.median.is_finite())
        {
            let interval = value.interval.map(|(low, high)| (low / unit, high / unit));
            points.push((place, value.median / unit, interval));
        }
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// Every combination of levels, each as (factor, level).
fn combinations(factors: &[Factor]) -> Vec<Vec<(String, String)>> {
    factors.iter().fold(vec![Vec::new()], |all, factor| {
        let with = |levels: &Vec<(String, String)>| {
            factor
                .levels
                .iter()
                .map(|level| {
                    let mut levels = levels.clone();
                    levels.push((factor.name.clone(), level.clone()));
                    levels
                })
                .collect::<Vec<_>>()
        };
        all.iter().flat_map(with).collect()
    })
}

fn described(levels: &[(String, String)]) -> String {
    levels.iter().map(|(factor, level)| format!("{} {level}", short(factor))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(levels: &[&str]) -> Factor {
        Factor { name: "a.b".into(), levels: levels.iter().map(|level| (*level).to_owned()).collect() }
    }

    #[test]
    fn levels_lie_at_their_numbers_or_in_their_order() {
        assert_eq!(places(&factor(&["1", "2", "4"])), [1.0, 2.0, 4.0]);
        assert_eq!(places(&factor(&["100", "10_000"])), [2.0, 4.0]);
        assert_eq!(places(&factor(&["1ms", "1s", "2s"])), [0.0, 1.0, 2.0]);
        assert_eq!(places(&factor(&["1", "mixed"])), [0.0, 1.0]);
    }

    #[test]
    fn the_factor_along_has_numbers_and_most_levels() {
        let mut factors = vec![factor(&["a", "b", "c"]), factor(&["1", "2"]), factor(&["1", "2", "3"])];
        factors[0].name = "policy".into();
        assert_eq!(take_along(&mut factors, None).levels.len(), 3);
        assert_eq!(factors.len(), 2);
        assert_eq!(combinations(&factors).len(), 6);
    }
}
