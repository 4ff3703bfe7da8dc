//! Where the time of a call goes.

use super::{Drawn, Group, groups, legend_title};
use crate::plot::data::{CallCell, CallData};
use crate::plot::draw::{Axis, Chart, Key, Mark, PARTS, Panel, Scale, Tick, TimeUnit};
use crate::plot::selection::Selection;
use edge_faas_core::results::{PART_NAMES, text};

/// Means of the nine parts of `ok` calls as stacked bars.
pub(in crate::plot) fn parts(calls: &CallData, selection: &Selection, double: bool) -> Drawn {
    let mut notes = Vec::new();
    let mut groups = groups(calls, selection, &mut notes)?;
    for group in &mut groups {
        group.curves.retain(|(_, _, cell)| cell.ok() > 0);
    }
    groups.retain(|group| !group.curves.is_empty());
    let curves = || groups.iter().flat_map(|group| &group.curves);
    let largest = curves().map(|(_, _, cell)| mean(cell)).fold(0.0, f64::max);
    if largest <= 0.0 {
        return Err("no call ended ok".into());
    }
    let unit = TimeUnit::of(largest);
    // Behind each bar there must be room for its text, of about so much of the axis.
    let needed = |cell: &CallCell| {
        let share = behind(cell).chars().count() as f64 * if double { 0.0105 } else { 0.024 };
        mean(cell) / (1.0 - share.min(0.8))
    };
    let end = curves().map(|(_, _, cell)| needed(cell)).fold(0.0, f64::max) / unit.micros;
    let x = Axis::new(format!("Mean of ok calls ({})", unit.name), Scale::linear(0.0, end));
    let count = groups.len();
    let panel = |(at, group): (usize, &Group<'_>)| {
        let rows = group.curves.len() as f64;
        let mut marks = Vec::new();
        let mut ticks = Vec::new();
        for (row, (_, name, cell)) in group.curves.iter().enumerate() {
            let middle = rows - 0.5 - row as f64;
            ticks.push(Tick { value: middle, label: name.clone() });
            let mut from = 0.0;
            for (sum, ink) in cell.parts.iter().zip(PARTS) {
                // A clock that runs ahead makes `network` negative: it is taken off what follows.
                let to = from + *sum as f64 / cell.ok() as f64 / unit.micros;
                if to > from {
                    marks.push(Mark::Block { x: (from, to), y: (middle - 0.36, middle + 0.36), ink });
                }
                from = to;
            }
            marks.push(Mark::Note { at: (from, middle), text: behind(cell) });
        }
        let names = Axis { grid: false, ..Axis::new("", Scale::linear(0.0, rows).with_ticks(ticks)) };
        Panel {
            title: group.title.clone(),
            x: if at + 1 < count { x.bare() } else { x.clone() },
            y: names,
            height: (0.2 * rows).max(0.3),
            marks,
        }
    };
    let panels: Vec<Panel> = groups.iter().enumerate().map(panel).collect();
    let seen = |part: usize| curves().any(|(_, _, cell)| cell.parts[part] > 0);
    let legend = PART_NAMES.iter().zip(PARTS).enumerate().filter(|(part, _)| seen(*part));
    let legend: Vec<_> = legend.map(|(_, (name, ink))| ((*name).to_owned(), Key::Area(ink))).collect();
    let absent: Vec<&str> =
        (0..PART_NAMES.len()).filter(|part| !seen(*part)).map(|part| PART_NAMES[part]).collect();
    notes.push("Means over the ok calls of all repetitions; the parts are in the order of their columns and add up to the latency.".into());
    if !absent.is_empty() {
        notes.push(format!("0 throughout and so not named: {}.", absent.join(", ")));
    }
    if selection.series.len() > 1 {
        notes.push(format!("Bars are named by {}", legend_title(selection).replace(':', ".")));
    }
    Ok((Chart { legend_title: String::new(), legend, columns: 1, panels }, notes))
}

/// What stands behind a bar: the total, and the share that failed.
fn behind(cell: &CallCell) -> String {
    let total = text::micros(mean(cell));
    match 1.0 - cell.success() {
        0.0 => total,
        failed if failed < 1e-4 => format!("{total}, < 0.01 % failed"),
        failed => format!("{total}, {} failed", text::share(failed)),
    }
}

fn mean(cell: &CallCell) -> f64 {
    cell.parts.iter().sum::<i128>() as f64 / cell.ok().max(1) as f64
}
