//! Look-ups and other requests in progress: started, driven on, ended.

use super::behaviour::Kad;
use super::lookup::{Goal, Lookup, Open};
use super::message::{Record, Request, Target};
use super::{Event, LookupId, Pool};
use crate::context::Context;
use crate::io::{Exchange, LookupPurpose, Output};
use crate::key::{KeyTable, PeerHandle};
use crate::prefetch::{self, Coming, Step};
use crate::time::Time;
use smallvec::SmallVec;

/// Bits of an exchange that hold the look-up's slot.
const SLOT_BITS: u32 = 12;
/// The slots from here on share one number: their requests are searched for.
const SHARED_SLOT: usize = (1 << SLOT_BITS) - 3;
/// Requests of no look-up that have a response.
const SINGLE: usize = SHARED_SLOT + 1;
/// Requests without response.
const ONE_WAY: usize = SHARED_SLOT + 2;

/// Look-ups and other requests in progress.
#[derive(Debug, Default)]
pub(super) struct Active {
    // Few nodes have more at once, and each step less on the way to a look-up is a memory access less.
    pub(super) lookups: SmallVec<[Option<Box<Lookup>>; 4]>,
    pub(super) singles: Vec<Open>,
}

impl Kad {
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
    pub(super) fn drive(&mut self, cx: &mut Context<'_>, now: Time, slot: usize) {
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
    pub(super) fn take(&mut self, slot: usize) -> Option<Box<Lookup>> {
        self.active.as_mut()?.lookups.get_mut(slot)?.take()
    }

    /// A look-up is over: what it was for happens now.
    pub(super) fn finish(
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

    /// See [`crate::peer::Peer::prefetch`].
    #[inline]
    pub(crate) fn prefetch(&self, step: Step, coming: Coming<'_>, peers: &KeyTable) {
        match (coming, step) {
            (Coming::Request { from, target }, Step::Second) => {
                self.table.prefetch(self.me, from, target, peers);
                if let Some(store) = &self.store {
                    prefetch::line(&**store);
                }
            }
            (Coming::Response { from, .. }, Step::Second) => {
                self.table.prefetch(self.me, from, None, peers);
                if let Some(active) = &self.active {
                    prefetch::line(&**active);
                }
            }
            (Coming::Response { exchange, closer, .. }, Step::Third) => {
                closer.iter().for_each(|peer| peers.prefetch(*peer));
                if let Some(lookup) = self.peek(exchange) {
                    lookup.prefetch();
                }
            }
            (Coming::Response { exchange, .. }, Step::Fourth) => {
                if let Some(lookup) = self.peek(exchange) {
                    lookup.prefetch_walk();
                }
            }
            (Coming::Request { .. }, Step::Third | Step::Fourth) => {}
        }
    }

    /// Whom the look-up that waits for this response will probably ask next: a guess, for prefetching.
    #[inline]
    pub(crate) fn likely_next(&self, exchange: Exchange) -> Option<PeerHandle> {
        self.peek(exchange)?.likely_next()
    }

    fn peek(&self, exchange: Exchange) -> Option<&Lookup> {
        self.active.as_ref()?.lookups.get(slot_of(exchange))?.as_deref()
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
    pub(super) fn release(&mut self, cx: &mut Context<'_>) {
        let idle = |active: &Active| active.singles.is_empty() && active.lookups.iter().all(Option::is_none);
        if self.active.as_deref().is_some_and(idle)
            && let Some(active) = self.active.take()
        {
            cx.out.kad_pool.keep_active(active);
        }
    }

    pub(super) fn lookup(&mut self, slot: usize) -> Option<&mut Lookup> {
        self.active.as_mut()?.lookups.get_mut(slot)?.as_deref_mut()
    }

    /// Ends the waiting for a request, if it is open and was sent to this peer. With the slot of its look-up, if it
    /// has one.
    pub(super) fn close(&mut self, peer: PeerHandle, exchange: Exchange) -> Option<(Option<usize>, Open)> {
        let active = self.active.as_mut()?;
        let slot = slot_of(exchange);
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
}

/// The number of a request: the slot of who waits for it, and a count that comes again only after a million requests.
fn next_exchange(count: &mut u32, slot: usize) -> Exchange {
    *count = count.wrapping_add(1);
    Exchange(*count << SLOT_BITS | slot as u32)
}

/// True for the number of a request that has no response.
pub(super) fn is_one_way(exchange: Exchange) -> bool {
    slot_of(exchange) == ONE_WAY
}

fn slot_of(exchange: Exchange) -> usize {
    exchange.0 as usize & ((1 << SLOT_BITS) - 1)
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
