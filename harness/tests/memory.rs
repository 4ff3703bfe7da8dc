//! Runs with all nodes in one process.

// A test that cannot do what it set out to do has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod common;

use assert_cmd::cargo::cargo_bin;
use common::{Place, SMALL, check_small, complaint, simulated, succeeded};
use std::process::Command;

#[test]
fn the_rows_are_the_simulators_but_for_what_time_decides() {
    let place = Place::new();
    let scenario = place.file("small.toml", SMALL);
    succeeded(&place.command(&scenario, &["--backend", "memory"]).output().unwrap());
    check_small(&place, &scenario, "memory");
}

const PATHS: &str = r#"
name = "paths"
[network]
nodes = 3
settle = "100ms"
latency = "3ms"
[[function]]
name = "task"
providers = { nodes = [1, 2] }
service_time = "1ms"
[[phase]]
name = "calls"
duration = "20s"
anycall = { clients = 1, calls = 20, entry = { nodes = [0] } }
[sweep]
[[sweep.factor]]
name = "path"
[sweep.factor.levels]
runtime = { "faas.policy" = "direct", "phase.calls.anycall.entry.nodes" = [1] }
local = { "faas.policy" = "local-only", "phase.calls.anycall.entry.nodes" = [1] }
cold = { "faas.policy" = "nearest", "phase.calls.anycall.cold" = true }
race = { "faas.policy" = "race", "faas.idempotent" = true }
"#;

#[test]
fn a_call_takes_the_path_that_its_policy_says() {
    let place = Place::new();
    let scenario = place.file("paths.toml", PATHS);
    succeeded(&place.command(&scenario, &["--backend", "memory"]).output().unwrap());
    let calls = place.rows("calls.csv");
    let of = |path: &str| -> Vec<&common::Row> {
        calls.iter().filter(|call| call["variant"] == format!("path={path}")).collect()
    };
    for path in ["runtime", "local", "cold", "race"] {
        let ok = of(path).iter().filter(|call| call["outcome"] == "ok").count();
        let failed = of(path).into_iter().find(|call| call["outcome"] != "ok");
        assert_eq!(of(path).len(), 20, "{path}");
        // The end of a connection that a cold start closes may meet the next call.
        let may_fail = if path == "cold" { 2 } else { 0 };
        assert!(ok + may_fail >= 20, "{path}: {failed:?}");
    }
    // Past all routing nobody asks a cache; the provider's own node does not have to either.
    assert!(of("runtime").iter().all(|call| call["cache"].is_empty() && call["provider"] == "node-1"));
    assert!(of("local").iter().all(|call| call["forwards"] == "0" && call["lookup_us"] == "0"));
    for call in of("cold").into_iter().filter(|call| call["outcome"] == "ok") {
        let number = |column: &str| call[column].parse::<i64>().unwrap();
        assert_eq!(call["cache"], "miss", "{call:?}");
        // In so small a network it holds the record itself. It has to dial, and that takes several round trips.
        assert!(number("connect_us") >= 2 * 3_000, "{call:?}");
    }
    // All providers are asked; one answer is taken, and who has not begun by then does not.
    let executions: u32 = of("race").iter().map(|call| call["executions"].parse::<u32>().unwrap()).sum();
    assert!((20..=40).contains(&executions), "{executions}");
    let asked = of("race").iter().filter(|call| call["attempts"] == "2").count();
    assert!(asked >= 18, "both are asked, also after losing: {asked} of 20 times");
}

#[test]
fn a_calibration_is_a_file_that_scenarios_include() {
    let place = Place::new();
    let target = place.path().join("measured/calibration.toml");
    let calibrate = || {
        let mut command = Command::new(cargo_bin("harness"));
        command.args(["calibrate", "--backend", "memory", "--allow-bad-links", "--output"]).arg(&target);
        command.env("TMPDIR", place.path()).output().unwrap()
    };
    let output = calibrate();
    succeeded(&output);
    assert!(String::from_utf8_lossy(&output.stdout).contains("round trips"));
    assert_eq!(place.left(), Vec::<std::path::PathBuf>::new());
    let text = SMALL.replace("seed = 7", "seed = 7\ninclude = [\"measured/calibration.toml\"]");
    let (plain, measured) = (place.file("plain.toml", SMALL), place.file("measured.toml", &text));
    let mean = |scenario: &std::path::Path| {
        let calls = simulated(scenario).rows("calls.csv");
        let of = |call: &common::Row| call["latency_us"].parse::<f64>().unwrap();
        calls.iter().map(of).sum::<f64>() / calls.len() as f64
    };
    // At least what a request takes over HTTP.
    assert!(mean(&measured) > mean(&plain) + 100.0, "{} {}", mean(&measured), mean(&plain));
    // What is there is not replaced by accident, and refused before anything is played.
    let output = calibrate();
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint(&output).contains("--force"), "{}", complaint(&output));
}
