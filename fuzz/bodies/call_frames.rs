//! Arbitrary bytes as frames of the call protocol: read or refused, never a panic, and nothing is held that is not
//! allowed.
#![allow(unreachable_pub)]

use bytes::BytesMut;
use edge_faas_node::path;
use edge_faas_node::protocol::{
    AcceptedMessage, CallMessage, DoneMessage, FailedMessage, HeadMessage, Kind, MAX_DATA_BYTES,
    ProbeMessage, ProbeReplyMessage, decode_headers, encode_headers, split,
};
use prost::Message;

/// What is read of anything but bodies.
const MAX_HEAD: usize = 4_096;

/// The body of the fuzz target.
pub fn call_frames(data: &[u8]) {
    let mut buffer = BytesMut::from(data);
    let mut taken = 0;
    loop {
        let before = buffer.len();
        let frame = match split(&mut buffer, MAX_HEAD) {
            Ok(Some(frame)) => frame,
            // Incomplete: as it came.
            Ok(None) => {
                assert_eq!(buffer.len(), before);
                break;
            }
            Err(_) => break,
        };
        taken += frame.payload.len() + 5;
        assert_eq!(before - buffer.len(), frame.payload.len() + 5);
        let most = if frame.kind == Kind::Data { MAX_DATA_BYTES } else { MAX_HEAD };
        assert!(frame.payload.len() <= most);
        message(frame.kind, frame.payload);
    }
    assert!(taken <= data.len());
}

fn message(kind: Kind, payload: bytes::Bytes) {
    match kind {
        Kind::Call => {
            if let Ok(call) = CallMessage::decode(payload) {
                let _ = path::check(&call.path, call.query.as_deref());
                again(&call);
                headers(call.headers);
            }
        }
        Kind::Head => {
            if let Ok(head) = HeadMessage::decode(payload) {
                again(&head);
                headers(head.headers);
                let _ = head.timing.unwrap_or_default().timing();
            }
        }
        Kind::Accepted => {
            if let Ok(message) = AcceptedMessage::decode(payload) {
                let _ = message.capacity.unwrap_or_default().capacity();
            }
        }
        Kind::Done => {
            if let Ok(message) = DoneMessage::decode(payload) {
                let _ = (message.timing.unwrap_or_default().timing(), message.capacity);
            }
        }
        Kind::Failed => {
            if let Ok(failed) = FailedMessage::decode(payload) {
                let (reason, started) = failed.failure();
                // What is known of it survives being passed on.
                let passed = FailedMessage::new(reason, started, failed.capacity, failed.message);
                assert_eq!(passed.failure(), (reason, started));
            }
        }
        Kind::Probe => drop(ProbeMessage::decode(payload)),
        Kind::ProbeReply => drop(ProbeReplyMessage::decode(payload)),
        Kind::Data | Kind::End | Kind::Reclaim | Kind::Continue => {}
    }
}

/// What was read is written the same.
fn again<T: Message + PartialEq + Default>(message: &T) {
    let bytes = message.encode_to_vec();
    assert!(T::decode(&bytes[..]).as_ref() == Ok(message));
}

fn headers(list: Vec<edge_faas_node::protocol::HeaderMessage>) {
    if let Ok(map) = decode_headers(list) {
        assert_eq!(decode_headers(encode_headers(&map)).as_ref(), Ok(&map));
    }
}
