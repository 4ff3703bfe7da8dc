//! One metric, judged: values of repetitions of a base and of a new run.

use super::margins::{Better, Margin};
use crate::stats::{Pairing, RESAMPLES, bootstrap_medians, mann_whitney, median, wilcoxon};
use serde::Serialize;
use std::fmt;

/// Fewer pairs, or values on a side, say nothing: five pairs that all differ the same way have p = 0.0625, and no interval
/// of the median of five values reaches 95 %.
pub const FEWEST: usize = 6;

/// The level of the tests, and one minus the confidence of the intervals.
pub const LEVEL: f64 = 0.05;

/// What is said of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Worse by more than the margin, and not by chance.
    Regressed,
    /// Better by more than the margin, and not by chance.
    Improved,
    /// Neither could be shown, nor that nothing changed.
    Inconclusive,
    /// The same in every repetition, or surely within the margin.
    Equivalent,
}

impl Verdict {
    /// Every verdict, the worst first.
    pub const ALL: [Verdict; 4] =
        [Verdict::Regressed, Verdict::Improved, Verdict::Inconclusive, Verdict::Equivalent];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Verdict::Regressed => "regressed",
            Verdict::Improved => "improved",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Equivalent => "equivalent",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How the new median relates to the base's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// New over base, where all values of the base are above zero and none of the new below.
    Ratio,
    /// New minus base, in the metric's unit.
    Difference,
}

impl Effect {
    fn of(base: &[f64], new: &[f64]) -> Self {
        if base.iter().all(|value| *value > 0.0) && new.iter().all(|value| *value >= 0.0) {
            Effect::Ratio
        } else {
            Effect::Difference
        }
    }

    fn between(self, base: f64, new: f64) -> f64 {
        match self {
            // Two infinities are the same, though they have neither ratio nor difference.
            Effect::Ratio if base == new => 1.0,
            Effect::Ratio => new / base,
            Effect::Difference if base == new => 0.0,
            Effect::Difference => new - base,
        }
    }

    /// The effect of no change.
    pub const fn none(self) -> f64 {
        match self {
            Effect::Ratio => 1.0,
            Effect::Difference => 0.0,
        }
    }
}

/// What the values say, before it is known how many other metrics are tested.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The median of the base's values.
    pub base: f64,
    /// The median of the new values.
    pub new: f64,
    /// How the change is told.
    pub effect: Effect,
    /// The change of the medians.
    pub change: f64,
    /// Its interval of 95 % by the bootstrap; none of fewer than [`FEWEST`] values.
    pub interval: Option<(f64, f64)>,
    /// The p-value of the test of Wilcoxon for pairs, of Mann and Whitney else; none of fewer than [`FEWEST`] values.
    pub p: Option<f64>,
    /// Values of the base.
    pub n_base: usize,
    /// New values.
    pub n_new: usize,
    /// Whether they are pairs that all are equal.
    pub same: bool,
}

/// What the values of a base and of a new run say: one of each repetition, in pairs (as many of both) or independent of each other. None
/// if there are none on a side.
pub fn measure(base: &[f64], new: &[f64], pairing: Pairing) -> Option<Measured> {
    let effect = Effect::of(base, new);
    let (base_median, new_median) = (median(base)?, median(new)?);
    let pairs: Vec<(f64, f64)> = base.iter().copied().zip(new.iter().copied()).collect();
    let same = pairing == Pairing::Paired && pairs.iter().all(|(base, new)| base == new);
    let enough = base.len().min(new.len()) >= FEWEST;
    let interval = enough
        .then(|| {
            bootstrap_medians(base, new, pairing, 1.0 - LEVEL, RESAMPLES, |base, new| {
                effect.between(base, new)
            })
        })
        .flatten();
    let p = match pairing {
        _ if !enough => None,
        Pairing::Paired => Some(wilcoxon(&pairs).p),
        Pairing::Independent => mann_whitney(base, new).map(|test| test.p),
    };
    Some(Measured {
        base: base_median,
        new: new_median,
        effect,
        change: effect.between(base_median, new_median),
        interval: interval.map(|interval| (interval.low, interval.high)),
        p,
        n_base: base.len(),
        n_new: new.len(),
        same,
    })
}

/// A verdict and why, in a few words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is no other.
    pub reason: &'static str,
}

impl Measured {
    /// The verdict, given the p-value as it counts among all tests.
    ///
    /// *Equivalent*: the same in every pair, or the interval lies within the margin (Schuirmann, "A Comparison of the Two One-Sided Tests
    /// Procedure and the Power Approach", Journal of Pharmacokinetics and Biopharmaceutics 15, 1987; with an interval of 95 % where he takes 90 %). *Regressed*
    /// and *improved*: the medians differ by more than the margin, the interval leaves out no change at all, and `adjusted_p` is below
    /// [`LEVEL`].
    pub fn judge(&self, adjusted_p: Option<f64>, margin: &Margin) -> Judged {
        let said = |verdict, reason| Judged { verdict, reason };
        if self.same {
            return said(Verdict::Equivalent, "the same in every repetition");
        }
        let (Some(p), Some((low, high))) = (adjusted_p, self.interval) else {
            return said(Verdict::Inconclusive, "fewer than 6 repetitions");
        };
        // As far as the effect may be from none.
        let margin_of_effect = match self.effect {
            Effect::Ratio => margin.relative.max(margin.absolute / self.base),
            Effect::Difference => margin.from(self.base),
        };
        let none = self.effect.none();
        let within = |change: f64| (change - none).abs() <= margin_of_effect;
        if within(low) && within(high) {
            return said(Verdict::Equivalent, "the interval is within the margin");
        }
        if within(self.change) {
            return said(Verdict::Inconclusive, "the interval is wider than the margin");
        }
        if p > LEVEL || (low <= none && none <= high) {
            return said(Verdict::Inconclusive, "may be chance");
        }
        let worse = (self.change > none) == (margin.better == Better::Lower);
        let verdict = if worse { Verdict::Regressed } else { Verdict::Improved };
        said(verdict, "beyond the margin, and not by chance")
    }
}
