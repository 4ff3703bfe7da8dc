//! How the work and the traffic are spread over the nodes.

use super::{Drawn, columns, height, legend, legend_title};
use crate::plot::data::{MILLION, NodeData, cumulative};
use crate::plot::draw::{Axis, Chart, Mark, Markers, Panel, Scale, style};
use crate::plot::selection::Selection;
use hdrhistogram::Histogram;

/// Utilisation of the nodes that host functions, from the most loaded on; bytes sent by each node.
pub(in crate::plot) fn load(data: &NodeData, selection: &Selection, double: bool) -> Drawn {
    let mut notes = Vec::new();
    let mut panels = Vec::new();
    let busiest = data.load.iter().map(Histogram::max).max().unwrap_or(0) as f64 / MILLION * 100.0;
    if busiest > 0.0 {
        panels.push(Panel {
            title: String::new(),
            x: Axis::new("Hosting nodes, by load (%)", Scale::linear(0.0, 100.0)),
            y: Axis::new("Load (%)", Scale::from_zero(busiest)),
            height: 0.0,
            marks: lines(&data.load, |histogram| {
                let shares = cumulative(histogram, histogram.len());
                // From the other end: the share of nodes that have at least so much.
                let mut points: Vec<(f64, f64)> = Vec::new();
                let mut below = 0.0;
                for (load, share) in shares {
                    points.push((100.0 * (1.0 - below), load / MILLION * 100.0));
                    points.push((100.0 * (1.0 - share), load / MILLION * 100.0));
                    below = share;
                }
                points.reverse();
                points
            }),
        });
        notes.push(
            "Load is busy time over what the cores could have worked while the node was up, from time 0 on."
                .into(),
        );
    } else {
        notes.push("No node worked on a function, so there is no panel of load.".into());
    }
    let some = || data.sent.iter().filter(|sent| sent.max() > 0);
    let most = some().map(Histogram::max).max().unwrap_or(0) as f64 / 1e3;
    if most > 0.0 {
        // Nodes that hardly sent anything must not take up the whole axis.
        let least = some().map(|sent| sent.value_at_quantile(0.001)).min().unwrap_or(1).max(1) as f64 / 1e3;
        let low = least.max(most / 1e5);
        panels.push(Panel {
            title: String::new(),
            x: Axis::new("Sent by a node (kB/s)", Scale::log(low, most)),
            y: Axis::new("Share of nodes", Scale::linear(0.0, 1.0)),
            height: 0.0,
            marks: lines(&data.sent, |histogram| {
                let mut points = vec![(low, 0.0)];
                let mut last = 0.0;
                for (bytes, share) in cumulative(histogram, histogram.len()) {
                    points.push((bytes / 1e3, last));
                    points.push((bytes / 1e3, share));
                    last = share;
                }
                points.push((most, last));
                points
            }),
        });
    }
    if panels.is_empty() {
        return Err("no node worked or sent anything from time 0 on".into());
    }
    let columns = columns(panels.len(), double);
    let rows = panels.len().div_ceil(columns);
    for panel in &mut panels {
        panel.height = height(rows);
    }
    notes.push("Nodes of all repetitions together; 1 kB is 1,000 bytes.".into());
    let names = selection.series.iter().enumerate().map(|(at, series)| (at, series.label.as_str()));
    Ok((Chart { legend_title: legend_title(selection), legend: legend(names, true), columns, panels }, notes))
}

fn lines(histograms: &[Histogram<u64>], points: impl Fn(&Histogram<u64>) -> Vec<(f64, f64)>) -> Vec<Mark> {
    let markers = if histograms.len() > 1 { Markers::Few } else { Markers::None };
    let some = histograms.iter().enumerate().filter(|(_, histogram)| !histogram.is_empty());
    some.map(|(at, histogram)| Mark::Line { points: points(histogram), style: style(at), markers }).collect()
}
