//! Odd scenarios: each ends, each call has one row, nothing overflows.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Call, check_items, outcomes, run};
use edge_faas_core::results::Outcome;

/// A small network with `network` in its section, one function with `function`, and then `rest`.
fn odd(network: &str, function: &str, rest: &str) -> Vec<Call> {
    odd_of(3, network, function, rest)
}

/// The same with so many providers.
fn odd_of(providers: u32, network: &str, function: &str, rest: &str) -> Vec<Call> {
    let run = run(&format!(
        "name = \"odd\"\nseed = 1\n\n[network]\nnodes = 20\n{network}\n\n[[function]]\nname = \"f\"\nproviders = {providers}\n{function}\n\n{rest}\n"
    ));
    let calls = run.calls();
    let mut numbers: Vec<u64> = calls.iter().map(|call| call.call).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), calls.len(), "a call has two rows");
    calls
}

const PLAIN: &str = "service_time = \"10ms\"";
const CALLS: &str = "[[phase]]\nname = \"p\"\nduration = \"10s\"\nanycall = { rate = \"10/s\" }\n";

#[test]
fn manycalls_whose_deadlines_pass_end() {
    for deadline in ["1us", "15ms", "200ms"] {
        for policy in ["static", "late-binding", "backup"] {
            let phase = format!(
                "[[phase]]\nname = \"p\"\nduration = \"10s\"\nmanycall = {{ items = 30, every = \"1s\", deadline = \"{deadline}\", policy = \"{policy}\" }}\n"
            );
            let calls = odd("latency = \"10ms\"", "service_time = \"100ms\"\nconcurrency = 1", &phase);
            assert_eq!(check_items(&calls, 30), 10, "{deadline} {policy}");
            let counts = outcomes(&calls);
            assert!(
                counts[&Outcome::Timeout] + counts.get(&Outcome::Rejected).unwrap_or(&0) > 100,
                "{counts:?}"
            );
        }
    }
}

#[test]
fn calls_that_take_no_time_do_not_stop_the_clock() {
    let free = "[faas]\nforward_cpu = \"0s\"\nmessage_cpu = \"0s\"\n[[phase]]\nname = \"p\"\nduration = \"1s\"\nanycall = { clients = 5, think_after_failure = \"0s\", entry = { function = \"f\" } }\n";
    let calls = odd("latency = \"0s\"", "service_time = \"0s\"", free);
    assert!(calls.len() > 1_000 && calls.iter().all(|call| call.outcome == Outcome::Ok));
    // Nor do clients whose entry is down.
    let down = "[[phase]]\nname = \"p\"\nduration = \"2s\"\nanycall = { clients = 5, think_after_failure = \"0s\" }\n[[fault]]\nat = \"1s\"\npower_off = \"all\"\n";
    let calls = odd("latency = \"10ms\"", PLAIN, down);
    assert!(outcomes(&calls)[&Outcome::EntryDown] > 1_000);
}

#[test]
fn times_beyond_all_measure_are_never_and_no_overflow() {
    for network in [
        "latency = { pareto = { scale = \"1ms\", shape = 0.01 } }\njitter = { pareto = { scale = \"1ms\", shape = 0.01 } }",
        "latency = \"3650d\"\nhandshake_round_trips = 100",
        "latency = \"10ms\"\nloss = \"99.9%\"\nretransmit_timeout = \"3650d\"",
        "latency = \"10ms\"\nbandwidth = { up = \"1bit/s\", down = \"1bit/s\" }",
        "latency = \"10ms\"\nidle_timeout = \"1ns\"\nmax_connections = 1",
    ] {
        let calls = odd(network, PLAIN, CALLS);
        assert!(calls.len() > 50, "{network}");
        assert!(
            calls.iter().all(|call| call.latency.is_some_and(|latency| latency <= 60_000_000)),
            "{network}"
        );
    }
    for function in [
        "service_time = \"3650d\"",
        "service_time = { pareto = { scale = \"1ms\", shape = 0.01 } }",
        "service_time = \"0s\"\nrequest = \"100TB\"\nresponse = \"100TB\"",
        "service_time = \"1ms\"\ncold_start = { pareto = { scale = \"1d\", shape = 0.01 } }\nimage = \"100TB\"",
    ] {
        let calls =
            odd("latency = \"10ms\"\nbandwidth = { up = \"1Mbit/s\", down = \"1Mbit/s\" }", function, CALLS);
        assert!(
            calls.iter().all(|call| call.latency.is_some_and(|latency| latency <= 60_000_000)),
            "{function}"
        );
    }
    let busy = format!("[faas]\nforward_cpu = \"3650d\"\nmessage_cpu = \"3650d\"\n{CALLS}");
    odd("latency = \"10ms\"", PLAIN, &busy);
}

#[test]
fn quick_items_do_not_bury_their_entry() {
    // More items than an entry can send before a provider would seem dead, and slots for all of them at once.
    const ITEMS: u64 = 300_000;
    // With the usual memory an instance there is room for 64 of them, whatever the number of slots.
    for (policy, providers, memory) in
        [("late-binding", 3, "0B"), ("late-binding", 15, "128MiB"), ("static", 3, "128MiB")]
    {
        let phase = format!(
            "[[phase]]\nname = \"p\"\nduration = \"1s\"\nmanycall = {{ items = {ITEMS}, every = \"1s\", policy = \"{policy}\" }}\n[output]\nattempts = false\n"
        );
        let function = format!("service_time = \"1us\"\nconcurrency = 1000000\nmemory = \"{memory}\"");
        let calls = odd_of(providers, "latency = \"10ms\"", &function, &phase);
        assert_eq!(check_items(&calls, ITEMS), 1);
        let counts = outcomes(&calls);
        assert_eq!(counts.get(&Outcome::Ok), Some(&(ITEMS as usize)), "{policy} {providers}: {counts:?}");
    }
}

#[test]
fn ten_years_cost_what_happens_in_them() {
    let run = run(r#"
name = "decade"
seed = 1
discovery = "oracle"

[network]
nodes = 10
start = "converged"
latency = "10ms"

[[function]]
name = "f"
providers = 3
service_time = "10ms"

[[phase]]
name = "p"
duration = "3650d"
anycall = { every = "30d" }

[[fault]]
at = "100d"
kill = { count = 1 }
"#);
    assert!(run.calls().iter().all(|call| matches!(call.outcome, Outcome::Ok | Outcome::EntryDown)));
    let rows = run.timeline();
    assert!((300..1_000).contains(&rows.len()), "{} rows", rows.len());
    assert_eq!(rows.iter().map(|row| row.offered).sum::<u64>(), 122);
}

#[test]
fn everything_going_wrong_at_once_is_survived() {
    let mut rest = String::from(
        "[churn]\nsession = { exponential = \"5s\" }\ngap = { exponential = \"5s\" }\nleave = \"50%\"\nfresh = true\n\n[[phase]]\nname = \"p\"\nduration = \"20s\"\nanycall = { rate = \"50/s\", policy = \"race\" }\nmanycall = { items = 50, every = \"1s\", policy = \"backup\" }\n",
    );
    for fault in [
        "kill = { count = 3 }",
        "power_off = { count = 3, fresh = true }",
        "partition = { share = \"50%\" }",
        "slow = { count = 5, factor = 1000000 }",
        "degrade = { count = 5, latency = \"1s\", loss = \"50%\", bandwidth = { up = \"1bit/s\" } }",
        "runtime_down = { count = 5 }",
        "misbehave = { count = 5, kind = \"lie\" }",
        "misbehave = { count = 5, kind = \"black-hole\" }",
        "misbehave = { count = 5, kind = \"slow\", delay = \"20s\" }",
    ] {
        for (at, length) in [("0s", "5s"), ("3s", "10ms"), ("3s", "300ms")] {
            rest += &format!("\n[[fault]]\nat = \"{at}\"\nfor = \"{length}\"\n{fault}\n");
        }
    }
    rest += "\n[[fault]]\nat = \"4s\"\nrestart = \"all\"\n\n[[fault]]\nat = \"4s\"\nheal = true\n";
    let function = "service_time = \"100ms\"\nidempotent = true\ntimeout = \"1h\"";
    let calls =
        odd("latency = \"10ms\"\nbandwidth = { up = \"10Mbit/s\", down = \"10Mbit/s\" }", function, &rest);
    assert_eq!(check_items(&calls, 50), 20);
    assert!(calls.iter().all(|call| call.outcome != Outcome::Unfinished));
}

#[test]
fn partitions_and_silence_that_come_and_go_leave_no_call_behind() {
    for fault in ["partition = { share = \"50%\" }", "power_off = { count = 4 }", "kill = { count = 4 }"] {
        let mut rest = String::from(
            "[[phase]]\nname = \"p\"\nduration = \"20s\"\nanycall = { rate = \"20/s\", policy = \"random\" }\nmanycall = { items = 30, every = \"1s\" }\n",
        );
        for n in 1..90 {
            rest += &format!("\n[[fault]]\nat = \"{}ms\"\nfor = \"150ms\"\n{fault}\n", 200 * n);
        }
        let function = "service_time = \"500ms\"\nidempotent = true\ntimeout = \"1d\"";
        let calls = odd("latency = \"10ms\"", function, &rest);
        assert_eq!(check_items(&calls, 30), 20, "{fault}");
        // Nobody waits for the deadline of a day.
        let slowest = calls.iter().filter_map(|call| call.latency).max();
        assert!(slowest < Some(120_000_000), "{fault}: {slowest:?}");
    }
}
