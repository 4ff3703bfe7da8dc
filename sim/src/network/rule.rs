//! What faults change of the network: degraded nodes and partitions. Each fault's changes carry its number, so that
//! overlapping faults heal one by one.

use std::sync::Arc;

use edge_faas_core::time::Duration;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Which fault made a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(pub u32);

/// A worse link of one node: counts for every message from or to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Degradation {
    /// Added to the one-way delay.
    pub delay: Duration,
    /// Probability from 0 to 1 that a packet is lost, on top of the network's.
    pub loss: f64,
    /// What remains of the bandwidth: from 0 (nothing) to 1 (all).
    pub bandwidth: f64,
}

impl Degradation {
    /// A link as it should be.
    pub const NONE: Degradation = Degradation { delay: Duration::ZERO, loss: 0.0, bandwidth: 1.0 };

    /// Both at once.
    fn and(self, other: Degradation) -> Degradation {
        Degradation {
            delay: self.delay + other.delay,
            loss: either(self.loss, other.loss),
            bandwidth: self.bandwidth * other.bandwidth,
        }
    }
}

/// The probability that at least one of two independent events happens.
pub(super) fn either(a: f64, b: f64) -> f64 {
    a + b - a * b
}

/// The faults that the network has at the moment. Costs nothing while there are none.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    degraded: FxHashMap<u32, SmallVec<[(FaultId, Degradation); 1]>>,
    partitions: Vec<(FaultId, Arc<[u8]>)>,
}

impl Rules {
    /// A network without faults.
    pub fn new() -> Self {
        Rules::default()
    }

    /// Makes a node's link worse until [`Rules::heal`]; a second time for the same fault replaces the first.
    pub fn degrade(&mut self, fault: FaultId, node: u32, degradation: Degradation) {
        let of_node = self.degraded.entry(node).or_default();
        match of_node.iter_mut().find(|(id, _)| *id == fault) {
            Some((_, present)) => *present = degradation,
            None => of_node.push((fault, degradation)),
        }
    }

    /// Splits the network until [`Rules::heal`]: nodes of different groups cannot exchange anything. `group[node]`
    /// is a node's group; nodes beyond its end are in group 0.
    pub fn partition(&mut self, fault: FaultId, group: Arc<[u8]>) {
        self.partitions.retain(|(id, _)| *id != fault);
        self.partitions.push((fault, group));
    }

    /// Ends all that a fault did. Returns the nodes it had degraded, in order: their transfers change speed.
    pub fn heal(&mut self, fault: FaultId) -> Vec<u32> {
        self.partitions.retain(|(id, _)| *id != fault);
        let mut healed = Vec::new();
        self.degraded.retain(|node, of_node| {
            let before = of_node.len();
            of_node.retain(|(id, _)| *id != fault);
            if of_node.len() < before {
                healed.push(*node);
            }
            !of_node.is_empty()
        });
        healed.sort_unstable();
        healed
    }

    /// Whether there are nodes at all that cannot exchange messages.
    #[inline]
    pub fn is_partitioned(&self) -> bool {
        !self.partitions.is_empty()
    }

    /// Whether two nodes can exchange messages.
    #[inline]
    pub fn connected(&self, a: u32, b: u32) -> bool {
        let group = |groups: &[u8], node: u32| groups.get(node as usize).copied().unwrap_or(0);
        self.partitions.iter().all(|(_, groups)| group(groups, a) == group(groups, b))
    }

    /// The degradation of one node's link.
    #[inline]
    pub fn degradation(&self, node: u32) -> Degradation {
        if self.degraded.is_empty() {
            return Degradation::NONE;
        }
        match self.degraded.get(&node) {
            Some(of_node) => of_node.iter().fold(Degradation::NONE, |sum, (_, more)| sum.and(*more)),
            None => Degradation::NONE,
        }
    }

    /// The degradation of a message's way: of both ends; the narrower end decides on the bandwidth.
    #[inline]
    pub fn between(&self, a: u32, b: u32) -> Degradation {
        if self.degraded.is_empty() || a == b {
            return Degradation::NONE;
        }
        let (from, to) = (self.degradation(a), self.degradation(b));
        Degradation { bandwidth: from.bandwidth.min(to.bandwidth), ..from.and(to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_faults_add_up_and_heal_one_by_one() {
        let mut rules = Rules::new();
        let slow = Degradation { delay: Duration::from_millis(10), loss: 0.5, bandwidth: 0.5 };
        rules.degrade(FaultId(1), 3, slow);
        rules.degrade(FaultId(2), 3, slow);
        rules.degrade(FaultId(2), 4, Degradation { bandwidth: 0.1, ..Degradation::NONE });
        let both = rules.degradation(3);
        assert_eq!((both.delay, both.loss, both.bandwidth), (Duration::from_millis(20), 0.75, 0.25));
        assert_eq!(rules.between(3, 4), Degradation { bandwidth: 0.1, ..both });
        assert_eq!(rules.between(4, 3), rules.between(3, 4));
        assert_eq!(rules.between(3, 3), Degradation::NONE, "a node reaches itself without its link");
        assert_eq!(rules.heal(FaultId(2)), [3, 4]);
        assert_eq!((rules.degradation(3), rules.degradation(4)), (slow, Degradation::NONE));
        assert_eq!(rules.heal(FaultId(1)), [3]);
        assert!(rules.heal(FaultId(1)).is_empty());
    }

    #[test]
    fn a_partition_separates_groups_until_it_heals() {
        let mut rules = Rules::new();
        rules.partition(FaultId(1), Arc::from([0, 1, 1, 0].as_slice()));
        rules.partition(FaultId(2), Arc::from([0, 0, 7].as_slice()));
        assert!(rules.connected(0, 3) && rules.connected(0, 99), "nodes beyond the end are in group 0");
        assert!(!rules.connected(0, 1) && !rules.connected(1, 0));
        assert!(!rules.connected(1, 2), "by the second partition");
        rules.heal(FaultId(2));
        assert!(rules.connected(1, 2) && !rules.connected(0, 2));
        rules.heal(FaultId(1));
        assert!(rules.connected(0, 2));
    }
}
