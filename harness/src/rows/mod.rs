//! The rows of a repetition: what its users saw, put together with what its nodes tell.

mod nodes;
mod told;

use crate::clock::Clock;
use crate::faults::Happening;
use crate::journal::{Journal, Life};
use crate::links::Link;
use crate::plan::Plan;
use crate::player::Played;
use edge_faas_core::results::{
    AttemptKind, AttemptOutcome, AttemptRecord, CallRecord, CallTimes, EventRecord, LookupRecord, Name,
    Outcome, RepetitionWriter,
};
use edge_faas_core::time::{Duration, Time};
use edge_faas_node::experiment::{Event, Times};
use edge_faas_sim::engine::node_name;
use std::io;
use told::{Execution, Told, wasted};

/// What a node is at the end of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeEnd {
    /// Functions that it hosts.
    pub functions: u32,
    /// Entries of its routing table.
    pub table: u32,
}

/// Everything that a repetition's rows are made of.
#[derive(Debug)]
pub struct Story<'a> {
    /// What the nodes were to be.
    pub plan: &'a Plan,
    /// The run's time.
    pub clock: Clock,
    /// When the run ended.
    pub end: Time,
    /// Peer ids and numbers.
    pub journal: &'a Journal,
    /// What the nodes told.
    pub lives: &'a [Life],
    /// The calls as their users saw them.
    pub played: Vec<Played>,
    /// Faults.
    pub happenings: Vec<Happening>,
    /// How many nodes were up, from when on.
    pub up: Vec<(Time, u64)>,
    /// Links as measured.
    pub links: Vec<Link>,
    /// The nodes at the end, by number.
    pub nodes: Vec<NodeEnd>,
}

/// How the one attempt of a call past all routing ended.
fn direct_outcome(call: &Played) -> AttemptOutcome {
    match call.end.outcome {
        Outcome::Ok => AttemptOutcome::Ok,
        Outcome::FunctionError => AttemptOutcome::FunctionError,
        Outcome::Rejected => AttemptOutcome::Rejected,
        Outcome::NotFound => AttemptOutcome::NotHosted,
        Outcome::Timeout => AttemptOutcome::Timeout,
        Outcome::Truncated => AttemptOutcome::Truncated,
        Outcome::Cancelled => AttemptOutcome::Cancelled,
        Outcome::Unfinished => AttemptOutcome::Unfinished,
        // Somebody answered, so it was the runtime that did not.
        Outcome::Unreachable if call.end.status.is_some() => AttemptOutcome::RuntimeError,
        Outcome::Unreachable => AttemptOutcome::Unreachable,
        Outcome::Unknown | Outcome::Unavailable | Outcome::EntryDown | Outcome::EntryLost => {
            AttemptOutcome::Lost
        }
    }
}

impl Story<'_> {
    /// Writes all rows.
    ///
    /// # Errors
    /// If a row cannot be written.
    pub fn write(mut self, writer: &mut RepetitionWriter) -> io::Result<()> {
        for (time, up) in std::mem::take(&mut self.up) {
            writer.nodes_up(time, up);
        }
        for happening in &self.happenings {
            writer.event(&EventRecord {
                time_us: happening.time.as_micros(),
                kind: happening.kind,
                fault: Some(happening.fault),
                node: happening.node.map(node_name),
                detail: happening.detail.as_deref().map(Name::Text),
            })?;
        }
        let mut played = std::mem::take(&mut self.played);
        let told = self.told();
        let executions = self.executions();
        played.sort_by_key(|call| (call.done, call.number));
        let none = Told::default();
        for call in &played {
            let told = told.get(&call.number).unwrap_or(&none);
            let ran = executions.get(&call.number).map_or(&[][..], Vec::as_slice);
            self.call(writer, call, told, ran)?;
        }
        for life in self.lives {
            for event in &life.events {
                self.lookup(writer, life, event)?;
            }
        }
        self.node_rows(writer)?;
        self.link_rows(writer)
    }

    fn phase(&self, phase: u16) -> Name<'_> {
        let phase = self.plan.scenario.phases.get(usize::from(phase));
        Name::Text(phase.map_or("", |phase| phase.name.as_str()))
    }

    fn number(&self, id: Option<&str>) -> Option<u32> {
        id.and_then(|id| self.journal.number(id))
    }

    /// Writes a call and its attempts.
    fn call(
        &self,
        writer: &mut RepetitionWriter,
        call: &Played,
        told: &Told<'_>,
        ran: &[Execution],
    ) -> io::Result<()> {
        if let Some((provider, times)) = call.end.direct {
            return self.direct(writer, call, provider, times, ran);
        }
        let outcome = call.end.outcome;
        let time = |at: i64| told.life.map_or(Time::ZERO, |life| life.time(&self.clock, at));
        let mut times = CallTimes {
            scheduled: call.scheduled,
            sent: call.sent,
            done: Some(call.done).filter(|_| outcome != Outcome::Unfinished),
            ..CallTimes::default()
        };
        let mut record = (None, None, 0, 0, call.end.status, "");
        let mut winner_node = None;
        if let Some(Event::Call {
            status,
            winner,
            provider,
            received,
            done,
            lookup,
            dispatch,
            retry,
            times: of_winner,
            cache,
            attempts,
            messages,
            error,
            ..
        }) = told.end
        {
            let nanos = Duration::from_nanos;
            times.sent = Some(time(*received));
            // Who gave up on its entry knows the end better than the entry does.
            if !matches!(outcome, Outcome::EntryLost) {
                times.done = Some(time(*done));
            }
            (times.lookup, times.dispatch, times.retry) = (nanos(*lookup), nanos(*dispatch), nanos(*retry));
            times.connect = winner.map(|winner| nanos(told.connects.get(&winner).copied().unwrap_or(0)));
            (times.queue, times.cold, times.exec) = (
                of_winner.map(|times| nanos(times.queue)),
                of_winner.map(|times| nanos(times.cold)),
                of_winner.map(|times| nanos(times.exec)),
            );
            winner_node = self.number(provider.as_deref());
            record = (cache.parse().ok(), winner_node, *attempts, *messages, *status, error.as_ref());
        }
        let (cache, provider, attempts, messages, status, said) = record;
        let provider = provider.or_else(|| self.number(call.end.provider.as_deref()));
        let answered = outcome.answered();
        let started = ran.iter().filter(|execution| execution.started);
        let wasted = wasted(ran, winner_node.filter(|_| answered));
        let error = [call.end.error.as_str(), said].into_iter().find(|text| !text.is_empty());
        let forwards = u32::from(answered && provider.is_some_and(|provider| provider != call.entry));
        // The request and the answer of each attempt that left the entry.
        let routed = told.attempts.iter().filter(|attempt| match attempt {
            Event::Attempt { provider, .. } => self.number(provider.as_deref()) != Some(call.entry),
            _ => false,
        });
        let own = 2 * u32::try_from(routed.count()).unwrap_or(0);
        let row = CallRecord {
            map: call.map.map(|(map, _)| map),
            item: call.map.map(|(_, item)| u64::from(item)),
            provider: provider.map(node_name),
            cache,
            forwards,
            messages: messages.saturating_add(own),
            attempts,
            executions: u32::try_from(started.count()).unwrap_or(u32::MAX),
            wasted_exec_us: wasted.as_micros(),
            request_bytes: call.request_bytes,
            response_bytes: call.end.response_bytes.filter(|_| answered),
            status: status.filter(|_| answered),
            error: error.filter(|_| !answered).map(Name::Text),
            ..self.record(call, outcome, &times)
        };
        writer.call(&row)?;
        for attempt in &told.attempts {
            self.attempt(writer, call, attempt, &time, ran)?;
        }
        Ok(())
    }

    /// What every call's row says, however the call went.
    fn record<'a>(&'a self, call: &'a Played, outcome: Outcome, times: &CallTimes) -> CallRecord<'a> {
        CallRecord::new(
            call.number,
            self.phase(call.phase),
            Name::Text(self.plan.function(call.function)),
            node_name(call.entry),
            Name::Text(call.policy),
            outcome,
            &times.parts(outcome),
        )
    }

    /// A call past all routing: one attempt, whose times its provider says if it answers; of any other, what its runtime
    /// told in time.
    fn direct(
        &self,
        writer: &mut RepetitionWriter,
        call: &Played,
        provider: u32,
        said: Option<Times>,
        ran: &[Execution],
    ) -> io::Result<()> {
        let outcome = call.end.outcome;
        let answered = outcome.answered();
        let told = ran.iter().find(|execution| execution.node == provider);
        let times = said.or(told.map(|execution| execution.times));
        let part = |of: fn(&Times) -> i64| times.as_ref().map(|times| Duration::from_nanos(of(times)));
        let (queue, cold, exec) =
            (part(|times| times.queue), part(|times| times.cold), part(|times| times.exec));
        let done = Some(call.done).filter(|_| outcome != Outcome::Unfinished);
        let connect = Some(Duration::ZERO);
        let of_call = CallTimes {
            scheduled: call.scheduled,
            sent: call.sent,
            connect,
            queue,
            cold,
            exec,
            done,
            ..CallTimes::default()
        };
        let result = direct_outcome(call);
        let started = match (answered, result) {
            (true, _) => Some(true),
            (_, AttemptOutcome::Unreachable | AttemptOutcome::NotHosted) => Some(false),
            _ => told.map(|execution| execution.started),
        };
        writer.call(&CallRecord {
            provider: Some(node_name(provider)).filter(|_| answered),
            forwards: u32::from(answered && provider != call.entry),
            attempts: 1,
            executions: u32::from(started == Some(true)),
            wasted_exec_us: wasted(ran, Some(provider).filter(|_| answered)).as_micros(),
            request_bytes: call.request_bytes,
            response_bytes: call.end.response_bytes.filter(|_| answered),
            status: call.end.status.filter(|_| answered),
            error: Some(call.end.error.as_str()).filter(|text| !answered && !text.is_empty()).map(Name::Text),
            ..self.record(call, outcome, &of_call)
        })?;
        writer.attempt(&AttemptRecord {
            phase: self.phase(call.phase),
            call: call.number,
            attempt: 1,
            kind: AttemptKind::First,
            provider: node_name(provider),
            start_us: call.sent.unwrap_or(call.scheduled).as_micros(),
            end_us: done.map(Time::as_micros),
            queue_us: queue.map(Duration::as_micros),
            cold_us: cold.map(Duration::as_micros),
            exec_us: exec.map(Duration::as_micros),
            started,
            won: answered,
            outcome: result,
        })
    }

    fn attempt(
        &self,
        writer: &mut RepetitionWriter,
        call: &Played,
        event: &Event,
        time: &impl Fn(i64) -> Time,
        ran: &[Execution],
    ) -> io::Result<()> {
        let Event::Attempt { number, kind, provider, start, end, times, started, won, outcome, .. } = event
        else {
            return Ok(());
        };
        let (Some(provider), Ok(kind), Ok(outcome)) =
            (self.number(provider.as_deref()), kind.parse(), outcome.parse())
        else {
            return Ok(());
        };
        // What the entry did not hear, the provider tells: of a loser, how long it ran.
        let (start, end) = (time(*start), time(*end));
        let here = ran.iter().filter(|execution| execution.node == provider && execution.end >= start);
        let here = here.min_by_key(|execution| execution.end);
        let times = times.or(here.map(|execution| execution.times));
        let part =
            |of: fn(&Times) -> i64| times.as_ref().map(|times| Duration::from_nanos(of(times)).as_micros());
        writer.attempt(&AttemptRecord {
            phase: self.phase(call.phase),
            call: call.number,
            attempt: *number,
            kind,
            provider: node_name(provider),
            start_us: start.as_micros(),
            end_us: Some(end.as_micros()),
            queue_us: part(|times| times.queue),
            cold_us: part(|times| times.cold),
            exec_us: part(|times| times.exec),
            started: started.or(here.map(|execution| execution.started)),
            won: *won,
            outcome,
        })
    }

    fn lookup(&self, writer: &mut RepetitionWriter, life: &Life, event: &Event) -> io::Result<()> {
        let Event::Lookup {
            purpose,
            function,
            start,
            first,
            done,
            depth,
            requests,
            timeouts,
            dials,
            bytes,
            found,
            outcome,
        } = event
        else {
            return Ok(());
        };
        let (Ok(purpose), Ok(outcome)) = (purpose.parse(), outcome.parse()) else { return Ok(()) };
        let micros = |at: i64| life.time(&self.clock, at).as_micros();
        writer.lookup(&LookupRecord {
            node: node_name(life.node),
            purpose,
            function: function.as_deref().map(Name::Text),
            start_us: micros(*start),
            first_us: first.map(micros),
            done_us: Some(micros(*done)),
            depth: *depth,
            requests: *requests,
            timeouts: *timeouts,
            dials: *dials,
            bytes: *bytes,
            found: *found,
            found_live: None,
            closest_correct: None,
            outcome,
        })
    }
}
