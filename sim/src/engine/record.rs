//! Rows: what the engine knows of calls, attempts, look-ups, nodes and events, as the results want it.

use super::workload::CallState;
use super::{Engine, flight::Flight};
use crate::executor::Stats;
use crate::trace::show_failure;
use edge_faas_core::io::{self, AttemptEvent, AttemptReport, LookupReport, Started};
use edge_faas_core::kad::Preimage;
use edge_faas_core::key::FunctionHandle;
use edge_faas_core::results::{
    AttemptRecord, CallRecord, CallTimes, EventKind, EventRecord, LookupOutcome, LookupRecord, Name,
    NodeRecord, Outcome, RepetitionOutput, RepetitionWriter, TrafficClass,
};
use edge_faas_core::scenario::schedule::{CallNumber, Population};
use edge_faas_core::scenario::schema::{Output, Scenario};
use edge_faas_core::time::{Duration, Time};
use rustc_hash::FxHashMap;

/// How a node is called in results: by its number.
pub fn node_name(number: u32) -> Name<'static> {
    Name::Numbered("node-", number)
}

/// The rows of a repetition.
pub(crate) struct Rows {
    pub(crate) writer: RepetitionWriter,
    output: Output,
    phases: Vec<String>,
    classes: Vec<String>,
    /// By machine, where the scenario knows regions.
    regions: Vec<Option<u32>>,
    region_names: Vec<String>,
    /// What runtimes of machines that came back as somebody else had done.
    gone: FxHashMap<u32, (u64, Duration, u32)>,
}

impl Rows {
    pub(crate) fn new(scenario: &Scenario, places: &Population, writer: RepetitionWriter) -> Self {
        let region_names = places.regions().to_vec();
        let regions = if region_names.is_empty() {
            Vec::new()
        } else {
            (0..scenario.network.nodes).map(|node| places.region(node)).collect()
        };
        Rows {
            writer,
            output: scenario.output.clone(),
            phases: scenario.phases.iter().map(|phase| phase.name.clone()).collect(),
            classes: scenario.node_classes.iter().map(|class| class.name.clone()).collect(),
            regions,
            region_names,
            gone: FxHashMap::default(),
        }
    }

    /// Keeps what a machine's runtime did before the machine came back with a new identity.
    pub(crate) fn gone(&mut self, number: u32, stats: &Stats) {
        let gone = self.gone.entry(number).or_default();
        gone.0 += stats.executions;
        gone.1 += stats.core_busy;
        gone.2 = gone.2.max(stats.longest_queue);
    }
}

fn phase_name(phases: &[String], phase: u16) -> Name<'_> {
    Name::Text(phases.get(usize::from(phase)).map_or("", String::as_str))
}

impl Engine<'_> {
    /// Time 0: what came before is history.
    pub(crate) fn zero(&mut self) {
        for counters in &mut self.counters {
            *counters = super::Counters::default();
        }
    }

    pub(crate) fn event_row(
        &mut self,
        kind: EventKind,
        fault: Option<u32>,
        node: Option<u32>,
        detail: Option<&str>,
    ) {
        let record = EventRecord {
            time_us: self.now.as_micros(),
            kind,
            fault,
            node: node.map(node_name),
            detail: detail.map(Name::Text),
        };
        let result = self.rows.writer.event(&record);
        self.check(result);
        if let Some(number) = node {
            let handle = self.population.handle(number);
            self.trace(handle, || format!("{kind}"));
        } else {
            self.trace_network(|| format!("{kind} {}", detail.unwrap_or_default()));
        }
    }

    /// A call has ended, and nothing can happen to its attempts any more.
    pub(crate) fn call_row(&mut self, number: u64, state: &CallState) {
        let Some(end) = &state.end else { return };
        let report = end.report.as_deref();
        let answered = end.outcome.answered();
        let answer = state.answer.filter(|answer| match report {
            Some(report) => report.winner == Some(answer.attempt),
            None => answered,
        });
        let timing = report.and_then(|report| report.timing).or(answer.map(|answer| answer.timing));
        let times = CallTimes {
            scheduled: state.at,
            sent: state.sent,
            lookup: report.map_or(Duration::ZERO, |report| report.lookup),
            dispatch: report.map_or(Duration::ZERO, |report| report.dispatch),
            retry: report.map_or(Duration::ZERO, |report| report.retry),
            connect: answer.map(|answer| {
                answer.connect + state.relayed.as_ref().map_or(Duration::ZERO, |relayed| relayed.connect)
            }),
            queue: timing.map(|timing| timing.queue),
            cold: timing.map(|timing| timing.cold),
            exec: timing.map(|timing| timing.exec),
            done: Some(end.done).filter(|_| end.outcome != Outcome::Unfinished),
        };
        let parts = times.parts(end.outcome);
        let provider = answer
            .map(|answer| answer.provider)
            .or_else(|| report.and_then(|report| report.provider).map(|provider| provider.get()))
            .map(|handle| self.population.number(handle));
        let wasted = state.wasted;
        let record = CallRecord {
            map: state.map.map(|(map, _)| map),
            item: state.map.map(|(_, item)| u64::from(item)),
            provider: provider.map(node_name),
            cache: report.map(|report| report.cache.into()),
            forwards: if answered {
                provider.map_or(0, |provider| self.forwards(state, provider))
            } else {
                0
            },
            messages: state.messages,
            attempts: state.attempts,
            executions: state.executions,
            wasted_exec_us: wasted.as_micros(),
            request_bytes: state.work.request_bytes,
            response_bytes: answered.then_some(state.work.response_bytes),
            status: report.and_then(|report| report.status).or(answer.map(|answer| answer.status)),
            error: Some(end.error).filter(|error| !error.is_empty()).map(Name::Text),
            ..CallRecord::new(
                number,
                phase_name(&self.rows.phases, state.phase),
                Name::Text(self.hosts.name(FunctionHandle(state.function))),
                node_name(state.entry),
                Name::Text(state.policy),
                end.outcome,
                &parts,
            )
        };
        let result = self.rows.writer.call(&record);
        self.check(result);
        if let Some(provider) = provider.filter(|provider| answered && *provider != state.entry) {
            self.stretch(state, provider);
        }
    }

    /// The machine of the gateway that carried a call.
    fn carrier(&self, state: &CallState) -> Option<u32> {
        state
            .relayed
            .as_ref()
            .and_then(|_| self.gateway_for(state.entry))
            .map(|node| self.population.number(node))
    }

    /// How often a call was handed on between its entry and its provider.
    fn forwards(&self, state: &CallState, provider: u32) -> u32 {
        match self.carrier(state) {
            Some(gateway) => 1 + u32::from(gateway != provider),
            None => u32::from(provider != state.entry),
        }
    }

    /// What the choice of provider cost, and the way over a gateway, against the nearest that was up.
    fn stretch(&mut self, state: &CallState, provider: u32) {
        let trip = |a: u32, b: u32| if a == b { Duration::ZERO } else { self.fabric.round_trip(a, b) };
        let taken = match self.carrier(state) {
            Some(gateway) => trip(state.entry, gateway) + trip(gateway, provider),
            None => trip(state.entry, provider),
        };
        let shortest = self
            .hosts
            .providers(FunctionHandle(state.function))
            .iter()
            .filter(|number| self.provides(**number))
            .map(|number| self.fabric.round_trip(state.entry, *number))
            .min();
        if let Some(shortest) = shortest {
            let phase = self.rows.phases.get(usize::from(state.phase)).map_or("", String::as_str);
            self.rows.writer.stretch(Name::Text(phase), Name::Text(state.policy), taken, shortest.min(taken));
        }
    }

    /// An attempt is over for the node that made it.
    pub(crate) fn attempt_done(&mut self, node: u32, report: &AttemptReport) {
        self.trace(node, || match report.result {
            Ok(status) => format!("attempt {} of call {}: status {status}", report.number, report.call.0),
            Err(failure) => {
                format!("attempt {} of call {}: {}", report.number, report.call.0, show_failure(failure))
            }
        });
        if let (Ok(_), false, Some(timing)) = (report.result, report.won, report.timing) {
            self.workload.wasted(report.call.0, timing.exec);
        }
        // The row of a call whose other attempt won may be written already.
        let record = AttemptRecord {
            phase: phase_name(&self.rows.phases, CallNumber::phase(report.call.0)),
            call: report.call.0,
            attempt: report.number,
            kind: report.kind.into(),
            provider: node_name(self.population.number(report.provider.get())),
            start_us: report.start.as_micros(),
            end_us: Some(report.end.as_micros()),
            queue_us: report.timing.map(|timing| timing.queue.as_micros()),
            cold_us: report.timing.map(|timing| timing.cold.as_micros()),
            exec_us: report.timing.map(|timing| timing.exec.as_micros()),
            started: match report.started {
                Started::No => Some(false),
                Started::Maybe => None,
                Started::Yes => Some(true),
            },
            won: report.won,
            outcome: report.result.into(),
        };
        let result = self.rows.writer.attempt(&record);
        self.check(result);
    }

    /// The one attempt of a direct call is over.
    pub(crate) fn direct_attempt_row(&mut self, flight: &Flight, event: &AttemptEvent) {
        let (result, timing, started) = match event {
            AttemptEvent::Finished { status, timing, .. } => (Ok(*status), Some(*timing), Started::Yes),
            AttemptEvent::Failed { reason, started, .. } => (Err(*reason), None, *started),
            _ => return,
        };
        let report = AttemptReport {
            id: flight.attempt,
            call: io::CallId(flight.call),
            number: 1,
            kind: io::AttemptKind::First,
            provider: edge_faas_core::key::PeerHandle::new(flight.provider),
            start: flight.start,
            end: self.now,
            timing,
            started,
            won: result.is_ok(),
            result,
        };
        self.attempt_done(flight.entry, &report);
    }

    /// A look-up has ended.
    pub(crate) fn lookup_done(&mut self, node: u32, report: &LookupReport) {
        self.trace(node, || {
            format!(
                "look-up for {:?} done: {} requests, depth {}, {} closest, {} providers",
                report.purpose,
                report.requests,
                report.depth,
                report.closest.len(),
                report.providers.len()
            )
        });
        let k = self.config.kad.k;
        let of_providers = report.purpose == io::LookupPurpose::Call;
        let found = if of_providers { &report.providers } else { &report.closest };
        let live = found.iter().filter(|peer| self.nodes[peer.index()].is_up()).count();
        let correct = (report.outcome == io::LookupOutcome::Ok).then(|| {
            let truth = self.closest_live(&report.target.key, k, node);
            truth.len() == report.closest.len()
                && truth.iter().zip(&report.closest).all(|(truth, found)| *truth == found.get())
        });
        let function = match report.target.preimage {
            Preimage::Function(function) => Some(function),
            _ => None,
        };
        let record = LookupRecord {
            node: node_name(self.population.number(node)),
            purpose: report.purpose.into(),
            function: function.map(|function| Name::Text(self.hosts.name(function))),
            start_us: report.start.as_micros(),
            first_us: report.first_answer.map(Time::as_micros),
            done_us: Some(report.done.as_micros()),
            depth: report.depth,
            requests: report.requests,
            timeouts: report.timeouts,
            dials: report.dials,
            bytes: report.bytes,
            found: found.len() as u32,
            found_live: Some(live as u32),
            closest_correct: correct,
            outcome: match report.outcome {
                io::LookupOutcome::Ok if of_providers && report.providers.is_empty() => {
                    LookupOutcome::NotFound
                }
                outcome => outcome.into(),
            },
        };
        let result = self.rows.writer.lookup(&record);
        self.check(result);
    }

    /// Writes what is left at the end: calls that have not ended, and the nodes.
    ///
    /// # Errors
    /// If a row cannot be written.
    pub fn finish(mut self) -> std::io::Result<RepetitionOutput> {
        self.write_unfinished();
        self.end_second();
        if self.rows.output.nodes {
            for number in 0..self.population.nodes() {
                self.node_row(number);
            }
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.rows.writer.finish(),
        }
    }

    fn node_row(&mut self, number: u32) {
        let handle = self.population.handle(number);
        let node = &self.nodes[handle as usize];
        let machine = &self.machines[number as usize];
        let mut uptime = machine.uptime;
        if node.is_up() {
            uptime += self.now.since(node.up_since.max(Time::ZERO));
        }
        let class = self.scenario.node_classes.get(usize::from(machine.class));
        let stats = machine.runtime.as_ref().map(|runtime| runtime.executor.stats());
        let (gone, busy, longest) = self.rows.gone.get(&number).copied().unwrap_or_default();
        let table = node.peer.kad().table();
        let dead = table.iter().filter(|peer| !self.nodes[peer.index()].is_up()).count();
        let counters = self.counters.get(number as usize).copied().unwrap_or_default();
        let class_count = self.rows.classes.len();
        let record = NodeRecord {
            node: node_name(number),
            class: self
                .rows
                .classes
                .get(usize::from(machine.class))
                .filter(|_| class_count > 1)
                .map(|name| Name::Text(name)),
            region: self
                .rows
                .regions
                .get(number as usize)
                .copied()
                .flatten()
                .and_then(|region| self.rows.region_names.get(region as usize))
                .map(|name| Name::Text(name))
                .or_else(|| {
                    self.fabric.latency.site(number).map(|site| Name::Numbered("row-", u32::from(site) + 1))
                }),
            uptime_us: uptime.as_micros(),
            functions: machine.runtime.as_ref().map_or(0, |runtime| runtime.functions.len() as u32),
            capacity: class.map_or(0.0, |class| class.cores * class.speed),
            busy_us: (stats.map_or(Duration::ZERO, |stats| stats.core_busy) + busy).as_micros(),
            executions: stats.map_or(0, |stats| stats.executions) + gone,
            longest_queue: stats.map_or(0, |stats| stats.longest_queue).max(longest),
            table_size: table.len() as u32,
            stale_share: (!table.is_empty()).then(|| dead as f64 / table.len() as f64),
            upkeep_messages_in: counters.messages_in[TrafficClass::Upkeep.index()],
            upkeep_messages_out: counters.messages_out[TrafficClass::Upkeep.index()],
            upkeep_bytes_in: counters.bytes_in[TrafficClass::Upkeep.index()],
            upkeep_bytes_out: counters.bytes_out[TrafficClass::Upkeep.index()],
            lookup_messages_in: counters.messages_in[TrafficClass::Lookup.index()],
            lookup_messages_out: counters.messages_out[TrafficClass::Lookup.index()],
            lookup_bytes_in: counters.bytes_in[TrafficClass::Lookup.index()],
            lookup_bytes_out: counters.bytes_out[TrafficClass::Lookup.index()],
            records_messages_in: counters.messages_in[TrafficClass::Records.index()],
            records_messages_out: counters.messages_out[TrafficClass::Records.index()],
            records_bytes_in: counters.bytes_in[TrafficClass::Records.index()],
            records_bytes_out: counters.bytes_out[TrafficClass::Records.index()],
            calls_messages_in: counters.messages_in[TrafficClass::Calls.index()],
            calls_messages_out: counters.messages_out[TrafficClass::Calls.index()],
            calls_bytes_in: counters.bytes_in[TrafficClass::Calls.index()],
            calls_bytes_out: counters.bytes_out[TrafficClass::Calls.index()],
        };
        let result = self.rows.writer.node(&record);
        self.check(result);
    }
}
