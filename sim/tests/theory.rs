//! What a Kademlia network must look like: depth against size, and a settled start against one that joined.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Run, run_with};
use edge_faas_core::results::{LookupPurpose, LookupRecord, Table};

/// Look-ups for calls in a settled network of `nodes`.
const SETTLED: &str = r#"
name = "settled"
seed = 5
[network]
nodes = 100
start = "converged"
settle = "1s"
latency = { constant = "40ms" }
[kademlia]
refresh_interval = "10h"
republish_interval = "10min"
[faas]
message_cpu = "0s"
[[function]]
name = "f"
copies = 400
providers = 3
service_time = { constant = "1ms" }
[[phase]]
name = "calls"
duration = "4s"
anycall = { rate = "100/s", arrivals = "constant" }
[output]
nodes = false
attempts = false
timeline = false
"#;

/// The mean of something over the look-ups of a kind.
fn mean(run: &Run, purpose: LookupPurpose, value: impl Fn(&LookupRecord<'_>) -> f64) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    let mut reader = run.reader(Table::Lookups);
    while let Some((_, row)) = reader.next::<LookupRecord>().unwrap() {
        if row.purpose == purpose {
            sum += value(&row);
            count += 1.0;
        }
    }
    assert!(count >= 300.0, "{count} look-ups");
    sum / count
}

/// Maymounkov and Mazières, section 3: most operations take log n + c steps.
#[test]
fn hops_grow_linearly_with_the_logarithm_of_the_size() {
    let points: Vec<(f64, f64)> = [100u32, 316, 1_000, 3_162, 10_000, 31_623, 100_000]
        .into_iter()
        .map(|nodes| {
            let run = run_with(SETTLED, &["--set", &format!("network.nodes={nodes}"), "--threads", "1"]);
            (libm::log2(f64::from(nodes)), mean(&run, LookupPurpose::Call, |row| f64::from(row.depth)))
        })
        .collect();
    let n = points.len() as f64;
    let (mx, my) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let sxy: f64 = points.iter().map(|(x, y)| (x - mx) * (y - my)).sum();
    let sxx: f64 = points.iter().map(|(x, _)| (x - mx) * (x - mx)).sum();
    let syy: f64 = points.iter().map(|(_, y)| (y - my) * (y - my)).sum();
    let (slope, fit) = (sxy / sxx, sxy * sxy / (sxx * syy));
    assert!(fit >= 0.95, "R² = {fit:.4} over {points:?}");
    assert!(slope > 0.0, "slope {slope} over {points:?}");
    println!("hops = {slope:.3} log2 N + c, R² = {fit:.4}: {points:?}");
}

#[test]
fn look_ups_without_churn_find_the_true_closest() {
    let run = run_with(SETTLED, &["--set", "network.nodes=1000", "--set", "phase.calls.duration=20s"]);
    let correct =
        mean(&run, LookupPurpose::Call, |row| f64::from(u8::from(row.closest_correct == Some(true))));
    assert!(correct >= 0.999, "{correct}");
}

/// A network that joins and one that is settled from the start, and what is compared between them.
fn compare(nodes: u32, joining: &str) {
    let settings = |start: &str, settle: &str| {
        [
            format!("network.nodes={nodes}"),
            format!("network.start={start}"),
            format!("network.settle={settle}"),
            format!("network.join_over={joining}"),
            "output.nodes=true".to_owned(),
            // The first connections of a joining network have idled out when the calls begin.
            "network.idle_timeout=5s".to_owned(),
        ]
    };
    let measure = |start: &str, settle: &str| {
        let settings = settings(start, settle);
        let mut words = vec!["--threads", "1"];
        for setting in &settings {
            words.extend(["--set", setting]);
        }
        let run = run_with(SETTLED, &words);
        let (mut table, mut count) = (0.0, 0.0);
        run.each_node(|node| {
            table += f64::from(node.table_size);
            count += 1.0;
        });
        [
            ("table size", table / count),
            ("depth", mean(&run, LookupPurpose::Call, |row| f64::from(row.depth))),
            ("requests", mean(&run, LookupPurpose::Call, |row| f64::from(row.requests))),
            (
                "look-up time",
                mean(&run, LookupPurpose::Call, |row| (row.done_us.unwrap_or(0) - row.start_us) as f64),
            ),
        ]
    };
    let (joined, settled) = (measure("join", "60s"), measure("converged", "1s"));
    for ((what, joined), (_, settled)) in joined.into_iter().zip(settled) {
        let off = settled / joined - 1.0;
        println!("{nodes} nodes, {what}: joined {joined:.3}, settled {settled:.3}, {:+.1} %", off * 100.0);
        assert!(off.abs() <= 0.05, "{nodes} nodes, {what}: joined {joined}, settled {settled}");
    }
}

#[test]
fn a_settled_network_is_like_one_that_joined() {
    compare(1_000, "60s");
}

#[test]
#[ignore = "a minute of processor time in a release build: cargo test --release -p edge-faas-sim --test theory -- --ignored"]
fn a_settled_network_of_ten_thousand_is_like_one_that_joined() {
    compare(10_000, "300s");
}
