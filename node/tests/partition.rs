//! A network that falls into two halves, and is one again.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod daemons;

use daemons::*;
use edge_faas_node::daemon::Daemon;
use edge_faas_node::experiment::{LinkPlan, PathPlan};
use edge_faas_node::settings::Settings;
use reqwest::Method;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Where others dial a node.
fn addresses(daemon: &Daemon) -> Vec<String> {
    daemon.node.info().listening.iter().map(ToString::to_string).collect()
}

/// Lets nothing through between the nodes of one half and those of the other, or everything again.
async fn part(halves: [&[Daemon]; 2], blocked: bool) {
    for (mine, others) in [(halves[0], halves[1]), (halves[1], halves[0])] {
        let path = PathPlan { blocked, ..PathPlan::default() };
        let paths: BTreeMap<_, _> =
            others.iter().flat_map(addresses).map(|address| (address, path)).collect();
        let plan = LinkPlan { paths, ..LinkPlan::default() };
        for node in mine {
            let plan = serde_json::to_value(&plan).unwrap();
            let http = Http::of(node);
            assert_eq!(http.send(Method::PUT, "/api/v1/experiment/links", plan).await, 204);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_heals_by_itself() {
    let mut nodes = Vec::new();
    for _ in 0..6 {
        nodes.push(start(Settings { experiment: true, ..settings() }).await);
    }
    let known: Vec<String> =
        addresses(&nodes[0]).iter().map(|address| format!("{address}/p2p/{}", nodes[0].node.id())).collect();
    for (number, node) in nodes.iter().enumerate() {
        let bootstrap = if number > 0 { known.clone() } else { vec![] };
        let word = serde_json::json!({ "bootstrap": bootstrap });
        assert_eq!(Http::of(node).send(Method::POST, "/api/v1/experiment/join", word).await, 204);
        until("a node joins", || async { node.node.info().joined }).await;
    }
    let idempotent = [("edge-faas.idempotent", "true")];
    let (left, right) = nodes.split_at(3);
    deploy(&left[1], "both", "echo", &idempotent).await;
    deploy(&right[1], "both", "echo", &idempotent).await;
    deploy(&right[2], "right", "echo", &idempotent).await;
    provided(&left[0], "both", 2).await;
    provided(&right[0], "both", 2).await;
    provided(&left[0], "right", 1).await;
    let call = async |node: &Daemon, function: &str| {
        let path = format!("/function/{function}");
        let begun = Instant::now();
        let answer = Http::of(node).post(&path).header("x-edge-faas-timeout", "4s").body("x").send().await;
        (answer.unwrap().status().as_u16(), begun.elapsed())
    };
    for node in &nodes {
        assert_eq!(call(node, "both").await.0, 200);
        assert_eq!(call(node, "right").await.0, 200);
    }

    part([left, right], true).await;
    for node in &nodes {
        // Also where the last one was answered on the other side.
        let (status, took) = call(node, "both").await;
        println!("both, during: {took:?}");
        assert_eq!(status, 200, "each half goes on by itself");
    }
    let (status, took) = call(&left[0], "right").await;
    println!("right from the left, during: {status} after {took:?}");
    assert!(matches!(status, 404 | 502 | 504), "{status}");
    assert_eq!(call(&right[0], "right").await.0, 200);
    // News of one side.
    deploy(&right[0], "new", "echo", &idempotent).await;
    tokio::time::sleep(Duration::from_secs(3)).await;

    part([left, right], false).await;
    let healed = Instant::now();
    for function in ["right", "new"] {
        until("the other side is reached again", || async { call(&left[0], function).await.0 == 200 }).await;
        println!("{function} from the left, after: {:?}", healed.elapsed());
    }
    for node in &nodes {
        assert_eq!(call(node, "both").await.0, 200);
    }
}
