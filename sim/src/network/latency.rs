//! Propagation delay between two nodes.

use edge_faas_core::draws::{Distribution, Draws};
use edge_faas_core::prefetch;
use edge_faas_core::time::Duration;

use super::purpose;
use super::sites::Sites;
use super::space::Space;

/// The one-way propagation delay of every pair of nodes: the same for each message of a pair, computed from a few
/// bytes a node, without any draw that is stored.
#[derive(Debug, Clone)]
pub enum Latency {
    /// The same round trip for every pair.
    Constant(Duration),
    /// Sites of a measured matrix, or regions.
    Sites(Sites),
    /// Coordinates.
    Space(Space),
    /// A round trip of its own for each pair.
    Pairs(PairLatency),
}

impl Latency {
    /// The one-way delay from `from` to `to`; zero from a node to itself.
    ///
    /// # Panics
    /// If a node is not among those that the model was made for.
    #[inline]
    pub fn one_way(&self, from: u32, to: u32) -> Duration {
        if from == to {
            return Duration::ZERO;
        }
        match self {
            Latency::Constant(round_trip) => *round_trip / 2,
            Latency::Sites(sites) => sites.one_way(from, to),
            Latency::Space(space) => space.one_way(from, to),
            Latency::Pairs(pairs) => pairs.one_way(from, to),
        }
    }

    /// Asks the processor for what it keeps of a node.
    #[inline]
    pub(super) fn prefetch(&self, node: u32) {
        match self {
            Latency::Sites(sites) => sites.prefetch(node),
            Latency::Space(space) => space.prefetch(node),
            Latency::Constant(_) | Latency::Pairs(_) => {}
        }
    }

    /// The site (matrix row or region) of a node, in models that have sites.
    pub fn site(&self, node: u32) -> Option<u16> {
        match self {
            Latency::Sites(sites) => Some(sites.site(node)),
            _ => None,
        }
    }

    /// The names of the sites, by number; empty in models without.
    pub fn site_names(&self) -> &[String] {
        match self {
            Latency::Sites(sites) => sites.matrix().names(),
            _ => &[],
        }
    }

    /// For how many nodes the model was made; any number for those that store nothing.
    pub fn nodes(&self) -> Option<usize> {
        match self {
            Latency::Sites(sites) => Some(sites.nodes()),
            Latency::Space(space) => Some(space.nodes()),
            Latency::Constant(_) | Latency::Pairs(_) => None,
        }
    }
}

/// No drawn delay is longer: a heavy tail must not leave the range of times. Nobody waits for eleven days.
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(1_000_000);

/// Round trips drawn once for each unordered pair of nodes, by counter: none is stored.
///
/// Such a network has no geometry: two neighbours of a node may be far apart, and the nearest of many nodes is as
/// near as the distribution's lowest tail.
#[derive(Debug, Clone)]
pub struct PairLatency {
    round_trip: Distribution,
    draws: Draws,
}

impl PairLatency {
    /// Round trips in seconds from `round_trip`.
    pub fn new(round_trip: Distribution, draws: Draws) -> Self {
        PairLatency { round_trip, draws }
    }

    fn one_way(&self, from: u32, to: u32) -> Duration {
        let pair = u64::from(from.min(to)) << 32 | u64::from(from.max(to));
        let seconds = self.round_trip.sample(&mut self.draws.stream(purpose::PAIR, pair));
        Duration::from_secs_f64(seconds / 2.0).min(LONGEST_DELAY)
    }
}

/// The way between a node and the network's core, one way: added at both ends of a message, not within a node.
/// Four bytes a node.
#[derive(Debug, Clone, Default)]
pub struct LastMile {
    /// In units of 100 ns; empty without last miles.
    nodes: Vec<u32>,
}

impl LastMile {
    const NANOS: i64 = 100;

    /// Asks the processor for a node's.
    #[inline]
    pub(super) fn prefetch(&self, node: u32) {
        prefetch::element(&self.nodes, node as usize);
    }

    /// No last mile: right for matrices that were measured from end to end.
    pub fn none() -> Self {
        LastMile::default()
    }

    /// Draws the one-way delay of each node, in seconds, from `distribution`.
    pub fn draw(distribution: &Distribution, draws: &Draws, nodes: u32) -> Self {
        let draw = |node: u32| {
            let seconds = distribution.sample(&mut draws.stream(purpose::LAST_MILE, u64::from(node)));
            (Duration::from_secs_f64(seconds).as_nanos() / Self::NANOS).min(i64::from(u32::MAX)) as u32
        };
        LastMile { nodes: (0..nodes).map(draw).collect() }
    }

    /// What the last miles of two nodes add to a message between them.
    #[inline]
    pub fn between(&self, from: u32, to: u32) -> Duration {
        if self.nodes.is_empty() || from == to {
            return Duration::ZERO;
        }
        let sum = i64::from(self.nodes[from as usize]) + i64::from(self.nodes[to as usize]);
        Duration::from_nanos(sum * Self::NANOS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_pair_keeps_its_delay_in_both_directions() {
        let draws = Draws::new(1, 0);
        let latency = Latency::Pairs(PairLatency::new(Distribution::Constant(0.08), draws));
        assert_eq!(latency.one_way(3, 900_000), Duration::from_millis(40));
        assert_eq!(latency.one_way(900_000, 3), Duration::from_millis(40));
        assert_eq!(latency.one_way(3, 3), Duration::ZERO);
        assert_eq!(latency.nodes(), None);
    }

    #[test]
    fn last_miles_are_added_at_both_ends_but_not_within_a_node() {
        let draws = Draws::new(1, 0);
        let last_mile = LastMile::draw(&Distribution::Constant(0.008), &draws, 3);
        assert_eq!(last_mile.between(0, 2), Duration::from_millis(16));
        assert_eq!(last_mile.between(2, 2), Duration::ZERO);
        assert_eq!(LastMile::none().between(0, 2), Duration::ZERO);
    }

    #[test]
    fn models_are_small() {
        assert!(size_of::<Latency>() <= 96, "{}", size_of::<Latency>());
    }
}
