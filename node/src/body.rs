//! Bodies of requests and answers: streamed, with back-pressure.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};

/// A body that streams: `http_body` pulls it, and nothing is read ahead of who pulls.
pub type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, BodyError>;

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// More bytes than the limit allows.
    #[error("the body is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The connection to the other side broke, or the other side gave up.
    #[error("the body broke off: {0}")]
    Broken(String),
    /// Whoever makes the body failed: the user's connection, or the runtime.
    #[error("the body's source failed: {0}")]
    Source(#[from] Box<dyn std::error::Error + Send + Sync>),
}

/// A body without bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A body that is already in memory.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}
