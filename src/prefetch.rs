//! Hints to the processor about memory that will soon be needed. They change nothing but how long things take.
//!
//! In a large network almost nothing that a message touches lies in a cache. A driver that knows its next inputs can
//! have their memory fetched while it still works on the ones before: see [`Peer::prefetch`](crate::peer::Peer::prefetch).

use crate::io::Exchange;
use crate::key::{Key, PeerHandle};
use prefetch_index::prefetch_index;

/// A Kademlia message that will be an input soon.
#[derive(Clone, Copy, Debug)]
pub enum Coming<'a> {
    /// A request.
    Request {
        /// Its sender.
        from: PeerHandle,
        /// What it is about, if anything.
        target: Option<&'a Key>,
    },
    /// A response.
    Response {
        /// Who answers.
        from: PeerHandle,
        /// What it answers.
        exchange: Exchange,
        /// Whom it names.
        closer: &'a [PeerHandle],
    },
}

/// How soon. What lies behind a pointer can be asked for only once the pointer itself is there: so there are steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The node itself is there: what it points to.
    Second,
    /// What it points to is there.
    Third,
    /// The last step before the input.
    Fourth,
}

/// Asks for the cache line in which `value` begins.
#[inline(always)]
pub fn line<T>(value: &T) {
    prefetch_index(std::slice::from_ref(value), 0);
}

/// Asks for the cache line in which an element of a slice begins. One beyond the end is harmless.
#[inline(always)]
pub fn element<T>(slice: &[T], at: usize) {
    prefetch_index(slice, at);
}
