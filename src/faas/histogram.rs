//! A histogram of durations of fixed size: what a manycall remembers of a million items.

use crate::time::Duration;

/// Buckets per doubling: a quantile is off by at most an eighth.
const SUB_BITS: u32 = 3;
const BUCKETS: usize = 64 << SUB_BITS;

/// Counts of durations in buckets whose width grows with them.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: [u32; BUCKETS],
    total: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Histogram { counts: [0; BUCKETS], total: 0 }
    }

    pub(super) fn add(&mut self, duration: Duration) {
        let count = &mut self.counts[bucket(duration.as_nanos().unsigned_abs())];
        *count = count.saturating_add(1);
        self.total += 1;
    }

    /// The upper end of the bucket that holds the median; `None` before the first duration.
    pub(super) fn median(&self) -> Option<Duration> {
        let half = self.total.div_ceil(2);
        let mut seen = 0u64;
        for (at, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= half && seen > 0 {
                return Some(Duration::from_nanos(i64::try_from(top(at)).unwrap_or(i64::MAX)));
            }
        }
        None
    }
}

fn bucket(value: u64) -> usize {
    let octave = (u64::BITS - value.leading_zeros()).saturating_sub(SUB_BITS + 1);
    (((octave as u64) << SUB_BITS) + (value >> octave)) as usize
}

/// The largest value of a bucket.
fn top(bucket: usize) -> u64 {
    let octave = (bucket >> SUB_BITS).saturating_sub(1) as u32;
    let mantissa = (bucket as u64) - (u64::from(octave) << SUB_BITS);
    ((mantissa + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket() {
        let mut last = 0;
        for shift in 0..62 {
            for value in [1u64 << shift, (1 << shift) + (1 << shift) / 3, (2 << shift) - 1] {
                let at = bucket(value);
                assert!(at >= last && at < BUCKETS, "{value}");
                assert!(top(at) >= value && (at == 0 || top(at - 1) < value), "{value}");
                last = at;
            }
        }
        assert!(bucket(i64::MAX as u64) < BUCKETS);
    }

    #[test]
    fn the_median_is_off_by_at_most_an_eighth() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.median(), None);
        for ms in 1..=999 {
            histogram.add(Duration::from_millis(ms));
        }
        let median = histogram.median().unwrap().as_secs_f64();
        assert!((0.5..0.5 * 1.125).contains(&median), "{median}");
    }
}
