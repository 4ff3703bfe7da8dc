//! The way of a message: everything but faults' reach and queues.

use edge_faas_core::draws::{Distribution, Draws, Stream};
use edge_faas_core::time::Duration;

use super::latency::{LastMile, Latency};
use super::links::Links;
use super::purpose;
use super::rule::{Rules, either};

/// The shortest retransmission timeout: Linux' minimum (RFC 6298 asks for a second, no system in use waits it).
pub const MIN_RTO: Duration = Duration::from_millis(200);

/// Most losses of one message; the next transmission arrives. The delay is then 511 times the timeout.
pub const MAX_LOSSES: u32 = 9;

/// One message on its way.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// Sender.
    pub from: u32,
    /// Receiver.
    pub to: u32,
    /// Size on the wire.
    pub bytes: u64,
    /// How many messages the sender sent before this one: its jitter and losses are drawn by this number.
    pub number: u32,
}

/// What all messages go through: propagation, last miles, links, jitter, loss. Pure: no call changes it.
#[derive(Debug, Clone)]
pub struct Fabric {
    /// Propagation.
    pub latency: Latency,
    /// The nodes' ways to the core.
    pub last_mile: LastMile,
    /// Bandwidths.
    pub links: Links,
    /// Added to each message, in seconds; nothing if `None`.
    pub jitter: Option<Distribution>,
    /// Probability from 0 to 1 that a packet is lost.
    pub loss: f64,
    /// The first retransmission comes no sooner than this.
    pub min_rto: Duration,
}

impl Fabric {
    /// Propagation and last miles, one way: what an empty message takes in a network without jitter, loss, faults.
    #[inline]
    pub fn one_way(&self, from: u32, to: u32) -> Duration {
        self.latency.one_way(from, to) + self.last_mile.between(from, to)
    }

    /// [`Fabric::one_way`] there and back.
    #[inline]
    pub fn round_trip(&self, a: u32, b: u32) -> Duration {
        self.one_way(a, b) + self.one_way(b, a)
    }

    /// How long a message takes; `None` if a partition is in its way or a link has no bandwidth left. Zero from a
    /// node to itself.
    ///
    /// Messages are short and never wait behind a body: they pay their own serialisation at the speed of the whole
    /// link. Of two messages of one connection the second may overtake the first by jitter and losses; a driver of
    /// ordered streams keeps the order itself.
    #[inline]
    pub fn delay(&self, rules: &Rules, draws: &Draws, message: Message) -> Option<Duration> {
        let Message { from, to, bytes, number } = message;
        if from == to {
            return Some(Duration::ZERO);
        }
        if !rules.connected(from, to) {
            return None;
        }
        let degraded = rules.between(from, to);
        let base = self.one_way(from, to) + degraded.delay;
        let mut delay = base;
        let serialisation = self.links.serialisation(from, to, bytes, degraded.bandwidth);
        if serialisation == Duration::MAX {
            return None;
        }
        delay = Duration::from_nanos(delay.as_nanos().saturating_add(serialisation.as_nanos()));
        if let Some(jitter) = &self.jitter {
            let stream = &mut message_stream(draws, purpose::JITTER, from, number);
            let jitter = Duration::from_secs_f64(jitter.sample(stream));
            delay = Duration::from_nanos(delay.as_nanos().saturating_add(jitter.as_nanos()));
        }
        let loss = either(self.loss, degraded.loss);
        if loss > 0.0 {
            let rto = retransmission_timeout(base.saturating_mul(2)).max(self.min_rto);
            let stream = &mut message_stream(draws, purpose::LOSS, from, number);
            let lost = retransmission_delay(stream, loss, rto);
            delay = Duration::from_nanos(delay.as_nanos().saturating_add(lost.as_nanos()));
        }
        Some(delay)
    }
}

/// The draws of one message: eight values.
fn message_stream(
    draws: &Draws,
    purpose: edge_faas_core::draws::Purpose,
    sender: u32,
    number: u32,
) -> Stream {
    const BLOCKS: u32 = 4;
    draws.stream_at(purpose, u64::from(sender), number.wrapping_mul(BLOCKS))
}

/// The first retransmission timeout of a connection with this round trip: twice the round trip (RFC 6298's smoothed
/// round trip plus four variances, in a steady network), at least [`MIN_RTO`].
pub fn retransmission_timeout(round_trip: Duration) -> Duration {
    round_trip.saturating_mul(2).max(MIN_RTO)
}

/// What losses add to a message of a reliable stream: each loss, with probability `loss`, costs a retransmission
/// timeout, and each timeout is twice the one before it (RFC 6298, 5.5); at most [`MAX_LOSSES`] of them. The message
/// itself always arrives.
pub fn retransmission_delay(stream: &mut Stream, loss: f64, rto: Duration) -> Duration {
    let draw = stream.unit();
    let mut losses = 0;
    let mut probability = loss;
    while draw < probability && losses < MAX_LOSSES {
        losses += 1;
        probability *= loss;
    }
    rto.saturating_mul((1 << losses) - 1)
}
