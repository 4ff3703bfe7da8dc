//! What more providers bring a manycall.

use super::{Drawn, legend, legend_title, whole};
use crate::plot::data::CallData;
use crate::plot::draw::{Axis, Chart, Key, Mark, Markers, Panel, Scale, style};
use crate::plot::selection::Selection;
use std::collections::BTreeMap;

/// Places along the axis, at most.
const PLACES_MAX: u32 = 40;

/// The speed-up of manycalls against the providers that answered: the median, and the range of all.
pub(in crate::plot) fn speed_up(calls: &CallData, selection: &Selection) -> Drawn {
    let mut notes = Vec::new();
    let mut marks = Vec::new();
    let (mut widest, mut highest, mut dropped, mut seen) = (1_u32, 1.0_f64, 0, 0);
    let all: Vec<_> = (0..selection.series.len())
        .filter_map(|at| Some((at, calls.manycalls.speed_ups(at).filter(|all| !all.points.is_empty())?)))
        .collect();
    if all.is_empty() {
        return Err("no manycall in a measured phase".into());
    }
    for (_, speed_ups) in &all {
        widest = speed_ups.points.iter().map(|point| point.0).fold(widest, u32::max);
        highest = speed_ups.points.iter().map(|point| point.1).fold(highest, f64::max);
        dropped += speed_ups.dropped;
        seen += speed_ups.points.len();
    }
    let step = widest.div_ceil(PLACES_MAX).max(1);
    for (at, speed_ups) in &all {
        let mut places: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (providers, speed_up) in &speed_ups.points {
            places.entry(providers / step * step).or_default().push(*speed_up);
        }
        let mut medians = Vec::new();
        let mut ranges = Vec::new();
        // Series at the same place stand a little apart.
        let shift = (*at as f64 - (all.len() - 1) as f64 / 2.0) * 0.006 * f64::from(widest);
        for (place, mut values) in places {
            values.sort_by(f64::total_cmp);
            let x = f64::from(place) + shift;
            medians.push((x, values[(values.len() - 1) / 2]));
            ranges.push((x, values[0], values[values.len() - 1]));
        }
        ranges.retain(|(_, low, high)| high > low);
        marks.push(Mark::Intervals { points: ranges, style: style(*at) });
        marks.push(Mark::Line { points: medians, style: style(*at), markers: Markers::All });
    }
    let ideal = f64::from(widest).min(highest);
    marks.insert(0, Mark::Guide { points: vec![(0.0, 0.0), (ideal, ideal)] });
    notes.push(format!(
        "{seen} manycalls{}; markers are medians, bars run from the least to the most. Speed-up: the time that the items ran, one after another, over the makespan. The guide is one item at a time at every provider.",
        if dropped > 0 { format!(" ({dropped} or more were not looked at)") } else { String::new() }
    ));
    if step > 1 {
        notes.push(format!("Providers in groups of {step}."));
    }
    let names = all.iter().map(|(at, _)| (*at, selection.series[*at].label.as_str()));
    let mut legend = legend(names, true);
    legend.push(("one item a provider".into(), Key::Guide));
    let panel = Panel {
        title: String::new(),
        x: Axis::new("Providers that answered", whole(f64::from(widest))),
        y: Axis::new("Speed-up", Scale::from_zero(highest)),
        height: 1.75,
        marks,
    };
    Ok((Chart { legend_title: legend_title(selection), legend, columns: 1, panels: vec![panel] }, notes))
}
