//! What goes wrong is survived: crashes, silence, partitions, runtimes that are down, nodes that misbehave.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Call, Run, check_items, outcomes, run, success};
use edge_faas_core::results::Outcome;
use std::collections::{BTreeMap, BTreeSet};

const BASE: &str = r#"
name = "faults"
seed = 11

[network]
nodes = 100
start = "converged"
latency = { uniform = { low = "10ms", high = "60ms" } }
"#;

/// The instants from which each node was down, by name.
fn deaths(run: &Run) -> BTreeMap<String, i64> {
    run.events()
        .into_iter()
        .filter(|event| event.kind == "kill" || event.kind == "power_off")
        .filter_map(|event| Some((event.node?, event.time)))
        .collect()
}

/// Attempts at dead providers, by the time since the death.
fn attempts_at_the_dead(run: &Run) -> Vec<(i64, String)> {
    let deaths = deaths(run);
    assert!(!deaths.is_empty());
    let entries: BTreeMap<u64, String> =
        run.calls().into_iter().map(|call| (call.call, call.entry)).collect();
    run.attempts()
        .into_iter()
        .filter_map(|attempt| {
            let since = attempt.start - *deaths.get(&attempt.provider)?;
            (since > 0).then(|| (since, entries[&attempt.call].clone()))
        })
        .collect()
}

#[test]
fn when_five_percent_crash_at_once_hardly_a_call_fails() {
    for (kind, seed) in [("crash", 1), ("crash", 2), ("power_off", 1), ("power_off", 2)] {
        let scenario = BASE.replace("seed = 11", &format!("seed = {seed}"))
            + &format!(
                r#"
[[function]]
name = "f"
copies = 10
providers = 3
service_time = {{ lognormal = {{ median = "50ms", sigma = 0.5 }} }}
concurrency = 16
idempotent = true

[[phase]]
name = "calls"
duration = "60s"
anycall = {{ rate = "100/s", policy = "nearest" }}
manycall = {{ items = 50, every = "2s" }}

[[fault]]
at = "20s"
{kind} = {{ share = "5%" }}
"#
            );
        let run = run(&scenario);
        let calls = run.calls();
        assert_eq!(deaths(&run).len(), 5);
        let any: Vec<&Call> = calls.iter().filter(|call| call.map.is_none()).collect();
        assert!(any.len() > 5_500);
        let share = success(any.iter().copied());
        assert!(share >= 0.999, "{kind}, seed {seed}: {share}: {:?}", outcomes(any));
        assert_eq!(check_items(&calls, 50), 30);
        let items: Vec<&Call> = calls.iter().filter(|call| call.map.is_some()).collect();
        let share = success(items.iter().copied());
        assert!(share >= 0.999, "{kind}, seed {seed}, items: {share}: {:?}", outcomes(items));
    }
}

/// One entry, busy with calls to a handful of providers, one of which dies.
fn busy_entry(fault: &str) -> Run {
    run(&format!(
        r#"
{BASE}
[[function]]
name = "f"
providers = {{ nodes = ["10-14"] }}
service_time = "100ms"
work = "sleep"
concurrency = 50
idempotent = true

[[phase]]
name = "calls"
duration = "40s"
anycall = {{ rate = "100/s", policy = "random", entry = {{ nodes = [50] }} }}

[[fault]]
at = "20s"
{fault} = {{ nodes = [11] }}
"#
    ))
}

#[test]
fn a_silent_provider_gets_no_new_call_after_two_seconds() {
    let run = busy_entry("power_off");
    let late = attempts_at_the_dead(&run);
    assert!(!late.is_empty(), "nobody called the dead one: the test shows nothing");
    let last = late.iter().map(|(since, _)| *since).max().unwrap();
    assert!(last <= 2_000_000, "an attempt {last} µs after the power-off");
    assert_eq!(success(&run.calls()), 1.0, "{:?}", outcomes(&run.calls()));
    // What the timeline counts is the same.
    let counted: u64 = run.timeline().iter().map(|second| second.calls_to_dead.unwrap()).sum();
    assert_eq!(counted, late.len() as u64);
    for second in run.timeline() {
        assert!(second.calls_to_dead == Some(0) || (20..23).contains(&second.second), "{}", second.second);
    }
}

#[test]
fn a_killed_provider_gets_no_new_call_after_a_round_trip() {
    let run = busy_entry("kill");
    let late = attempts_at_the_dead(&run);
    // No round trip is longer than 60 ms.
    for (since, _) in late {
        assert!(since <= 160_000, "an attempt {since} µs after the kill");
    }
    assert_eq!(success(&run.calls()), 1.0, "{:?}", outcomes(&run.calls()));
}

#[test]
fn a_function_that_nobody_provides_any_more_is_unavailable() {
    let scenario = format!(
        r#"
{BASE}
[[function]]
name = "gone"
providers = 3
service_time = "20ms"
idempotent = true

[[function]]
name = "here"
providers = 3
service_time = "20ms"
idempotent = true

[[phase]]
name = "calls"
duration = "30s"
anycall = {{ rate = "40/s", deadline = "20s" }}
manycall = {{ items = 5, every = "3s", functions = "gone" }}

[[fault]]
at = "10s"
FAULT
"#
    );
    for (fault, wanted) in [
        ("kill = { function = \"gone\" }", [Outcome::Unavailable; 2]),
        ("power_off = { function = \"gone\" }", [Outcome::Unavailable; 2]),
        // They come back as others with nothing: what is known of them leads nowhere.
        ("restart = { function = \"gone\", fresh = true }", [Outcome::Unavailable, Outcome::NotFound]),
    ] {
        let run = run(&scenario.replace("FAULT", fault));
        let calls = run.calls();
        check_items(&calls, 5);
        let after: Vec<&Call> = calls
            .iter()
            .filter(|call| call.function == "gone" && call.scheduled > 10_500_000)
            .filter(|call| call.outcome != Outcome::EntryDown)
            .collect();
        assert!(after.len() > 100);
        let counts = outcomes(after.iter().copied());
        assert!(counts.keys().all(|outcome| wanted.contains(outcome)), "{fault}: {counts:?}");
        for call in after {
            assert!(call.latency.unwrap() <= 20_000_000 || call.map.is_some(), "{call:?}");
        }
        let others: Vec<&Call> = calls.iter().filter(|call| call.function == "here").collect();
        assert!(success(others.iter().copied()) > 0.99, "{fault}: {:?}", outcomes(others));
    }
}

#[test]
fn a_partition_heals_by_itself() {
    let scenario = format!(
        r#"
{BASE}
[[function]]
name = "f"
providers = 4
service_time = "20ms"
idempotent = true

[[phase]]
name = "calls"
duration = "90s"
anycall = {{ rate = "50/s", deadline = "10s" }}
manycall = {{ items = 10, every = "2s", deadline = "30s" }}

[[fault]]
at = "20s"
for = "20s"
partition = {{ function = "f", count = 3 }}
"#
    );
    let run = run(&scenario);
    let calls = run.calls();
    assert_eq!(check_items(&calls, 10), 45);
    let share = |from: i64, to: i64| {
        success(calls.iter().filter(|call| (from..to).contains(&(call.scheduled / 1_000_000))))
    };
    assert_eq!(share(0, 19), 1.0);
    // Ten seconds after it is over, all is as before.
    assert_eq!(share(50, 90), 1.0, "{:?}", outcomes(&calls));
}

#[test]
fn short_partitions_and_short_silence_leave_no_call_without_an_end() {
    // Shorter than what it takes to find a peer dead, with calls in flight and without any deadline.
    for fault in [
        "partition = { function = \"f\", count = 3 }",
        "power_off = { function = \"f\", count = 3 }",
        "kill = { function = \"f\", count = 3 }",
        "runtime_down = { function = \"f\", count = 3 }",
        "degrade = { function = \"f\", count = 3, latency = \"500ms\", loss = \"20%\" }",
    ] {
        for length in ["50ms", "300ms", "900ms", "1500ms"] {
            let scenario = format!(
                r#"
{BASE}
[[function]]
name = "f"
providers = 6
service_time = "100ms"
work = "sleep"
concurrency = 20
idempotent = true
timeout = "1h"

[[phase]]
name = "calls"
duration = "20s"
anycall = {{ rate = "20/s", policy = "random" }}
manycall = {{ items = 40, every = "500ms" }}

[[fault]]
at = "5020ms"
for = "{length}"
{fault}
"#
            );
            let run = run(&scenario);
            let calls = run.calls();
            assert_eq!(check_items(&calls, 40), 40);
            let share = success(&calls);
            assert!(share > 0.999, "{fault} for {length}: {share} {:?}", outcomes(&calls));
            let slowest = calls.iter().filter_map(|call| call.latency).max().unwrap();
            assert!(slowest < 60_000_000, "{fault} for {length}: a call took {slowest} µs");
        }
    }
}

#[test]
fn when_one_of_three_runtimes_is_down_no_call_fails() {
    for policy in ["nearest", "random", "local-first", "least-outstanding", "power-of-two", "race"] {
        let run = run(&format!(
            r#"
{BASE}
[[function]]
name = "f"
providers = 3
service_time = "50ms"
concurrency = 50
idempotent = true

[[phase]]
name = "calls"
duration = "30s"
anycall = {{ rate = "50/s", policy = "{policy}" }}
manycall = {{ items = 20, every = "2s" }}

[[fault]]
at = "10s"
for = "10s"
runtime_down = {{ function = "f", count = 1 }}
"#
        ));
        let calls = run.calls();
        assert_eq!(check_items(&calls, 20), 15);
        assert_eq!(success(&calls), 1.0, "{policy}: {:?}", outcomes(&calls));
        assert!(calls.iter().any(|call| call.attempts > 1), "{policy}: the fault was never met");
    }
}

#[test]
fn nodes_that_misbehave_in_the_dht_are_survived() {
    for kind in ["lie", "black-hole", "slow"] {
        let run = run(&format!(
            r#"
{BASE}
[[function]]
name = "f"
copies = 20
providers = 3
service_time = "20ms"
idempotent = true

[[phase]]
name = "calls"
duration = "60s"
anycall = {{ rate = "50/s" }}

[[fault]]
at = "5s"
misbehave = {{ share = "10%", kind = "{kind}" }}
"#
        ));
        let calls = run.calls();
        let share = success(&calls);
        assert!(share >= 0.99, "{kind}: {share} {:?}", outcomes(&calls));
    }
}

#[test]
fn a_node_that_returns_serves_again_and_a_fresh_one_does_not() {
    for fresh in [false, true] {
        let run = run(&format!(
            r#"
{BASE}
[[function]]
name = "f"
providers = 2
service_time = "20ms"
idempotent = true
concurrency = 50

[[phase]]
name = "calls"
duration = "180s"
anycall = {{ rate = "20/s", policy = "random" }}

[[fault]]
at = "20s"
for = "20s"
power_off = {{ function = "f", count = 1, fresh = {fresh} }}
"#
        ));
        let calls = run.calls();
        assert!(success(&calls) > 0.999, "{:?}", outcomes(&calls));
        let served = |from: i64, to: i64| -> BTreeSet<String> {
            calls
                .iter()
                .filter(|call| (from..to).contains(&(call.scheduled / 1_000_000)))
                .filter_map(|call| call.provider.clone())
                .collect()
        };
        assert_eq!(served(0, 20).len(), 2);
        assert_eq!(served(25, 40).len(), 1);
        assert_eq!(served(120, 180).len(), if fresh { 1 } else { 2 }, "fresh: {fresh}");
    }
}
