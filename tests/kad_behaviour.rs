//! How a node behaves when others fail, lie, come and go: small stories over the network in memory.

mod common;

use common::{Faults, Network};
use edge_faas_core::context::Config;
use edge_faas_core::io::{Exchange, Failure, Input, LookupOutcome, LookupPurpose};
use edge_faas_core::kad::{Peers, Preimage, Record, Request, Response, Target};
use edge_faas_core::key::{Key, PeerHandle};
use edge_faas_core::time::{Duration, Time};
use proptest::prelude::*;
use std::sync::Arc;

fn joined(n: usize, config: Config) -> Network {
    let mut network = Network::new(n, 11, config);
    network.join_all(Duration::from_millis(300), Duration::from_secs(30));
    assert_eq!(network.joined.len(), n);
    network.reports.clear();
    network
}

fn provide(network: &mut Network, node: usize, name: &str) -> edge_faas_core::key::FunctionHandle {
    let function = network.functions.push(name, true);
    network.with(network.peer(node), |peer, cx, now| {
        peer.kad_mut().provide(cx, now, function);
    });
    function
}

#[test]
fn one_node_alone_joins_and_finds_nobody() {
    let mut network = Network::new(1, 1, Config::default());
    network.input(network.peer(0), Input::Join { bootstrap: vec![network.peer(0)] });
    assert_eq!(network.joined.len(), 1);
    let report = network.find_closest(0, Target::random(1));
    assert_eq!(report.outcome, LookupOutcome::Failed);
    assert_eq!((report.requests, report.closest.len()), (0, 0));
    network.run_for(Duration::from_secs(3_600));
}

#[test]
fn a_function_hosted_before_joining_is_announced_after_it() {
    let mut network = Network::new(30, 3, Config::default());
    let function = provide(&mut network, 29, "early");
    network.join_all(Duration::from_millis(300), Duration::from_secs(20));
    let report = network.find_providers(4, function);
    assert_eq!(report.providers, vec![network.peer(29)]);
}

#[test]
fn the_first_of_a_network_announces_once_others_are_there() {
    let mut network = Network::new(30, 3, Config::default());
    network.input(network.peer(0), Input::Join { bootstrap: vec![] });
    let function = provide(&mut network, 0, "first");
    network.join_all(Duration::from_millis(100), Duration::from_secs(20));
    let report = network.find_providers(4, function);
    assert_eq!(report.providers, vec![network.peer(0)]);
}

#[test]
fn a_withdrawn_function_is_not_found_any_more() {
    let mut network = joined(60, Config::default());
    let function = provide(&mut network, 7, "gone");
    network.run_for(Duration::from_secs(5));
    assert_eq!(network.find_providers(3, function).providers.len(), 1);
    network.with(network.peer(7), |peer, cx, now| {
        peer.kad_mut().unprovide(cx, now, function);
    });
    network.run_for(Duration::from_secs(5));
    assert_eq!(network.find_providers(4, function).providers.len(), 0);
    let kept: usize = network.nodes.iter().map(|node| node.kad().provider_records()).sum();
    assert_eq!(kept, 0);
    // And it does not come back.
    network.run_for(Duration::from_secs(2_000));
    assert_eq!(network.find_providers(5, function).providers.len(), 0);
}

#[test]
fn records_of_a_dead_provider_run_out_and_those_of_a_live_one_do_not() {
    let mut network = joined(60, Config::default());
    let dead = provide(&mut network, 7, "dead");
    let live = provide(&mut network, 8, "live");
    network.run_for(Duration::from_secs(5));
    network.kill(7);
    network.run_for(Duration::from_secs(1_900));
    assert_eq!(network.find_providers(3, dead).providers.len(), 0);
    assert_eq!(network.find_providers(3, live).providers, vec![network.peer(8)]);
    network.run_for(Duration::from_secs(10_000));
    assert_eq!(network.find_providers(3, live).providers, vec![network.peer(8)]);
    let republished = network
        .reports
        .iter()
        .filter(|(by, report)| *by == network.peer(8) && report.purpose == LookupPurpose::Republish)
        .count();
    // Every ten minutes.
    assert!((18..=21).contains(&republished), "{republished} times");
}

#[test]
fn a_full_key_takes_no_more_providers_but_the_known_ones() {
    let mut config = Config::default();
    config.kad.max_providers_per_key = 3;
    let mut network = Network::new(10, 1, config);
    let key = Key::hash(b"busy");
    network.with(network.peer(0), |peer, cx, now| {
        let kad = peer.kad_mut();
        let end = now + Duration::from_secs(10);
        for i in 1..4 {
            assert!(kad.insert_provider(cx, now, key, PeerHandle::new(i), end));
        }
        assert!(!kad.insert_provider(cx, now, key, PeerHandle::new(4), end));
        assert!(kad.insert_provider(cx, now, key, PeerHandle::new(2), end));
        // What has run out makes room.
        let later = now + Duration::from_secs(11);
        assert!(kad.insert_provider(cx, later, key, PeerHandle::new(4), later + Duration::from_secs(9)));
        assert_eq!(kad.provider_records(), 1);
    });
}

#[test]
fn a_value_is_found_where_it_was_not_put() {
    let mut network = joined(80, Config::default());
    let key: Arc<[u8]> = Arc::from(&b"answer"[..]);
    let record =
        Record { key: key.clone(), value: Arc::from(&b"42"[..]), publisher: None, ttl_secs: Some(600) };
    network.input(network.peer(3), Input::PutValue { record: Box::new(record) });
    network.run_for(Duration::from_secs(3));
    let target = Target { key: Key::hash(&key), preimage: Preimage::Bytes(key) };
    network.input(network.peer(50), Input::GetValue { target: target.clone() });
    network.run_for(Duration::from_secs(3));
    let (by, found) = network.values.pop().expect("an end");
    let found = found.expect("a record");
    assert_eq!(by, network.peer(50));
    assert_eq!(&*found.value, b"42");
    assert_eq!(found.publisher, Some(network.peer(3)));
    assert!(found.ttl_secs.is_some_and(|secs| (590..=600).contains(&secs)));
    // It runs out.
    network.run_for(Duration::from_secs(700));
    network.input(network.peer(51), Input::GetValue { target });
    network.run_for(Duration::from_secs(3));
    assert_eq!(network.values.pop(), Some((network.peer(51), None)));
}

/// Of the true closest that live, the share that look-ups by the living find.
fn found_of_the_living(network: &mut Network, lookups: u64) -> f64 {
    let living: Vec<usize> = (0..network.nodes.len()).filter(|i| network.up[*i]).collect();
    let (mut found, mut all) = (0, 0);
    for i in 0..lookups {
        let node = living[i as usize % living.len()];
        let report = network.find_closest(node, Target::random(i));
        assert_eq!(report.outcome, LookupOutcome::Ok);
        match network.faults.refused {
            true => assert_eq!(report.timeouts, 0),
            false => assert_eq!(report.failures, 0),
        }
        let truth = network.closest(&report.target.key, network.peer(node));
        found += truth.iter().filter(|peer| report.closest.contains(peer)).count();
        all += truth.len();
    }
    f64::from(found as u32) / f64::from(all as u32)
}

#[test]
fn look_ups_find_the_living_when_a_third_has_died() {
    for refused in [true, false] {
        let mut network = joined(200, Config::default());
        network.faults.refused = refused;
        for i in 0..66 {
            network.kill(i * 3);
        }
        // Answers still name the dead, so a few of the living are missed at first.
        let found = found_of_the_living(&mut network, 60);
        assert!(found > 0.9, "{found}, refused: {refused}");
        network.run_for(Duration::from_secs(1_200));
        let found = found_of_the_living(&mut network, 60);
        assert!(found > 0.995, "{found} after two refreshes, refused: {refused}");
        network.check_tables();
    }
}

#[test]
fn tables_forget_the_dead_and_stay_full_of_the_living() {
    let mut network = joined(200, Config::default());
    for i in 100..200 {
        network.kill(i);
    }
    // Three full refreshes: to fail, to fail again, and to find others.
    network.run_for(Duration::from_secs(1_800));
    let mut dead = 0;
    let mut all = 0;
    for i in 0..100 {
        let table = network.nodes[i].kad().table();
        dead += table.iter().filter(|peer| !network.up[peer.index()]).count();
        all += table.len();
    }
    assert!(all / 100 > 55, "{} entries a node", all / 100);
    assert!(dead * 50 < all, "{dead} dead of {all}");
}

#[test]
fn a_node_whose_bootstrap_is_down_tries_again() {
    let mut network = Network::new(20, 5, Config::default());
    network.kill(0);
    network.input(network.peer(19), Input::Join { bootstrap: vec![network.peer(0)] });
    network.run_for(Duration::from_secs(30));
    assert!(network.joined.is_empty());
    network.up[0] = true;
    network.input(network.peer(0), Input::Join { bootstrap: vec![] });
    network.run_for(Duration::from_secs(70));
    assert!(network.joined.contains(&network.peer(19)));
    assert_eq!(network.nodes[19].kad().table().len(), 1);
}

#[test]
fn nodes_that_join_in_the_same_moment_soon_know_each_other() {
    for seed in 0..20 {
        let mut network = Network::new(6, seed, Config::default());
        network.faults.identify = Duration::from_millis(200);
        network.join_all(Duration::ZERO, Duration::from_secs(5));
        for node in &network.nodes {
            assert_eq!(node.kad().table().len(), 5, "seed {seed}");
        }
    }
}

#[test]
fn a_node_that_lost_everybody_comes_back_through_its_bootstrap() {
    let mut network = joined(20, Config::default());
    for i in 0..19 {
        network.kill(i);
    }
    network.run_for(Duration::from_secs(3_000));
    assert_eq!(network.nodes[19].kad().table().len(), 0);
    network.up[0] = true;
    network.run_for(Duration::from_secs(700));
    assert!(network.nodes[19].kad().table().len() == 1);
    assert_eq!(network.joined.len(), 20, "it has joined once");
}

#[test]
fn clients_enter_no_table_and_answer_nothing() {
    let mut network = Network::new(60, 9, Config::default());
    for i in 50..60 {
        network.client[i] = true;
        network.nodes[i].kad_mut().set_client();
    }
    network.join_all(Duration::from_millis(200), Duration::from_secs(30));
    assert_eq!(network.joined.len(), 60);
    for node in &network.nodes {
        assert!(node.kad().table().iter().all(|peer| peer.index() < 50));
    }
    let report = network.find_closest(55, Target::random(3));
    assert_eq!(report.closest, network.closest(&report.target.key, network.peer(55)));
    let function = provide(&mut network, 57, "by-client");
    network.run_for(Duration::from_secs(5));
    assert_eq!(network.find_providers(3, function).providers, vec![network.peer(57)]);
}

#[test]
fn disjoint_paths_find_the_same() {
    let mut config = Config::default();
    config.kad.disjoint_paths = 3;
    let mut network = joined(200, config);
    let mut right = 0;
    for i in 0..60 {
        let report = network.find_closest(i, Target::random(i as u64));
        let truth = network.closest(&report.target.key, network.peer(i));
        right += usize::from(report.closest == truth);
        assert!((20..=130).contains(&report.requests), "{} requests", report.requests);
    }
    assert!(right >= 59, "{right}");
}

#[test]
fn a_lie_on_one_path_does_not_hide_the_truth_from_the_others() {
    // Two in ten name only each other, whatever they are asked.
    let n = 200;
    let liar = |i: usize| i.is_multiple_of(5);
    let mut found = [0, 0];
    for (run, paths) in [1, 4].into_iter().enumerate() {
        let mut config = Config::default();
        config.kad.disjoint_paths = paths;
        let mut network = joined(n, config);
        network.liars = (0..n).filter(|i| liar(*i)).map(|i| network.peer(i)).collect();
        for i in 0..100 {
            let report = network.find_closest(i * 2 + 1, Target::random(i as u64));
            let truth = network.closest(&report.target.key, network.peer(i * 2 + 1));
            found[run] += truth.iter().filter(|peer| report.closest.contains(peer)).count();
        }
    }
    assert!(found[1] >= found[0], "{found:?}");
    assert!(found[1] > 1_990, "{found:?} of 2,000");
}

#[test]
fn a_request_ends_exactly_at_its_deadline() {
    let mut network = joined(2, Config::default());
    network.faults.refused = false;
    network.kill(1);
    let start = network.now;
    let report = network.find_closest(0, Target::random(1));
    assert_eq!(report.timeouts, 1);
    assert_eq!(report.done, start + Duration::from_secs(10));
    assert_eq!(report.outcome, LookupOutcome::Failed);
}

#[test]
fn a_look_up_ends_exactly_at_its_deadline_with_what_it_found() {
    let mut config = Config::default();
    config.kad.lookup_timeout = Duration::from_millis(250);
    let mut network = joined(300, config);
    network.faults = Faults { delay: Duration::from_millis(60), jitter: Duration::ZERO, ..Faults::default() };
    let start = network.now;
    let report = network.find_closest(5, Target::random(1));
    assert_eq!(report.outcome, LookupOutcome::Timeout);
    assert_eq!(report.done, start + Duration::from_millis(250));
    assert!(!report.closest.is_empty());
}

#[test]
fn late_and_forged_answers_are_ignored() {
    let mut network = joined(3, Config::default());
    network.faults.refused = false;
    network.kill(1);
    network.kill(2);
    let node = network.peer(0);
    network.input(node, Input::FindClosest { target: Target::random(1) });
    let forge = |network: &mut Network, from: usize, exchange: u32| {
        let response = Response::Nodes(Peers::from_slice(&[network.peer(2)]));
        let from = network.peer(from);
        network.input(
            node,
            Input::KadResponse { from, exchange: Exchange(exchange), bytes: 10, dialled: false, response },
        );
    };
    // Numbers that are not open, from everybody.
    for exchange in (0..5_000).chain(u32::MAX - 5_000..=u32::MAX) {
        forge(&mut network, 0, exchange);
    }
    network.run_for(Duration::from_secs(11));
    let (_, report) = network.reports.pop().expect("it ends");
    assert_eq!((report.responses, report.timeouts), (0, 2));
    for exchange in 0..5_000 {
        forge(&mut network, 1, exchange);
    }
    assert!(network.reports.is_empty());
}

#[test]
fn a_reset_is_known_at_once() {
    let mut network = joined(2, Config::default());
    network.faults.refused = false;
    network.kill(1);
    let node = network.peer(0);
    network.input(node, Input::FindClosest { target: Target::random(1) });
    network.input(node, Input::Disconnected { peer: network.peer(1) });
    let (_, report) = network.reports.pop().expect("it ends");
    assert_eq!((report.failures, report.outcome), (1, LookupOutcome::Failed));
    assert_eq!(network.nodes[0].kad().table().stale(), 1);
}

#[test]
fn a_settled_start_needs_no_join() {
    let network = joined(100, Config::default());
    // The tables of a joined network, given to fresh nodes.
    let tables: Vec<(Vec<PeerHandle>, Vec<u8>)> = network
        .nodes
        .iter()
        .map(|node| {
            let table = node.kad().table();
            let lens = (0..table.buckets()).map(|bucket| table.bucket(bucket).count() as u8);
            (table.iter().collect(), lens.collect())
        })
        .collect();
    let mut settled = Network::new(100, 11, Config::default());
    let function = settled.functions.push("settled", true);
    let key = settled.functions.get(function).key;
    let holders = network.closest(&key, network.peer(40));
    for (i, (peers, lens)) in tables.iter().enumerate() {
        settled.with(settled.peer(i), |peer, cx, now| {
            peer.kad_mut().settle(cx, now, peers, lens);
        });
    }
    for holder in holders {
        settled.with(holder, |peer, cx, now| {
            let end = now + Duration::from_secs(900);
            assert!(peer.kad_mut().insert_provider(cx, now, key, PeerHandle::new(40), end));
        });
    }
    settled.with(settled.peer(40), |peer, _, now| {
        peer.kad_mut().settle_provided(function, now + Duration::from_secs(300));
    });
    assert_eq!(settled.find_providers(3, function).providers, vec![settled.peer(40)]);
    for i in 0..50 {
        let report = settled.find_closest(i, Target::random(i as u64));
        assert_eq!(report.closest, network.closest(&report.target.key, network.peer(i)));
    }
    settled.run_for(Duration::from_secs(3_000));
    assert_eq!(settled.find_providers(3, function).providers, vec![settled.peer(40)]);
    // Refreshes were spread over the interval, not made at once.
    let mut seconds: Vec<i64> = settled
        .reports
        .iter()
        .filter(|(_, report)| report.purpose == LookupPurpose::Refresh)
        .map(|(_, report)| report.start.as_micros() / 10_000_000)
        .collect();
    let most = seconds.chunk_by(|a, b| a == b).map(<[i64]>::len).max().unwrap_or(0);
    let refreshes = seconds.len();
    seconds.dedup();
    assert!(most * 100 < refreshes * 5, "{most} of {refreshes} in ten seconds");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever order, loss and duplication: every look-up ends by its deadline, tables keep their invariants.
    #[test]
    fn look_ups_end_whatever_the_network_does(
        seed in any::<u64>(),
        nodes in 2..60usize,
        loss in 0.0..0.9f64,
        duplication in 0.0..0.5f64,
        jitter_ms in 0..20_000i64,
        refused in any::<bool>(),
        paths in 1..4usize,
        deaths in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut config = Config::default();
        config.kad.disjoint_paths = paths;
        let mut network = Network::new(nodes, seed, config);
        network.join_all(Duration::from_millis(50), Duration::from_secs(20));
        network.faults = Faults {
            delay: Duration::from_millis(1),
            jitter: Duration::from_millis(jitter_ms),
            loss,
            duplication,
            refused,
            ..Faults::default()
        };
        let function = network.functions.push("f", true);
        let first = network.peer(0);
        network.with(first, |peer, cx, now| peer.kad_mut().provide(cx, now, function));
        for index in deaths {
            let i = index.index(nodes);
            network.up[i] = i == 0;
        }
        network.reports.clear();
        let start = network.now;
        for i in 0..20u64 {
            network.input(first, Input::FindClosest { target: Target::random(i) });
            network.input(first, Input::FindProviders { function });
        }
        network.run_for(Duration::from_secs(61));
        let ended: Vec<_> = network
            .reports
            .iter()
            .filter(|(by, report)| *by == first && report.purpose == LookupPurpose::Experiment)
            .collect();
        prop_assert_eq!(ended.len(), 40);
        for (_, report) in ended {
            prop_assert!(report.done.since(start) <= Duration::from_secs(60));
            prop_assert!(report.closest.len() <= 20);
            prop_assert!(!report.closest.contains(&first));
        }
        network.check_tables();
    }

    /// Any message from anybody at any time: no panic, tables keep their invariants, and time-outs that come early,
    /// late or for nothing are harmless.
    #[test]
    fn no_message_panics(steps in prop::collection::vec(step(), 1..200), server in any::<bool>()) {
        let mut config = Config::default();
        config.kad.server = server;
        let mut network = Network::new(12, 1, config);
        network.lenient = true;
        let node = network.peer(0);
        for _ in 0..3 {
            network.functions.push(&format!("f{}", network.functions.len()), true);
        }
        for step in steps {
            match step {
                Step::Input(build) => {
                    let input = build.input(&mut network);
                    network.input(node, input);
                }
                Step::Wait(millis) => network.run_for(Duration::from_millis(millis)),
                Step::Early => network.input(node, Input::Timeout),
            }
        }
        network.check_tables();
        network.run_for(Duration::from_secs(120));
        prop_assert!(network.now > Time::ZERO);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Input(Build),
    Wait(i64),
    Early,
}

/// An input made of small numbers, so that they meet.
#[derive(Clone, Debug)]
struct Build {
    kind: u8,
    peer: u32,
    exchange: u32,
    list: Vec<u32>,
    page: u16,
    total: u32,
    value: usize,
}

fn step() -> impl Strategy<Value = Step> {
    let build = (
        0..20u8,
        1..12u32,
        (0..40u32, 0..4u32, any::<bool>()),
        prop::collection::vec(0..12u32, 0..60),
        any::<u16>(),
        any::<u32>(),
        0..100_000usize,
    )
        .prop_map(|(kind, peer, (count, slot, special), list, page, total, value)| Build {
            kind,
            peer,
            exchange: count << 12 | if special { 4_095 - slot } else { slot },
            list,
            page,
            total,
            value,
        });
    prop_oneof![
        8 => build.prop_map(Step::Input),
        1 => (0..15_000i64).prop_map(Step::Wait),
        1 => Just(Step::Early),
    ]
}

impl Build {
    fn input(self, network: &mut Network) -> Input {
        let peers: Peers = self.list.iter().map(|i| PeerHandle::new(*i)).collect();
        let from = PeerHandle::new(self.peer);
        let exchange = Exchange(self.exchange);
        let function = edge_faas_core::key::FunctionHandle(self.total % 3);
        let target = match self.page % 3 {
            0 => Target::random(u64::from(self.page % 7)),
            _ => Target { key: network.functions.get(function).key, preimage: Preimage::Function(function) },
        };
        let record = Box::new(Record {
            key: vec![self.page as u8].into(),
            value: vec![0; self.value].into(),
            publisher: Some(from),
            ttl_secs: Some(self.total),
        });
        let request =
            |request| Input::KadRequest { from, server: self.value.is_multiple_of(2), reply: 0, request };
        let response =
            |response| Input::KadResponse { from, exchange, bytes: self.total, dialled: true, response };
        let page = self.page;
        match self.kind {
            0 => request(Request::FindNode(target)),
            1 => request(Request::GetProviders { target, page }),
            2 => request(Request::AddProvider(target)),
            3 => request(Request::RemoveProvider(target)),
            4 => request(Request::GetValue(target)),
            5 => request(Request::PutValue(record)),
            6 => request(Request::Ping),
            7 | 8 => response(Response::Nodes(peers)),
            9 | 10 => response(Response::Providers {
                closer: peers.clone(),
                providers: peers.to_vec(),
                total: self.total,
            }),
            11 => response(Response::Value {
                record: self.value.is_multiple_of(2).then_some(record),
                closer: peers,
            }),
            12 => response(Response::Pong),
            13 => response(Response::Stored(record)),
            14 => Input::KadFailed {
                peer: from,
                exchange,
                failure: [Failure::Dial, Failure::Reset, Failure::Protocol, Failure::Timeout][self.value % 4],
            },
            15 => Input::Disconnected { peer: from },
            16 => Input::FindClosest { target },
            17 => Input::FindProviders { function },
            18 => Input::Join { bootstrap: peers.to_vec() },
            _ => match self.value % 2 {
                0 => Input::PutValue { record },
                _ => Input::GetValue { target },
            },
        }
    }
}
