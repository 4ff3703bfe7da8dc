//! The routing of calls: provider cache, health of providers, policies, anycall and manycall.
//!
//! A call is given to one provider that the cache names; a failure of the platform's is tried elsewhere within the
//! call's deadline. Nothing here is shared between nodes: each entry node decides by what it has seen itself.

mod attempt;
mod cache;
mod call;
mod choose;
mod config;
mod health;
mod histogram;
mod life;
mod lookup;
mod map;
mod policy;
mod queue;
mod router;
mod spread;
mod stragglers;
mod timers;
mod watch;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use config::{Config, Discovery};
pub use policy::{AnycallPolicy, ManycallPolicy, UnknownPolicy};

use crate::context::{Capacity, Context};
use crate::io::{AttemptEvent, AttemptId, Call, CallId, CallOutcome, Map, MapId, Output};
use crate::kad::{Event, Kad};
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::Time;
use router::{Env, Router};

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
    /// The driver's own discovery does not answer.
    Cache,
}

/// The call-routing part of a peer.
#[derive(Debug)]
pub struct Faas {
    me: PeerHandle,
    /// Sorted.
    hosted: Vec<FunctionHandle>,
    /// Most nodes only host.
    router: Option<Box<Router>>,
}

impl Faas {
    /// A node that hosts nothing and has no calls.
    pub fn new(me: PeerHandle) -> Self {
        Faas { me, hosted: Vec::new(), router: None }
    }

    /// The functions that the local runtime hosts, sorted.
    pub fn hosted(&self) -> &[FunctionHandle] {
        &self.hosted
    }

    /// Calls that are not over, items of manycalls among them.
    pub fn open_calls(&self) -> usize {
        self.router.as_ref().map_or(0, |router| router.calls.len())
    }

    /// The providers of a function that the cache holds, by handle.
    pub fn providers(&self, function: FunctionHandle) -> Vec<PeerHandle> {
        let entry = self.router.as_ref().and_then(|router| router.cache.get(function));
        let providers = entry.into_iter().flat_map(|entry| &entry.providers);
        providers.map(|provider| provider.peer).collect()
    }

    fn router(&mut self) -> &mut Router {
        let me = self.me;
        self.router.get_or_insert_with(|| Box::new(Router::new(me)))
    }

    /// Forgets every provider and its health.
    pub(crate) fn forget_providers(&mut self) {
        if let Some(router) = &mut self.router {
            let Router { cache, health, .. } = router.as_mut();
            cache.forget(health);
            health.forget();
        }
    }

    pub(crate) fn host(&mut self, cx: &mut Context<'_>, now: Time, kad: &mut Kad, function: FunctionHandle) {
        if let Err(at) = self.hosted.binary_search(&function) {
            self.hosted.insert(at, function);
            match cx.config.faas.discovery {
                Discovery::Kademlia => kad.provide(cx, now, function),
                Discovery::Driver => cx.emit(Output::Publish { function, hosted: true }),
            }
        }
    }

    pub(crate) fn unhost(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        kad: &mut Kad,
        function: FunctionHandle,
    ) {
        if let Ok(at) = self.hosted.binary_search(&function) {
            self.hosted.remove(at);
            match cx.config.faas.discovery {
                Discovery::Kademlia => kad.unprovide(cx, now, function),
                Discovery::Driver => cx.emit(Output::Publish { function, hosted: false }),
            }
            if let Some(router) = &mut self.router {
                router.unhosted(function);
            }
        }
    }

    pub(crate) fn leave(&mut self, cx: &mut Context<'_>, now: Time, kad: &mut Kad) {
        for function in self.hosted.clone() {
            self.unhost(cx, now, kad, function);
        }
    }

    pub(crate) fn call(&mut self, cx: &mut Context<'_>, now: Time, kad: &mut Kad, call: Box<Call>) {
        self.router().call(&mut Env { cx, now, kad }, &call);
    }

    pub(crate) fn cancel_call(&mut self, cx: &mut Context<'_>, now: Time, call: CallId) {
        self.router().finish(cx, now, call, CallOutcome::Cancelled, None);
    }

    pub(crate) fn map(&mut self, cx: &mut Context<'_>, now: Time, kad: &mut Kad, map: Box<Map>) {
        self.router().map(&mut Env { cx, now, kad }, &map);
    }

    pub(crate) fn item(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        kad: &mut Kad,
        map: MapId,
        call: Box<Call>,
    ) {
        self.router().item(&mut Env { cx, now, kad }, map, &call);
    }

    pub(crate) fn items_end(&mut self, cx: &mut Context<'_>, now: Time, kad: &mut Kad, map: MapId) {
        self.router().items_end(&mut Env { cx, now, kad }, map);
    }

    pub(crate) fn results_taken(&mut self, cx: &mut Context<'_>, now: Time, map: MapId, count: u32) {
        self.router().results_taken(cx, now, map, count);
    }

    pub(crate) fn cancel_map(&mut self, cx: &mut Context<'_>, now: Time, map: MapId) {
        self.router().cancel_map(cx, now, map);
    }

    pub(crate) fn attempt(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        kad: &mut Kad,
        attempt: AttemptId,
        event: AttemptEvent,
    ) {
        self.router().on_attempt(&mut Env { cx, now, kad }, attempt, event);
    }

    /// A routed call arrived: it is run or refused, never forwarded again.
    pub(crate) fn arrived(
        &mut self,
        cx: &mut Context<'_>,
        _now: Time,
        from: PeerHandle,
        reply: u64,
        function: FunctionHandle,
    ) {
        cx.emit(if self.hosted.binary_search(&function).is_ok() {
            Output::Serve { from, reply, function }
        } else {
            Output::Refuse { from, reply }
        });
    }

    pub(crate) fn probe_reply(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        kad: &mut Kad,
        peer: PeerHandle,
        capacity: Option<(FunctionHandle, Capacity)>,
    ) {
        if let Some(router) = &mut self.router {
            router.probe_reply(&mut Env { cx, now, kad }, peer, capacity);
        }
    }

    /// All connections to `peer` broke.
    pub(crate) fn on_disconnected(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        kad: &mut Kad,
        peer: PeerHandle,
    ) {
        if let Some(router) = &mut self.router {
            router.peer_lost(&mut Env { cx, now, kad }, peer, false);
        }
    }

    /// News of a look-up for providers, from Kademlia.
    pub(crate) fn on_kad_event(&mut self, cx: &mut Context<'_>, now: Time, kad: &mut Kad, event: Event) {
        if let Some(router) = &mut self.router {
            router.on_kad_event(&mut Env { cx, now, kad }, event);
        }
    }

    /// News of a look-up for providers, from the driver's own discovery.
    pub(crate) fn resolved(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        kad: &mut Kad,
        function: FunctionHandle,
        providers: Vec<PeerHandle>,
        done: bool,
    ) {
        if let Some(router) = &mut self.router {
            router.resolved(&mut Env { cx, now, kad }, function, &providers, done);
        }
    }

    pub(crate) fn on_timeout(&mut self, cx: &mut Context<'_>, now: Time, kad: &mut Kad) {
        if let Some(router) = &mut self.router {
            router.on_timeout(&mut Env { cx, now, kad });
        }
    }

    /// The earliest deadline. Cheap: read after every input.
    pub(crate) fn next_timeout(&self) -> Option<(Time, Timer)> {
        self.router.as_ref().and_then(|router| router.timers.next())
    }

    /// Calls `visit` with every handle this part still refers to.
    pub(crate) fn mark(&self, visit: &mut dyn FnMut(PeerHandle)) {
        if let Some(router) = &self.router {
            router.mark(visit);
        }
    }

    /// Calls `visit` with every function this part still refers to.
    pub(crate) fn mark_functions(&self, visit: &mut dyn FnMut(FunctionHandle)) {
        self.hosted.iter().copied().for_each(&mut *visit);
        if let Some(router) = &self.router {
            router.mark_functions(visit);
        }
    }
}
