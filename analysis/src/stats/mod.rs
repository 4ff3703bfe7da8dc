//! Statistics of few independent values, such as one of each repetition, and distances between many.
//!
//! Every number of a test is computed the same way on every machine. `analysis/tests/stats.rs` holds them against SciPy's.

mod bootstrap;
mod distance;
mod mann_whitney;
mod multiple;
mod quantile;
mod ranks;
mod wilcoxon;

pub use bootstrap::{BootstrapInterval, Pairing, RESAMPLES, bootstrap_medians};
pub use distance::{kolmogorov_smirnov, wasserstein};
pub use mann_whitney::{MannWhitney, mann_whitney};
pub use multiple::benjamini_hochberg;
pub use quantile::{median, quantile_of_sorted};
pub use wilcoxon::{Wilcoxon, wilcoxon};

/// The probability that a standard normal variable is at least `z` away from zero on either side.
fn two_sided(z: f64) -> f64 {
    libm::erfc(z.max(0.0) * std::f64::consts::FRAC_1_SQRT_2)
}
