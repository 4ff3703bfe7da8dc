//! Who is who: node numbers, handles and keys.

use super::purpose;
use edge_faas_core::draws::Draws;
use edge_faas_core::key::{Key, KeyTable, PeerHandle};
use edge_faas_core::prefetch;

/// Bytes of a peer id: the identity multihash of an Ed25519 public key (libp2p/specs, peer-ids).
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The identities of a network.
///
/// Handles are given in the order of keys: nodes that are close in the key space are close in memory, and the peers
/// that a look-up ends among share cache lines. Draws are made by node number, which does not depend on who else
/// exists.
#[derive(Debug)]
pub(crate) struct Population {
    pub(crate) keys: KeyTable,
    /// Handle → node number.
    number: Vec<u32>,
    /// Node number → its present handle.
    handle: Vec<u32>,
    /// Handle → identities its machine had before.
    generation: Vec<u16>,
}

impl Population {
    pub(crate) fn new(draws: &Draws, nodes: u32) -> Self {
        let mut order: Vec<(Key, u32)> =
            (0..nodes).map(|number| (identity(draws, number, 0), number)).collect();
        order.sort_unstable();
        let mut keys = KeyTable::with_capacity(order.len());
        let mut handle = vec![0; order.len()];
        for (key, number) in &order {
            handle[*number as usize] = keys.push(*key).get();
        }
        let generation = vec![0; order.len()];
        Population { keys, number: order.into_iter().map(|(_, number)| number).collect(), handle, generation }
    }

    pub(crate) fn number(&self, handle: u32) -> u32 {
        self.number[handle as usize]
    }

    /// Asks the processor for what [`Population::number`] needs.
    #[inline]
    pub(crate) fn prefetch(&self, handle: u32) {
        prefetch::element(&self.number, handle as usize);
    }

    /// The present identity of a machine.
    pub(crate) fn handle(&self, number: u32) -> u32 {
        self.handle[number as usize]
    }

    /// Identities so far; those from the first on are in the order of keys up to the number of nodes.
    pub(crate) fn handles(&self) -> u32 {
        self.number.len() as u32
    }

    /// Machines.
    pub(crate) fn nodes(&self) -> u32 {
        self.handle.len() as u32
    }

    /// The number under which an identity's draws are made.
    pub(crate) fn identity(&self, handle: u32) -> u64 {
        u64::from(self.generation[handle as usize]) << 32 | u64::from(self.number[handle as usize])
    }

    /// Gives a machine a new identity.
    pub(crate) fn renew(&mut self, draws: &Draws, number: u32) -> u32 {
        let generation = self.generation[self.handle[number as usize] as usize].saturating_add(1);
        let handle = self.push(identity(draws, number, generation), number, generation);
        self.handle[number as usize] = handle;
        handle
    }

    /// Adds an identity that belongs to nobody: what a liar makes up.
    pub(crate) fn phantom(&mut self, draws: &Draws, n: u16) -> u32 {
        self.push(identity(draws, u32::MAX, n), 0, 0)
    }

    fn push(&mut self, key: Key, number: u32, generation: u16) -> u32 {
        let handle: PeerHandle = self.keys.push(key);
        self.number.push(number);
        self.generation.push(generation);
        handle.get()
    }
}

fn identity(draws: &Draws, number: u32, generation: u16) -> Key {
    let mut stream = draws.stream(purpose::IDENTITY, u64::from(generation) << 32 | u64::from(number));
    let mut id = [0; 38];
    id[..6].copy_from_slice(&PEER_ID_PREFIX);
    for chunk in id[6..].chunks_exact_mut(8) {
        chunk.copy_from_slice(&stream.next_u64().to_be_bytes());
    }
    Key::hash(&id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_in_the_order_of_keys_and_keys_do_not_depend_on_the_others() {
        let draws = Draws::new(1, 0);
        let small = Population::new(&draws, 50);
        let large = Population::new(&draws, 80);
        assert!((1..50).all(|h| small.keys.key(PeerHandle::new(h - 1)) < small.keys.key(PeerHandle::new(h))));
        for number in 0..50 {
            assert_eq!(
                small.keys.key(PeerHandle::new(small.handle(number))),
                large.keys.key(PeerHandle::new(large.handle(number)))
            );
            assert_eq!(small.number(small.handle(number)), number);
        }
    }

    #[test]
    fn a_renewed_machine_has_another_key_and_the_old_one_stays_known() {
        let draws = Draws::new(1, 0);
        let mut population = Population::new(&draws, 3);
        let old = population.handle(2);
        let new = population.renew(&draws, 2);
        assert_eq!((population.handle(2), population.number(new), population.number(old)), (new, 2, 2));
        assert_ne!(population.keys.key(PeerHandle::new(old)), population.keys.key(PeerHandle::new(new)));
        assert_ne!(population.identity(old), population.identity(new));
    }
}
