//! A measured law: the quantiles of a sample.

use crate::quantile::quantile;

/// Fewer samples make no law.
pub(super) const SAMPLES_MIN: usize = 20;
/// The quantiles of a law, in percent. What lies above the last is a machine's hiccup as often as it is the program's: the
/// law ends there.
const PERCENT: [u8; 21] = [0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 99];

/// The quantiles of a sample of durations, in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Law {
    /// How many were measured.
    pub samples: usize,
    values: Vec<i64>,
}

/// The median; `None` of nothing.
pub(super) fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    quantile(&values, 0.5)
}

impl Law {
    /// The law of a sample; what is below zero (two clocks, a busy machine) counts as nothing. `None`: too few.
    pub(super) fn of(mut samples: Vec<i64>) -> Option<Law> {
        if samples.len() < SAMPLES_MIN {
            return None;
        }
        samples.sort_unstable();
        let value = |percent: &u8| quantile(&samples, f64::from(*percent) / 100.0).map(|value| value.max(0));
        Some(Law { samples: samples.len(), values: PERCENT.iter().filter_map(value).collect() })
    }

    /// The quantile, to the next of those that are kept, in microseconds.
    pub fn quantile(&self, share: f64) -> i64 {
        let at = PERCENT.iter().position(|percent| f64::from(*percent) >= share * 100.0);
        at.and_then(|at| self.values.get(at)).or(self.values.last()).copied().unwrap_or(0)
    }

    /// The points of an empirical distribution, as a scenario file has them.
    pub(super) fn points(&self) -> String {
        let last = self.values.last().map(|last| (100, *last));
        let points = PERCENT.iter().copied().zip(self.values.iter().copied()).chain(last);
        let text = |(percent, micros): (u8, i64)| format!("[\"{percent}%\", \"{micros}us\"]");
        points.map(text).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_law_is_the_quantiles_of_its_sample_without_its_last_hundredth() {
        let law = Law::of((-100..900).rev().collect()).unwrap();
        assert_eq!((law.quantile(0.0), law.quantile(0.05), law.quantile(0.5)), (0, 0, 399));
        assert_eq!((law.quantile(0.95), law.quantile(1.0)), (849, 889));
        assert!(
            law.points().starts_with("[\"0%\", \"0us\"]") && law.points().ends_with("[\"100%\", \"889us\"]")
        );
        assert_eq!(Law::of(vec![1; SAMPLES_MIN - 1]), None);
    }
}
