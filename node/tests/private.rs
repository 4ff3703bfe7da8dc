//! Private networks: a pre-shared key, and a list of peers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use common::*;
use edge_faas_node::handle::{Node, SharedRegistry, StartError};
use libp2p::identity::Keypair;
use std::time::Duration;

async fn joins(other: &Node) -> bool {
    for _ in 0..100 {
        if other.info().joined {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_has_the_key_gets_in() {
    log();
    let keyed = |key: Option<u8>| {
        let mut config = config(Wire::Tcp);
        config.network.pre_shared_key = key.map(|byte| [byte; 32]);
        config
    };
    let first = start(keyed(Some(7)), TestRuntime::hosting(&["echo"])).await;
    let address = first.info().listening[0].clone();
    for (key, gets_in) in [(Some(7), true), (Some(8), false), (None, false)] {
        let mut config = keyed(key);
        config.network.bootstrap = vec![(first.id(), address.clone())];
        let other = start(config, TestRuntime::hosting(&[])).await;
        assert_eq!(joins(&other).await, gets_in, "with {key:?}");
        if gets_in {
            provided(&other, "echo", 1).await;
            assert_eq!(bytes(other.call(request("echo", "x")).await.unwrap()).await, "x");
        }
    }
    let mut quic = config(Wire::Quic);
    quic.network.pre_shared_key = Some([7; 32]);
    let identity = Keypair::generate_ed25519();
    let refused = Node::start(quic, identity, TestRuntime::hosting(&[]), SharedRegistry::default()).await;
    let Err(StartError::Config(message)) = refused.map(|_| ()) else { panic!("it started") };
    assert!(message.contains("TCP"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_is_on_the_list_gets_in() {
    log();
    let (friend, stranger) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let mut listed = config(Wire::Tcp);
    listed.network.allow = Some(vec![friend.public().to_peer_id()]);
    let first = start(listed, TestRuntime::hosting(&[])).await;
    let address = first.info().listening[0].clone();
    for (identity, gets_in) in [(friend, true), (stranger, false)] {
        let mut config = config(Wire::Tcp);
        config.network.bootstrap = vec![(first.id(), address.clone())];
        let other = start_as(identity, config, TestRuntime::hosting(&[])).await;
        assert_eq!(joins(&other).await, gets_in);
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config(Wire::Tcp);
    config.network.listen =
        vec![format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port()).parse().unwrap()];
    let identity = Keypair::generate_ed25519();
    let refused = Node::start(config, identity, TestRuntime::hosting(&[]), SharedRegistry::default()).await;
    let message = refused.map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("cannot listen on") && message.contains("tcp"), "{message}");
}
