//! One node: Kademlia and the routing of calls as one state machine.

use crate::context::Context;
use crate::faas::{self, Faas};
use crate::io::{Exchange, Input, Output};
use crate::kad::{self, Kad};
use crate::key::{FunctionHandle, KeyTable, PeerHandle};
use crate::prefetch::{Coming, Step};
use crate::time::Time;

/// One node. It owns neither queue nor clock nor sockets; see the [crate's documentation](crate) for the rule by
/// which a driver runs it.
#[derive(Debug)]
pub struct Peer {
    kad: Kad,
    // Most nodes of a large network never see a call.
    faas: Option<Box<Faas>>,
    /// The earliest deadline of `faas`, so that a message of Kademlia's does not have to go and look.
    faas_next: Option<(Time, faas::Timer)>,
}

/// Why a node wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// Something of Kademlia's.
    Kad(kad::Timer),
    /// Something of a call's.
    Faas(faas::Timer),
}

/// The earliest deadline of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wakeup {
    /// When.
    pub at: Time,
    /// Why.
    pub timer: Timer,
}

impl Peer {
    /// A node that knows nobody and hosts nothing.
    pub fn new(me: PeerHandle) -> Self {
        Peer { kad: Kad::new(me), faas: None, faas_next: None }
    }

    /// The node's own handle.
    pub fn me(&self) -> PeerHandle {
        self.kad.me()
    }

    /// The Kademlia part, to look at.
    pub fn kad(&self) -> &Kad {
        &self.kad
    }

    /// The Kademlia part, for a driver that starts a settled network instead of letting it settle.
    pub fn kad_mut(&mut self) -> &mut Kad {
        &mut self.kad
    }

    /// The call-routing part, to look at; `None` before the first call or hosted function.
    pub fn faas(&self) -> Option<&Faas> {
        self.faas.as_deref()
    }

    /// Forgets every provider and its health: an experiment's cold start.
    pub fn forget_providers(&mut self) {
        if let Some(faas) = &mut self.faas {
            faas.forget_providers();
        }
    }

    /// Takes one input. Afterwards drain [`Peer::poll`], then read [`Peer::poll_timeout`].
    ///
    /// Nothing that comes from the network can make it panic; handles must be ones that the driver gave out.
    pub fn handle(&mut self, cx: &mut Context<'_>, now: Time, input: Input) {
        let of_kad =
            matches!(input, Input::KadRequest { .. } | Input::KadResponse { .. } | Input::KadFailed { .. });
        match input {
            Input::Join { bootstrap } => self.kad.join(cx, now, bootstrap),
            Input::KadRequest { from, server, reply, request } => {
                self.kad.on_request(cx, now, from, server, reply, request);
            }
            Input::KadResponse { from, exchange, bytes, dialled, response } => {
                self.kad.on_response(cx, now, from, exchange, (bytes, dialled), response);
            }
            Input::KadFailed { peer, exchange, failure } => {
                self.kad.on_failed(cx, now, peer, exchange, failure)
            }
            Input::Identified { peer } => self.kad.identified(cx, peer),
            Input::Disconnected { peer } => {
                self.kad.on_disconnected(cx, now, peer);
                if let Some(faas) = &mut self.faas {
                    faas.on_disconnected(cx, now, &mut self.kad, peer);
                }
            }
            Input::PutValue { record } => self.kad.put_value(cx, now, record),
            Input::GetValue { target } => self.kad.get_value(cx, now, target),
            Input::FindClosest { target } => {
                self.kad.find_closest(cx, now, target, crate::io::LookupPurpose::Experiment);
            }
            Input::FindProviders { function } => {
                self.kad.find_providers(cx, now, function, crate::io::LookupPurpose::Experiment);
            }
            Input::Timeout => {
                self.kad.on_timeout(cx, now);
                if let Some(faas) = &mut self.faas {
                    faas.on_timeout(cx, now, &mut self.kad);
                }
            }
            other => self.handle_call(cx, now, other),
        }
        if of_kad && cx.out.kad_events.is_empty() {
            return;
        }
        while let Some(event) = cx.out.kad_events.pop_front() {
            if let Some(faas) = &mut self.faas {
                faas.on_kad_event(cx, now, &mut self.kad, event);
            }
        }
        self.faas_next = self.faas.as_ref().and_then(|faas| faas.next_timeout());
    }

    /// The inputs of the call-routing part.
    fn handle_call(&mut self, cx: &mut Context<'_>, now: Time, input: Input) {
        let me = self.kad.me();
        let faas = self.faas.get_or_insert_with(|| Box::new(Faas::new(me)));
        let kad = &mut self.kad;
        match input {
            Input::Host { function } => faas.host(cx, now, kad, function),
            Input::Unhost { function } => faas.unhost(cx, now, kad, function),
            Input::Leave => faas.leave(cx, now, kad),
            Input::Resolved { function, providers, done } => {
                faas.resolved(cx, now, kad, function, providers, done)
            }
            Input::Call(call) => faas.call(cx, now, kad, call),
            Input::CancelCall { call } => faas.cancel_call(cx, now, call),
            Input::Map(map) => faas.map(cx, now, kad, map),
            Input::Item { map, call } => faas.item(cx, now, kad, map, call),
            Input::ItemsEnd { map } => faas.items_end(cx, now, kad, map),
            Input::ResultsTaken { map, count } => faas.results_taken(cx, now, map, count),
            Input::CancelMap { map } => faas.cancel_map(cx, now, map),
            Input::Attempt { attempt, event } => faas.attempt(cx, now, kad, attempt, event),
            Input::CallArrived { from, reply, function } => faas.arrived(cx, now, from, reply, function),
            Input::ProbeReply { peer, capacity } => faas.probe_reply(cx, now, kad, peer, capacity),
            _ => unreachable!("an input of Kademlia's"),
        }
    }

    /// Asks the processor for the memory that a message will need once it is an input: a hint, and at most a few
    /// instructions. The steps come in their order, each some inputs after the one before; before the first, the
    /// driver asks for the `Peer` itself.
    #[inline]
    pub fn prefetch(&self, step: Step, coming: Coming<'_>, peers: &KeyTable) {
        self.kad.prefetch(step, coming, peers);
    }

    /// Whom the look-up that waits for this response will probably ask next: a guess, for prefetching.
    #[inline]
    pub fn likely_next(&self, exchange: Exchange) -> Option<PeerHandle> {
        self.kad.likely_next(exchange)
    }

    /// The next output of the last input, in order; `None` when all are drained.
    #[inline]
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Option<Output> {
        cx.out.queue.pop_front()
    }

    /// When to call [`Peer::handle`] with [`Input::Timeout`] at the latest, and why. Cheap.
    #[inline]
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let kad = self.kad.next_timeout().map(|(at, timer)| Wakeup { at, timer: Timer::Kad(timer) });
        let faas = self.faas_next.map(|(at, timer)| Wakeup { at, timer: Timer::Faas(timer) });
        match (kad, faas) {
            (Some(kad), Some(faas)) => Some(if faas.at < kad.at { faas } else { kad }),
            (kad, faas) => kad.or(faas),
        }
    }

    /// Calls `visit` with every peer handle this node still refers to: a driver reuses only handles that no node
    /// named since (mark and sweep).
    pub fn mark(&self, visit: &mut dyn FnMut(PeerHandle)) {
        self.kad.mark(visit);
        if let Some(faas) = &self.faas {
            faas.mark(visit);
        }
    }

    /// As [`Peer::mark`], for the handles of functions.
    pub fn mark_functions(&self, visit: &mut dyn FnMut(FunctionHandle)) {
        self.kad.mark_functions(visit);
        if let Some(faas) = &self.faas {
            faas.mark_functions(visit);
        }
    }
}
