//! `[kademlia]`.

use super::super::error::ScenarioError;
use super::super::keys::*;
use super::super::reader::Reader;
use super::super::schema::Kademlia;
use crate::time::Duration;

pub(in crate::scenario) static KADEMLIA: Section = Section {
    id: "kademlia",
    title: "[kademlia]",
    doc: "The settings of the DHT.",
    keys: &[
        default("k", Kind::Integer(1, 1_000), "20", "Entries of a bucket, and holders of a record."),
        default(
            "alpha",
            Kind::Integer(1, 1_000),
            "3",
            "Requests of a look-up in flight at once; not above `k`.",
        ),
        default("request_timeout", POSITIVE_DURATION, "10s", "A request without answer fails after this."),
        default("lookup_timeout", POSITIVE_DURATION, "60s", "A look-up ends after this, with what it has."),
        default(
            "disjoint_paths",
            Kind::Integer(1, 1_000),
            "1",
            "Disjoint paths of a look-up (S/Kademlia); not above `k`.",
        ),
        default(
            "refresh_interval",
            POSITIVE_DURATION,
            "10min",
            "The whole routing table is refreshed once in this time; at least 1s.",
        ),
        default("provider_ttl", POSITIVE_DURATION, "30min", "A provider record is forgotten after this."),
        default(
            "republish_interval",
            POSITIVE_DURATION,
            "10min",
            "A provider announces itself again after this; below `provider_ttl`, at least 1s.",
        ),
        default("record_ttl", POSITIVE_DURATION, "36h", "A value record is forgotten after this."),
        default(
            "max_providers_per_key",
            Kind::Integer(1, 1_000_000),
            "1024",
            "Providers that a node stores for one key.",
        ),
        default(
            "client_share",
            SHARE,
            "0%",
            "Share of nodes that ask and announce, but enter no routing table. Below 100 %.",
        ),
        default(
            "protocol",
            Kind::Text("a protocol's name such as \"/edge-faas/kad/1.0.0\""),
            "/edge-faas/kad/1.0.0",
            "The protocol's name. Withdrawals are sent only under a name other than libp2p's `/ipfs/kad/1.0.0`.",
        ),
    ],
    choices: &[],
};

/// Upkeep takes look-ups, and these take round trips: repeated faster than this it never ends.
const UPKEEP_MIN: Duration = Duration::from_secs(1);

/// Reads `[kademlia]`.
pub(super) fn kademlia(reader: &Reader<'_>) -> Result<Kademlia, ScenarioError> {
    let kademlia = Kademlia {
        k: reader.count("k")?,
        alpha: reader.count("alpha")?,
        request_timeout: reader.duration("request_timeout")?,
        lookup_timeout: reader.duration("lookup_timeout")?,
        disjoint_paths: reader.count("disjoint_paths")?,
        refresh_interval: reader.interval("refresh_interval", UPKEEP_MIN)?,
        provider_ttl: reader.duration("provider_ttl")?,
        republish_interval: reader.interval("republish_interval", UPKEEP_MIN)?,
        record_ttl: reader.duration("record_ttl")?,
        max_providers_per_key: reader.count("max_providers_per_key")?,
        client_share: reader.share("client_share")?,
        protocol: reader.text("protocol")?,
    };
    for (key, value) in [("alpha", kademlia.alpha), ("disjoint_paths", kademlia.disjoint_paths)] {
        if value > kademlia.k {
            return Err(reader.error(key, format!("must not be above k = {}", kademlia.k)));
        }
    }
    if kademlia.republish_interval >= kademlia.provider_ttl {
        let key = if reader.has("republish_interval") { "republish_interval" } else { "provider_ttl" };
        return Err(reader.error(
            key,
            format!(
                "lets records die between announcements: republish_interval ({}) must be below provider_ttl ({})",
                kademlia.republish_interval, kademlia.provider_ttl
            ),
        ));
    }
    if kademlia.client_share >= 1.0 {
        return Err(reader.error("client_share", "must be below 100%: somebody has to answer"));
    }
    if !kademlia.protocol.starts_with('/') || kademlia.protocol.len() > 140 {
        return Err(reader.error("protocol", "must begin with a slash and have at most 140 bytes"));
    }
    Ok(kademlia)
}
