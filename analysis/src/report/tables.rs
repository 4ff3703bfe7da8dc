//! The tables: statistics over all repetitions, from `summary.csv`.

use crate::{Run, RunError};
use edge_faas_core::results::{SummaryRecord, Table, text};
use maud::{Markup, html};

/// Variants whose tables are shown, at most; all are in `summary.csv`.
const VARIANTS_MAX: usize = 100;

struct Row {
    metric: String,
    group: String,
    statistic: String,
    value: String,
    interval: String,
    n: u64,
}

/// The tables of each run, one for each variant.
pub(super) fn tables(runs: &[Run]) -> Result<Vec<Markup>, RunError> {
    runs.iter().map(of_run).collect()
}

fn of_run(run: &Run) -> Result<Markup, RunError> {
    let mut variants: Vec<(String, Vec<Row>)> = Vec::new();
    let mut rows = match run.rows(Table::Summary) {
        Err(error @ RunError::LeftOut { .. }) => return Ok(html! { p { (error.to_string()) } }),
        rows => rows?,
    };
    let mut method = String::new();
    let mut more = 0_usize;
    let mut last = String::new();
    while let Some((context, row)) = rows.next::<SummaryRecord<'_>>()? {
        if context.repetition.is_some() {
            continue;
        }
        if variants.last().is_none_or(|(variant, _)| variant != context.variant) {
            if variants.len() >= VARIANTS_MAX {
                // Rows are in the order of the variants.
                more += usize::from(last != context.variant);
                context.variant.clone_into(&mut last);
                continue;
            }
            variants.push((context.variant.to_owned(), Vec::new()));
        }
        let unit = row.unit.to_string();
        if row.low.is_some() {
            method = row.method.to_string();
        }
        let interval = row.low.zip(row.high);
        let interval = interval.map(|(low, high)| format!("{} – {}", value(low, &unit), value(high, &unit)));
        if let Some((_, table)) = variants.last_mut() {
            table.push(Row {
                metric: row.metric.to_string(),
                group: row.group.to_string(),
                statistic: row.statistic.to_string(),
                value: value(row.value, &unit),
                interval: interval.unwrap_or_default(),
                n: row.n,
            });
        }
    }
    let single = variants.len() == 1;
    Ok(html! {
        h3 { "Results" }
        p {
            "Medians over the repetitions"
            @if method.is_empty() { "." } @else { "; the interval is: " (method) "." }
            " " code { "docs/results.md" } " explains every metric."
        }
        @for (variant, rows) in &variants {
            details open[single] {
                summary { @if variant.is_empty() { "All results" } @else { (variant) } }
                (table(rows))
            }
        }
        @if more > 0 { p { (more) " more variants are in " code { "summary.csv" } "." } }
    })
}

fn table(rows: &[Row]) -> Markup {
    let spread = rows.iter().any(|row| !row.interval.is_empty());
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th { "Metric" } th { "Statistic" } th { "Of" }
                        th.number { "Median" }
                        @if spread { th.number { "Interval" } }
                        th.number { "n" }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            td { (row.metric) } td { (row.statistic) } td { (row.group) }
                            td.number { (row.value) }
                            @if spread { td.number { (row.interval) } }
                            td.number { (row.n) }
                        }
                    }
                }
            }
        }
    }
}

/// A value as a person reads it, with its unit.
fn value(value: f64, unit: &str) -> String {
    match unit {
        "us" => text::micros(value),
        "share" => text::share(value),
        "count" | "ratio" => text::ratio(value).trim_end_matches(".00").to_owned(),
        _ => format!("{} {unit}", text::ratio(value)),
    }
}
