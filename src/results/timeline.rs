//! Seconds of a run: what `timeline.csv` is made of, and what recovery from a fault is measured on.

use super::record::{CallRecord, TimelineRecord};
use super::summary::Quantile;
use super::word::{Outcome, Source, TrafficClass};
use crate::time::Time;
use std::collections::BTreeMap;

/// Latencies of one second, in buckets no wider than 1/128 of their values: 0.8 % wide, so that the middle of a
/// bucket is within 0.4 % of every value in it. Only buckets with a count are kept, so a second of few calls is small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Latencies {
    /// Bucket and count, sorted by bucket.
    buckets: Vec<(u16, u32)>,
}

/// Quiet seconds in a row that all have rows; of more, the first and the last stand for all. So a run costs what happens
/// in it and not what time passes, and a line drawn through the rows is still right.
const QUIET_MAX: i64 = 60;

/// Buckets per power of two.
const PER_OCTAVE: u64 = 128;

fn bucket_of(value: u64) -> u16 {
    if value < 2 * PER_OCTAVE {
        return value as u16;
    }
    let shift = u64::from(value.ilog2()) - u64::from(PER_OCTAVE.ilog2());
    (shift * PER_OCTAVE + (value >> shift)) as u16
}

/// The middle of a bucket.
fn value_of(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < 2 * PER_OCTAVE {
        return bucket;
    }
    let shift = bucket / PER_OCTAVE - 1;
    let base = bucket - shift * PER_OCTAVE;
    (base << shift) + (1 << shift) / 2
}

impl Latencies {
    fn record(&mut self, micros: i64) {
        let bucket = bucket_of(micros.max(0) as u64);
        match self.buckets.binary_search_by_key(&bucket, |entry| entry.0) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(1),
            Err(at) => self.buckets.insert(at, (bucket, 1)),
        }
    }

    /// The quantile over all of `parts` together, or none without values.
    pub(crate) fn quantile<'a>(
        parts: impl Iterator<Item = &'a Latencies>,
        quantile: Quantile,
    ) -> Option<i64> {
        let mut counts = BTreeMap::<u16, u64>::new();
        for (bucket, count) in parts.flat_map(|part| &part.buckets) {
            *counts.entry(*bucket).or_default() += u64::from(*count);
        }
        let rank = quantile.rank(counts.values().sum());
        let mut seen = 0;
        for (bucket, count) in counts {
            seen += count;
            if seen >= rank {
                return Some(value_of(bucket) as i64);
            }
        }
        None
    }
}

/// What happened in one second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Second {
    pub(crate) offered: u64,
    pub(crate) outcomes: [u64; Outcome::COUNT],
    pub(crate) latencies: Latencies,
    nodes_up: Option<u64>,
    to_dead: u64,
    bytes: [u64; TrafficClass::COUNT],
}

/// The seconds of a repetition.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// Whether somebody counts traffic, and attempts at the dead.
    traffic_counted: bool,
    seconds: BTreeMap<i64, Second>,
    /// Traffic of the second that is being counted: messages are many, and come in order of time.
    current: i64,
    bytes: [u64; TrafficClass::COUNT],
}

fn second_of(micros: i64) -> i64 {
    micros.div_euclid(1_000_000)
}

impl Timeline {
    /// Of what this source can know: nobody counts the bytes of real nodes by class, nor their attempts at the dead.
    pub(crate) fn of(source: Source) -> Self {
        Timeline { traffic_counted: source == Source::Sim, ..Timeline::default() }
    }

    pub(crate) fn call(&mut self, call: &CallRecord<'_>) {
        self.seconds.entry(second_of(call.scheduled_us)).or_default().offered += 1;
        if let Some(done) = call.done_us {
            let second = self.seconds.entry(second_of(done)).or_default();
            second.outcomes[call.outcome.index()] += 1;
            if let (Outcome::Ok, Some(latency)) = (call.outcome, call.latency_us) {
                second.latencies.record(latency);
            }
        }
    }

    pub(crate) fn bytes_sent(&mut self, now: Time, class: TrafficClass, bytes: u64) {
        let second = second_of(now.as_micros());
        if second != self.current {
            self.settle();
            self.current = second;
        }
        self.bytes[class.index()] = self.bytes[class.index()].saturating_add(bytes);
    }

    fn settle(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if bytes != [0; TrafficClass::COUNT] {
            let second = self.seconds.entry(self.current).or_default();
            for (sum, bytes) in second.bytes.iter_mut().zip(bytes) {
                *sum = sum.saturating_add(bytes);
            }
        }
    }

    pub(crate) fn sent_to_dead(&mut self, now: Time) {
        self.seconds.entry(second_of(now.as_micros())).or_default().to_dead += 1;
    }

    pub(crate) fn nodes_up(&mut self, now: Time, nodes: u64) {
        self.seconds.entry(second_of(now.as_micros())).or_default().nodes_up = Some(nodes);
    }

    /// The seconds in which something happened, in order, with their numbers.
    pub(crate) fn range(&self, seconds: std::ops::Range<i64>) -> impl Iterator<Item = (i64, &Second)> {
        // A range that ends before it starts would panic.
        let end = seconds.end.max(seconds.start);
        self.seconds.range(seconds.start..end).map(|(at, second)| (*at, second))
    }

    /// One past the last second in which a call was due.
    pub(crate) fn end_of_offered(&self) -> Option<i64> {
        self.seconds.iter().rev().find(|(_, second)| second.offered > 0).map(|(at, _)| at + 1)
    }

    /// Hands the seconds from the first to the last in which something happened to `take`; of more than [`QUIET_MAX`]
    /// in a row in which nothing did, the first and the last.
    pub(crate) fn rows<E>(
        &mut self,
        mut take: impl FnMut(&TimelineRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        use Outcome as O;
        self.settle();
        let (mut offered, mut ended, mut nodes_up) = (0_u64, 0_u64, None);
        let mut next = None;
        let counted = |count: u64| self.traffic_counted.then_some(count);
        let quiet = Second::default();
        for (at, busy) in &self.seconds {
            // The quiet seconds in between, then the busy one.
            let (from, last) = (next.unwrap_or(*at), *at - 1);
            let long = last - from >= QUIET_MAX;
            let quiet_seconds = if long { from..=from } else { from..=last };
            for second in quiet_seconds.chain(long.then_some(last)).chain([*at]) {
                let now = if second == *at { busy } else { &quiet };
                offered += now.offered;
                ended += now.outcomes.iter().sum::<u64>();
                nodes_up = now.nodes_up.or(nodes_up);
                let count = |outcome: Outcome| now.outcomes[outcome.index()];
                let bytes = |class: TrafficClass| counted(now.bytes[class.index()]);
                let quantile = |q| Latencies::quantile(std::iter::once(&now.latencies), q);
                take(&TimelineRecord {
                    second,
                    offered: now.offered,
                    ok: count(O::Ok),
                    function_error: count(O::FunctionError),
                    not_found: count(O::NotFound),
                    unavailable: count(O::Unavailable),
                    rejected: count(O::Rejected),
                    timeout: count(O::Timeout),
                    unreachable: count(O::Unreachable),
                    unknown: count(O::Unknown),
                    truncated: count(O::Truncated),
                    entry_down: count(O::EntryDown),
                    entry_lost: count(O::EntryLost),
                    cancelled: count(O::Cancelled),
                    unfinished: count(O::Unfinished),
                    p50_us: quantile(Quantile::MEDIAN),
                    p95_us: quantile(Quantile::P95),
                    // A call that was over before it was due would be the driver's mistake.
                    in_flight: offered.saturating_sub(ended),
                    nodes_up,
                    calls_to_dead: counted(now.to_dead),
                    upkeep_bytes: bytes(TrafficClass::Upkeep),
                    lookup_bytes: bytes(TrafficClass::Lookup),
                    records_bytes: bytes(TrafficClass::Records),
                    calls_bytes: bytes(TrafficClass::Calls),
                })?;
            }
            next = Some(at + 1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CallTimes, Name};
    use super::*;
    use crate::time::Duration;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_is_within_four_per_mille(value in prop_oneof![0..2_000_u64, 0..u64::MAX >> 1]) {
            let middle = value_of(bucket_of(value));
            prop_assert!(middle.abs_diff(value) <= value / 250, "{} for {}", middle, value);
        }
    }

    fn call(scheduled_ms: i64, latency_ms: Option<i64>, outcome: Outcome) -> CallRecord<'static> {
        let scheduled = Time::from_micros(scheduled_ms * 1000);
        let times = CallTimes {
            scheduled,
            sent: Some(scheduled),
            done: latency_ms.map(|latency| scheduled + Duration::from_millis(latency)),
            ..CallTimes::default()
        };
        let name = Name::Text("x");
        CallRecord::new(0, name, name, name, name, outcome, &times.parts(outcome))
    }

    #[test]
    fn calls_are_offered_when_due_and_counted_when_done() {
        let mut timeline = Timeline::of(Source::Sim);
        timeline.call(&call(-500, Some(100), Outcome::Ok));
        timeline.call(&call(900, Some(1200), Outcome::Ok));
        timeline.call(&call(950, Some(5), Outcome::Rejected));
        timeline.call(&call(990, None, Outcome::Unfinished));
        timeline.nodes_up(Time::from_micros(-900_000), 7);
        timeline.bytes_sent(Time::from_micros(10), TrafficClass::Lookup, 80);
        timeline.bytes_sent(Time::from_micros(-10), TrafficClass::Calls, 5);
        timeline.bytes_sent(Time::from_micros(20), TrafficClass::Lookup, 1);
        timeline.sent_to_dead(Time::from_micros(2_000_000));
        let mut rows = Vec::new();
        timeline
            .rows(|row| {
                rows.push(*row);
                Ok::<(), ()>(())
            })
            .unwrap();
        let seconds: Vec<_> = rows.iter().map(|row| row.second).collect();
        assert_eq!(seconds, [-1, 0, 1, 2]);
        assert_eq!(rows.iter().map(|row| row.offered).collect::<Vec<_>>(), [1, 3, 0, 0]);
        assert_eq!(rows.iter().map(|row| row.ok).collect::<Vec<_>>(), [1, 0, 0, 1]);
        assert_eq!(rows.iter().map(|row| row.rejected).collect::<Vec<_>>(), [0, 1, 0, 0]);
        assert_eq!(rows.iter().map(|row| row.in_flight).collect::<Vec<_>>(), [0, 2, 2, 1]);
        assert_eq!(rows.iter().map(|row| row.lookup_bytes).collect::<Vec<_>>(), [0, 81, 0, 0].map(Some));
        assert_eq!(rows.iter().map(|row| row.calls_to_dead).collect::<Vec<_>>(), [0, 0, 0, 1].map(Some));
        assert!(rows.iter().all(|row| row.nodes_up == Some(7)));
        assert_eq!(rows[0].calls_bytes, Some(5));
        assert!((rows[3].p50_us.unwrap() - 1_200_000).abs() < 4_800);
        assert_eq!(rows[1].p50_us, None);
    }

    #[test]
    fn what_nobody_counts_of_real_nodes_is_unknown_and_not_zero() {
        let mut timeline = Timeline::of(Source::Docker);
        timeline.call(&call(900, Some(1200), Outcome::Ok));
        let mut rows = Vec::new();
        let taken = timeline.rows(|row| {
            rows.push(*row);
            Ok::<(), ()>(())
        });
        assert_eq!((taken, rows.len()), (Ok(()), 3));
        for row in rows {
            let bytes = [row.upkeep_bytes, row.lookup_bytes, row.records_bytes, row.calls_bytes];
            assert_eq!((row.calls_to_dead, bytes), (None, [None; 4]));
        }
    }

    #[test]
    fn of_a_long_quiet_stretch_the_first_and_the_last_second_are_rows() {
        let decade = 3_650 * 86_400;
        let seconds = |gap: i64| {
            let mut timeline = Timeline::default();
            timeline.call(&call(0, Some(10_000_000_000), Outcome::Ok));
            timeline.nodes_up(Time::from_micros(0), 7);
            timeline.nodes_up(Time::from_micros(gap * 1_000_000), 8);
            let mut rows = Vec::new();
            timeline
                .rows(|row| {
                    rows.push((row.second, row.in_flight, row.nodes_up));
                    Ok::<(), ()>(())
                })
                .unwrap();
            rows.retain(|(second, ..)| *second <= gap);
            rows
        };
        assert_eq!(seconds(61).len(), 62);
        for gap in [62, decade] {
            let rows = [(0, 1, Some(7)), (1, 1, Some(7)), (gap - 1, 1, Some(7)), (gap, 1, Some(8))];
            // The call ends after 115 days.
            let rows = rows.map(|(second, open, up)| (second, open - u64::from(second >= 10_000_000), up));
            let said = seconds(gap);
            assert!(rows.iter().all(|row| said.contains(row)), "{said:?}");
            assert!(said.len() <= 7, "{said:?}");
        }
    }
}
