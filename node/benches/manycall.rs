//! What a manycall takes, over HTTP, streamed both ways, beside what it would take if nothing cost anything.
//!
//! `cargo bench -p edge-faas-node --bench manycall` prints a line for each: many items that sleep a second on as many slots,
//! quick ones, and providers of different speeds. Clients and nodes share this machine.

// A measurement of what went wrong is none: the panic says where.
#![allow(clippy::unwrap_used)]

#[path = "../tests/daemons/mod.rs"]
mod daemons;

use daemons::*;
use edge_faas_node::daemon::Daemon;
use std::collections::BTreeMap;
use std::time::Instant;

/// A manycall of so many items; each has to be right. Prints what it took, and who took how many.
async fn line(name: &str, entry: &Daemon, function: &str, items: usize, ideal: f64) {
    let http = Http::of(entry);
    // Connections and speeds are known, as in a network that is in use.
    http.map(function, "{}\n".repeat(20), true).await;
    let lines: String = (0..items).map(|item| format!("{{\"body\":\"{item}\"}}\n")).collect();
    let begun = Instant::now();
    let results = http.map(function, lines, true).await;
    let took = begun.elapsed().as_secs_f64();
    assert_eq!(results.len(), items);
    let mut shares: BTreeMap<String, usize> = BTreeMap::new();
    for result in &results {
        assert_eq!(result.outcome, "ok", "{result:?}");
        *shares.entry(result.provider.clone().unwrap_or_default()).or_default() += 1;
    }
    let mut shares: Vec<usize> = shares.into_values().collect();
    shares.sort_unstable();
    println!("{name:42}  {took:7.3} s   {ideal:6.3} s   {:6.2}   {shares:?}", took / ideal);
}

async fn measure() {
    println!("{:42}  {:>9}   {:>8}   {:>6}   items by provider", "manycall", "took", "ideal", "ratio");
    let nodes = network(3).await;
    for (function, slots) in [("sleep-50", "50"), ("sleep-500", "500")] {
        for node in &nodes[1..] {
            deploy(node, function, "sleep", &[("duration", "1s"), ("edge-faas.concurrency", slots)]).await;
        }
        provided(&nodes[0], function, 2).await;
    }
    for node in &nodes[1..] {
        deploy(node, "echo", "echo", &[("edge-faas.concurrency", "50")]).await;
    }
    provided(&nodes[0], "echo", 2).await;
    line("100 x 1 s on 2 x 50 slots", &nodes[0], "sleep-50", 100, 1.0).await;
    line("1,000 x 1 s on 2 x 500 slots", &nodes[0], "sleep-500", 1_000, 1.0).await;
    line("1,000 quick items on 2 providers", &nodes[0], "echo", 1_000, f64::NAN).await;
    drop(nodes);
    // Speeds of 10, 2 and 1: together they do 1/20 + 1/100 + 1/200 items a millisecond.
    let nodes = network(4).await;
    for (node, duration) in nodes[1..].iter().zip(["20ms", "100ms", "200ms"]) {
        deploy(node, "uneven", "sleep", &[("duration", duration), ("edge-faas.concurrency", "1")]).await;
    }
    provided(&nodes[0], "uneven", 3).await;
    line("500 on providers of 20, 100 and 200 ms", &nodes[0], "uneven", 500, 0.5 / 0.065).await;
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.unwrap_or_else(|error| panic!("no runtime: {error}")).block_on(measure());
}
