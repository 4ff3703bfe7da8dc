//! Sizes of messages on the wire, computed from counts: the simulator charges them per message and encodes none.

use super::super::Config;
use super::super::message::{Preimage, Record, Request, Response, Target};
use crate::context::{self, FunctionTable};

/// No message we write is longer, its length prefix aside: rust-libp2p reads up to 16 KiB, and what an encoder adds on
/// the way must still fit.
pub const MAX_ANSWER_BYTES: usize = 14 * 1024;

/// Bytes of an unsigned varint.
pub(super) const fn varint(value: u64) -> u32 {
    (64 - (value | 1).leading_zeros()).div_ceil(7)
}

/// Bytes of a length-delimited field with a one-byte tag; nothing where it is empty (proto3).
const fn bytes_field(len: u32) -> u32 {
    if len == 0 { 0 } else { nested(len) }
}

/// The same for an embedded message, which is there even if empty.
const fn nested(len: u32) -> u32 {
    1 + varint(len as u64) + len
}

/// Bytes of a varint field with a tag of `tag` bytes; nothing for zero (proto3).
const fn varint_field(tag: u32, value: u64) -> u32 {
    if value == 0 { 0 } else { tag + varint(value) }
}

/// Bytes of one peer with id and addresses, inside its message.
fn peer(config: &Config) -> u32 {
    nested(bytes_field(config.peer_id_bytes) + config.peer_addrs_bytes)
}

fn target(target: &Target, config: &Config, functions: &FunctionTable) -> u32 {
    bytes_field(match &target.preimage {
        Preimage::Peer(_) => config.peer_id_bytes,
        Preimage::Function(function) => u32::from(functions.get(*function).name_len),
        Preimage::Random(_) => 34,
        Preimage::Bytes(bytes) => bytes.len() as u32,
    })
}

fn record(record: &Record, config: &Config) -> u32 {
    // Tags 666 and 777 take two bytes.
    let publisher = match record.publisher {
        Some(_) if config.peer_id_bytes > 0 => 2 + varint(config.peer_id_bytes.into()) + config.peer_id_bytes,
        _ => 0,
    };
    nested(
        bytes_field(record.key.len() as u32)
            + bytes_field(record.value.len() as u32)
            + publisher
            + varint_field(2, record.ttl_secs.unwrap_or(0).into()),
    )
}

/// With the length prefix.
fn framed(body: u32) -> u32 {
    varint(body.into()) + body
}

/// The message type's field; PUT_VALUE is zero and takes none.
const TYPE: u32 = 2;

/// Bytes of a request on the wire, length prefix included. Equals what [`super::encode_request`] writes if every peer
/// id and address list is as long as the settings say.
pub fn request_len(request: &Request, config: &context::Config, functions: &FunctionTable) -> u32 {
    let kad = &config.kad;
    framed(match request {
        Request::FindNode(key) | Request::GetValue(key) => TYPE + target(key, kad, functions),
        Request::RemoveProvider(key) => TYPE + target(key, kad, functions),
        Request::GetProviders { target: key, page } => {
            TYPE + target(key, kad, functions) + varint_field(2, (*page).into())
        }
        Request::AddProvider(key) => TYPE + target(key, kad, functions) + peer(kad),
        Request::PutValue(value) => bytes_field(value.key.len() as u32) + record(value, kad),
        Request::Ping => TYPE,
    })
}

/// Bytes of a response on the wire, length prefix included. Equals what [`super::encode_response`] writes if every
/// peer id and address list is as long as the settings say.
pub fn response_len(response: &Response, config: &context::Config) -> u32 {
    let kad = &config.kad;
    framed(match response {
        Response::Nodes(closer) => TYPE + closer.len() as u32 * peer(kad),
        Response::Providers { closer, providers, total } => {
            let left_out = *total as usize > providers.len();
            TYPE + (closer.len() + providers.len()) as u32 * peer(kad)
                + varint_field(2, if left_out { (*total).into() } else { 0 })
        }
        Response::Value { record: value, closer } => {
            TYPE + closer.len() as u32 * peer(kad) + value.as_ref().map_or(0, |value| record(value, kad))
        }
        Response::Stored(value) => bytes_field(value.key.len() as u32) + record(value, kad),
        Response::Pong => TYPE,
    })
}

/// How many providers one answer holds, next to k closer peers, within [`MAX_ANSWER_BYTES`]; at least one.
pub fn providers_per_answer(config: &Config) -> usize {
    // Type and total take at most nine bytes.
    let peer = peer(config) as usize;
    let room = (MAX_ANSWER_BYTES - 9).saturating_sub(config.k.saturating_mul(peer));
    (room / peer).max(1)
}
