//! What a Kademlia network must look like: depth against size, and a settled start against one that joined.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Run, run_with};
use edge_faas_core::results::{LookupPurpose, LookupRecord, NodeRecord, Table};
use std::collections::BTreeMap;

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

/// Nodes that come and go; `rest` lets a network that joined reach its steady state.
const CHURN: &str = r#"
name = "churn"
seed = 5
repetitions = 3
[network]
nodes = 1000
start = "converged"
join_over = "60s"
latency = { constant = "40ms" }
[churn]
session = { exponential = "20min" }
gap = { exponential = "10min" }
[faas]
message_cpu = "0s"
[[function]]
name = "f"
copies = 400
providers = 3
service_time = { constant = "1ms" }
[[phase]]
name = "rest"
duration = "1s"
[[phase]]
name = "calls"
duration = "60s"
anycall = { rate = "20/s", arrivals = "constant" }
[output]
attempts = false
timeline = false
"#;

/// What is compared between networks under churn, at the end of three repetitions.
fn under_churn(start: &str, rest: &str, seed: u32) -> [(&'static str, f64); 7] {
    let settings =
        [format!("network.start={start}"), format!("phase.rest.duration={rest}"), format!("seed={seed}")];
    let mut words = vec!["--threads", "2"];
    for setting in &settings {
        words.extend(["--set", setting]);
    }
    let run = run_with(CHURN, &words);
    let mut up = BTreeMap::new();
    for event in run.events() {
        if let Some(node) = event.node {
            up.insert((event.repetition, node), event.kind == "join");
        }
    }
    let (mut entries, mut stale, mut count) = (0.0, 0.0, 0.0);
    let mut reader = run.reader(Table::Nodes);
    while let Some((context, node)) = reader.next::<NodeRecord>().unwrap() {
        let key = (context.repetition.unwrap(), node.node.to_string());
        // One that nothing happened to has been up, or away, all the time.
        if up.get(&key).copied().unwrap_or(node.uptime_us > 0) {
            let size = f64::from(node.table_size);
            entries += size;
            stale += size * node.stale_share.unwrap_or(0.0);
            count += 1.0;
        }
    }
    let call = |value: fn(&LookupRecord<'_>) -> f64| mean(&run, LookupPurpose::Call, value);
    [
        ("nodes up", count),
        ("table size", entries / count),
        ("stale share", stale / entries),
        ("requests", call(|row| f64::from(row.requests))),
        ("look-up time", call(|row| (row.done_us.unwrap_or(0) - row.start_us) as f64)),
        ("time-outs", call(|row| f64::from(row.timeouts))),
        ("live among found", call(|row| f64::from(row.found_live.unwrap()) / f64::from(row.found.max(1)))),
    ]
}

/// Compares networks under churn over some seeds.
fn compare_under_churn(seeds: &[u32], tolerance: f64) {
    let mean_of = |start: &str, rest: &str| {
        let mut sums = under_churn(start, rest, seeds[0]);
        for seed in &seeds[1..] {
            for (sum, more) in sums.iter_mut().zip(under_churn(start, rest, *seed)) {
                sum.1 += more.1;
            }
        }
        sums
    };
    let (joined, settled) = (mean_of("join", "60min"), mean_of("converged", "1s"));
    let off = |a: f64, b: f64| b / a - 1.0;
    let rows: Vec<String> = joined
        .iter()
        .zip(&settled)
        .map(|((what, joined), (_, settled))| format!("{what} {:+.1} %", off(*joined, *settled) * 100.0))
        .collect();
    println!("settled against joined: {}", rows.join(", "));
    assert!(joined.iter().zip(&settled).all(|(a, b)| off(a.1, b.1).abs() <= tolerance), "{rows:#?}");
}

/// Three repetitions differ from three others by some per cent: how many nodes happen to be away says most.
#[test]
fn under_churn_a_settled_network_is_like_one_that_joined() {
    compare_under_churn(&[5], 0.10);
}

#[test]
#[ignore = "some minutes of processor time: cargo test --release -p edge-faas-sim --test theory -- --ignored"]
fn under_churn_a_settled_network_is_within_five_per_cent_of_one_that_joined() {
    compare_under_churn(&[1, 2, 3, 4, 5], 0.05);
}

#[test]
#[ignore = "a minute of processor time in a release build: cargo test --release -p edge-faas-sim --test theory -- --ignored"]
fn a_settled_network_of_ten_thousand_is_like_one_that_joined() {
    compare(10_000, "300s");
}
