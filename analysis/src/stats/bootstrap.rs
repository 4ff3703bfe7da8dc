//! An interval for how two medians relate.

use super::quantile::middle;
use edge_faas_core::draws::{Draws, Purpose, Stream};

/// Resamples of an interval. With 4,999, the ends of an interval of 95 % are the 125th values from either side (Davison and
/// Hinkley, "Bootstrap Methods and their Application", Cambridge University Press 1997, section 5.2.1).
pub const RESAMPLES: usize = 4_999;

/// The seed of all resamples: the same values give the same interval, always.
const SEED: u64 = 1979;

/// Whether the values of two samples belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// Value i of the one belongs to value i of the other; they are as many.
    Paired,
    /// They are independent.
    Independent,
}

/// An interval that a bootstrap gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BootstrapInterval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// The interval that covers `effect(median of x, median of y)` with `confidence` (above 0, below 1), by the percentiles of `resamples` resamples
/// (Efron, "Bootstrap Methods: Another Look at the Jackknife", The Annals of Statistics 7, 1979). Paired values are
/// drawn together. None if a sample is empty, or the effect of a resample is no number.
pub fn bootstrap_medians(
    x: &[f64],
    y: &[f64],
    pairing: Pairing,
    confidence: f64,
    resamples: usize,
    effect: impl Fn(f64, f64) -> f64,
) -> Option<BootstrapInterval> {
    let mut indexes = Indexes { stream: Draws::new(SEED, 0).stream(Purpose::SAMPLE, 0), bits: 0, left: 0 };
    let (mut drawn_x, mut drawn_y) = (Resample::of(x), Resample::of(y));
    let mut effects = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        for _ in 0..x.len() {
            let at = indexes.below(x.len());
            drawn_x.take(at)?;
            if pairing == Pairing::Paired {
                drawn_y.take(at)?;
            }
        }
        if pairing == Pairing::Independent {
            for _ in 0..y.len() {
                drawn_y.take(indexes.below(y.len()))?;
            }
        }
        let effect = effect(drawn_x.median()?, drawn_y.median()?);
        if effect.is_nan() {
            return None;
        }
        effects.push(effect);
    }
    effects.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    let outside = (libm::round((resamples + 1) as f64 * tail) as usize).max(1);
    let low = *effects.get(outside - 1)?;
    let high = *effects.get(resamples.checked_sub(outside)?)?;
    Some(BootstrapInterval { low, high })
}

/// The values of a sample, and how often each was drawn. They are sorted once, so that no resample has to be.
struct Resample {
    sorted: Vec<f64>,
    /// Where each of the values, in the order given, is among the sorted ones.
    place: Vec<usize>,
    times: Vec<u32>,
}

impl Resample {
    fn of(values: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let mut place = vec![0; values.len()];
        for (rank, at) in order.iter().enumerate() {
            place[*at] = rank;
        }
        let sorted = order.into_iter().map(|at| values[at]).collect();
        Resample { sorted, place, times: vec![0; values.len()] }
    }

    /// Draws value `at`; none if there is no such.
    fn take(&mut self, at: usize) -> Option<()> {
        self.times[*self.place.get(at)?] += 1;
        Some(())
    }

    /// The median of what was drawn, as many as there are values; then nothing is.
    fn median(&mut self) -> Option<f64> {
        let n = self.sorted.len() as u32;
        let (low_rank, high_rank) = (n.div_ceil(2), n / 2 + 1);
        let (mut seen, mut low) = (0, None);
        let mut median = None;
        for (value, times) in self.sorted.iter().zip(&mut self.times) {
            seen += std::mem::take(times);
            if low.is_none() && seen >= low_rank {
                low = Some(*value);
            }
            if median.is_none() && seen >= high_rank {
                median = low.map(|low| middle(low, *value));
            }
        }
        median
    }
}

/// Uniform indexes, several of each 64 random bits: what one leaves over makes the next (Brackett-Rozinsky and Lemire, "Batched
/// Ranged Random Integer Generation", Software: Practice and Experience 55, 2025).
struct Indexes {
    stream: Stream,
    bits: u64,
    /// What `bits` is still good for: a bound, so that no index is off by more than 2^-32 of its probability.
    left: u64,
}

impl Indexes {
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        if self.left < bound {
            (self.bits, self.left) = (self.stream.next_u64(), 1 << 32);
        }
        self.left /= bound.max(1);
        let product = u128::from(self.bits) * u128::from(bound);
        self.bits = product as u64;
        (product >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_without_spread_have_no_spread() {
        let interval = bootstrap_medians(&[2.0; 6], &[3.0; 6], Pairing::Independent, 0.95, 99, |x, y| y / x);
        assert_eq!(interval, Some(BootstrapInterval { low: 1.5, high: 1.5 }));
        assert_eq!(bootstrap_medians(&[], &[1.0], Pairing::Independent, 0.95, 99, |x, y| y / x), None);
        assert_eq!(bootstrap_medians(&[0.0], &[0.0], Pairing::Paired, 0.95, 99, |x, y| y / x), None);
    }

    #[test]
    fn indexes_are_uniform_and_do_not_depend_on_each_other() {
        let mut indexes = Indexes { stream: Draws::new(1, 0).stream(Purpose::SAMPLE, 0), bits: 0, left: 0 };
        let mut pairs = [0_u32; 49];
        for _ in 0..49_000 {
            let (a, b) = (indexes.below(7), indexes.below(7));
            pairs[7 * a + b] += 1;
        }
        // 48 degrees of freedom: chi-square above 84 has a probability of 0.1 %.
        let away = |count: u32| f64::from(count) - 1_000.0;
        let chi: f64 = pairs.iter().map(|count| away(*count) * away(*count) / 1_000.0).sum();
        assert!(chi < 84.0, "chi-square {chi}");
    }

    #[test]
    fn pairs_stay_together() {
        // The values differ by orders of magnitude, each pair by the same factor.
        let x: Vec<f64> = (0..9).map(|i| libm::pow(10.0, f64::from(i))).collect();
        let y: Vec<f64> = x.iter().map(|x| 2.0 * x).collect();
        let ratio = |pairing| bootstrap_medians(&x, &y, pairing, 0.95, RESAMPLES, |x, y| y / x).unwrap();
        assert_eq!(ratio(Pairing::Paired), BootstrapInterval { low: 2.0, high: 2.0 });
        assert!(ratio(Pairing::Independent).high > 100.0);
    }
}
