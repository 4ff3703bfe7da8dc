//! Peers that do not keep to the protocol, on purpose: each gets a refusal, and the node goes on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use common::*;
use edge_faas_node::config::KAD_PROTOCOL;
use edge_faas_node::handle::Node;
use edge_faas_node::protocol::{CALL_PROTOCOL, CallMessage, FailedMessage, Kind};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, Swarm, identify, noise, tcp, yamux};
use prost::Message;
use std::time::{Duration, Instant};

#[derive(NetworkBehaviour)]
struct StrangerBehaviour {
    streams: libp2p_stream::Behaviour,
    identify: identify::Behaviour,
}

/// A peer that a test writes whatever it likes with.
struct Stranger {
    control: libp2p_stream::Control,
    id: PeerId,
    address: Multiaddr,
}

impl Stranger {
    async fn start(node: &Node) -> Stranger {
        let mut swarm: Swarm<StrangerBehaviour> =
            libp2p::SwarmBuilder::with_existing_identity(Keypair::generate_ed25519())
                .with_tokio()
                .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
                .unwrap()
                .with_behaviour(|key| StrangerBehaviour {
                    streams: libp2p_stream::Behaviour::new(),
                    identify: identify::Behaviour::new(identify::Config::new("/x".to_owned(), key.public())),
                })
                .unwrap()
                .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
                .build();
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        let control = swarm.behaviour().streams.new_control();
        let id = *swarm.local_peer_id();
        swarm.dial(node.info().listening[0].clone()).unwrap();
        loop {
            if let SwarmEvent::ConnectionEstablished { .. } = swarm.select_next_some().await {
                break;
            }
        }
        tokio::spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        Stranger { control, id, address }
    }

    async fn open(&mut self, node: &Node, protocol: &'static str) -> Stream {
        let id = node.id();
        self.control.open_stream(id, StreamProtocol::new(protocol)).await.unwrap()
    }
}

fn frame(kind: u8, len: usize, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((len as u32).to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn call(function: &str, path: &str) -> Vec<u8> {
    let message = CallMessage {
        function: function.to_owned(),
        method: "POST".to_owned(),
        path: path.to_owned(),
        timeout_us: 5_000_000,
        ..CallMessage::default()
    }
    .encode_to_vec();
    let mut bytes = frame(Kind::Call as u8, message.len(), &message);
    bytes.extend(frame(Kind::End as u8, 0, &[]));
    bytes
}

/// Reads until the other side ends the stream.
async fn rest(stream: &mut Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let _ = tokio::time::timeout(Duration::from_secs(10), read).await.expect("the stream is ended");
    bytes
}

async fn victim() -> Member {
    log();
    let mut config = config(Wire::Tcp);
    config.timeouts.stall = Duration::from_millis(500);
    config.timeouts.idle_stream = Duration::from_millis(250);
    config.limits.kad_streams = 8;
    let runtime = TestRuntime::hosting(&["echo"]);
    Member { node: start(config, runtime.clone()).await, runtime }
}

async fn lives(member: &Member) {
    let response = member.node.call(request("echo", "alive")).await.unwrap();
    assert_eq!(bytes(response).await, "alive");
    let other = start(
        {
            let mut config = config(Wire::Tcp);
            config.network.bootstrap = vec![(member.node.id(), member.node.info().listening[0].clone())];
            config
        },
        TestRuntime::hosting(&[]),
    )
    .await;
    until("another joins", Duration::from_secs(10), || other.info().joined).await;
    provided(&other, "echo", 1).await;
    assert_eq!(bytes(other.call(request("echo", "routed")).await.unwrap()).await, "routed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_frames_end_their_stream_and_nothing_else() {
    let victim = victim().await;
    let mut stranger = Stranger::start(&victim.node).await;
    let huge = frame(Kind::Call as u8, 1 << 30, b"");
    let unknown = frame(200, 0, b"");
    let garbage = frame(Kind::Call as u8, 4, b"\xff\xff\xff\xff");
    let answer = frame(Kind::Head as u8, 0, b"");
    let body_first = frame(Kind::Data as u8, 3, b"abc");
    let long_data = [call("echo", "")[..5].to_vec(), frame(Kind::Data as u8, 1 << 20, b"")].concat();
    for bytes in [huge, unknown, garbage, answer, body_first, long_data] {
        let mut stream = stranger.open(&victim.node, CALL_PROTOCOL).await;
        stream.write_all(&bytes).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(rest(&mut stream).await, b"");
    }
    // Kademlia: a length beyond all measure, an endless length, no protobuf, an unknown type.
    for bytes in [
        &b"\xff\xff\xff\x7f"[..],
        &b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..],
        &b"\x02\xff\xff"[..],
        &b"\x02\x08\x30"[..],
    ] {
        let mut stream = stranger.open(&victim.node, KAD_PROTOCOL).await;
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(rest(&mut stream).await, b"");
    }
    lives(&victim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paths_that_leave_the_function_are_refused_by_the_provider_too() {
    let victim = victim().await;
    let mut stranger = Stranger::start(&victim.node).await;
    for path in ["/../../system/functions", "/%2e%2e/x", "/..%2f", "x", "/a b", "/a\r\nx: y"] {
        let mut stream = stranger.open(&victim.node, CALL_PROTOCOL).await;
        stream.write_all(&call("echo", path)).await.unwrap();
        stream.flush().await.unwrap();
        let mut prefix = [0; 5];
        stream.read_exact(&mut prefix).await.unwrap();
        assert_eq!(prefix[0], Kind::Failed as u8, "{path}");
        let mut payload = vec![0; u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize];
        stream.read_exact(&mut payload).await.unwrap();
        let failed = FailedMessage::decode(&payload[..]).unwrap();
        assert!(failed.message.contains("path"), "{failed:?}");
    }
    assert_eq!(victim.runtime.executions.load(std::sync::atomic::Ordering::SeqCst), 0);
    lives(&victim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_and_silent_streams_are_ended() {
    let victim = victim().await;
    let mut stranger = Stranger::start(&victim.node).await;
    // Half a frame, half a message, nothing at all.
    let mut half_call = stranger.open(&victim.node, CALL_PROTOCOL).await;
    half_call.write_all(&call("echo", "")[..9]).await.unwrap();
    half_call.flush().await.unwrap();
    let mut half_kad = stranger.open(&victim.node, KAD_PROTOCOL).await;
    half_kad.write_all(b"\x20\x08").await.unwrap();
    half_kad.flush().await.unwrap();
    let mut silent = stranger.open(&victim.node, CALL_PROTOCOL).await;
    silent.flush().await.unwrap();
    let begun = Instant::now();
    for stream in [&mut half_call, &mut half_kad, &mut silent] {
        assert_eq!(rest(stream).await, b"");
    }
    assert!(begun.elapsed() < Duration::from_secs(8));
    until("nothing is left of them", Duration::from_secs(5), || victim.node.census().streams == 0).await;
    lives(&victim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_kademlia_streams_than_allowed_are_dropped() {
    let victim = victim().await;
    let mut stranger = Stranger::start(&victim.node).await;
    let mut streams = Vec::new();
    for _ in 0..40 {
        let mut stream = stranger.open(&victim.node, KAD_PROTOCOL).await;
        let _ = stream.write_all(b"\x20").await;
        let _ = stream.flush().await;
        streams.push(stream);
    }
    let mut dropped = 0;
    for stream in &mut streams {
        let mut byte = [0];
        let read = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut byte)).await;
        dropped += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
    }
    assert!(dropped >= 32, "{dropped}");
    lives(&victim).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_never_answer_do_not_hold_calls_up() {
    log();
    let members = network(Wire::Tcp, 4, |i| if i == 3 { vec!["echo"] } else { vec![] }).await;
    provided(&members[0].node, "echo", 1).await;
    let mut mute = Vec::new();
    for member in &members {
        let mut stranger = Stranger::start(&member.node).await;
        // It offers Kademlia, so that it gets into tables, and never says a word on it.
        let mut incoming = stranger.control.accept(StreamProtocol::new(KAD_PROTOCOL)).unwrap();
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Some((_, stream)) = incoming.next().await {
                held.push(stream);
            }
        });
        mute.push(stranger);
    }
    // They connect once more, to be identified with the protocol.
    for (stranger, member) in mute.iter_mut().zip(&members) {
        let mut stream = stranger.open(&member.node, KAD_PROTOCOL).await;
        // A request of theirs: find the node closest to a key.
        stream.write_all(b"\x05\x08\x04\x12\x01k").await.unwrap();
        stream.flush().await.unwrap();
        let mut length = [0];
        stream.read_exact(&mut length).await.unwrap();
    }
    // A call goes to the first provider that is named; it does not wait for those who say nothing.
    let begun = Instant::now();
    assert!(members[2].node.call(request("echo", "")).await.is_ok());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // What waits for them, announcing and finding everybody, waits for as long as a request may take, and ends.
    members[1].runtime.host("new", false);
    let found = tokio::time::timeout(Duration::from_secs(100), async {
        while members[2].node.providers("new").await.is_empty() {}
    });
    assert!(found.await.is_ok());
    drop(mute);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_cannot_announce_another() {
    let victim = victim().await;
    let mut stranger = Stranger::start(&victim.node).await;
    // ADD_PROVIDER of "echo" that names somebody else, then one that names the sender.
    let message = |id: PeerId, address: &Multiaddr| {
        let mut peer = vec![0x0a, id.to_bytes().len() as u8];
        peer.extend(id.to_bytes());
        peer.extend([0x12, address.to_vec().len() as u8]);
        peer.extend(address.to_vec());
        let mut body = b"\x08\x02\x12\x05claim\x4a".to_vec();
        body.push(peer.len() as u8);
        body.extend(peer);
        let mut framed = vec![body.len() as u8];
        framed.extend(body);
        framed
    };
    let address = stranger.address.clone();
    for (id, found) in [(PeerId::random(), 0), (stranger.id, 1)] {
        let mut stream = stranger.open(&victim.node, KAD_PROTOCOL).await;
        stream.write_all(&message(id, &address)).await.unwrap();
        stream.close().await.unwrap();
        let _ = rest(&mut stream).await;
        let providers = victim.node.providers("claim").await;
        assert_eq!(providers.len(), found, "{providers:?}");
    }
    lives(&victim).await;
}

/// An answer to a request for nodes or providers, as it is on the wire.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
    #[prost(message, repeated, tag = "8")]
    closer: Vec<Named>,
    #[prost(message, repeated, tag = "9")]
    providers: Vec<Named>,
}

#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    addrs: Vec<Vec<u8>>,
}

/// Somebody who does not exist: at a port that nobody listens on, or at an address that never answers.
fn invented(number: usize) -> Named {
    let address = if number.is_multiple_of(2) { "/ip4/127.0.0.1/tcp/1" } else { "/ip4/192.0.2.1/tcp/4001" };
    let address: Multiaddr = address.parse().unwrap();
    Named { id: PeerId::random().to_bytes(), addrs: vec![address.to_vec()] }
}

/// Answers every request with whom it invents, and with `innocent` as a provider of everything.
async fn lie(mut stream: Stream, innocent: Named) -> std::io::Result<()> {
    let mut length = [0];
    stream.read_exact(&mut length).await?;
    let mut bytes = vec![0; usize::from(length[0])];
    stream.read_exact(&mut bytes).await?;
    let asked = Answer::decode(bytes.as_slice()).map_err(std::io::Error::other)?;
    let mut providers = vec![innocent];
    providers.extend((0..19).map(invented));
    let answer = Answer {
        kind: asked.kind,
        key: asked.key,
        closer: (0..20).map(invented).collect(),
        providers: if asked.kind == 3 { providers } else { vec![] },
    };
    stream.write_all(&answer.encode_length_delimited_to_vec()).await?;
    stream.close().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_lie_about_providers_cost_attempts_and_nothing_else() {
    log();
    let names = ["echo-0", "echo-1", "echo-2", "echo-3", "echo-4", "echo-5"];
    let members = network(Wire::Tcp, 4, |i| match i {
        0 => vec!["echo"],
        3 => names.to_vec(),
        _ => vec![],
    })
    .await;
    let node = &members[0].node;
    provided(&members[1].node, names[5], 1).await;
    let innocent = Named {
        id: members[2].node.id().to_bytes(),
        addrs: vec![members[2].node.info().listening[0].to_vec()],
    };
    let mut liars = Vec::new();
    for _ in 0..3 {
        for member in &members {
            let mut liar = Stranger::start(&member.node).await;
            let mut incoming = liar.control.accept(StreamProtocol::new(KAD_PROTOCOL)).unwrap();
            let innocent = innocent.clone();
            tokio::spawn(async move {
                while let Some((_, stream)) = incoming.next().await {
                    tokio::spawn(lie(stream, innocent.clone()));
                }
            });
            liars.push(liar);
        }
    }
    until("the liars are believed to be nodes", Duration::from_secs(20), || {
        node.peers().iter().filter(|peer| peer.routing).count() > 5
    })
    .await;
    let mut answered = 0;
    for name in names {
        let mut call = request(name, "x");
        call.timeout = Some(Duration::from_secs(20));
        let begun = Instant::now();
        match node.call(call).await {
            Ok(response) => {
                assert_eq!(response.info.provider, Some(members[3].node.id()));
                assert_eq!(bytes(response).await, "x");
                answered += 1;
            }
            Err(failure) => {
                println!("{name}: {failure}");
                assert!(!failure.message.is_empty());
            }
        }
        println!("{name}: {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    }
    println!("{answered} of {} calls were answered", names.len());
    assert!(answered > 0);
    assert_eq!(members[2].runtime.executions.load(std::sync::atomic::Ordering::SeqCst), 0);
    drop(liars);
    let census = || node.census();
    until("nothing is left", Duration::from_secs(60), || (census().calls, census().attempts) == (0, 0)).await;
    assert_eq!(bytes(node.call(request("echo", "alive")).await.unwrap()).await, "alive");
}
