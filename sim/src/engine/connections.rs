//! The connections of one node, as it sees them.

use edge_faas_core::prefetch;
use edge_faas_core::time::{Duration, Time};

/// Which peers a node is connected to, and when something last passed.
///
/// This is looked at twice for every message, so it is an open-addressing table (linear probing, Knuth, TAOCP 3,
/// section 6.4) of eight bytes an entry: one cache line for most look-ups. Idle connections are not closed by an event each:
/// an entry past its time counts as closed and goes when the table is next rebuilt. Times are kept in ticks of
/// about a millisecond.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// Peer in the upper half, tick in the lower; [`FREE`] where there is none. A power of two of them.
    slots: Vec<u64>,
    used: u32,
    /// Handshakes under way, with the exact instant of their end.
    opening: Vec<(u32, Time)>,
}

/// What a node knows about its connection to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// None, or it has idled too long.
    Closed,
    /// Open, and last used at this instant (to a tick, rounded down).
    Open(Time),
    /// The handshake ends at this instant.
    Opening(Time),
}

/// No peer has this number: handles are 31 bits.
const FREE: u64 = u64::MAX;
const SLOTS_MIN: usize = 8;
/// 2^20 ns a tick: 52 days in 32 bits.
const TICK_BITS: u32 = 20;
/// The length of a tick in nanoseconds.
pub(crate) const TICK: i64 = 1 << TICK_BITS;
/// Ticks are counted from here, so that instants before time 0 have one.
const TICK_ORIGIN: i64 = 1 << 30;

/// What a table needs to know of its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) now: Time,
    pub(crate) idle: Duration,
    pub(crate) max: usize,
}

fn tick(at: Time) -> u32 {
    ((at.as_nanos() >> TICK_BITS) + TICK_ORIGIN).clamp(0, i64::from(u32::MAX)) as u32
}

fn instant(tick: u32) -> Time {
    Time::from_nanos((i64::from(tick) - TICK_ORIGIN) << TICK_BITS)
}

/// A place of the table: the later of two of the same peer is the larger number.
fn entry(peer: u32, at: Time) -> u64 {
    u64::from(peer) << 32 | u64::from(tick(at))
}

impl Clock {
    /// The least tick of a connection that is open.
    fn oldest(&self) -> u32 {
        tick(Time::from_nanos(self.now.as_nanos().saturating_sub(self.idle.as_nanos())))
    }
}

impl Connections {
    /// Where `peer` is, or where it would be put; `None` in an empty table.
    fn find(&self, peer: u32) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = self.home(peer);
        loop {
            let slot = self.slots[at];
            if slot == FREE || (slot >> 32) as u32 == peer {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    /// Asks the processor for the place of `peer`.
    #[inline]
    pub(crate) fn prefetch(&self, peer: u32) {
        prefetch::element(&self.slots, self.home(peer));
    }

    /// Where the search for `peer` begins.
    fn home(&self, peer: u32) -> usize {
        // Fibonacci hashing: the upper bits of the product are well mixed.
        (peer.wrapping_mul(0x9E37_79B9) >> 7) as usize & self.slots.len().wrapping_sub(1)
    }

    #[cfg(test)]
    fn get(&self, peer: u32, clock: Clock) -> Connection {
        self.look(peer, clock).0
    }

    /// What is known of the connection with `peer`; one that is open is used now, and so stays open for the idle time
    /// from now on.
    pub(crate) fn reuse(&mut self, peer: u32, clock: Clock) -> Connection {
        let (connection, place) = self.look(peer, clock);
        if matches!(connection, Connection::Open(_)) {
            self.slots[place] = self.slots[place].max(entry(peer, clock.now));
        }
        connection
    }

    fn look(&self, peer: u32, clock: Clock) -> (Connection, usize) {
        if !self.opening.is_empty()
            && let Some((_, ready)) = self.opening.iter().find(|(other, _)| *other == peer)
            && *ready > clock.now
        {
            return (Connection::Opening(*ready), 0);
        }
        match self.find(peer) {
            Some(at) if self.slots[at] != FREE && self.slots[at] as u32 >= clock.oldest() => {
                (Connection::Open(instant(self.slots[at] as u32)), at)
            }
            _ => (Connection::Closed, 0),
        }
    }

    /// Something passes at `at`, now or later: the connection is open until then and the idle time after.
    pub(crate) fn touch(&mut self, peer: u32, at: Time, clock: Clock) {
        let entry = entry(peer, at);
        let mut place = self.find(peer);
        if let Some(place) = place
            && self.slots[place] != FREE
        {
            self.slots[place] = self.slots[place].max(entry);
            return;
        }
        if (self.used as usize + 1) * 4 > self.slots.len() * 3 {
            self.rebuild(clock);
            place = self.find(peer);
        }
        if let Some(place) = place {
            self.slots[place] = entry;
            self.used += 1;
        }
    }

    /// A handshake with `peer` ends at `ready`.
    pub(crate) fn open(&mut self, peer: u32, ready: Time, clock: Clock) {
        self.opening.retain(|(other, until)| *until > clock.now && *other != peer);
        self.opening.push((peer, ready));
        self.touch(peer, ready, clock);
    }

    /// Drops what has idled too long, at the limit the least recently used, and makes room for twice the rest.
    fn rebuild(&mut self, clock: Clock) {
        let oldest = clock.oldest();
        let mut live: Vec<u64> =
            self.slots.iter().copied().filter(|slot| *slot != FREE && *slot as u32 >= oldest).collect();
        if live.len() >= clock.max {
            // Ties go by handle, so that the table's own order plays no part.
            live.sort_unstable_by_key(|slot| (std::cmp::Reverse(*slot as u32), slot >> 32));
            live.truncate(clock.max.saturating_sub(1));
        }
        let room = (live.len() * 2).next_power_of_two().max(SLOTS_MIN);
        self.slots.clear();
        self.slots.resize(room, FREE);
        self.slots.shrink_to(room);
        self.used = live.len() as u32;
        for slot in live {
            if let Some(at) = self.find((slot >> 32) as u32) {
                self.slots[at] = slot;
            }
        }
    }

    pub(crate) fn remove(&mut self, peer: u32) {
        self.opening.retain(|(other, _)| *other != peer);
        if let Some(at) = self.find(peer)
            && self.slots[at] != FREE
        {
            // Never used: as good as closed, and it keeps the probing of others whole.
            self.slots[at] = u64::from(peer) << 32;
        }
    }

    /// The peers with an open connection, in ascending order, and forgets them all.
    pub(crate) fn take_open(&mut self, clock: Clock) -> Vec<u32> {
        let oldest = clock.oldest();
        let slots = std::mem::take(&mut self.slots);
        self.used = 0;
        self.opening.clear();
        let open = slots.into_iter().filter(|slot| *slot != FREE && *slot as u32 >= oldest);
        let mut peers: Vec<u32> = open.map(|slot| (slot >> 32) as u32).collect();
        peers.sort_unstable();
        peers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const MS: i64 = 1 << TICK_BITS;

    fn clock(ticks: i64, max: usize) -> Clock {
        Clock { now: Time::from_nanos(ticks * MS), idle: Duration::from_nanos(100 * MS), max }
    }

    #[test]
    fn an_idle_connection_is_closed() {
        let mut table = Connections::default();
        table.touch(7, Time::from_nanos(5 * MS), clock(5, 100));
        assert_eq!(table.get(7, clock(105, 100)), Connection::Open(Time::from_nanos(5 * MS)));
        assert_eq!(table.get(7, clock(106, 100)), Connection::Closed);
        assert_eq!(table.get(8, clock(5, 100)), Connection::Closed);
    }

    #[test]
    fn a_connection_is_not_there_before_its_handshake_is() {
        let mut table = Connections::default();
        let ready = Time::from_nanos(9 * MS + 123);
        table.open(7, ready, clock(5, 100));
        assert_eq!(table.get(7, clock(6, 100)), Connection::Opening(ready));
        assert_eq!(table.get(7, clock(10, 100)), Connection::Open(Time::from_nanos(9 * MS)));
    }

    #[test]
    fn the_table_is_bounded_and_the_least_recently_used_go() {
        let mut table = Connections::default();
        for peer in 0..500 {
            table.touch(peer, Time::from_nanos(i64::from(peer / 50) * MS), clock(i64::from(peer / 50), 40));
        }
        let open = table.take_open(clock(10, 40));
        assert!(open.len() <= 96 && open.contains(&499), "{} open", open.len());
    }

    proptest! {
        /// Against a map that forgets nothing.
        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec((0u32..60, 0i64..20, 0u8..8), 1..300)) {
            let mut table = Connections::default();
            let mut model: BTreeMap<u32, i64> = BTreeMap::new();
            let mut now = 0;
            for (peer, pause, kind) in steps {
                now += pause;
                match kind {
                    0 => { table.remove(peer); model.remove(&peer); }
                    1..=4 => {
                        table.touch(peer, Time::from_nanos(now * MS), clock(now, 10_000));
                        model.insert(peer, now);
                    }
                    _ => {}
                }
                let expected = match model.get(&peer) {
                    Some(last) if last + 100 >= now => Connection::Open(Time::from_nanos(last * MS)),
                    _ => Connection::Closed,
                };
                prop_assert_eq!(table.get(peer, clock(now, 10_000)), expected);
            }
            let open: Vec<u32> = model.iter().filter(|(_, last)| **last + 100 >= now).map(|(peer, _)| *peer).collect();
            prop_assert_eq!(table.take_open(clock(now, 10_000)), open);
        }
    }
}
