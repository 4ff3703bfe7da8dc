//! Comparisons as text: for a terminal and as Markdown.

use super::comparison::{Comparison, Row, Side};
use super::fidelity::{Fidelity, FidelityRow};
use super::judge::{Effect, FEWEST, LEVEL, Verdict};
use super::scenario::{Setting, shown};
use edge_faas_core::results::text;
use std::fmt::Write;

/// Rows that a terminal or a summary is given at most, unless all are asked for.
const ROWS: usize = 40;
/// Settings likewise.
const SETTINGS: usize = 12;

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Columns of spaces.
    Terminal,
    /// GitHub's Markdown.
    Markdown,
}

impl Layout {
    /// A table: its header, which columns are numbers, its rows.
    pub(super) fn table(self, header: &[(&str, bool)], rows: &[Vec<String>]) -> String {
        let mut out = String::new();
        match self {
            Layout::Markdown => {
                let names: Vec<&str> = header.iter().map(|(name, _)| *name).collect();
                let lines: Vec<&str> =
                    header.iter().map(|(_, number)| if *number { "---:" } else { "---" }).collect();
                let _ = writeln!(out, "| {} |\n|{}|", names.join(" | "), lines.join("|"));
                for row in rows {
                    let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
                    let _ = writeln!(out, "| {} |", cells.join(" | "));
                }
            }
            Layout::Terminal => {
                let width = |text: &str| text.chars().count();
                let widths: Vec<usize> = header
                    .iter()
                    .enumerate()
                    .map(|(at, (name, _))| {
                        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell));
                        cells.chain([width(name)]).max().unwrap_or(0)
                    })
                    .collect();
                let mut line = |cells: &mut dyn Iterator<Item = &str>| {
                    let mut text = String::new();
                    for ((cell, (_, number)), wide) in cells.zip(header).zip(&widths) {
                        let pad = " ".repeat(wide.saturating_sub(width(cell)));
                        let _ = if *number {
                            write!(text, "{pad}{cell}  ")
                        } else {
                            write!(text, "{cell}{pad}  ")
                        };
                    }
                    let _ = writeln!(out, "{}", text.trim_end());
                };
                line(&mut header.iter().map(|(name, _)| *name));
                for row in rows {
                    line(&mut row.iter().map(String::as_str));
                }
            }
        }
        out
    }

    fn bold(self, text: &str) -> String {
        match self {
            Layout::Terminal => text.to_owned(),
            Layout::Markdown => format!("**{text}**"),
        }
    }

    /// The end of a line that is followed by another of the same paragraph.
    fn line_end(self) -> &'static str {
        match self {
            Layout::Terminal => "\n",
            Layout::Markdown => "  \n",
        }
    }
}

/// A value in its unit.
pub(super) fn value(number: f64, unit: &str) -> String {
    match unit {
        "us" => text::micros(number),
        "share" => text::share(number),
        _ if number.is_infinite() => "inf".into(),
        _ if unit.starts_with("bytes/s") => format!("{} B/s", text::ratio(number)),
        _ => text::ratio(number),
    }
}

/// A change from the base, signed.
pub(super) fn change(change: f64, effect: Effect, unit: &str) -> String {
    match effect {
        Effect::Ratio if change.is_infinite() => "+inf".into(),
        Effect::Ratio => format!("{:+.1} %", 100.0 * (change - 1.0)),
        Effect::Difference if change >= 0.0 => format!("+{}", value(change, unit)),
        Effect::Difference => format!("-{}", value(-change, unit)),
    }
}

fn margin(row: &Row) -> String {
    let margin = &row.margin;
    let relative = format!("{:.3}", 100.0 * margin.relative);
    let relative = format!("{} %", relative.trim_end_matches('0').trim_end_matches('.'));
    match (margin.relative > 0.0, margin.absolute > 0.0) {
        (true, false) => relative,
        (false, true) => value(margin.absolute, &row.unit),
        // The larger one is what counts.
        (true, true) if margin.relative * row.base.abs() >= margin.absolute => relative,
        (true, true) => value(margin.absolute, &row.unit),
        (false, false) => "0".into(),
    }
}

fn p(number: Option<f64>) -> String {
    match number {
        None => "–".into(),
        Some(p) if p < 0.0001 => "<0.0001".into(),
        Some(p) => format!("{p:.4}"),
    }
}

fn side(name: &str, side: &Side) -> Vec<String> {
    let hash = side.run_hash.get(..8).unwrap_or(&side.run_hash);
    let plural = if side.repetitions == 1 { "" } else { "s" };
    vec![
        name.to_owned(),
        side.folder.clone(),
        format!("{} seed {}", side.name, side.seed),
        format!("{} repetition{plural}", side.repetitions),
        format!("{} ({})", side.program, side.source),
        format!("hash {hash}"),
    ]
}

fn sides(layout: Layout, rows: &[Vec<String>]) -> String {
    let names = ["", "folder", "scenario", "repetitions", "program", "hash"];
    layout.table(&names.map(|name| (name, false)), rows)
}

/// What the scenarios set differently; `names` are those of the two runs.
fn settings(layout: Layout, names: [&str; 2], settings: &[Setting], out: &mut String) {
    if settings.is_empty() {
        return;
    }
    let rows: Vec<Vec<String>> = settings
        .iter()
        .take(SETTINGS)
        .map(|one| vec![one.key.clone(), shown(&one.base), shown(&one.new)])
        .collect();
    let _ = writeln!(out, "{}\n", layout.bold("What the scenarios set differently"));
    let _ = writeln!(out, "{}", layout.table(&["key", names[0], names[1]].map(|name| (name, false)), &rows));
    if settings.len() > SETTINGS {
        let _ = writeln!(out, "and {} more, which --json lists\n", settings.len() - SETTINGS);
    }
}

impl Comparison {
    /// The comparison as text; `all` gives every row and not only what moved.
    pub fn text(&self, layout: Layout, all: bool) -> String {
        let mut out = sides(layout, &[side("base", &self.base), side("new", &self.new)]);
        out.push('\n');
        if self.identical {
            let _ = write!(out, "{}: {} files, byte for byte", layout.bold("identical"), self.base.files);
            let kept = self.base.kept.min(self.new.kept);
            if kept < self.base.files {
                let _ =
                    write!(out, " ({} of them not kept, and held by their hashes)", self.base.files - kept);
            }
            out.push('\n');
            return out;
        }
        settings(layout, ["base", "new"], &self.settings, &mut out);
        if !self.files.is_empty() {
            let _ = writeln!(out, "{}\n", layout.bold("The same was run, and these files differ"));
            let rows: Vec<Vec<String>> =
                self.files.iter().map(|file| vec![file.name.clone(), file.place.clone()]).collect();
            let _ = writeln!(out, "{}", layout.table(&[("file", false), ("first difference", false)], &rows));
        }
        let counts: Vec<String> = Verdict::ALL
            .into_iter()
            .map(|verdict| (verdict, self.count(verdict)))
            .filter(|(_, count)| *count > 0)
            .map(|(verdict, count)| format!("{count} {verdict}"))
            .collect();
        let _ = write!(out, "{}: {}", layout.bold("verdict"), counts.join(", "));
        out.push_str(layout.line_end());
        out.push_str(&self.how());
        out.push_str("\n\n");
        let mut rows: Vec<&Row> =
            self.rows.iter().filter(|row| all || row.verdict != Verdict::Equivalent).collect();
        if !all {
            // What moved most first; the order of the files among equals.
            rows.sort_by(|a, b| a.verdict.cmp(&b.verdict).then_with(|| distance(b).total_cmp(&distance(a))));
            rows.truncate(ROWS);
        }
        if !rows.is_empty() {
            out.push_str(&self.rows_table(layout, &rows));
        }
        let left = self.rows.iter().filter(|row| row.verdict != Verdict::Equivalent).count();
        if left > rows.len() {
            let _ = writeln!(out, "\nand {} more, which --all prints", left - rows.len());
        }
        for (count, side) in [(self.only_in_base, "base"), (self.only_in_new, "new")] {
            if count > 0 {
                let _ = writeln!(out, "\nnot compared: {count} statistics that only {side} has");
            }
        }
        out
    }

    fn rows_table(&self, layout: Layout, rows: &[&Row]) -> String {
        let variants = rows.iter().any(|row| !row.variant.is_empty());
        let mut header = vec![("verdict", false), ("metric", false), ("group", false)];
        if variants {
            header.push(("variant", false));
        }
        for name in ["base", "new", "change", "95 % interval", "p", "margin", "n"] {
            header.push((name, true));
        }
        header.push(("why", false));
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                let mut cells = vec![
                    match row.verdict {
                        Verdict::Regressed => layout.bold(&row.verdict.as_str().to_uppercase()),
                        other => other.to_string(),
                    },
                    format!("{}.{}", row.metric, row.statistic),
                    row.group.clone(),
                ];
                if variants {
                    cells.push(row.variant.clone());
                }
                let told = |number| change(number, row.effect, &row.unit);
                cells.extend([
                    value(row.base, &row.unit),
                    value(row.new, &row.unit),
                    told(row.change),
                    row.interval
                        .map_or("–".into(), |(low, high)| format!("{} … {}", told(low), told(high))),
                    p(row.adjusted_p),
                    margin(row),
                    if row.n_base == row.n_new {
                        row.n_base.to_string()
                    } else {
                        format!("{}, {}", row.n_base, row.n_new)
                    },
                    row.reason.to_owned(),
                ]);
                cells
            })
            .collect();
        layout.table(&header, &rows)
    }

    /// How the verdicts were reached, in a line.
    fn how(&self) -> String {
        let how = if self.paired {
            "repetitions in pairs, Wilcoxon's signed ranks"
        } else {
            "independent repetitions, Mann and Whitney's U"
        };
        if self.tests == 0 {
            return format!("{how}; nothing was tested: that takes {FEWEST} repetitions at least");
        }
        format!(
            "{how}; p is adjusted for {} tests (Benjamini and Hochberg), level {:.0} %; medians, intervals by the bootstrap",
            self.tests,
            100.0 * LEVEL
        )
    }
}

/// How far a row is from no change, in margins.
fn distance(row: &Row) -> f64 {
    let change = (row.new - row.base).abs();
    let margin = row.margin.from(row.base);
    if row.new == row.base {
        0.0
    } else if margin > 0.0 && margin.is_finite() {
        change / margin
    } else {
        f64::INFINITY
    }
}

impl Fidelity {
    /// The comparison as text; `all` gives every row and not only those that do not hold.
    pub fn text(&self, layout: Layout, all: bool) -> String {
        let mut out = sides(layout, &[side("simulated", &self.simulated), side("real", &self.real)]);
        out.push('\n');
        settings(layout, ["simulated", "real"], &self.settings, &mut out);
        let holds = |row: &&FidelityRow| row.quantiles.iter().all(|quantile| quantile.holds);
        let good = self.rows.iter().filter(holds).count();
        let word = if self.holds { "passes" } else { "FAILS" };
        let _ = write!(
            out,
            "{}: {good} of {} parts are within their tolerance",
            layout.bold(word),
            self.rows.len()
        );
        if !self.orders.is_empty() {
            let same = self.orders.iter().filter(|order| order.holds).count();
            let _ = write!(out, "; {same} of {} orders of policies are the same", self.orders.len());
        }
        out.push_str("\n\n");
        // Failures first; everything if it is not much.
        let mut rows: Vec<&FidelityRow> = self.rows.iter().collect();
        if !all && rows.len() > ROWS {
            rows.sort_by_key(|row| holds(row));
            rows.truncate(ROWS);
        }
        let mut header = vec![("", false), ("variant", false), ("phase", false), ("part", false)];
        header.retain(|(name, _)| *name != "variant" || rows.iter().any(|row| !row.variant.is_empty()));
        let with_variant = header.len() == 4;
        let quantiles: Vec<String> = rows
            .first()
            .map(|row| {
                row.quantiles.iter().map(|one| format!("{} sim / real (error)", one.quantile)).collect()
            })
            .unwrap_or_default();
        header.extend(quantiles.iter().map(|name| (name.as_str(), true)));
        header.extend([("KS", true), ("Wasserstein", true), ("calls", true)]);
        let lines: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                let mut cells = vec![if holds(row) { "holds".to_owned() } else { layout.bold("FAILS") }];
                if with_variant {
                    cells.push(row.variant.clone());
                }
                cells.extend([row.phase.clone(), row.part.to_owned()]);
                cells.extend(row.quantiles.iter().map(|one| {
                    let error = change(one.error_us, Effect::Difference, "us");
                    let mark = if one.holds { "" } else { " !" };
                    format!(
                        "{} / {} ({error}){mark}",
                        value(one.simulated_us, "us"),
                        value(one.real_us, "us")
                    )
                }));
                cells.extend([
                    format!("{:.3}", row.kolmogorov_smirnov),
                    value(row.wasserstein_us, "us"),
                    format!("{} / {}", row.simulated, row.real),
                ]);
                cells
            })
            .collect();
        out.push_str(&layout.table(&header, &lines));
        if rows.len() < self.rows.len() {
            let _ = writeln!(out, "\nand {} more, which --all prints", self.rows.len() - rows.len());
        }
        for line in &self.missing {
            let _ = writeln!(out, "\n{}: {line}", layout.bold("FAILS"));
        }
        for order in self.orders.iter().filter(|order| all || !order.holds) {
            let word = if order.holds { "holds".to_owned() } else { layout.bold("FAILS") };
            let _ = writeln!(
                out,
                "\n{word}: order of policies {}: {} simulated, {} real",
                order.variant,
                order.simulated.join(" < "),
                order.real.join(" < ")
            );
        }
        out
    }
}
