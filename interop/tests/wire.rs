//! Our bytes and libp2p-kad's: a stock swarm answers our requests, and understands our answers.

mod common;

use common::{Stock, address, keypair, swarm};
use edge_faas_core::kad::wire::{self, Directory};
use edge_faas_core::kad::{Config, Peers, Preimage, Record, Request, Response, Target};
use edge_faas_core::key::{FunctionHandle, Key, PeerHandle};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::swarm::SwarmEvent;
use libp2p::{PeerId, Stream, StreamProtocol, kad};
use std::sync::Arc;
use std::time::Duration;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/kad/1.0.0");
/// The number of our node; the stock ones are below.
const OURS: u32 = 900;

/// Ids and addresses by number; it knows everybody in advance.
struct Known {
    base: u64,
    ids: Vec<(u32, PeerId)>,
    addresses_heard: usize,
}

impl Known {
    fn new(base: u64, stock: u32) -> Self {
        let ids = (0..stock).chain([OURS]).map(|i| (i, keypair(i).public().to_peer_id())).collect();
        Known { base, ids, addresses_heard: 0 }
    }

    fn handle(&self, i: u32) -> PeerHandle {
        let at = self.ids.iter().position(|(number, _)| *number == i).expect("known");
        PeerHandle::new(at as u32)
    }

    fn id(&self, peer: PeerHandle) -> PeerId {
        self.ids[peer.index()].1
    }
}

impl Directory for Known {
    fn peer_id(&self, peer: PeerHandle) -> Vec<u8> {
        self.id(peer).to_bytes()
    }
    fn addresses(&self, peer: PeerHandle) -> Vec<Vec<u8>> {
        vec![address(self.base, self.ids[peer.index()].0).to_vec()]
    }
    fn function_name(&self, _: FunctionHandle) -> Vec<u8> {
        b"resize".to_vec()
    }
    fn peer(&mut self, id: &[u8], addresses: &[Vec<u8>]) -> Option<PeerHandle> {
        let id = PeerId::from_bytes(id).ok()?;
        self.addresses_heard += addresses.len();
        let at = self.ids.iter().position(|(_, known)| *known == id)?;
        Some(PeerHandle::new(at as u32))
    }
    fn function(&self, name: &[u8]) -> Option<FunctionHandle> {
        (name == b"resize").then_some(FunctionHandle(0))
    }
}

async fn read_frame(stream: &mut Stream) -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut byte = [0];
    loop {
        if let Some((body, _)) = wire::split_frame(&buffer).expect("well-formed") {
            return body.to_vec();
        }
        stream.read_exact(&mut byte).await.expect("an open stream");
        buffer.push(byte[0]);
    }
}

fn config() -> Config {
    // Memory addresses are short.
    Config { peer_addrs_bytes: 64, ..Config::default() }
}

fn bytes_target(bytes: &[u8]) -> Target {
    Target { key: Key::hash(bytes), preimage: Preimage::Bytes(bytes.into()) }
}

/// Sends a request on a stream of its own, as rust-libp2p does, and reads the response.
async fn exchange(
    control: &mut libp2p_stream::Control,
    to: PeerId,
    known: &mut Known,
    request: Request,
) -> Option<Response> {
    let mut stream = control.open_stream(to, PROTOCOL).await.expect("a stream");
    let me = known.handle(OURS);
    let bytes = wire::encode_request(&request, me, known, &config());
    stream.write_all(&bytes).await.expect("written");
    stream.flush().await.expect("written");
    if !request.has_response() {
        stream.close().await.expect("closed");
        return None;
    }
    let body = read_frame(&mut stream).await;
    let _ = stream.close().await;
    Some(wire::decode_response(&body, known).expect("a response"))
}

#[tokio::test(flavor = "current_thread")]
async fn stock_nodes_answer_our_requests() {
    const NODES: u32 = 12;
    let base = 10_000;
    let mut stock = Stock::new(base, NODES);
    stock.join_all().await;
    let ids = stock.ids.clone();
    let mut ours = swarm(base, OURS, |_| libp2p_stream::Behaviour::new());
    let mut control = ours.behaviour().new_control();
    ours.dial(address(base, 0)).expect("an address");
    let mut known = Known::new(base, NODES);

    let story = async {
        let to = ids[0];
        // The swarm dials meanwhile.
        tokio::time::sleep(Duration::from_millis(500)).await;

        let target = Target::random(5);
        let answer = exchange(&mut control, to, &mut known, Request::FindNode(target.clone())).await;
        let Some(Response::Nodes(mut found)) = answer else { panic!("{answer:?}") };
        let mut expected: Vec<PeerHandle> = (1..NODES).map(|i| known.handle(i)).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found.to_vec(), expected, "all it knows, the asker left out");
        assert!(known.addresses_heard >= expected.len());

        let name = bytes_target(b"resize");
        exchange(&mut control, to, &mut known, Request::AddProvider(name.clone())).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        // A page is our own extension: it answers as if it were not there.
        for page in [0, 3] {
            let request = Request::GetProviders { target: name.clone(), page };
            let answer = exchange(&mut control, to, &mut known, request).await;
            let Some(Response::Providers { closer, providers, total }) = answer else { panic!("{answer:?}") };
            assert_eq!(closer.len(), expected.len());
            // The asker is left out even as a provider.
            assert_eq!((providers.len(), total), (0, 0));
        }

        let record = Box::new(Record {
            key: Arc::from(&b"key"[..]),
            value: Arc::from(&b"value"[..]),
            publisher: Some(known.handle(OURS)),
            ttl_secs: Some(1_000),
        });
        let answer = exchange(&mut control, to, &mut known, Request::PutValue(record.clone())).await;
        let Some(Response::Stored(stored)) = answer else { panic!("{answer:?}") };
        assert_eq!((&stored.key, &stored.value), (&record.key, &record.value));
        let answer = exchange(&mut control, to, &mut known, Request::GetValue(bytes_target(b"key"))).await;
        let Some(Response::Value { record: Some(found), .. }) = answer else { panic!("{answer:?}") };
        assert_eq!((&found.key, &found.value), (&record.key, &record.value));
        assert_eq!(found.publisher, record.publisher);
        assert!(found.ttl_secs.is_some_and(|secs| (990..=1_000).contains(&secs)));
    };
    {
        let run_stock = async {
            loop {
                stock.next().await;
            }
        };
        let run_ours = async {
            loop {
                ours.next().await;
            }
        };
        futures::pin_mut!(story, run_stock, run_ours);
        tokio::time::timeout(
            Duration::from_secs(30),
            futures::future::select(story, futures::future::select(run_stock, run_ours)),
        )
        .await
        .expect("in time");
    }

    // What we announced is there, under our id and with our address.
    let query = stock.swarms[0].behaviour_mut().get_providers(kad::RecordKey::new(b"resize"));
    let us = keypair(OURS).public().to_peer_id();
    loop {
        if let (
            0,
            SwarmEvent::Behaviour(kad::Event::OutboundQueryProgressed {
                id,
                result:
                    kad::QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders { providers, .. })),
                ..
            }),
        ) = stock.next().await
            && id == query
        {
            assert!(providers.contains(&us));
            break;
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn stock_nodes_understand_our_answers() {
    let base = 20_000;
    let mut stock = Stock::new(base, 2);
    let mut ours = swarm(base, OURS, |_| libp2p_stream::Behaviour::new());
    let mut incoming = ours.behaviour().new_control().accept(PROTOCOL).expect("nobody else");
    let us = keypair(OURS).public().to_peer_id();
    let mut known = Known::new(base, 2);
    let mut asked = Vec::new();
    let (mut has_providers, mut has_value) = (false, false);

    stock.swarms[0].behaviour_mut().add_address(&us, address(base, OURS));
    let record = Box::new(Record {
        key: Arc::from(&b"key"[..]),
        value: Arc::from(&b"value"[..]),
        publisher: None,
        ttl_secs: Some(1_000),
    });
    let (other, we) = (known.handle(1), known.handle(OURS));
    let story = async {
        // Node 1 answers for itself; we answer as a node that knows it, provides "resize" and holds "key".
        let serve = async {
            while let Some((from, mut stream)) = incoming.next().await {
                let body = read_frame(&mut stream).await;
                let from = known.peer(&from.to_bytes(), &[]).expect("known");
                let request = wire::decode_request(&body, from, &mut known).expect("a request");
                let closer = Peers::from_slice(&[other]);
                let response = match &request {
                    Request::FindNode(_) => Some(Response::Nodes(closer)),
                    Request::GetProviders { .. } => Some(Response::Providers {
                        closer,
                        providers: vec![we],
                        // Left out: a field a stock node does not know.
                        total: 7,
                    }),
                    Request::GetValue(_) => Some(Response::Value { record: Some(record.clone()), closer }),
                    Request::PutValue(record) => Some(Response::Stored(record.clone())),
                    Request::Ping => Some(Response::Pong),
                    Request::AddProvider(_) | Request::RemoveProvider(_) => None,
                };
                asked.push(request);
                if let Some(response) = response {
                    let bytes = wire::encode_response(&response, &known, &config());
                    stream.write_all(&bytes).await.expect("written");
                }
                stream.close().await.expect("closed");
            }
        };
        // One at a time: libp2p-stream drops streams that come while another waits to be accepted.
        let watch = async {
            stock.swarms[0].behaviour_mut().get_closest_peers(stock.ids[1]);
            loop {
                let (0, SwarmEvent::Behaviour(kad::Event::OutboundQueryProgressed { result, step, .. })) =
                    stock.next().await
                else {
                    continue;
                };
                let behaviour = stock.swarms[0].behaviour_mut();
                match result {
                    kad::QueryResult::GetClosestPeers(result) => {
                        let found = result.expect("in time").peers;
                        let found: Vec<PeerId> = found.into_iter().map(|info| info.peer_id).collect();
                        assert!(found.contains(&us) && found.contains(&stock.ids[1]), "{found:?}");
                        behaviour.get_providers(kad::RecordKey::new(b"resize"));
                    }
                    kad::QueryResult::GetProviders(Ok(found)) => {
                        if let kad::GetProvidersOk::FoundProviders { providers, .. } = found {
                            has_providers |= providers.contains(&us);
                        }
                        if step.last {
                            behaviour.get_record(kad::RecordKey::new(b"key"));
                        }
                    }
                    kad::QueryResult::GetRecord(Ok(found)) => {
                        if let kad::GetRecordOk::FoundRecord(found) = found {
                            has_value |= found.record.value == b"value";
                        }
                        if step.last {
                            behaviour.start_providing(kad::RecordKey::new(b"theirs")).expect("room");
                        }
                    }
                    kad::QueryResult::StartProviding(result) => {
                        result.expect("announced");
                        break;
                    }
                    _ => {}
                }
            }
            // The announcement itself may still be on its way.
            stock.idle(Duration::from_millis(500)).await;
        };
        let run_ours = async {
            loop {
                ours.next().await;
            }
        };
        futures::pin_mut!(serve, watch, run_ours);
        futures::future::select(watch, futures::future::select(serve, run_ours)).await;
    };
    tokio::time::timeout(Duration::from_secs(30), story).await.expect("in time");
    assert!(has_providers && has_value);
    let theirs = Key::hash(b"theirs");
    assert!(
        asked.iter().any(|request| matches!(request, Request::AddProvider(target) if target.key == theirs)),
        "{asked:?}"
    );
}
