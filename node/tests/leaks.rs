//! Nothing is left of calls, peers and names that are gone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use bytes::Bytes;
use common::*;
use edge_faas_node::call::{MapItem, MapRequest};
use futures::StreamExt;
use http::{HeaderMap, Method};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_calls_whatever_became_of_them() {
    log();
    let quick = || {
        let mut config = config(Wire::Tcp);
        config.timeouts.idle_stream = Duration::from_millis(500);
        config
    };
    let functions = |i| if i > 0 { vec!["echo", "stuck", "fail", "drip"] } else { vec![] };
    let members = network_of(quick, 3, functions).await;
    let node = &members[0].node;
    for function in ["echo", "stuck", "fail", "drip"] {
        provided(node, function, 2).await;
    }
    let rounds = |rounds: usize| async move {
        let calls = futures::stream::iter(0..rounds * 40).map(|i| async move {
            let function = ["echo", "stuck", "fail", "drip", "nothing"][i % 5];
            let mut call = request(function, vec![7; i % 3 * 200_000]);
            call.timeout = Some(Duration::from_millis(300));
            let call = node.call(call);
            // Some users go away.
            match i % 3 {
                0 => drop(tokio::time::timeout(Duration::from_millis(20), call).await),
                _ => drop(call.await),
            }
        });
        calls.buffer_unordered(50).collect::<Vec<()>>().await;
    };
    rounds(2).await;
    let settled = |member: &Member| {
        let census = member.node.census();
        (census.calls, census.attempts, census.maps, census.served, census.streams) == (0, 0, 0, 0, 0)
    };
    until("all is settled", Duration::from_secs(30), || members.iter().all(settled)).await;
    let tasks = node.census().tasks;
    rounds(6).await;
    until("all is settled", Duration::from_secs(30), || members.iter().all(settled)).await;
    until("no task is left over", Duration::from_secs(30), || node.census().tasks <= tasks + 3).await;
    for member in &members {
        assert_eq!(member.runtime.running.load(std::sync::atomic::Ordering::SeqCst), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_nobody_provides_are_forgotten() {
    log();
    let mut few = config(Wire::Memory);
    few.core.faas.cache_functions = 100;
    let node = start(few, TestRuntime::hosting(&["echo"])).await;
    until("it is alone", Duration::from_secs(5), || node.info().joined).await;
    for i in 0..40_000 {
        assert!(node.call(request(&format!("name-{i}"), "")).await.is_err());
    }
    let functions = node.census().functions;
    assert!(functions < 20_000, "{functions} names are held");
    assert_eq!(bytes(node.call(request("echo", "still")).await.unwrap()).await, "still");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_that_nobody_makes_are_ended() {
    log();
    let members = network(Wire::Tcp, 2, |i| if i == 1 { vec!["echo"] } else { vec![] }).await;
    let node = &members[0].node;
    provided(node, "echo", 1).await;
    // A provider is known, so the core asks for an attempt at once; the item's path ends the call before it is made.
    assert!(node.call(request("echo", "")).await.is_ok());
    let item = |_| {
        Ok(MapItem {
            method: Method::POST,
            path: "/../elsewhere".to_owned(),
            query: None,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        })
    };
    let manycall = MapRequest {
        function: "echo".to_owned(),
        policy: None,
        idempotent: None,
        count: Some(20),
        timeout: None,
        items: futures::stream::iter((0..20).map(item)).boxed(),
    };
    let results: Vec<_> = node.map(manycall).collect().await;
    assert_eq!(results.len(), 20);
    assert!(results.iter().all(|result| result.as_ref().is_ok_and(|result| result.outcome.is_err())));
    let census = || node.census();
    until("nothing is left", Duration::from_secs(5), || (census().calls, census().attempts) == (0, 0)).await;
}
