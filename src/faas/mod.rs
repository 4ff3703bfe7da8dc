//! The routing of calls: provider cache, health of providers, policies, anycall and manycall.

mod config;
mod policy;

pub use config::{Config, Discovery};
pub use policy::{AnycallPolicy, ManycallPolicy, UnknownPolicy};

use crate::context::{Capacity, Context};
use crate::io::{AttemptEvent, AttemptId, Call, CallId, Map, MapId};
use crate::kad::{Event, Kad};
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::Time;

/// Why a node wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// A call's deadline.
    Deadline,
    /// A pause before another attempt ends, or a closed provider opens.
    Backoff,
    /// A sign of life is due.
    Probe,
    /// An attempt has taken too long.
    Attempt,
    /// An item may have become a straggler.
    Backup,
    /// A cache entry runs out.
    Cache,
}

/// The call-routing part of a peer.
#[derive(Debug)]
pub struct Faas {
    me: PeerHandle,
}

impl Faas {
    /// A node that hosts nothing and has no calls.
    pub fn new(me: PeerHandle) -> Self {
        Faas { me }
    }
    /// Forgets every provider and its health.
    pub(crate) fn forget_providers(&mut self) {}
    pub(crate) fn host(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _kad: &mut Kad,
        _function: FunctionHandle,
    ) {
        let _ = self.me;
    }
    pub(crate) fn unhost(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _kad: &mut Kad,
        _function: FunctionHandle,
    ) {
    }
    pub(crate) fn leave(&mut self, _cx: &mut Context<'_>, _now: Time, _kad: &mut Kad) {}
    pub(crate) fn call(&mut self, _cx: &mut Context<'_>, _now: Time, _kad: &mut Kad, _call: Box<Call>) {}
    pub(crate) fn cancel_call(&mut self, _cx: &mut Context<'_>, _now: Time, _call: CallId) {}
    pub(crate) fn map(&mut self, _cx: &mut Context<'_>, _now: Time, _kad: &mut Kad, _map: Box<Map>) {}
    pub(crate) fn item(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _kad: &mut Kad,
        _map: MapId,
        _call: Box<Call>,
    ) {
    }
    pub(crate) fn items_end(&mut self, _cx: &mut Context<'_>, _now: Time, _kad: &mut Kad, _map: MapId) {}
    pub(crate) fn results_taken(&mut self, _cx: &mut Context<'_>, _now: Time, _map: MapId, _count: u32) {}
    pub(crate) fn cancel_map(&mut self, _cx: &mut Context<'_>, _now: Time, _map: MapId) {}
    pub(crate) fn attempt(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _kad: &mut Kad,
        _attempt: AttemptId,
        _event: AttemptEvent,
    ) {
    }
    pub(crate) fn arrived(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _from: PeerHandle,
        _reply: u64,
        _function: FunctionHandle,
    ) {
    }
    pub(crate) fn probe_reply(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _kad: &mut Kad,
        _peer: PeerHandle,
        _capacity: Option<(FunctionHandle, Capacity)>,
    ) {
    }
    /// All connections to `peer` broke.
    pub(crate) fn on_disconnected(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _kad: &mut Kad,
        _peer: PeerHandle,
    ) {
    }
    /// News of a look-up for providers, from Kademlia or (as the same events) from the driver's own discovery.
    pub(crate) fn on_kad_event(&mut self, _cx: &mut Context<'_>, _now: Time, _kad: &mut Kad, _event: Event) {}
    pub(crate) fn resolved(
        &mut self,
        _cx: &mut Context<'_>,
        _now: Time,
        _kad: &mut Kad,
        _function: FunctionHandle,
        _providers: Vec<PeerHandle>,
        _done: bool,
    ) {
    }
    pub(crate) fn on_timeout(&mut self, _cx: &mut Context<'_>, _now: Time, _kad: &mut Kad) {}
    /// The earliest deadline. Cheap: read after every input.
    pub(crate) fn next_timeout(&self) -> Option<(Time, Timer)> {
        None
    }
    /// Calls `visit` with every handle this part still refers to.
    pub(crate) fn mark(&self, _visit: &mut dyn FnMut(PeerHandle)) {}
}
