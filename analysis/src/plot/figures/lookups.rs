//! What it takes to find a provider: hops, requests, and all messages of a call.

use super::{Drawn, columns, groups, height, legend, legend_title, whole};
use crate::plot::data::{CallData, LookupCell, LookupData, cumulative};
use crate::plot::draw::{Axis, Chart, MAX_SERIES, Mark, Markers, Panel, Scale, style};
use crate::plot::selection::Selection;
use edge_faas_core::results::LookupPurpose;
use hdrhistogram::Histogram;

/// Hops and requests of look-ups, and messages of calls, each as shares. Either may be missing, with why.
pub(in crate::plot) fn lookups(
    data: Result<&LookupData, &String>,
    calls: Result<&CallData, &String>,
    selection: &Selection,
    double: bool,
) -> Drawn {
    let mut notes = Vec::new();
    let single = selection.series.len() == 1;
    let mut curves: Vec<(usize, String, &LookupCell)> = Vec::new();
    match data {
        Err(why) => notes.push(format!("No look-ups: {why}.")),
        Ok(data) if data.cells.is_empty() => notes.push("No look-up ended ok from time 0 on.".into()),
        Ok(data) if single => {
            let of =
                |((purpose, _), cell): (&(LookupPurpose, usize), _)| (format!("look-ups: {purpose}"), cell);
            let all = data.cells.iter().map(of).take(MAX_SERIES - 1);
            curves = all.enumerate().map(|(at, (name, cell))| (at, name, cell)).collect();
        }
        Ok(data) => {
            // Most of what is asked is who hosts a function; a network that never asks still keeps its tables fresh.
            let purpose = data.cells.keys().next().map_or(LookupPurpose::Call, |(purpose, _)| *purpose);
            notes.push(format!("Look-ups of the purpose `{purpose}`."));
            let of = |(at, series): (usize, &crate::plot::selection::Series)| {
                Some((at, series.label.clone(), data.cells.get(&(purpose, at))?))
            };
            curves = selection.series.iter().enumerate().filter_map(of).collect();
        }
    }
    let mut panels = Vec::new();
    if !curves.is_empty() {
        panels.push(hops(&curves));
        let requests = curves.iter().map(|(at, _, cell)| (*at, &cell.requests));
        panels.extend(shares("Requests of a look-up", "Share of look-ups", requests.collect()));
    }
    let mut names: Vec<(usize, String)> = curves.into_iter().map(|(at, name, _)| (at, name)).collect();
    match calls {
        Err(why) => notes.push(format!("No messages of calls: {why}.")),
        Ok(calls) => {
            let mut messages = Vec::new();
            if single {
                for (_, name, cell) in
                    groups(calls, selection, &mut notes)?.into_iter().flat_map(|group| group.curves)
                {
                    let at = names.len();
                    if at < MAX_SERIES && !cell.messages.is_empty() {
                        names.push((at, format!("calls: {name}")));
                        messages.push((at, cell.messages.clone()));
                    }
                }
            } else {
                // All phases together: what a call costs hardly depends on the phase, and there is one panel.
                for (at, series) in selection.series.iter().enumerate() {
                    let mut all: Option<Histogram<u64>> = None;
                    for (_, cell) in calls.cells.iter().filter(|(key, _)| key.series == at) {
                        match &mut all {
                            None => all = Some(cell.messages.clone()),
                            Some(all) => all.add(&cell.messages).map_err(|error| error.to_string())?,
                        }
                    }
                    if let Some(all) = all {
                        names.push((at, series.label.clone()));
                        messages.push((at, all));
                    }
                }
            }
            let messages = messages.iter().map(|(at, histogram)| (*at, histogram)).collect();
            panels.extend(shares("Messages sent for a call", "Share of calls", messages));
        }
    }
    if panels.is_empty() {
        return Err(notes.join(" "));
    }
    let columns = columns(panels.len(), double);
    let rows = panels.len().div_ceil(columns);
    for panel in &mut panels {
        panel.height = height(rows);
    }
    notes.push("ok look-ups from time 0 on and calls of measured phases, all repetitions together. Hops: 1 is an answer from a peer of the node's own table.".into());
    let names = names.iter().map(|(at, name)| (*at, name.as_str()));
    Ok((Chart { legend_title: legend_title(selection), legend: legend(names, true), columns, panels }, notes))
}

fn hops(curves: &[(usize, String, &LookupCell)]) -> Panel {
    let last = |cell: &LookupCell| cell.depths.iter().rposition(|count| *count > 0).unwrap_or(0);
    let first = |cell: &LookupCell| cell.depths.iter().position(|count| *count > 0).unwrap_or(0);
    let longest = curves.iter().map(|(_, _, cell)| last(cell)).max().unwrap_or(1).max(1);
    let share = |cell: &LookupCell, depth: usize| cell.depths[depth] as f64 / cell.count.max(1) as f64;
    let most = curves
        .iter()
        .flat_map(|(_, _, cell)| (0..=longest).map(|depth| share(cell, depth)))
        .fold(0.0, f64::max);
    let mark = |(at, _, cell): &(usize, String, &LookupCell)| Mark::Line {
        points: (first(cell)..=last(cell)).map(|depth| (depth as f64, share(cell, depth))).collect(),
        style: style(*at),
        markers: Markers::All,
    };
    Panel {
        title: String::new(),
        x: Axis::new("Hops of a look-up", whole(longest as f64)),
        y: Axis::new("Share of look-ups", Scale::from_zero(most)),
        height: 0.0,
        marks: curves.iter().map(mark).collect(),
    }
}

/// A scale for counts: of a few of them every one has a tick.
fn counts(most: f64) -> Scale {
    if most <= 8.0 { whole(most) } else { Scale::linear(0.0, most * 1.04 + 0.1) }
}

/// The distribution of a count; none if there is nothing to show.
fn shares(label: &str, of: &str, curves: Vec<(usize, &Histogram<u64>)>) -> Option<Panel> {
    let most = curves.iter().map(|(_, histogram)| histogram.max()).max().filter(|most| *most > 0)? as f64;
    // A few calls that needed very many would leave no room for the others.
    let usual = curves.iter().map(|(_, histogram)| histogram.value_at_quantile(0.95)).max()?.max(1) as f64;
    let end = most * 1.04 + 0.1;
    let scale = if most > 4.0 * usual { Scale::log(1.0, end) } else { counts(most) };
    let mark = |(at, histogram): &(usize, &Histogram<u64>)| {
        let mut points = vec![(0.0, 0.0)];
        let mut last = 0.0;
        for (value, share) in cumulative(histogram, histogram.len()) {
            points.push((value, last));
            points.push((value, share));
            last = share;
        }
        points.push((end, last));
        Mark::Line { points, style: style(*at), markers: Markers::Few }
    };
    Some(Panel {
        title: String::new(),
        x: Axis::new(label, scale),
        y: Axis::new(of, Scale::linear(0.0, 1.0)),
        height: 0.0,
        marks: curves.iter().map(mark).collect(),
    })
}
