//! A sweep's results as one table: factors as columns.

use edge_faas_core::results::{Overall, StoppingRule, Summary, text};
use edge_faas_core::scenario::Variant;
use std::io::Write;

/// A column of the table on the terminal.
struct Shown {
    heading: &'static str,
    metric: &'static str,
    statistic: &'static str,
    /// Whether its interval is shown too.
    interval: bool,
}

impl Shown {
    const fn new(
        heading: &'static str,
        metric: &'static str,
        statistic: &'static str,
        interval: bool,
    ) -> Self {
        Shown { heading, metric, statistic, interval }
    }
}

/// What the table shows, if any variant has it.
const COLUMNS: [Shown; 7] = [
    Shown::new("calls", "calls", "count", false),
    Shown::new("ok", "success", "share", false),
    Shown::new("p50", "latency", "p50", true),
    Shown::new("p95", "latency", "p95", true),
    Shown::new("p99", "latency", "p99", false),
    Shown::new("goodput/s", "goodput", "rate", false),
    Shown::new("makespan", "makespan", "p50", true),
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
    let several = summaries.iter().any(|(_, summary)| phases(summary).len() > 1);
    let mut lines: Vec<(Vec<String>, &Summary, String)> = Vec::new();
    for (variant, (_, summary)) in variants.iter().zip(summaries) {
        let mut head: Vec<String> = variant.values.iter().map(|(_, level)| level.clone()).collect();
        head.push(summary.repetitions().len().to_string());
        if several {
            lines.extend(phases(summary).into_iter().map(|phase| {
                let head = head.iter().cloned().chain([phase.to_owned()]).collect();
                (head, summary, format!("phase={phase}"))
            }));
        } else {
            lines.push((head, summary, "all".to_owned()));
        }
    }
    let any_has = |column: &&Shown| {
        lines.iter().any(|(_, summary, group)| summary.get(column.metric, group, column.statistic).is_some())
    };
    let shown: Vec<&Shown> = COLUMNS.iter().filter(any_has).collect();

    let factors = variants.first().map_or(&[][..], |variant| &variant.values);
    let mut heading: Vec<String> =
        factors.iter().map(|(name, _)| name.rsplit('.').next().unwrap_or(name).to_owned()).collect();
    heading.push("n".into());
    heading.extend(several.then(|| "phase".into()));
    heading.extend(shown.iter().map(|column| column.heading.to_owned()));
    heading.extend(rule.map(|rule| match rule.group.as_str() {
        "all" => rule.metric.clone(),
        group => format!("{} {group}", rule.metric),
    }));
    let mut rows = vec![heading];
    for (mut row, summary, group) in lines {
        for column in &shown {
            let found = summary.get(column.metric, &group, column.statistic);
            row.push(found.map_or_else(|| "-".into(), |found| reads(found, column.interval)));
        }
        if let Some(rule) = rule {
            let judged = |row: &&Overall| {
                row.group == rule.group && format!("{}_{}", row.metric, row.statistic) == rule.metric
            };
            let found = summary.overall().iter().find(judged);
            row.push(found.map_or_else(|| "-".into(), |found| reads(found, true)));
        }
        rows.push(row);
    }
    text::table(&rows)
}

/// The measured phases that had calls in any repetition.
fn phases(summary: &Summary) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in summary.repetitions().iter().flat_map(|repetition| &repetition.phases) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names
}

/// A statistic as a person reads it, with its interval if that is wanted.
fn reads(row: &Overall, interval: bool) -> String {
    let show: fn(f64) -> String = match row.unit.as_ref() {
        "us" => text::micros,
        "share" => text::share,
        "count" => text::count,
        _ => text::ratio,
    };
    match row.value.interval.filter(|_| interval) {
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
        insta::assert_snapshot!(String::from_utf8(bytes).unwrap(), @r#"
        function.f.providers,factor.method,metric,group,statistic,value,unit,low,high,n,method
        1,"a,b",success,all,share,0.995,share,0.995,0.995,3,median; range 1 and 3 of 3 cover 75.0 %
        1,"a,b",latency,all,p95,20000,us,10000,30000,3,median; range 1 and 3 of 3 cover 75.0 %
        2,c,success,all,share,0.995,share,,,1,single repetition
        2,c,latency,all,p95,inf,us,,,1,single repetition
        "#);
        let rule = StoppingRule::parse("latency_p95 ±5%", 9).unwrap();
        insta::assert_snapshot!(for_terminal(&variants, &summaries, Some(&rule)), @r"
        providers  method  n      ok                    p95            latency_p95
        1             a,b  3  99.5 %  20 ms [10 ms – 30 ms]  20 ms [10 ms – 30 ms]
        2               c  1  99.5 %                  never                  never
        ");
    }
}
