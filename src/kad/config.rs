//! Kademlia's settings.

use crate::time::Duration;

/// Kademlia's settings; the defaults are libp2p's, but for the life of provider records.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Bucket size, and how many closest peers a look-up finds and records are stored at (k).
    pub k: usize,
    /// Requests of a look-up in flight while it makes progress (α).
    pub alpha: usize,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long a look-up may take.
    pub lookup_timeout: Duration,
    /// Disjoint paths of a look-up (Baumgart and Mies, "S/Kademlia", ICPADS 2007); 1: none.
    pub disjoint_paths: usize,
    /// The time in which every bucket is refreshed once.
    pub refresh_interval: Duration,
    /// How long a provider record lives. libp2p: 48 h, which keeps the dead.
    pub provider_ttl: Duration,
    /// How often a function is announced again.
    pub republish_interval: Duration,
    /// How long a value lives where its record does not say.
    pub record_ttl: Duration,
    /// Providers kept per key.
    pub max_providers_per_key: usize,
    /// Keys kept in the provider store and in the value store, each.
    pub max_keys: usize,
    /// Bytes of one value.
    pub max_value_bytes: usize,
    /// True for a node that answers requests (server mode); clients only ask.
    pub server: bool,
    /// True under our own protocol name: withdrawals and provider pages are understood by everybody.
    pub extensions: bool,
    /// Bytes of a peer id on the wire: for sizes where the driver has no real ones (an Ed25519 identity: 38).
    pub peer_id_bytes: u32,
    /// Bytes of a peer's addresses on the wire, all together, with their tags.
    pub peer_addrs_bytes: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            k: 20,
            alpha: 3,
            request_timeout: Duration::from_secs(10),
            lookup_timeout: Duration::from_secs(60),
            disjoint_paths: 1,
            refresh_interval: Duration::from_secs(600),
            provider_ttl: Duration::from_secs(1_800),
            republish_interval: Duration::from_secs(600),
            record_ttl: Duration::from_secs(36 * 3_600),
            max_providers_per_key: 1_024,
            max_keys: 65_536,
            max_value_bytes: 65_536,
            server: true,
            extensions: true,
            peer_id_bytes: 38,
            peer_addrs_bytes: 10,
        }
    }
}
