//! The same fifty nodes as libp2p-kad swarms and as our cores: they find the same, at the same cost.

mod common;
#[path = "../../tests/common/mod.rs"]
mod memory;

use common::Stock;
use edge_faas_core::context::Config;
use edge_faas_core::kad::{Preimage, Target};
use edge_faas_core::key::Key;
use edge_faas_core::time::Duration;
use libp2p::PeerId;
use std::collections::BTreeSet;

const NODES: u32 = 50;
const LOOKUPS: u64 = 100;

#[tokio::test(flavor = "current_thread")]
async fn fifty_nodes_find_the_same_at_the_same_cost() {
    let mut stock = Stock::new(1_000, NODES);
    stock.join_all().await;
    stock.idle(std::time::Duration::from_secs(2)).await;

    let ids = stock.ids.clone();
    let keys: Vec<Key> = ids.iter().map(|id| Key::hash(&id.to_bytes())).collect();
    let mut ours = memory::Network::with_keys(&keys, 1, Config::default());
    ours.join_all(Duration::from_secs(1), Duration::from_secs(2));

    let theirs_in_tables: usize = stock
        .swarms
        .iter_mut()
        .map(|swarm| swarm.behaviour_mut().kbuckets().map(|bucket| bucket.num_entries()).sum::<usize>())
        .sum();
    let ours_in_tables: usize = ours.nodes.iter().map(|node| node.kad().table().len()).sum();

    let (mut same, mut all) = (0, 0);
    let (mut their_requests, mut our_requests) = (0, 0);
    for number in 0..LOOKUPS {
        let node = (number * 7 % u64::from(NODES)) as usize;
        let bytes = Target::random_bytes(number);
        let target = PeerId::from_bytes(&bytes).expect("a SHA-256 multihash");
        let (theirs, requests) = stock.find_closest(node, target).await;
        their_requests += requests;
        let report = ours.find_closest(
            node,
            Target { key: Key::hash(&bytes), preimage: Preimage::Bytes(bytes[..].into()) },
        );
        our_requests += report.requests;
        let theirs: BTreeSet<PeerId> = theirs.into_iter().collect();
        all += theirs.len().max(report.closest.len());
        same += report.closest.iter().filter(|peer| theirs.contains(&ids[peer.index()])).count();
    }
    println!(
        "{same} of {all} the same; requests {their_requests} (libp2p-kad) and {our_requests}; \
         entries {theirs_in_tables} and {ours_in_tables}"
    );
    assert!(same * 100 >= all * 99, "{same} of {all} the same");
    alike(f64::from(our_requests), f64::from(their_requests), "requests");
    alike(ours_in_tables as f64, theirs_in_tables as f64, "entries in tables");
}

fn alike(ours: f64, theirs: f64, what: &str) {
    assert!((ours / theirs - 1.0).abs() <= 0.1, "{what}: ours {ours}, libp2p-kad's {theirs}");
}
