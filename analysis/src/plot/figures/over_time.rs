//! What happened when: rates, failures, calls in flight, latencies.

use super::{Drawn, legend_title};
use crate::plot::data::{Bin, FaultPeriod, TimelineData};
use crate::plot::draw::{
    Axis, Chart, INK, Ink, Key, MAX_SERIES, Mark, Markers, Panel, Scale, TimeUnit, style,
};
use crate::plot::selection::Selection;
use edge_faas_core::results::Outcome;

const FAULT: Ink = INK.alpha(0.13);

type Line = (usize, String, Vec<(f64, f64)>);

/// Throughput, failures, calls in flight and the 95th percentile over time.
pub(in crate::plot) fn over_time(
    data: &TimelineData,
    faults: &[FaultPeriod],
    selection: &Selection,
) -> Drawn {
    let end = data.length.iter().copied().max().unwrap_or(0) as f64;
    if end <= 0.0 {
        return Err("nothing happened from time 0 on".into());
    }
    let single = selection.series.len() == 1;
    let mut notes = vec![bins(data)];
    let of_series = |value: &dyn Fn(f64, &Bin) -> Option<f64>| -> Vec<Line> {
        let points = |at: usize| {
            data.spans(at).filter_map(|(x, seconds, bin)| Some((x, value(seconds, bin)?))).collect::<Vec<_>>()
        };
        selection
            .series
            .iter()
            .enumerate()
            .map(|(at, series)| (at, series.label.clone(), points(at)))
            .collect()
    };
    let rate = |count: u64, seconds: f64| Some(count as f64 / seconds);
    let ok = of_series(&|seconds, bin| rate(bin.outcomes[Outcome::Ok.index()], seconds));
    let offered = of_series(&|seconds, bin| rate(bin.offered, seconds));
    let in_flight =
        of_series(&|_, bin| (bin.in_flight.1 > 0).then(|| bin.in_flight.0 as f64 / bin.in_flight.1 as f64));
    let p95 = of_series(&|_, bin| bin.p95());
    let failed = if single {
        by_outcome(data, &mut notes)
    } else {
        of_series(&|seconds, bin| rate(bin.failed(), seconds))
    };
    let mut legend: Vec<(String, Key)> = Vec::new();
    if single {
        legend.push(("offered".into(), Key::Guide));
        legend.extend(failed.iter().map(|(at, name, _)| (name.clone(), Key::Curve(plain(*at), false))));
        // Blue is what the other panels are drawn in, and what `ok` calls are.
        legend.insert(1, ("ok".into(), Key::Curve(plain(0), false)));
    } else {
        legend = super::legend(
            selection.series.iter().enumerate().map(|(at, series)| (at, series.label.as_str())),
            true,
        );
    }
    if faults.iter().any(FaultPeriod::lasts) {
        let mut kinds: Vec<String> =
            faults.iter().filter(|fault| fault.lasts()).map(FaultPeriod::name).collect();
        kinds.dedup();
        legend.push((kinds.join(", "), Key::Area(FAULT)));
    }
    let x = Axis { grid: false, ..Axis::new("Time (s)", Scale::linear(0.0, end)) };
    let markers = if single { Markers::None } else { Markers::Few };
    let most = if single { largest(&ok).max(largest(&offered)) } else { largest(&ok) };
    let mut throughput = panel("Calls/s", &x, &ok, markers, Scale::from_zero(most));
    if single {
        let guide = offered.into_iter().next().map(|(.., points)| points).unwrap_or_default();
        throughput.marks.insert(0, Mark::Guide { points: guide });
    }
    // Where the names of phases and faults go.
    throughput.title = " ".into();
    let mut panels = vec![throughput];
    if failed.iter().any(|(.., points)| points.iter().any(|point| point.1 > 0.0)) {
        panels.push(panel("Not ok (1/s)", &x, &failed, markers, Scale::from_zero(largest(&failed))));
    } else {
        notes.push("No call failed, so there is no panel of failures.".into());
    }
    panels.push(panel("In flight", &x, &in_flight, markers, Scale::from_zero(largest(&in_flight))));
    if largest(&p95) > 0.0 {
        let unit = TimeUnit::of(largest(&p95));
        let scaled: Vec<Line> = p95
            .into_iter()
            .map(|(at, name, points)| (at, name, points.iter().map(|(x, y)| (*x, y / unit.micros)).collect()))
            .collect();
        let low = scaled
            .iter()
            .flat_map(|(.., points)| points)
            .map(|p| p.1)
            .filter(|y| *y > 0.0)
            .fold(f64::INFINITY, f64::min);
        let scale = Scale::log(low * 0.9, largest(&scaled) * 1.1);
        panels.push(panel(&format!("p95 ({})", unit.name), &x, &scaled, markers, scale));
    }
    let last = panels.len() - 1;
    for (at, panel) in panels.iter_mut().enumerate() {
        panel.marks.extend(instants(faults, selection, end, at == 0));
        if at == last {
            panel.x = x.clone();
        }
    }
    Ok((Chart { legend_title: legend_title(selection), legend, columns: 1, panels }, notes))
}

fn bins(data: &TimelineData) -> String {
    let repetitions = data.repetitions.iter().copied().max().unwrap_or(1);
    let means = if repetitions > 1 {
        format!("Means over {repetitions} repetitions")
    } else {
        "One repetition".into()
    };
    let bins = if data.seconds > 1 { format!(", in bins of {} s", data.seconds) } else { String::new() };
    format!("{means}{bins}; p95 is the median of the seconds' 95th percentiles of ok calls.")
}

/// What calls that were not `ok` ended as, in the order of the outcomes.
fn by_outcome(data: &TimelineData, notes: &mut Vec<String>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut left: Vec<&str> = Vec::new();
    for outcome in Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Ok) {
        let points: Vec<(f64, f64)> = data
            .spans(0)
            .map(|(x, seconds, bin)| (x, bin.outcomes[outcome.index()] as f64 / seconds))
            .collect();
        if points.iter().all(|point| point.1 == 0.0) {
            continue;
        }
        if lines.len() + 1 == MAX_SERIES {
            left.push(outcome.as_str());
            continue;
        }
        lines.push((lines.len() + 1, outcome.as_str().replace('_', " "), points));
    }
    if !left.is_empty() {
        notes.push(format!("No room for {}.", left.join(", ")));
    }
    lines
}

/// A curve without dashes: over time they would hide what happens between them.
fn plain(at: usize) -> crate::plot::draw::Style {
    crate::plot::draw::Style { dash: &[], ..style(at) }
}

fn panel(label: &str, x: &Axis, lines: &[Line], markers: Markers, y: Scale) -> Panel {
    let mark = |(at, _, points): &Line| Mark::Line { points: points.clone(), style: plain(*at), markers };
    Panel {
        title: String::new(),
        x: x.bare(),
        y: Axis::new(label, y),
        height: 0.85,
        marks: lines.iter().filter(|(.., points)| !points.is_empty()).map(mark).collect(),
    }
}

fn largest(lines: &[Line]) -> f64 {
    lines.iter().flat_map(|(.., points)| points).map(|point| point.1).fold(0.0, f64::max)
}

/// Faults as grey stretches or lines, phases as lines; named in the first panel.
fn instants(faults: &[FaultPeriod], selection: &Selection, end: f64, named: bool) -> Vec<Mark> {
    let mut lines: Vec<(f64, String)> = Vec::new();
    if selection.phase_starts.len() > 1 || !faults.is_empty() {
        lines.extend(selection.phase_starts.iter().filter(|(start, _)| *start < end).cloned());
    }
    let mut marks = Vec::new();
    for fault in faults {
        if fault.lasts() {
            marks.push(Mark::Stretch { x: (fault.from, fault.until.unwrap_or(end).min(end)), ink: FAULT });
        } else {
            lines.push((fault.from, fault.name()));
        }
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    lines.dedup();
    let at = |(x, name): (f64, String)| Mark::At { x, name: if named { name } else { String::new() } };
    marks.extend(lines.into_iter().map(at));
    marks
}
