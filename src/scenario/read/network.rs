//! `[network]`.

use super::super::error::ScenarioError;
use super::super::files::Files;
use super::super::keys::*;
use super::super::reader::Reader;
use super::super::schema::{Bandwidth, Network, Start, Transport};
use super::super::value::{Data, Value};
use super::distribution::{durations, optional_distribution};
use super::latency::{LATENCY, latency};
use super::select::NODES_MAX;
use crate::time::Duration;
use crate::units::Quantity;

const CAPACITY: Kind =
    Kind::Any(&[Kind::Quantity(Quantity::Bandwidth, Zero::Refused), Kind::Word(&["unlimited"])]);

pub(in crate::scenario) static BANDWIDTH: Section = Section {
    id: "bandwidth",
    title: "bandwidth",
    doc: "What a link carries.",
    keys: &[
        optional("up", CAPACITY, "unlimited", "From the node."),
        optional("down", CAPACITY, "unlimited", "To the node."),
    ],
    choices: &[],
};

pub(in crate::scenario) static NETWORK: Section = Section {
    id: "network",
    title: "[network]",
    doc: "The nodes, what lies between them, and how the network starts.",
    keys: &[
        required("nodes", Kind::Integer(2, NODES_MAX), "How many nodes."),
        default(
            "start",
            Kind::Word(&["join", "converged"]),
            "join",
            "`join`: every node joins by the protocol. `converged`: tables and records are filled as a settled network would have them (for scale).",
        ),
        optional(
            "join_over",
            DURATION,
            "10ms a node, between 30s and 10min",
            "The joins are spread over this, uniformly.",
        ),
        default(
            "bootstrap",
            Kind::Integer(1, 1_000),
            "3",
            "Nodes that every other node knows at first; fewer if there are fewer nodes.",
        ),
        optional(
            "settle",
            DURATION,
            "`30s`; a refresh interval, if that is longer, for a `converged` start under churn",
            "The network rests after joins and announcements, before time 0.",
        ),
        optional(
            "latency",
            Kind::Any(&[durations::KIND, Kind::Table(&LATENCY)]),
            "`{ regions = \"cloud-2024\" }`",
            "Where delays come from; a text is the round trip of every pair. A one-way delay is half a round trip.",
        ),
        optional(
            "last_mile",
            durations::KIND,
            "none",
            "Added to a one-way delay for each end, drawn once a node.",
        ),
        optional("jitter", durations::KIND, "none", "Added to each message, one way."),
        default(
            "loss",
            SHARE,
            "0%",
            "Share of messages lost; a loss costs a retransmission, not the message. Below 100 %.",
        ),
        optional(
            "bandwidth",
            Kind::Table(&BANDWIDTH),
            "unlimited",
            "What a node's link carries, unless its class says otherwise.",
        ),
        default(
            "transport",
            Kind::Word(&["tcp", "quic"]),
            "tcp",
            "What connections are made of: `tcp` with noise and yamux, or `quic`.",
        ),
        optional(
            "handshake_round_trips",
            Kind::Integer(0, 100),
            "2 for tcp, 1 for quic",
            "Round trips before a new connection carries its first message.",
        ),
        default("idle_timeout", POSITIVE_DURATION, "10s", "A connection without traffic closes after this."),
        default(
            "max_connections",
            Kind::Integer(1, 1_000_000),
            "4096",
            "Connections that a node holds at once.",
        ),
        default(
            "retransmit_timeout",
            POSITIVE_DURATION,
            "200ms",
            "A lost message is sent again after this, or after two round trips if that is longer; doubles each time.",
        ),
    ],
    choices: &[],
};

/// How long a network rests before time 0, unless the file says.
const SETTLE: Duration = Duration::from_secs(30);

/// How long a network rests that settled under churn: each entry of a table is asked in one refresh interval, which corrects what
/// was only reckoned of those that are away.
pub(super) fn settle_under_churn(reader: &Reader<'_>, network: &mut Network, refresh_interval: Duration) {
    if !reader.has("settle") && network.start == Start::Converged {
        network.settle = network.settle.max(refresh_interval);
    }
}

/// Reads `[network]`.
pub(super) fn network(reader: &Reader<'_>, files: &mut Files<'_>) -> Result<Network, ScenarioError> {
    let nodes = reader.count("nodes")?;
    let transport = reader.word("transport", &[("tcp", Transport::Tcp), ("quic", Transport::Quic)])?;
    let loss = reader.share("loss")?;
    if loss >= 1.0 {
        return Err(reader.error("loss", "must be below 100%: nothing would ever arrive"));
    }
    let join_over = match reader.optional_duration("join_over")? {
        Some(duration) => duration,
        None => Duration::from_millis(10)
            .saturating_mul(i64::from(nodes))
            .clamp(Duration::from_secs(30), Duration::from_secs(600)),
    };
    let handshake_round_trips = match reader.optional_integer("handshake_round_trips")? {
        Some(round_trips) => round_trips as u32,
        None => transport.handshake_round_trips(),
    };
    Ok(Network {
        nodes,
        start: reader.word("start", &[("join", Start::Join), ("converged", Start::Converged)])?,
        join_over,
        // One node at least must have somebody to bootstrap from.
        bootstrap: reader.count("bootstrap")?.min(nodes.saturating_sub(1)).max(1),
        settle: reader.optional_duration("settle")?.unwrap_or(SETTLE),
        latency: latency(reader, files)?,
        last_mile: optional_distribution(reader, "last_mile", Quantity::Duration)?,
        jitter: optional_distribution(reader, "jitter", Quantity::Duration)?,
        loss,
        bandwidth: bandwidth(reader)?.unwrap_or_default(),
        transport,
        handshake_round_trips,
        idle_timeout: reader.duration("idle_timeout")?,
        max_connections: reader.count("max_connections")?,
        retransmit_timeout: reader.duration("retransmit_timeout")?,
    })
}

/// The `bandwidth` of a table, if it has one.
pub(super) fn bandwidth(reader: &Reader<'_>) -> Result<Option<Bandwidth>, ScenarioError> {
    let Some(table) = reader.table("bandwidth", &BANDWIDTH)? else {
        return Ok(None);
    };
    let capacity = |key: &str| -> Result<Option<u64>, ScenarioError> {
        match table.given(key) {
            Some(Value { data: Data::Text(text), .. }) if text == "unlimited" => Ok(None),
            _ => match table.quantity(key, Quantity::Bandwidth)?.map(libm::round) {
                Some(bits) if bits < 1.0 => {
                    Err(table.error(key, "carries nothing: it must be 1bit/s or more"))
                }
                bits => Ok(bits.map(|bits| bits as u64)),
            },
        }
    };
    Ok(Some(Bandwidth { up: capacity("up")?, down: capacity("down")? }))
}
