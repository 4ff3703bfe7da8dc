//! Samplers on `libm`, so that every platform draws the same bits.

use super::Stream;

/// A distribution of non-negative numbers (durations in seconds, sizes in bytes, factors).
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Always this value.
    Constant(f64),
}

impl Distribution {
    /// One value.
    pub fn sample(&self, _stream: &mut Stream) -> f64 {
        match self {
            Distribution::Constant(value) => *value,
        }
    }
}
