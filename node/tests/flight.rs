//! Thousands of calls at once, on one connection.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use common::*;
use futures::stream::{FuturesUnordered, StreamExt};
use std::sync::atomic::Ordering;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_thousand_calls_are_in_flight_on_one_connection() {
    const CALLS: u32 = 4_000;
    log();
    let one = || {
        let mut config = config(Wire::Tcp);
        config.limits.connections_per_peer = 1;
        config
    };
    let members = network_of(one, 2, |i| if i == 1 { vec!["sleep"] } else { vec![] }).await;
    let (entry, provider) = (&members[0], &members[1]);
    provided(&entry.node, "sleep", 1).await;
    // Each ends only once all of them run.
    let mut calls = FuturesUnordered::new();
    for i in 0..CALLS {
        let node = entry.node.clone();
        calls.push(tokio::spawn(async move {
            let mut call = request("sleep", i.to_string());
            call.query = Some("4000".to_owned());
            bytes(node.call(call).await.unwrap()).await
        }));
    }
    let mut most = 0;
    let runtime = provider.runtime.clone();
    let watch = tokio::spawn(async move {
        loop {
            most = most.max(runtime.running.load(Ordering::SeqCst));
            if most == CALLS {
                return most;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let most = tokio::time::timeout(Duration::from_secs(30), watch).await;
    assert_eq!(most.expect("all run at once").unwrap(), CALLS);
    let mut answers = Vec::new();
    while let Some(answer) = calls.next().await {
        answers.push(String::from_utf8(answer.unwrap().to_vec()).unwrap().parse::<u32>().unwrap());
    }
    answers.sort_unstable();
    assert!(answers.iter().copied().eq(0..CALLS), "each has its own answer");
    let census = entry.node.census();
    assert_eq!((census.calls, census.attempts), (0, 0));
    assert_eq!(provider.node.info().served_calls, 0);
}
