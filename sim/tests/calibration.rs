//! What `[calibration]` adds, and where.

#![allow(clippy::unwrap_used)]

mod common;

use common::{CONNECT, Call, EXEC, LAG, LOOKUP, NETWORK, run};
use edge_faas_core::results::{LookupRecord, Reader, Table};
use std::fs::File;

const SCENARIO: &str = r#"
name = "calibrated"
[network]
nodes = 4
latency = "10ms"
handshake_round_trips = 3
[kademlia]
k = 1
alpha = 1
[faas]
forward_cpu = "0s"
message_cpu = "0s"
[[function]]
name = "sleep"
providers = { nodes = [1] }
service_time = "20ms"
work = "sleep"
concurrency = 10
[[function]]
name = "cpu"
copies = 20
providers = { nodes = [1] }
service_time = "20ms"
[[phase]]
name = "direct"
duration = "1s"
anycall = { every = "100ms", functions = ["sleep"], entry = { nodes = [1] }, policy = "direct" }
[[phase]]
name = "local"
duration = "1s"
anycall = { every = "100ms", functions = ["sleep"], entry = { nodes = [1] }, policy = "local-only" }
[[phase]]
name = "routed"
duration = "1s"
anycall = { every = "100ms", functions = ["sleep"], entry = { nodes = [0] } }
[[phase]]
name = "cpu"
duration = "2s"
anycall = { every = "100ms", functions = ["cpu"], entry = { nodes = [0] } }
[[phase]]
name = "cold"
duration = "5s"
anycall = { every = "500ms", functions = ["sleep"], entry = { nodes = [0] }, cold = true }
[[phase]]
name = "map"
duration = "1s"
manycall = { items = 5, every = "1s", functions = ["sleep"], entry = { nodes = [0] } }
"#;

const CALIBRATION: &str = r#"
[calibration]
entry = "1ms"
direct = "400us"
local = "600us"
routed = "2ms"
sleep = "70us"
cpu = "30us"
handshake = "5ms"
request = "3ms"
"#;

/// Calls of a phase that neither looked up nor dialled.
fn plain<'a>(calls: &'a [Call], phase: &'a str) -> impl Iterator<Item = &'a Call> {
    calls.iter().filter(move |call| {
        call.phase == phase
            && call.parts[LOOKUP] == Some(0)
            && call.parts[CONNECT].is_none_or(|connect| connect == 0)
    })
}

#[test]
fn each_part_is_added_where_it_belongs() {
    let run = run(&format!("{SCENARIO}{CALIBRATION}"));
    let calls = run.calls();
    for (phase, lag, network, exec, at_least) in [
        ("direct", 0, 400, 20_070, 10),
        ("local", 1_000, 600, 20_070, 10),
        ("routed", 1_000, 12_000, 20_070, 8),
        ("map", 1_000, 12_000, 20_070, 4),
    ] {
        let of_phase: Vec<&Call> = plain(&calls, phase).collect();
        assert!(of_phase.len() >= at_least, "{phase}: {of_phase:?}");
        for call in of_phase {
            assert_eq!(call.parts[LAG], Some(lag), "{call:?}");
            assert_eq!((call.parts[NETWORK], call.parts[EXEC]), (Some(network), Some(exec)), "{call:?}");
        }
    }
    let cpu: Vec<&Call> = calls.iter().filter(|call| call.phase == "cpu").collect();
    assert!(cpu.iter().all(|call| call.parts[EXEC] == Some(20_030)), "{cpu:?}");
    let cold: Vec<&Call> =
        calls.iter().filter(|call| call.phase == "cold" && call.parts[CONNECT] > Some(0)).collect();
    assert!(!cold.is_empty() && cold.iter().all(|call| call.parts[CONNECT] == Some(35_000)), "{cold:?}");
    let mut lookups =
        Reader::new(Table::Lookups, File::open(run.folder.join("lookups.csv")).unwrap()).unwrap();
    let mut requests = 0;
    while let Some((_, lookup)) = lookups.next::<LookupRecord>().unwrap() {
        if lookup.start_us >= 0 && lookup.dials == 0 && lookup.requests > 0 {
            requests += 1;
            let length = lookup.done_us.unwrap() - lookup.start_us;
            assert_eq!(length, 13_000 * i64::from(lookup.requests), "{lookup:?}");
        }
    }
    assert!(requests > 0);
}

#[test]
fn without_it_nothing_is_added() {
    let calls = run(SCENARIO).calls();
    for (phase, network) in [("direct", 0), ("local", 0), ("routed", 10_000)] {
        for call in plain(&calls, phase) {
            let parts = (call.parts[LAG], call.parts[NETWORK], call.parts[EXEC]);
            assert_eq!(parts, (Some(0), Some(network), Some(20_000)), "{call:?}");
        }
    }
}
