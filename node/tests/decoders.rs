//! The decoders of the call protocol, over seeded and over damaged bytes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "../../fuzz/bodies/call_frames.rs"]
mod body;

use edge_faas_node::protocol::{
    CallMessage, DoneMessage, FailedMessage, HeadMessage, Kind, ProbeMessage, encode_headers,
};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use prost::Message;

/// A stream with one frame of every kind.
fn conversation() -> Vec<u8> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/plain"));
    headers.insert("x-a", HeaderValue::from_bytes(b"\xfe").unwrap());
    let call = CallMessage {
        function: "resize".to_owned(),
        method: "POST".to_owned(),
        path: "/a/%2e".to_owned(),
        query: Some("x".to_owned()),
        headers: encode_headers(&headers),
        timeout_us: u64::MAX,
        offers_body: true,
    };
    let head = HeadMessage { status: 200, headers: encode_headers(&headers), timing: None };
    let failed = FailedMessage { reason: 2, ran: 1, retry_after_us: Some(u64::MAX), ..Default::default() };
    let frames: [(Kind, Vec<u8>); 9] = [
        (Kind::Call, call.encode_to_vec()),
        (Kind::Data, b"body".to_vec()),
        (Kind::End, Vec::new()),
        (Kind::Reclaim, Vec::new()),
        (Kind::Probe, ProbeMessage { function: Some("resize".to_owned()) }.encode_to_vec()),
        (Kind::Accepted, Vec::new()),
        (Kind::Head, head.encode_to_vec()),
        (Kind::Done, DoneMessage::default().encode_to_vec()),
        (Kind::Failed, failed.encode_to_vec()),
    ];
    let mut bytes = Vec::new();
    for (kind, payload) in frames {
        bytes.push(kind as u8);
        bytes.extend((payload.len() as u32).to_be_bytes());
        bytes.extend(payload);
    }
    bytes
}

#[test]
fn a_conversation_is_read() {
    body::call_frames(&conversation());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        body::call_frames(&bytes);
    }

    #[test]
    fn a_damaged_conversation_is_read_or_refused(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = conversation();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        body::call_frames(&bytes);
    }
}
