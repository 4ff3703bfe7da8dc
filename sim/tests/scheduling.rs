//! How well a manycall's items, and calls that one site has no room for, are spread.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Call, check_items, run, run_shipped};
use edge_faas_core::results::Outcome;

const SPEEDS: [u32; 4] = [1, 2, 4, 10];
const ITEMS: u64 = 1_000;

/// A manycall of 1,000 items of 1 s on four providers of the speeds 1, 2, 4 and 10 with one slot each.
fn mixed(policy: &str, round_trip: &str) -> Vec<Call> {
    let classes: String = SPEEDS
        .iter()
        .map(|speed| {
            format!("[[node_class]]\nname = \"speed-{speed}\"\ncount = 1\ncores = 1\nspeed = {speed}\nregion = \"workers\"\n")
        })
        .collect();
    let free = "[faas]\nforward_cpu = \"0s\"\nmessage_cpu = \"0s\"\n";
    manycall(&format!("{free}{classes}"), round_trip, 1, ITEMS, policy)
}

/// A manycall of items of 1 s over the nodes in the region `workers`, with `slots` each; it enters elsewhere.
fn manycall(parts: &str, round_trip: &str, slots: u32, items: u64, policy: &str) -> Vec<Call> {
    let calls = run(&format!(
        r#"
name = "manycall"
seed = 1

[network]
nodes = 8
start = "converged"
latency = "{round_trip}"

{parts}
[[node_class]]
name = "entry"
count = 1
region = "entry"

[[node_class]]
name = "others"

[[function]]
name = "task"
providers = {{ region = "workers" }}
service_time = "1s"
concurrency = {slots}
queue = 1000
idempotent = true
timeout = "1d"

[[phase]]
name = "map"
duration = "1min"
manycall = {{ items = {items}, every = "1min", policy = "{policy}", entry = {{ region = "entry" }} }}
"#
    ))
    .calls();
    assert_eq!(check_items(&calls, items), 1);
    assert!(calls.iter().all(|call| call.outcome == Outcome::Ok));
    calls
}

/// Seconds from the first item due to the last ended.
fn makespan(calls: &[Call]) -> f64 {
    let from = calls.iter().map(|call| call.scheduled).min().unwrap();
    let to = calls.iter().filter_map(|call| call.done).max().unwrap();
    (to - from) as f64 / 1e6
}

/// The makespan of the best assignment of whole items of 1 s to the speeds: each item goes to whoever ends it first.
fn ideal() -> f64 {
    let mut ends = [0.0f64; SPEEDS.len()];
    for _ in 0..ITEMS {
        let next = |at: usize, ends: &[f64; 4]| ends[at] + 1.0 / f64::from(SPEEDS[at]);
        let best = (0..SPEEDS.len()).min_by(|a, b| next(*a, &ends).total_cmp(&next(*b, &ends))).unwrap();
        ends[best] = next(best, &ends);
    }
    ends.iter().copied().fold(0.0, f64::max)
}

#[test]
fn late_binding_is_near_the_best_assignment() {
    // 1,000 items at 17 a second.
    assert!((58.8..59.1).contains(&ideal()), "{}", ideal());
    for policy in ["late-binding", "backup"] {
        let ratio = makespan(&mixed(policy, "0s")) / ideal();
        assert!((0.999..=1.05).contains(&ratio), "{policy} without delay: {ratio}");
        let ratio = makespan(&mixed(policy, "20ms")) / ideal();
        assert!((0.999..=1.10).contains(&ratio), "{policy} at 20 ms: {ratio}");
    }
}

/// A manycall of items that compute, over four equal providers of 50 slots and two cores each, at 20 ms.
fn equal(policy: &str, items: u64) -> Vec<Call> {
    let workers = "[[node_class]]\nname = \"worker\"\ncount = 4\ncores = 2\nregion = \"workers\"\n";
    manycall(workers, "20ms", 50, items, policy)
}

#[test]
fn equal_providers_get_equal_shares_of_what_computes() {
    // Fewer items than the slots of two providers: 100 s of work for eight cores.
    for policy in ["static", "late-binding"] {
        let makespan = makespan(&equal(policy, 100));
        assert!((12.5..=14.0).contains(&makespan), "{policy}: {makespan}");
    }
}

#[test]
fn a_static_split_takes_as_long_as_its_slowest_provider() {
    let calls = mixed("static", "0s");
    // 250 items of 1 s on the provider of speed 1.
    let makespan = makespan(&calls);
    assert!((249.9..=252.5).contains(&makespan), "{makespan}");
    let mut shares = std::collections::BTreeMap::new();
    for call in &calls {
        *shares.entry(call.provider.clone().unwrap()).or_insert(0) += 1;
    }
    assert!(shares.values().all(|share| *share == 250), "{shares:?}");
}

#[test]
fn copies_cut_the_tail_when_a_provider_stalls() {
    let stalled = |policy: &str| {
        let run = run(&format!(
            r#"
name = "stalled"
seed = 1

[network]
nodes = 8
start = "converged"
latency = "20ms"

[[function]]
name = "task"
providers = {{ nodes = ["1-4"] }}
service_time = "1s"
concurrency = 1
queue = 10
idempotent = true
timeout = "1d"

[[phase]]
name = "before"
duration = "1s"

[[phase]]
name = "map"
duration = "1min"
manycall = {{ items = 100, every = "1min", policy = "{policy}", entry = {{ nodes = [0] }} }}

[[fault]]
at = "0s"
slow = {{ nodes = [2], factor = 1000 }}
"#
        ));
        let calls = run.calls();
        assert_eq!(check_items(&calls, 100), 1);
        assert!(calls.iter().all(|call| call.outcome == Outcome::Ok));
        (makespan(&calls), run.attempts())
    };
    let (without, _) = stalled("late-binding");
    let (with, attempts) = stalled("backup");
    // The stalled item takes 1,000 s; the other three providers need 33.3 s for the rest, and a few for the copy.
    assert!(without > 900.0, "{without}");
    assert!(with < 40.0, "{with}");
    assert!(attempts.iter().any(|attempt| attempt.kind == "backup" && attempt.won));
}

#[test]
fn sites_that_pass_calls_on_serve_what_one_alone_cannot() {
    let run = run_shipped("federation-overflow.toml", &["--repetitions", "1", "--set", "output.calls=false"]);
    for variant in &run.manifest.variants {
        let good = run.statistic(variant, "goodput", "phase=load", "rate");
        let failed = 1.0 - run.statistic(variant, "success", "phase=load", "share");
        if variant.contains("alone") {
            // 10 slots of 0.94 s.
            assert!((10.0..=10.7).contains(&good), "{variant}: {good} good calls/s");
            assert!(failed > 0.5, "{variant}: {failed} failed");
        } else {
            // The ideal is 30 slots / 0.94 s.
            assert!(good >= 0.9 * 30.0 / 0.94, "{variant}: {good} good calls/s");
            assert!(failed <= 0.01, "{variant}: {failed} failed");
        }
    }
    assert_eq!(run.manifest.variants.len(), 4);
}
