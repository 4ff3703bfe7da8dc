//! Distributions of non-negative numbers, sampled on `libm` by inversion, so that every platform draws the same bits.

use std::sync::Arc;

use super::Stream;
use super::special::{gamma_quantile, incomplete_gamma, normal_density, normal_quantile, normal_survival};

mod residual;
pub use residual::stationary;
#[cfg(test)]
mod tests;

/// A distribution of non-negative numbers (durations in seconds, sizes in bytes, factors).
///
/// Parameters are public so that they can be matched on; one that comes from outside goes through
/// [`Distribution::checked`]. With impossible parameters a sample is some number, and nothing panics.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Always this value. Takes no draw.
    Constant(f64),
    /// Every value between the bounds alike.
    Uniform {
        /// The least value.
        low: f64,
        /// The greatest value.
        high: f64,
    },
    /// Memoryless.
    Exponential {
        /// The mean.
        mean: f64,
    },
    /// The normal law *given* that it is not negative: what drawing again below zero gives. Its mean is therefore
    /// above `mean`: by 0.15 % when sd = mean / 3, by 2.8 % when sd = mean / 2, by 29 % when they are equal.
    Normal {
        /// The mean before truncation.
        mean: f64,
        /// The standard deviation before truncation.
        sd: f64,
    },
    /// The exponential of a normal law.
    LogNormal {
        /// The median.
        median: f64,
        /// The standard deviation of the logarithm.
        sigma: f64,
    },
    /// Survival e^−(x / scale)^shape; a shape below 1 has a heavier tail than the exponential.
    Weibull {
        /// The value that 63 % stay below.
        scale: f64,
        /// The shape.
        shape: f64,
    },
    /// Survival (scale / x)^shape above the scale. The mean is infinite up to shape 1, the variance up to 2.
    Pareto {
        /// The least value.
        scale: f64,
        /// The tail's exponent.
        shape: f64,
    },
    /// The sum of `shape` exponentials of mean `scale`, when the shape is whole (then also called Erlang).
    Gamma {
        /// The shape.
        shape: f64,
        /// The scale; the mean is shape · scale.
        scale: f64,
    },
    /// An inverse cumulative function that is linear between points.
    Empirical(
        /// (probability, value), neither ever falling, from probability 0 to 1.
        Arc<[(f64, f64)]>,
    ),
}

/// Parameters of which there is no distribution.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DistributionError {
    /// A parameter outside its range.
    #[error("{parameter} = {value} must be {expected}")]
    Parameter {
        /// Its name, as the enum has it.
        parameter: &'static str,
        /// Its value.
        value: f64,
        /// What would be valid.
        expected: &'static str,
    },
    /// A bad point of an empirical distribution.
    #[error("point {index} ({probability}, {value}) of an empirical distribution: {problem}")]
    Point {
        /// Which point, from 0.
        index: usize,
        /// Its probability.
        probability: f64,
        /// Its value.
        value: f64,
        /// What is wrong, and what would be valid.
        problem: &'static str,
    },
    /// Fewer than two points.
    #[error("an empirical distribution needs two points or more, from probability 0 to 1; {found} found")]
    Points {
        /// How many there are.
        found: usize,
    },
}

const FINITE: &str = "a finite number of zero or more";
const POSITIVE: &str = "a finite number above zero";
const SHAPE: &str = "between 0.01 and 10000";

impl Distribution {
    /// The empirical distribution through these (probability, value) points.
    pub fn empirical(points: impl Into<Arc<[(f64, f64)]>>) -> Result<Self, DistributionError> {
        Distribution::Empirical(points.into()).checked()
    }

    /// This distribution, if its parameters are possible: finite, not negative, scales of Weibull, Pareto and Gamma
    /// above zero, shapes between 0.01 and 10,000, `low` not above `high`, a median above zero.
    pub fn checked(self) -> Result<Self, DistributionError> {
        let zero_or_more =
            |parameter, value: f64| check(value >= 0.0 && value.is_finite(), parameter, value, FINITE);
        let positive =
            |parameter, value: f64| check(value > 0.0 && value.is_finite(), parameter, value, POSITIVE);
        let shape_in_range = |value: f64| check((0.01..=10_000.0).contains(&value), "shape", value, SHAPE);
        match &self {
            Distribution::Constant(value) => zero_or_more("value", *value)?,
            Distribution::Uniform { low, high } => {
                zero_or_more("low", *low)?;
                zero_or_more("high", *high)?;
                check(low <= high, "high", *high, "no less than low")?;
            }
            Distribution::Exponential { mean } => zero_or_more("mean", *mean)?,
            Distribution::Normal { mean, sd } => {
                zero_or_more("mean", *mean)?;
                zero_or_more("sd", *sd)?;
            }
            Distribution::LogNormal { median, sigma } => {
                positive("median", *median)?;
                check((0.0..=20.0).contains(sigma), "sigma", *sigma, "between 0 and 20")?;
            }
            Distribution::Weibull { scale, shape } | Distribution::Pareto { scale, shape } => {
                positive("scale", *scale)?;
                shape_in_range(*shape)?;
            }
            Distribution::Gamma { shape, scale } => {
                shape_in_range(*shape)?;
                positive("scale", *scale)?;
            }
            Distribution::Empirical(points) => check_points(points)?,
        }
        Ok(self)
    }

    /// One value, by inversion of one draw (a constant takes none). The value grows with the draw, so that two
    /// distributions sampled from the same stream move together.
    pub fn sample(&self, stream: &mut Stream) -> f64 {
        match self {
            Distribution::Constant(value) => *value,
            _ => self.quantile(open_unit(stream)),
        }
    }

    /// The value that a sample stays below with probability `p` (taken into 0 to 1).
    /// At `p` = 1 infinite for the laws that have no greatest value.
    pub fn quantile(&self, p: f64) -> f64 {
        let p = p.clamp(0.0, 1.0);
        match self {
            Distribution::Constant(value) => *value,
            Distribution::Uniform { low, high } => low + p * (high - low),
            Distribution::Exponential { mean } if *mean == 0.0 => 0.0,
            Distribution::Exponential { mean } => -mean * libm::log1p(-p),
            Distribution::Normal { mean, sd } if *sd == 0.0 => *mean,
            Distribution::Normal { mean, sd } => {
                let above = (1.0 - p) * normal_survival(-mean / sd);
                (mean - sd * normal_quantile(above)).max(0.0)
            }
            Distribution::LogNormal { median, sigma } if *sigma == 0.0 => *median,
            Distribution::LogNormal { median, sigma } => median * libm::exp(sigma * normal_quantile(p)),
            Distribution::Weibull { scale, shape } => scale * libm::pow(-libm::log1p(-p), 1.0 / shape),
            Distribution::Pareto { scale, shape } => scale * libm::pow(1.0 - p, -1.0 / shape),
            Distribution::Gamma { shape, scale } => scale * gamma_quantile(*shape, p),
            Distribution::Empirical(points) => {
                let after = points.partition_point(|(probability, _)| *probability <= p);
                match (after.checked_sub(1).and_then(|i| points.get(i)), points.get(after)) {
                    (Some((p0, v0)), Some((p1, v1))) => v0 + (v1 - v0) * (p - p0) / (p1 - p0),
                    (Some((_, value)), None) | (None, Some((_, value))) => *value,
                    (None, None) => 0.0,
                }
            }
        }
    }

    /// The probability that a sample is at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        match self {
            Distribution::Constant(value) => step(x >= *value),
            Distribution::Normal { mean, sd } if *sd == 0.0 => step(x >= *mean),
            Distribution::LogNormal { median, sigma } if *sigma == 0.0 => step(x >= *median),
            _ if x < 0.0 => 0.0,
            Distribution::Uniform { low, high } if low == high => step(x >= *low),
            Distribution::Uniform { low, high } => ((x - low) / (high - low)).clamp(0.0, 1.0),
            Distribution::Exponential { mean } if *mean == 0.0 => 1.0,
            Distribution::Exponential { mean } => -libm::expm1(-x / mean),
            Distribution::Normal { mean, sd } => {
                1.0 - (normal_survival((x - mean) / sd) / normal_survival(-mean / sd)).min(1.0)
            }
            Distribution::LogNormal { median, sigma } => normal_survival(-libm::log(x / median) / sigma),
            Distribution::Weibull { scale, shape } => -libm::expm1(-libm::pow(x / scale, *shape)),
            Distribution::Pareto { scale, .. } if x <= *scale => 0.0,
            Distribution::Pareto { scale, shape } => 1.0 - libm::pow(x / scale, -shape),
            Distribution::Gamma { shape, scale } => incomplete_gamma(*shape, x / scale).0,
            Distribution::Empirical(points) => {
                let after = points.partition_point(|(_, value)| *value <= x);
                match (after.checked_sub(1).and_then(|i| points.get(i)), points.get(after)) {
                    (Some((p0, v0)), Some((p1, v1))) => p0 + (p1 - p0) * (x - v0) / (v1 - v0),
                    (Some(_), None) => 1.0,
                    (None, _) => 0.0,
                }
            }
        }
    }

    /// The mean; `None` where it is infinite (or beyond what a number holds).
    pub fn mean(&self) -> Option<f64> {
        let mean = match self {
            Distribution::Constant(value) => *value,
            Distribution::Uniform { low, high } => 0.5 * (low + high),
            Distribution::Exponential { mean } => *mean,
            Distribution::Normal { mean, sd } => mean + sd * hazard(*mean, *sd),
            Distribution::LogNormal { median, sigma } => median * libm::exp(0.5 * sigma * sigma),
            Distribution::Weibull { scale, shape } => scale * libm::tgamma(1.0 + 1.0 / shape),
            Distribution::Pareto { scale, shape } if *shape > 1.0 => scale * shape / (shape - 1.0),
            Distribution::Pareto { .. } => f64::INFINITY,
            Distribution::Gamma { shape, scale } => shape * scale,
            Distribution::Empirical(points) => {
                segments(points).map(|(weight, low, high)| weight * 0.5 * (low + high)).sum()
            }
        };
        mean.is_finite().then_some(mean)
    }

    /// The variance; `None` where it is infinite (or beyond what a number holds).
    pub fn variance(&self) -> Option<f64> {
        let mean = self.mean()?;
        let variance = match self {
            Distribution::Constant(_) => 0.0,
            Distribution::Uniform { low, high } => (high - low) * (high - low) / 12.0,
            Distribution::Exponential { mean } => mean * mean,
            Distribution::Normal { sd, .. } if *sd == 0.0 => 0.0,
            Distribution::Normal { mean, sd } => {
                let hazard = hazard(*mean, *sd);
                sd * sd * (1.0 - hazard * (hazard + mean / sd))
            }
            Distribution::LogNormal { sigma, .. } => mean * mean * libm::expm1(sigma * sigma),
            Distribution::Weibull { scale, shape } => {
                scale * scale * libm::tgamma(1.0 + 2.0 / shape) - mean * mean
            }
            Distribution::Pareto { shape, .. } if *shape > 2.0 => mean * mean / (shape * (shape - 2.0)),
            Distribution::Pareto { .. } => f64::INFINITY,
            Distribution::Gamma { shape, scale } => shape * scale * scale,
            Distribution::Empirical(points) => segments(points)
                .map(|(weight, low, high)| {
                    let off = 0.5 * (low + high) - mean;
                    weight * (off * off + (high - low) * (high - low) / 12.0)
                })
                .sum(),
        };
        variance.is_finite().then_some(variance)
    }
}

/// Uniform in (0, 1), with 52 bits: never 0 or 1, where quantiles are infinite.
fn open_unit(stream: &mut Stream) -> f64 {
    ((stream.next_u64() >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
}

/// φ(z) / Q(z) at the point where a normal law is cut at zero: what the cut adds to the mean, in standard deviations.
fn hazard(mean: f64, sd: f64) -> f64 {
    if sd == 0.0 { 0.0 } else { normal_density(mean / sd) / normal_survival(-mean / sd) }
}

/// (probability, least, greatest value) of each linear piece of an empirical distribution.
fn segments(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64, f64)> {
    points.iter().zip(points.iter().skip(1)).map(|((p0, v0), (p1, v1))| (p1 - p0, *v0, *v1))
}

fn step(reached: bool) -> f64 {
    if reached { 1.0 } else { 0.0 }
}

fn check(
    ok: bool,
    parameter: &'static str,
    value: f64,
    expected: &'static str,
) -> Result<(), DistributionError> {
    if ok { Ok(()) } else { Err(DistributionError::Parameter { parameter, value, expected }) }
}

fn check_points(points: &[(f64, f64)]) -> Result<(), DistributionError> {
    if points.len() < 2 {
        return Err(DistributionError::Points { found: points.len() });
    }
    let mut before = (0.0, 0.0);
    for (index, (probability, value)) in points.iter().copied().enumerate() {
        let bad = |problem| Err(DistributionError::Point { index, probability, value, problem });
        if !(value >= 0.0 && value.is_finite()) {
            return bad("the value must be a finite number of zero or more");
        }
        if !(0.0..=1.0).contains(&probability) {
            return bad("the probability must be between 0 and 1");
        }
        if index == 0 && probability != 0.0 {
            return bad("the first point must have probability 0");
        }
        if index + 1 == points.len() && probability != 1.0 {
            return bad("the last point must have probability 1");
        }
        if probability < before.0 || value < before.1 {
            return bad("probabilities and values must not fall from one point to the next");
        }
        before = (probability, value);
    }
    Ok(())
}
