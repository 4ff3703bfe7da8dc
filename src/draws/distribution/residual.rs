//! What is left of an interval that is under way: the stationary law of a renewal process.

use super::{Distribution, open_unit, segments};
use crate::draws::Stream;
use crate::draws::special::{gamma_quantile, normal_density, normal_survival};

impl Distribution {
    /// The residual life of an interval of this distribution, looked at in the stationary state: a value of density
    /// (1 − F(x)) / E\[X\] (Cox, "Renewal Theory", 1962, section 5.2). `None` where the mean is infinite: no stationary state exists.
    ///
    /// Exact for every distribution: by a uniform share of a length-biased interval (two draws; the length-biased
    /// law of each but the normal is of a known family), by inversion for the exponential and the normal (one draw).
    pub fn sample_residual(&self, stream: &mut Stream) -> Option<f64> {
        let mean = self.mean()?;
        let residual = match self {
            Distribution::Exponential { .. } => self.sample(stream),
            Distribution::Normal { mean: centre, sd } if *sd > 0.0 => {
                normal_residual(*centre, *sd, mean, open_unit(stream))
            }
            _ => open_unit(stream) * self.length_biased(open_unit(stream), mean),
        };
        // Length bias can send the heaviest tails beyond the largest number.
        Some(residual.min(f64::MAX))
    }

    /// The quantile at `u` of the length-biased law, of density x f(x) / E\[X\].
    fn length_biased(&self, u: f64, mean: f64) -> f64 {
        match self {
            Distribution::Constant(_) | Distribution::Normal { .. } | Distribution::Exponential { .. } => {
                mean
            }
            Distribution::Uniform { low, high } => rising(*low, *high, u),
            Distribution::LogNormal { median, sigma } => {
                let median = median * libm::exp(sigma * sigma);
                Distribution::LogNormal { median, sigma: *sigma }.quantile(u)
            }
            // (x / scale)^shape is then of the gamma law with shape 1 + 1 / shape.
            Distribution::Weibull { scale, shape } => {
                scale * libm::pow(gamma_quantile(1.0 + 1.0 / shape, u), 1.0 / shape)
            }
            Distribution::Pareto { scale, shape } => {
                Distribution::Pareto { scale: *scale, shape: shape - 1.0 }.quantile(u)
            }
            Distribution::Gamma { shape, scale } => scale * gamma_quantile(shape + 1.0, u),
            Distribution::Empirical(points) => {
                let target = u * mean;
                let (mut sum, mut last) = (0.0, 0.0);
                for (weight, low, high) in segments(points) {
                    let part = weight * 0.5 * (low + high);
                    if part > 0.0 && sum + part > target {
                        return rising(low, high, (target - sum) / part);
                    }
                    sum += part;
                    last = high;
                }
                last
            }
        }
    }
}

/// Where an alternating renewal process (a node that comes and goes) is in its stationary state: whether it is up, and for how much longer it
/// stays so. Up with probability E\[up\] / (E\[up\] + E\[down\]), with the residual life of that interval (Cox, section 7.4). Takes at most three draws.
/// `None` where no stationary state exists: a mean is infinite, or both are zero.
pub fn stationary(up: &Distribution, down: &Distribution, stream: &mut Stream) -> Option<(bool, f64)> {
    let (mean_up, mean_down) = (up.mean()?, down.mean()?);
    let total = mean_up + mean_down;
    if !(total > 0.0 && total.is_finite()) {
        return None;
    }
    let is_up = stream.unit() * total < mean_up;
    let residual = if is_up { up } else { down }.sample_residual(stream)?;
    Some((is_up, residual))
}

/// The quantile at `u` of the density proportional to x between the bounds.
fn rising(low: f64, high: f64, u: f64) -> f64 {
    (low * low + u.clamp(0.0, 1.0) * (high * high - low * low)).sqrt()
}

/// Inverts the residual's survival, sd (φ(z) − z Q(z)) / (Q(−centre / sd) · mean) with z = (x − centre) / sd, by bisection
/// to the last bit that matters.
fn normal_residual(centre: f64, sd: f64, mean: f64, u: f64) -> f64 {
    let target = u * normal_survival(-centre / sd) * mean / sd;
    let (mut low, mut high) = (-centre / sd, 12.0);
    for _ in 0..64 {
        let z = 0.5 * (low + high);
        if normal_density(z) - z * normal_survival(z) > target {
            low = z;
        } else {
            high = z;
        }
    }
    (centre + sd * low).max(0.0)
}
