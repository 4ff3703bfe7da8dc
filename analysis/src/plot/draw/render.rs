//! Lays a chart out and draws it.

use super::canvas::{Align, Canvas, Rect, head};
use super::chart::{Axis, Chart, Key, Mark, Markers, Panel};
use super::font::Font;
use super::palette::INK;
use super::scale::Tick;
use super::{POINT, UNITS_PER_INCH};

/// Size of names and labels in points: as IEEE's and ACM's templates set captions.
const TEXT: f64 = 8.0;
/// Size of numbers at ticks and of names within a panel, in points.
const SMALL: f64 = 7.0;
const LINE_HEIGHT: f64 = 10.0 * POINT;
const MARGIN: f64 = 3.0 * POINT;
const TICK: f64 = 2.5 * POINT;
const GAP: f64 = 3.0 * POINT;
/// Between panels.
const GUTTER: f64 = 6.0 * POINT;
const KEY_WIDTH: f64 = 20.0 * POINT;
/// Points closer than this in x are drawn as their lowest and highest: 1/150 in, less than a line is wide.
const COLUMN: f64 = UNITS_PER_INCH / 150.0;

/// Draws the chart `width` inches wide, as high as it needs. The same chart gives the same bytes.
///
/// # Errors
/// If it cannot be drawn.
pub(crate) fn render(chart: &Chart, title: &str, width: f64) -> Result<String, String> {
    let layout = Layout::new(chart, width * UNITS_PER_INCH);
    let size = (libm::round(layout.width) as u32, libm::ceil(layout.height) as u32);
    let mut svg = String::new();
    let mut canvas = Canvas::new(&mut svg, size);
    layout.draw(&mut canvas);
    canvas.finish()?;
    Ok(head(&svg, size, title))
}

/// Where everything goes.
struct Layout<'a> {
    chart: &'a Chart,
    font: Font,
    width: f64,
    height: f64,
    legend: Vec<(f64, f64, String, Option<Key>)>,
    /// What lies between each panel's axes.
    inner: Vec<Rect>,
}

impl<'a> Layout<'a> {
    fn new(chart: &'a Chart, width: f64) -> Self {
        let mut layout =
            Layout { chart, font: Font::new(), width, height: 0.0, legend: Vec::new(), inner: Vec::new() };
        let mut top = layout.place_legend();
        let columns = chart.columns.max(1);
        let column_width = (width - 2.0 * MARGIN - GUTTER * (columns - 1) as f64) / columns as f64;
        let left: Vec<f64> = (0..columns).map(|column| layout.left_margin(column, column_width)).collect();
        for (row, panels) in chart.panels.chunks(columns).enumerate() {
            if row > 0 {
                top += GUTTER;
            }
            if panels.iter().any(|panel| !panel.title.is_empty()) {
                top += LINE_HEIGHT;
            }
            let height = panels.iter().map(|panel| panel.height).fold(0.0, f64::max) * UNITS_PER_INCH;
            for (column, left) in left.iter().enumerate().take(panels.len()) {
                let start = MARGIN + column as f64 * (column_width + GUTTER);
                // The last tick's name is centred at the end of the axis.
                let rect = Rect {
                    left: start + left,
                    top,
                    right: start + column_width - 5.0 * POINT,
                    bottom: top + height,
                };
                layout.inner.push(rect);
            }
            top += height + TICK;
            if panels.iter().any(|panel| panel.x.named) {
                top += LINE_HEIGHT;
            }
            if panels.iter().any(|panel| !panel.x.label.is_empty()) {
                top += LINE_HEIGHT;
            }
        }
        layout.height = top + MARGIN;
        layout
    }

    /// Places the names from left to right in as many lines as they need; returns where the panels begin.
    fn place_legend(&mut self) -> f64 {
        let (mut x, mut y) = (MARGIN, MARGIN + LINE_HEIGHT / 2.0);
        let room = self.width - 2.0 * MARGIN;
        let mut entries: Vec<(&str, Option<Key>)> = Vec::new();
        if !self.chart.legend_title.is_empty() && !self.chart.legend.is_empty() {
            entries.push((&self.chart.legend_title, None));
        }
        entries.extend(self.chart.legend.iter().map(|(name, key)| (name.as_str(), Some(*key))));
        if entries.is_empty() {
            return MARGIN + 2.0 * POINT;
        }
        for (name, key) in entries {
            let key_width = if key.is_some() { KEY_WIDTH + GAP } else { 0.0 };
            let name = self.font.fit(name, TEXT * POINT, room - key_width);
            let needed = key_width + self.font.width(&name, TEXT * POINT);
            if x > MARGIN && x + needed > self.width - MARGIN {
                (x, y) = (MARGIN, y + LINE_HEIGHT);
            }
            self.legend.push((x, y, name, key));
            x += needed + 3.0 * GAP;
        }
        y + LINE_HEIGHT / 2.0 + 2.0 * GAP
    }

    /// Room left of the panels of a column: for the label and the widest name at a tick.
    fn left_margin(&self, column: usize, width: f64) -> f64 {
        let panels = self.chart.panels.iter().skip(column).step_by(self.chart.columns.max(1));
        let (mut names, mut label) = (0.0_f64, 0.0_f64);
        for panel in panels {
            if !panel.y.label.is_empty() {
                label = LINE_HEIGHT;
            }
            if panel.y.named {
                for tick in panel.y.scale.ticks(most_y_ticks(panel)) {
                    names = names.max(self.font.width(&tick.label, SMALL * POINT));
                }
            }
        }
        label + names.min(0.36 * width) + TICK + GAP / 2.0
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        for (x, y, name, key) in &self.legend {
            let key_width = key.map_or(0.0, |key| {
                draw_key(canvas, key, *x, *y);
                KEY_WIDTH + GAP
            });
            canvas.text(name, (x + key_width, *y), TEXT, Align::Start);
        }
        for (panel, inner) in self.chart.panels.iter().zip(&self.inner) {
            self.draw_panel(canvas, panel, *inner);
        }
    }

    fn draw_panel(&self, canvas: &mut Canvas<'_>, panel: &Panel, inner: Rect) {
        if !panel.title.is_empty() {
            let title = self.font.fit(&panel.title, TEXT * POINT, inner.width());
            canvas.text(&title, (inner.left, inner.top - 0.55 * LINE_HEIGHT), TEXT, Align::Start);
        }
        let plane = Plane { panel, inner };
        // What fills the background lies below the grid.
        for mark in &panel.marks {
            if let Mark::Stretch { x, ink } = mark {
                canvas.fill(Rect { left: plane.x(x.0), right: plane.x(x.1), ..inner }, *ink);
            }
        }
        self.draw_x_axis(canvas, &panel.x, &plane);
        self.draw_y_axis(canvas, panel, &plane);
        for mark in &panel.marks {
            self.draw_mark(canvas, mark, &plane);
        }
        canvas.line(
            &[(inner.left, inner.top), (inner.left, inner.bottom), (inner.right, inner.bottom)],
            INK,
            0.7,
            &[],
        );
        self.draw_instants(canvas, panel, &plane);
    }

    fn draw_x_axis(&self, canvas: &mut Canvas<'_>, axis: &Axis, plane: &Plane<'_>) {
        let inner = plane.inner;
        let below = inner.bottom + TICK + LINE_HEIGHT / 2.0;
        for tick in self.x_ticks(axis, inner.width()) {
            let x = plane.x(tick.value);
            if axis.grid {
                canvas.line(&[(x, inner.top), (x, inner.bottom)], INK.alpha(0.12), 0.5, &[]);
            }
            canvas.line(&[(x, inner.bottom), (x, inner.bottom + TICK)], INK, 0.7, &[]);
            if axis.named {
                // A long name at the end of the axis stays on the page.
                let half = self.font.width(&tick.label, SMALL * POINT) / 2.0;
                canvas.text(&tick.label, (x.min(self.width - POINT - half), below), SMALL, Align::Middle);
            }
        }
        if !axis.label.is_empty() {
            let label = self.font.fit(&axis.label, TEXT * POINT, inner.right - MARGIN);
            // Centred below the axis, or as far to the left of it as the page's end asks for.
            let half = self.font.width(&label, TEXT * POINT) / 2.0;
            let x = ((inner.left + inner.right) / 2.0).min(self.width - MARGIN - half).max(MARGIN + half);
            canvas.text(&label, (x, below + LINE_HEIGHT), TEXT, Align::Middle);
        }
    }

    /// As many ticks as have room for their names.
    fn x_ticks(&self, axis: &Axis, width: f64) -> Vec<Tick> {
        let mut most = 9;
        loop {
            let ticks = axis.scale.ticks(most);
            let apart = 5.0 * POINT;
            let mut end = f64::NEG_INFINITY;
            let fits = ticks.iter().all(|tick| {
                let (middle, half) = (
                    axis.scale.position(tick.value) * width,
                    self.font.width(&tick.label, SMALL * POINT) / 2.0,
                );
                let free = middle - half >= end + apart;
                end = middle + half;
                free
            });
            if fits || most <= 2 {
                return ticks;
            }
            most -= 1;
        }
    }

    fn draw_y_axis(&self, canvas: &mut Canvas<'_>, panel: &Panel, plane: &Plane<'_>) {
        let (inner, axis) = (plane.inner, &panel.y);
        let mut names = 0.0_f64;
        let room = 0.36 * (self.width / self.chart.columns.max(1) as f64 - 2.0 * MARGIN);
        for tick in axis.scale.ticks(most_y_ticks(panel)) {
            let y = plane.y(tick.value);
            if axis.grid {
                canvas.line(&[(inner.left, y), (inner.right, y)], INK.alpha(0.12), 0.5, &[]);
            }
            canvas.line(&[(inner.left - TICK, y), (inner.left, y)], INK, 0.7, &[]);
            if axis.named {
                let name = self.font.fit(&tick.label, SMALL * POINT, room);
                names = names.max(self.font.width(&name, SMALL * POINT));
                canvas.text(&name, (inner.left - TICK - GAP / 2.0, y), SMALL, Align::End);
            }
        }
        if !axis.label.is_empty() {
            let column = self.chart.panels.iter().position(|other| std::ptr::eq(other, panel)).unwrap_or(0);
            let columns = self.chart.columns.max(1);
            let start = MARGIN
                + (column % columns) as f64
                    * ((self.width - 2.0 * MARGIN - GUTTER * (columns - 1) as f64) / columns as f64 + GUTTER);
            let label = self.font.fit(&axis.label, TEXT * POINT, inner.height() + 1.6 * LINE_HEIGHT);
            canvas.text_upwards(&label, (start + LINE_HEIGHT / 2.0, (inner.top + inner.bottom) / 2.0), TEXT);
        }
    }

    fn draw_mark(&self, canvas: &mut Canvas<'_>, mark: &Mark, plane: &Plane<'_>) {
        match mark {
            Mark::Line { points, style, markers } => {
                let line = thinned(points.iter().map(|point| plane.at(*point)));
                canvas.line(&line, style.ink, 1.2, style.dash);
                for at in marked(&line, *markers) {
                    canvas.marker(at, *style);
                }
            }
            Mark::Band { points, ink } => {
                let upper = points.iter().map(|(x, _, high)| plane.at((*x, *high)));
                let lower = points.iter().rev().map(|(x, low, _)| plane.at((*x, *low)));
                canvas.shape(&upper.chain(lower).collect::<Vec<_>>(), *ink);
            }
            Mark::Intervals { points, style } => {
                for (x, low, high) in points {
                    let (x, low, high) = (plane.x(*x), plane.y(*low), plane.y(*high));
                    canvas.line(&[(x, low), (x, high)], style.ink, 0.8, &[]);
                    for y in [low, high] {
                        canvas.line(&[(x - 1.5 * POINT, y), (x + 1.5 * POINT, y)], style.ink, 0.8, &[]);
                    }
                }
            }
            Mark::Block { x, y, ink } => {
                let (left, right) = (plane.x(x.0), plane.x(x.1));
                let (top, bottom) = (plane.y(y.1), plane.y(y.0));
                canvas.fill(
                    Rect { left, top, right: right.max(left + 1.0), bottom: bottom.max(top + 1.0) },
                    *ink,
                );
            }
            Mark::Guide { points } => {
                let line: Vec<_> = points.iter().map(|point| plane.at(*point)).collect();
                canvas.line(&line, INK.alpha(0.55), 0.7, &[2.0, 2.0]);
            }
            Mark::Note { at, text } => {
                let (x, y) = plane.at(*at);
                canvas.text(text, (x + GAP, y), SMALL, Align::Start);
            }
            // Drawn before and after the others.
            Mark::Stretch { .. } | Mark::At { .. } => {}
        }
    }

    /// Lines across at instants; a name that would run into the one before it, or off the panel, is left out.
    fn draw_instants(&self, canvas: &mut Canvas<'_>, panel: &Panel, plane: &Plane<'_>) {
        let mut free = f64::NEG_INFINITY;
        for mark in &panel.marks {
            if let Mark::At { x, name } = mark {
                let (x, inner) = (plane.x(*x), plane.inner);
                canvas.line(&[(x, inner.top), (x, inner.bottom)], INK.alpha(0.55), 0.6, &[1.5, 1.5]);
                let width = self.font.width(name, SMALL * POINT);
                if !name.is_empty() && x >= free && x + GAP + width <= self.width {
                    canvas.text(name, (x + GAP / 2.0, inner.top - 0.45 * LINE_HEIGHT), SMALL, Align::Start);
                    free = x + width + 2.0 * GAP;
                }
            }
        }
    }
}

/// As many names as fit below each other; given ones need less air.
fn most_y_ticks(panel: &Panel) -> usize {
    let line = if panel.y.scale.is_fixed() { 8.5 } else { 13.0 };
    libm::floor(panel.height * 72.0 / line) as usize
}

fn draw_key(canvas: &mut Canvas<'_>, key: Key, x: f64, y: f64) {
    match key {
        Key::Curve(style, marker) => {
            canvas.line(&[(x, y), (x + KEY_WIDTH, y)], style.ink, 1.2, style.dash);
            if marker {
                canvas.marker((x + KEY_WIDTH / 2.0, y), style);
            }
        }
        Key::Area(ink) => {
            let half = 2.8 * POINT;
            canvas.fill(
                Rect { left: x + KEY_WIDTH / 2.0, top: y - half, right: x + KEY_WIDTH, bottom: y + half },
                ink,
            );
        }
        Key::Guide => canvas.line(&[(x, y), (x + KEY_WIDTH, y)], INK.alpha(0.55), 0.7, &[2.0, 2.0]),
    }
}

/// From the axes' units to the page's.
struct Plane<'a> {
    panel: &'a Panel,
    inner: Rect,
}

impl Plane<'_> {
    fn x(&self, value: f64) -> f64 {
        self.inner.left + self.panel.x.scale.position(value) * self.inner.width()
    }

    fn y(&self, value: f64) -> f64 {
        self.inner.bottom - self.panel.y.scale.position(value) * self.inner.height()
    }

    fn at(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (self.x(x), self.y(y))
    }
}

/// A line with no more points than can be seen: of those that fall into one [`COLUMN`] the first, the lowest, the highest and
/// the last, in their order.
fn thinned(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut column: Vec<(f64, f64)> = Vec::new();
    let mut flush = |column: &mut Vec<(f64, f64)>| {
        let by_y = |a: &usize, b: &usize| column[*a].1.total_cmp(&column[*b].1);
        if column.len() > 4 {
            let low = (0..column.len()).min_by(by_y).unwrap_or(0);
            let high = (0..column.len()).max_by(by_y).unwrap_or(0);
            let mut at = [0, low, high, column.len() - 1];
            at.sort_unstable();
            kept.extend(at.iter().map(|at| column[*at]));
        } else {
            kept.extend(column.iter());
        }
        column.clear();
    };
    for point in points {
        if column.first().is_some_and(|first| libm::fabs(point.0 - first.0) >= COLUMN) {
            flush(&mut column);
        }
        column.push(point);
    }
    flush(&mut column);
    kept.dedup();
    kept
}

/// Where a line gets its markers.
fn marked(line: &[(f64, f64)], markers: Markers) -> Vec<(f64, f64)> {
    match markers {
        Markers::None => Vec::new(),
        Markers::All => line.to_vec(),
        Markers::Few => {
            let (Some(first), Some(last)) = (line.first(), line.last()) else { return Vec::new() };
            let step = (last.0 - first.0) / 5.0;
            let mut next = first.0 + step / 2.0;
            let mut places = Vec::new();
            for pair in line.windows(2) {
                let (from, to) = (pair[0], pair[1]);
                while step > 0.0 && next <= to.0 && places.len() < 5 {
                    let share = if to.0 > from.0 { (next - from.0) / (to.0 - from.0) } else { 0.0 };
                    places.push((next, from.1 + share * (to.1 - from.1)));
                    next += step;
                }
            }
            places
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::palette::{Style, style};
    use super::super::scale::Scale;
    use super::*;

    #[test]
    fn a_line_is_thinned_to_what_can_be_seen() {
        let wild =
            (0..100_000).map(|i| (f64::from(i) / 100.0, if i == 50_000 { 900.0 } else { f64::from(i % 7) }));
        let line = thinned(wild);
        assert!(line.len() <= 4 * 251, "{}", line.len());
        assert_eq!(line.iter().map(|p| p.1).fold(0.0, f64::max), 900.0, "the peak is kept");
        assert_eq!((line.first(), line.last()), (Some(&(0.0, 0.0)), Some(&(999.99, f64::from(99_999 % 7)))));
    }

    #[test]
    fn a_line_has_few_markers_on_it() {
        let places = marked(&[(0.0, 0.0), (50.0, 100.0), (100.0, 100.0)], Markers::Few);
        assert_eq!(places, [(10.0, 20.0), (30.0, 60.0), (50.0, 100.0), (70.0, 100.0), (90.0, 100.0)]);
    }

    #[test]
    fn the_worst_figure_stays_small() {
        let points: Vec<(f64, f64)> =
            (0..200_000).map(|i| (f64::from(i), f64::from((i * 7919) % 1000))).collect();
        let panel = |series: usize| Panel {
            title: "A title".into(),
            x: Axis::new("Time (s)", Scale::linear(0.0, 200_000.0)),
            y: Axis::new("Calls (1/s)", Scale::from_zero(1000.0)),
            height: 1.0,
            marks: vec![Mark::Line {
                points: points.clone(),
                style: Style { dash: &[], ..style(series) },
                markers: Markers::Few,
            }],
        };
        let chart = Chart { columns: 1, panels: (0..4).map(panel).collect(), ..Chart::default() };
        let svg = render(&chart, "Worst", 7.16).unwrap();
        assert!(svg.len() < 300 * 1024, "{}", svg.len());
        assert_eq!(svg, render(&chart, "Worst", 7.16).unwrap());
    }
}
