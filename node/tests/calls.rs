//! Calls between nodes, over each transport.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use common::*;
use edge_faas_core::io::CallOutcome;
use edge_faas_node::call::{CallFailure, FailureReason};
use http::HeaderValue;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

async fn routed(wire: Wire) {
    log();
    let members = network(wire, 3, |i| if i == 2 { vec!["echo"] } else { vec![] }).await;
    provided(&members[1].node, "echo", 1).await;
    let mut request = request("echo", &b"\x00\xff007"[..]);
    request.path = "/a/b".to_owned();
    request.query = Some("x=1&y".to_owned());
    request.headers.append("x-two", HeaderValue::from_static("1"));
    request.headers.append("x-two", HeaderValue::from_bytes(b"\xfe").unwrap());
    let response = members[1].node.call(request).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.headers["x-heard"], "POST /a/b?x=1&y");
    let two: Vec<_> = response.headers.get_all("x-two").iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(two, [&b"1"[..], b"\xfe"]);
    let info = response.info.clone();
    assert_eq!((info.provider, info.hops, info.attempts), (Some(members[2].node.id()), 1, 1));
    let parts = info.parts;
    let sum = parts.lookup
        + parts.dispatch
        + parts.retry
        + parts.connect
        + parts.network
        + parts.queue
        + parts.cold
        + parts.exec;
    assert_eq!(sum, parts.total, "{parts:?}");
    assert_eq!(bytes(response).await, &b"\x00\xff007"[..]);
    // The next one uses the same stream.
    let before = members[1].node.census().streams;
    for _ in 0..20 {
        let response = members[1].node.call(common::request("echo", "again")).await.unwrap();
        assert_eq!(bytes(response).await, "again");
    }
    assert!(members[1].node.census().streams <= before);
    assert_eq!(members[2].runtime.executions.load(Ordering::SeqCst), 21);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_passes_through_untouched_within_the_process() {
    routed(Wire::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_passes_through_untouched_over_tcp() {
    routed(Wire::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_passes_through_untouched_over_quic() {
    routed(Wire::Quic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_function_is_not_found_and_soon() {
    log();
    let members = network(Wire::Tcp, 20, |_| vec![]).await;
    let begun = Instant::now();
    let result = members[7].node.call(request("nothing", "")).await;
    let took = begun.elapsed();
    let Err(CallFailure { reason, message, .. }) = result else { panic!("{result:?}") };
    assert_eq!(reason, FailureReason::Outcome(CallOutcome::NotFound));
    assert!(message.contains("nothing") && message.contains("deploy"), "{message}");
    // It takes a few milliseconds; the machine may be busy.
    assert!(took < Duration::from_secs(2), "{took:?}");
    println!("not found after {took:?}");
}
