//! The settings of the DHT.

use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// The settings of the DHT.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kademlia {
    /// Entries of a bucket, and holders of a record; 1 to 1,000.
    pub k: u32,
    /// Requests of a look-up in flight at once; 1 to `k`.
    pub alpha: u32,
    /// A request without answer fails after this.
    pub request_timeout: Duration,
    /// A look-up ends after this, with what it has.
    pub lookup_timeout: Duration,
    /// Disjoint paths of a look-up (S/Kademlia); 1 to `k`.
    pub disjoint_paths: u32,
    /// The whole routing table is refreshed once in this time.
    pub refresh_interval: Duration,
    /// A provider record is forgotten after this.
    pub provider_ttl: Duration,
    /// A provider announces itself again after this; below `provider_ttl`.
    pub republish_interval: Duration,
    /// A value record is forgotten after this.
    pub record_ttl: Duration,
    /// Providers that a node stores for one key; at least `k`.
    pub max_providers_per_key: u32,
    /// The share of nodes that are clients: they ask and announce, but enter no routing table (0 to below 1).
    pub client_share: f64,
    /// The protocol's name on the wire.
    pub protocol: String,
}
