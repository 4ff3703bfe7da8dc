//! Runs with nodes as processes: the rows, faults, and that nothing is left however a run ends.

// A test that cannot do what it set out to do has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod common;

use common::cuts::{CUTS, check_cuts};
use common::deaths::{DEATHS, check_deaths};
use common::{Place, SMALL, check_small, complaint, node, processes, script, simulated, succeeded, unpacked};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

#[test]
fn the_rows_are_the_simulators_but_for_what_time_decides() {
    let place = Place::new();
    let scenario = place.file("small.toml", SMALL);
    let node = node().to_str().unwrap();
    let output = place.command(&scenario, &["--backend", "process", "--node", node]).output().unwrap();
    succeeded(&output);
    check_small(&place, &scenario, "process");
    assert!(String::from_utf8_lossy(&output.stdout).contains("nodes up in"));
    let logs = unpacked(&place.run().unwrap().join("logs.tar.gz"));
    for node in 0..4 {
        let log = &logs[&format!("repetition-0/node-{node}.log")];
        assert!(log.contains("/tcp/4001"), "a node says where it listens: {log}");
        let metrics = &logs[&format!("repetition-0/node-{node}.metrics")];
        assert!(metrics.contains("edge_faas_held"), "{metrics}");
    }
    assert_eq!(logs.len(), 8);
    // Nothing is replaced by accident.
    let output = place.command(&scenario, &["--backend", "process", "--node", node]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint(&output).contains("--force"), "{}", complaint(&output));
}

const FAULTS: &str = r#"
name = "faults"
seed = 3
[network]
nodes = 5
settle = "200ms"
latency = "2ms"
[[function]]
name = "task"
providers = { nodes = ["1-3"] }
service_time = "1ms"
work = "sleep"
idempotent = true
[[phase]]
name = "open"
duration = "10s"
anycall = { rate = "30/s", entry = { nodes = [0, 4] }, policy = "random" }
[[fault]]
at = "1s"
for = "2s"
kill = { nodes = [1] }
[[fault]]
at = "4s"
for = "1s"
runtime_down = { nodes = [2] }
[[fault]]
at = "6s"
for = "2s"
power_off = { nodes = [4] }
[[fault]]
at = "8500ms"
restart = { nodes = [3], fresh = true }
"#;

#[test]
fn a_fault_happens_in_its_time_and_calls_that_may_be_repeated_survive_it() {
    let place = Place::new();
    let scenario = place.file("faults.toml", FAULTS);
    let node = node().to_str().unwrap();
    succeeded(&place.command(&scenario, &["--backend", "process", "--node", node]).output().unwrap());
    let calls = place.rows("calls.csv");
    let at = |row: &common::Row| row["scheduled_us"].parse::<i64>().unwrap();
    // Node 4 is down from second 6 on, until it is up again some time after second 8.
    for call in &calls {
        let may_be_lost = call["entry"] == "node-4" && at(call) >= 5_000_000;
        let fine = match call["outcome"].as_str() {
            "ok" => true,
            "entry_down" | "entry_lost" => may_be_lost,
            _ => false,
        };
        assert!(fine, "{call:?}");
    }
    let down = |call: &&common::Row| call["outcome"] == "entry_down";
    assert!(calls.iter().filter(down).all(|call| call["sent_us"].is_empty() && call["attempts"] == "0"));
    let silent =
        |call: &&common::Row| call["entry"] == "node-4" && (6_100_000..7_900_000).contains(&at(call));
    assert!(calls.iter().filter(silent).all(|call| call["outcome"] == "entry_down"));
    assert!(calls.iter().any(|call| call["outcome"] == "entry_down"));
    // While it was dead, nobody was answered by node 1; before and after, some were.
    let by_first = |from: i64, to: i64| {
        calls.iter().filter(|call| call["provider"] == "node-1" && (from..to).contains(&at(call))).count()
    };
    assert_eq!(by_first(1_100_000, 2_900_000), 0);
    assert!(by_first(0, 900_000) > 0 && by_first(3_500_000, 10_000_000) > 0);
    // A node that returns fresh hosts nothing.
    let nodes = place.rows("nodes.csv");
    let hosted: Vec<&str> = nodes.iter().map(|node| node["functions"].as_str()).collect();
    assert_eq!(hosted, ["0", "1", "1", "0", "0"]);
    let events = place.rows("events.csv");
    let events: Vec<String> = events
        .iter()
        .map(|event| format!("{} {} {}", event["kind"], event["fault"], event["node"]))
        .collect();
    assert_eq!(
        events,
        [
            "kill 0 ",
            "kill 0 node-1",
            "restart 0 ",
            "runtime_down 1 ",
            "heal 1 ",
            "power_off 2 ",
            "power_off 2 node-4",
            "restart 2 ",
            "restart 3 ",
            "restart 3 node-3"
        ]
    );
    assert_eq!(place.left(), Vec::<PathBuf>::new());
}

#[test]
fn a_death_hits_the_calls_that_the_simulator_says_and_for_as_long() {
    let place = Place::new();
    let scenario = place.file("deaths.toml", DEATHS);
    let node = node().to_str().unwrap();
    succeeded(&place.command(&scenario, &["--backend", "process", "--node", node]).output().unwrap());
    check_deaths(&place, &scenario);
}

#[test]
fn faults_that_leave_nodes_alive_hit_the_calls_that_the_simulator_says() {
    let place = Place::new();
    let scenario = place.file("cuts.toml", CUTS);
    let node = node().to_str().unwrap();
    succeeded(&place.command(&scenario, &["--backend", "process", "--node", node]).output().unwrap());
    check_cuts(&place, &scenario);
}

const DIRECT: &str = r#"
name = "direct"
seed = 3
[network]
nodes = 2
settle = "100ms"
latency = "0ms"
[[function]]
name = "task"
providers = { nodes = [1] }
service_time = "300ms"
work = "sleep"
concurrency = 3
[[phase]]
name = "open"
duration = "6s"
anycall = { every = "50ms", entry = { nodes = [0] }, policy = "direct", deadline = "10s" }
[[fault]]
at = "1425ms"
for = "1s"
runtime_down = { nodes = [1] }
[[fault]]
at = "4s"
kill = { nodes = [1] }
"#;

#[test]
fn a_failed_call_past_all_routing_tells_what_became_of_it() {
    let place = Place::new();
    let scenario = place.file("direct.toml", DIRECT);
    let node = node().to_str().unwrap();
    succeeded(&place.command(&scenario, &["--backend", "process", "--node", node]).output().unwrap());
    /// Each kind of row there is, with its attempt's.
    fn kinds(calls: Vec<common::Row>, attempts: Vec<common::Row>) -> BTreeSet<Vec<String>> {
        assert_eq!(calls.len(), attempts.len(), "every call has its one attempt");
        let attempts: BTreeMap<&str, &common::Row> =
            attempts.iter().map(|attempt| (attempt["call"].as_str(), attempt)).collect();
        let kind = |call: &common::Row| {
            let attempt = attempts[call["call"].as_str()];
            assert_eq!(attempt["provider"], "node-1");
            // Whether the function ran that was lost with its node, only the simulator knows.
            let ran = if call["outcome"] == "unknown" { "?" } else { call["executions"].as_str() };
            let started = if call["outcome"] == "unknown" { "?" } else { attempt["started"].as_str() };
            let of_call = ["outcome", "attempts", "provider", "status", "forwards", "response_bytes"];
            let mut kind: Vec<String> = of_call.iter().map(|column| call[*column].clone()).collect();
            kind.extend(["attempt", "kind", "won", "outcome"].map(|column| attempt[column].clone()));
            kind.extend([ran.to_owned(), started.to_owned()]);
            kind
        };
        calls.iter().map(kind).collect()
    }
    let simulated = simulated(&scenario);
    let real = kinds(place.rows("calls.csv"), place.rows("attempts.csv"));
    assert_eq!(real, kinds(simulated.rows("calls.csv"), simulated.rows("attempts.csv")));
    // Answered, refused by a full runtime and by one that is down, lost with the runtime and the node, sent to the dead.
    assert_eq!(real.len(), 6, "{real:?}");
}

/// Waits until so many nodes of this place run.
fn await_nodes(place: &Place, wanted: usize) {
    let name = place.path().to_str().unwrap();
    for _ in 0..1_200 {
        if processes(name) == wanted {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("there are never {wanted} nodes");
}

#[test]
fn nothing_is_left_of_a_run_that_is_interrupted() {
    let place = Place::new();
    let scenario = place.file("long.toml", &SMALL.replace("duration = \"2s\"", "duration = \"10min\""));
    let node = node().to_str().unwrap();
    let mut command = place.command(&scenario, &["--backend", "process", "--node", node, "--quiet"]);
    let child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    await_nodes(&place, 4);
    // In the middle of calls.
    std::thread::sleep(Duration::from_secs(2));
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", complaint(&output));
    assert_eq!(processes(place.path().to_str().unwrap()), 0);
    assert_eq!((place.left(), place.run()), (Vec::new(), None));
}

#[test]
fn what_a_killed_run_left_is_cleaned_up() {
    let place = Place::new();
    let scenario = place.file("long.toml", &SMALL.replace("duration = \"2s\"", "duration = \"10min\""));
    let node = node().to_str().unwrap();
    let mut child =
        place.command(&scenario, &["--backend", "process", "--node", node, "--quiet"]).spawn().unwrap();
    await_nodes(&place, 4);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(processes(place.path().to_str().unwrap()), 4, "nobody could end them");
    let clean = || {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("harness"));
        command.arg("clean").env("TMPDIR", place.path()).output().unwrap()
    };
    let output = clean();
    succeeded(&output);
    assert_eq!(String::from_utf8_lossy(&output.stdout).matches("process ").count(), 4);
    await_nodes(&place, 0);
    assert_eq!(place.left(), Vec::<PathBuf>::new());
}

#[test]
fn nothing_is_left_of_a_run_that_fails_half_way() {
    let place = Place::new();
    let scenario = place.file("faults.toml", FAULTS);
    // A node that starts once, and not again.
    let lines = format!(
        "if [ -d \"$3\" ]; then echo I have had enough; exit 1; fi\nexec {} \"$@\"",
        node().display()
    );
    let script = script(&place, &lines);
    let more = ["--backend", "process", "--node", script.to_str().unwrap()];
    let output = place.command(&scenario, &more).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = complaint(&output);
    assert!(said.contains("node 1 ended as soon as it was started") && said.contains("had enough"), "{said}");
    // What it said is where the message says.
    let logs = said.lines().find_map(|line| line.strip_prefix("the nodes' logs and metrics: ")).expect(&said);
    let logs = unpacked(std::path::Path::new(logs));
    assert!(logs["failed/node-1.log"].contains("had enough"), "{logs:?}");
    assert!(
        logs["failed/node-2.metrics"].contains("edge_faas_held")
            && !logs.contains_key("failed/node-1.metrics")
    );
    assert_eq!(processes(place.path().to_str().unwrap()), 0);
    assert_eq!((place.left(), place.run()), (Vec::new(), None));
}

#[test]
fn mistakes_say_what_to_do_and_write_nothing() {
    let place = Place::new();
    let jitter = SMALL.replace("latency = \"4ms\"", "latency = \"4ms\"\njitter = \"1ms\"");
    let jitter = place.file("jitter.toml", &jitter);
    let small = place.file("small.toml", SMALL);
    let power_off = place.file("off.toml", FAULTS);
    for (scenario, more, parts) in [
        (&jitter, &["--backend", "memory"][..], &["network.jitter", "--allow-unsupported"][..]),
        (&small, &["--backend", "process", "--node", "/no/such/program"], &["/no/such/program", "--node"]),
        (&small, &["--backend", "memory", "--only", "x=1"], &["x is no factor"]),
        (&small, &["--backend", "memory", "--set", "network.nodes=1"], &["network.nodes"]),
        (&power_off, &["--backend", "memory"], &["power_off", "--backend process"]),
        (&place.path().join("none.toml"), &["--backend", "memory"], &["none.toml"]),
    ] {
        let output = place.command(scenario, more).output().unwrap();
        let said = complaint(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert_eq!((place.left(), place.run()), (Vec::new(), None));
    }
    // A node that ends at once is not waited for.
    let more = ["--backend", "process", "--node", "/bin/false"];
    let output = place.command(&small, &more).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("ended as soon as it was started"), "{}", complaint(&output));
}
