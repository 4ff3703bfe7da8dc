//! The connections of one node, as it sees them.

use edge_faas_core::time::{Duration, Time};
use rustc_hash::FxHashMap;

/// Which peers a node is connected to, and when something last passed.
///
/// Idle connections are not closed by an event each: an entry past its time counts as closed, and is dropped when
/// the table is next tidied. Its order is never observed.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// Last activity in nanoseconds; in the future while the handshake is under way.
    last: FxHashMap<u32, i64>,
    tidy_at: usize,
}

/// What a node knows about its connection to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// None, or it has idled too long.
    Closed,
    /// Open from this instant on, which may lie ahead, and last used then.
    Open(Time),
}

/// Tables of this size and more are tidied when they have doubled.
const TIDY_MIN: usize = 32;

impl Connections {
    pub(crate) fn get(&self, peer: u32, now: Time, idle: Duration) -> Connection {
        match self.last.get(&peer) {
            Some(&last) if last.saturating_add(idle.as_nanos()) >= now.as_nanos() => {
                Connection::Open(Time::from_nanos(last))
            }
            _ => Connection::Closed,
        }
    }

    /// Something passed, or will: the connection is open until `at` plus the idle time.
    pub(crate) fn touch(&mut self, peer: u32, at: Time, now: Time, idle: Duration, max: usize) {
        if let Some(last) = self.last.get_mut(&peer) {
            *last = (*last).max(at.as_nanos());
            return;
        }
        if self.last.len() >= self.tidy_at.max(TIDY_MIN).min(max) {
            self.tidy(now, idle, max);
        }
        self.last.insert(peer, at.as_nanos());
    }

    /// Drops what has idled too long; at the limit, the least recently used too.
    fn tidy(&mut self, now: Time, idle: Duration, max: usize) {
        let oldest = now.as_nanos().saturating_sub(idle.as_nanos());
        self.last.retain(|_, last| *last >= oldest);
        if self.last.len() >= max {
            // Ties go by handle, so that the table's own order plays no part.
            if let Some((_, peer)) = self.last.iter().map(|(peer, last)| (*last, *peer)).min() {
                self.last.remove(&peer);
            }
        }
        self.tidy_at = (self.last.len() * 2).max(TIDY_MIN);
        if self.last.capacity() > 8 * self.last.len().max(TIDY_MIN) {
            self.last.shrink_to(self.tidy_at);
        }
    }

    pub(crate) fn remove(&mut self, peer: u32) {
        self.last.remove(&peer);
    }

    /// The peers with an open connection, in ascending order, and forgets them all.
    pub(crate) fn take_open(&mut self, now: Time, idle: Duration) -> Vec<u32> {
        let oldest = now.as_nanos().saturating_sub(idle.as_nanos());
        let mut peers: Vec<u32> =
            self.last.iter().filter(|(_, last)| **last >= oldest).map(|(peer, _)| *peer).collect();
        peers.sort_unstable();
        self.last = FxHashMap::default();
        self.tidy_at = 0;
        peers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(10);

    #[test]
    fn an_idle_connection_is_closed() {
        let mut table = Connections::default();
        table.touch(7, Time::from_nanos(5), Time::ZERO, IDLE, 100);
        assert_eq!(
            table.get(7, Time::from_nanos(10_000_000_005), IDLE),
            Connection::Open(Time::from_nanos(5))
        );
        assert_eq!(table.get(7, Time::from_nanos(10_000_000_006), IDLE), Connection::Closed);
        assert_eq!(table.get(8, Time::ZERO, IDLE), Connection::Closed);
    }

    #[test]
    fn the_table_is_bounded_and_the_least_recently_used_goes() {
        let mut table = Connections::default();
        for peer in 0..50 {
            table.touch(peer, Time::from_nanos(i64::from(peer)), Time::from_nanos(i64::from(peer)), IDLE, 40);
        }
        assert_eq!(table.take_open(Time::from_nanos(50), IDLE), (10..50).collect::<Vec<_>>());
    }
}
