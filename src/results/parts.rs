//! The parts of a call's latency: from the engine's nanoseconds to columns that sum exactly.

use super::word::Outcome;
use crate::time::{Duration, Time};

/// What is known of the times of a call, in nanoseconds.
///
/// All by the entry's clock, but `queue`, `cold` and `exec` by the provider's. `sent`, `lookup`, `dispatch` and `retry`
/// are the `received`, `lookup`, `dispatch` and `retry` of a [`CallReport`](crate::io::CallReport).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CallTimes {
    /// When the call was due.
    pub scheduled: Time,
    /// When the entry took it.
    pub sent: Option<Time>,
    /// How long, before the first attempt, no usable provider was known.
    pub lookup: Duration,
    /// How long, before the first attempt, the call waited for the window of a known provider.
    pub dispatch: Duration,
    /// From the first attempt to the winning one, back-off included.
    pub retry: Duration,
    /// How long the winning attempt's dial took; none if that is not known, zero on an open connection.
    pub connect: Option<Duration>,
    /// How long the winner waited for a slot.
    pub queue: Option<Duration>,
    /// How long the winner's instance took to start.
    pub cold: Option<Duration>,
    /// How long the winner's function ran.
    pub exec: Option<Duration>,
    /// When the answer's last byte, or the failure, was known at the entry.
    pub done: Option<Time>,
}

/// The time columns of a [`CallRecord`](super::CallRecord), in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CallParts {
    /// `scheduled_us`.
    pub scheduled_us: i64,
    /// `sent_us`.
    pub sent_us: Option<i64>,
    /// `done_us`.
    pub done_us: Option<i64>,
    /// `latency_us`.
    pub latency_us: Option<i64>,
    /// `lag_us`.
    pub lag_us: Option<i64>,
    /// `lookup_us`.
    pub lookup_us: Option<i64>,
    /// `dispatch_us`.
    pub dispatch_us: Option<i64>,
    /// `retry_us`.
    pub retry_us: Option<i64>,
    /// `connect_us`.
    pub connect_us: Option<i64>,
    /// `network_us`.
    pub network_us: Option<i64>,
    /// `queue_us`.
    pub queue_us: Option<i64>,
    /// `cold_us`.
    pub cold_us: Option<i64>,
    /// `exec_us`.
    pub exec_us: Option<i64>,
}

impl CallTimes {
    /// The columns. Instants are floored to the microsecond and then subtracted; durations are floored; of a call
    /// that was answered, `network_us` is what remains, so that the parts sum exactly to `latency_us`.
    ///
    /// A part that is not known is empty and so counts as network. A call that was not answered has no winning
    /// attempt: it has no parts after `dispatch_us` and no remainder. With one clock no part is negative; with two, a
    /// negative `network_us` says that the provider's clock ran faster than the entry's by more than the network took.
    pub fn parts(&self, outcome: Outcome) -> CallParts {
        let between =
            |from: Option<Time>, to: Option<Time>| Some(to?.as_micros().saturating_sub(from?.as_micros()));
        let answered = outcome.answered();
        let passed = |part: Duration| self.sent.map(|_| part.as_micros());
        let winner = |part: Option<Duration>| part.filter(|_| answered).map(Duration::as_micros);
        let mut parts = CallParts {
            scheduled_us: self.scheduled.as_micros(),
            sent_us: self.sent.map(Time::as_micros),
            done_us: self.done.map(Time::as_micros),
            latency_us: between(Some(self.scheduled), self.done),
            lag_us: between(Some(self.scheduled), self.sent),
            lookup_us: passed(self.lookup),
            dispatch_us: passed(self.dispatch),
            retry_us: passed(self.retry).filter(|_| answered),
            connect_us: winner(self.connect),
            network_us: None,
            queue_us: winner(self.queue),
            cold_us: winner(self.cold),
            exec_us: winner(self.exec),
        };
        if answered {
            parts.network_us =
                parts.latency_us.map(|latency| parts.measured().fold(latency, i64::saturating_sub));
        }
        parts
    }
}

impl CallParts {
    /// The parts but for the network, as far as they are known.
    fn measured(&self) -> impl Iterator<Item = i64> {
        [
            self.lag_us,
            self.lookup_us,
            self.dispatch_us,
            self.retry_us,
            self.connect_us,
            self.queue_us,
            self.cold_us,
            self.exec_us,
        ]
        .into_iter()
        .flatten()
    }

    /// True if the parts sum to the latency, as they must for a call that was answered (nothing is asked of others).
    pub fn add_up(&self, outcome: Outcome) -> bool {
        let latency = self.done_us.map(|done| i128::from(done) - i128::from(self.scheduled_us));
        !outcome.answered()
            || (latency.is_some()
                && latency == self.latency_us.map(i128::from)
                && latency == Some(self.measured().chain(self.network_us).map(i128::from).sum()))
    }

    /// The sum of all known parts: the latency, for a call that was answered.
    pub fn sum(&self) -> i64 {
        self.measured().chain(self.network_us).fold(0, i64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lengths up to about three hours, short ones often.
    fn length() -> impl Strategy<Value = i64> {
        prop_oneof![0..5_000_i64, 0..10_000_000_000_000_i64]
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_latency_and_none_is_negative(
            scheduled in -1_000_000_000_000_i64..1_000_000_000_000,
            lengths in prop::array::uniform9(length()),
            known in any::<[bool; 4]>(),
        ) {
            let [lag, lookup, dispatch, retry, connect, network, queue, cold, exec] = lengths;
            let scheduled = Time::from_nanos(scheduled);
            let after = |from: Time, nanos: i64| from + Duration::from_nanos(nanos);
            let sent = after(scheduled, lag);
            let done = after(sent, lookup + dispatch + retry + connect + network + queue + cold + exec);
            let part = |known: bool, nanos: i64| known.then(|| Duration::from_nanos(nanos));
            let times = CallTimes {
                scheduled,
                sent: Some(sent),
                lookup: Duration::from_nanos(lookup),
                dispatch: Duration::from_nanos(dispatch),
                retry: Duration::from_nanos(retry),
                connect: part(known[0], connect),
                queue: part(known[1], queue),
                cold: part(known[2], cold),
                exec: part(known[3], exec),
                done: Some(done),
            };
            let parts = times.parts(Outcome::Ok);
            prop_assert_eq!(parts.latency_us, Some(parts.done_us.unwrap() - parts.scheduled_us));
            prop_assert_eq!(parts.latency_us, Some(parts.sum()));
            prop_assert!(parts.add_up(Outcome::Ok));
            let wrong = CallParts { exec_us: Some(parts.exec_us.unwrap_or(0) + 1), ..parts };
            prop_assert!(!wrong.add_up(Outcome::Ok));
            for part in parts.measured().chain(parts.network_us) {
                prop_assert!(part >= 0, "{:?}", parts);
            }
            // Each part is right to the microsecond; the network takes what eight floors may have left.
            let unknown: i64 = [connect, queue, cold, exec].iter().zip(known).map(|(n, k)| if k { 0 } else { *n }).sum();
            prop_assert!((parts.network_us.unwrap() - (network + unknown) / 1_000).abs() <= 8);
            prop_assert_eq!(parts.retry_us, Some(retry / 1_000));
        }
    }

    #[test]
    fn a_call_without_an_answer_has_no_remainder() {
        let times = CallTimes {
            scheduled: Time::from_micros(-5),
            sent: Some(Time::from_micros(-5)),
            lookup: Duration::from_micros(3),
            done: Some(Time::from_micros(10)),
            ..CallTimes::default()
        };
        let parts = times.parts(Outcome::Unreachable);
        assert_eq!(parts.latency_us, Some(15));
        assert_eq!((parts.lookup_us, parts.retry_us, parts.network_us), (Some(3), None, None));
        assert_eq!(CallTimes::default().parts(Outcome::EntryDown).latency_us, None);
    }
}
