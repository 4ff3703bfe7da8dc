//! A distribution as the scenario file gives it.

use serde::{Deserialize, Serialize};

/// A distribution of non-negative numbers: seconds for durations, bytes for sizes, plain numbers for factors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Distribution {
    /// Always this value.
    Constant(f64),
    /// Uniform between `low` and `high`.
    Uniform {
        /// The least value.
        low: f64,
        /// The greatest value, not below `low`.
        high: f64,
    },
    /// Exponential.
    Exponential {
        /// The mean, positive.
        mean: f64,
    },
    /// Normal, truncated at zero.
    Normal {
        /// The mean before truncation.
        mean: f64,
        /// The standard deviation before truncation, not negative.
        sd: f64,
    },
    /// Log-normal.
    LogNormal {
        /// The median, positive.
        median: f64,
        /// The standard deviation of the logarithm, not negative.
        sigma: f64,
    },
    /// Weibull.
    Weibull {
        /// The scale (the 63.2 % quantile), positive.
        scale: f64,
        /// The shape, positive; below 1 the hazard falls with age.
        shape: f64,
    },
    /// Pareto (type I).
    Pareto {
        /// The least value, positive.
        scale: f64,
        /// The tail index, positive; the mean is infinite up to 1.
        shape: f64,
    },
    /// Piecewise linear between quantiles, as measured percentiles give.
    Empirical {
        /// (probability, value) pairs, both ascending, from probability 0 to 1.
        quantiles: Vec<(f64, f64)>,
    },
}
