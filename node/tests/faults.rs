//! What callers see when something breaks.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use common::*;
use edge_faas_core::io::CallOutcome;
use edge_faas_node::call::{CallFailure, CallResponse, FailureReason};
use futures::FutureExt;
use http_body_util::BodyExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

fn outcome(result: Result<CallResponse, CallFailure>) -> (CallOutcome, String) {
    match result {
        Ok(response) => panic!("an answer came: {response:?}"),
        Err(CallFailure { reason: FailureReason::Outcome(outcome), message, .. }) => (outcome, message),
        Err(failure) => panic!("{failure:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_ends_at_its_deadline_and_its_provider_is_told() {
    log();
    let members = network(Wire::Tcp, 2, |i| if i == 1 { vec!["stuck"] } else { vec![] }).await;
    provided(&members[0].node, "stuck", 1).await;
    let mut call = request("stuck", "");
    call.timeout = Some(Duration::from_millis(300));
    let begun = Instant::now();
    let (outcome, message) = outcome(members[0].node.call(call).await);
    assert_eq!(outcome, CallOutcome::Timeout, "{message}");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    let runtime = &members[1].runtime;
    until("it is cancelled", Duration::from_secs(5), || runtime.cancelled.load(Ordering::SeqCst) == 1).await;
    assert_eq!(runtime.running.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_cancelled_there_when_its_user_goes_away() {
    log();
    let members = network(Wire::Tcp, 2, |i| if i == 1 { vec!["stuck", "drip"] } else { vec![] }).await;
    provided(&members[0].node, "stuck", 1).await;
    let runtime = members[1].runtime.clone();
    // While it waits for the head.
    let node = members[0].node.clone();
    let call = tokio::spawn(async move { node.call(request("stuck", "")).await });
    until("it runs", Duration::from_secs(5), || runtime.running.load(Ordering::SeqCst) == 1).await;
    call.abort();
    until("it is cancelled", Duration::from_secs(5), || runtime.cancelled.load(Ordering::SeqCst) == 1).await;
    // While the body comes.
    provided(&members[0].node, "drip", 1).await;
    let mut response = members[0].node.call(request("drip", "")).await.unwrap();
    for _ in 0..3 {
        assert!(response.body.frame().await.unwrap().is_ok());
    }
    assert_eq!(members[1].node.info().served_calls, 1);
    drop(response);
    until("it is cancelled", Duration::from_secs(5), || members[1].node.info().served_calls == 0).await;
    let census = members[0].node.census();
    assert_eq!((census.calls, census.attempts), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_runtimes_down_fails_no_call() {
    log();
    let members = network(Wire::Tcp, 4, |i| if i > 0 { vec!["echo"] } else { vec![] }).await;
    provided(&members[0].node, "echo", 3).await;
    members[2].runtime.down.store(true, Ordering::SeqCst);
    for i in 0..50 {
        let response = members[0].node.call(request("echo", i.to_string())).await.unwrap();
        assert_eq!(bytes(response).await, i.to_string());
    }
    assert_eq!(members[2].runtime.executions.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_was_removed_is_not_found_there_and_forgotten() {
    log();
    let members = network(Wire::Tcp, 3, |i| if i == 1 { vec!["echo"] } else { vec![] }).await;
    provided(&members[0].node, "echo", 1).await;
    assert!(members[0].node.call(request("echo", "")).await.is_ok());
    members[1].runtime.unhost("echo");
    let heard = || members[1].node.info().hosted.is_empty();
    until("the node hears of it from its runtime", Duration::from_secs(5), heard).await;
    // The cache of the entry still names it; the provider says that it does not host it any more.
    let (outcome, _) = outcome(members[0].node.call(request("echo", "")).await);
    assert_eq!(outcome, CallOutcome::NotFound);
    // And the record is withdrawn.
    for _ in 0..100 {
        if members[2].node.providers("echo").await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it is still announced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_idle_is_opened_again_for_the_next_call() {
    log();
    let hasty = || {
        let mut config = config(Wire::Tcp);
        config.timeouts.idle = Duration::from_millis(200);
        config.timeouts.idle_stream = Duration::from_millis(200);
        config
    };
    let members = network_of(hasty, 2, |i| if i == 1 { vec!["echo"] } else { vec![] }).await;
    let node = &members[0].node;
    provided(node, "echo", 1).await;
    for _ in 0..3 {
        let response = node.call(request("echo", "x")).await.unwrap();
        assert_eq!(response.info.attempts, 1);
        println!("dialled in {:?}, answered in {:?}", response.info.parts.connect, response.info.parts.total);
        // Nobody is suspected and asked for a sign of life first.
        assert_eq!(response.info.parts.dispatch, Duration::ZERO);
        assert_eq!(bytes(response).await, "x");
        let idle = || node.peers().iter().all(|peer| !peer.connected);
        until("the connection is closed", Duration::from_secs(10), idle).await;
    }
}

/// A node in a thread of its own, which a test can stop as a stopped process is: everything in it stands still.
struct Island {
    member: std::sync::Arc<parking_lot::Mutex<Option<Member>>>,
    orders: std::sync::mpsc::Sender<Order>,
}

enum Order {
    /// Let nothing run until the next order.
    Freeze(std::sync::mpsc::Receiver<()>),
    /// Vanish, as a killed process does: its connections are reset.
    Die,
}

impl Island {
    fn start(bootstrap: &edge_faas_node::handle::Node, functions: Vec<&'static str>) -> Island {
        let bootstrap = (bootstrap.id(), bootstrap.info().listening[0].clone());
        let member = std::sync::Arc::new(parking_lot::Mutex::new(None));
        let slot = member.clone();
        let (orders, received) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio.block_on(async {
                let mut config = config(Wire::Tcp);
                config.network.bootstrap = vec![bootstrap];
                let runtime = TestRuntime::hosting(&functions);
                for function in functions {
                    runtime.host(function, true);
                }
                let node = start(config, runtime.clone()).await;
                *slot.lock() = Some(Member { node, runtime });
                loop {
                    match received.try_recv() {
                        // Nothing else runs in this thread meanwhile.
                        Ok(Order::Freeze(thaw)) => drop(thaw.recv()),
                        Ok(Order::Die) | Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                        Err(std::sync::mpsc::TryRecvError::Empty) => {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    }
                }
            });
            // Dropping the runtime drops every socket.
        });
        Island { member, orders }
    }

    fn executions(&self) -> u64 {
        self.member.lock().as_ref().map_or(0, |member| member.runtime.executions.load(Ordering::SeqCst))
    }

    fn id(&self) -> Option<libp2p::PeerId> {
        self.member.lock().as_ref().map(|member| member.node.id())
    }
}

/// A call runs at one of two providers, something happens to that one, and the call is answered by the other. Returns how
/// long that took.
async fn fail_over(disaster: impl FnOnce(&Island)) -> Duration {
    log();
    let members = network(Wire::Tcp, 3, |_| vec![]).await;
    let entry = members[0].node.clone();
    let islands = [0, 1].map(|_| Island::start(&entry, vec!["sleep"]));
    for island in &islands {
        until("a provider starts", Duration::from_secs(10), || island.id().is_some()).await;
    }
    provided(&entry, "sleep", 2).await;
    // Warm: connections stand, and the entry has learnt that the function may run twice.
    for _ in 0..4 {
        assert!(entry.call(request("sleep", "")).await.is_ok());
    }
    let before = [0, 1].map(|i| islands[i].executions());
    let mut call = request("sleep", "done");
    call.query = Some("1500".to_owned());
    call.idempotent = Some(true);
    let node = entry.clone();
    let mut call = tokio::spawn(async move { node.call(call).await });
    let mut at = None;
    until("it runs somewhere", Duration::from_secs(5), || {
        at = (0..2).find(|i| islands[*i].executions() > before[*i]);
        at.is_some()
    })
    .await;
    let at = at.unwrap();
    assert!((&mut call).now_or_never().is_none());
    let begun = Instant::now();
    disaster(&islands[at]);
    let other = &islands[1 - at];
    until("it runs at the other", Duration::from_secs(10), || other.executions() > before[1 - at]).await;
    let took = begun.elapsed();
    let response = call.await.unwrap().unwrap();
    assert_eq!(response.info.provider, other.id());
    assert_eq!(response.info.attempts, 2);
    assert_eq!(bytes(response).await, "done");
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_move_on_at_once_when_a_provider_is_killed() {
    let took = fail_over(|island| island.orders.send(Order::Die).unwrap()).await;
    println!("moved on after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_move_on_within_two_seconds_when_a_provider_falls_silent() {
    let (thaw, frozen) = std::sync::mpsc::channel();
    let took = fail_over(|island| island.orders.send(Order::Freeze(frozen)).unwrap()).await;
    println!("moved on after {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    drop(thaw);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrap_peer_that_is_down_is_tried_again() {
    log();
    // Reserve a port for a peer that comes later.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let identity = libp2p::identity::Keypair::generate_ed25519();
    let address: libp2p::Multiaddr = format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
    let mut early = config(Wire::Tcp);
    early.network.bootstrap = vec![(identity.public().to_peer_id(), address.clone())];
    let first = start(early, TestRuntime::hosting(&["echo"])).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!first.info().joined);
    let mut late = config(Wire::Tcp);
    late.network.listen = vec![address];
    let second = start_as(identity, late, TestRuntime::hosting(&[])).await;
    until("it joins later", Duration::from_secs(10), || first.info().joined).await;
    provided(&second, "echo", 1).await;
    assert!(second.call(request("echo", "")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_shuts_down_ends_its_calls_and_withdraws() {
    log();
    let members = network(Wire::Tcp, 4, |i| if i == 1 { vec!["sleep"] } else { vec![] }).await;
    provided(&members[0].node, "sleep", 1).await;
    let mut call = request("sleep", "late");
    call.query = Some("700".to_owned());
    let node = members[0].node.clone();
    let call = tokio::spawn(async move { bytes(node.call(call).await.unwrap()).await });
    let runtime = members[1].runtime.clone();
    until("it runs", Duration::from_secs(5), || runtime.running.load(Ordering::SeqCst) == 1).await;
    let begun = Instant::now();
    members[1].node.shutdown().await;
    assert!(begun.elapsed() >= Duration::from_millis(300), "it did not wait");
    assert_eq!(call.await.unwrap(), "late");
    assert!(members[2].node.providers("sleep").await.is_empty(), "it is still announced");
    let refused = members[1].node.call(request("sleep", "")).await.unwrap_err();
    assert_eq!(refused.reason, FailureReason::ShuttingDown);
}
