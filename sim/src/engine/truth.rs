//! What only a simulator knows: who is up, and who is truly closest.

use super::Engine;
use edge_faas_core::key::{FunctionHandle, Key, KeyTable, PeerHandle};
use edge_faas_core::results::Outcome;

impl Engine<'_> {
    /// True if a call of this function failed so because none of its providers could have run it. That nobody hosts
    /// a function at all is what `not_found` says.
    pub(crate) fn is_unavailable(&self, function: FunctionHandle, outcome: Outcome) -> bool {
        let providers = self.hosts.providers(function);
        let live = providers.iter().any(|number| self.provides(*number));
        !live && (outcome != Outcome::NotFound || !providers.is_empty())
    }

    /// True if a machine's node and runtime are up.
    pub(crate) fn provides(&self, number: u32) -> bool {
        self.nodes[self.population.handle(number) as usize].is_up()
            && self.machines[number as usize].runtime.as_ref().is_some_and(|runtime| !runtime.down)
    }

    /// The `k` closest to `key` among `handles`, which are in the order of keys; closest first.
    pub(crate) fn closest_of(&self, key: &Key, handles: &[u32], k: usize) -> Vec<u32> {
        let mut search = Search { keys: &self.population.keys, key, k, found: Vec::with_capacity(k) };
        search.visit(0, handles.len(), 0, &|at| handles[at], &|_| true);
        search.found
    }

    /// The `k` servers closest to `key` that are up; closest first, `except` left out.
    pub(crate) fn closest_live(&self, key: &Key, k: usize, except: u32) -> Vec<u32> {
        let wanted = |handle: u32| {
            let node = &self.nodes[handle as usize];
            handle != except && node.is_up() && node.server
        };
        let machines = self.population.nodes();
        let mut search = Search { keys: &self.population.keys, key, k, found: Vec::with_capacity(k) };
        search.visit(0, machines as usize, 0, &|at| at as u32, &wanted);
        // Identities that were made later are not in the order of keys; they are few.
        let later = (machines..self.nodes.len() as u32).filter(|handle| wanted(*handle));
        let mut found = search.found;
        let before = found.len();
        found.extend(later);
        if found.len() > before {
            let keys = &self.population.keys;
            found.sort_unstable_by(|a, b| keys.cmp_distance(key, PeerHandle::new(*a), PeerHandle::new(*b)));
            found.truncate(k);
        }
        found
    }
}

/// A search for the closest nodes in a list that is in the order of keys: the list is a binary trie, and the
/// subtree on the key's side of a branch is closer than the other one, as a whole.
struct Search<'a> {
    keys: &'a KeyTable,
    key: &'a Key,
    k: usize,
    found: Vec<u32>,
}

impl Search<'_> {
    /// Adds what is wanted of positions `low..high`, which share `depth` leading bits, closest first.
    fn visit(
        &mut self,
        low: usize,
        high: usize,
        depth: u32,
        at: &dyn Fn(usize) -> u32,
        wanted: &dyn Fn(u32) -> bool,
    ) {
        /// Lists up to this length are sorted instead.
        const LEAF: usize = 16;
        if low >= high || self.found.len() >= self.k {
            return;
        }
        if high - low <= LEAF || depth >= u64::BITS {
            let mut leaf: Vec<u32> = (low..high).map(at).filter(|handle| wanted(*handle)).collect();
            let (keys, key) = (self.keys, self.key);
            leaf.sort_unstable_by(|a, b| keys.cmp_distance(key, PeerHandle::new(*a), PeerHandle::new(*b)));
            leaf.truncate(self.k - self.found.len());
            self.found.append(&mut leaf);
            return;
        }
        let bit = 1u64 << (63 - depth);
        let split =
            low + partition(high - low, |i| self.keys.prefix(PeerHandle::new(at(low + i))) & bit == 0);
        let (near, far) = if self.key.prefix() & bit == 0 {
            ((low, split), (split, high))
        } else {
            ((split, high), (low, split))
        };
        self.visit(near.0, near.1, depth + 1, at, wanted);
        self.visit(far.0, far.1, depth + 1, at, wanted);
    }
}

/// Number of leading positions for which `before` holds.
fn partition(len: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::population::Population;
    use edge_faas_core::draws::Draws;

    #[test]
    fn the_search_agrees_with_sorting_everything() {
        let population = Population::new(&Draws::new(3, 0), 500);
        for target in 0..50u32 {
            let key = Key::hash(&target.to_be_bytes());
            let mut all: Vec<u32> = (0..500).filter(|handle| handle % 3 != 0).collect();
            let mut search = Search { keys: &population.keys, key: &key, k: 20, found: Vec::new() };
            search.visit(0, 500, 0, &|at| at as u32, &|handle| handle % 3 != 0);
            all.sort_by_key(|handle| population.keys.key(PeerHandle::new(*handle)).distance(&key));
            assert_eq!(search.found, all[..20]);
        }
    }
}
