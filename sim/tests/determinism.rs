//! The same scenario and seed give the same bytes; what a call is depends on nothing but the seed.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Call, Run, run_with};
use edge_faas_core::results::Table;
use std::collections::BTreeMap;

/// Something of everything: joins over a jittery, lossy network, churn with goodbyes, faults, manycalls with copies.
const EVERYTHING: &str = r#"
name = "everything"
seed = 7
repetitions = 2

[network]
nodes = 60
join_over = "5s"
settle = "5s"
latency = { regions = { names = ["a", "b", "c"], within = "2ms", between = "40ms" } }
last_mile = { lognormal = { median = "4ms", sigma = 0.6 } }
jitter = { exponential = "1ms" }
loss = "1%"
bandwidth = { up = "20Mbit/s", down = "50Mbit/s" }

[churn]
session = { exponential = "2min" }
gap = { weibull = { scale = "10s", shape = 0.7 } }
leave = "30%"
nodes = { share = "50%" }

[[function]]
name = "f"
copies = 4
providers = 5
service_time = { lognormal = { median = "40ms", sigma = 0.7 } }
cold_start = { uniform = { low = "50ms", high = "200ms" } }
image = "1MB"
keep_alive = "10s"
idempotent = true
request = { exponential = "4kB" }
response = { lognormal = { median = "30kB", sigma = 1.0 } }
failure_share = "1%"

[[phase]]
name = "calls"
duration = "30s"
anycall = { rate = "20/s", popularity = { zipf = 0.9 }, policy = "power-of-two" }
manycall = { items = 40, every = "5s", policy = "backup" }

[[phase]]
name = "clients"
duration = "10s"
anycall = { clients = 5, think_time = { exponential = "200ms" } }

[[fault]]
at = "5s"
for = "10s"
kill = { share = "5%" }

[[fault]]
at = "12s"
power_off = { count = 3 }

[[fault]]
at = "15s"
for = "5s"
partition = { region = "a" }

[[fault]]
at = "20s"
for = "5s"
degrade = { share = "20%", latency = "100ms", loss = "5%", bandwidth = { up = "1Mbit/s" } }

[[fault]]
at = "22s"
misbehave = { count = 2, kind = "lie" }

[[fault]]
at = "25s"
for = "5s"
slow = { count = 5, factor = 20 }

[[fault]]
at = "30s"
restart = { count = 2, fresh = true }
"#;

/// The hash of what [`EVERYTHING`] gives: the same on every machine, in debug and in release. It changes whenever
/// the simulator's behaviour or its columns change on purpose; the failing test prints the new one.
const GOLDEN: &str = "dd39d0c42cf24b21dac0dc0a106447997bb2695060f4d01871a8de6d36efa62d";

const FILES: [&str; 8] = [
    "calls.csv",
    "attempts.csv",
    "lookups.csv",
    "nodes.csv",
    "timeline.csv",
    "events.csv",
    "summary.csv",
    "latency.hlog",
];

fn assert_same(a: &Run, b: &Run) {
    for file in FILES {
        assert!(a.bytes(file) == b.bytes(file), "{file} differs");
    }
    assert_eq!(a.manifest.run, b.manifest.run);
    assert_eq!(a.manifest.run_hash, b.manifest.run_hash);
}

#[test]
fn one_thread_and_four_give_the_same_bytes_and_another_seed_others() {
    let one = run_with(EVERYTHING, &["--threads", "1"]);
    let four = run_with(EVERYTHING, &["--threads", "4"]);
    assert_same(&one, &four);
    assert_same(&one, &run_with(EVERYTHING, &["--threads", "1"]));
    // The scenario is not an empty one.
    let calls = one.calls();
    assert!(calls.len() > 1_000, "{} calls", calls.len());
    assert!(one.attempts().iter().any(|attempt| attempt.kind == "backup"));
    assert!(one.events().iter().any(|event| event.kind == "leave"));
    assert!(one.events().iter().any(|event| event.kind == "crash"));
    assert!(one.rows(Table::Lookups) > 100);
    assert_eq!(
        one.manifest.run_hash, GOLDEN,
        "the results are not those of other machines and builds; if that is meant, put the new hash into GOLDEN"
    );

    let other = run_with(EVERYTHING, &["--seed", "8"]);
    for file in FILES {
        assert!(one.bytes(file) != other.bytes(file), "{file} does not depend on the seed");
    }
    assert_ne!(one.manifest.run, other.manifest.run);
}

#[test]
fn repetitions_differ_and_each_is_the_same_however_many_there_are() {
    let two = run_with(EVERYTHING, &[]);
    let one = run_with(EVERYTHING, &["--repetitions", "1"]);
    let of = |run: &Run, repetition: u32| -> Vec<Call> {
        run.calls().into_iter().filter(|call| call.repetition == repetition).collect()
    };
    assert_eq!(of(&one, 0), of(&two, 0));
    let strip =
        |calls: Vec<Call>| calls.into_iter().map(|call| (call.scheduled, call.entry)).collect::<Vec<_>>();
    assert_ne!(strip(of(&two, 0)), strip(of(&two, 1)));
}

/// What a call is.
type Identity = (i64, String, String, u64);

fn identities(run: &Run, phase: &str, function: &str) -> BTreeMap<u64, Identity> {
    run.calls()
        .into_iter()
        .filter(|call| call.phase == phase && call.function.starts_with(function))
        .map(|call| (call.call, (call.scheduled, call.entry, call.function, call.request_bytes)))
        .collect()
}

const TWO_PHASES: &str = r#"
name = "identity"
seed = 3

[network]
nodes = 40
start = "converged"
latency = "20ms"

[[function]]
name = "f"
copies = 3
providers = 4
service_time = { exponential = "20ms" }
request = { exponential = "4kB" }
idempotent = true

[[phase]]
name = "any"
duration = "20s"
anycall = { rate = "30/s", functions = "f*", popularity = { zipf = 1.1 } , entry = { nodes = ["0-39"] } }

[[phase]]
name = "many"
duration = "10s"
manycall = { items = 20, rate = "1/s", functions = "f*", entry = { nodes = ["0-39"] } }
"#;

#[test]
fn a_call_is_the_same_whatever_else_there_is() {
    let base = run_with(TWO_PHASES, &[]);
    let any = identities(&base, "any", "f");
    let many = identities(&base, "many", "f");
    assert!(any.len() > 400 && many.len() > 100, "{} {}", any.len(), many.len());

    // A function that nobody calls; one node more, which no call enters at.
    let function = TWO_PHASES.replace(
        "[[phase]]\nname = \"any\"",
        "[[function]]\nname = \"unrelated\"\nproviders = 7\nservice_time = \"1s\"\n\n[[phase]]\nname = \"any\"",
    );
    // A phase more, with calls of its own, behind the others.
    let phase = format!(
        "{TWO_PHASES}\n[[phase]]\nname = \"more\"\nduration = \"5s\"\nanycall = {{ rate = \"50/s\", functions = \"f*\" }}\n"
    );
    // Faults, churn, other policies, another network.
    let fault = format!("{TWO_PHASES}\n[[fault]]\nat = \"5s\"\nkill = {{ share = \"20%\" }}\n");
    let churn = format!(
        "{TWO_PHASES}\n[churn]\nsession = {{ exponential = \"20s\" }}\ngap = {{ exponential = \"20s\" }}\n"
    );
    let cases: [(&str, &str, &[&str]); 8] = [
        ("function", &function, &[]),
        ("phase", &phase, &[]),
        ("fault", &fault, &[]),
        ("churn", &churn, &[]),
        ("node", TWO_PHASES, &["--set", "network.nodes=41"]),
        ("policy", TWO_PHASES, &["--set", "faas.policy=race", "--set", "faas.manycall_policy=backup"]),
        ("latency", TWO_PHASES, &["--set", "network.latency=90ms", "--set", "network.loss=5%"]),
        ("join", TWO_PHASES, &["--set", "network.start=join"]),
    ];
    for (what, scenario, words) in cases {
        let other = run_with(scenario, words);
        assert_eq!(any, identities(&other, "any", "f"), "{what}: anycalls moved");
        assert_eq!(many, identities(&other, "many", "f"), "{what}: items moved");
    }
}

#[test]
fn a_closed_loop_draws_the_same_calls_whatever_happens_to_them() {
    let scenario = TWO_PHASES.replace(
        "anycall = { rate = \"30/s\",",
        "anycall = { clients = 5, calls_per_client = 20, think_time = { exponential = \"100ms\" },",
    );
    let calls = |run: &Run| -> BTreeMap<u64, (String, String, u64)> {
        identities(run, "any", "f")
            .into_iter()
            .map(|(call, (_, entry, function, bytes))| (call, (entry, function, bytes)))
            .collect()
    };
    let base = calls(&run_with(&scenario, &[]));
    assert_eq!(base.len(), 100);
    for words in [["--set", "faas.policy=random"], ["--set", "network.latency=100ms"]] {
        assert_eq!(base, calls(&run_with(&scenario, &words)));
    }
}
