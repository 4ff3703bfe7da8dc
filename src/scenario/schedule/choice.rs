//! Choosing among functions and entry nodes, by popularity.

use crate::draws::{Stream, WeightError, Weighted};
use crate::scenario::schema::Popularity;

/// How one of n things is chosen.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    /// All alike.
    Even(u32),
    /// By weight.
    Weighted(Weighted),
}

impl Choice {
    /// A choice among `n` things, in the order of their ranks.
    pub(super) fn new(n: usize, popularity: Popularity) -> Result<Self, WeightError> {
        match popularity {
            _ if n == 0 => Err(WeightError::Empty),
            Popularity::Zipf(exponent) if exponent != 0.0 => {
                Ok(Choice::Weighted(Weighted::zipf(n, exponent)?))
            }
            Popularity::Uniform | Popularity::Zipf(_) => match u32::try_from(n) {
                Ok(n) => Ok(Choice::Even(n)),
                Err(_) => Err(WeightError::TooMany { found: n }),
            },
        }
    }

    /// One choice, by one draw. Among n + 1 things instead of n, an even choice differs with probability 1 / (n + 1) only.
    pub(super) fn sample(&self, stream: &mut Stream) -> u32 {
        match self {
            Choice::Even(n) => jump(stream.next_u64(), *n),
            Choice::Weighted(weighted) => weighted.sample(stream),
        }
    }
}

/// Jump consistent hashing (Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014): a number
/// below `n` (0 for none), uniform in the key, that changes only to the new one when `n` grows by one.
pub(super) fn jump(mut key: u64, n: u32) -> u32 {
    let (mut chosen, mut next) = (0, 0.0);
    while next < f64::from(n) {
        chosen = next as u32;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = libm::floor((f64::from(chosen) + 1.0) * ((1u64 << 31) as f64 / ((key >> 33) + 1) as f64));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::{Draws, Purpose};

    #[test]
    fn an_even_choice_is_uniform() {
        for n in [1u32, 2, 7, 50] {
            let choice = Choice::new(n as usize, Popularity::Uniform).unwrap();
            let mut counts = vec![0u32; n as usize];
            let mut stream = Draws::new(3, 0).stream(Purpose::CHOICE, u64::from(n));
            for _ in 0..50_000 {
                counts[choice.sample(&mut stream) as usize] += 1;
            }
            let expected = 50_000.0 / f64::from(n);
            let chi: f64 = counts
                .iter()
                .map(|c| (f64::from(*c) - expected) * (f64::from(*c) - expected) / expected)
                .sum();
            // 49 degrees of freedom: above 85.4 with a probability of 0.1 %; fewer have less.
            assert!(chi < 85.4, "{n}: chi-square {chi}");
        }
    }

    #[test]
    fn growth_moves_a_choice_only_to_what_is_new() {
        let mut moved = 0;
        for key in 0..10_000u64 {
            let key = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let (before, after) = (jump(key, 100), jump(key, 101));
            assert!(after == before || after == 100);
            moved += u32::from(after != before);
        }
        // One in 101, or 99 ± 4 standard deviations.
        assert!((59..=139).contains(&moved), "{moved}");
    }
}
