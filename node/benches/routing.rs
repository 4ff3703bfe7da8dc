//! What routing adds to a call: two nodes over TCP on the loopback interface, without HTTP before or behind them.
//!
//! `cargo bench -p edge-faas-node --bench routing` prints, for a call that runs at its entry and for one that takes a hop,
//! the latency of one client and what 10 and 50 clients get through. Compare within a run: machines differ.

#[path = "../tests/common/mod.rs"]
mod common;

use common::*;
use edge_faas_node::handle::Node;
use std::time::{Duration, Instant};

const WARM_UP: Duration = Duration::from_millis(500);
const MEASURE: Duration = Duration::from_secs(3);
const BODY: &[u8] = &[b'x'; 100];

async fn one(node: &Node) {
    let response = node.call(request("echo", BODY)).await;
    assert!(response.is_ok(), "{response:?}");
    if let Ok(response) = response {
        assert_eq!(bytes(response).await.len(), BODY.len());
    }
}

/// Latencies of one client's calls, sorted.
async fn sequential(node: &Node) -> Vec<Duration> {
    let node = node.clone();
    let client = tokio::spawn(async move {
        let begun = Instant::now();
        let mut took = Vec::new();
        while begun.elapsed() < WARM_UP + MEASURE {
            let call = Instant::now();
            one(&node).await;
            if begun.elapsed() > WARM_UP {
                took.push(call.elapsed());
            }
        }
        took.sort_unstable();
        took
    });
    client.await.unwrap_or_default()
}

/// Processor time of this process so far: it does not depend on what else the machine does.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in brackets; user and system time are fields 14 and 15, in hundredths of a second.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Calls a second of so many clients, each with one call at a time, and the processor time of one call, both nodes and the
/// client together.
async fn throughput(node: &Node, clients: usize) -> (f64, Duration) {
    let before = processor_time();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let node = node.clone();
            tokio::spawn(async move {
                let (mut calls, mut measured) = (0u64, 0u64);
                while begun.elapsed() < WARM_UP + MEASURE {
                    one(&node).await;
                    calls += 1;
                    measured += u64::from(begun.elapsed() > WARM_UP);
                }
                (calls, measured)
            })
        })
        .collect();
    let (mut calls, mut measured) = (0, 0);
    for task in tasks {
        let of_one = task.await.unwrap_or_default();
        (calls, measured) = (calls + of_one.0, measured + of_one.1);
    }
    let each = (processor_time() - before).div_f64(calls.max(1) as f64);
    (measured as f64 / MEASURE.as_secs_f64(), each)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.unwrap_or_else(|error| panic!("no runtime: {error}")).block_on(async {
        let members = network(Wire::Tcp, 2, |i| if i == 1 { vec!["echo"] } else { vec![] }).await;
        let begun = Instant::now();
        provided(&members[0].node, "echo", 1).await;
        println!("first look-up {:?}", begun.elapsed());
        println!("echo of {} bytes   p50 ms   p99 ms   10 clients/s   50 clients/s   CPU a call", BODY.len());
        for (path, at) in [("local", 1), ("routed", 0)] {
            let node = &members[at].node;
            let took = sequential(node).await;
            let quantile = |q: usize| took[(took.len() * q / 100).min(took.len() - 1)].as_secs_f64() * 1e3;
            let (p50, p99) = (quantile(50), quantile(99));
            let (ten, _) = throughput(node, 10).await;
            let (fifty, each) = throughput(node, 50).await;
            println!("{path:17}  {p50:7.3}  {p99:7.3}   {ten:12.0}   {fifty:12.0}   {each:10.1?}");
        }
    });
}
