//! Kademlia's requests and responses, with handles for peers; [`super::wire`] turns them into protobuf.

use crate::key::{FunctionHandle, Key, PeerHandle};
use smallvec::SmallVec;
use std::sync::Arc;

/// A short list of peers: twenty lie inside the message, more in a heap allocation.
pub type Peers = SmallVec<[PeerHandle; 20]>;

/// A point in the key space that a request is about, and what it is the hash of. The wire carries the preimage;
/// both sides hash it (libp2p kad-dht specification, "RPC messages").
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The SHA-256 of the preimage.
    pub key: Key,
    /// What was hashed.
    pub preimage: Preimage,
}

/// What a [`Target`] is the hash of.
#[derive(Clone, Debug, PartialEq)]
pub enum Preimage {
    /// A peer id that the driver knows by this handle.
    Peer(PeerHandle),
    /// The name of a function that the driver knows by this handle.
    Function(FunctionHandle),
    /// A made-up peer id: a SHA-256 multihash of this number, see [`Target::random`].
    Random(u64),
    /// Any other bytes: the key of a value, or a request that came in.
    Bytes(Arc<[u8]>),
}

impl Target {
    /// A made-up peer id: a bucket refresh looks for one. Its bytes are the multihash `0x12 0x20 SHA-256(number)`.
    pub fn random(number: u64) -> Self {
        Target { key: Key::hash(&Self::random_bytes(number)), preimage: Preimage::Random(number) }
    }

    /// The peer id that [`Target::random`] hashes.
    pub fn random_bytes(number: u64) -> [u8; 34] {
        let mut bytes = [0; 34];
        bytes[0] = 0x12;
        bytes[1] = 0x20;
        bytes[2..].copy_from_slice(&Key::hash(&number.to_be_bytes()).to_bytes());
        bytes
    }
}

/// A value in the DHT.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The preimage of its key.
    pub key: Arc<[u8]>,
    /// Its bytes.
    pub value: Arc<[u8]>,
    /// Who published it, if known.
    pub publisher: Option<PeerHandle>,
    /// Seconds it has still to live; `None`: for ever, as the wire says it.
    pub ttl_secs: Option<u32>,
}

/// A request of one node to another.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The k closest peers to a key that the receiver knows.
    FindNode(Target),
    /// Providers of a key and the closest peers. Pages beyond the first are asked for only under our own protocol
    /// name, when an answer said that it left providers out.
    GetProviders {
        /// The key.
        target: Target,
        /// Which part of the holder's list, from 0.
        page: u16,
    },
    /// The sender provides a key. Has no response.
    AddProvider(Target),
    /// The sender does not provide a key any more. Our own extension, has no response.
    RemoveProvider(Target),
    /// The value of a key, or the closest peers.
    GetValue(Target),
    /// Store a value.
    PutValue(Box<Record>),
    /// Are you there.
    Ping,
}

impl Request {
    /// False for the requests that the protocol does not answer.
    pub fn has_response(&self) -> bool {
        !matches!(self, Request::AddProvider(_) | Request::RemoveProvider(_))
    }
}

/// The answer to a [`Request`].
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// To `FindNode`: up to k peers, the asker left out.
    Nodes(Peers),
    /// To `GetProviders`.
    Providers {
        /// Up to k peers closer to the key.
        closer: Peers,
        /// Providers, at most what fits a message.
        providers: Vec<PeerHandle>,
        /// How many the holder has in all; equals the list's length where it left none out (and for a stock peer).
        total: u32,
    },
    /// To `GetValue`.
    Value {
        /// The value, where the receiver has it.
        record: Option<Box<Record>>,
        /// Up to k peers closer to the key.
        closer: Peers,
    },
    /// To `PutValue`: what was stored, as libp2p echoes it.
    Stored(Box<Record>),
    /// To `Ping`.
    Pong,
}
