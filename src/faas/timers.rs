//! The deadlines of calls, attempts, probes and manycalls, in the order of time.

use super::Timer;
use crate::io::{AttemptId, CallId, MapId};
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::Time;
use std::collections::BTreeSet;

/// What a deadline is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Key {
    /// The user of this call gives up.
    Deadline(CallId),
    /// The pause, or the asking for loads, of this call ends.
    Backoff(CallId),
    /// This attempt has taken too long.
    Attempt(AttemptId),
    /// A closed provider of this function opens.
    Open(FunctionHandle),
    /// A sign of life of this peer is due.
    Probe(PeerHandle),
    /// The driver's own discovery has not answered in time.
    Lookup(FunctionHandle),
    /// An item of this manycall may have become a straggler.
    Backup(MapId),
    /// The pause of this manycall, which had nobody to send items to, ends.
    Stuck(MapId),
}

impl Key {
    fn timer(self) -> Timer {
        match self {
            Key::Deadline(_) => Timer::Deadline,
            Key::Backoff(_) | Key::Open(_) | Key::Stuck(_) => Timer::Backoff,
            Key::Attempt(_) => Timer::Attempt,
            Key::Probe(_) => Timer::Probe,
            Key::Lookup(_) => Timer::Cache,
            Key::Backup(_) => Timer::Backup,
        }
    }
}

/// The deadlines of one node. A deadline that is of no use any more may stay: whoever handles it checks.
#[derive(Debug, Default)]
pub(super) struct Timers {
    set: BTreeSet<(Time, Key)>,
}

impl Timers {
    pub(super) fn add(&mut self, at: Time, key: Key) {
        self.set.insert((at, key));
    }

    pub(super) fn remove(&mut self, at: Time, key: Key) {
        self.set.remove(&(at, key));
    }

    /// Takes the earliest deadline out, if it has come.
    pub(super) fn due(&mut self, now: Time) -> Option<(Time, Key)> {
        let first = *self.set.first()?;
        if first.0 > now {
            return None;
        }
        self.set.pop_first()
    }

    /// The functions that deadlines name.
    pub(super) fn functions(&self) -> impl Iterator<Item = FunctionHandle> + '_ {
        self.set.iter().filter_map(|(_, key)| match key {
            Key::Open(function) | Key::Lookup(function) => Some(*function),
            _ => None,
        })
    }

    pub(super) fn next(&self) -> Option<(Time, Timer)> {
        self.set.first().map(|(at, key)| (*at, key.timer()))
    }
}
