//! Look-ups in networks that joined by the protocol: right, as many requests and entries as libp2p-kad, and all
//! providers found.

mod common;

use common::{Network, median};
use edge_faas_core::context::Config;
use edge_faas_core::io::{LookupOutcome, LookupPurpose};
use edge_faas_core::kad::Target;
use edge_faas_core::time::Duration;

fn joined(n: usize) -> Network {
    let mut network = Network::new(n, 7, Config::default());
    network.join_all(Duration::from_millis(300), Duration::from_secs(60));
    assert_eq!(network.joined.len(), n, "every node says once that it has joined");
    network.check_tables();
    network.reports.clear();
    network
}

/// Mean requests of look-ups by different nodes for random targets, and the share that found the true k closest.
fn measure(network: &mut Network, lookups: usize) -> (f64, f64) {
    let n = network.nodes.len();
    let mut requests = 0;
    let mut right = 0;
    for i in 0..lookups {
        let node = i * 7 % n;
        let report = network.find_closest(node, Target::random(i as u64));
        assert_eq!(report.outcome, LookupOutcome::Ok);
        requests += report.requests;
        let truth = network.closest(&report.target.key, network.peer(node));
        right += usize::from(report.closest == truth);
    }
    let (requests, right) = (f64::from(requests) / lookups as f64, right as f64 / lookups as f64);
    println!("{n} nodes: {requests:.1} requests, {right:.4} right, {} entries", table_median(network));
    (requests, right)
}

fn table_median(network: &Network) -> f64 {
    median(network.nodes.iter().map(|node| node.kad().table().len()).collect())
}

fn within(value: f64, low: f64, high: f64, what: &str) {
    // Ten per cent around what libp2p-kad needs.
    assert!((low * 0.9..=high * 1.1).contains(&value), "{what}: {value}, libp2p-kad {low} to {high}");
}

#[test]
fn a_hundred_nodes_are_like_libp2ps() {
    let mut network = joined(100);
    within(table_median(&network), 66.0, 66.0, "entries at 100 nodes");
    let (requests, right) = measure(&mut network, 500);
    within(requests, 28.0, 28.4, "requests at 100 nodes");
    assert!(right >= 0.999, "{right}");
}

#[test]
fn three_hundred_nodes_are_like_libp2ps() {
    let mut network = joined(300);
    within(table_median(&network), 95.0, 95.0, "entries at 300 nodes");
    let (requests, right) = measure(&mut network, 500);
    within(requests, 36.0, 40.0, "requests at 300 nodes");
    assert!(right >= 0.999, "{right}");
}

#[test]
fn a_thousand_nodes_are_like_libp2ps_and_find_the_true_closest() {
    let mut network = joined(1_000);
    within(table_median(&network), 127.0, 131.0, "entries at 1,000 nodes");
    let (requests, right) = measure(&mut network, 2_000);
    within(requests, 42.0, 43.0, "requests at 1,000 nodes");
    assert!(right >= 0.999, "{right}");
}

#[test]
fn all_of_a_thousand_providers_are_found() {
    let mut network = joined(1_100);
    let function = network.functions.push("resize", true);
    for i in 0..1_000 {
        network.with(network.peer(i), |peer, cx, now| {
            peer.kad_mut().provide(cx, now, function);
        });
        if i % 50 == 0 {
            network.run_for(Duration::from_millis(100));
        }
    }
    network.run_for(Duration::from_secs(20));
    let told = network.reports.iter().filter(|(_, report)| report.purpose == LookupPurpose::Announce).count();
    assert_eq!(told, 1_000);
    for asker in [1_000, 1_033, 1_099] {
        let report = network.find_providers(asker, function);
        let all: Vec<_> = (0..1_000).map(|i| network.peer(i)).collect();
        assert_eq!(report.providers, all);
        assert_eq!(report.outcome, LookupOutcome::Ok);
        assert!(report.requests < 60, "{} requests", report.requests);
    }
    // One of the thousand finds all the others.
    let report = network.find_providers(500, function);
    assert_eq!(report.providers.len(), 999);
}
