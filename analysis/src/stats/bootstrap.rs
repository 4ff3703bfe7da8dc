//! An interval for how two medians relate.

use super::quantile::median_in_place;
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
    let mut stream = Draws::new(SEED, 0).stream(Purpose::SAMPLE, 0);
    let (mut drawn_x, mut drawn_y) = (x.to_vec(), y.to_vec());
    let mut effects = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        match pairing {
            Pairing::Independent => {
                resample(x, &mut drawn_x, &mut stream);
                resample(y, &mut drawn_y, &mut stream);
            }
            Pairing::Paired => {
                for (to_x, to_y) in drawn_x.iter_mut().zip(&mut drawn_y) {
                    let at = stream.below(x.len() as u64) as usize;
                    (*to_x, *to_y) = (*x.get(at)?, *y.get(at)?);
                }
            }
        }
        let effect = effect(median_in_place(&mut drawn_x)?, median_in_place(&mut drawn_y)?);
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

fn resample(from: &[f64], to: &mut [f64], stream: &mut Stream) {
    for value in to {
        *value = from[stream.below(from.len() as u64) as usize];
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
    fn pairs_stay_together() {
        // The values differ by orders of magnitude, each pair by the same factor.
        let x: Vec<f64> = (0..9).map(|i| libm::pow(10.0, f64::from(i))).collect();
        let y: Vec<f64> = x.iter().map(|x| 2.0 * x).collect();
        let ratio = |pairing| bootstrap_medians(&x, &y, pairing, 0.95, RESAMPLES, |x, y| y / x).unwrap();
        assert_eq!(ratio(Pairing::Paired), BootstrapInterval { low: 2.0, high: 2.0 });
        assert!(ratio(Pairing::Independent).high > 100.0);
    }
}
