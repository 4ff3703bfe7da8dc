//! One file for each figure: from what was gathered to a chart.

mod gantt;
mod latency;
mod load;
mod lookups;
mod over_time;
mod parts;
mod speed_up;
mod sweep;

pub(super) use gantt::gantt;
pub(super) use latency::{distribution, percentiles};
pub(super) use load::load;
pub(super) use lookups::lookups;
pub(super) use over_time::over_time;
pub(super) use parts::parts;
pub(super) use speed_up::speed_up;
pub(super) use sweep::sweep;

use super::data::{CallCell, CallData, CallKey};
use super::draw::{Chart, Key, MAX_SERIES, Scale, Tick, style};
use super::selection::Selection;

/// A chart with what a reader has to know about it; or why there is none.
pub(super) type Drawn = Result<(Chart, Vec<String>), String>;

/// Panels of calls, at most.
const GROUPS_MAX: usize = 4;

/// Calls that are shown in one panel: each with its position among the styles, its name and what became of them.
pub(super) struct Group<'a> {
    /// The phase; empty if there is one panel for all.
    pub(super) title: String,
    pub(super) curves: Vec<(usize, String, &'a CallCell)>,
}

/// Sorts calls into panels. One series has one panel in which its phases are compared; several have a panel for each phase in which they
/// are compared.
pub(super) fn groups<'a>(
    calls: &'a CallData,
    selection: &Selection,
    notes: &mut Vec<String>,
) -> Result<Vec<Group<'a>>, String> {
    let mut kinds: Vec<(usize, bool)> = Vec::new();
    for key in calls.cells.keys().filter(|key| calls.cells[key].counted() > 0) {
        if !kinds.contains(&(key.phase, key.items)) {
            kinds.push((key.phase, key.items));
        }
    }
    if kinds.is_empty() {
        return Err("no call of a measured phase that the network could have served".into());
    }
    let name = |(phase, items): (usize, bool)| {
        let name = &selection.phases[phase];
        if items { format!("{name} (items)") } else { name.clone() }
    };
    let cell = |(phase, items), series| {
        calls.cells.get(&CallKey { phase, items, series }).filter(|cell| cell.counted() > 0)
    };
    if selection.series.len() == 1 {
        if kinds.len() > MAX_SERIES {
            notes.push(format!("The first {MAX_SERIES} of {} phases.", kinds.len()));
        }
        let of_kind = |(at, kind): (usize, &(usize, bool))| Some((at, name(*kind), cell(*kind, 0)?));
        let curves = kinds.iter().take(MAX_SERIES).enumerate().filter_map(of_kind).collect();
        return Ok(vec![Group { title: String::new(), curves }]);
    }
    if kinds.len() > GROUPS_MAX {
        notes.push(format!("The first {GROUPS_MAX} of {} phases.", kinds.len()));
    }
    let of_kind = |kind: &(usize, bool)| {
        let of_series = |(at, series): (usize, &super::selection::Series)| {
            Some((at, series.label.clone(), cell(*kind, at)?))
        };
        Group {
            title: name(*kind),
            curves: selection.series.iter().enumerate().filter_map(of_series).collect(),
        }
    };
    Ok(kinds.iter().take(GROUPS_MAX).map(of_kind).collect())
}

/// The legend of curves: none if there is only one without a name.
pub(super) fn legend<'a>(names: impl Iterator<Item = (usize, &'a str)>, markers: bool) -> Vec<(String, Key)> {
    let mut legend: Vec<(usize, String, Key)> = Vec::new();
    for (at, name) in names {
        if !name.is_empty() && !legend.iter().any(|(other, ..)| *other == at) {
            legend.push((at, name.to_owned(), Key::Curve(style(at), markers)));
        }
    }
    legend.sort_by_key(|(at, ..)| *at);
    legend.into_iter().map(|(_, name, key)| (name, key)).collect()
}

/// What the legend's names are of.
pub(super) fn legend_title(selection: &Selection) -> String {
    if selection.series.len() == 1 || selection.legend_title.is_empty() {
        String::new()
    } else {
        format!("{}:", selection.legend_title)
    }
}

/// A scale from 0 whose ticks are whole numbers, with room for a marker at its end.
pub(super) fn whole(most: f64) -> Scale {
    let step = libm::ceil(most / 8.0).max(1.0);
    let count = libm::floor(most / step) as usize;
    let ticks =
        (0..=count).map(|at| Tick { value: at as f64 * step, label: format!("{:.0}", at as f64 * step) });
    Scale::linear(0.0, most * 1.04 + 0.1).with_ticks(ticks.collect())
}

/// How many panels stand side by side.
pub(super) fn columns(panels: usize, double: bool) -> usize {
    match (double, panels) {
        (false, _) | (_, 0 | 1) => 1,
        (true, 3) => 3,
        (true, _) => 2,
    }
}

/// The height of a panel in inches: lower where several stand above each other.
pub(super) fn height(rows: usize) -> f64 {
    match rows {
        0 | 1 => 1.75,
        2 => 1.35,
        _ => 1.1,
    }
}
