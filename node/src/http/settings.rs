//! Settings of the HTTP API.

use crate::runtime::Credentials;
use std::time::Duration;

/// Settings of the HTTP API.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may use `/system/…` and the node's view; `None`: everybody who reaches it.
    pub credentials: Option<Credentials>,
    /// Connections at once; others wait until one closes.
    pub connections: usize,
    /// How long a request's head may take, and how long a connection may wait for its next request.
    pub head_timeout: Duration,
    /// How long the next bytes of a request's body may take.
    pub stall_timeout: Duration,
    /// How long the next item of a streamed manycall may take.
    pub item_timeout: Duration,
    /// Bytes of a request's body.
    pub body_limit: u64,
    /// Bytes of a body that is read whole before it is looked at: deployments, secrets, the items of a manycall
    /// that come as one JSON text.
    pub json_limit: usize,
    /// Bytes of one item of a streamed manycall.
    pub item_limit: usize,
    /// How long requests may go on after the node was told to stop.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            credentials: None,
            connections: 10_000,
            head_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            item_timeout: Duration::from_secs(600),
            body_limit: 4 << 30,
            json_limit: 64 << 20,
            item_limit: 16 << 20,
            drain: Duration::from_secs(30),
        }
    }
}
