//! What a user gets: calls over HTTP to a node that runs them itself, and to one that passes them on, with built-in `echo`
//! and with an OpenFaaS gateway (a trivial one) behind the node that hosts.
//!
//! `cargo bench -p edge-faas-node --bench http` prints the latency of one client and what 10 and 50 clients get through,
//! each over a connection that is kept. The first line is the gateway without any node: what is below it is the price
//! of the client and of HTTP. Clients, nodes and gateway share this machine; compare within a run, machines differ.
//!
//! Then what a first call costs in a network of twenty nodes, when the entry has no connection to anybody: of a function
//! that one of them hosts (a look-up, and a dial to its provider), and of one that nobody does.

// A measurement of what went wrong is none: the panic says where.
#![allow(clippy::unwrap_used)]

#[path = "../tests/daemons/mod.rs"]
mod daemons;

use daemons::gateway::Gateway;
use daemons::*;
use edge_faas_node::settings::RuntimeKind;
use reqwest::Client;
use std::time::{Duration, Instant};

const WARM_UP: Duration = Duration::from_millis(500);
const MEASURE: Duration = Duration::from_secs(3);
const BODY: &[u8] = &[b'x'; 100];

/// One call, which has to be right.
async fn one(client: &Client, url: &str) {
    let answer = client.post(url).body(BODY).send().await;
    let answer = answer.unwrap_or_else(|error| panic!("{url}: {error}"));
    let status = answer.status();
    let bytes = answer.bytes().await.unwrap_or_else(|error| panic!("{url}: {error}"));
    assert!(status == 200 && bytes == BODY, "{url}: {status}, {} bytes", bytes.len());
}

/// Latencies of the calls of so many clients, each with one call at a time, in the time that is measured.
async fn clients(url: &str, clients: usize) -> Vec<Duration> {
    let begun = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let url = url.to_owned();
            tokio::spawn(async move {
                let client = client();
                let mut took = Vec::new();
                while begun.elapsed() < WARM_UP + MEASURE {
                    let call = Instant::now();
                    one(&client, &url).await;
                    if begun.elapsed() > WARM_UP {
                        took.push(call.elapsed());
                    }
                }
                took
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap_or_default());
    }
    all.sort_unstable();
    all
}

/// The value below which so many in a hundred are.
fn quantile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
}

async fn line(name: &str, url: &str) {
    let took = clients(url, 1).await;
    let (p50, p99) = (quantile(&took, 50), quantile(&took, 99));
    let rate = |calls: usize| calls as f64 / MEASURE.as_secs_f64();
    let ten = rate(clients(url, 10).await.len());
    let fifty = rate(clients(url, 50).await.len());
    println!("{name:20}  {p50:7.3}  {p99:7.3}   {ten:12.0}   {fifty:12.0}");
}

async fn measure() {
    let gateway = Gateway::start().await;
    let entry = lone().await;
    let builtin = start(knows(settings(), &entry)).await;
    let mut behind = knows(settings(), &entry);
    behind.runtime.kind = RuntimeKind::OpenFaas;
    behind.runtime.gateway = format!("http://{}", gateway.address);
    behind.runtime.concurrency = 1_000;
    let openfaas = start(behind).await;
    deploy(&builtin, "echo", "echo", &[("edge-faas.concurrency", "1000")]).await;
    provided(&entry, "echo", 1).await;
    provided(&entry, "f", 1).await;
    println!("echo of {} bytes      p50 ms   p99 ms   10 clients/s   50 clients/s", BODY.len());
    for (name, at, function) in [
        ("gateway alone", gateway.address, "f"),
        ("builtin, local", builtin.http, "echo"),
        ("builtin, routed", entry.http, "echo"),
        ("openfaas, local", openfaas.http, "f"),
        ("openfaas, routed", entry.http, "f"),
    ] {
        line(name, &format!("http://{at}/function/{function}")).await;
    }
}

/// First calls in a network, from an entry whose connections have all closed.
async fn first_calls() {
    const NODES: usize = 20;
    let nodes = network(NODES - 1).await;
    for (number, node) in nodes.iter().enumerate() {
        deploy(node, &format!("echo-{number}"), "echo", &[]).await;
    }
    let mut settings = knows(settings(), &nodes[0]);
    settings.node.timeouts.idle = Duration::from_millis(200);
    settings.node.timeouts.idle_stream = Duration::from_millis(200);
    let entry = start(settings).await;
    until("it joins", || async { entry.node.info().joined }).await;
    for number in 0..nodes.len() {
        provided(&nodes[0], &format!("echo-{number}"), 1).await;
    }
    println!("\nfirst calls, {NODES} nodes   p50 ms   worst ms");
    let http = Http::of(&entry);
    for (name, function, status) in [("hosted by one", "echo", 200), ("hosted by nobody", "nobody", 404)] {
        let mut took = Vec::new();
        for number in 0..nodes.len() {
            let alone = || async { entry.node.peers().iter().all(|peer| !peer.connected) };
            until("its connections close", alone).await;
            let call = Instant::now();
            let answer =
                http.post(&format!("/function/{function}-{number}")).body(BODY).send().await.unwrap();
            assert_eq!(answer.status(), status);
            took.push(call.elapsed());
        }
        took.sort_unstable();
        println!("{name:23}  {:7.3}    {:7.3}", quantile(&took, 50), quantile(&took, 100));
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    runtime.block_on(async {
        measure().await;
        first_calls().await;
    });
}
