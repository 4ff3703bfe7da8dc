//! Manycalls: every item has exactly one result, providers share by how quick they are, and nobody is overrun.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use bytes::Bytes;
use common::*;
use edge_faas_core::io::CallOutcome;
use edge_faas_node::body::BodyError;
use edge_faas_node::call::{FailureReason, MapItem, MapRequest, MapResult};
use edge_faas_node::handle::Node;
use futures::StreamExt;
use http::{HeaderMap, Method};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn item(body: impl Into<Bytes>, query: Option<String>) -> MapItem {
    MapItem { method: Method::POST, path: String::new(), query, headers: HeaderMap::new(), body: body.into() }
}

fn manycall(
    function: &str,
    items: impl Iterator<Item = MapItem> + Send + 'static,
    idempotent: Option<bool>,
) -> MapRequest {
    MapRequest {
        function: function.to_owned(),
        policy: None,
        idempotent,
        count: None,
        timeout: None,
        items: futures::stream::iter(items.map(Ok)).boxed(),
    }
}

async fn collect(node: &Node, request: MapRequest) -> BTreeMap<u64, MapResult> {
    let mut results = BTreeMap::new();
    let mut stream = node.map(request);
    while let Some(result) = stream.next().await {
        let result = result.unwrap();
        assert!(results.insert(result.index, result).is_none(), "an item has two results");
    }
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_quick_items_have_a_thousand_right_results() {
    log();
    let members = network(Wire::Tcp, 3, |i| if i > 0 { vec!["echo"] } else { vec![] }).await;
    for member in &members {
        member.runtime.slots.store(50, Ordering::SeqCst);
    }
    provided(&members[0].node, "echo", 2).await;
    let items = (0..1_000).map(|i| item(i.to_string(), None));
    let results = collect(&members[0].node, manycall("echo", items, None)).await;
    assert_eq!(results.len(), 1_000);
    for (index, result) in &results {
        let answer = result.outcome.as_ref().unwrap();
        assert_eq!(answer.body, index.to_string());
    }
    for member in &members[1..] {
        assert!(member.runtime.executions.load(Ordering::SeqCst) > 0, "both take part");
    }
    let census = members[0].node.census();
    assert_eq!((census.calls, census.maps, census.attempts), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_seconds_of_sleep_take_little_more_than_one() {
    log();
    let members = network(Wire::Tcp, 3, |i| if i > 0 { vec!["sleep"] } else { vec![] }).await;
    for member in &members {
        member.runtime.slots.store(50, Ordering::SeqCst);
    }
    provided(&members[0].node, "sleep", 2).await;
    let items = (0..100).map(|i| item(i.to_string(), Some("1000".to_owned())));
    let begun = Instant::now();
    let results = collect(&members[0].node, manycall("sleep", items, None)).await;
    let took = begun.elapsed();
    println!("100 x 1 s on two providers of 50 slots: {took:?}");
    assert_eq!(results.len(), 100);
    assert!(results.values().all(|result| result.outcome.is_ok()));
    // It takes some 1.05 s; the machine may be busy.
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_that_nobody_takes_hold_further_items_back() {
    log();
    let few = || {
        let mut config = config(Wire::Tcp);
        config.limits.map_results = 16;
        config
    };
    let members = network_of(few, 2, |i| if i == 1 { vec!["echo"] } else { vec![] }).await;
    provided(&members[0].node, "echo", 1).await;
    let pulled = Arc::new(AtomicU64::new(0));
    let count = pulled.clone();
    let items = (0..u64::MAX).map(move |i| {
        count.fetch_add(1, Ordering::SeqCst);
        item(i.to_string(), None)
    });
    let mut stream = members[0].node.map(manycall("echo", items, None));
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        seen.insert(stream.next().await.unwrap().unwrap().index);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let pulled = pulled.load(Ordering::SeqCst);
    assert!(pulled <= 100 + 16, "{pulled} items were pulled for 100 results");
    assert_eq!(seen.len(), 100);
    // Who goes away ends an endless manycall.
    drop(stream);
    let over = || members[0].node.census().maps == 0 && members[0].node.census().calls == 0;
    until("it is over", Duration::from_secs(5), over).await;
    assert_eq!(members[1].node.info().served_calls, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_that_break_off_end_the_manycall_after_the_results_of_those_before() {
    log();
    let members = network(Wire::Memory, 2, |i| if i == 1 { vec!["echo"] } else { vec![] }).await;
    provided(&members[0].node, "echo", 1).await;
    let mut request = manycall("echo", std::iter::empty(), None);
    let items = (0..3).map(|i| Ok(item(i.to_string(), None)));
    let items = items.chain([Err(BodyError::Broken("line 4 is no item".to_owned()))]);
    request.items = futures::stream::iter(items).boxed();
    let results: Vec<_> = members[0].node.map(request).collect().await;
    assert_eq!(results.len(), 4);
    assert!(results[..3].iter().all(|result| result.as_ref().unwrap().outcome.is_ok()));
    assert!(results[3].as_ref().unwrap_err().to_string().contains("line 4"));
}

/// A provider vanishes in the middle of a manycall. Returns the results, and how often items ran.
async fn with_a_provider_lost(idempotent: bool) -> (BTreeMap<u64, MapResult>, u64) {
    log();
    let mut members = network(Wire::Tcp, 4, |i| if i > 0 { vec!["sleep"] } else { vec![] }).await;
    for member in &members {
        member.runtime.slots.store(10, Ordering::SeqCst);
    }
    provided(&members[0].node, "sleep", 3).await;
    let runtimes: Vec<_> = members.iter().map(|member| member.runtime.clone()).collect();
    let items = (0..300).map(|i| item(i.to_string(), Some("50".to_owned())));
    let node = members[0].node.clone();
    let request = manycall("sleep", items, Some(idempotent));
    let results = tokio::spawn(async move { collect(&node, request).await });
    let victim = runtimes[2].clone();
    until("it is in the middle", Duration::from_secs(10), || victim.executions.load(Ordering::SeqCst) > 20)
        .await;
    // The last handle of the node ends it: its connections break with calls on them.
    members.remove(2);
    let results = results.await.unwrap();
    let executions = runtimes.iter().map(|runtime| runtime.executions.load(Ordering::SeqCst)).sum();
    (results, executions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_item_is_lost_with_a_provider_if_it_may_run_twice() {
    let (results, executions) = with_a_provider_lost(true).await;
    assert_eq!(results.len(), 300);
    for (index, result) in &results {
        assert_eq!(result.outcome.as_ref().unwrap().body, index.to_string());
    }
    println!("{executions} executions of 300 items");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_run_is_said_and_runs_no_second_time() {
    let (results, executions) = with_a_provider_lost(false).await;
    assert_eq!(results.len(), 300);
    let mut unknown = 0;
    for (index, result) in &results {
        match &result.outcome {
            Ok(answer) => assert_eq!(answer.body, index.to_string()),
            Err(failure) => {
                assert_eq!(failure.reason, FailureReason::Outcome(CallOutcome::Unknown), "{failure}");
                unknown += 1;
            }
        }
    }
    assert!((1..=40).contains(&unknown), "{unknown}");
    assert!(executions <= 300, "{executions} executions");
}
