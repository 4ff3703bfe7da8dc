//! Counter-based random draws: value `n` of (seed, repetition, purpose, entity) is computed, never drawn from a
//! stored stream, so that no draw depends on what else happens in a run.
//!
//! The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3",
//! SC 2011), which passes BigCrush and costs a few nanoseconds without any state.

mod distribution;
mod special;
mod weighted;

pub use distribution::{Distribution, DistributionError, stationary};
pub use weighted::{WeightError, Weighted};

/// What a draw is for; the first coordinate of its counter. Two purposes never share a value.
///
/// The core uses numbers below 256, drivers the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Purpose(pub u32);

impl Purpose {
    /// Targets of bucket refreshes, by node.
    pub const REFRESH: Purpose = Purpose(1);
    /// Spreading of periodic timers, by node.
    pub const TIMER: Purpose = Purpose(2);
    /// Choices among providers, by call.
    pub const CHOICE: Purpose = Purpose(3);
    /// Back-off jitter, by call.
    pub const BACKOFF: Purpose = Purpose(4);
    /// Samples of provider records in answers, by asker and holder.
    pub const SAMPLE: Purpose = Purpose(5);
}

/// The source of all draws of one repetition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Draws {
    key: [u32; 2],
}

impl Draws {
    /// Draws of repetition `repetition` (from 0) under `seed`.
    pub fn new(seed: u64, repetition: u32) -> Self {
        // One Philox block mixes seed and repetition into the key of all others.
        let block = philox([repetition, 0, 0, u32::MAX], [seed as u32, (seed >> 32) as u32]);
        Draws { key: [block[0], block[1]] }
    }

    /// The sequence of draws for `entity` (a node, a call, a link …) and `purpose`.
    pub fn stream(&self, purpose: Purpose, entity: u64) -> Stream {
        self.stream_at(purpose, entity, 0)
    }

    /// As [`Draws::stream`], from block `n` on: a driver that numbers its events reads the draws of event `n` here.
    /// Each block holds two 64-bit values.
    pub fn stream_at(&self, purpose: Purpose, entity: u64, n: u32) -> Stream {
        Stream { key: self.key, counter: [n, entity as u32, (entity >> 32) as u32, purpose.0], spare: None }
    }
}

/// A cursor over the draws of one purpose and entity. Cheap to make, meant to live on the stack.
#[derive(Clone, Debug)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    spare: Option<u64>,
}

impl Stream {
    /// The next 64 uniformly distributed bits.
    pub fn next_u64(&mut self) -> u64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let [a, b, c, d] = philox(self.counter, self.key);
        self.counter[0] = self.counter[0].wrapping_add(1);
        self.spare = Some(u64::from(c) << 32 | u64::from(d));
        u64::from(a) << 32 | u64::from(b)
    }

    /// Uniform in [0, 1), with 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in (0, 1]: safe to take the logarithm of.
    pub fn unit_positive(&mut self) -> f64 {
        1.0 - self.unit()
    }

    /// Uniform in 0..bound (Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29, 2019; the
    /// bias of the multiplication without rejection is below 2^-32 for the bounds used here). Zero for bound 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Reorders `items` uniformly (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// Philox4x32 with ten rounds.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
    const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
        }
        let p0 = MULTIPLIERS[0] * u64::from(counter[0]);
        let p1 = MULTIPLIERS[1] * u64::from(counter[2]);
        counter = [
            (p1 >> 32) as u32 ^ counter[1] ^ key[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ counter[3] ^ key[1],
            p0 as u32,
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_published_answers() {
        // Known-answer tests of Random123 (kat_vectors, philox4x32 10).
        assert_eq!(philox([0; 4], [0; 2]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
        assert_eq!(
            philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn a_draw_depends_on_all_its_coordinates_and_on_nothing_else() {
        let draws = Draws::new(42, 0);
        let value = draws.stream(Purpose::CHOICE, 7).next_u64();
        assert_eq!(value, Draws::new(42, 0).stream(Purpose::CHOICE, 7).next_u64());
        assert_ne!(value, draws.stream(Purpose::CHOICE, 8).next_u64());
        assert_ne!(value, draws.stream(Purpose::REFRESH, 7).next_u64());
        assert_ne!(value, Draws::new(42, 1).stream(Purpose::CHOICE, 7).next_u64());
        assert_ne!(value, Draws::new(43, 0).stream(Purpose::CHOICE, 7).next_u64());
    }

    #[test]
    fn bounded_draws_are_uniform() {
        let mut stream = Draws::new(1, 0).stream(Purpose::CHOICE, 0);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7) as usize] += 1;
        }
        // Six degrees of freedom: chi-square above 22.5 has a probability of 0.1 %.
        let chi: f64 =
            counts.iter().map(|c| (f64::from(*c) - 10_000.0) * (f64::from(*c) - 10_000.0) / 10_000.0).sum();
        assert!(chi < 22.5, "chi-square {chi}");
    }
}
