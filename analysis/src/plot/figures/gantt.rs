//! Who ran which item of a manycall, and when.

use super::Drawn;
use crate::plot::data::{Bar, CallData, Gantt};
use crate::plot::draw::{Axis, Chart, Ink, Key, Mark, Panel, Scale, Tick, TimeUnit, style};
use crate::plot::selection::Selection;

/// Manycalls below each other, at most.
const PANELS_MAX: usize = 4;
/// Height of all panels in inches, unless they have more rows than fit into it.
const PANELS_HEIGHT: f64 = 3.2;
/// Manycalls share an axis if none takes so many times as long as another.
const APART: f64 = 4.0;
/// Rows of a panel, at most.
const PROVIDERS_MAX: usize = 24;
/// Items of a figure, at most: more would be thinner than can be seen.
const ITEMS_MAX: usize = 800;

/// The first manycall of each series.
pub(in crate::plot) fn gantt(calls: &CallData, selection: &Selection) -> Drawn {
    let mut manycalls: Vec<(usize, &Gantt)> =
        (0..selection.series.len()).filter_map(|at| Some((at, calls.manycalls.gantt(at)?))).collect();
    if manycalls.is_empty() {
        return Err("no manycall in a measured phase".into());
    }
    let mut notes = Vec::new();
    if manycalls.len() > PANELS_MAX {
        notes.push(format!("The first {PANELS_MAX} of {} series.", manycalls.len()));
        manycalls.truncate(PANELS_MAX);
    }
    let last = |gantt: &Gantt| gantt.bars.iter().map(|bar| bar.until).max().unwrap_or(0) as f64;
    let longest = manycalls.iter().map(|(_, gantt)| last(gantt)).fold(0.0, f64::max);
    let shortest = manycalls.iter().map(|(_, gantt)| last(gantt)).fold(f64::INFINITY, f64::min);
    let unit = TimeUnit::of(longest);
    // On the axis of one that takes much longer nothing of the others could be seen.
    let apart = longest > APART * shortest;
    if apart {
        notes.push("Each manycall has an axis of its own.".into());
    }
    let axis = |end: f64| {
        Axis::new(
            format!("Time since the manycall was due ({})", unit.name),
            Scale::linear(0.0, end / unit.micros),
        )
    };
    let kept = ITEMS_MAX / manycalls.len();
    let mut panels = Vec::new();
    for (at, gantt) in &manycalls {
        let label = &selection.series[*at].label;
        let every = gantt.bars.len().div_ceil(kept).max(1);
        let name = if label.is_empty() { gantt.phase.clone() } else { format!("{}: {label}", gantt.phase) };
        if every > 1 {
            notes.push(format!(
                "{name}: {} of its {} items, one in {every}.",
                gantt.bars.len().div_ceil(every),
                gantt.bars.len() as u64 + gantt.dropped
            ));
        }
        let own = axis(if apart { last(gantt) } else { longest });
        let x = match (panels.len() + 1 < manycalls.len(), apart) {
            (false, _) => own,
            (true, false) => own.bare(),
            (true, true) => Axis { label: String::new(), ..own },
        };
        panels.push(panel(
            gantt,
            if manycalls.len() > 1 { name } else { String::new() },
            x,
            unit,
            (every, PANELS_HEIGHT / manycalls.len() as f64),
            &mut notes,
        ));
    }
    let (_, first) = manycalls[0];
    notes.push(format!(
        "Manycall {} of repetition {}, the first of a measured phase. An item's bar runs from its winning attempt to its answer, as its entry saw it; the dark part is its function, taking half of `network` as the answer's way.",
        first.map, first.repetition
    ));
    let mut legend = vec![
        ("function runs".to_owned(), Key::Area(RUNS)),
        ("on its way or waiting".to_owned(), Key::Area(WAITS)),
    ];
    if manycalls.iter().any(|(_, gantt)| gantt.bars.iter().any(|bar| !bar.ok)) {
        legend.push(("failed".into(), Key::Area(style(1).ink)));
    }
    Ok((Chart { legend_title: String::new(), legend, columns: 1, panels }, notes))
}

const RUNS: Ink = Ink { rgb: (0, 114, 178), alpha: 1.0 };
const WAITS: Ink = Ink { rgb: (86, 180, 233), alpha: 0.45 };

fn panel(
    gantt: &Gantt,
    title: String,
    x: Axis,
    unit: TimeUnit,
    (every, room): (usize, f64),
    notes: &mut Vec<String>,
) -> Panel {
    let mut rows: Vec<(Option<usize>, Vec<&Bar>)> = Vec::new();
    for bar in &gantt.bars {
        match rows.iter_mut().find(|(provider, _)| *provider == bar.provider) {
            Some((_, bars)) => bars.push(bar),
            None => rows.push((bar.provider, vec![bar])),
        }
    }
    let all = rows.len();
    rows.sort_by_key(|(provider, bars)| (std::cmp::Reverse(bars.len()), *provider));
    rows.truncate(PROVIDERS_MAX);
    if all > PROVIDERS_MAX {
        notes.push(format!("The {PROVIDERS_MAX} of {all} providers that ran the most items."));
    }
    let name =
        |provider: &Option<usize>| provider.map_or("nobody", |at| gantt.providers[at].as_str()).to_owned();
    rows.sort_by_key(|(provider, _)| natural(&name(provider)));
    let count = rows.len() as f64;
    let mut marks = Vec::new();
    let mut ticks = Vec::new();
    let mut most_lanes = 1;
    for (row, (provider, bars)) in rows.iter_mut().enumerate() {
        let bottom = count - 1.0 - row as f64;
        if row > 0 {
            let line = Mark::Guide { points: vec![(0.0, bottom + 1.0), (f64::INFINITY, bottom + 1.0)] };
            marks.push(line);
        }
        ticks.push(Tick { value: bottom + 0.5, label: name(provider) });
        bars.sort_by_key(|bar| (bar.from, bar.exec_from, bar.item));
        let lanes = lanes(bars);
        let used = lanes.iter().max().map_or(1, |last| last + 1);
        most_lanes = most_lanes.max(used);
        for (bar, lane) in bars.iter().zip(&lanes).step_by(every) {
            let height = 0.86 / used as f64;
            let low = bottom + 0.07 + height * *lane as f64;
            let y = (low, low + height * if used > 1 { 0.8 } else { 1.0 });
            let scaled = |micros: i64| micros as f64 / unit.micros;
            if !bar.ok {
                marks.push(Mark::Block { x: (scaled(bar.from), scaled(bar.until)), y, ink: style(1).ink });
                continue;
            }
            marks.push(Mark::Block { x: (scaled(bar.from), scaled(bar.until)), y, ink: WAITS });
            marks.push(Mark::Block { x: (scaled(bar.exec_from), scaled(bar.exec_until)), y, ink: RUNS });
        }
    }
    // Items that wait for each other are as many lanes as items.
    let row_height = (0.04 * most_lanes as f64).clamp(0.14, (room / count).max(0.14));
    Panel {
        title,
        x,
        y: Axis { grid: false, ..Axis::new("", Scale::linear(0.0, count).with_ticks(ticks)) },
        height: (row_height * count).max(0.35),
        marks,
    }
}

/// A lane for each bar, so that items that are under way at the same time lie above each other. Bars are in the order of
/// their starts.
fn lanes(bars: &[&Bar]) -> Vec<usize> {
    let mut free_from: Vec<i64> = Vec::new();
    bars.iter()
        .map(|bar| match free_from.iter().position(|end| *end <= bar.from) {
            Some(lane) => {
                free_from[lane] = bar.until;
                lane
            }
            None => {
                free_from.push(bar.until);
                free_from.len() - 1
            }
        })
        .collect()
}

/// Sorts `node-9` before `node-10`.
fn natural(name: &str) -> (String, u64) {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (stem, number) = name.split_at(name.len() - digits);
    (stem.to_owned(), number.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_that_run_at_once_lie_above_each_other() {
        let bar = |from, until| Bar {
            provider: None,
            item: 0,
            from,
            exec_from: from,
            exec_until: until,
            until,
            ok: true,
        };
        let bars = [bar(0, 10), bar(0, 20), bar(10, 30), bar(15, 20), bar(20, 30)];
        assert_eq!(lanes(&bars.iter().collect::<Vec<_>>()), [0, 1, 0, 2, 1]);
    }

    #[test]
    fn names_are_sorted_by_their_numbers() {
        let mut names = ["node-10", "node-9", "a", "node-100"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["a", "node-9", "node-10", "node-100"]);
    }
}
