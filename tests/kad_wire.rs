//! The wire format: what is written is read again and as long as computed; arbitrary bytes never panic.

#[path = "../fuzz/bodies/kad_wire.rs"]
mod body;

use body::{Everybody, kad_wire};
use edge_faas_core::context::{Config, FunctionTable};
use edge_faas_core::draws::{Draws, Purpose};
use edge_faas_core::kad::wire::{self, Directory};
use edge_faas_core::kad::{Peers, Preimage, Record, Request, Response, Target};
use edge_faas_core::key::{FunctionHandle, Key, PeerHandle};
use proptest::prelude::*;
use std::sync::Arc;

const PEERS: u32 = 1_200;

/// Peers with ids and addresses as long as the settings say.
fn directory(config: &Config) -> Everybody {
    let mut directory = Everybody::default();
    for i in 0..PEERS {
        let mut id = vec![0; config.kad.peer_id_bytes as usize];
        id[..4].copy_from_slice(&i.to_be_bytes());
        // Tag and length take two bytes.
        let addr = vec![7; config.kad.peer_addrs_bytes as usize - 2];
        assert_eq!(directory.peer(&id, &[addr]), Some(PeerHandle::new(i)));
    }
    directory
}

fn peer() -> impl Strategy<Value = PeerHandle> {
    (0..PEERS).prop_map(PeerHandle::new)
}

fn preimage() -> impl Strategy<Value = Preimage> {
    prop_oneof![
        (0..5u32).prop_map(|i| Preimage::Function(FunctionHandle(i))),
        prop::collection::vec(any::<u8>(), 1..300).prop_map(|bytes| Preimage::Bytes(bytes.into())),
    ]
}

/// A target that decodes to itself: not a peer or a made-up number, which come back as bytes.
fn target() -> impl Strategy<Value = Target> {
    preimage().prop_map(|preimage| Target {
        key: match &preimage {
            Preimage::Function(function) => Key::hash(format!("function-{}", function.0).as_bytes()),
            Preimage::Bytes(bytes) => Key::hash(bytes),
            _ => unreachable!(),
        },
        preimage,
    })
}

fn record() -> impl Strategy<Value = Box<Record>> {
    (
        prop::collection::vec(any::<u8>(), 1..200),
        prop::collection::vec(any::<u8>(), 0..20_000),
        prop::option::of(peer()),
        prop::option::of(1..u32::MAX),
    )
        .prop_map(|(key, value, publisher, ttl_secs)| {
            Box::new(Record { key: key.into(), value: value.into(), publisher, ttl_secs })
        })
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        target().prop_map(Request::FindNode),
        (target(), any::<u16>()).prop_map(|(target, page)| Request::GetProviders { target, page }),
        target().prop_map(Request::AddProvider),
        target().prop_map(Request::RemoveProvider),
        target().prop_map(Request::GetValue),
        record().prop_map(Request::PutValue),
        Just(Request::Ping),
    ]
}

fn peers() -> impl Strategy<Value = Peers> {
    prop::collection::vec(peer(), 0..30).prop_map(Peers::from_vec)
}

fn response() -> impl Strategy<Value = Response> {
    prop_oneof![
        peers().prop_map(Response::Nodes),
        (peers(), prop::collection::vec(peer(), 0..400), any::<u32>()).prop_map(
            |(closer, providers, more)| Response::Providers {
                closer,
                total: more.max(providers.len() as u32),
                providers,
            }
        ),
        (prop::option::of(record()), peers()).prop_map(|(record, closer)| Response::Value { record, closer }),
        record().prop_map(Response::Stored),
        Just(Response::Pong),
    ]
}

fn functions() -> FunctionTable {
    let mut functions = FunctionTable::default();
    for i in 0..5 {
        functions.push(&format!("function-{i}"), false);
    }
    functions
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn requests_come_back_and_are_as_long_as_computed(request in request()) {
        let config = Config::default();
        let mut directory = directory(&config);
        let me = PeerHandle::new(3);
        let bytes = wire::encode_request(&request, me, &directory, &config.kad);
        prop_assert_eq!(bytes.len() as u32, wire::request_len(&request, &config, &functions()));
        let (body, used) = wire::split_frame(&bytes).unwrap().unwrap();
        prop_assert_eq!(used, bytes.len());
        prop_assert_eq!(wire::decode_request(body, me, &mut directory).unwrap(), request);
    }

    #[test]
    fn responses_come_back_and_are_as_long_as_computed(response in response()) {
        let config = Config::default();
        let mut directory = directory(&config);
        let bytes = wire::encode_response(&response, &directory, &config.kad);
        prop_assert_eq!(bytes.len() as u32, wire::response_len(&response, &config));
        let (body, used) = wire::split_frame(&bytes).unwrap().unwrap();
        prop_assert_eq!(used, bytes.len());
        prop_assert_eq!(wire::decode_response(body, &mut directory).unwrap(), response);
    }

    /// Bytes near to messages reach deeper into a decoder than noise.
    #[test]
    fn damaged_messages_are_read_or_refused(
        request in request(),
        response in response(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let config = Config::default();
        let directory = directory(&config);
        for mut bytes in [
            wire::encode_request(&request, PeerHandle::new(3), &directory, &config.kad),
            wire::encode_response(&response, &directory, &config.kad),
        ] {
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            kad_wire(&bytes);
        }
    }
}

#[test]
fn noise_is_read_or_refused() {
    let mut draws = Draws::new(1, 0).stream(Purpose(1_000), 0);
    for _ in 0..20_000 {
        let len = draws.below(64) as usize;
        let bytes: Vec<u8> = (0..len).map(|_| draws.below(256) as u8).collect();
        kad_wire(&bytes);
    }
}

#[test]
fn made_up_and_peer_targets_have_computed_lengths_too() {
    let config = Config::default();
    let directory = directory(&config);
    let me = PeerHandle::new(0);
    for target in [
        Target::random(7),
        Target {
            key: Key::hash(&directory.peer_id(PeerHandle::new(9))),
            preimage: Preimage::Peer(PeerHandle::new(9)),
        },
    ] {
        let request = Request::FindNode(target.clone());
        let bytes = wire::encode_request(&request, me, &directory, &config.kad);
        assert_eq!(bytes.len() as u32, wire::request_len(&request, &config, &functions()));
        let (body, _) = wire::split_frame(&bytes).unwrap().unwrap();
        // The receiver comes to the same key.
        match wire::decode_request(body, me, &mut Everybody::default()).unwrap() {
            Request::FindNode(read) => assert_eq!(read.key, target.key),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_fullest_answer_stays_under_fourteen_kibibytes() {
    let config = Config::default();
    let size = wire::providers_per_answer(&config.kad);
    let response = Response::Providers {
        closer: (0..20).map(PeerHandle::new).collect(),
        providers: (0..size as u32).map(PeerHandle::new).collect(),
        total: u32::MAX,
    };
    let bytes = wire::encode_response(&response, &directory(&config), &config.kad);
    assert!(bytes.len() <= wire::MAX_ANSWER_BYTES + 2, "{} bytes", bytes.len());
    assert!(bytes.len() > wire::MAX_ANSWER_BYTES - 64, "room is left: {} bytes", bytes.len());
}

#[test]
fn addresses_beyond_the_limit_are_left_out() {
    let config = Config::default();
    let mut directory = Everybody::default();
    let long = vec![1; 40];
    let short = vec![2; 8];
    let peer = directory.peer(&[9; 38], &[long, short.clone(), short]).unwrap();
    let response = Response::Nodes(Peers::from_slice(&[peer]));
    let bytes = wire::encode_response(&response, &directory, &config.kad);
    assert_eq!(bytes.len() as u32, wire::response_len(&response, &config));
}

#[test]
fn a_provider_must_be_its_sender() {
    let config = Config::default();
    let mut directory = directory(&config);
    let target = Target::random(1);
    let bytes =
        wire::encode_request(&Request::AddProvider(target), PeerHandle::new(3), &directory, &config.kad);
    let (body, _) = wire::split_frame(&bytes).unwrap().unwrap();
    assert_eq!(
        wire::decode_request(body, PeerHandle::new(4), &mut directory),
        Err(wire::DecodeError::ForeignProvider)
    );
}

#[test]
fn frames_are_split_as_they_come_in() {
    assert_eq!(wire::split_frame(&[]), Ok(None));
    assert_eq!(wire::split_frame(&[0x83]), Ok(None));
    assert_eq!(wire::split_frame(&[3, 1, 2]), Ok(None));
    assert_eq!(wire::split_frame(&[3, 1, 2, 3, 9]), Ok(Some((&[1, 2, 3][..], 4))));
    assert_eq!(wire::split_frame(&[0]), Ok(Some((&[][..], 1))));
    // Not the shortest form; too long; endless.
    assert_eq!(wire::split_frame(&[0x80, 0]), Err(wire::DecodeError::Length));
    assert!(matches!(wire::split_frame(&[0xff, 0xff, 0xff, 0x7f]), Err(wire::DecodeError::TooLong(_))));
    assert_eq!(wire::split_frame(&[0xff; 12]), Err(wire::DecodeError::Length));
}

#[test]
fn keys_have_limits() {
    let mut directory = Everybody::default();
    let me = directory.peer(b"me", &[]).unwrap();
    let long: Arc<[u8]> = vec![1; wire::MAX_KEY_BYTES + 1].into();
    for (bytes, len) in [(Arc::from(&[][..]), 0), (long, wire::MAX_KEY_BYTES + 1)] {
        let target = Target { key: Key::hash(&bytes), preimage: Preimage::Bytes(bytes) };
        let request = Request::GetValue(target);
        let bytes = wire::encode_request(&request, me, &directory, &edge_faas_core::kad::Config::default());
        let (body, _) = wire::split_frame(&bytes).unwrap().unwrap();
        assert_eq!(wire::decode_request(body, me, &mut directory), Err(wire::DecodeError::Key(len)));
    }
}
