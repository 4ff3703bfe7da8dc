//! The messages inside frames, as protobuf, and their way to the core's types and back.

use edge_faas_core::context::{Capacity, Timing};
use edge_faas_core::io::{AttemptFailure, Started};
use edge_faas_core::time::Duration;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Why a message makes no sense: the call is refused, the stream dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not protobuf.
    #[error("not a protobuf message: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// A name or value that HTTP does not allow.
    #[error("{0} is not allowed in HTTP")]
    Http(&'static str),
    /// A frame where another was due.
    #[error("a frame of type {0:?} where none such may come")]
    Unexpected(super::Kind),
}

/// A call's head.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CallMessage {
    /// The function's name.
    #[prost(string, tag = "1")]
    pub function: String,
    /// The method.
    #[prost(string, tag = "2")]
    pub method: String,
    /// What follows the function's name in the path.
    #[prost(string, tag = "3")]
    pub path: String,
    /// The query.
    #[prost(string, optional, tag = "4")]
    pub query: Option<String>,
    /// The headers, in order.
    #[prost(message, repeated, tag = "5")]
    pub headers: Vec<HeaderMessage>,
    /// Microseconds until nobody waits any more.
    #[prost(uint64, tag = "6")]
    pub timeout_us: u64,
    /// The entry waits for `Continue` before it sends the body: it is too large to be sent twice.
    #[prost(bool, tag = "7")]
    pub offers_body: bool,
}

/// A header.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HeaderMessage {
    /// Its name in lower case.
    #[prost(bytes = "bytes", tag = "1")]
    pub name: bytes::Bytes,
    /// Its value.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: bytes::Bytes,
}

/// How full a provider is for a function.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CapacityMessage {
    /// Calls that can run at once.
    #[prost(uint32, tag = "1")]
    pub slots: u32,
    /// Calls that run.
    #[prost(uint32, tag = "2")]
    pub running: u32,
    /// Calls that wait.
    #[prost(uint32, tag = "3")]
    pub queued: u32,
    /// Calls that may wait.
    #[prost(uint32, tag = "4")]
    pub queue_limit: u32,
    /// The function may be run again for a call that may have started.
    #[prost(bool, tag = "5")]
    pub idempotent: bool,
}

/// Durations by the provider's clock.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct TimingMessage {
    /// In the queue, in microseconds.
    #[prost(uint64, tag = "1")]
    pub queue_us: u64,
    /// Waiting for an instance, in microseconds.
    #[prost(uint64, tag = "2")]
    pub cold_us: u64,
    /// Running, in microseconds.
    #[prost(uint64, tag = "3")]
    pub exec_us: u64,
}

/// The call was taken.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct AcceptedMessage {
    /// How full the provider is, this call counted.
    #[prost(message, optional, tag = "1")]
    pub capacity: Option<CapacityMessage>,
}

/// The answer's head.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HeadMessage {
    /// The status.
    #[prost(uint32, tag = "1")]
    pub status: u32,
    /// The headers, in order.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderMessage>,
    /// Up to here.
    #[prost(message, optional, tag = "3")]
    pub timing: Option<TimingMessage>,
}

/// The answer's end.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct DoneMessage {
    /// In all.
    #[prost(message, optional, tag = "1")]
    pub timing: Option<TimingMessage>,
    /// How full the provider is after it.
    #[prost(message, optional, tag = "2")]
    pub capacity: Option<CapacityMessage>,
}

/// No answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FailedMessage {
    /// Why.
    #[prost(enumeration = "Reason", tag = "1")]
    pub reason: i32,
    /// Did the function's code run?
    #[prost(enumeration = "Ran", tag = "2")]
    pub ran: i32,
    /// Of a full provider: microseconds until it makes sense to come back.
    #[prost(uint64, optional, tag = "3")]
    pub retry_after_us: Option<u64>,
    /// How full the provider is.
    #[prost(message, optional, tag = "4")]
    pub capacity: Option<CapacityMessage>,
    /// For people.
    #[prost(string, tag = "5")]
    pub message: String,
}

/// A sign of life, please.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ProbeMessage {
    /// Whose capacity.
    #[prost(string, optional, tag = "1")]
    pub function: Option<String>,
}

/// A sign of life.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ProbeReplyMessage {
    /// Of the function that was asked about; absent: not hosted here.
    #[prost(message, optional, tag = "1")]
    pub capacity: Option<CapacityMessage>,
}

/// Why there is no answer, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum Reason {
    Runtime = 0,
    NotHosted = 1,
    Full = 2,
    Cancelled = 3,
}

/// Whether code ran, on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum Ran {
    Maybe = 0,
    No = 1,
    Yes = 2,
}

impl FailedMessage {
    /// A failure as the wire says it.
    pub fn new(
        reason: AttemptFailure,
        started: Started,
        capacity: Option<CapacityMessage>,
        message: String,
    ) -> Self {
        let wire = match reason {
            AttemptFailure::Full { .. } => Reason::Full,
            AttemptFailure::NotHosted => Reason::NotHosted,
            AttemptFailure::Cancelled => Reason::Cancelled,
            AttemptFailure::Runtime
            | AttemptFailure::Dial
            | AttemptFailure::Lost
            | AttemptFailure::Timeout => Reason::Runtime,
        };
        let ran = match started {
            Started::No => Ran::No,
            Started::Maybe => Ran::Maybe,
            Started::Yes => Ran::Yes,
        };
        let retry_after_us = match reason {
            AttemptFailure::Full { retry_after } => retry_after.map(micros),
            _ => None,
        };
        FailedMessage { reason: wire as i32, ran: ran as i32, retry_after_us, capacity, message }
    }

    /// The failure as the core says it. What an older node does not know counts as a broken runtime.
    pub fn failure(&self) -> (AttemptFailure, Started) {
        let reason = match Reason::try_from(self.reason) {
            Ok(Reason::Full) => AttemptFailure::Full { retry_after: self.retry_after_us.map(duration) },
            Ok(Reason::NotHosted) => AttemptFailure::NotHosted,
            Ok(Reason::Cancelled) => AttemptFailure::Cancelled,
            Ok(Reason::Runtime) | Err(_) => AttemptFailure::Runtime,
        };
        let started = match Ran::try_from(self.ran) {
            Ok(Ran::No) => Started::No,
            Ok(Ran::Yes) => Started::Yes,
            Ok(Ran::Maybe) | Err(_) => Started::Maybe,
        };
        (reason, started)
    }
}

impl CapacityMessage {
    /// A capacity as the wire says it.
    pub fn new(capacity: Capacity, idempotent: bool) -> Self {
        let Capacity { slots, running, queued, queue_limit } = capacity;
        CapacityMessage { slots, running, queued, queue_limit, idempotent }
    }

    /// The capacity as the core says it.
    pub fn capacity(&self) -> Capacity {
        let CapacityMessage { slots, running, queued, queue_limit, .. } = *self;
        Capacity { slots, running, queued, queue_limit }
    }
}

impl TimingMessage {
    /// A timing as the wire says it.
    pub fn new(timing: Timing) -> Self {
        TimingMessage {
            queue_us: micros(timing.queue),
            cold_us: micros(timing.cold),
            exec_us: micros(timing.exec),
        }
    }

    /// The timing as the core says it.
    pub fn timing(&self) -> Timing {
        Timing { queue: duration(self.queue_us), cold: duration(self.cold_us), exec: duration(self.exec_us) }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(0) / 1_000
}

fn duration(micros: u64) -> Duration {
    // The longest whole number of microseconds that the core can count.
    Duration::from_micros(i64::try_from(micros).unwrap_or(i64::MAX).min(i64::MAX / 1_000))
}

/// Headers as the wire says them.
pub fn encode_headers(headers: &HeaderMap) -> Vec<HeaderMessage> {
    let bytes = |bytes: &[u8]| bytes::Bytes::copy_from_slice(bytes);
    headers
        .iter()
        .map(|(name, value)| HeaderMessage {
            name: bytes(name.as_str().as_bytes()),
            value: bytes(value.as_bytes()),
        })
        .collect()
}

/// Headers as HTTP says them.
///
/// # Errors
/// [`MessageError::Http`] for what HTTP does not allow.
pub fn decode_headers(headers: Vec<HeaderMessage>) -> Result<HeaderMap, MessageError> {
    let too_many = |_| MessageError::Http("so many headers");
    let mut map = HeaderMap::try_with_capacity(headers.len()).map_err(too_many)?;
    for header in headers {
        let name = HeaderName::from_bytes(&header.name).map_err(|_| MessageError::Http("a header's name"))?;
        let value = HeaderValue::from_maybe_shared(header.value)
            .map_err(|_| MessageError::Http("a header's value"))?;
        map.try_append(name, value).map_err(too_many)?;
    }
    Ok(map)
}
