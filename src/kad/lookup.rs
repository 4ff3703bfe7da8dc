//! Iterative look-ups: one or several walks, the requests they wait for, and what they found.

use super::LookupId;
use super::message::{Preimage, Record, Request, Target};
use super::walk::{Limits, Step, Walk};
use super::wire;
use crate::context::Context;
use crate::io::{Exchange, Failure, LookupOutcome, LookupPurpose, LookupReport, Output};
use crate::key::{FunctionHandle, Key, PeerHandle};
use crate::prefetch;
use crate::time::Time;
use smallvec::SmallVec;

/// Further pages asked of one holder of provider records at most, whatever total it claims.
const MAX_PAGES: u32 = 64;

/// What happens when a look-up ends.
#[derive(Debug)]
pub(super) enum Goal {
    /// Nothing but the report.
    Closest,
    /// Providers of a function, told as they come.
    Providers(FunctionHandle),
    /// The first record.
    Value,
    /// Announce a function to the closest.
    Announce(FunctionHandle),
    /// Withdraw a function from the closest.
    Withdraw,
    /// Store a value at the closest.
    Put(Box<Record>),
    /// Part of joining: how many buckets are still to be refreshed after it; `None`: it is for the own key.
    Join(Option<u8>),
}

/// A request that waits for its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) deadline: Time,
    pub(super) exchange: Exchange,
    pub(super) peer: PeerHandle,
    depth: u8,
    /// The walk that asked.
    walk: u8,
    /// Above zero: a page of providers, no step of a walk.
    page: u16,
}

impl Open {
    pub(super) fn single(deadline: Time, exchange: Exchange, peer: PeerHandle) -> Self {
        Open { deadline, exchange, peer, depth: 0, walk: 0, page: 0 }
    }
}

/// A holder that said it has more providers than its answer held.
#[derive(Clone, Copy, Debug)]
struct Holder {
    peer: PeerHandle,
    total: u32,
    pages: u32,
    next: u16,
}

/// Whom several disjoint walks have asked, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Contact {
    Waiting,
    Answered,
    Failed,
}

/// An iterative look-up.
#[derive(Debug)]
pub(super) struct Lookup {
    pub(super) id: LookupId,
    pub(super) goal: Goal,
    pub(super) purpose: LookupPurpose,
    pub(super) target: Target,
    pub(super) deadline: Time,
    start: Time,
    first_answer: Option<Time>,
    depth: u32,
    requests: u32,
    responses: u32,
    timeouts: u32,
    failures: u32,
    pub(crate) dials: u32,
    bytes: u64,
    walks: SmallVec<[Walk; 1]>,
    /// Only with several walks: by peer. A peer is asked once, by the walk that came first; the others learn that it
    /// answered, not what (S/Kademlia's disjoint paths, as rust-libp2p's `ClosestDisjointPeersIter`).
    contacts: Vec<(PeerHandle, Contact)>,
    turn: usize,
    /// In the order they were sent, so by deadline.
    open: SmallVec<[Open; 8]>,
    /// By handle.
    pub(super) providers: Vec<PeerHandle>,
    holders: Vec<Holder>,
}

impl Default for Lookup {
    fn default() -> Self {
        Lookup {
            id: LookupId(0),
            goal: Goal::Closest,
            purpose: LookupPurpose::Experiment,
            target: nowhere(),
            deadline: Time::MAX,
            start: Time::ZERO,
            first_answer: None,
            depth: 0,
            requests: 0,
            responses: 0,
            timeouts: 0,
            failures: 0,
            dials: 0,
            bytes: 0,
            walks: SmallVec::new(),
            contacts: Vec::new(),
            turn: 0,
            open: SmallVec::new(),
            providers: Vec::new(),
            holders: Vec::new(),
        }
    }
}

/// A target to leave behind where one is moved out.
fn nowhere() -> Target {
    Target { key: Key::default(), preimage: Preimage::Random(0) }
}

impl Lookup {
    /// Makes a fresh look-up of this one, keeping its allocations.
    pub(super) fn reset(
        &mut self,
        id: LookupId,
        goal: Goal,
        purpose: LookupPurpose,
        target: Target,
        cx: &Context<'_>,
        now: Time,
    ) {
        self.id = id;
        self.goal = goal;
        self.purpose = purpose;
        self.target = target;
        self.start = now;
        self.deadline = now.saturating_add(cx.config.kad.lookup_timeout);
        self.first_answer = None;
        self.depth = 0;
        self.requests = 0;
        self.responses = 0;
        self.timeouts = 0;
        self.failures = 0;
        self.dials = 0;
        self.bytes = 0;
        self.turn = 0;
        self.contacts.clear();
        self.open.clear();
        self.providers.clear();
        self.holders.clear();
        let paths = cx.config.kad.disjoint_paths.clamp(1, usize::from(u8::MAX));
        self.walks.truncate(paths);
        for walk in &mut self.walks {
            walk.clear();
        }
        self.walks.resize_with(paths, Walk::default);
    }

    /// Peers to begin with. Every walk gets all of them; whom each asks is settled as they go.
    pub(super) fn seed(&mut self, cx: &Context<'_>, me: PeerHandle, list: &[PeerHandle]) {
        let limits = limits(cx);
        for walk in &mut self.walks {
            walk.merge(&self.target.key, list, me, 1, limits, cx.peers);
        }
    }

    /// Asks the processor for what a response needs of it.
    pub(super) fn prefetch(&self) {
        prefetch::line(&self.open);
        prefetch::line(&self.walks);
        prefetch::line(&self.goal);
        prefetch::line(&self.target);
        prefetch::line(&self.bytes);
    }

    /// The same of what lies deeper in it.
    pub(super) fn prefetch_walk(&self) {
        for at in (0..self.open.len()).step_by(2) {
            prefetch::element(&self.open, at);
        }
        self.walks.first().into_iter().for_each(Walk::prefetch);
    }

    /// Whom it would ask next if nothing came in between.
    pub(super) fn likely_next(&self) -> Option<PeerHandle> {
        self.walks.first().and_then(Walk::likely_next)
    }

    /// The earliest deadline of a request in flight.
    pub(super) fn next_request(&self) -> Option<Time> {
        self.open.first().map(|open| open.deadline)
    }

    /// Ends the waiting for the request `exchange` at `peer`.
    pub(super) fn close(&mut self, exchange: Exchange, peer: PeerHandle) -> Option<Open> {
        let at = self.open.iter().position(|open| open.exchange == exchange && open.peer == peer)?;
        Some(self.open.remove(at))
    }

    /// Ends the waiting for the first request that satisfies `is_over`.
    pub(super) fn close_first(&mut self, is_over: impl Fn(&Open) -> bool) -> Option<Open> {
        let at = self.open.iter().position(is_over)?;
        Some(self.open.remove(at))
    }

    /// A response came that names `closer` peers.
    pub(super) fn answered(
        &mut self,
        cx: &Context<'_>,
        now: Time,
        me: PeerHandle,
        open: Open,
        closer: &[PeerHandle],
        bytes: u32,
    ) {
        self.responses += 1;
        self.bytes += u64::from(bytes);
        if !matches!(self.goal, Goal::Providers(_) | Goal::Value) {
            self.first_answer.get_or_insert(now);
        }
        if open.page > 0 {
            return;
        }
        self.depth = self.depth.max(u32::from(open.depth));
        let limits = limits(cx);
        let key = &self.target.key;
        for (number, walk) in self.walks.iter_mut().enumerate() {
            let list = if number == usize::from(open.walk) { closer } else { &[] };
            walk.answered(key, open.peer, list, me, limits, cx.peers);
        }
        self.note(open.peer, Contact::Answered);
    }

    /// A request failed.
    pub(super) fn failed(&mut self, cx: &Context<'_>, open: Open, failure: Failure) {
        match failure {
            Failure::Timeout => self.timeouts += 1,
            _ => self.failures += 1,
        }
        if open.page > 0 {
            self.holders.retain(|holder| holder.peer != open.peer);
            return;
        }
        for walk in &mut self.walks {
            walk.failed(&self.target.key, open.peer, cx.peers);
        }
        self.note(open.peer, Contact::Failed);
    }

    fn note(&mut self, peer: PeerHandle, contact: Contact) {
        if self.walks.len() > 1
            && let Ok(at) = self.contacts.binary_search_by_key(&peer, |(peer, _)| *peer)
        {
            self.contacts[at].1 = contact;
        }
    }

    /// A holder answered with providers; returns those that are new, `me` left out.
    pub(super) fn found(
        &mut self,
        now: Time,
        me: PeerHandle,
        open: Option<Open>,
        list: &[PeerHandle],
        total: u32,
    ) -> Vec<PeerHandle> {
        let mut new = Vec::new();
        for peer in list {
            if *peer != me
                && let Err(at) = self.providers.binary_search(peer)
            {
                self.providers.insert(at, *peer);
                new.push(*peer);
            }
        }
        if !new.is_empty() {
            self.first_answer.get_or_insert(now);
        }
        let Some(open) = open else {
            return new;
        };
        if open.page == 0 && !list.is_empty() && total as usize > list.len() {
            self.holders.push(Holder {
                peer: open.peer,
                total,
                pages: total.div_ceil(list.len() as u32).min(MAX_PAGES),
                next: 1,
            });
        } else if open.page > 0 && list.is_empty() {
            self.holders.retain(|holder| holder.peer != open.peer);
        }
        new
    }

    /// A value was found.
    pub(super) fn found_value(&mut self, now: Time) {
        self.first_answer.get_or_insert(now);
    }

    /// Sends what is to be sent now; true when the look-up is over.
    pub(super) fn advance(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        exchange: &mut dyn FnMut() -> Exchange,
    ) -> bool {
        let over = if self.walks.len() == 1 {
            self.advance_one(cx, now, exchange)
        } else {
            self.advance_disjoint(cx, now, exchange)
        };
        over && (!cx.config.kad.extensions || self.advance_pages(cx, now, exchange))
    }

    fn advance_one(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        exchange: &mut dyn FnMut() -> Exchange,
    ) -> bool {
        let limits = limits(cx);
        loop {
            match self.walks[0].next(limits) {
                Step::Ask(peer, depth) => self.ask(cx, now, exchange(), peer, depth, 0, 0),
                Step::Wait => return false,
                Step::Finished => return true,
            }
        }
    }

    /// The walks take turns; one that wants a peer another has asked gets only to know how that went.
    fn advance_disjoint(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        exchange: &mut dyn FnMut() -> Exchange,
    ) -> bool {
        let limits = limits(cx);
        let mut idle = 0;
        let mut finished = 0;
        while idle < self.walks.len() {
            let turn = self.turn % self.walks.len();
            self.turn = turn + 1;
            match self.walks[turn].next(limits) {
                Step::Wait => idle += 1,
                Step::Finished => {
                    idle += 1;
                    finished += 1;
                }
                Step::Ask(peer, depth) => {
                    idle = 0;
                    finished = 0;
                    match self.contacts.binary_search_by_key(&peer, |(peer, _)| *peer) {
                        Err(at) => {
                            self.contacts.insert(at, (peer, Contact::Waiting));
                            self.ask(cx, now, exchange(), peer, depth, turn as u8, 0);
                        }
                        Ok(at) => match self.contacts[at].1 {
                            Contact::Waiting => {}
                            Contact::Failed => self.walks[turn].failed(&self.target.key, peer, cx.peers),
                            Contact::Answered => {
                                // No list, so no other peer can be meant by "me".
                                self.walks[turn].answered(
                                    &self.target.key,
                                    peer,
                                    &[],
                                    peer,
                                    limits,
                                    cx.peers,
                                );
                            }
                        },
                    }
                }
            }
        }
        finished == self.walks.len()
    }

    /// Asks a holder that left providers out for the rest, the one with the most first; true when there is nothing
    /// left to ask.
    fn advance_pages(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        exchange: &mut dyn FnMut() -> Exchange,
    ) -> bool {
        let mut current = self.open.iter().find(|open| open.page > 0).map(|open| open.peer);
        while self.open.len() < cx.config.kad.alpha {
            let known = self.providers.len();
            let next = self
                .holders
                .iter_mut()
                .filter(|holder| {
                    current.is_none_or(|peer| peer == holder.peer)
                        && holder.total as usize > known
                        && u32::from(holder.next) < holder.pages
                })
                .max_by_key(|holder| holder.total);
            let Some(holder) = next else { break };
            let (peer, page) = (holder.peer, holder.next);
            holder.next += 1;
            current = Some(peer);
            self.ask(cx, now, exchange(), peer, 0, 0, page);
        }
        self.open.is_empty()
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one request")]
    fn ask(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        exchange: Exchange,
        peer: PeerHandle,
        depth: u8,
        walk: u8,
        page: u16,
    ) {
        let target = self.target.clone();
        let request = match self.goal {
            Goal::Providers(_) => Request::GetProviders { target, page },
            Goal::Value => Request::GetValue(target),
            _ => Request::FindNode(target),
        };
        self.requests += 1;
        self.bytes += u64::from(wire::request_len(&request, cx.config, cx.functions));
        self.open.push(Open {
            deadline: now.saturating_add(cx.config.kad.request_timeout),
            exchange,
            peer,
            depth,
            walk,
            page,
        });
        cx.emit(Output::KadRequest { to: peer, exchange, request });
    }

    /// Requests and responses so far.
    pub(super) fn messages(&self) -> u32 {
        self.requests + self.responses
    }

    /// The account, when it is over; takes what it can out of the look-up.
    pub(super) fn report(&mut self, cx: &Context<'_>, now: Time, timed_out: bool) -> Box<LookupReport> {
        let mut closest: Vec<PeerHandle> = self.walks.iter().flat_map(Walk::closest).collect();
        if self.walks.len() > 1 {
            let key = &self.target.key;
            closest.sort_unstable_by(|a, b| cx.peers.cmp_distance(key, *a, *b));
            closest.dedup();
        }
        closest.truncate(cx.config.kad.k);
        let outcome = if timed_out {
            LookupOutcome::Timeout
        } else if self.responses > 0 || self.first_answer.is_some() {
            LookupOutcome::Ok
        } else {
            LookupOutcome::Failed
        };
        Box::new(LookupReport {
            purpose: self.purpose,
            target: std::mem::replace(&mut self.target, nowhere()),
            start: self.start,
            first_answer: self.first_answer,
            done: now,
            depth: self.depth,
            requests: self.requests,
            responses: self.responses,
            timeouts: self.timeouts,
            failures: self.failures,
            dials: self.dials,
            bytes: self.bytes,
            closest,
            providers: self.providers.clone(),
            outcome,
        })
    }

    /// Calls `visit` with every handle it refers to.
    pub(super) fn mark(&self, visit: &mut dyn FnMut(PeerHandle)) {
        self.walks.iter().flat_map(Walk::peers).for_each(&mut *visit);
        self.open.iter().for_each(|open| visit(open.peer));
        self.providers.iter().for_each(|peer| visit(*peer));
        self.holders.iter().for_each(|holder| visit(holder.peer));
        self.contacts.iter().for_each(|(peer, _)| visit(*peer));
        mark_target(&self.target, visit);
        if let Goal::Put(record) = &self.goal {
            record.publisher.iter().for_each(|peer| visit(*peer));
        }
    }
}

fn mark_target(target: &Target, visit: &mut dyn FnMut(PeerHandle)) {
    if let Preimage::Peer(peer) = target.preimage {
        visit(peer);
    }
}

fn limits(cx: &Context<'_>) -> Limits {
    // What the regression gate has to notice: one request in flight at a time, whatever α is.
    let alpha = if cfg!(feature = "slow-down-for-tests") { 1 } else { cx.config.kad.alpha.max(1) };
    Limits { k: cx.config.kad.k.max(1), alpha }
}
