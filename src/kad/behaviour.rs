//! The Kademlia state machine: what comes in, and what follows from it.

use super::active::{Active, is_one_way};
use super::home::Home;
use super::lookup::{Goal, Open};
use super::message::{Preimage, Record, Request, Response, Target};
use super::store::Store;
use super::table::Table;
use super::{Event, LookupId, Timer};
use crate::context::Context;
use crate::io::{Exchange, Failure, LookupPurpose, Output};
use crate::key::{FunctionHandle, Key, PeerHandle};
use crate::time::Time;

/// The Kademlia part of a peer.
#[derive(Debug)]
pub struct Kad {
    pub(super) me: PeerHandle,
    /// Look-ups started; numbers the next.
    pub(super) lookups: u32,
    /// Requests sent; numbers the next.
    pub(super) exchanges: u32,
    /// Buckets that look-ups went through since their last refresh; those beyond 32 are never full.
    pub(super) touched: u32,
    pub(super) phase: Phase,
    pub(super) client: bool,
    /// The next step of the periodic refresh.
    pub(super) step: u8,
    next_timer: Timer,
    /// When to refresh or, while joining has failed, to join again; [`Time::MAX`]: not.
    pub(super) refresh_at: Time,
    next_at: Time,
    pub(super) table: Table,
    /// What only a node has that is waiting for somebody.
    pub(super) active: Option<Box<Active>>,
    /// What only a node has that keeps records for others.
    pub(super) store: Option<Box<Store>>,
    /// What only a node has that joined by the protocol or hosts functions.
    pub(super) home: Option<Box<Home>>,
}

// A million of them fit.
const _: () = assert!(size_of::<Kad>() <= 128);

/// How far a node has got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Not asked to join.
    Alone,
    /// Looking for itself and refreshing.
    Joining,
    /// The same once more, since the table ran empty.
    Rejoining,
    /// A member.
    Joined,
}

impl Kad {
    /// A node that knows nobody.
    pub fn new(me: PeerHandle) -> Self {
        Kad {
            me,
            lookups: 0,
            exchanges: 0,
            touched: 0,
            phase: Phase::Alone,
            client: false,
            step: 0,
            next_timer: Timer::Refresh,
            refresh_at: Time::MAX,
            next_at: Time::MAX,
            table: Table::default(),
            active: None,
            store: None,
            home: None,
        }
    }

    /// Makes this node a client: it asks and never answers. The driver says so to those it asks
    /// ([`crate::io::Input::KadRequest`]), so that it enters no routing table.
    pub fn set_client(&mut self) {
        self.client = true;
    }

    /// The node's own handle.
    pub fn me(&self) -> PeerHandle {
        self.me
    }

    /// The routing table, to look at.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Provider records kept for others.
    pub fn provider_records(&self) -> usize {
        self.store.as_ref().map_or(0, |store| store.provider_records())
    }

    /// True after [`Output::Joined`] or [`Kad::settle`].
    pub fn is_joined(&self) -> bool {
        self.phase == Phase::Joined
    }

    /// Look-ups in progress.
    pub fn lookups(&self) -> usize {
        self.active.as_ref().map_or(0, |active| active.lookups.iter().flatten().count())
    }

    pub(crate) fn on_request(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        from: PeerHandle,
        server: bool,
        reply: u32,
        request: Request,
    ) {
        if self.client || !cx.config.kad.server || from == self.me {
            return;
        }
        if server {
            self.table.seen(self.me, from, cx.config.kad.k, cx.peers);
        }
        let response = match request {
            Request::FindNode(target) => Response::Nodes(self.closer(cx, &target.key, from)),
            Request::GetProviders { target, page } => {
                let (providers, total) = self.providers_answer(cx, now, from, &target.key, page);
                Response::Providers { closer: self.closer(cx, &target.key, from), providers, total }
            }
            Request::GetValue(target) => Response::Value {
                record: self.store.as_ref().and_then(|store| store.get(&target.key, now)),
                closer: self.closer(cx, &target.key, from),
            },
            Request::PutValue(record) => {
                // A value that is too large or one too many is not acknowledged.
                if !self.keep_value(cx, now, record.clone()) {
                    return;
                }
                Response::Stored(record)
            }
            Request::AddProvider(target) => {
                let expires = now.saturating_add(cx.config.kad.provider_ttl);
                self.insert_provider(cx, now, target.key, from, expires);
                return;
            }
            Request::RemoveProvider(target) => {
                if let Some(store) = &mut self.store {
                    store.remove_provider(&target.key, from);
                }
                return;
            }
            Request::Ping => Response::Pong,
        };
        cx.emit(Output::KadResponse { to: from, reply, response });
    }

    /// A peer that is connected answers requests, by its own word.
    pub(crate) fn identified(&mut self, cx: &Context<'_>, peer: PeerHandle) {
        if peer != self.me {
            self.table.seen(self.me, peer, cx.config.kad.k, cx.peers);
        }
    }

    fn closer(&self, cx: &Context<'_>, key: &Key, from: PeerHandle) -> super::Peers {
        self.table.closest(self.me, key, cx.config.kad.k, Some(from), cx.peers)
    }

    /// Keeps a value of somebody's; false where a limit forbids it.
    pub(super) fn keep_value(&mut self, cx: &Context<'_>, now: Time, record: Box<Record>) -> bool {
        let store = self.store.get_or_insert_default();
        let kept = store.put(Key::hash(&record.key), record, now, &cx.config.kad);
        self.reschedule();
        kept
    }

    pub(crate) fn on_response(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        from: PeerHandle,
        exchange: Exchange,
        (bytes, dialled): (u32, bool),
        response: Response,
    ) {
        let Some((slot, open)) = self.close(from, exchange) else {
            return;
        };
        let Some(slot) = slot else {
            self.table.seen(self.me, from, cx.config.kad.k, cx.peers);
            self.release(cx);
            self.reschedule();
            return;
        };
        let me = self.me;
        let Some(lookup) = self.lookup(slot) else {
            return;
        };
        lookup.dials += u32::from(dialled);
        let mut news = Vec::new();
        let mut value = None;
        let understood = match (&lookup.goal, response) {
            (Goal::Providers(_), Response::Providers { closer, providers, total }) => {
                lookup.answered(cx, now, me, open, &closer, bytes);
                news = lookup.found(now, me, Some(open), &providers, total);
                true
            }
            (Goal::Value, Response::Value { record, closer }) => {
                lookup.answered(cx, now, me, open, &closer, bytes);
                value = record.filter(|record| Key::hash(&record.key) == lookup.target.key);
                true
            }
            (Goal::Providers(_) | Goal::Value, _) => false,
            (_, Response::Nodes(closer)) => {
                lookup.answered(cx, now, me, open, &closer, bytes);
                true
            }
            _ => false,
        };
        if !understood {
            self.request_failed(cx, Some(slot), open, Failure::Protocol);
        } else {
            self.table.seen(me, from, cx.config.kad.k, cx.peers);
        }
        if let Some(record) = value {
            self.value_found(cx, now, slot, record);
        } else {
            self.tell_providers(cx, slot, news);
            self.drive(cx, now, slot);
        }
        self.reschedule();
    }

    fn tell_providers(&mut self, cx: &mut Context<'_>, slot: usize, providers: Vec<PeerHandle>) {
        if providers.is_empty() {
            return;
        }
        if let Some(lookup) = self.lookup(slot)
            && let Goal::Providers(function) = lookup.goal
        {
            cx.out.kad_events.push_back(Event::Providers { lookup: lookup.id, function, providers });
        }
    }

    /// The first value ends its look-up.
    pub(super) fn value_found(&mut self, cx: &mut Context<'_>, now: Time, slot: usize, record: Box<Record>) {
        if let Some(mut lookup) = self.take(slot) {
            lookup.found_value(now);
            self.finish(cx, now, lookup, false, Some(record));
        }
    }

    pub(crate) fn on_failed(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        peer: PeerHandle,
        exchange: Exchange,
        failure: Failure,
    ) {
        if let Some((slot, open)) = self.close(peer, exchange) {
            self.request_failed(cx, slot, open, failure);
            match slot {
                Some(slot) => self.drive(cx, now, slot),
                None => self.release(cx),
            }
            self.reschedule();
        } else if is_one_way(exchange) {
            self.table.failed(self.me, peer, cx.peers);
        }
    }

    /// All connections to `peer` broke: fail what is in flight there.
    pub(crate) fn on_disconnected(&mut self, cx: &mut Context<'_>, now: Time, peer: PeerHandle) {
        self.table.suspect(self.me, peer, cx.peers);
        let mut slot = 0;
        while let Some(active) = &mut self.active
            && slot < active.lookups.len()
        {
            let mut hit = false;
            while let Some(lookup) = self.lookup(slot)
                && let Some(open) = lookup.close_first(|open| open.peer == peer)
            {
                lookup.failed(cx, open, Failure::Reset);
                hit = true;
            }
            if hit {
                self.drive(cx, now, slot);
            }
            slot += 1;
        }
        if let Some(active) = &mut self.active {
            active.singles.retain(|open| open.peer != peer);
        }
        self.release(cx);
        self.reschedule();
    }

    pub(crate) fn on_timeout(&mut self, cx: &mut Context<'_>, now: Time) {
        // What is due may cause what is due at once.
        while self.next_at <= now {
            match self.next_timer {
                Timer::Request => self.expire_requests(cx, now),
                Timer::Lookup => self.expire_lookups(cx, now),
                Timer::Refresh => self.refresh(cx, now),
                Timer::Join => self.begin_join(cx, now),
                Timer::Republish => self.republish(cx, now),
                Timer::Expiry => {
                    if let Some(store) = &mut self.store {
                        store.sweep(now, &cx.config.kad);
                    }
                }
            }
            self.reschedule();
        }
    }

    fn expire_requests(&mut self, cx: &mut Context<'_>, now: Time) {
        let mut slot = 0;
        while let Some(active) = &self.active
            && slot < active.lookups.len()
        {
            let mut hit = false;
            while let Some(lookup) = self.lookup(slot)
                && let Some(open) = lookup.close_first(|open| open.deadline <= now)
            {
                self.request_failed(cx, Some(slot), open, Failure::Timeout);
                hit = true;
            }
            if hit {
                self.drive(cx, now, slot);
            }
            slot += 1;
        }
        while let Some(active) = &mut self.active
            && let Some(at) = active.singles.iter().position(|open| open.deadline <= now)
        {
            let open = active.singles.remove(at);
            self.request_failed(cx, None, open, Failure::Timeout);
        }
        self.release(cx);
    }

    fn expire_lookups(&mut self, cx: &mut Context<'_>, now: Time) {
        let mut slot = 0;
        while let Some(active) = &self.active
            && slot < active.lookups.len()
        {
            if self.lookup(slot).is_some_and(|lookup| lookup.deadline <= now)
                && let Some(lookup) = self.take(slot)
            {
                self.finish(cx, now, lookup, true, None);
            }
            slot += 1;
        }
    }

    fn request_failed(&mut self, cx: &mut Context<'_>, slot: Option<usize>, open: Open, failure: Failure) {
        self.table.failed(self.me, open.peer, cx.peers);
        if let Some(lookup) = slot.and_then(|slot| self.lookup(slot)) {
            lookup.failed(cx, open, failure);
        }
    }

    /// The earliest deadline. Cheap: read after every input.
    pub(crate) fn next_timeout(&self) -> Option<(Time, Timer)> {
        (self.next_at != Time::MAX).then_some((self.next_at, self.next_timer))
    }

    /// Finds the earliest deadline again, and gives back what nobody needs any more.
    pub(super) fn reschedule(&mut self) {
        let upkeep = match self.phase {
            Phase::Joined => Timer::Refresh,
            _ => Timer::Join,
        };
        let mut next = (self.refresh_at, upkeep);
        let mut consider = |at: Time, timer: Timer| {
            if at < next.0 {
                next = (at, timer);
            }
        };
        if let Some(active) = &self.active {
            for lookup in active.lookups.iter().flatten() {
                if let Some(at) = lookup.next_request() {
                    consider(at, Timer::Request);
                }
                consider(lookup.deadline, Timer::Lookup);
            }
            if let Some(open) = active.singles.first() {
                consider(open.deadline, Timer::Request);
            }
        }
        if let Some(store) = &self.store {
            consider(store.sweep_at, Timer::Expiry);
        }
        if let Some(home) = &self.home {
            consider(home.next_at, Timer::Republish);
        }
        (self.next_at, self.next_timer) = next;
    }

    pub(crate) fn find_closest(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        target: Target,
        purpose: LookupPurpose,
    ) {
        self.start(cx, now, target, Goal::Closest, purpose, &[]);
        self.reschedule();
    }

    /// Starts a look-up for all providers of a function; its news come as [`Event`]s.
    pub(crate) fn find_providers(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        function: FunctionHandle,
        purpose: LookupPurpose,
    ) -> LookupId {
        let target = function_target(cx, function);
        let id = self.start(cx, now, target, Goal::Providers(function), purpose, &[]);
        self.reschedule();
        id
    }

    pub(crate) fn put_value(&mut self, cx: &mut Context<'_>, now: Time, mut record: Box<Record>) {
        record.publisher = Some(self.me);
        let target = Target { key: Key::hash(&record.key), preimage: Preimage::Bytes(record.key.clone()) };
        self.start(cx, now, target, Goal::Put(record), LookupPurpose::Value, &[]);
        self.reschedule();
    }

    pub(crate) fn get_value(&mut self, cx: &mut Context<'_>, now: Time, target: Target) {
        self.start(cx, now, target, Goal::Value, LookupPurpose::Value, &[]);
        self.reschedule();
    }

    /// Calls `visit` with every handle this part still refers to.
    pub(crate) fn mark(&self, visit: &mut dyn FnMut(PeerHandle)) {
        self.table.iter().for_each(&mut *visit);
        if let Some(active) = &self.active {
            active.singles.iter().for_each(|open| visit(open.peer));
            for lookup in active.lookups.iter().flatten() {
                lookup.mark(visit);
            }
        }
        if let Some(store) = &self.store {
            store.mark(visit);
        }
        if let Some(home) = &self.home {
            home.bootstrap.iter().for_each(|peer| visit(*peer));
        }
    }

    /// Calls `visit` with every function this part still refers to.
    pub(crate) fn mark_functions(&self, visit: &mut dyn FnMut(FunctionHandle)) {
        for lookup in self.active.iter().flat_map(|active| active.lookups.iter().flatten()) {
            if let Preimage::Function(function) = &lookup.target.preimage {
                visit(*function);
            }
        }
        if let Some(home) = &self.home {
            home.functions().for_each(visit);
        }
    }
}

/// The target of a function's records.
pub(super) fn function_target(cx: &Context<'_>, function: FunctionHandle) -> Target {
    Target { key: cx.functions.get(function).key, preimage: Preimage::Function(function) }
}
