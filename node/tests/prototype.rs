//! The defects of the thesis' prototype, by their number: each must not come back.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod daemons;

use daemons::gateway::Gateway;
use daemons::*;
use edge_faas_node::daemon::Daemon;
use edge_faas_node::settings::{RuntimeKind, Settings};
use futures::future;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// A node with a gateway behind it.
fn with_gateway(mut settings: Settings, gateway: &Gateway) -> Settings {
    settings.runtime.kind = RuntimeKind::OpenFaas;
    settings.runtime.gateway = format!("http://{}", gateway.address);
    settings
}

/// Stops a node without a word to anybody, as a crash does.
fn crash(daemon: Daemon) {
    drop(daemon);
}

/// Waits until nobody answers there: a node that was dropped in this process ends a little later.
async fn gone(addresses: &[Multiaddr]) {
    let ports = addresses.iter().flat_map(Multiaddr::iter).filter_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    for port in ports {
        until("a crashed node listens no more", || async {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_1_a_provider_that_cannot_be_reached_holds_nobody_up() {
    let mut nodes = network(4).await;
    deploy(&nodes[1], "echo", "echo", &[]).await;
    deploy(&nodes[2], "lost", "echo", &[]).await;
    deploy(&nodes[3], "lost", "echo", &[]).await;
    provided(&nodes[0], "lost", 2).await;
    provided(&nodes[0], "echo", 1).await;
    for _ in 0..2 {
        let node = nodes.pop().unwrap();
        let addresses = node.node.info().listening;
        crash(node);
        gone(&addresses).await;
    }
    let http = Http::of(&nodes[0]);
    let lost = http.post("/function/lost").header("x-edge-faas-timeout", "10s").send();
    let lost = tokio::spawn(lost);
    for _ in 0..50 {
        let answer = http.post("/function/echo").body("x").send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let lost = lost.await.unwrap().unwrap();
    assert!(matches!(lost.status().as_u16(), 404 | 502 | 504), "{}", lost.status());
    // And nothing is broken for good.
    assert_eq!(http.post("/function/echo").send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_2_a_function_may_take_longer_than_ten_seconds() {
    let nodes = network(2).await;
    deploy(&nodes[1], "sleep", "sleep", &[("duration", "11s")]).await;
    provided(&nodes[0], "sleep", 1).await;
    let http = Http::of(&nodes[0]);
    let answer = http.post("/function/sleep").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "x-edge-faas-attempts"), Some("1"));
    // How long is the call's own choice.
    for _ in 0..10 {
        let answer = http.post("/function/sleep").header("x-edge-faas-timeout", "50ms").send().await.unwrap();
        assert_eq!(answer.status(), 504);
    }
    assert_eq!(http.post("/function/sleep?duration=1ms").send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_3_a_call_runs_once_unless_it_is_a_race() {
    let nodes = network(4).await;
    for node in &nodes[1..] {
        deploy(node, "echo", "echo", &[("edge-faas.idempotent", "true")]).await;
    }
    provided(&nodes[0], "echo", 3).await;
    let http = Http::of(&nodes[0]);
    for _ in 0..20 {
        assert_eq!(http.post("/function/echo").body("x").send().await.unwrap().status(), 200);
    }
    let total = || async {
        let mut total = 0;
        for node in &nodes {
            total += runs(node, "echo").await;
        }
        total
    };
    assert_eq!(total().await, 20);
    for _ in 0..5 {
        let raced = http.post("/function/echo").header("x-edge-faas-policy", "race").body("x");
        assert_eq!(raced.send().await.unwrap().status(), 200);
    }
    until("a race runs at more than one provider", || async { total().await > 25 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_4_calls_move_on_when_a_gateway_is_down() {
    let gateways = [Gateway::start().await, Gateway::start().await, Gateway::start().await];
    // The entry has a gateway of its own, which is the first to break.
    let entry = start(with_gateway(settings(), &gateways[0])).await;
    let second = start(with_gateway(knows(settings(), &entry), &gateways[1])).await;
    let third = start(with_gateway(knows(settings(), &entry), &gateways[2])).await;
    provided(&entry, "f", 3).await;
    let http = Http::of(&entry);
    assert_eq!(http.post("/function/f").body("x").send().await.unwrap().status(), 200);
    let [first, broken, _last] = gateways;
    first.down().await;
    for number in 0..20 {
        let answer = http.post("/function/f").body("x").send().await.unwrap();
        assert_eq!(answer.status(), 200, "call {number} with one gateway down");
    }
    broken.down().await;
    for number in 0..20 {
        let answer = http.post("/function/f").body("x").send().await.unwrap();
        assert_eq!(answer.status(), 200, "call {number} with two gateways down");
        assert_eq!(answer.text().await.unwrap(), "x");
    }
    drop((second, third));
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_4_a_dead_provider_is_forgotten_in_seconds() {
    let mut nodes = network(3).await;
    for node in &nodes[1..] {
        deploy(node, "echo", "echo", &[("edge-faas.idempotent", "true")]).await;
    }
    provided(&nodes[0], "echo", 2).await;
    let http = Http::of(&nodes[0]);
    // With its answer the entry learns that calls of the function may run again. Without it, a call that the node
    // which crashes has just taken is answered 502, as it may have run.
    assert_eq!(http.post("/function/echo").body("x").send().await.unwrap().status(), 200);
    crash(nodes.pop().unwrap());
    for _ in 0..20 {
        assert_eq!(http.post("/function/echo").body("x").send().await.unwrap().status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_4_functions_are_announced_again_after_a_restart_and_withdrawn_on_removal() {
    let folder = tempfile::tempdir().unwrap();
    let entry = lone().await;
    let durable = || {
        let mut settings = knows(settings(), &entry);
        settings.node.state_dir = Some(folder.path().to_owned());
        settings
    };
    let host = start(durable()).await;
    deploy(&host, "echo", "echo", &[]).await;
    provided(&entry, "echo", 1).await;
    let id = host.node.id();
    crash(host);
    let host = start(durable()).await;
    assert_eq!(host.node.id(), id);
    let http = Http::of(&entry);
    until("the function is called again", || async {
        http.post("/function/echo").body("x").send().await.unwrap().status() == 200
    })
    .await;
    let removal = json!({ "functionName": "echo" });
    let removed = Http::of(&host).send(reqwest::Method::DELETE, "/system/functions", removal).await;
    assert_eq!(removed, 202);
    provided(&entry, "echo", 0).await;
    until("the function is not found", || async {
        http.post("/function/echo").send().await.unwrap().status() == 404
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_5_all_providers_are_found_also_more_than_twenty() {
    let nodes = network(24).await;
    for node in &nodes[1..] {
        deploy(node, "echo", "echo", &[]).await;
    }
    provided(&nodes[0], "echo", 23).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_6_items_go_to_who_is_free() {
    let nodes = network(4).await;
    for (node, duration) in nodes[1..].iter().zip(["200ms", "100ms", "20ms"]) {
        deploy(node, "sleep", "sleep", &[("duration", duration), ("edge-faas.concurrency", "1")]).await;
    }
    provided(&nodes[0], "sleep", 3).await;
    let results = Http::of(&nodes[0]).manycall("sleep", vec![json!({}); 130]).await;
    assert!(results.iter().all(|result| *result == json!("")), "{results:?}");
    let mut shares = Vec::new();
    for node in &nodes[1..] {
        shares.push(runs(node, "sleep").await);
    }
    assert_eq!(shares.iter().sum::<u64>(), 130);
    // Equal shares would be 43 each. By speed they are 10, 20 and 100.
    assert!(shares[2] > 60 && shares[0] < 30, "{shares:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_6_many_quick_items_all_have_their_result_in_order() {
    let nodes = network(3).await;
    for node in &nodes[1..] {
        deploy(node, "echo", "echo", &[]).await;
    }
    provided(&nodes[0], "echo", 2).await;
    let items: Vec<Value> = (0..1_000).map(|number| json!({ "body": format!("item {number}") })).collect();
    let results = Http::of(&nodes[0]).manycall("echo", items).await;
    for (number, result) in results.iter().enumerate() {
        assert_eq!(*result, json!(format!("item {number}")));
    }
    assert_eq!(results.len(), 1_000);
    let shares = [runs(&nodes[1], "echo").await, runs(&nodes[2], "echo").await];
    assert_eq!(shares.iter().sum::<u64>(), 1_000, "{shares:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_7_bodies_and_headers_pass_both_ways_whatever_their_size() {
    let gateway = Gateway::start().await;
    let entry = lone().await;
    let host = start(with_gateway(knows(settings(), &entry), &gateway)).await;
    provided(&entry, "f", 1).await;
    let http = Http::of(&entry);
    let large: Vec<u8> = (0..=250).cycle().take(5_000_000).collect();
    for body in [b"007".to_vec(), b"\xff\0\r\n".to_vec(), large] {
        let sent = http.request(reqwest::Method::PUT, "/function/f/a%2Fb?x=%20&y").header("x-mine", "a, b");
        let answer = sent.body(body.clone()).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "x-yours")), (200, Some("a, b")));
        assert_eq!(header(&answer, "x-duration-seconds"), Some("0.125000"));
        assert!(answer.bytes().await.unwrap() == body);
    }
    {
        let asked = gateway.asked.lock().unwrap();
        let (method, uri, headers) = asked.iter().rfind(|(_, uri, _)| uri.starts_with("/function/")).unwrap();
        assert_eq!((method.as_str(), uri.as_str()), ("PUT", "/function/f/a%2Fb?x=%20&y"));
        assert!(headers.contains_key("x-call-id") && headers.contains_key("x-forwarded-host"));
    }
    let results = http.manycall("f", vec![json!({ "body": "007" }), json!({ "body_base64": "/wA=" })]).await;
    assert_eq!(results, [json!("007"), json!({ "body_base64": "/wA=" })]);
    drop(host);
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_8_no_path_leaves_its_function() {
    let gateway = Gateway::start().await;
    let entry = lone().await;
    let host = start(with_gateway(knows(settings(), &entry), &gateway)).await;
    provided(&entry, "f", 1).await;
    let http = Http::of(&entry);
    let paths = [
        "/../../system/functions",
        "/../system/functions",
        "/..",
        "/.",
        "/%2e%2e/%2e%2e/system/functions",
        "/%2E%2E/x",
        "/..%2f..%2fsystem/functions",
        "/%252e%252e/%252e%252e/system",
        "/..%5c..%5csystem",
        "/..;/system",
        "/%c0%ae%c0%ae/system",
        "/a%00b",
    ];
    for path in paths {
        for node in [&entry, &host] {
            let answer = raw_get(node, &format!("/function/f{path}")).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
        }
        let call = json!({ "http_method": "GET", "path_and_query": path });
        let answer = http.post("/api/v1/functions/f/executions").json(&call).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{path}");
        let list = json!({ "items": [{ "body": "fine" }, call] });
        let answer = http.post("/api/v1/functions/f/executions/manycall").json(&list).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{path}");
        assert!(answer.text().await.unwrap().contains("items[1]"), "{path}");
    }
    for path in ["/..\\..\\system", "/a\\b"] {
        let answer = raw_get(&entry, &format!("/function/f{path}")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
    for name in ["..", ".", "%2e%2e", "..%2fsystem", "f%2f..", "http:%2f%2fevil"] {
        let answer = raw_get(&entry, &format!("/function/{name}/functions")).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{name}: {answer}");
        let call = raw_get(&entry, &format!("/api/v1/providers/{name}")).await;
        assert!(call.starts_with("HTTP/1.1 400") || call.starts_with("HTTP/1.1 404"), "{name}: {call}");
    }
    assert_eq!(gateway.calls(), Vec::<String>::new(), "nothing of it reached the gateway");
    assert_eq!(http.post("/function/f").body("x").send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn defect_10_a_node_can_be_watched() {
    let node = lone().await;
    let http = Http::of(&node);
    assert_eq!(http.get("/healthz").send().await.unwrap().status(), 200);
    let text = http.get("/metrics").send().await.unwrap().text().await.unwrap();
    assert!(text.contains("edge_faas_") && text.trim_end().ends_with("# EOF"), "{text}");
}

/// Many at once, and each is answered for itself: none waits for the slowest.
#[tokio::test(flavor = "multi_thread")]
async fn calls_run_side_by_side() {
    let nodes = network(2).await;
    deploy(&nodes[1], "sleep", "sleep", &[("edge-faas.concurrency", "200")]).await;
    provided(&nodes[0], "sleep", 1).await;
    let http = Http::of(&nodes[0]);
    let begun = Instant::now();
    let calls = (0..200).map(|_| http.post("/function/sleep?duration=500ms").send());
    let answers = future::join_all(calls).await;
    assert!(answers.into_iter().all(|answer| answer.unwrap().status() == 200));
    // One after the other they would take 100 s.
    assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
}
