//! The way of a message: everything but faults' reach and queues.

use edge_faas_core::draws::{Distribution, Draws, Stream};
use edge_faas_core::time::Duration;

use super::latency::{LONGEST_DELAY, LastMile, Latency};
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
    /// The shortest retransmission timeout; [`MIN_RTO`] on Linux.
    pub min_rto: Duration,
}

impl Fabric {
    /// Asks the processor for what it keeps of a node.
    #[inline]
    pub fn prefetch(&self, node: u32) {
        self.latency.prefetch(node);
        self.last_mile.prefetch(node);
    }

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
            let jitter = Duration::from_secs_f64(jitter.sample(stream)).min(LONGEST_DELAY);
            delay = Duration::from_nanos(delay.as_nanos().saturating_add(jitter.as_nanos()));
        }
        let loss = either(self.loss, degraded.loss);
        if loss > 0.0 {
            let rto = retransmission_timeout(base.saturating_mul(2), self.min_rto);
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
/// round trip plus four variances, in a steady network), at least `least`.
pub fn retransmission_timeout(round_trip: Duration, least: Duration) -> Duration {
    round_trip.saturating_mul(2).max(least)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::links::Bandwidth;
    use super::super::rule::{Degradation, FaultId};
    use super::*;

    fn fabric() -> Fabric {
        Fabric {
            latency: Latency::Constant(Duration::from_millis(100)),
            last_mile: LastMile::none(),
            links: Links::same(Bandwidth::UNLIMITED),
            jitter: None,
            loss: 0.0,
            min_rto: MIN_RTO,
        }
    }

    fn message(number: u32) -> Message {
        Message { from: 1, to: 2, bytes: 1_000, number }
    }

    #[test]
    fn each_part_of_the_way_is_added() {
        let (draws, mut rules) = (Draws::new(1, 0), Rules::new());
        let mut fabric = fabric();
        let delay = |fabric: &Fabric, rules: &Rules| fabric.delay(rules, &draws, message(0));
        assert_eq!(delay(&fabric, &rules), Some(Duration::from_millis(50)));
        fabric.last_mile = LastMile::draw(&Distribution::Constant(0.003), &draws, 3);
        assert_eq!(delay(&fabric, &rules), Some(Duration::from_millis(56)));
        fabric.links = Links::same(Bandwidth { up: 1_000_000, down: 8_000_000 });
        assert_eq!(delay(&fabric, &rules), Some(Duration::from_millis(64)));
        fabric.jitter = Some(Distribution::Constant(0.001));
        assert_eq!(delay(&fabric, &rules), Some(Duration::from_millis(65)));
        let slow = Degradation { delay: Duration::from_millis(10), loss: 0.0, bandwidth: 0.5 };
        rules.degrade(FaultId(0), 2, slow);
        assert_eq!(delay(&fabric, &rules), Some(Duration::from_millis(83)));
        rules.degrade(FaultId(1), 2, Degradation { bandwidth: 0.0, ..slow });
        assert_eq!(delay(&fabric, &rules), None, "no bandwidth left");
        rules.heal(FaultId(1));
        rules.partition(FaultId(1), Arc::from([0, 0, 1].as_slice()));
        assert_eq!(delay(&fabric, &rules), None);
        let own = Message { to: 1, ..message(0) };
        assert_eq!(fabric.delay(&rules, &draws, own), Some(Duration::ZERO));
    }

    /// The number of losses is geometric: P(at least k) = p^k; the mean delay is RTO · Σ p^k 2^(k−1).
    #[test]
    fn losses_delay_and_never_drop_a_message() {
        let (draws, rules) = (Draws::new(7, 0), Rules::new());
        let fabric = Fabric { loss: 0.2, ..fabric() };
        let messages = 100_000u32;
        let rto = Duration::from_millis(200);
        let mut at_least = [0u32; 4];
        for number in 0..messages {
            let delay = fabric.delay(&rules, &draws, message(number)).expect("it arrives");
            let extra = delay.as_nanos() - 50_000_000;
            for (k, count) in at_least.iter_mut().enumerate() {
                *count += u32::from(extra >= rto.as_nanos() * ((1 << (k + 1)) - 1));
            }
            assert_eq!(extra % rto.as_nanos(), 0);
        }
        for (k, count) in at_least.iter().enumerate() {
            let p = libm::pow(0.2, k as f64 + 1.0);
            let expected = p * f64::from(messages);
            let deviation = (expected * (1.0 - p)).sqrt();
            assert!(
                (f64::from(*count) - expected).abs() < 4.0 * deviation,
                "{} losses: {count}, {expected}",
                k + 1
            );
        }
        let again = fabric.delay(&rules, &draws, message(17));
        assert_eq!(again, fabric.delay(&rules, &draws, message(17)), "by sender and number only");
    }

    #[test]
    fn timeouts_are_twice_the_round_trip_and_bounded() {
        assert_eq!(retransmission_timeout(Duration::from_millis(10), MIN_RTO), MIN_RTO);
        assert_eq!(retransmission_timeout(Duration::from_millis(300), MIN_RTO), Duration::from_millis(600));
        let stream = &mut Draws::new(1, 0).stream(purpose::LOSS, 0);
        let worst = retransmission_delay(stream, 1.0, MIN_RTO);
        assert_eq!(worst, MIN_RTO * 511, "even if everything is lost");
        assert_eq!(retransmission_delay(stream, 0.0, MIN_RTO), Duration::ZERO);
    }
}
