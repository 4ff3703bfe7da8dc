//! One simulated node: its state machine and what the simulated machine around it remembers.

use super::connections::Connections;
use edge_faas_core::peer::Peer;
use edge_faas_core::time::Time;

/// What a node answers to a dial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    /// It takes part.
    Up,
    /// Its process is not running: the machine refuses connections.
    Refusing,
    /// Nothing answers.
    Silent,
}

/// One identity in the network. A machine that comes back with a new identity is another node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) peer: Peer,
    pub(crate) connections: Connections,
    /// The time of the pending wake-up that counts; others are stale.
    pub(crate) wake: Time,
    /// When the node's processor has done what came in so far.
    pub(crate) cpu_free: Time,
    /// What was sent before this is lost: the node was not up.
    pub(crate) up_since: Time,
    /// Messages sent, which numbers their draws.
    pub(crate) sent: u32,
    pub(crate) status: Status,
    /// False for a client: it asks, but enters no routing table.
    pub(crate) server: bool,
}

impl Node {
    pub(crate) fn is_up(&self) -> bool {
        self.status == Status::Up
    }
}
