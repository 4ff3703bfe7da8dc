//! Nothing is left of calls, peers and names that are gone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use common::*;
use futures::StreamExt;
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
