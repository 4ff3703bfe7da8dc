//! The Kademlia state machine: what comes in, and what follows from it.

use super::home::Home;
use super::lookup::{Goal, Lookup, Open};
use super::message::{Preimage, Record, Request, Response, Target};
use super::store::Store;
use super::table::Table;
use super::{Event, LookupId, Pool, Timer};
use crate::context::Context;
use crate::io::{Exchange, Failure, LookupPurpose, Output};
use crate::key::{FunctionHandle, Key, PeerHandle};
use crate::time::Time;

/// Bits of an exchange that hold the look-up's slot.
const SLOT_BITS: u32 = 12;
/// The slots from here on share one number: their requests are searched for.
const SHARED_SLOT: usize = (1 << SLOT_BITS) - 3;
/// Requests of no look-up that have a response.
const SINGLE: usize = SHARED_SLOT + 1;
/// Requests without response.
const ONE_WAY: usize = SHARED_SLOT + 2;

/// The Kademlia part of a peer.
#[derive(Debug)]
pub struct Kad {
    pub(super) me: PeerHandle,
    lookups: u32,
    exchanges: u32,
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
    active: Option<Box<Active>>,
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

/// Look-ups and other requests in progress.
#[derive(Debug, Default)]
pub(super) struct Active {
    #[allow(clippy::vec_box, reason = "they move between nodes and the pool")]
    lookups: Vec<Option<Box<Lookup>>>,
    singles: Vec<Open>,
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
    fn value_found(&mut self, cx: &mut Context<'_>, now: Time, slot: usize, record: Box<Record>) {
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
        } else if exchange.0 as usize & ((1 << SLOT_BITS) - 1) == ONE_WAY {
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

    /// Starts a look-up from the k closest of the own table and `seeds`. It may be over when this returns.
    pub(super) fn start(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        target: Target,
        goal: Goal,
        purpose: LookupPurpose,
        seeds: &[PeerHandle],
    ) -> LookupId {
        let id = LookupId(self.lookups);
        self.lookups = self.lookups.wrapping_add(1);
        let key = target.key;
        let mut lookup = cx.out.kad_pool.lookup();
        lookup.reset(id, goal, purpose, target, cx, now);
        let mut near = self.table.closest(self.me, &key, cx.config.kad.k, None, cx.peers);
        near.extend_from_slice(seeds);
        lookup.seed(cx, self.me, &near);

        let mut own_value = None;
        match lookup.goal {
            Goal::Providers(function) => {
                if let Some(store) = &self.store {
                    let own: Vec<PeerHandle> = store.providers(&key, now).collect();
                    let providers = lookup.found(now, self.me, None, &own, 0);
                    if !providers.is_empty() {
                        cx.out.kad_events.push_back(Event::Providers { lookup: id, function, providers });
                    }
                }
            }
            Goal::Value => own_value = self.store.as_ref().and_then(|store| store.get(&key, now)),
            _ => {}
        }

        let active = self.active.get_or_insert_with(|| cx.out.kad_pool.active());
        let slot = match active.lookups.iter().position(Option::is_none) {
            Some(slot) => slot,
            None => {
                active.lookups.push(None);
                active.lookups.len() - 1
            }
        };
        active.lookups[slot] = Some(lookup);
        match own_value {
            Some(record) => self.value_found(cx, now, slot, record),
            None => self.drive(cx, now, slot),
        }
        id
    }

    /// Sends what a look-up wants sent, and ends it when it is over.
    fn drive(&mut self, cx: &mut Context<'_>, now: Time, slot: usize) {
        let Some(lookup) = self.active.as_mut().and_then(|active| active.lookups.get_mut(slot)?.as_mut())
        else {
            return;
        };
        let exchanges = &mut self.exchanges;
        let mut exchange = || next_exchange(exchanges, slot.min(SHARED_SLOT));
        if lookup.advance(cx, now, &mut exchange)
            && let Some(lookup) = self.take(slot)
        {
            self.finish(cx, now, lookup, false, None);
        }
    }

    /// Takes a look-up out of its slot; the last one takes the list with it.
    fn take(&mut self, slot: usize) -> Option<Box<Lookup>> {
        self.active.as_mut()?.lookups.get_mut(slot)?.take()
    }

    /// A look-up is over: what it was for happens now.
    fn finish(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        mut lookup: Box<Lookup>,
        timed_out: bool,
        value: Option<Box<Record>>,
    ) {
        let (id, messages) = (lookup.id, lookup.messages());
        let goal = std::mem::replace(&mut lookup.goal, Goal::Closest);
        let report = lookup.report(cx, now, timed_out);
        cx.out.kad_pool.keep_lookup(lookup);
        self.release(cx);
        let shared = cx.peers.key(self.me).common_prefix(&report.target.key);
        if report.purpose != LookupPurpose::Refresh {
            self.touched |= 1u32.checked_shl(shared).unwrap_or(0);
        }
        match goal {
            Goal::Closest => {}
            Goal::Providers(function) => cx.out.kad_events.push_back(Event::ProvidersDone {
                lookup: id,
                function,
                messages,
                outcome: report.outcome,
            }),
            Goal::Value => cx.emit(Output::Value { target: report.target.clone(), record: value }),
            Goal::Announce(function) => self.announce_to(cx, function, &report),
            Goal::Withdraw => {
                for peer in &report.closest {
                    self.tell(cx, *peer, Request::RemoveProvider(report.target.clone()));
                }
            }
            Goal::Put(record) => self.put_to(cx, now, record, &report),
            Goal::Join(left) => {
                cx.emit(Output::LookupDone(report));
                self.continue_join(cx, now, left);
                return;
            }
        }
        cx.emit(Output::LookupDone(report));
    }

    /// Sends a request that has no response.
    pub(super) fn tell(&mut self, cx: &mut Context<'_>, to: PeerHandle, request: Request) {
        let exchange = next_exchange(&mut self.exchanges, ONE_WAY);
        cx.emit(Output::KadRequest { to, exchange, request });
    }

    /// Sends a request of no look-up whose response only shows that the peer lives.
    pub(super) fn ask(&mut self, cx: &mut Context<'_>, now: Time, to: PeerHandle, request: Request) {
        let exchange = next_exchange(&mut self.exchanges, SINGLE);
        let deadline = now.saturating_add(cx.config.kad.request_timeout);
        let active = self.active.get_or_insert_with(|| cx.out.kad_pool.active());
        active.singles.push(Open::single(deadline, exchange, to));
        cx.emit(Output::KadRequest { to, exchange, request });
    }

    /// Gives the lists of what is in progress back when nothing is.
    fn release(&mut self, cx: &mut Context<'_>) {
        let idle = |active: &Active| active.singles.is_empty() && active.lookups.iter().all(Option::is_none);
        if self.active.as_deref().is_some_and(idle)
            && let Some(active) = self.active.take()
        {
            cx.out.kad_pool.keep_active(active);
        }
    }

    fn lookup(&mut self, slot: usize) -> Option<&mut Lookup> {
        self.active.as_mut()?.lookups.get_mut(slot)?.as_deref_mut()
    }

    /// Ends the waiting for a request, if it is open and was sent to this peer. With the slot of its look-up, if it
    /// has one.
    fn close(&mut self, peer: PeerHandle, exchange: Exchange) -> Option<(Option<usize>, Open)> {
        let active = self.active.as_mut()?;
        let slot = exchange.0 as usize & ((1 << SLOT_BITS) - 1);
        match slot {
            ONE_WAY => None,
            SINGLE => {
                let is_it = |open: &Open| open.exchange == exchange && open.peer == peer;
                let at = active.singles.iter().position(is_it)?;
                Some((None, active.singles.remove(at)))
            }
            SHARED_SLOT => (SHARED_SLOT..active.lookups.len()).find_map(|slot| {
                let open = active.lookups[slot].as_mut()?.close(exchange, peer)?;
                Some((Some(slot), open))
            }),
            _ => {
                let open = active.lookups.get_mut(slot)?.as_mut()?.close(exchange, peer)?;
                Some((Some(slot), open))
            }
        }
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
}

/// The number of a request: the slot of who waits for it, and a count that comes again only after a million requests.
fn next_exchange(count: &mut u32, slot: usize) -> Exchange {
    *count = count.wrapping_add(1);
    Exchange(*count << SLOT_BITS | slot as u32)
}

/// The target of a function's records.
pub(super) fn function_target(cx: &Context<'_>, function: FunctionHandle) -> Target {
    Target { key: cx.functions.get(function).key, preimage: Preimage::Function(function) }
}

impl Pool {
    fn lookup(&mut self) -> Box<Lookup> {
        self.lookups.pop().unwrap_or_default()
    }

    fn keep_lookup(&mut self, lookup: Box<Lookup>) {
        if self.lookups.len() < Self::LIMIT {
            self.lookups.push(lookup);
        }
    }

    fn active(&mut self) -> Box<Active> {
        self.active.pop().unwrap_or_default()
    }

    fn keep_active(&mut self, mut active: Box<Active>) {
        active.lookups.clear();
        if self.active.len() < Self::LIMIT {
            self.active.push(active);
        }
    }
}
