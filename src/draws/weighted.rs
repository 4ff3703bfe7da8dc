//! Choosing among numbered things with given weights, Zipf's among them.

use super::Stream;

/// A choice among 0..n with given weights, by inversion of the cumulative table: one draw and a binary search.
///
/// Eight bytes an entry: made for up to about a million.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighted {
    cumulative: Vec<f64>,
    /// The last entry with a positive weight, where a product that rounds up to the total ends.
    last: u32,
}

/// Weights that nothing can be chosen by.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WeightError {
    /// There is nothing to choose from.
    #[error("there is nothing to choose from: no weight, or all of them zero")]
    Empty,
    /// A weight is negative, infinite or not a number; or they add up to infinity.
    #[error("weight {index} = {weight} is not a finite number of zero or more")]
    Weight {
        /// Which weight, from 0.
        index: usize,
        /// The weight, or the sum that it made infinite.
        weight: f64,
    },
    /// More entries than a table holds.
    #[error("{found} entries are more than the {max} that a table holds", max = Weighted::MAX)]
    TooMany {
        /// How many were asked for.
        found: usize,
    },
    /// The exponent of Zipf's law is impossible.
    #[error("a Zipf exponent of {exponent} is not a finite number of zero or more")]
    Exponent {
        /// The exponent found.
        exponent: f64,
    },
}

impl Weighted {
    /// The most entries a table holds: 2^25, or 256 MiB.
    pub const MAX: usize = 1 << 25;

    /// A choice among as many things as there are weights. Weights need not add up to one; a zero is never chosen.
    pub fn new(weights: impl IntoIterator<Item = f64>) -> Result<Self, WeightError> {
        let mut cumulative = Vec::new();
        let (mut total, mut last) = (0.0, None);
        for (index, weight) in weights.into_iter().enumerate() {
            if index >= Self::MAX {
                return Err(WeightError::TooMany { found: index + 1 });
            }
            total += weight;
            if !(weight >= 0.0 && f64::is_finite(total)) {
                return Err(WeightError::Weight { index, weight });
            }
            if weight > 0.0 {
                last = Some(index as u32);
            }
            cumulative.push(total);
        }
        Ok(Weighted { cumulative, last: last.ok_or(WeightError::Empty)? })
    }

    /// Zipf's law over the ranks 0..n: rank r with a probability proportional to (r + 1)^−exponent. Exponent 0 is uniform.
    pub fn zipf(n: usize, exponent: f64) -> Result<Self, WeightError> {
        if !(exponent >= 0.0 && exponent.is_finite()) {
            return Err(WeightError::Exponent { exponent });
        }
        if n > Self::MAX {
            return Err(WeightError::TooMany { found: n });
        }
        Self::new((0..n).map(|rank| libm::pow((rank + 1) as f64, -exponent)))
    }

    /// One choice, by one draw.
    pub fn sample(&self, stream: &mut Stream) -> u32 {
        let at = stream.unit() * self.total();
        (self.cumulative.partition_point(|sum| *sum <= at) as u32).min(self.last)
    }

    /// The probability of entry `index`; zero beyond the last.
    pub fn probability(&self, index: u32) -> f64 {
        let upto = |i: usize| self.cumulative.get(i).copied();
        let Some(sum) = upto(index as usize) else {
            return 0.0;
        };
        let before = (index as usize).checked_sub(1).and_then(upto).unwrap_or(0.0);
        (sum - before) / self.total()
    }

    /// Number of entries, those of weight zero included.
    pub fn len(&self) -> usize {
        self.cumulative.len()
    }

    /// Never: a table has at least one entry with a positive weight.
    pub fn is_empty(&self) -> bool {
        self.cumulative.is_empty()
    }

    fn total(&self) -> f64 {
        self.cumulative.last().copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::{Draws, Purpose};

    fn stream(entity: u64) -> Stream {
        Draws::new(7, 0).stream(Purpose::CHOICE, entity)
    }

    #[test]
    fn zipf_ranks_have_zipf_frequencies() {
        for exponent in [0.0, 0.9, 1.0, 2.0] {
            let zipf = Weighted::zipf(50, exponent).unwrap();
            let mut counts = [0u32; 50];
            let mut stream = stream(1);
            for _ in 0..100_000 {
                counts[zipf.sample(&mut stream) as usize] += 1;
            }
            let norm: f64 = (1..=50).map(|r| libm::pow(f64::from(r), -exponent)).sum();
            let chi: f64 = counts
                .iter()
                .enumerate()
                .map(|(rank, count)| {
                    let expected = 100_000.0 * libm::pow(rank as f64 + 1.0, -exponent) / norm;
                    let miss = f64::from(*count) - expected;
                    miss * miss / expected
                })
                .sum();
            // 49 degrees of freedom: above 85.4 with a probability of 0.1 %.
            assert!(chi < 85.4, "exponent {exponent}: chi-square {chi}");
        }
    }

    #[test]
    fn a_weight_of_zero_is_never_chosen() {
        let weighted = Weighted::new([0.0, 3.0, 0.0, 1.0, 0.0]).unwrap();
        let mut stream = stream(2);
        let mut counts = [0u32; 5];
        for _ in 0..40_000 {
            counts[weighted.sample(&mut stream) as usize] += 1;
        }
        assert_eq!([counts[0], counts[2], counts[4]], [0; 3]);
        // Four standard deviations of a binomial (40,000, 3/4) are 346.
        assert!((f64::from(counts[1]) - 30_000.0).abs() < 346.0, "{counts:?}");
        assert_eq!(weighted.probability(1), 0.75);
        assert_eq!(weighted.probability(9), 0.0);
    }

    #[test]
    fn impossible_weights_are_refused() {
        assert_eq!(Weighted::new([]), Err(WeightError::Empty));
        assert_eq!(Weighted::new([0.0, 0.0]), Err(WeightError::Empty));
        assert!(matches!(Weighted::new([1.0, -1.0]), Err(WeightError::Weight { index: 1, .. })));
        assert!(matches!(Weighted::new([f64::NAN]), Err(WeightError::Weight { index: 0, .. })));
        assert!(matches!(Weighted::new([f64::MAX, f64::MAX]), Err(WeightError::Weight { index: 1, .. })));
        assert!(matches!(Weighted::zipf(10, -0.5), Err(WeightError::Exponent { .. })));
        assert!(matches!(Weighted::zipf(usize::MAX, 1.0), Err(WeightError::TooMany { .. })));
        assert_eq!(Weighted::zipf(0, 1.0), Err(WeightError::Empty));
    }

    #[test]
    fn the_same_draw_gives_the_same_rank_everywhere() {
        let zipf = Weighted::zipf(1_000_000, 0.9).unwrap();
        let mut stream = stream(3);
        let ranks: Vec<u32> = (0..6).map(|_| zipf.sample(&mut stream)).collect();
        assert_eq!(ranks, [135679, 29, 572, 6814, 152538, 423]);
    }
}
