//! What real nodes take for what costs nothing in a simulator.

use super::Distribution;
use serde::{Deserialize, Serialize};

/// What real nodes take for what costs nothing in a simulator: measured by `harness calibrate`, drawn by the simulator for
/// each call, attempt, connection and request. In seconds; `None`: nothing. Real nodes ignore all of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// From the instant a call is due to its entry's having it.
    pub entry: Option<Distribution>,
    /// What a call past all routing takes besides its function.
    pub direct: Option<Distribution>,
    /// What an attempt at the entry's own runtime takes besides its function.
    pub local: Option<Distribution>,
    /// What an attempt at another node takes besides its function, links, and `forward_cpu`; half of it on each way.
    pub routed: Option<Distribution>,
    /// How much longer a function sleeps than it is asked to.
    pub sleep: Option<Distribution>,
    /// How much longer a function computes than it is asked to, on a core of its own.
    pub cpu: Option<Distribution>,
    /// What opening a connection takes besides its round trips.
    pub handshake: Option<Distribution>,
    /// What answering a request of the DHT takes besides links and `message_cpu`.
    pub request: Option<Distribution>,
}

impl Calibration {
    /// True if nothing was measured.
    pub fn is_empty(&self) -> bool {
        *self == Calibration::default()
    }
}
