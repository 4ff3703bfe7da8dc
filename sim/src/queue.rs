//! The event queue: a hierarchical timing wheel with exact order.
//!
//! Events are taken in order of time, and in the order of their insertion where times are equal. A slot of the
//! lowest level is sorted when its turn comes, so an insertion costs a push to a vector instead of the walk through
//! a heap as large as the number of pending events (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels",
//! SOSP 1987; the sorting of the current slot is that of a ladder queue, Tang et al., ACM TOMACS 15, 2005).

use edge_faas_core::time::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Slots of a level: 2^10.
const SLOT_BITS: u32 = 10;
const SLOTS: usize = 1 << SLOT_BITS;
/// Width of a slot of the lowest level: 2^22 ns, about four milliseconds. Wider ones make [`EventQueue::upcoming`] see
/// farther in a quiet network; events within the present slot cost a heap's insertion.
const WIDTH_BITS: u32 = 22;
/// Five levels reach 2^70 ns, more than an instant can hold.
const LEVELS: usize = 5;

#[derive(Clone, Copy, Debug)]
struct Entry<E> {
    at: u64,
    event: E,
}

/// An entry that was inserted into the slot that is being taken.
#[derive(Debug)]
struct Late<E> {
    at: u64,
    order: u64,
    event: E,
}

impl<E> PartialEq for Late<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl<E> Eq for Late<E> {}
impl<E> PartialOrd for Late<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for Late<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[derive(Debug)]
struct Level<E> {
    slots: Vec<Vec<Entry<E>>>,
    occupied: [u64; SLOTS / 64],
}

impl<E> Level<E> {
    fn new() -> Self {
        Level { slots: std::iter::repeat_with(Vec::new).take(SLOTS).collect(), occupied: [0; SLOTS / 64] }
    }

    fn push(&mut self, slot: usize, entry: Entry<E>) {
        self.slots[slot].push(entry);
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    fn clear(&mut self, slot: usize) {
        self.occupied[slot / 64] &= !(1 << (slot % 64));
    }

    /// The first occupied slot at `from` or after it.
    fn next_occupied(&self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        if word >= self.occupied.len() {
            return None;
        }
        let mut bits = self.occupied[word] & (u64::MAX << (from % 64));
        loop {
            if bits != 0 {
                return Some(word * 64 + bits.trailing_zeros() as usize);
            }
            word += 1;
            bits = *self.occupied.get(word)?;
        }
    }
}

/// Pending events of type `E`, ordered by time, then by insertion.
#[derive(Debug)]
pub struct EventQueue<E> {
    origin: i64,
    /// The start of the lowest level's slot that is being taken, since the origin.
    cursor: u64,
    /// The rest of that slot, latest first.
    current: Vec<Entry<E>>,
    late: BinaryHeap<Reverse<Late<E>>>,
    late_order: u64,
    levels: Vec<Level<E>>,
    len: usize,
    peak: usize,
}

impl<E: Copy> EventQueue<E> {
    /// An empty queue whose earliest event may be at `origin`.
    pub fn new(origin: Time) -> Self {
        EventQueue {
            origin: origin.as_nanos(),
            cursor: 0,
            current: Vec::new(),
            late: BinaryHeap::new(),
            late_order: 0,
            levels: std::iter::repeat_with(Level::new).take(LEVELS).collect(),
            len: 0,
            peak: 0,
        }
    }

    /// Number of pending events.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if no event is pending.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The largest number of events that were ever pending.
    pub fn peak(&self) -> usize {
        self.peak
    }

    /// Adds an event. One before the time of the last event taken is taken next.
    pub fn push(&mut self, at: Time, event: E) {
        let at = u64::try_from(at.as_nanos().saturating_sub(self.origin)).unwrap_or(0);
        self.len += 1;
        self.peak = self.peak.max(self.len);
        if at >> WIDTH_BITS <= self.cursor >> WIDTH_BITS {
            self.late_order += 1;
            self.late.push(Reverse(Late { at, order: self.late_order, event }));
            return;
        }
        self.insert(Entry { at, event });
    }

    /// Puts an entry after the cursor's slot into the lowest level whose window holds it. Because windows are
    /// aligned, a slot of a lower level receives what cascades from above before what is pushed directly, so that
    /// each slot is in order of insertion.
    fn insert(&mut self, entry: Entry<E>) {
        let differing = 63 - (entry.at ^ self.cursor).leading_zeros();
        let level = (differing.saturating_sub(WIDTH_BITS) / SLOT_BITS) as usize;
        let slot = (entry.at >> (WIDTH_BITS + SLOT_BITS * level as u32)) as usize % SLOTS;
        self.levels[level].push(slot, entry);
    }

    /// The time of the next event.
    pub fn peek(&mut self) -> Option<Time> {
        if !self.advance() {
            return None;
        }
        let current = self.current.last().map(|entry| entry.at);
        let late = self.late.peek().map(|Reverse(late)| late.at);
        let at = match (current, late) {
            (Some(current), Some(late)) => current.min(late),
            (current, late) => current.or(late)?,
        };
        Some(Time::from_nanos(self.origin + at as i64))
    }

    /// The event that is about `ahead` events away, 0 the next, as far as that is known without looking far: a hint.
    #[inline]
    pub fn upcoming(&self, ahead: usize) -> Option<&E> {
        let at = self.current.len().checked_sub(ahead + 1)?;
        self.current.get(at).map(|entry| &entry.event)
    }

    /// Takes the next event.
    pub fn pop(&mut self) -> Option<(Time, E)> {
        if !self.advance() {
            return None;
        }
        self.len -= 1;
        let late_first = match (self.current.last(), self.late.peek()) {
            // What lay in the slot before it was opened was inserted earlier.
            (Some(current), Some(Reverse(late))) => late.at < current.at,
            (None, _) => true,
            (_, None) => false,
        };
        let (at, event) = if late_first {
            let Reverse(late) = self.late.pop()?;
            (late.at, late.event)
        } else {
            let entry = self.current.pop()?;
            (entry.at, entry.event)
        };
        Some((Time::from_nanos(self.origin + at as i64), event))
    }

    /// Makes sure that the next event lies in `current` or `late`; false if there is none.
    fn advance(&mut self) -> bool {
        if !self.current.is_empty() || !self.late.is_empty() {
            return true;
        }
        if self.len == 0 {
            return false;
        }
        loop {
            let from = (self.cursor >> WIDTH_BITS) as usize % SLOTS;
            if let Some(slot) = self.levels[0].next_occupied(from) {
                let above = self.cursor >> (WIDTH_BITS + SLOT_BITS) << (WIDTH_BITS + SLOT_BITS);
                self.cursor = above | (slot as u64) << WIDTH_BITS;
                self.levels[0].clear(slot);
                // The emptied vector goes back into the slot, so that its memory is used again.
                std::mem::swap(&mut self.current, &mut self.levels[0].slots[slot]);
                self.current.reverse();
                // Stable: entries of equal time stay in the reversed order of their insertion.
                self.current.sort_by_key(|entry| Reverse(entry.at));
                return true;
            }
            self.cascade();
        }
    }

    /// Moves the cursor to the next occupied slot of the lowest level that has one, and spreads that slot over the
    /// levels below.
    fn cascade(&mut self) {
        for level in 1..LEVELS {
            let shift = WIDTH_BITS + SLOT_BITS * level as u32;
            let from = (self.cursor >> shift) as usize % SLOTS;
            // The cursor's own slot was spread when the cursor entered it.
            let Some(slot) = self.levels[level].next_occupied(from + 1) else {
                continue;
            };
            let above = if shift + SLOT_BITS >= 64 {
                0
            } else {
                self.cursor >> (shift + SLOT_BITS) << (shift + SLOT_BITS)
            };
            self.cursor = above | (slot as u64) << shift;
            self.levels[level].clear(slot);
            let entries = std::mem::take(&mut self.levels[level].slots[slot]);
            for entry in entries {
                if entry.at >> WIDTH_BITS == self.cursor >> WIDTH_BITS {
                    self.levels[0].push((self.cursor >> WIDTH_BITS) as usize % SLOTS, entry);
                } else {
                    self.insert(entry);
                }
            }
            return;
        }
        unreachable!("the queue counts an event that it does not hold");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn events_of_equal_time_keep_their_order() {
        let mut queue = EventQueue::new(Time::ZERO);
        for i in 0..100 {
            queue.push(Time::from_nanos(5_000_000_000), i);
        }
        for i in 0..100 {
            assert_eq!(queue.pop(), Some((Time::from_nanos(5_000_000_000), i)));
        }
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn the_far_future_is_reached() {
        let mut queue = EventQueue::new(Time::from_nanos(-7));
        queue.push(Time::from_nanos(i64::MAX - 10), 1);
        queue.push(Time::from_nanos(-7), 0);
        assert_eq!(queue.pop().map(|(_, e)| e), Some(0));
        assert_eq!(queue.pop(), Some((Time::from_nanos(i64::MAX - 10), 1)));
    }

    proptest! {
        /// Against a sorted map: any mixture of pushes (relative to the last event taken) and pops.
        #[test]
        fn agrees_with_a_sorted_map(steps in prop::collection::vec((0u32..50, 0u64..1 << 20, any::<bool>()), 1..400)) {
            let mut queue = EventQueue::new(Time::ZERO);
            let mut model = std::collections::BTreeMap::new();
            let (mut now, mut order) = (0i64, 0u64);
            for (shift, mantissa, pop) in steps {
                if pop {
                    let expected = model.pop_first().map(|((at, _), event)| (Time::from_nanos(at), event));
                    prop_assert_eq!(queue.peek(), expected.map(|(at, _)| at));
                    let taken = queue.pop();
                    prop_assert_eq!(taken, expected);
                    if let Some((at, _)) = taken { now = at.as_nanos(); }
                } else {
                    let at = now.saturating_add(((mantissa << shift) >> 12) as i64 & (i64::MAX >> 1)).min(i64::MAX >> 1);
                    order += 1;
                    queue.push(Time::from_nanos(at), order);
                    model.insert((at, order), order);
                }
                prop_assert_eq!(queue.len(), model.len());
            }
            while let Some(((at, _), event)) = model.pop_first() {
                prop_assert_eq!(queue.pop(), Some((Time::from_nanos(at), event)));
            }
            prop_assert!(queue.is_empty());
        }
    }
}
