//! One simulated node: its state machine and what the simulated machine around it remembers.

use super::connections::Connections;
use edge_faas_core::key::PeerHandle;
use edge_faas_core::peer::Peer;
use edge_faas_core::prefetch;
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
///
/// Aligned, so that a node lies on four cache lines of its own and not on five.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Node {
    pub(crate) peer: Peer,
    pub(crate) connections: Connections,
    /// The time of the pending wake-up that counts; others are stale.
    pub(crate) wake: Time,
    /// When the node's processor has done what came in so far.
    pub(crate) cpu_free: Time,
    /// What was sent before this is lost: the node was not up.
    pub(crate) up_since: Time,
    /// The machine's number, as the population has it.
    pub(crate) number: u32,
    /// Messages sent, which numbers their draws.
    pub(crate) sent: u32,
    pub(crate) status: Status,
    /// False for a client: it asks, but enters no routing table.
    pub(crate) server: bool,
}

// A million of them fit.
const _: () = assert!(size_of::<Node>() <= 256);

impl Node {
    /// A node whose machine is not switched on.
    pub(crate) fn new(handle: u32, number: u32, server: bool, now: Time) -> Self {
        let mut peer = Peer::new(PeerHandle::new(handle));
        if !server {
            peer.kad_mut().set_client();
        }
        Node {
            peer,
            connections: Connections::default(),
            wake: Time::MAX,
            cpu_free: now,
            up_since: Time::MAX,
            number,
            sent: 0,
            status: Status::Silent,
            server,
        }
    }

    /// Asks the processor for the node.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch::line(&self.peer);
        prefetch::line(&self.connections);
        prefetch::line(&self.cpu_free);
        prefetch::line(&self.status);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.status == Status::Up
    }
}
