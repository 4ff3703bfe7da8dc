//! What a call spends on the network is what the scenario's network says.

#![allow(clippy::unwrap_used)]

mod common;

use common::{CONNECT, Call, NETWORK, run};
use edge_faas_core::results::Outcome;

/// One entry calls one provider, 20 ms away, over links of 8 Mbit/s, so that a byte takes a microsecond.
fn scenario(network: &str, faas: &str, anycall: &str) -> String {
    format!(
        r#"
name = "network"
seed = 1

[network]
nodes = 10
start = "converged"
latency = "40ms"
{network}

[faas]
{faas}

[[function]]
name = "f"
providers = {{ nodes = [7] }}
service_time = "10ms"
concurrency = 50
request = "1000B"
response = "2000B"

[[phase]]
name = "calls"
duration = "10min"
anycall = {{ policy = "nearest", entry = {{ nodes = [3] }}, {anycall} }}
"#
    )
}

const NO_CPU: &str = "forward_cpu = \"0s\"\nmessage_cpu = \"0s\"";
const LINKS: &str = "bandwidth = { up = \"8Mbit/s\", down = \"8Mbit/s\" }";
/// The head of a call and of an answer, which goes before the body.
const HEAD: i64 = 256;

/// The scenario with another discovery, which asks nobody.
fn known(scenario: &str, discovery: &str) -> String {
    scenario.replace("seed = 1", &format!("seed = 1\ndiscovery = {discovery}"))
}

fn ok(scenario: &str) -> Vec<Call> {
    let calls = run(scenario).calls();
    assert!(calls.iter().all(|call| call.outcome == Outcome::Ok && call.forwards == 1));
    calls
}

#[test]
fn a_warm_call_takes_two_ways_and_its_bytes() {
    let calls = ok(&scenario(LINKS, NO_CPU, "every = \"1s\""));
    assert_eq!(calls.len(), 600);
    let wanted = 2 * 20_000 + (HEAD + 1_000) + (HEAD + 2_000);
    let warm: Vec<&Call> = calls.iter().filter(|call| call.parts[CONNECT] == Some(0)).collect();
    assert!(warm.len() >= 590, "{}", warm.len());
    for call in warm {
        assert_eq!(call.parts[NETWORK], Some(wanted), "{call:?}");
    }
    // Without a bound on links, the delay alone.
    let calls = ok(&scenario("", NO_CPU, "every = \"1s\""));
    assert!(calls.iter().all(|call| call.parts[NETWORK] == Some(40_000)));
}

#[test]
fn a_cold_call_pays_the_handshake() {
    for (transport, round_trips) in [("tcp", 2), ("quic", 1)] {
        let network = format!("transport = \"{transport}\"");
        let calls = ok(&scenario(&network, NO_CPU, "every = \"10s\", cold = true"));
        assert_eq!(calls.len(), 60);
        for call in calls {
            // The look-up before it may have dialled the provider already.
            let connect = call.parts[CONNECT].unwrap();
            assert!(connect == 0 || connect == round_trips * 40_000, "{transport}: {call:?}");
            assert_eq!(call.parts[NETWORK], Some(40_000), "{transport}: {call:?}");
        }
    }
}

#[test]
fn a_call_that_waits_for_anothers_handshake_waits_for_its_connection() {
    // The second call is due 50 ms after the first, in the middle of its handshake of 80 ms.
    let calls = ok(&known(&scenario("", NO_CPU, "every = \"50ms\", calls = 2"), "\"oracle\""));
    assert_eq!(calls.len(), 2);
    for (call, connect) in calls.iter().zip([80_000, 30_000]) {
        assert_eq!((call.parts[CONNECT], call.parts[NETWORK]), (Some(connect), Some(40_000)), "{call:?}");
    }
}

#[test]
fn passing_a_call_on_takes_processor_time() {
    // What a node sends leaves when it has passed on what came before. The function takes no time, so the answer
    // waits for the call as well, and the client's next call for the answer.
    let faas = "forward_cpu = \"1ms\"\nmessage_cpu = \"0s\"";
    let clients = "clients = 1, calls = 5";
    let calls = |discovery: &str| {
        let scenario =
            scenario("", faas, clients).replace("service_time = \"10ms\"", "service_time = \"0s\"");
        run(&known(&scenario, discovery)).calls()
    };
    let network =
        |calls: &[Call]| -> Vec<i64> { calls.iter().map(|call| call.parts[NETWORK].unwrap()).collect() };
    // 1 ms at the entry, 1 ms at the provider for the call and 1 ms for its answer; then 1 ms at the entry.
    assert_eq!(network(&calls("\"oracle\"")), [43_000, 44_000, 44_000, 44_000, 44_000]);
    // A gateway between them is an end of both ways: 2 ms for the call and 2 ms for its answer, and another round trip.
    assert_eq!(network(&calls("{ kind = \"central\", node = 5 }")), [87_000, 88_000, 88_000, 88_000, 88_000]);
}

#[test]
fn a_call_that_stays_where_it_entered_is_not_passed_on() {
    let faas = "forward_cpu = \"1s\"\nmessage_cpu = \"0s\"";
    let local = scenario("", faas, "every = \"100ms\", calls = 20")
        .replace("entry = { nodes = [3] }", "entry = { nodes = [7] }");
    for call in run(&local).calls() {
        assert_eq!((call.latency, call.forwards), (Some(10_000), 0), "{call:?}");
    }
}

#[test]
fn an_idle_connection_closes() {
    let connects = |every: &str| {
        let calls = ok(&scenario("idle_timeout = \"10s\"", NO_CPU, &format!("every = \"{every}\"")));
        let dialled = calls.iter().filter(|call| call.parts[CONNECT].unwrap_or(0) > 0).count();
        dialled as f64 / calls.len() as f64
    };
    // Refreshes of the routing table open it now and then, too.
    assert!(connects("5s") < 0.02);
    assert!(connects("30s") > 0.5, "{}", connects("30s"));
}

#[test]
fn a_loss_costs_a_retransmission() {
    let mut calls = ok(&scenario("loss = \"5%\"", NO_CPU, "rate = \"10/s\", arrivals = \"constant\""));
    // The first ones wait for the handshake.
    calls.retain(|call| call.scheduled >= 2_000_000);
    let slow = calls.iter().filter(|call| call.parts[NETWORK].unwrap() >= 240_000).count() as f64;
    // Lost is the call, or its answer.
    let (n, p) = (calls.len() as f64, 1.0 - 0.95 * 0.95);
    let deviation = (n * p * (1.0 - p)).sqrt();
    assert!((slow - n * p).abs() < 4.0 * deviation, "{slow} of {n} were slow, {} expected", n * p);
    let others = calls.iter().filter(|call| call.parts[NETWORK] == Some(40_000)).count() as f64;
    assert_eq!(others + slow, n, "a call is neither on time nor late by a retransmission");
}

#[test]
fn a_long_body_takes_what_the_narrower_link_carries() {
    let big = scenario(LINKS, NO_CPU, "every = \"60s\"").replace("\"2000B\"", "\"10MB\"");
    for call in ok(&big) {
        // 10 MB over 8 Mbit/s are 10 s.
        let network = call.parts[NETWORK].unwrap();
        assert!((10_040_000..10_060_000).contains(&network), "{call:?}");
    }
}
