//! The routing table: buckets of peers by the length of the prefix they share with this node.

use super::message::Peers;
use crate::key::{Key, KeyTable, PeerHandle};
use crate::prefetch;
use smallvec::SmallVec;
use std::ops::Range;

/// The bit that marks an entry whose last request failed. Handles are below it.
const STALE: u32 = 1 << 31;
/// Entries the allocation grows by: a table fills once and then stays, so doubling would waste a third.
const GROWTH: usize = 16;

/// A routing table (Maymounkov and Mazières 2002, section 2.4).
///
/// Bucket `i` holds up to k peers whose keys share exactly `i` leading bits with this node's, the least recently
/// seen first. All buckets lie in one allocation, four bytes an entry: a network of a million nodes has about 345
/// entries a node. There is no time per entry: order and a stale flag say all that is needed.
///
/// A full bucket keeps its live contacts, for what has been up long stays up (section 2.4 there); a newcomer takes
/// the place of a stale entry or none. A failed request makes an entry stale: it is not named to others and
/// starts no look-up; a message from it clears the flag, a second failure removes it.
#[derive(Debug, Default, Clone)]
pub struct Table {
    entries: Vec<u32>,
    lens: SmallVec<[u8; 32]>,
}

#[inline]
fn peer_of(entry: u32) -> PeerHandle {
    PeerHandle::new(entry & !STALE)
}

impl Table {
    /// The bucket of `peer` in the table of `me`; `None` for `me` itself.
    pub fn bucket_of(me: PeerHandle, peer: PeerHandle, peers: &KeyTable) -> Option<usize> {
        let first = (peers.prefix(me) ^ peers.prefix(peer)).leading_zeros();
        if first < 64 {
            return Some(first as usize);
        }
        let shared = peers.key(me).common_prefix(&peers.key(peer));
        (shared < Key::BITS).then_some(shared as usize)
    }

    /// Entries of all buckets, stale ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when nobody is known.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Stale entries.
    pub fn stale(&self) -> usize {
        self.entries.iter().filter(|entry| **entry & STALE != 0).count()
    }

    /// Buckets up to the deepest that was ever used.
    pub fn buckets(&self) -> usize {
        self.lens.len()
    }

    /// The entries of bucket `bucket`, least recently seen first, each with its stale flag.
    pub fn bucket(&self, bucket: usize) -> impl Iterator<Item = (PeerHandle, bool)> + '_ {
        self.entries[self.range(bucket)].iter().map(|entry| (peer_of(*entry), entry & STALE != 0))
    }

    /// All entries, farthest bucket first.
    pub fn iter(&self) -> impl Iterator<Item = PeerHandle> + '_ {
        self.entries.iter().map(|entry| peer_of(*entry))
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let lens = if self.lens.spilled() { self.lens.capacity() } else { 0 };
        self.entries.capacity() * size_of::<u32>() + lens
    }

    /// Fills an empty table: `peers` bucket by bucket, the farthest (0) first, `lens` their sizes. The caller
    /// answers for every peer being in its bucket; debug builds check it.
    pub(crate) fn fill(&mut self, me: PeerHandle, list: &[PeerHandle], lens: &[u8], peers: &KeyTable) {
        assert_eq!(
            list.len(),
            lens.iter().map(|len| usize::from(*len)).sum::<usize>(),
            "the sizes of the buckets add up"
        );
        self.entries = list.iter().map(|peer| peer.get()).collect();
        self.lens = SmallVec::from_slice(lens);
        debug_assert!((0..self.buckets()).all(|bucket| {
            self.bucket(bucket).all(|(peer, _)| Self::bucket_of(me, peer, peers) == Some(bucket))
        }));
    }

    /// `peer` sent something: it is the most recently seen of its bucket now. Returns false when it did not get in.
    pub fn seen(&mut self, me: PeerHandle, peer: PeerHandle, k: usize, peers: &KeyTable) -> bool {
        let Some(bucket) = Self::bucket_of(me, peer, peers) else {
            return false;
        };
        if bucket >= self.lens.len() {
            self.lens.resize(bucket + 1, 0);
        }
        let range = self.range(bucket);
        let slots = &mut self.entries[range.clone()];
        if let Some(at) = slots.iter().position(|entry| entry & !STALE == peer.get()) {
            slots.copy_within(at + 1.., at);
            slots[range.len() - 1] = peer.get();
            return true;
        }
        // A length is one byte.
        if range.len() < k.min(usize::from(u8::MAX)) {
            if self.entries.len() == self.entries.capacity() {
                self.entries.reserve_exact(GROWTH);
            }
            self.entries.insert(range.end, peer.get());
            self.lens[bucket] += 1;
            return true;
        }
        if let Some(at) = slots.iter().position(|entry| entry & STALE != 0) {
            slots.copy_within(at + 1.., at);
            slots[range.len() - 1] = peer.get();
            return true;
        }
        false
    }

    /// A request to `peer` failed: it becomes stale, or leaves if it was.
    pub fn failed(&mut self, me: PeerHandle, peer: PeerHandle, peers: &KeyTable) {
        if let Some((bucket, at)) = self.find(me, peer, peers) {
            if self.entries[at] & STALE != 0 {
                self.entries.remove(at);
                self.lens[bucket] -= 1;
            } else {
                self.entries[at] |= STALE;
            }
        }
    }

    /// `peer` is suspect: it becomes stale.
    pub fn suspect(&mut self, me: PeerHandle, peer: PeerHandle, peers: &KeyTable) {
        if let Some((_, at)) = self.find(me, peer, peers) {
            self.entries[at] |= STALE;
        }
    }

    /// True if `peer` is in the table, stale or not.
    pub fn contains(&self, me: PeerHandle, peer: PeerHandle, peers: &KeyTable) -> bool {
        self.find(me, peer, peers).is_some()
    }

    /// Asks the processor for the entries that a message of `from`'s will need, and those closest to `target`.
    #[inline]
    pub(crate) fn prefetch(&self, me: PeerHandle, from: PeerHandle, target: Option<&Key>, peers: &KeyTable) {
        /// Entries in a cache line.
        const LINE: usize = 64 / size_of::<u32>();
        let own = peers.prefix(me);
        let ask = |prefix: u64, lines: usize| {
            let start = self.range((own ^ prefix).leading_zeros() as usize).start;
            for line in 0..lines {
                prefetch::element(&self.entries, start + line * LINE);
            }
        };
        ask(peers.prefix(from), 2);
        if let Some(target) = target {
            ask(target.prefix(), 3);
        }
    }

    /// Up to `n` live entries closest to `target`, in no particular order, `exclude` left out.
    ///
    /// With D the distance between this node and the target, bucket `j` is closer to the target than every deeper
    /// bucket if bit `j` of D is set, and farther than all of them if not. So whole buckets are taken in that
    /// order (set bits downwards, then clear bits upwards) and only in the last one anything is compared.
    pub fn closest(
        &self,
        me: PeerHandle,
        target: &Key,
        n: usize,
        exclude: Option<PeerHandle>,
        peers: &KeyTable,
    ) -> Peers {
        // One bucket more than asked for, so that whole buckets can be written before they are cut.
        let room = n + self.lens.iter().max().map_or(0, |len| usize::from(*len));
        let mut inline = [PeerHandle::new(0); 64];
        let mut heap = Vec::new();
        let list = if room <= inline.len() {
            &mut inline[..room]
        } else {
            heap.resize(room, PeerHandle::new(0));
            &mut heap
        };
        let exclude = exclude.map_or(u32::MAX, PeerHandle::get);
        let mut found = Found { list, len: 0, n, exclude };
        let distance = DistanceBits::new(me, target, peers, self.lens.len());
        // Where the first buckets end: those are nearly all.
        let mut ends = [0u32; 32];
        let mut end = 0;
        for (slot, len) in ends.iter_mut().zip(&self.lens) {
            end += u32::from(*len);
            *slot = end;
        }
        let range = |bucket: usize| match ends.get(bucket) {
            Some(end) => *end as usize - usize::from(self.lens[bucket])..*end as usize,
            None => self.range(bucket),
        };
        let mut set = 0;
        while let Some(bucket) = distance.next(set, self.lens.len()) {
            set = bucket + 1;
            if found.take(&self.entries[range(bucket)], bucket, target, peers) {
                return found.finish();
            }
        }
        for bucket in (0..self.lens.len()).rev() {
            if !distance.is_set(bucket) && found.take(&self.entries[range(bucket)], bucket, target, peers) {
                break;
            }
        }
        found.finish()
    }

    /// The buckets that hold this node's nearest neighbours: from the returned one on there are at most `k` entries,
    /// so that a look-up of the node's own key meets them all.
    pub fn nearest_buckets(&self, k: usize) -> usize {
        let mut count = 0;
        for (bucket, len) in self.lens.iter().enumerate().rev() {
            count += usize::from(*len);
            if count > k {
                return bucket + 1;
            }
        }
        0
    }

    /// Whom to ask for a sign of life among these buckets: the stale entries, or if there are none the least recently
    /// seen of the first.
    pub(crate) fn suspects(&self, buckets: Range<usize>) -> Peers {
        let start = self.range(buckets.start).start;
        let end = self.range(buckets.end.max(buckets.start + 1) - 1).end;
        let entries = &self.entries[start..end];
        let mut suspects: Peers =
            entries.iter().filter(|entry| **entry & STALE != 0).map(|entry| peer_of(*entry)).collect();
        if suspects.is_empty() {
            suspects.extend(entries.first().map(|entry| peer_of(*entry)));
        }
        suspects
    }

    /// Where a bucket lies.
    fn range(&self, bucket: usize) -> Range<usize> {
        let bucket = bucket.min(self.lens.len());
        let start = self.lens[..bucket].iter().map(|len| usize::from(*len)).sum();
        start..start + self.lens.get(bucket).map_or(0, |len| usize::from(*len))
    }

    fn find(&self, me: PeerHandle, peer: PeerHandle, peers: &KeyTable) -> Option<(usize, usize)> {
        let bucket = Self::bucket_of(me, peer, peers)?;
        let range = self.range(bucket);
        let at = self.entries[range.clone()].iter().position(|entry| entry & !STALE == peer.get())?;
        Some((bucket, range.start + at))
    }
}

/// The list that [`Table::closest`] fills.
struct Found<'a> {
    list: &'a mut [PeerHandle],
    len: usize,
    n: usize,
    exclude: u32,
}

impl Found<'_> {
    /// Adds the live entries of a bucket, the closest ones where not all have room. True when full.
    fn take(&mut self, entries: &[u32], bucket: usize, target: &Key, peers: &KeyTable) -> bool {
        let start = self.len;
        for entry in entries {
            // Written always, kept if live: a branch would be guessed wrong often. A stale entry's number is above
            // every handle.
            self.list[self.len] = peer_of(*entry);
            self.len += usize::from(*entry < STALE && *entry != self.exclude);
        }
        if self.len > self.n {
            closest_first(&mut self.list[start..self.len], self.n - start, bucket, target, peers);
            self.len = self.n;
        }
        self.len == self.n
    }

    fn finish(self) -> Peers {
        Peers::from_slice(&self.list[..self.len])
    }
}

/// Moves the `room` peers closest to `target` to the front of `list`, in no particular order. All are of one bucket, so
/// that their distances to anything differ only after its bit.
fn closest_first(list: &mut [PeerHandle], room: usize, bucket: usize, target: &Key, peers: &KeyTable) {
    /// Lists up to this length are ranked by counting: no step of it depends on the one before, nor on a branch that
    /// is guessed wrong half of the time, as those of sorting do.
    const RANKED: usize = 24;
    if list.len() <= RANKED && bucket < 32 {
        let mut distances = [u32::MAX; RANKED];
        for (distance, peer) in distances.iter_mut().zip(&*list) {
            *distance = ((peers.prefix(*peer) ^ target.prefix()) << bucket >> 31) as u32;
        }
        let mut chosen = [PeerHandle::new(0); RANKED];
        let mut count = 0;
        for (peer, own) in list.iter().zip(&distances) {
            let rank: u32 = distances.iter().map(|distance| u32::from(distance < own)).sum();
            chosen[count] = *peer;
            count += usize::from((rank as usize) < room);
        }
        // More if some are equal in 32 bits.
        if count == room {
            list[..room].copy_from_slice(&chosen[..room]);
            return;
        }
    }
    if room > 0 {
        list.select_nth_unstable_by(room - 1, |a, b| peers.cmp_distance(target, *a, *b));
    }
}

/// The bits of the distance between this node and a target, as far as the table's buckets go.
struct DistanceBits {
    first: u64,
    // Only for a table that is deeper than 64 buckets.
    all: Option<[u8; 32]>,
}

impl DistanceBits {
    fn new(me: PeerHandle, target: &Key, peers: &KeyTable, buckets: usize) -> Self {
        DistanceBits {
            first: peers.prefix(me) ^ target.prefix(),
            all: (buckets > 64).then(|| {
                let (a, b) = (peers.key(me).to_bytes(), target.to_bytes());
                std::array::from_fn(|i| a[i] ^ b[i])
            }),
        }
    }

    /// The first bit at `from` or after it that is set, below `end`.
    fn next(&self, from: usize, end: usize) -> Option<usize> {
        match self.all {
            Some(_) => (from..end).find(|bit| self.is_set(*bit)),
            None => {
                let rest = self.first.checked_shl(from as u32).unwrap_or(0);
                let bit = from + rest.leading_zeros() as usize;
                (rest != 0 && bit < end).then_some(bit)
            }
        }
    }

    fn is_set(&self, bit: usize) -> bool {
        match &self.all {
            Some(bytes) => bytes[bit / 8] >> (7 - bit % 8) & 1 == 1,
            None => self.first >> (63 - bit) & 1 == 1,
        }
    }
}
