//! Settings of the routing of calls.

use super::{AnycallPolicy, ManycallPolicy};
use crate::time::Duration;

/// Settings of the routing of calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Who knows where a function is hosted.
    pub discovery: Discovery,
    /// The policy of calls that name none.
    pub anycall: AnycallPolicy,
    /// The policy of manycalls that name none.
    pub manycall: ManycallPolicy,
    /// How long providers found by a look-up are used without another.
    pub cache_ttl: Duration,
    /// How long "nobody provides it" is believed.
    pub negative_ttl: Duration,
    /// Functions kept in the cache; the least recently used goes first.
    pub cache_functions: usize,
    /// Attempts of one call, refusals by full providers not counted.
    pub max_attempts: u32,
    /// First pause when every provider has failed or is closed; doubles, with jitter.
    pub backoff_initial: Duration,
    /// Longest such pause.
    pub backoff_max: Duration,
    /// How long a provider that answered 429 without Retry-After stays closed.
    pub retry_after: Duration,
    /// How long a provider that failed is avoided at first; doubles with each failure in a row.
    pub avoid: Duration,
    /// A peer with attempts in flight that was silent this long is asked for a sign of life.
    pub probe_interval: Duration,
    /// After so many unanswered in a row it counts as dead.
    pub probe_misses: u32,
    /// How long one attempt may take; `None`: until the call's deadline.
    pub attempt_timeout: Option<Duration>,
    /// Calls that may wait at this node while every provider is closed; beyond: rejected.
    pub entry_queue: usize,
    /// `least-loaded` and `power-of-two` ask for the load first and pay the round trip.
    pub probe_first: bool,
    /// Items of manycalls in flight at one provider, at most, however many slots it has; at least 1.
    pub manycall_window: u32,
    /// A straggler is an item that runs longer than this multiple of the median of what is done. Copies are made
    /// only of items that may run twice (`idempotent`).
    pub backup_factor: f64,
}

/// Who knows where a function is hosted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Discovery {
    /// The DHT of this core.
    #[default]
    Kademlia,
    /// The driver's own, by [`Output::Resolve`](crate::io::Output::Resolve) and
    /// [`Output::Publish`](crate::io::Output::Publish).
    Driver,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            discovery: Discovery::Kademlia,
            anycall: AnycallPolicy::default(),
            manycall: ManycallPolicy::default(),
            cache_ttl: Duration::from_secs(60),
            negative_ttl: Duration::from_secs(10),
            cache_functions: 10_000,
            max_attempts: 5,
            backoff_initial: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
            retry_after: Duration::from_secs(1),
            avoid: Duration::from_secs(5),
            probe_interval: Duration::from_millis(250),
            probe_misses: 4,
            attempt_timeout: None,
            entry_queue: 1_024,
            probe_first: false,
            manycall_window: 4_096,
            backup_factor: 2.0,
        }
    }
}
