//! The summary as a run prints it at its end: what a person wants to know first.

use super::summary::Summary;
use super::text;
use super::word::Outcome;

/// The summary of one variant as plain text: a table of the phases, then what else there is to say, a line each.
///
/// Every number is the median over the repetitions. Latencies are of `ok` calls; look-up, network and exec are
/// means, so that they can be held against each other.
pub fn terminal_summary(summary: &Summary) -> String {
    let mut out = phases(summary);
    for line in [failures(summary), not_counted(summary), maps(summary), lookups(summary), load(summary)]
        .into_iter()
        .flatten()
        .chain(faults(summary))
    {
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// The table: one row a phase, all numbers to the right.
fn phases(summary: &Summary) -> String {
    type Cell = fn(f64) -> String;
    const COLUMNS: [(&str, &str, &str, Cell); 9] = [
        ("calls", "calls", "count", text::count),
        ("ok", "success", "share", text::share),
        ("p50", "latency", "p50", text::micros),
        ("p95", "latency", "p95", text::micros),
        ("p99", "latency", "p99", text::micros),
        ("look-up", "lookup", "mean", text::micros),
        ("network", "network", "mean", text::micros),
        ("exec", "exec", "mean", text::micros),
        ("attempts", "attempts", "mean", text::ratio),
    ];
    let mut names: Vec<&str> = Vec::new();
    for phase in summary.repetitions().iter().flat_map(|repetition| &repetition.phases) {
        if !names.contains(&phase.as_str()) {
            names.push(phase);
        }
    }
    if names.is_empty() {
        return "no calls in a measured phase\n\n".into();
    }
    let mut rows = vec![vec!["phase".to_owned()]];
    rows[0].extend(COLUMNS.iter().map(|column| column.0.to_owned()));
    for name in names {
        let group = format!("phase={name}");
        let cells = COLUMNS.iter().map(|(_, metric, statistic, show)| {
            summary.median(metric, &group, statistic).map_or_else(|| "-".to_owned(), show)
        });
        rows.push(std::iter::once(name.to_owned()).chain(cells).collect());
    }
    let repetitions = match summary.repetitions().len() {
        1 => "one repetition".into(),
        several => format!("medians of {several} repetitions"),
    };
    let table = text::table(&rows);
    format!("{table}{repetitions}; latencies of ok calls; look-up, network and exec are means\n\n")
}

fn outcome(summary: &Summary, outcome: Outcome) -> f64 {
    summary.median("outcome", "all", outcome.as_str()).unwrap_or(0.0)
}

/// What went wrong with the calls that count, if anything did.
fn failures(summary: &Summary) -> Option<String> {
    let failed: Vec<String> = Outcome::ALL
        .iter()
        .filter(|kind| kind.counts() && **kind != Outcome::Ok)
        .map(|kind| (kind, outcome(summary, *kind)))
        .filter(|(_, count)| *count > 0.0)
        .map(|(kind, count)| format!("{} {}", text::count(count), words(*kind)))
        .collect();
    (!failed.is_empty()).then(|| format!("failed   {}", failed.join("   ")))
}

/// The calls that success leaves out: said even if there are none, so that nobody has to ask.
fn not_counted(summary: &Summary) -> Option<String> {
    summary.get("calls", "all", "count")?;
    let left_out: Vec<String> = Outcome::ALL
        .iter()
        .filter(|kind| !kind.counts())
        .map(|kind| format!("{} {}", text::count(outcome(summary, *kind)), words(*kind)))
        .collect();
    Some(format!("not counted   {}", left_out.join("   ")))
}

fn words(outcome: Outcome) -> String {
    match outcome {
        Outcome::Unavailable => "without a live provider".into(),
        other => other.as_str().replace('_', " "),
    }
}

fn maps(summary: &Summary) -> Option<String> {
    let get = |metric, statistic| summary.median(metric, "all", statistic);
    let count = get("maps", "count")?;
    let mut line = format!(
        "manycalls {}   items {}   makespan p50 {}   p95 {}",
        text::count(count),
        text::count(get("items", "count")?),
        text::micros(get("makespan", "p50")?),
        text::micros(get("makespan", "p95")?),
    );
    if let Some(speed_up) = get("speed_up", "p50") {
        line += &format!("   speed-up {}", text::ratio(speed_up));
    }
    line += &format!("   {} items not ok", text::count(get("items_not_ok", "count")?));
    Some(line)
}

fn lookups(summary: &Summary) -> Option<String> {
    let get = |metric, statistic| summary.median(metric, "all", statistic);
    let count = get("lookups", "count").filter(|count| *count > 0.0)?;
    let mut line = format!("look-ups {}", text::count(count));
    if let Some(hops) = get("lookup_depth", "mean") {
        line += &format!("   mean hops {hops:.1}");
    }
    if let Some(requests) = get("lookup_requests", "mean") {
        line += &format!("   {requests:.0} requests");
    }
    if let Some(time) = get("lookup_time", "p50") {
        line += &format!("   p50 {}", text::micros(time));
    }
    line += &format!("   {} failed", text::count(get("lookups_failed", "count").unwrap_or(0.0)));
    if let Some(correct) = get("lookup_correct", "share") {
        line += &format!("   {} found the closest", text::share(correct));
    }
    Some(line)
}

fn load(summary: &Summary) -> Option<String> {
    let nodes = summary.median("nodes", "all", "count")?;
    let mut line = format!("nodes {}", text::count(nodes));
    if let Some(upkeep) = summary.median("traffic", "class=upkeep", "bytes") {
        line += &format!("   upkeep {} B/s a node", text::ratio(upkeep));
    }
    if let Some(table) = summary.median("table_size", "all", "mean") {
        line += &format!("   routing table {} entries", text::count(table));
    }
    if let Some(jain) = summary.median("load", "all", "jain") {
        line += &format!("   fairness of load {jain:.2}");
    }
    Some(line)
}

/// One line for each fault that struck, in the order of the scenario.
fn faults(summary: &Summary) -> impl Iterator<Item = String> {
    let mut seen: Vec<(u32, i64, &str)> = Vec::new();
    for fault in summary.repetitions().iter().flat_map(|repetition| &repetition.faults) {
        if !seen.iter().any(|(number, ..)| *number == fault.number) {
            seen.push((fault.number, fault.time_us, fault.label.as_str()));
        }
    }
    seen.sort_unstable();
    seen.into_iter().map(|(number, time, label)| {
        let after = match summary.median("recovery", &format!("fault={number}"), "time") {
            None => "not enough calls before or after it to say when they were back to normal".into(),
            Some(f64::INFINITY) => "calls did not come back to normal".into(),
            Some(0.0) => "calls stayed normal".into(),
            Some(time) => format!("calls back to normal after {}", text::micros(time)),
        };
        format!("{label} at {}; {after}", text::clock(time))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;
    use super::*;

    #[test]
    fn a_run_says_what_a_person_wants_to_know_first() {
        let (_, written) = run(3);
        insta::assert_snapshot!(terminal_summary(&written.summaries[0].1), @r"
        phase   calls      ok    p50    p95    p99  look-up  network   exec  attempts
        steady  1 500  99.4 %  65 ms  76 ms  80 ms   376 µs    35 ms  30 ms      1.01
        medians of 3 repetitions; latencies of ok calls; look-up, network and exec are means

        failed   9 timeout
        not counted   0 without a live provider   0 entry down   0 entry lost
        manycalls 5   items 150   makespan p50 1.04 s   p95 1.04 s   speed-up 0.89   0 items not ok
        look-ups 18   mean hops 2.9   43 requests   p50 40 ms   1 failed   100 % found the closest
        nodes 8   upkeep 200 B/s a node   routing table 7 entries   fairness of load 1.00
        kill 5 % of the nodes at 0:40; calls back to normal after 2.90 s
        ");
    }

    #[test]
    fn a_run_without_calls_says_so() {
        insta::assert_snapshot!(terminal_summary(&Summary::new(Vec::new())), @"no calls in a measured phase");
    }
}
