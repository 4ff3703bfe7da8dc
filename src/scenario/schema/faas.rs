//! The settings of call routing.

use crate::faas::{AnycallPolicy, ManycallPolicy};
use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// The settings of call routing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faas {
    /// The policy of an anycall, unless its phase or function names one.
    pub policy: AnycallPolicy,
    /// The policy of a manycall, unless its phase names one.
    pub manycall_policy: ManycallPolicy,
    /// A look-up's answer serves for this long.
    pub cache_ttl: Duration,
    /// "No provider" serves for this long.
    pub negative_ttl: Duration,
    /// Attempts of a call, the first one included; at least 1.
    pub max_attempts: u32,
    /// The first pause when every provider is closed; doubles each time.
    pub backoff_initial: Duration,
    /// The longest pause.
    pub backoff_max: Duration,
    /// How long a 429 without Retry-After closes a provider.
    pub retry_after: Duration,
    /// A peer with calls in flight is probed this often.
    pub probe_interval: Duration,
    /// A peer that missed this many probes in a row is dead; at least 1.
    pub probe_misses: u32,
    /// An attempt fails after this; `None`: only the call's deadline ends it.
    pub attempt_timeout: Option<Duration>,
    /// For how long a provider that failed is avoided.
    pub avoid: Duration,
    /// Calls that may wait at an entry when every provider is closed.
    pub entry_queue: u32,
    /// Whether a call that may have started may run again, unless the function or the phase says.
    pub idempotent: bool,
    /// A body up to this many bytes is kept for a retry; a larger one is sent once.
    pub retry_body_limit: u64,
    /// `least-loaded` and `power-of-two` ask for the load first.
    pub probe: bool,
    /// Items of manycalls in flight at one provider, at most; at least 1.
    pub manycall_window: u32,
    /// `backup` copies an item that runs longer than this times the median.
    pub backup_factor: f64,
    /// CPU time of passing a call on, at its entry and at its provider, and again for its answer.
    pub forward_cpu: Duration,
    /// CPU time of handling a protocol message.
    pub message_cpu: Duration,
}
