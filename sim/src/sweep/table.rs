//! A sweep's results as one table: factors as columns.

use edge_faas_core::results::{Overall, StoppingRule, Summary, text};
use edge_faas_core::scenario::Variant;
use std::io::Write;

/// What the table on the terminal shows, if any variant has it: heading, metric, statistic, how a value reads, and
/// whether its interval is shown.
const COLUMNS: [(&str, &str, &str, fn(f64) -> String, bool); 7] = [
    ("calls", "calls", "count", text::count, false),
    ("ok", "success", "share", text::share, false),
    ("p50", "latency", "p50", text::micros, true),
    ("p95", "latency", "p95", text::micros, true),
    ("p99", "latency", "p99", text::micros, false),
    ("goodput/s", "goodput", "rate", text::ratio, false),
    ("makespan", "makespan", "p50", text::micros, true),
];

/// The columns of the tidy table that follow the factors.
const TIDY: [&str; 9] = ["metric", "group", "statistic", "value", "unit", "low", "high", "n", "method"];

/// Writes the statistics over all repetitions as CSV: a column for each factor, with the level of the variant, then
/// those of `summary.csv`.
///
/// # Errors
/// If `out` does not take it.
pub(crate) fn write_csv(
    variants: &[Variant],
    summaries: &[(String, Summary)],
    out: impl Write,
) -> Result<(), csv::Error> {
    let mut csv = csv::Writer::from_writer(out);
    let factors = variants.first().map_or(&[][..], |variant| &variant.values);
    let heading = |name: &String| {
        // A factor's name is the user's choice.
        if TIDY.contains(&name.as_str()) { format!("factor.{name}") } else { name.clone() }
    };
    csv.write_record(factors.iter().map(|(name, _)| heading(name)).chain(TIDY.map(str::to_owned)))?;
    for (variant, (_, summary)) in variants.iter().zip(summaries) {
        for row in summary.overall() {
            let (low, high) = row.value.interval.map_or((None, None), |(low, high)| (Some(low), Some(high)));
            let number = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
            let cells = [
                row.metric.to_string(),
                row.group.clone(),
                row.statistic.to_string(),
                row.value.median.to_string(),
                row.unit.to_string(),
                number(low),
                number(high),
                row.n.to_string(),
                row.value.method.clone(),
            ];
            csv.write_record(variant.values.iter().map(|(_, level)| level.clone()).chain(cells))?;
        }
    }
    csv.flush()?;
    Ok(())
}

/// The table as a person reads it: a row for each variant, and for each phase if there are several. What the rule looked
/// at is shown too.
pub(crate) fn for_terminal(
    variants: &[Variant],
    summaries: &[(String, Summary)],
    rule: Option<&StoppingRule>,
) -> String {
    let phases = |summary: &Summary| -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in summary.repetitions().iter().flat_map(|repetition| &repetition.phases) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    };
    let several = summaries.iter().any(|(_, summary)| phases(summary).len() > 1);
    let mut lines: Vec<(Vec<String>, &Summary, String)> = Vec::new();
    for (variant, (_, summary)) in variants.iter().zip(summaries) {
        let mut head: Vec<String> = variant.values.iter().map(|(_, level)| level.clone()).collect();
        head.push(summary.repetitions().len().to_string());
        if !several {
            lines.push((head, summary, "all".to_owned()));
            continue;
        }
        for phase in phases(summary) {
            let mut head = head.clone();
            head.push(phase.clone());
            lines.push((head, summary, format!("phase={phase}")));
        }
    }
    let find = |summary: &Summary, metric: &str, group: &str, statistic: &str| -> Option<Overall> {
        let is = |row: &&Overall| row.metric == metric && row.group == group && row.statistic == statistic;
        summary.overall().iter().find(is).cloned()
    };
    let shown: Vec<_> = COLUMNS
        .iter()
        .filter(|(_, metric, statistic, ..)| {
            lines.iter().any(|(_, summary, group)| find(summary, metric, group, statistic).is_some())
        })
        .collect();

    let mut heading: Vec<String> = variants
        .first()
        .map_or(&[][..], |variant| &variant.values)
        .iter()
        .map(|(name, _)| name.rsplit('.').next().unwrap_or(name).to_owned())
        .collect();
    heading.push("n".into());
    if several {
        heading.push("phase".into());
    }
    heading.extend(shown.iter().map(|(name, ..)| (*name).to_owned()));
    let judged = |row: &Overall, rule: &StoppingRule| {
        row.group == rule.group && format!("{}_{}", row.metric, row.statistic) == rule.metric
    };
    if let Some(rule) = rule {
        heading.push(if rule.group == "all" {
            rule.metric.clone()
        } else {
            format!("{} {}", rule.metric, rule.group)
        });
    }
    let mut rows = vec![heading];
    for (head, summary, group) in &lines {
        let mut row = head.clone();
        for (_, metric, statistic, show, with_interval) in &shown {
            row.push(match find(summary, metric, group, statistic) {
                None => "-".into(),
                Some(found) => match found.value.interval.filter(|_| *with_interval) {
                    Some((low, high)) => {
                        format!("{} [{} – {}]", show(found.value.median), show(low), show(high))
                    }
                    None => show(found.value.median),
                },
            });
        }
        if let Some(rule) = rule {
            let found = summary.overall().iter().find(|row| judged(row, rule));
            row.push(found.map_or_else(|| "-".into(), plain));
        }
        rows.push(row);
    }
    text::table(&rows)
}

/// A value with its interval, in its own unit.
fn plain(row: &Overall) -> String {
    let show: fn(f64) -> String = match row.unit.as_ref() {
        "us" => text::micros,
        "share" => text::share,
        "count" => text::count,
        _ => text::ratio,
    };
    match row.value.interval {
        Some((low, high)) => format!("{} [{} – {}]", show(row.value.median), show(low), show(high)),
        None => show(row.value.median),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge_faas_core::results::{RepetitionSummary, Statistic};

    fn summary(latency: &[f64]) -> Summary {
        let statistic =
            |metric: &'static str, statistic: &'static str, value, unit: &'static str| Statistic {
                metric: metric.into(),
                group: "all".into(),
                statistic: statistic.into(),
                value,
                unit: unit.into(),
                n: 9,
            };
        let repetition = |(number, latency): (usize, &f64)| RepetitionSummary {
            repetition: number as u32,
            statistics: vec![
                statistic("success", "share", 0.995, "share"),
                statistic("latency", "p95", *latency, "us"),
            ],
            phases: vec!["steady".into()],
            faults: Vec::new(),
        };
        Summary::new(latency.iter().enumerate().map(repetition).collect())
    }

    fn variant(providers: &str, policy: &str) -> Variant {
        let text = "name = \"x\"\n[network]\nnodes = 2\n[[phase]]\nname = \"p\"\nduration = \"1s\"\n";
        struct Text(&'static str);
        impl edge_faas_core::scenario::Loader for Text {
            fn load(&self, _: &str) -> std::io::Result<Vec<u8>> {
                Ok(self.0.into())
            }
        }
        let loaded = edge_faas_core::scenario::Scenario::load("x", &Text(text), &[]).unwrap();
        let mut variant = loaded.variants[0].clone();
        variant.values =
            vec![("function.f.providers".into(), providers.into()), ("method".into(), policy.into())];
        variant
    }

    #[test]
    fn the_table_has_a_column_for_each_factor() {
        let variants = [variant("1", "a,b"), variant("2", "c")];
        let summaries = [
            ("v".to_owned(), summary(&[10_000.0, 20_000.0, 30_000.0])),
            ("w".to_owned(), summary(&[f64::INFINITY])),
        ];
        let mut bytes = Vec::new();
        write_csv(&variants, &summaries, &mut bytes).unwrap();
        insta::assert_snapshot!(String::from_utf8(bytes).unwrap(), @"");
        let rule = StoppingRule::parse("latency_p95 ±5%", 9).unwrap();
        insta::assert_snapshot!(for_terminal(&variants, &summaries, Some(&rule)), @"");
    }
}
