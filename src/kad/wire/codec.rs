//! Requests and responses to bytes and back.

use super::super::Config;
use super::super::message::{Preimage, Record, Request, Response, Target};
use super::proto::{Message, Peer, Record as ProtoRecord, Type};
use crate::key::{FunctionHandle, Key, PeerHandle};
use prost::Message as _;
use std::sync::Arc;

/// What a driver knows and the core does not: peer ids, addresses and names behind handles.
pub trait Directory {
    /// The bytes of a peer's id (a multihash).
    fn peer_id(&self, peer: PeerHandle) -> Vec<u8>;
    /// A peer's addresses (binary multiaddrs), best first. For this node itself: those it can be reached at.
    fn addresses(&self, peer: PeerHandle) -> Vec<Vec<u8>>;
    /// The name of a function.
    fn function_name(&self, function: FunctionHandle) -> Vec<u8>;
    /// The handle of a peer that a message names, with the addresses given there: hearsay, to be tried when dialling.
    /// `None` for an id that is malformed, or for a peer that this node will not deal with: it is left out.
    fn peer(&mut self, id: &[u8], addresses: &[Vec<u8>]) -> Option<PeerHandle>;
    /// The handle of the function with this name, if it has one already: a name from a stranger makes none.
    fn function(&self, name: &[u8]) -> Option<FunctionHandle>;
}

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`super::MAX_READ_BYTES`].
    #[error("a message of {0} bytes; at most {max} are read", max = super::MAX_READ_BYTES)]
    TooLong(u64),
    /// The length prefix is not a varint of at most 64 bits in its shortest form.
    #[error("the length before the message is malformed")]
    Length,
    /// Not protobuf.
    #[error("not a protobuf message: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// A message type that the protocol does not know.
    #[error("unknown message type {0}")]
    Type(i32),
    /// A key that is empty, or longer than [`super::MAX_KEY_BYTES`].
    #[error("a key of {0} bytes; 1 to {max} are allowed", max = super::MAX_KEY_BYTES)]
    Key(usize),
    /// A message without what its type needs.
    #[error("a message without its {0}")]
    Missing(&'static str),
    /// ADD_PROVIDER that does not name its sender: hearsay.
    #[error("a provider that is not the sender")]
    ForeignProvider,
}

/// The bytes of a request, length prefix included. `me` is this node: whom it announces.
///
/// Of each peer's addresses as many are written, best first, as fit the setting `peer_addrs_bytes`: so no message is
/// longer than [`super::request_len`] and [`super::response_len`] say.
pub fn encode_request(
    request: &Request,
    me: PeerHandle,
    directory: &dyn Directory,
    config: &Config,
) -> Vec<u8> {
    let message = |kind: Type, target: &Target| Message {
        r#type: kind as i32,
        key: preimage(target, directory),
        ..Message::default()
    };
    frame(&match request {
        Request::FindNode(target) => message(Type::FindNode, target),
        Request::GetProviders { target, page } => {
            Message { page: u32::from(*page), ..message(Type::GetProviders, target) }
        }
        Request::AddProvider(target) => {
            Message { providers: vec![peer(me, directory, config)], ..message(Type::AddProvider, target) }
        }
        Request::RemoveProvider(target) => message(Type::RemoveProvider, target),
        Request::GetValue(target) => message(Type::GetValue, target),
        Request::PutValue(value) => Message {
            r#type: Type::PutValue as i32,
            key: value.key.to_vec(),
            record: Some(record(value, directory)),
            ..Message::default()
        },
        Request::Ping => Message { r#type: Type::Ping as i32, ..Message::default() },
    })
}

/// The bytes of a response, length prefix included.
pub fn encode_response(response: &Response, directory: &dyn Directory, config: &Config) -> Vec<u8> {
    let list = |peers: &[PeerHandle]| -> Vec<Peer> {
        peers.iter().map(|handle| peer(*handle, directory, config)).collect()
    };
    frame(&match response {
        Response::Nodes(closer) => {
            Message { r#type: Type::FindNode as i32, closer: list(closer), ..Message::default() }
        }
        Response::Providers { closer, providers, total } => Message {
            r#type: Type::GetProviders as i32,
            closer: list(closer),
            providers: list(providers),
            total: if *total as usize > providers.len() { *total } else { 0 },
            ..Message::default()
        },
        Response::Value { record: value, closer } => Message {
            r#type: Type::GetValue as i32,
            closer: list(closer),
            record: value.as_ref().map(|value| record(value, directory)),
            ..Message::default()
        },
        Response::Stored(value) => Message {
            r#type: Type::PutValue as i32,
            key: value.key.to_vec(),
            record: Some(record(value, directory)),
            ..Message::default()
        },
        Response::Pong => Message { r#type: Type::Ping as i32, ..Message::default() },
    })
}

/// The request in `body`, a message without its length prefix, that `from` sent.
///
/// # Errors
/// [`DecodeError`] for bytes that are not a request: the stream is to be closed.
pub fn decode_request(
    body: &[u8],
    from: PeerHandle,
    directory: &mut dyn Directory,
) -> Result<Request, DecodeError> {
    let message = Message::decode(body)?;
    let kind = kind(&message)?;
    Ok(match kind {
        Type::Ping => Request::Ping,
        Type::FindNode => Request::FindNode(target(&message.key, directory)?),
        Type::GetProviders => Request::GetProviders {
            target: target(&message.key, directory)?,
            page: u16::try_from(message.page).unwrap_or(u16::MAX),
        },
        Type::AddProvider => {
            let id = directory.peer_id(from);
            let own = message.providers.iter().find(|provider| provider.id == id);
            let own = own.ok_or(DecodeError::ForeignProvider)?;
            // So the driver learns where the announcer can be reached.
            directory.peer(&own.id, &own.addrs);
            Request::AddProvider(target(&message.key, directory)?)
        }
        Type::RemoveProvider => Request::RemoveProvider(target(&message.key, directory)?),
        Type::GetValue => Request::GetValue(target(&message.key, directory)?),
        Type::PutValue => {
            let value = message.record.ok_or(DecodeError::Missing("record"))?;
            Request::PutValue(own_record(value, directory)?)
        }
    })
}

/// The response in `body`, a message without its length prefix. Peers that the directory refuses are left out.
///
/// # Errors
/// [`DecodeError`] for bytes that are not a response: the request counts as failed.
pub fn decode_response(body: &[u8], directory: &mut dyn Directory) -> Result<Response, DecodeError> {
    let message = Message::decode(body)?;
    let kind = kind(&message)?;
    let mut list = |peers: &[Peer]| -> Vec<PeerHandle> {
        peers.iter().filter_map(|peer| directory.peer(&peer.id, &peer.addrs)).collect()
    };
    let closer = list(&message.closer);
    Ok(match kind {
        Type::Ping => Response::Pong,
        Type::FindNode => Response::Nodes(closer.into()),
        Type::GetProviders => {
            let providers = list(&message.providers);
            // What this node refuses must not look like left out by the holder.
            let total = if message.total as usize > message.providers.len() { message.total } else { 0 };
            Response::Providers { closer: closer.into(), total: total.max(providers.len() as u32), providers }
        }
        Type::GetValue => Response::Value {
            record: match message.record {
                Some(value) => Some(own_record(value, directory)?),
                None => None,
            },
            closer: closer.into(),
        },
        Type::PutValue => {
            let value = message.record.ok_or(DecodeError::Missing("record"))?;
            Response::Stored(own_record(value, directory)?)
        }
        Type::AddProvider | Type::RemoveProvider => return Err(DecodeError::Type(message.r#type)),
    })
}

fn kind(message: &Message) -> Result<Type, DecodeError> {
    Type::try_from(message.r#type).map_err(|_| DecodeError::Type(message.r#type))
}

/// The message after its length.
fn frame(message: &Message) -> Vec<u8> {
    message.encode_length_delimited_to_vec()
}

fn peer(peer: PeerHandle, directory: &dyn Directory, config: &Config) -> Peer {
    let mut room = config.peer_addrs_bytes as usize;
    let mut addrs = directory.addresses(peer);
    addrs.retain(|addr| {
        let len = 1 + prost::length_delimiter_len(addr.len()) + addr.len();
        let fits = len <= room;
        room -= if fits { len } else { 0 };
        fits
    });
    Peer { id: directory.peer_id(peer), addrs }
}

fn preimage(target: &Target, directory: &dyn Directory) -> Vec<u8> {
    match &target.preimage {
        Preimage::Peer(peer) => directory.peer_id(*peer),
        Preimage::Function(function) => directory.function_name(*function),
        Preimage::Random(number) => Target::random_bytes(*number).to_vec(),
        Preimage::Bytes(bytes) => bytes.to_vec(),
    }
}

fn target(key: &[u8], directory: &dyn Directory) -> Result<Target, DecodeError> {
    check_key(key)?;
    Ok(Target {
        key: Key::hash(key),
        preimage: match directory.function(key) {
            Some(function) => Preimage::Function(function),
            None => Preimage::Bytes(Arc::from(key)),
        },
    })
}

fn check_key(key: &[u8]) -> Result<(), DecodeError> {
    if key.is_empty() || key.len() > super::MAX_KEY_BYTES {
        return Err(DecodeError::Key(key.len()));
    }
    Ok(())
}

fn record(value: &Record, directory: &dyn Directory) -> ProtoRecord {
    ProtoRecord {
        key: value.key.to_vec(),
        value: value.value.to_vec(),
        publisher: value.publisher.map(|peer| directory.peer_id(peer)).unwrap_or_default(),
        ttl: value.ttl_secs.unwrap_or(0),
    }
}

fn own_record(value: ProtoRecord, directory: &mut dyn Directory) -> Result<Box<Record>, DecodeError> {
    check_key(&value.key)?;
    Ok(Box::new(Record {
        publisher: if value.publisher.is_empty() { None } else { directory.peer(&value.publisher, &[]) },
        key: value.key.into(),
        value: value.value.into(),
        ttl_secs: (value.ttl > 0).then_some(value.ttl),
    }))
}
