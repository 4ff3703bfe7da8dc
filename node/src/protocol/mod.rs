//! The call protocol `/edge-faas/call/1`: one call at a time on a stream, many streams on a connection.
//!
//! A stream is a sequence of frames: one byte for the type, four for the length (big-endian), then that many bytes.
//! The entry node opens streams and uses each for one call after the other; the provider answers. So a call costs no
//! negotiation, and an aborted one costs a stream.
//!
//! ```text
//! entry      Call  Data*  End                     Probe         Reclaim (while it waits)
//! provider   Accepted*  Head  Data*  Done         ProbeReply    Failed (instead of Head, or to break off)
//!
//! entry      Call            Data*  End           (a body that cannot be sent twice is offered)
//! provider         Continue         Head …
//! ```
//!
//! Whoever drops a stream in the middle cancels the call.

mod channel;
mod frame;
mod message;

pub use channel::{Channel, ChannelError, Reader, Writer};
pub use frame::{Frame, FrameError, Kind, MAX_DATA_BYTES, split};
pub use message::{
    AcceptedMessage, CallMessage, CapacityMessage, DoneMessage, FailedMessage, HeadMessage, HeaderMessage,
    MessageError, ProbeMessage, ProbeReplyMessage, TimingMessage, decode_headers, encode_headers,
};

/// The protocol's name. What is added later goes into fields that older nodes skip; what they must not skip makes a new
/// number.
pub const CALL_PROTOCOL: &str = "/edge-faas/call/1";
