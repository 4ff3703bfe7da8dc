//! Frames: what tells the parts of a call on a stream apart.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The most bytes of a body in one frame. Larger pieces are split, so that nobody has to hold more of a body.
pub const MAX_DATA_BYTES: usize = 64 * 1024;
/// Bytes before a frame's payload.
pub(crate) const PREFIX: usize = 5;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A call's head ([`super::CallMessage`]). Entry → provider.
    Call = 1,
    /// A piece of a body. Both ways.
    Data = 2,
    /// The end of a request's body. Entry → provider.
    End = 3,
    /// Come back if the function's code has not begun. Entry → provider.
    Reclaim = 4,
    /// A sign of life, please ([`super::ProbeMessage`]). Entry → provider.
    Probe = 5,
    /// The call was taken; also a sign of life while it goes on ([`super::AcceptedMessage`]).
    Accepted = 16,
    /// The answer's head ([`super::HeadMessage`]).
    Head = 17,
    /// The answer's end ([`super::DoneMessage`]).
    Done = 18,
    /// No answer, or no more of it ([`super::FailedMessage`]).
    Failed = 19,
    /// The answer to a probe ([`super::ProbeReplyMessage`]).
    ProbeReply = 20,
    /// The function wants the body that was offered. Provider → entry.
    Continue = 21,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Kind> {
        [
            Kind::Call,
            Kind::Data,
            Kind::End,
            Kind::Reclaim,
            Kind::Probe,
            Kind::Accepted,
            Kind::Head,
            Kind::Done,
            Kind::Failed,
            Kind::ProbeReply,
            Kind::Continue,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub payload: Bytes,
}

/// Why bytes are no frame: the stream is to be dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A type that the protocol does not know.
    #[error("unknown frame type {0}")]
    Kind(u8),
    /// Longer than is allowed for its type.
    #[error("a frame of {len} bytes; at most {max} are read")]
    TooLong {
        /// Its length.
        len: usize,
        /// The most that is read.
        max: usize,
    },
}

/// Splits the first frame off `buffer`; `None` while it is incomplete. `max_head` bounds what is not body: it is the
/// setting `limits.head`, and what carries no headers is far below it.
///
/// # Errors
/// [`FrameError`] as soon as the first five bytes say that no frame of this protocol can follow.
pub fn split(buffer: &mut BytesMut, max_head: usize) -> Result<Option<Frame>, FrameError> {
    let Some(prefix) = buffer.first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let [kind, length @ ..] = *prefix;
    let kind = Kind::from_byte(kind).ok_or(FrameError::Kind(kind))?;
    let len = u32::from_be_bytes(length) as usize;
    let max = match kind {
        Kind::Data => MAX_DATA_BYTES,
        _ => max_head,
    };
    if len > max {
        return Err(FrameError::TooLong { len, max });
    }
    if buffer.len() < PREFIX + len {
        return Ok(None);
    }
    buffer.advance(PREFIX);
    Ok(Some(Frame { kind, payload: buffer.split_to(len).freeze() }))
}

/// Appends a frame whose payload is written by `encode`, `len` bytes.
pub(super) fn put(buffer: &mut BytesMut, kind: Kind, len: usize, encode: impl FnOnce(&mut BytesMut)) {
    buffer.reserve(PREFIX + len);
    buffer.put_u8(kind as u8);
    // Lengths are bounded by the head limit and `MAX_DATA_BYTES`.
    buffer.put_u32(u32::try_from(len).unwrap_or(u32::MAX));
    let before = buffer.len();
    encode(buffer);
    debug_assert_eq!(buffer.len() - before, len);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_whatever_the_pieces() {
        let mut bytes = BytesMut::new();
        put(&mut bytes, Kind::Call, 3, |out| out.put_slice(b"abc"));
        put(&mut bytes, Kind::End, 0, |_| {});
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        for byte in bytes {
            buffer.put_u8(byte);
            while let Some(frame) = split(&mut buffer, 100).unwrap() {
                frames.push((frame.kind, frame.payload.to_vec()));
            }
        }
        assert_eq!(frames, [(Kind::Call, b"abc".to_vec()), (Kind::End, Vec::new())]);
    }

    #[test]
    fn a_length_is_refused_before_its_bytes_come() {
        let mut buffer = BytesMut::from(&[1, 0, 1, 0, 0][..]);
        assert_eq!(split(&mut buffer, 100), Err(FrameError::TooLong { len: 65_536, max: 100 }));
        let mut buffer = BytesMut::from(&[99, 0, 0, 0, 0][..]);
        assert_eq!(split(&mut buffer, 100), Err(FrameError::Kind(99)));
    }
}
