//! Stock `libp2p::kad` swarms and our nodes in one network, over TCP, noise and yamux: each finds the other's provider
//! records and values.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use common::*;
use edge_faas_node::config::{Config, IPFS_KAD_PROTOCOL};
use futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::kad::store::MemoryStore;
use libp2p::kad::{self, Quorum, Record, RecordKey};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, identify, noise, tcp, yamux};
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

#[derive(NetworkBehaviour)]
struct StockBehaviour {
    kad: kad::Behaviour<MemoryStore>,
    identify: identify::Behaviour,
}

/// What a test asks of a stock node.
enum Ask {
    Provide(&'static str, oneshot::Sender<()>),
    Providers(&'static str, oneshot::Sender<HashSet<PeerId>>),
    Put(&'static str, &'static str, oneshot::Sender<()>),
    Get(&'static str, oneshot::Sender<Option<Vec<u8>>>),
}

/// A stock node, running in a task.
struct Stock {
    id: PeerId,
    address: Multiaddr,
    asks: mpsc::UnboundedSender<Ask>,
}

impl Stock {
    async fn start(bootstrap: Option<(PeerId, Multiaddr)>) -> Stock {
        let mut swarm = libp2p::SwarmBuilder::with_existing_identity(Keypair::generate_ed25519())
            .with_tokio()
            .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key| {
                let id = key.public().to_peer_id();
                let config = kad::Config::new(StreamProtocol::new(IPFS_KAD_PROTOCOL));
                let mut kad = kad::Behaviour::with_config(id, MemoryStore::new(id), config);
                kad.set_mode(Some(kad::Mode::Server));
                let identify = identify::Config::new("/stock/1".to_owned(), key.public());
                StockBehaviour { kad, identify: identify::Behaviour::new(identify) }
            })
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
            .build();
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        // libp2p-kad announces external addresses only.
        swarm.add_external_address(address.clone());
        if let Some((id, address)) = bootstrap {
            swarm.behaviour_mut().kad.add_address(&id, address);
            swarm.behaviour_mut().kad.bootstrap().unwrap();
        }
        let (asks, receiver) = mpsc::unbounded_channel();
        let id = *swarm.local_peer_id();
        tokio::spawn(run(swarm, receiver));
        Stock { id, address, asks }
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> T {
        let (reply, answer) = oneshot::channel();
        assert!(self.asks.send(ask(reply)).is_ok());
        tokio::time::timeout(Duration::from_secs(60), answer).await.expect("in time").expect("an answer")
    }
}

async fn run(mut swarm: Swarm<StockBehaviour>, mut asks: mpsc::UnboundedReceiver<Ask>) {
    let mut open: Vec<(kad::QueryId, Ask, HashSet<PeerId>)> = Vec::new();
    loop {
        tokio::select! {
            Some(ask) = asks.recv() => {
                let kad = &mut swarm.behaviour_mut().kad;
                let id = match &ask {
                    Ask::Provide(key, _) => kad.start_providing(RecordKey::new(key)).unwrap(),
                    Ask::Providers(key, _) => kad.get_providers(RecordKey::new(key)),
                    Ask::Put(key, value, _) => {
                        let record = Record::new(RecordKey::new(key), value.as_bytes().to_vec());
                        kad.put_record(record, Quorum::One).unwrap()
                    }
                    Ask::Get(key, _) => kad.get_record(RecordKey::new(key)),
                };
                open.push((id, ask, HashSet::new()));
            }
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(StockBehaviourEvent::Identify(identify::Event::Received {
                    peer_id, info, ..
                })) => {
                    for address in info.listen_addrs {
                        swarm.behaviour_mut().kad.add_address(&peer_id, address);
                    }
                }
                SwarmEvent::Behaviour(StockBehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                    id, result, step, ..
                })) => {
                    let Some(at) = open.iter().position(|(query, ..)| *query == id) else { continue };
                    let mut value = None;
                    match result {
                        kad::QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders { providers, .. })) => {
                            open[at].2.extend(providers);
                        }
                        kad::QueryResult::GetRecord(Ok(kad::GetRecordOk::FoundRecord(found))) => {
                            value = Some(found.record.value);
                        }
                        kad::QueryResult::StartProviding(result) => drop(result.unwrap()),
                        kad::QueryResult::PutRecord(result) => drop(result.unwrap()),
                        _ => {}
                    }
                    if !step.last && value.is_none() {
                        continue;
                    }
                    let (_, ask, found) = open.swap_remove(at);
                    match ask {
                        Ask::Provide(_, reply) | Ask::Put(_, _, reply) => drop(reply.send(())),
                        Ask::Providers(_, reply) => drop(reply.send(found)),
                        Ask::Get(_, reply) => drop(reply.send(value)),
                    }
                }
                _ => {}
            }
        }
    }
}

fn ours() -> Config {
    let mut config = config(Wire::Tcp);
    config.network.kad_protocol = IPFS_KAD_PROTOCOL.to_owned();
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_nodes_and_ours_find_each_others_records() {
    log();
    const STOCK: usize = 12;
    const OURS: usize = 12;
    // A stock node is the first; the others join through one of the other sort, in turn.
    let first = Stock::start(None).await;
    let mut stock = vec![first];
    let mut members: Vec<Member> = Vec::new();
    for i in 0..OURS {
        let mut config = ours();
        let friend = &stock[i % stock.len()];
        config.network.bootstrap = vec![(friend.id, friend.address.clone())];
        let functions: &[&str] = if i == 5 { &["ours"] } else { &[] };
        let runtime = TestRuntime::hosting(functions);
        let node = start(config, runtime.clone()).await;
        members.push(Member { node, runtime });
        if stock.len() < STOCK {
            let friend = &members[i].node;
            stock.push(Stock::start(Some((friend.id(), friend.info().listening[0].clone()))).await);
        }
    }
    assert_eq!(stock.len() + members.len(), STOCK + OURS);
    for member in &members {
        until("a node joins", Duration::from_secs(30), || member.node.info().joined).await;
    }

    // Ours: announced by the runtime, found by stock nodes and by ours.
    provided(&members[0].node, "ours", 1).await;
    let me = members[5].node.id();
    for asker in [0, 3, 7, 11] {
        let found = stock[asker].ask(|reply| Ask::Providers("ours", reply)).await;
        assert_eq!(found, HashSet::from([me]), "by stock node {asker}");
    }

    // Theirs: announced by stock nodes, found by ours, with an address that leads there.
    for provider in [1, 4, 9] {
        stock[provider].ask(|reply| Ask::Provide("theirs", reply)).await;
    }
    let expected: HashSet<PeerId> = [1, 4, 9].map(|i| stock[i].id).into();
    for asker in [0, 4, 11] {
        provided(&members[asker].node, "theirs", expected.len()).await;
        let found = members[asker].node.providers("theirs").await;
        let ids: HashSet<PeerId> = found.iter().map(|provider| provider.id).collect();
        assert_eq!(ids, expected, "by our node {asker}");
        for provider in &found {
            let at = stock.iter().find(|stock| stock.id == provider.id).unwrap();
            assert!(provider.addresses.contains(&at.address), "{provider:?}");
        }
    }

    // Values, both ways.
    stock[2].ask(|reply| Ask::Put("their-key", "their value", reply)).await;
    for asker in [1, 8] {
        let value = members[asker].node.get_value(b"their-key").await;
        assert_eq!(value.as_deref(), Some(&b"their value"[..]), "by our node {asker}");
    }
    members[3].node.put_value(b"our-key", b"our value", Some(Duration::from_secs(600)));
    let mut found = None;
    for _ in 0..50 {
        found = stock[10].ask(|reply| Ask::Get("our-key", reply)).await;
        if found.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(found.as_deref(), Some(&b"our value"[..]));
    assert_eq!(members[9].node.get_value(b"no-key").await, None);
}
