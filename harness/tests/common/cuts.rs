//! Faults that leave nodes alive: one that is cut off, links that get worse, a runtime that is down.

use super::{Place, Row, assert_in_time, assert_so_many, number, simulated};
use std::path::Path;

/// Node 1 is cut off, then node 2's links get worse, then node 3's runtime is down. Calls may be repeated.
pub const CUTS: &str = r#"
name = "cuts"
seed = 5
[network]
nodes = 5
settle = "200ms"
latency = "10ms"
[[function]]
name = "again"
providers = { nodes = ["1-3"] }
service_time = "300ms"
work = "sleep"
concurrency = 64
idempotent = true
[[phase]]
name = "open"
duration = "8s"
anycall = { every = "20ms", entry = { nodes = [4] }, policy = "round-robin" }
[[fault]]
at = "1s"
for = "2s"
partition = { nodes = [1] }
[[fault]]
at = "4s"
for = "1500ms"
degrade = { nodes = [2], latency = "100ms" }
[[fault]]
at = "6500ms"
for = "500ms"
runtime_down = { nodes = [3] }
"#;

/// A round trip over the links of node 2 when they are worse.
const WORSE_US: i64 = 210_000;

/// The attempts at a node that ended like this.
fn ended<'a>(attempts: &'a [Row], node: &str, outcome: &str) -> Vec<&'a Row> {
    attempts.iter().filter(|attempt| attempt["provider"] == node && attempt["outcome"] == outcome).collect()
}

fn last(attempts: &[&Row], column: &str) -> i64 {
    attempts.iter().map(|attempt| number(attempt, column)).max().expect("an attempt")
}

/// What the network took of the calls that were due from `from` to `to` and answered by node 2, in the middle.
fn over_bad_links(calls: &[Row], from: i64, to: i64) -> i64 {
    let due = |call: &&Row| (from..to).contains(&number(call, "scheduled_us")) && call["attempts"] == "1";
    let answered = calls.iter().filter(|call| call["provider"] == "node-2").filter(due);
    let mut network: Vec<i64> = answered.map(|call| number(call, "network_us")).collect();
    network.sort_unstable();
    network[network.len() / 2]
}

/// What holds for every run of [`CUTS`], whatever its nodes ran as.
pub fn check_cuts(place: &Place, scenario: &Path) {
    let simulated = simulated(scenario);
    let [predicted, real] = [simulated.rows("attempts.csv"), place.rows("attempts.csv")];
    let (predicted_calls, calls) = (simulated.rows("calls.csv"), place.rows("calls.csv"));
    for calls in [&predicted_calls, &calls] {
        for call in calls {
            assert_eq!(call["outcome"], "ok", "{call:?}");
        }
        // The way there and back, each 100 ms longer, while they are worse and not before and after.
        assert!(over_bad_links(calls, 4_500_000, 5_000_000) >= WORSE_US);
        assert!(over_bad_links(calls, 3_000_000, 3_500_000) < WORSE_US);
        assert!(over_bad_links(calls, 7_500_000, 8_000_000) < WORSE_US);
    }
    for attempts in [&predicted, &real] {
        let failed = attempts.iter().filter(|attempt| attempt["outcome"] != "ok").count();
        let known =
            ended(attempts, "node-1", "lost").len() + ended(attempts, "node-3", "runtime_error").len();
        assert_eq!(failed, known, "nobody else's attempts failed");
    }
    // Who is cut off is silent, and no call is sent to it once that is noticed; a runtime that is down says so at once.
    for (node, outcome) in [("node-1", "lost"), ("node-3", "runtime_error")] {
        let (predicted, real) = (ended(&predicted, node, outcome), ended(&real, node, outcome));
        eprintln!("{node}: {} {outcome} predicted, {} real", predicted.len(), real.len());
        assert_so_many(predicted.len(), real.len(), node);
        for column in ["start_us", "end_us"] {
            let (predicted, real) = (last(&predicted, column), last(&real, column));
            eprintln!("  last {column}: {predicted} predicted, {real} real");
            assert_in_time(predicted, real, node);
        }
    }
}
