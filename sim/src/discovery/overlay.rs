//! The links of an unstructured network.

use crate::engine::purpose;
use edge_faas_core::draws::Draws;

/// A random graph of the machines that never changes: each has `degree` links, all of them both ways.
///
/// It is the union of degree / 2 random rings through all machines, and of a random matching where the degree is
/// odd: connected, and an expander with high probability (Law and Siu, "Distributed Construction of Random Expander
/// Networks", INFOCOM 2003). In small networks rings may share links; such machines have fewer.
#[derive(Debug)]
pub(super) struct Overlay {
    /// Where each machine's links begin in `links`, and the end.
    start: Vec<u32>,
    links: Vec<u32>,
}

impl Overlay {
    pub(super) fn new(draws: &Draws, nodes: u32, degree: u32) -> Self {
        let mut pairs: Vec<(u32, u32)> = Vec::with_capacity(nodes as usize * degree as usize);
        let mut order: Vec<u32> = (0..nodes).collect();
        let mut add = |a: u32, b: u32| {
            if a != b {
                pairs.extend([(a, b), (b, a)]);
            }
        };
        for ring in 0..degree.div_ceil(2) {
            draws.stream(purpose::DISCOVERY, u64::MAX - u64::from(ring)).shuffle(&mut order);
            // The last of an odd degree is every other link of a ring.
            let step = if ring == degree / 2 { 2 } else { 1 };
            for at in (0..order.len()).step_by(step) {
                add(order[at], order[(at + 1) % order.len()]);
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut start = Vec::with_capacity(nodes as usize + 1);
        let mut at = 0;
        for number in 0..=nodes {
            while pairs.get(at).is_some_and(|(from, _)| *from < number) {
                at += 1;
            }
            start.push(at as u32);
        }
        Overlay { start, links: pairs.into_iter().map(|(_, to)| to).collect() }
    }

    /// The machines that a machine is linked to, ascending.
    pub(super) fn links(&self, number: u32) -> &[u32] {
        &self.links[self.start[number as usize] as usize..self.start[number as usize + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_go_both_ways_and_reach_everybody() {
        for (nodes, degree) in [(2, 1), (10, 2), (57, 3), (1_000, 8)] {
            let overlay = Overlay::new(&Draws::new(5, 0), nodes, degree);
            for number in 0..nodes {
                let links = overlay.links(number);
                assert!(links.len() <= degree as usize + 1 && !links.contains(&number), "{nodes} {degree}");
                assert!(links.iter().all(|other| overlay.links(*other).binary_search(&number).is_ok()));
            }
            let mut reached = vec![0];
            let mut seen = vec![false; nodes as usize];
            seen[0] = true;
            while let Some(number) = reached.pop() {
                for other in overlay.links(number) {
                    if !std::mem::replace(&mut seen[*other as usize], true) {
                        reached.push(*other);
                    }
                }
            }
            assert!(seen.iter().all(|seen| *seen), "{nodes} nodes of degree {degree}");
        }
        let overlay = Overlay::new(&Draws::new(5, 0), 1_000, 8);
        assert!(overlay.links.len() > 7_900, "few links of large rings coincide");
    }
}
