//! 256-bit Kademlia keys, the XOR metric, and the handles that stand for peers and functions.

use crate::prefetch;
use sha2::{Digest, Sha256};
use std::fmt;

/// A position in the key space: the SHA-256 of a peer id, a function's name or a record's key.
///
/// Held as four big-endian words, so that the numeric order of keys is the lexicographic order of the words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key([u64; 4]);

/// The XOR distance between two keys (Maymounkov and Mazières, "Kademlia", IPTPS 2002, section 2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Distance([u64; 4]);

impl Key {
    /// Bits in a key.
    pub const BITS: u32 = 256;

    /// The key of `preimage`: its SHA-256, as libp2p's Kademlia hashes peer ids and record keys.
    pub fn hash(preimage: &[u8]) -> Self {
        Self::from_bytes(Sha256::digest(preimage).into())
    }

    /// The key with these bytes, most significant first.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = chunk.iter().fold(0, |acc, byte| acc << 8 | u64::from(*byte));
        }
        Key(words)
    }

    /// The key with these words, most significant first.
    pub const fn from_words(words: [u64; 4]) -> Self {
        Key(words)
    }

    /// The bytes of the key, most significant first.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// The 64 most significant bits.
    #[inline]
    pub const fn prefix(&self) -> u64 {
        self.0[0]
    }

    /// The distance to `other`.
    pub fn distance(&self, other: &Key) -> Distance {
        Distance(std::array::from_fn(|i| self.0[i] ^ other.0[i]))
    }

    /// How many leading bits `self` and `other` share, 0 to 256.
    pub fn common_prefix(&self, other: &Key) -> u32 {
        self.distance(other).leading_zeros()
    }
}

impl Distance {
    /// Leading zero bits, 0 to 256.
    pub fn leading_zeros(&self) -> u32 {
        let mut zeros = 0;
        for word in self.0 {
            zeros += word.leading_zeros();
            if word != 0 {
                break;
            }
        }
        zeros
    }

    /// The 64 most significant bits.
    pub const fn prefix(&self) -> u64 {
        self.0[0]
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}…", self.0[0])
    }
}

/// A peer, by a small number that the driver gives a meaning (the simulator: an index into the population;
/// the node: a peer id and its addresses). Below 2^31, see [`PeerHandle::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerHandle(u32);

impl PeerHandle {
    /// The largest handle; routing tables keep a flag in the bit above it.
    pub const MAX: u32 = (1 << 31) - 1;

    /// The handle with this number. Panics above [`PeerHandle::MAX`]: drivers number their peers themselves.
    #[inline]
    pub const fn new(index: u32) -> Self {
        assert!(index <= Self::MAX, "peer handles are 31 bits");
        PeerHandle(index)
    }

    /// The number.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The number, as stored.
    #[inline]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for PeerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer {}", self.0)
    }
}

/// A function, by a small number that the driver gives a meaning (its name).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionHandle(pub u32);

impl FunctionHandle {
    /// The number.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for FunctionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {}", self.0)
    }
}

/// The keys of the peers a driver has given handles to, indexed by handle.
///
/// The first word lies apart: distances are almost always decided by it, and eight bytes a peer stay in the
/// processor's cache where thirty-two would not.
#[derive(Debug, Default, Clone)]
pub struct KeyTable {
    prefixes: Vec<u64>,
    rests: Vec<[u64; 3]>,
}

impl KeyTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty table with room for `capacity` keys.
    pub fn with_capacity(capacity: usize) -> Self {
        KeyTable { prefixes: Vec::with_capacity(capacity), rests: Vec::with_capacity(capacity) }
    }

    /// Adds a key and returns its handle, the next free number.
    pub fn push(&mut self, key: Key) -> PeerHandle {
        let handle = PeerHandle::new(self.prefixes.len() as u32);
        self.prefixes.push(key.0[0]);
        self.rests.push([key.0[1], key.0[2], key.0[3]]);
        handle
    }

    /// Gives `handle`, which must be in the table, another key: how a driver reuses a swept handle.
    pub fn set(&mut self, handle: PeerHandle, key: Key) {
        self.prefixes[handle.index()] = key.0[0];
        self.rests[handle.index()] = [key.0[1], key.0[2], key.0[3]];
    }

    /// The key of a peer. Panics for a handle that the driver never gave out.
    #[inline]
    pub fn key(&self, handle: PeerHandle) -> Key {
        let [b, c, d] = self.rests[handle.index()];
        Key([self.prefixes[handle.index()], b, c, d])
    }

    /// The 64 most significant bits of a peer's key.
    #[inline]
    pub fn prefix(&self, handle: PeerHandle) -> u64 {
        self.prefixes[handle.index()]
    }

    /// Asks the processor for what [`KeyTable::prefix`] of this peer will need.
    #[inline]
    pub fn prefetch(&self, handle: PeerHandle) {
        prefetch::element(&self.prefixes, handle.index());
    }

    /// Number of handles given out.
    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// True before the first key.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// Compares two peers by distance to `target`, ties in the first word by the rest.
    #[inline]
    pub fn cmp_distance(&self, target: &Key, a: PeerHandle, b: PeerHandle) -> std::cmp::Ordering {
        (self.prefix(a) ^ target.0[0])
            .cmp(&(self.prefix(b) ^ target.0[0]))
            .then_with(|| self.key(a).distance(target).cmp(&self.key(b).distance(target)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_words_agree() {
        let key = Key::hash(b"resize");
        assert_eq!(Key::from_bytes(key.to_bytes()), key);
        assert_eq!(key.to_bytes()[0], (key.prefix() >> 56) as u8);
    }

    #[test]
    fn sha256_of_abc_is_the_standards() {
        // FIPS 180-4, example B.1.
        assert_eq!(Key::hash(b"abc").prefix(), 0xba78_16bf_8f01_cfea);
    }

    #[test]
    fn common_prefix_counts_across_words() {
        let a = Key::from_words([7, 1, 0, 0]);
        assert_eq!(a.common_prefix(&a), 256);
        assert_eq!(a.common_prefix(&Key::from_words([7, 0, 0, 0])), 127);
        assert_eq!(a.common_prefix(&Key::from_words([u64::MAX, 1, 0, 0])), 0);
    }
}
