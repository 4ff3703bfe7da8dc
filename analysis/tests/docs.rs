//! `docs/comparing.md` and the example of margins against the code.

// A test that cannot read what it needs has failed: the panic says where.
#![allow(clippy::unwrap_used)]

use edge_faas_analysis::compare::{Better, Margin, Margins, Tolerance, Tolerated, default_margins};
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

fn percent(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A margin as a file would write it, in the unit of its metric.
fn absolute(metric: &str, margin: f64) -> String {
    match metric {
        _ if margin == 0.0 => "–".into(),
        "success" | "wasted_exec" | "lookup_correct" => format!("`\"{}\"`", percent(margin)),
        "latency" | "latency_with_failures" | "lookup" | "makespan" | "lookup_time" => {
            format!("`\"{margin}us\"`")
        }
        "recovery" => format!("`\"{}s\"`", margin / 1e6),
        _ => format!("`{margin}`"),
    }
}

/// The rows of the table whose header begins like this.
fn table(text: &str, header: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    lines.take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
}

#[test]
fn the_table_of_margins_is_the_code_s() {
    let rows: Vec<String> = default_margins()
        .map(|(metric, statistic, margin)| {
            let better = if margin.better == Better::Lower { "lower" } else { "higher" };
            let relative = if margin.relative > 0.0 {
                format!("`\"{}\"`", percent(margin.relative))
            } else {
                "–".into()
            };
            format!(
                "| `{metric}` | `{statistic}` | {better} | {relative} | {} |",
                absolute(metric, margin.absolute)
            )
        })
        .collect();
    assert_eq!(table(&read("docs/comparing.md"), "| metric | statistic |"), rows, "\n{}\n", rows.join("\n"));
}

#[test]
fn the_table_of_tolerances_is_the_code_s() {
    let rows: Vec<String> = Tolerated::DEFAULTS
        .iter()
        .map(|one| match one.tolerance {
            Some(Tolerance { relative, absolute_us }) => {
                format!(
                    "| `{}` | `\"{}\"` | `\"{}ms\"` |",
                    one.quantile,
                    percent(relative),
                    absolute_us / 1e3
                )
            }
            None => format!("| `{}` | only told | only told |", one.quantile),
        })
        .collect();
    assert_eq!(table(&read("docs/comparing.md"), "| quantile | relative |"), rows, "\n{}\n", rows.join("\n"));
}

#[test]
fn every_metric_that_is_judged_is_one_of_the_summary() {
    let results = read("docs/results.md");
    let summary = results.split("## summary.csv").nth(1).unwrap();
    for (metric, statistic, _) in default_margins() {
        let row = summary.lines().find(|line| {
            line.starts_with(&format!("| `{metric}` |")) && line.contains(&format!("`{statistic}`"))
        });
        assert!(row.is_some(), "docs/results.md has no {metric}.{statistic}");
    }
}

#[test]
fn the_example_of_margins_means_what_it_says() {
    let margins = Margins::read("docs/margins.toml", &read("docs/margins.toml")).unwrap();
    let of = |metric, statistic, unit| margins.of(metric, statistic, unit).unwrap();
    let lower = |relative, absolute| Some(Margin { better: Better::Lower, relative, absolute });
    assert_eq!(of("latency", "p50", "us"), lower(0.1, 1000.0));
    assert_eq!(of("latency", "p99", "us"), lower(0.2, 1000.0));
    assert_eq!(of("latency", "max", "us"), None);
    assert_eq!(of("exec", "p95", "us"), lower(0.05, 0.0));
    assert_eq!(of("exec", "p50", "us"), None);
    assert_eq!(of("attempts", "mean", "per call"), lower(0.02, 0.1));
    assert_eq!(of("traffic", "bytes", "bytes/s per node"), None);
    assert_eq!(of("makespan", "p50", "us"), lower(0.05, 10.0));
    let tolerances = margins.tolerances().unwrap();
    let of = |quantile| tolerances.iter().find(|one| one.quantile == quantile).unwrap().tolerance;
    assert_eq!(of("p50"), Some(Tolerance { relative: 0.15, absolute_us: 1000.0 }));
    assert_eq!(of("p90"), None);
    assert_eq!(of("p99"), Some(Tolerance { relative: 0.5, absolute_us: 10_000.0 }));
    assert!(read("docs/comparing.md").contains("](margins.toml)"));
}
