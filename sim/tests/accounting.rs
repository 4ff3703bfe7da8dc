//! The files of a run agree with each other and with the schedule.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Call, EXEC, Run, check_items, run};
use edge_faas_core::results::{Outcome, TimelineRecord};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Open-loop calls at exact instants, closed-loop clients, manycalls; crashes, copies, races, refusals.
const SCENARIO: &str = r#"
name = "accounting"
seed = 5
repetitions = 2

[network]
nodes = 60
start = "converged"
latency = { uniform = { low = "5ms", high = "50ms" } }
loss = "0.5%"
bandwidth = { up = "20Mbit/s", down = "50Mbit/s" }

[[function]]
name = "f"
copies = 3
providers = 4
service_time = { lognormal = { median = "60ms", sigma = 0.8 } }
concurrency = 3
queue = 2
cold_start = "100ms"
keep_alive = "2s"
idempotent = true
failure_share = "2%"
timeout = "10s"
request = { exponential = "20kB" }
response = { exponential = "60kB" }

[[phase]]
name = "random"
duration = "20s"
anycall = { rate = "50/s", arrivals = "constant", policy = "random" }

[[phase]]
name = "race"
duration = "10s"
anycall = { every = "100ms", policy = "race" }
manycall = { items = 30, every = "2s", policy = "backup" }

[[phase]]
name = "clients"
duration = "10s"
anycall = { clients = 4, calls_per_client = 7, policy = "least-outstanding" }

[[phase]]
name = "map"
measure = false
duration = "10s"
manycall = { items = 25, every = "3s", policy = "static" }

[[fault]]
at = "8s"
kill = { share = "5%" }

[[fault]]
at = "23s"
power_off = { share = "5%" }

[[fault]]
at = "24s"
for = "5s"
slow = { function = "f-0", count = 1, factor = 50 }
"#;

fn shared() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| run(SCENARIO))
}

#[test]
fn the_parts_of_every_answered_call_add_up_exactly() {
    let mut answered = 0;
    for call in shared().calls() {
        assert_eq!(call.latency, call.done.map(|done| done - call.scheduled), "{call:?}");
        if matches!(call.outcome, Outcome::Ok | Outcome::FunctionError) {
            answered += 1;
            let sum: i64 = call.parts.iter().map(|part| part.unwrap_or(0)).sum();
            assert_eq!(Some(sum), call.latency, "{call:?}");
            for part in call.parts.iter().flatten() {
                assert!(*part >= 0, "{call:?}");
            }
            assert_eq!(call.forwards, u32::from(call.provider.as_ref() != Some(&call.entry)), "{call:?}");
            assert!(call.executions >= 1 && call.attempts >= 1, "{call:?}");
            assert!(call.response_bytes.is_some() && call.provider.is_some());
            assert_eq!(call.status, Some(if call.outcome == Outcome::Ok { 200 } else { 500 }));
        }
        assert!(call.wasted >= 0 && call.executions <= call.attempts, "{call:?}");
    }
    assert!(answered > 2_000);
}

#[test]
fn every_call_that_was_due_has_one_row() {
    let calls = shared().calls();
    let mut numbers: Vec<_> = calls.iter().map(|call| (call.repetition, call.call)).collect();
    numbers.sort_unstable();
    let rows = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), rows, "a call has two rows");
    for repetition in 0..2 {
        let of = |phase: &str, item: bool| -> Vec<&Call> {
            calls
                .iter()
                .filter(|call| call.repetition == repetition && call.phase == phase)
                .filter(|call| call.map.is_some() == item)
                .collect()
        };
        // Evenly at 50/s for 20 s, every 100 ms for 10 s, 4 clients of 7 calls each.
        assert!((999..=1_001).contains(&of("random", false).len()), "{}", of("random", false).len());
        assert_eq!(of("race", false).len(), 100);
        assert_eq!(of("clients", false).len(), 28);
        assert_eq!(of("race", true).len(), 5 * 30);
        assert_eq!(of("map", true).len(), 4 * 25);
        for (phase, from, to) in [("random", 0, 20), ("race", 20, 30), ("clients", 30, 40), ("map", 40, 50)] {
            for call in of(phase, false).iter().chain(&of(phase, true)) {
                assert!((from * 1_000_000..to * 1_000_000).contains(&call.scheduled), "{call:?}");
            }
        }
    }
    let (race, map): (Vec<Call>, Vec<Call>) =
        calls.into_iter().filter(|call| call.map.is_some()).partition(|call| call.phase == "race");
    assert_eq!(check_items(&race, 30), 10);
    assert_eq!(check_items(&map, 25), 8);
}

#[test]
fn attempts_are_those_of_the_calls() {
    let run = shared();
    let mut of: BTreeMap<(u32, u64), Vec<common::Attempt>> = BTreeMap::new();
    for attempt in run.attempts() {
        if let Some(end) = attempt.end {
            assert!(end >= attempt.start, "{attempt:?}");
        }
        of.entry((attempt.repetition, attempt.call)).or_default().push(attempt);
    }
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for call in run.calls() {
        let mut attempts = of.remove(&(call.repetition, call.call)).unwrap_or_default();
        attempts.sort_by_key(|attempt| attempt.attempt);
        // Of those that were under way when their entry died nobody tells.
        let told = if call.outcome == Outcome::EntryLost { attempts.len() as u32 } else { call.attempts };
        assert!(told <= call.attempts, "{call:?} {attempts:?}");
        assert!(attempts.iter().map(|a| a.attempt).eq(1..=told), "{call:?} {attempts:?}");
        let won: Vec<_> = attempts.iter().filter(|attempt| attempt.won).collect();
        let answered = matches!(call.outcome, Outcome::Ok | Outcome::FunctionError);
        assert_eq!(won.len(), usize::from(answered), "{call:?} {attempts:?}");
        for won in won {
            assert_eq!(Some(&won.provider), call.provider.as_ref());
            assert_eq!(won.outcome, call.outcome.as_str());
            assert_eq!(won.end, call.done, "{call:?} {won:?}");
            assert_eq!(won.exec, call.parts[EXEC], "{call:?} {won:?}");
        }
        // What surely ran is counted as an execution.
        let ran = attempts.iter().filter(|attempt| attempt.started == Some(true)).count();
        assert!(call.executions as usize >= ran, "{call:?} {attempts:?}");
        for attempt in &attempts {
            assert!(attempt.start >= call.scheduled, "{attempt:?}");
            *kinds.entry(attempt.kind.clone()).or_default() += 1;
        }
    }
    assert!(of.is_empty(), "attempts of no call: {of:?}");
    for kind in ["first", "retry", "race", "backup"] {
        assert!(kinds.contains_key(kind), "no {kind}: {kinds:?}");
    }
}

#[test]
fn the_timeline_is_the_sum_of_the_calls() {
    let run = shared();
    let (calls, timeline) = (run.calls(), run.timeline());
    let seconds = |at: i64| at.div_euclid(1_000_000);
    let mut offered: BTreeMap<i64, u64> = BTreeMap::new();
    let mut ok: BTreeMap<i64, u64> = BTreeMap::new();
    for call in &calls {
        *offered.entry(seconds(call.scheduled)).or_default() += 1;
        if call.outcome == Outcome::Ok {
            *ok.entry(seconds(call.done.unwrap())).or_default() += 1;
        }
    }
    let sum = |value: fn(&TimelineRecord) -> u64| {
        let mut sums: BTreeMap<i64, u64> = BTreeMap::new();
        for row in &timeline {
            if value(row) > 0 {
                *sums.entry(row.second).or_default() += value(row);
            }
        }
        sums
    };
    assert_eq!(sum(|row| row.offered), offered);
    assert_eq!(sum(|row| row.ok), ok);
    let ended: u64 = timeline
        .iter()
        .map(|row| {
            row.ok
                + row.function_error
                + row.not_found
                + row.unavailable
                + row.rejected
                + row.timeout
                + row.unreachable
                + row.unknown
                + row.truncated
                + row.entry_down
                + row.entry_lost
                + row.cancelled
                + row.unfinished
        })
        .sum();
    assert_eq!(ended, calls.len() as u64);
    assert_eq!(timeline.last().map(|row| row.in_flight), Some(0));
    // 60 nodes; 3 killed at 8 s and 3 powered off at 23 s, some perhaps the same.
    for row in &timeline {
        let up = row.nodes_up.unwrap();
        match row.second {
            ..=7 => assert_eq!(up, 60),
            8..=22 => assert_eq!(up, 57),
            _ => assert!((54..=57).contains(&up)),
        }
    }
}

/// The simulator counts all of them.
fn bytes_of(row: &TimelineRecord) -> u64 {
    let bytes = [row.upkeep_bytes, row.lookup_bytes, row.records_bytes, row.calls_bytes];
    bytes.iter().map(|bytes| bytes.unwrap()).sum()
}

#[test]
fn nodes_account_for_calls_and_bytes() {
    let run = shared();
    let calls = run.calls();
    let (mut bytes_in, mut bytes_out, mut executions, mut nodes) = (0, 0, 0, 0);
    run.each_node(|node| {
        bytes_in += node.upkeep_bytes_in.unwrap_or(0)
            + node.lookup_bytes_in.unwrap_or(0)
            + node.records_bytes_in.unwrap_or(0)
            + node.calls_bytes_in.unwrap_or(0);
        bytes_out += node.upkeep_bytes_out.unwrap_or(0)
            + node.lookup_bytes_out.unwrap_or(0)
            + node.records_bytes_out.unwrap_or(0)
            + node.calls_bytes_out.unwrap_or(0);
        executions += node.executions;
        nodes += 1;
        assert!(node.uptime_us >= 0 && node.busy_us >= 0);
        assert!((node.busy_us as f64) <= node.capacity * node.uptime_us as f64 + 1.0);
    });
    assert_eq!(nodes, 120);
    assert!(bytes_in <= bytes_out, "{bytes_in} bytes came in, {bytes_out} went out");
    assert!(bytes_in as f64 >= 0.9 * bytes_out as f64, "{bytes_in} bytes came in, {bytes_out} went out");
    let bodies: u64 = calls
        .iter()
        .filter(|call| call.forwards == 1)
        .map(|call| call.request_bytes + call.response_bytes.unwrap_or(0))
        .sum();
    assert!(bytes_out > bodies, "{bytes_out} bytes sent, bodies alone have {bodies}");
    let counted: u64 = calls.iter().map(|call| u64::from(call.executions)).sum();
    assert_eq!(executions, counted, "executions by node and by call");
    let timeline: u64 = run.timeline().iter().filter(|row| row.second >= 0).map(bytes_of).sum();
    assert_eq!(timeline, bytes_out, "bytes by second and by node");
}

/// Joining, announcing and settling leave no trace in what nodes did: that counts from time 0.
#[test]
fn nodes_count_from_time_zero() {
    let run = run(r#"
name = "zero"
seed = 3

[network]
nodes = 12
start = "join"
join_over = "30s"
settle = "1min"
latency = "10ms"

[[function]]
name = "f"
providers = 3
service_time = { exponential = "20ms" }
concurrency = 1
timeout = "10s"

[[phase]]
name = "calls"
duration = "20s"
anycall = { rate = "40/s", policy = "random" }
"#);
    let calls = run.calls();
    assert!(calls.iter().all(|call| call.outcome == Outcome::Ok));
    let (mut executions, mut busy, mut bytes_out, mut nodes) = (0, 0, 0, 0);
    run.each_node(|node| {
        executions += node.executions;
        busy += node.busy_us;
        bytes_out += node.upkeep_bytes_out.unwrap_or(0)
            + node.lookup_bytes_out.unwrap_or(0)
            + node.records_bytes_out.unwrap_or(0)
            + node.calls_bytes_out.unwrap_or(0);
        nodes += 1;
        // The run ends with its last call, a little after the phase.
        assert!((20_000_000..21_000_000).contains(&node.uptime_us), "{}", node.uptime_us);
    });
    assert_eq!(nodes, 12);
    assert_eq!(executions, calls.len() as u64);
    // One job at a time: it has a core for itself. Each sum is rounded down.
    let ran: i64 = calls.iter().map(|call| call.parts[EXEC].unwrap()).sum();
    assert!((0..=calls.len() as i64).contains(&(busy - ran)), "{busy} us of cores, {ran} us of calls");
    let bytes = |wanted: fn(i64) -> bool| -> u64 {
        let timeline = run.timeline();
        let rows = timeline.iter().filter(|row| wanted(row.second));
        rows.map(bytes_of).sum()
    };
    assert!(bytes(|second| second < 0) > 0);
    assert_eq!(bytes_out, bytes(|second| second >= 0));
}

/// The value at a share of sorted values: the smallest that at least that share do not exceed.
fn quantile(sorted: &[i64], share: f64) -> i64 {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted[rank - 1]
}

#[test]
fn the_summary_is_what_the_calls_say() {
    let run = shared();
    let calls = run.calls();
    let summary = run.summary();
    for repetition in 0..2u32 {
        let value = |metric: &str, group: &str, statistic: &str| {
            summary
                .iter()
                .find(|row| {
                    row.repetition == Some(repetition)
                        && row.metric == metric
                        && row.group == group
                        && row.statistic == statistic
                })
                .unwrap_or_else(|| panic!("no {metric} {group} {statistic}"))
                .value
        };
        for (group, phases) in [
            ("all", &["random", "race", "clients"][..]),
            ("phase=random", &["random"]),
            ("phase=race", &["race"]),
            ("phase=clients", &["clients"]),
        ] {
            let of: Vec<&Call> = calls
                .iter()
                .filter(|call| call.repetition == repetition && phases.contains(&call.phase.as_str()))
                .collect();
            assert_eq!(value("calls", group, "count"), of.len() as f64, "{group}");
            let mut counted = 0;
            for outcome in Outcome::ALL {
                let count = of.iter().filter(|call| call.outcome == *outcome).count();
                assert_eq!(value("outcome", group, outcome.as_str()), count as f64, "{group} {outcome}");
                if outcome.counts() {
                    counted += count;
                }
            }
            let mut ok: Vec<i64> = of
                .iter()
                .filter(|call| call.outcome == Outcome::Ok)
                .filter_map(|call| call.latency)
                .collect();
            ok.sort_unstable();
            let share = ok.len() as f64 / counted as f64;
            assert!((value("success", group, "share") - share).abs() < 1e-9, "{group}");
            for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
                let (exact, said) = (quantile(&ok, share) as f64, value("latency", group, name));
                assert!(
                    said >= exact && said <= exact * 1.001 + 1.0,
                    "{group} {name}: {said}, exactly {exact}"
                );
            }
            let attempts: u32 = of.iter().map(|call| call.attempts).sum();
            let taken = of.iter().filter(|call| call.outcome != Outcome::EntryDown).count();
            let mean = f64::from(attempts) / taken as f64;
            assert!((value("attempts", group, "mean") - mean).abs() < 1e-6, "{group}");
            let wasted: i64 = of.iter().map(|call| call.wasted).sum();
            assert_eq!(value("wasted_exec", group, "sum"), wasted as f64, "{group}");
        }
    }
}
