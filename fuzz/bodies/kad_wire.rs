//! Arbitrary bytes as Kademlia messages: read or refused, never a panic, and what was read is written again.
#![allow(unreachable_pub)]

use edge_faas_core::kad::wire::{self, Directory};
use edge_faas_core::kad::{Config, Preimage, Request};
use edge_faas_core::key::{FunctionHandle, PeerHandle};
use std::collections::BTreeMap;

/// A directory that takes everybody.
#[derive(Default)]
pub struct Everybody {
    ids: Vec<Vec<u8>>,
    addrs: Vec<Vec<Vec<u8>>>,
    known: BTreeMap<Vec<u8>, PeerHandle>,
}

impl Directory for Everybody {
    fn peer_id(&self, peer: PeerHandle) -> Vec<u8> {
        self.ids[peer.index()].clone()
    }
    fn addresses(&self, peer: PeerHandle) -> Vec<Vec<u8>> {
        self.addrs[peer.index()].clone()
    }
    fn function_name(&self, function: FunctionHandle) -> Vec<u8> {
        format!("function-{}", function.0).into_bytes()
    }
    fn peer(&mut self, id: &[u8], addresses: &[Vec<u8>]) -> Option<PeerHandle> {
        if id.is_empty() {
            return None;
        }
        let next = PeerHandle::new(self.ids.len() as u32);
        let handle = *self.known.entry(id.to_vec()).or_insert(next);
        if handle == next {
            self.ids.push(id.to_vec());
            self.addrs.push(addresses.to_vec());
        }
        Some(handle)
    }
    fn function(&self, name: &[u8]) -> Option<FunctionHandle> {
        let number = std::str::from_utf8(name).ok()?.strip_prefix("function-")?;
        let function = FunctionHandle(number.parse().ok()?);
        (self.function_name(function) == name).then_some(function)
    }
}

/// The body of the fuzz target.
pub fn kad_wire(data: &[u8]) {
    let config = Config { peer_addrs_bytes: u32::MAX, ..Config::default() };
    let mut directory = Everybody::default();
    let sender = directory.peer(b"sender", &[]).expect("it takes everybody");
    let body = match wire::split_frame(data) {
        Ok(Some((body, used))) => {
            assert!(used <= data.len());
            body
        }
        _ => data,
    };
    if let Ok(request) = wire::decode_request(body, sender, &mut directory) {
        let bytes = wire::encode_request(&request, sender, &directory, &config);
        let (body, used) = wire::split_frame(&bytes).expect("well-formed").expect("complete");
        assert_eq!(used, bytes.len());
        let again = wire::decode_request(body, sender, &mut directory).expect("our own bytes");
        assert_eq!(again, request);
        if let Request::FindNode(target) = request
            && let Preimage::Bytes(bytes) = target.preimage
        {
            assert!(bytes.len() <= wire::MAX_KEY_BYTES);
        }
    }
    if let Ok(response) = wire::decode_response(body, &mut directory) {
        let bytes = wire::encode_response(&response, &directory, &config);
        if let Ok(Some((body, _))) = wire::split_frame(&bytes) {
            let again = wire::decode_response(body, &mut directory).expect("our own bytes");
            assert_eq!(again, response);
        }
    }
}
