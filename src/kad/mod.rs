//! Kademlia: routing table, iterative look-ups, provider records and values, as libp2p specifies it
//! (libp2p/specs, kad-dht), after Maymounkov and Mazières, "Kademlia: A Peer-to-peer Information System Based on
//! the XOR Metric", IPTPS 2002.

mod config;
mod message;

pub use config::Config;
pub use message::{Peers, Preimage, Record, Request, Response, Target};

use crate::context::Context;
use crate::io::{Exchange, Failure, LookupOutcome, LookupPurpose};
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::Time;

/// A look-up of this node, by a number that is not used again while anybody may wait for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LookupId(pub u32);

/// What Kademlia tells the other parts of its peer.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Providers of a function that were not named before in this look-up.
    Providers {
        /// The look-up.
        lookup: LookupId,
        /// The function.
        function: FunctionHandle,
        /// The new ones.
        providers: Vec<PeerHandle>,
    },
    /// A look-up for providers ended.
    ProvidersDone {
        /// The look-up.
        lookup: LookupId,
        /// The function.
        function: FunctionHandle,
        /// Requests and responses it took.
        messages: u32,
        /// How it ended.
        outcome: LookupOutcome,
    },
}

/// Why a node wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// A request of a look-up is due.
    Request,
    /// A look-up's own deadline.
    Lookup,
    /// A bucket is to be refreshed.
    Refresh,
    /// A function is to be announced again.
    Republish,
    /// Provider records or values run out.
    Expiry,
    /// Joining is to be tried again.
    Join,
}

/// The Kademlia part of a peer.
#[derive(Debug)]
pub struct Kad {
    me: PeerHandle,
}

impl Kad {
    /// A node that knows nobody.
    pub fn new(me: PeerHandle) -> Self {
        Kad { me }
    }

    pub(crate) fn join(&mut self, _cx: &mut Context<'_>, _now: Time, _bootstrap: Vec<PeerHandle>) {
        let _ = self.me;
    }
    pub(crate) fn on_request(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _from: PeerHandle,
        _server: bool,
        _reply: u32,
        _request: Request,
    ) {
    }
    pub(crate) fn on_response(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _from: PeerHandle,
        _exchange: Exchange,
        _bytes: u32,
        _response: Response,
    ) {
    }
    pub(crate) fn on_failed(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _peer: PeerHandle,
        _exchange: Exchange,
        _failure: Failure,
    ) {
    }
    /// All connections to `peer` broke: fail what is in flight there.
    pub(crate) fn on_disconnected(&mut self, _cx: &mut Context<'_>, _now: Time, _peer: PeerHandle) {}
    pub(crate) fn on_timeout(&mut self, _cx: &mut Context<'_>, _now: Time) {}
    /// The earliest deadline. Cheap: read after every input.
    pub(crate) fn next_timeout(&self) -> Option<(Time, Timer)> {
        None
    }
    pub(crate) fn find_closest(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _target: Target,
        _purpose: LookupPurpose,
    ) {
    }
    /// Starts a look-up for all providers of a function; its news come as [`Event`]s.
    pub(crate) fn find_providers(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _function: FunctionHandle,
        _purpose: LookupPurpose,
    ) -> LookupId {
        LookupId(0)
    }
    /// Announces a function now and again until `unprovide`.
    pub(crate) fn provide(&mut self, _cx: &mut Context<'_>, _now: Time, _function: FunctionHandle) {}
    /// Withdraws a function.
    pub(crate) fn unprovide(&mut self, _cx: &mut Context<'_>, _now: Time, _function: FunctionHandle) {}
    pub(crate) fn put_value(&mut self, _cx: &mut Context<'_>, _now: Time, _record: Box<Record>) {}
    pub(crate) fn get_value(&mut self, _cx: &mut Context<'_>, _now: Time, _target: Target) {}
    /// Calls `visit` with every handle this part still refers to.
    pub(crate) fn mark(&self, _visit: &mut dyn FnMut(PeerHandle)) {}
}
