//! Flooding: a query travels all links of an overlay, up to `ttl` of them, and providers answer whoever asked.
//!
//! As Gnutella's queries did: a node passes on what it sees for the first time to all links but the one it came by,
//! and drops the rest. Answers go straight to the asker. Each is used at once; the look-up is over when none has come
//! for twice the time that the last one took, and at the latest, or without any answer, after `request_timeout`.
//! Links are connections like others: they are dialled when needed and close when idle.

use super::letter::{Note, Posted, Timer};
use super::overlay::Overlay;
use super::{Engine, Kind};
use crate::engine::node_name;
use edge_faas_core::draws::Draws;
use edge_faas_core::key::{FunctionHandle, PeerHandle};
use edge_faas_core::results::{LookupOutcome, LookupPurpose, LookupRecord, Name, TrafficClass};
use edge_faas_core::time::Time;
use slab::Slab;

/// The overlay and the queries under way.
#[derive(Debug)]
pub(super) struct Flood {
    overlay: Overlay,
    ttl: u32,
    queries: Slab<Query>,
    asked: u64,
}

/// A query under way. What each node remembers of it (that it has seen it) is kept here.
#[derive(Debug)]
struct Query {
    /// Tells it from an earlier one in the same place.
    number: u64,
    asker: u32,
    /// When the asker came up.
    since: Time,
    function: FunctionHandle,
    start: Time,
    first: Option<Time>,
    until: Time,
    /// By machine number, a bit each.
    seen: Vec<u64>,
    found: Vec<u32>,
    depth: u32,
    /// Copies of the query sent.
    requests: u32,
    dials: u32,
    /// Copies and answers.
    bytes: u64,
    /// Messages on their way.
    open: u32,
    /// When it ended for the asker, and how.
    over: Option<(Time, LookupOutcome)>,
}

impl Query {
    fn mark(&mut self, number: u32) -> bool {
        let (word, bit) = (number as usize / 64, 1u64 << (number % 64));
        let seen = self.seen[word] & bit != 0;
        self.seen[word] |= bit;
        seen
    }
}

impl Flood {
    pub(super) fn new(draws: &Draws, nodes: u32, ttl: u32, degree: u32) -> Self {
        Flood { overlay: Overlay::new(draws, nodes, degree), ttl, queries: Slab::new(), asked: 0 }
    }
}

impl Engine<'_> {
    fn flooding(&mut self) -> &mut Flood {
        match &mut self.discovery.kind {
            Kind::Flood(flood) => flood,
            _ => unreachable!("only a flood has queries"),
        }
    }

    /// The function that a query asks for.
    pub(super) fn query_function(&self, query: u32) -> FunctionHandle {
        match &self.discovery.kind {
            Kind::Flood(flood) => flood.queries[query as usize].function,
            _ => unreachable!("only a flood has queries"),
        }
    }

    /// A node asks everybody.
    pub(super) fn flood(&mut self, asker: u32, function: FunctionHandle) {
        let start = self.now;
        let until = start + self.config.kad.request_timeout;
        let words = (self.population.nodes() as usize).div_ceil(64);
        let flood = self.flooding();
        flood.asked += 1;
        let number = flood.asked;
        let query = Query {
            number,
            asker,
            since: self.nodes[asker as usize].up_since,
            function,
            start,
            first: None,
            until,
            seen: vec![0; words],
            found: Vec::new(),
            depth: 0,
            requests: 0,
            dials: 0,
            bytes: 0,
            open: 0,
            over: None,
        };
        let query = self.flooding().queries.insert(query) as u32;
        let machine = self.population.number(asker);
        self.flooding().queries[query as usize].mark(machine);
        self.set_timer(asker, until, Timer::QueryEnd(query, number));
        self.pass_on(asker, asker, query, 1);
    }

    /// Sends a query on all links but the one to `from`.
    fn pass_on(&mut self, node: u32, from: u32, query: u32, hops: u32) {
        let (number, from) = (self.population.number(node), self.population.number(from));
        let links = self.flooding().overlay.links(number).len();
        for link in 0..links {
            let other = self.flooding().overlay.links(number)[link];
            if other != from {
                let to = self.population.handle(other);
                self.send_query_letter(node, to, query, Note::Query { query, hops });
            }
        }
    }

    fn send_query_letter(&mut self, from: u32, to: u32, query: u32, note: Note) {
        let request = matches!(note, Note::Query { .. });
        let posted = self.send_letter(from, to, TrafficClass::Lookup, note);
        let state = &mut self.flooding().queries[query as usize];
        match posted {
            Posted::Sent { dialled, bytes } => {
                state.open += 1;
                state.requests += u32::from(request);
                state.dials += u32::from(dialled);
                state.bytes += u64::from(bytes);
            }
            Posted::Failed => state.dials += 1,
        }
    }

    /// A message of a query has arrived or is lost.
    pub(super) fn query_letter_over(&mut self, query: u32, reached: bool) {
        self.flooding().queries[query as usize].open -= 1;
        if !reached {
            self.tidy_query(query);
        }
    }

    /// Forgets a query that is over when its last message is gone: only then all that it cost is known.
    fn tidy_query(&mut self, query: u32) {
        let queries = &mut self.flooding().queries;
        if queries.get(query as usize).is_some_and(|state| state.over.is_some() && state.open == 0) {
            let state = queries.remove(query as usize);
            self.query_row(&state);
        }
    }

    /// A node sees a query.
    pub(super) fn asked(&mut self, node: u32, from: u32, query: u32, hops: u32) {
        let number = self.population.number(node);
        let flood = self.flooding();
        let (ttl, state) = (flood.ttl, &mut flood.queries[query as usize]);
        let (asker, function, known) = (state.asker, state.function, state.mark(number));
        if !known {
            if self.is_hosted(node, function) {
                self.send_query_letter(node, asker, query, Note::Found { query, hops });
            }
            if hops < ttl {
                self.pass_on(node, from, query, hops + 1);
            }
        }
        self.tidy_query(query);
    }

    /// An answer has arrived.
    pub(super) fn found(&mut self, provider: u32, query: u32, hops: u32) {
        let now = self.now;
        let state = &mut self.flooding().queries[query as usize];
        let (asker, since, number) = (state.asker, state.since, state.number);
        if self.nodes[asker as usize].up_since != since {
            self.query_abandoned(query, number);
            return;
        }
        let state = &mut self.flooding().queries[query as usize];
        if state.over.is_none() {
            let (function, start) = (state.function, state.start);
            state.first.get_or_insert(now);
            state.depth = state.depth.max(hops);
            state.found.push(provider);
            let limit = start + self.config.kad.request_timeout;
            let until = (now + now.since(start) * 2).min(limit);
            self.flooding().queries[query as usize].until = until;
            self.set_timer(asker, until, Timer::QueryEnd(query, number));
            self.resolved(asker, function, vec![PeerHandle::new(provider)], false);
        }
        self.tidy_query(query);
    }

    /// A query's time may be over.
    pub(super) fn query_end(&mut self, query: u32, number: u64) {
        let now = self.now;
        let Some(state) = self.flooding().queries.get_mut(query as usize) else { return };
        if state.number != number || state.over.is_some() || now < state.until {
            return;
        }
        let outcome = if state.found.is_empty() { LookupOutcome::NotFound } else { LookupOutcome::Ok };
        state.over = Some((now, outcome));
        let (asker, function) = (state.asker, state.function);
        self.resolved(asker, function, Vec::new(), true);
        self.tidy_query(query);
    }

    /// The asker has gone.
    pub(super) fn query_abandoned(&mut self, query: u32, number: u64) {
        let now = self.now;
        if let Some(state) = self.flooding().queries.get_mut(query as usize)
            && state.number == number
        {
            state.over.get_or_insert((now, LookupOutcome::Cancelled));
            self.tidy_query(query);
        }
    }

    fn query_row(&mut self, state: &Query) {
        let Some((done, outcome)) = state.over else { return };
        let live = state.found.iter().filter(|peer| self.nodes[**peer as usize].is_up()).count();
        let record = LookupRecord {
            node: node_name(self.population.number(state.asker)),
            purpose: LookupPurpose::Call,
            function: Some(Name::Text(self.hosts.name(state.function))),
            start_us: state.start.as_micros(),
            first_us: state.first.map(Time::as_micros),
            done_us: Some(done.as_micros()),
            depth: state.depth,
            requests: state.requests,
            timeouts: 0,
            dials: state.dials,
            bytes: state.bytes,
            found: state.found.len() as u32,
            found_live: Some(live as u32),
            closest_correct: None,
            outcome,
        };
        let result = self.rows.writer.lookup(&record);
        self.check(result);
    }
}
