//! How long calls took: the distribution and its tail.

use super::{Drawn, Group, columns, groups, height, legend, legend_title};
use crate::plot::data::{CallData, cumulative};
use crate::plot::draw::{Axis, Chart, Mark, Markers, Panel, Scale, Tick, TimeUnit, style};
use crate::plot::selection::Selection;
use edge_faas_core::results::text;

/// The tail is shown as far as this many calls lie beyond: fewer say little about where a percentile is.
const BEYOND: f64 = 10.0;

/// The empirical distribution of latencies.
pub(in crate::plot) fn distribution(calls: &CallData, selection: &Selection, double: bool) -> Drawn {
    let mut notes = Vec::new();
    let groups = groups(calls, selection, &mut notes)?;
    let (low, high, unit) = range(&groups)?;
    let x = Axis::new(format!("Latency ({})", unit.name), Scale::log(low, high));
    let y = Axis::new("Share of calls", Scale::linear(0.0, 1.0));
    let marks = |group: &Group<'_>| {
        let mut marks = Vec::new();
        for (at, _, cell) in &group.curves {
            let mut points = vec![(low, 0.0)];
            let mut last = 0.0;
            for (micros, share) in cell.distribution() {
                points.push((micros / unit.micros, last));
                points.push((micros / unit.micros, share));
                last = share;
            }
            // What is missing to 1 never came.
            points.push((high, last));
            marks.push(Mark::Line { points, style: style(*at), markers: Markers::Few });
        }
        marks
    };
    notes.push("All repetitions together. Shares are of all calls that count: a curve stays below 1 by the share that failed.".into());
    notes.extend(failures(&groups));
    Ok((chart(&groups, selection, double, &x, &y, marks), notes))
}

/// Latency by percentile, failures as infinitely long.
pub(in crate::plot) fn percentiles(calls: &CallData, selection: &Selection, double: bool) -> Drawn {
    let mut notes = Vec::new();
    let groups = groups(calls, selection, &mut notes)?;
    let (_, _, unit) = range(&groups)?;
    let curves = || groups.iter().flat_map(|group| &group.curves);
    let most = curves().map(|(_, _, cell)| cell.counted()).max().unwrap_or(1);
    let end = libm::log10(most as f64 / BEYOND).clamp(1.0, 6.0);
    let mut lines = Vec::new();
    let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
    for (at, _, cell) in curves() {
        let own_end = libm::log10(cell.counted() as f64 / BEYOND).clamp(0.7, 6.0);
        let mut points = Vec::new();
        let mut before = 0.0;
        for (micros, share) in cumulative(&cell.latency, cell.counted()) {
            // The value holds from the share before it up to its own.
            let place = -libm::log10(1.0 - before);
            if place > own_end {
                break;
            }
            points.push((place, micros / unit.micros));
            points.push(((-libm::log10(1.0 - share)).min(own_end), micros / unit.micros));
            before = share;
        }
        if !cell.latency.is_empty() {
            // The quickest hundredth lies at the very start of one axis and would take up much of the other.
            low = low.min(cell.latency.value_at_quantile(0.01) as f64 / unit.micros);
            high = high.max(points.last().map_or(0.0, |point: &(f64, f64)| point.1));
        }
        let failed_from = -libm::log10(1.0 - cell.success());
        lines.push((
            *at,
            points,
            (cell.counted() > cell.ok() && failed_from <= own_end).then_some(failed_from),
        ));
    }
    let high = high * 1.15;
    let mut lines = lines.into_iter();
    let ticks = [
        (0.0, "0"),
        (0.5, "50"),
        (0.9, "90"),
        (0.99, "99"),
        (0.999, "99.9"),
        (0.9999, "99.99"),
        (0.99999, "99.999"),
    ];
    let ticks = ticks.map(|(share, label)| Tick { value: -libm::log10(1.0 - share), label: label.into() });
    let ticks = ticks.into_iter().filter(|tick| tick.value <= end + 1e-9).collect();
    let x = Axis::new("Percentile of calls", Scale::linear(0.0, end).with_ticks(ticks));
    let y = Axis::new(format!("Latency ({})", unit.name), Scale::log(low, high));
    let marks = |group: &Group<'_>| {
        let of_group = lines.by_ref().take(group.curves.len());
        let mark = |(at, mut points, failed): (usize, Vec<(f64, f64)>, Option<f64>)| {
            points.extend(failed.map(|place| (place, high)));
            Mark::Line { points, style: style(at), markers: Markers::Few }
        };
        of_group.map(mark).collect()
    };
    notes.push(format!(
        "All repetitions together, as far as {BEYOND:.0} calls lie beyond. Failed calls count as infinitely long: there a curve rises to the top."
    ));
    notes.extend(failures(&groups));
    Ok((chart(&groups, selection, double, &x, &y, marks), notes))
}

/// The latencies to show, and their unit.
fn range(groups: &[Group<'_>]) -> Result<(f64, f64, TimeUnit), String> {
    let latencies = groups.iter().flat_map(|group| &group.curves).map(|(_, _, cell)| &cell.latency);
    let some = latencies.filter(|latency| !latency.is_empty());
    let (low, high) = some.fold((f64::INFINITY, 0.0_f64), |(low, high), latency| {
        (low.min(latency.min() as f64), high.max(latency.max() as f64))
    });
    if high <= 0.0 {
        return Err("no call ended ok".into());
    }
    let unit = TimeUnit::of(high);
    Ok(((low.max(1.0) / unit.micros) * 0.95, high / unit.micros * 1.05, unit))
}

/// How many failed, of each curve of which some did.
fn failures(groups: &[Group<'_>]) -> Vec<String> {
    let mut said = Vec::new();
    for group in groups {
        for (_, name, cell) in &group.curves {
            let failed = cell.counted() - cell.ok();
            if failed > 0 {
                let of = [group.title.as_str(), name.as_str()]
                    .iter()
                    .filter(|part| !part.is_empty())
                    .copied()
                    .collect::<Vec<_>>();
                let (failed, counted) = (text::count(failed as f64), text::count(cell.counted() as f64));
                said.push(format!("{}: {failed} of {counted} failed", of.join(", ")));
            }
        }
    }
    match said.len() {
        0 => vec!["No call that counts failed.".into()],
        1..=12 => vec![format!("{}.", said.join("; "))],
        more => vec![format!("{}; and so on for {} more.", said[..12].join("; "), more - 12)],
    }
}

fn chart(
    groups: &[Group<'_>],
    selection: &Selection,
    double: bool,
    x: &Axis,
    y: &Axis,
    mut marks: impl FnMut(&Group<'_>) -> Vec<Mark>,
) -> Chart {
    let columns = columns(groups.len(), double);
    let rows = groups.len().div_ceil(columns);
    let panel = |(at, group): (usize, &Group<'_>)| Panel {
        title: group.title.clone(),
        x: if at + columns < groups.len() { x.bare() } else { x.clone() },
        y: y.clone(),
        height: height(rows),
        marks: marks(group),
    };
    let panels = groups.iter().enumerate().map(panel).collect();
    let names = groups.iter().flat_map(|group| &group.curves).map(|(at, name, _)| (*at, name.as_str()));
    Chart { legend_title: legend_title(selection), legend: legend(names, true), columns, panels }
}
