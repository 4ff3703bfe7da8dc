//! The schedule of calls that a scenario stands for: one lazy iterator that the simulator and the harness pull.
//!
//! What a call *is* (its instant, function, entry, sizes, service time) depends on the seed, the repetition, the name of its
//! phase, its lane (client or function of a trace) and its number there, and on nothing else: policies, backends and faults never
//! change the workload, and neither do functions and phases that it has nothing to do with. Each attribute has
//! a draw of its own, so that changing one law moves no other.
//!
//! The one exception is the point of a closed loop: *when* a client's next call is due depends on its last completion.
//!
//! A driver makes a [`Population`] (who is where and hosts what), a [`Schedule`], and then
//!
//! 1. takes calls from the schedule, which come by time, each when its instant is reached;
//! 2. tells [`Schedule::after`] of each completed call and gets the same client's next call, if there is one;
//! 3. asks [`Schedule::item`] for the items of a manycall, in any order, as it needs them.
//!
//! [`Numbers`] gives each call its number in the results.

mod arrivals;
mod call;
mod choice;
mod error;
mod flow;
mod functions;
mod number;
mod population;
#[cfg(test)]
mod tests;

pub use call::{CallId, CallKey, CallKind, Demand, ScheduledCall};
pub use error::ScheduleError;
pub use number::{CallNumber, Numbers};
pub use population::Population;

use super::schema::{Arrivals, Scenario};
use super::trace::Traces;
use crate::draws::{Draws, Purpose};
use crate::time::{Duration, Time};
use arrivals::Cursor;
use flow::Flow;
use functions::Functions;

/// What the schedule draws for; numbers 256 to 287 are its own.
mod purpose {
    use super::Purpose;

    /// Gaps between arrivals, by flow.
    pub(super) const ARRIVAL: Purpose = Purpose(256);
    /// Attributes of a call, by call.
    pub(super) const CALL: Purpose = Purpose(257);
    /// Attributes of the items of a manycall, by call.
    pub(super) const ITEM: Purpose = Purpose(258);
    /// Think times, by the call before.
    pub(super) const THINK: Purpose = Purpose(259);
    /// The entry of a client, by client.
    pub(super) const CLIENT: Purpose = Purpose(260);
    /// Where in its minute a call of a trace comes, by function of the trace.
    pub(super) const MINUTE: Purpose = Purpose(261);
    /// The offset of evenly spread calls of a trace, by function of the trace.
    pub(super) const OFFSET: Purpose = Purpose(262);
    /// Which nodes a selector takes, by its label.
    pub(super) const SELECT: Purpose = Purpose(263);
    /// The class of a node, by node.
    pub(super) const CLASS: Purpose = Purpose(264);
    /// The region of a node, by node.
    pub(super) const REGION: Purpose = Purpose(265);
}

/// The calls of one repetition, by time: an iterator over what is known in advance (all of an open loop, the first
/// call of each client of a closed loop), and [`Schedule::after`] for the rest.
///
/// Clients of a closed loop all start with their phase, in the order of their numbers. An open loop draws the entry of each call;
/// a client draws one and stays there.
///
/// Its memory grows with functions, never with calls. Phases follow each other from time 0; calls that are due at the same
/// instant come anycalls first, then by lane.
#[derive(Debug)]
pub struct Schedule<'a> {
    draws: Draws,
    functions: Functions<'a>,
    /// Of each phase its anycalls and its manycalls.
    flows: Vec<[Option<Flow<'a>>; 2]>,
    /// The phase that is being played.
    phase: usize,
    cursors: [Option<Cursor<'a>>; 2],
}

impl<'a> Schedule<'a> {
    /// The schedule of one repetition, by its draws.
    pub fn new(
        scenario: &'a Scenario,
        traces: &'a Traces,
        population: &Population,
        draws: Draws,
    ) -> Result<Self, ScheduleError> {
        let functions = Functions::new(scenario, traces)?;
        if scenario.phases.len() > usize::from(u16::MAX) {
            let (found, max) = (scenario.phases.len(), usize::from(u16::MAX));
            return Err(ScheduleError::TooMany { what: "phases", found, max });
        }
        let mut flows = Vec::with_capacity(scenario.phases.len());
        let mut start = Time::ZERO;
        for phase in &scenario.phases {
            let end = start.saturating_add(phase.duration);
            let at = flow::Place { scenario, traces, population, start, end };
            let anycalls =
                phase.anycall.as_ref().map(|calls| Flow::anycalls(&at, phase, calls)).transpose()?;
            let manycalls =
                phase.manycall.as_ref().map(|calls| Flow::manycalls(&at, phase, calls)).transpose()?;
            flows.push([anycalls, manycalls]);
            start = end;
        }
        let mut schedule = Schedule { draws, functions, flows, phase: 0, cursors: [None, None] };
        schedule.open();
        Ok(schedule)
    }

    /// When the next call of the iterator is due.
    pub fn next_at(&self) -> Option<Time> {
        self.cursors.iter().flatten().filter_map(Cursor::at).min()
    }

    /// The call that follows `done` in a closed loop, after `done` was completed at `completed_at`, well (`ok`) or not. Due a
    /// think time later. `None` when that is past the end of the phase, the client's calls are used up, or `done` belongs to an open loop.
    ///
    /// A limit on a phase's calls is divided evenly among its clients (the first ones take the remainder), so that which calls there are does
    /// not depend on who is faster.
    pub fn after(&self, done: CallId, completed_at: Time, ok: bool) -> Option<ScheduledCall> {
        let flow = self.flow(done)?;
        let index = done.index.checked_add(1)?;
        if u64::from(index) >= flow.quota(done.lane)? {
            return None;
        }
        let think = flow.think(ok)?;
        let mut stream = self.draws.stream(purpose::THINK, flow.key(done.lane, done.index).0);
        let at = completed_at.max(flow.start).saturating_add(seconds(think.sample(&mut stream)));
        (at < flow.end).then(|| self.call(flow, CallId { index, ..done }, at, None))
    }

    /// What item `item` (from 0) of the manycall `map` asks of its function.
    pub fn item(&self, map: &ScheduledCall, item: u32) -> Demand {
        match self.flow(map.id) {
            Some(flow) => {
                // Four blocks an item; the schema's ten million items stay far below the counter's 2^32.
                let draw = |attribute| {
                    self.draws.stream_at(purpose::ITEM, map.key.0, item.wrapping_mul(4) + attribute)
                };
                self.functions.demand(flow.sizes(), map.function, flow.law(map.id.lane), draw)
            }
            None => Demand::default(),
        }
    }

    /// Opens the phase that is being played and skips those without calls.
    fn open(&mut self) {
        while let Some([anycalls, manycalls]) = self.flows.get(self.phase) {
            self.cursors =
                [anycalls, manycalls].map(|flow| flow.as_ref().map(|flow| Cursor::new(flow, self.draws)));
            if self.next_at().is_some() {
                return;
            }
            self.phase += 1;
        }
        self.cursors = [None, None];
    }

    fn flow(&self, id: CallId) -> Option<&Flow<'a>> {
        self.flows.get(usize::from(id.phase))?[usize::from(id.many)].as_ref()
    }

    /// Call `id`, due at `at`; `recorded` is its service time where a trace gives it.
    fn call(&self, flow: &Flow<'a>, id: CallId, at: Time, recorded: Option<Duration>) -> ScheduledCall {
        let key = flow.key(id.lane, id.index);
        let draw = |attribute| self.draws.stream_at(purpose::CALL, key.0, attribute);
        let function = flow.function(id.lane, &mut draw(4));
        let mut demand = Demand::default();
        if !id.many {
            demand = self.functions.demand(flow.sizes(), function, flow.law(id.lane), draw);
            demand.service_time = recorded.unwrap_or(demand.service_time);
        }
        ScheduledCall {
            id,
            key,
            at,
            kind: flow.kind(self.functions.policy(function)),
            function,
            entry: flow.entry(id.lane, &mut draw(5), self.draws),
            demand,
            deadline: flow.deadline(self.functions.timeout(function)),
            idempotent: flow.idempotent().unwrap_or_else(|| self.functions.idempotent(function)),
            cold: flow.cold(),
        }
    }
}

impl Iterator for Schedule<'_> {
    type Item = ScheduledCall;

    fn next(&mut self) -> Option<ScheduledCall> {
        let at = self.next_at()?;
        let many = self.cursors[0].as_ref().and_then(Cursor::at) != Some(at);
        let [anycalls, manycalls] = self.flows.get(self.phase)?;
        let flow = if many { manycalls } else { anycalls }.as_ref()?;
        let arrival = self.cursors[usize::from(many)].as_mut()?.take(flow, self.draws)?;
        let id = CallId { phase: self.phase as u16, many, lane: arrival.lane, index: arrival.index };
        let call = self.call(flow, id, arrival.at, arrival.duration);
        if self.next_at().is_none() {
            self.phase += 1;
            self.open();
        }
        Some(call)
    }
}

/// A drawn number of seconds as a duration, at most 10^9 s, so that sums with instants stay far from overflow.
fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.min(1e9))
}

/// Whether calls of these arrivals are made by clients.
fn closed(arrivals: &Arrivals) -> bool {
    matches!(arrivals, Arrivals::Clients { .. })
}
