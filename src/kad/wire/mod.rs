//! The wire format: protobuf as in libp2p's kad-dht specification, each message after its length as an unsigned varint.
//!
//! Under our own protocol name three things are added (see `proto.rs`): the message RemoveProvider, the page that a
//! request for providers asks for, and the total that an answer has left some out of.

mod codec;
mod proto;
mod size;

pub use codec::{DecodeError, Directory, decode_request, decode_response, encode_request, encode_response};
pub use size::{MAX_ANSWER_BYTES, providers_per_answer, request_len, response_len};

/// The longest message that is read. Stock peers write up to 16 KiB (rust-libp2p) or 4 MiB (go-libp2p); no answer to
/// a request of ours comes near the second.
pub const MAX_READ_BYTES: usize = 128 * 1024;
/// The longest key: peer ids, function names and names of values.
pub const MAX_KEY_BYTES: usize = 4 * 1024;

/// Splits the first message off `buffer`: its body, and how many bytes it takes with its length prefix. `Ok(None)`
/// while it is incomplete.
///
/// # Errors
/// [`DecodeError`] for a length that is malformed or above [`MAX_READ_BYTES`]: the stream is to be closed.
pub fn split_frame(buffer: &[u8]) -> Result<Option<(&[u8], usize)>, DecodeError> {
    let mut len = 0u64;
    for (i, byte) in buffer.iter().enumerate() {
        let bits = u64::from(byte & 0x7f);
        // Nine bytes hold 63 bits, as multiformats' unsigned varint has it; its shortest form has no zero at the end.
        if i >= 9 || (i > 0 && *byte == 0) {
            return Err(DecodeError::Length);
        }
        len |= bits << (7 * i);
        if byte & 0x80 == 0 {
            if len > MAX_READ_BYTES as u64 {
                return Err(DecodeError::TooLong(len));
            }
            let end = i + 1 + len as usize;
            return Ok(buffer.get(i + 1..end).map(|body| (body, end)));
        }
    }
    Ok(None)
}
