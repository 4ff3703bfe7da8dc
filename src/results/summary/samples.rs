//! Durations and other non-negative numbers, as a histogram of bounded size.

use hdrhistogram::Histogram;

/// Significant digits of the histograms: a quantile is at most 0.1 % above the true one.
const DIGITS: u8 = 3;

/// A quantile that the summary gives, as a fraction of 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantile {
    pub(crate) per_mille: u64,
    pub(crate) name: &'static str,
}

/// The quantiles of the summary.
pub(crate) const QUANTILES: [Quantile; 5] = [
    Quantile { per_mille: 500, name: "p50" },
    Quantile { per_mille: 900, name: "p90" },
    Quantile { per_mille: 950, name: "p95" },
    Quantile { per_mille: 990, name: "p99" },
    Quantile { per_mille: 999, name: "p99.9" },
];

impl Quantile {
    pub(crate) const MEDIAN: Quantile = QUANTILES[0];
    pub(crate) const P95: Quantile = QUANTILES[2];
    pub(crate) const P99: Quantile = QUANTILES[3];

    /// The rank, from 1, of the quantile among `count` sorted values: the smallest value that at least this share of
    /// the values do not exceed (type 1 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American
    /// Statistician 50, 1996).
    pub(crate) fn rank(self, count: u64) -> u64 {
        // 128 bits: the product of a count and 1,000 must not wrap.
        ((u128::from(count) * u128::from(self.per_mille)).div_ceil(1000) as u64).max(1)
    }
}

/// Numbers seen so far: exact count and sum, quantiles to three digits.
#[derive(Clone, Debug)]
pub(crate) struct Samples {
    histogram: Histogram<u64>,
    sum: i128,
}

impl Samples {
    pub(crate) fn new() -> Self {
        // The number of digits is valid, and an empty histogram that grows has no bound to get wrong.
        let histogram = Histogram::new(DIGITS).expect("three digits are allowed");
        Samples { histogram, sum: 0 }
    }

    /// Takes a value. A negative one (two clocks, see [`CallTimes`](crate::results::CallTimes)) counts as zero among
    /// the quantiles and as itself in the mean.
    pub(crate) fn record(&mut self, value: i64) {
        self.sum += i128::from(value);
        let value = value.max(0) as u64;
        // The histogram grows with its values; only where 64 bits of it have no room is the value cut.
        if self.histogram.record(value).is_err() {
            self.histogram.saturating_record(value);
        }
    }

    pub(crate) fn merge(&mut self, other: &Samples) {
        self.sum += other.sum;
        self.histogram.add(&other.histogram).expect("a growing histogram takes every other of its digits");
    }

    pub(crate) fn count(&self) -> u64 {
        self.histogram.len()
    }

    pub(crate) fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum as f64 / self.count() as f64)
    }

    pub(crate) fn sum(&self) -> i128 {
        self.sum
    }

    pub(crate) fn max(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.histogram.max() as f64)
    }

    pub(crate) fn min(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.histogram.min() as f64)
    }

    /// The quantile of the values, or none without values.
    pub(crate) fn quantile(&self, quantile: Quantile) -> Option<f64> {
        self.quantile_with_failures(quantile, 0)
    }

    /// The quantile of the values and of `failures` infinite ones, or none if there are neither.
    pub(crate) fn quantile_with_failures(&self, quantile: Quantile, failures: u64) -> Option<f64> {
        let total = self.count().saturating_add(failures);
        if total == 0 {
            return None;
        }
        let rank = quantile.rank(total);
        let mut seen = 0;
        for step in self.histogram.iter_recorded() {
            seen += step.count_since_last_iteration();
            if seen >= rank {
                return Some(step.value_iterated_to().min(self.histogram.max()) as f64);
            }
        }
        Some(f64::INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_values_to_three_digits(
            mut values in prop::collection::vec(0..3_000_000_000_i64, 1..200),
            failures in 0..20_u64,
        ) {
            let mut samples = Samples::new();
            for value in &values {
                samples.record(*value);
            }
            values.sort_unstable();
            for quantile in QUANTILES {
                let rank = quantile.rank(values.len() as u64 + failures) as usize;
                let got = samples.quantile_with_failures(quantile, failures).unwrap();
                match values.get(rank - 1) {
                    None => prop_assert_eq!(got, f64::INFINITY),
                    Some(exact) => {
                        let exact = *exact as f64;
                        prop_assert!(got >= exact && got <= exact * 1.001 + 1.0, "{} for {}", got, exact);
                    }
                }
            }
            let mean = values.iter().sum::<i64>() as f64 / values.len() as f64;
            prop_assert_eq!(samples.mean(), Some(mean));
        }
    }

    #[test]
    fn no_values_have_no_quantile() {
        assert_eq!(Samples::new().quantile(Quantile::MEDIAN), None);
        assert_eq!(Samples::new().quantile_with_failures(Quantile::MEDIAN, 1), Some(f64::INFINITY));
    }

    #[test]
    fn the_largest_values_are_taken() {
        let mut samples = Samples::new();
        samples.record(i64::MAX);
        samples.record(-3);
        assert_eq!(samples.count(), 2);
        assert_eq!(samples.min(), Some(0.0));
    }
}
