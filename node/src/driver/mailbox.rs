//! What the core says to those who carry out calls and manycalls.

use edge_faas_core::io::{Attempt, AttemptId, CallReport};
use futures::channel::mpsc;
use libp2p::PeerId;

/// What the core says to the task of a call.
#[derive(Debug)]
pub(crate) enum CallEvent {
    /// Try it at this provider; `None`: in the own runtime.
    Start(Box<Attempt>, Option<PeerId>),
    /// Stop an attempt.
    Cancel {
        /// The attempt.
        attempt: AttemptId,
        /// Only if its code has not begun.
        only_queued: bool,
    },
    /// It is over.
    Done(Box<CallReport>),
}

/// What the core says to the task of a manycall.
#[derive(Debug)]
pub(crate) enum MapEvent {
    /// Give so many more items.
    Pull(u32),
    /// Every item has its end.
    Done,
}

/// A call's events.
pub(crate) type CallEvents = mpsc::UnboundedReceiver<CallEvent>;
/// A manycall's events.
pub(crate) type MapEvents = mpsc::UnboundedReceiver<MapEvent>;
