//! Large bodies stream both ways, with back-pressure and without being held.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use bytes::Bytes;
use common::*;
use edge_faas_node::body::{Body, BodyError};
use edge_faas_node::call::{CallFailure, FailureReason};
use futures::StreamExt;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// A body of `size` bytes in pieces of 64 KiB that are made as they are pulled, and how many bytes were.
fn stream(size: usize) -> (Body, Arc<AtomicUsize>) {
    let pulled = Arc::new(AtomicUsize::new(0));
    let count = pulled.clone();
    let pieces = futures::stream::unfold(0, move |sent| {
        let count = count.clone();
        async move {
            let len = (size - sent).min(64 * 1024);
            count.fetch_add(len, Ordering::SeqCst);
            // Each piece is other bytes, so that none can be lost or come twice unnoticed.
            let piece = Bytes::from(vec![(sent / (64 * 1024)) as u8; len]);
            (len > 0).then_some((Ok::<_, BodyError>(Frame::data(piece)), sent + len))
        }
    });
    (StreamBody::new(pieces.boxed()).boxed_unsync(), pulled)
}

/// Reads a body made by [`stream`] and checks every byte.
async fn check(mut body: Body) -> usize {
    let mut at = 0;
    while let Some(frame) = body.frame().await {
        let bytes = frame.unwrap_or_else(|error| panic!("after {at} bytes: {error}")).into_data().unwrap();
        for byte in bytes {
            assert_eq!(byte, (at / (64 * 1024)) as u8, "at {at}");
            at += 1;
        }
    }
    at
}

async fn pair(wire: Wire, function: &'static str) -> Vec<Member> {
    let members = network(wire, 2, |i| if i == 1 { vec![function] } else { vec![] }).await;
    provided(&members[0].node, function, 1).await;
    members
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_goes_there_and_back_in_bounded_memory() {
    log();
    for wire in [Wire::Tcp, Wire::Quic] {
        let members = pair(wire, "echo").await;
        let before = resident();
        let (body, _) = stream(192 * MIB);
        let mut call = request("echo", "");
        call.body = body;
        call.timeout = Some(Duration::from_secs(50));
        let response = members[0].node.call(call).await.unwrap();
        let peak = tokio::spawn(async move {
            let mut peak = 0;
            loop {
                peak = peak.max(resident());
                tokio::time::sleep(Duration::from_millis(5)).await;
                if PEAK_WANTED.load(Ordering::SeqCst) == 0 {
                    return peak;
                }
            }
        });
        assert_eq!(check(response.body).await, 192 * MIB);
        PEAK_WANTED.store(0, Ordering::SeqCst);
        let peak = peak.await.unwrap();
        PEAK_WANTED.store(1, Ordering::SeqCst);
        // Four ends of streams with their windows, and what the other tests of this process take.
        assert!(peak.saturating_sub(before) < 96 * MIB, "{} MiB more", (peak - before) / MIB);
        until("the call is over", Duration::from_secs(5), || members[0].node.census().calls == 0).await;
    }
}

static PEAK_WANTED: AtomicUsize = AtomicUsize::new(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_pulled_that_nobody_takes() {
    log();
    let members = pair(Wire::Tcp, "echo").await;
    let (body, pulled) = stream(1024 * MIB);
    let mut call = request("echo", "");
    call.body = body;
    let response = members[0].node.call(call).await.unwrap();
    // Nobody reads the answer: the source is held back once the windows are full.
    let mut seen = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = pulled.load(Ordering::SeqCst);
        if now == seen {
            break;
        }
        seen = now;
    }
    assert!(seen < 32 * MIB, "{} MiB were pulled", seen / MIB);
    drop(response);
    until("the runtime is told", Duration::from_secs(5), || members[1].node.info().served_calls == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_read_whole_before_the_answer_comes() {
    log();
    let members = pair(Wire::Tcp, "sink").await;
    let (body, _) = stream(40 * MIB);
    let mut call = request("sink", "");
    call.body = body;
    let response = members[0].node.call(call).await.unwrap();
    assert_eq!(bytes(response).await, (40 * MIB).to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_above_the_limit_is_refused_with_the_limit() {
    log();
    let limited = || {
        let mut config = config(Wire::Tcp);
        config.limits.request_body = MIB as u64;
        config
    };
    let members = network_of(limited, 2, |i| if i == 1 { vec!["sink"] } else { vec![] }).await;
    provided(&members[0].node, "sink", 1).await;
    let (body, _) = stream(8 * MIB);
    let mut call = request("sink", "");
    call.body = body;
    let Err(CallFailure { reason, message, .. }) = members[0].node.call(call).await else {
        panic!("it was taken")
    };
    assert_eq!(reason, FailureReason::TooLarge { limit: MIB as u64 });
    assert!(message.contains(&MIB.to_string()), "{message}");
    until("the runtime is told", Duration::from_secs(5), || members[1].node.info().served_calls == 0).await;
    // The provider is not blamed for it.
    assert_eq!(bytes(members[0].node.call(request("sink", "abc")).await.unwrap()).await, "3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_finds_another_provider_when_the_first_refuses_it() {
    log();
    let members = network(Wire::Tcp, 3, |i| if i > 0 { vec!["sink"] } else { vec![] }).await;
    provided(&members[0].node, "sink", 2).await;
    // One of the two has no room; which one is asked first is open.
    members[1].runtime.slots.store(0, Ordering::SeqCst);
    for _ in 0..6 {
        let (body, _) = stream(2 * MIB);
        let mut call = request("sink", "");
        call.body = body;
        let response = members[0].node.call(call).await.unwrap();
        assert_eq!(response.info.provider, Some(members[2].node.id()));
        assert_eq!(bytes(response).await, (2 * MIB).to_string());
    }
    assert_eq!(members[1].runtime.executions.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_an_answer_is_lost_at_the_node_that_hosts_the_function() {
    let members = pair(Wire::Tcp, "echo").await;
    // Pieces that are there at once: more than are taken before the answer's head goes out, and fewer.
    for size in [1, 64 * 1024, 300_000, MIB, 5_000_000] {
        let mut call = request("echo", "");
        call.body = stream(size).0;
        let response = members[1].node.call(call).await.unwrap();
        assert_eq!(check(response.body).await, size);
    }
}
