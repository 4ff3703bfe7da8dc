//! Nodes as points: Euclidean distance, with or without Vivaldi's height.

use edge_faas_core::draws::{Distribution, Draws};
use edge_faas_core::prefetch;
use edge_faas_core::time::Duration;

use super::purpose;

/// Points drawn uniformly in a cube; the round trip of two nodes is a base, plus their distance, plus the heights
/// of both.
///
/// With heights this is the model of Vivaldi (Dabek, Cox, Kaashoek, Morris, "Vivaldi: A Decentralized Network
/// Coordinate System", SIGCOMM 2004, section 5.4): the distance is the network's core, the height a node's way to it.
/// Four bytes a dimension and four for the height.
#[derive(Debug, Clone)]
pub struct Space {
    dimensions: usize,
    /// Round trip in milliseconds of two nodes at one point.
    base: f64,
    /// Milliseconds of round trip, node by node.
    points: Vec<f32>,
    /// Milliseconds of round trip; empty without heights.
    heights: Vec<f32>,
}

impl Space {
    /// Most dimensions; more add nothing to a latency model (Vivaldi: two or three and a height).
    pub const MAX_DIMENSIONS: usize = 8;

    /// Draws `nodes` points in a cube of `dimensions` dimensions (1 to 8) whose side is the round trip `side`;
    /// nodes at one point have the round trip `base`.
    ///
    /// # Panics
    /// If there are no dimensions or more than eight.
    pub fn euclidean(dimensions: usize, side: Duration, base: Duration, draws: &Draws, nodes: u32) -> Self {
        assert!((1..=Self::MAX_DIMENSIONS).contains(&dimensions), "1 to 8 dimensions");
        let side = side.as_secs_f64() * 1e3;
        let mut points = Vec::with_capacity(nodes as usize * dimensions);
        for node in 0..nodes {
            let mut stream = draws.stream(purpose::COORDINATES, u64::from(node));
            points.extend((0..dimensions).map(|_| (stream.unit() * side) as f32));
        }
        Space { dimensions, base: base.as_secs_f64() * 1e3, points, heights: Vec::new() }
    }

    /// As [`Space::euclidean`], with heights (seconds of round trip) drawn from `height`.
    ///
    /// # Panics
    /// If there are no dimensions or more than eight.
    pub fn vivaldi(
        dimensions: usize,
        side: Duration,
        base: Duration,
        height: &Distribution,
        draws: &Draws,
        nodes: u32,
    ) -> Self {
        let mut space = Self::euclidean(dimensions, side, base, draws, nodes);
        let draw = |node: u32| {
            let seconds = height.sample(&mut draws.stream(purpose::HEIGHT, u64::from(node)));
            (Duration::from_secs_f64(seconds).as_secs_f64() * 1e3) as f32
        };
        space.heights = (0..nodes).map(draw).collect();
        space
    }

    /// Asks the processor for a node's point.
    #[inline]
    pub(super) fn prefetch(&self, node: u32) {
        prefetch::element(&self.points, node as usize * self.dimensions);
    }

    /// Number of nodes.
    pub(super) fn nodes(&self) -> usize {
        self.points.len() / self.dimensions
    }

    /// The one-way delay between two different nodes.
    #[inline]
    pub(super) fn one_way(&self, from: u32, to: u32) -> Duration {
        let (from, to) = (from as usize, to as usize);
        let a = &self.points[from * self.dimensions..][..self.dimensions];
        let b = &self.points[to * self.dimensions..][..self.dimensions];
        let mut square = 0.0;
        for (a, b) in a.iter().zip(b) {
            let difference = f64::from(*a) - f64::from(*b);
            square += difference * difference;
        }
        // The square root is exact to the last bit on every platform (IEEE 754), unlike other functions.
        let mut millis = self.base + square.sqrt();
        if !self.heights.is_empty() {
            millis += f64::from(self.heights[from]) + f64::from(self.heights[to]);
        }
        // Half of the round trip, in nanoseconds, rounded.
        Duration::from_nanos((millis * 5e5 + 0.5) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws() -> Draws {
        Draws::new(5, 0)
    }

    #[test]
    fn distances_are_symmetric_and_keep_the_triangle_inequality() {
        let space = Space::euclidean(3, Duration::from_millis(200), Duration::from_millis(2), &draws(), 60);
        for a in 0..60 {
            for b in 0..60 {
                assert_eq!(space.one_way(a, b), space.one_way(b, a));
                for c in 0..60 {
                    // A nanosecond for rounding.
                    let detour = space.one_way(a, c) + space.one_way(c, b) + Duration::from_nanos(1);
                    assert!(space.one_way(a, b) <= detour);
                }
            }
        }
    }

    /// The mean distance of two points in the unit square is (2 + √2 + 5 asinh 1) / 15 = 0.521405.
    #[test]
    fn the_mean_distance_in_a_square_is_the_known_one() {
        let nodes = 2_000;
        let space =
            Space::euclidean(2, Duration::from_millis(100), Duration::from_millis(10), &draws(), nodes);
        let sum: f64 = (0..nodes / 2).map(|i| space.one_way(2 * i, 2 * i + 1).as_secs_f64()).sum();
        let round_trip = 2e3 * sum / f64::from(nodes / 2);
        // The deviation of one distance is 25 ms, of the mean of 1,000 pairs 0.8 ms: four of them.
        assert!((round_trip - 62.14).abs() < 3.2, "{round_trip} ms");
        assert_eq!(space.points.len() * size_of::<f32>(), 8 * nodes as usize, "eight bytes a node");
    }

    #[test]
    fn heights_are_added_at_both_ends() {
        let height = Distribution::Constant(0.006);
        let flat = Space::euclidean(2, Duration::from_millis(100), Duration::ZERO, &draws(), 10);
        let high = Space::vivaldi(2, Duration::from_millis(100), Duration::ZERO, &height, &draws(), 10);
        for (a, b) in [(0, 1), (3, 9)] {
            let added = high.one_way(a, b).as_nanos() - flat.one_way(a, b).as_nanos();
            // f32 milliseconds: a nanosecond or so.
            assert!((added - 6_000_000).abs() <= 2, "{added}");
        }
    }

    #[test]
    fn another_number_of_nodes_moves_none() {
        let few = Space::euclidean(2, Duration::from_millis(100), Duration::ZERO, &draws(), 10);
        let many = Space::euclidean(2, Duration::from_millis(100), Duration::ZERO, &draws(), 1_000);
        assert_eq!(few.points, many.points[..20]);
    }
}
