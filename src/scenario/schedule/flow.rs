//! A flow: the anycalls or the manycalls of one phase.

use super::choice::Choice;
use super::functions::Sizes;
use super::{CallKey, CallKind, Population, ScheduleError, closed, purpose};
use crate::draws::{Distribution, Draws, Stream};
use crate::key::Key;
use crate::scenario::schema::{
    AnycallPolicy, Anycalls, Arrivals, CallStream, FunctionRange, ManycallPolicy, Manycalls, Phase, Scenario,
    Selector,
};
use crate::scenario::trace::{FunctionCounts, RecordedCall, Traces, sampled};
use crate::time::{Duration, Time};

/// The calls of one kind in one phase, with everything resolved that does not depend on the call.
#[derive(Debug)]
pub(super) struct Flow<'a> {
    pub(super) start: Time,
    pub(super) end: Time,
    pub(super) stream: &'a CallStream,
    pub(super) traced: Traced<'a>,
    /// The hash of the phase's name and the kind: what keys its draws.
    base: u64,
    kind: Kind<'a>,
    /// By rank.
    functions: Vec<u32>,
    popularity: Choice,
    /// By rank; empty for all nodes.
    entries: Vec<u32>,
    entry: Choice,
    sizes: Sizes<'a>,
    think: Option<[&'a Distribution; 2]>,
}

/// The functions of a trace, where calls come from one. A lane each.
#[derive(Debug)]
pub(super) enum Traced<'a> {
    /// They do not.
    None,
    /// Counts per minute.
    Minutes(Vec<MinuteLane<'a>>),
    /// Recorded calls.
    Calls {
        /// By start.
        calls: &'a [RecordedCall],
        /// The lane of each recorded function, where it is in the sample.
        lanes: Vec<Option<u32>>,
        /// What keys the draws of each lane.
        bases: Vec<u64>,
    },
}

/// A function of a trace of counts.
#[derive(Debug)]
pub(super) struct MinuteLane<'a> {
    pub(super) row: &'a FunctionCounts,
    pub(super) base: u64,
    law: Option<&'a Distribution>,
}

#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    Any(&'a Anycalls),
    Many(&'a Manycalls, ManycallPolicy),
}

/// What flows are made from.
pub(super) struct Place<'a, 'p> {
    pub(super) scenario: &'a Scenario,
    pub(super) traces: &'a Traces,
    pub(super) population: &'p Population,
    pub(super) start: Time,
    pub(super) end: Time,
}

impl<'a> Flow<'a> {
    pub(super) fn anycalls(
        place: &Place<'a, '_>,
        phase: &'a Phase,
        calls: &'a Anycalls,
    ) -> Result<Self, ScheduleError> {
        Self::new(place, &phase.name, Kind::Any(calls), &calls.stream)
    }

    pub(super) fn manycalls(
        place: &Place<'a, '_>,
        phase: &'a Phase,
        calls: &'a Manycalls,
    ) -> Result<Self, ScheduleError> {
        let policy = calls.policy.unwrap_or(place.scenario.faas.manycall_policy);
        Self::new(place, &phase.name, Kind::Many(calls, policy), &calls.stream)
    }

    fn new(
        place: &Place<'a, '_>,
        name: &'a str,
        kind: Kind<'a>,
        stream: &'a CallStream,
    ) -> Result<Self, ScheduleError> {
        let arrivals = &stream.arrivals;
        let weights = |source| ScheduleError::Weights { place: format!("phase `{name}`"), source };

        let (what, value) = match arrivals {
            Arrivals::Poisson { rate } => ("rate", *rate),
            Arrivals::Every { interval } => ("every", interval.as_secs_f64()),
            Arrivals::Clients { clients, .. } => ("clients", f64::from(*clients)),
            Arrivals::Azure2019 { speedup, .. } | Arrivals::Azure2021 { speedup, .. } => {
                ("speedup", *speedup)
            }
        };
        if !(value > 0.0 && value.is_finite()) {
            return Err(ScheduleError::Arrivals { phase: name.to_owned(), what, value });
        }
        let functions = expand(&stream.functions, place.scenario.function_count(), name)?;
        if functions.is_empty() {
            return Err(ScheduleError::NoFunction { phase: name.to_owned() });
        }
        let popularity = Choice::new(functions.len(), stream.popularity).map_err(weights)?;

        // All phases share the label: the same selector is the same nodes, in a warm-up and after it.
        let (entries, count) = if stream.entry.nodes == Selector::ALL {
            (Vec::new(), place.scenario.network.nodes as usize)
        } else {
            let entries = place.population.select(&stream.entry.nodes, "entry");
            let count = entries.len();
            (entries, count)
        };
        if count == 0 {
            return Err(ScheduleError::NoEntry { phase: name.to_owned() });
        }
        let entry = Choice::new(count, stream.entry.popularity).map_err(weights)?;

        let word = match kind {
            Kind::Any(_) => "anycall",
            Kind::Many(..) => "manycall",
        };
        let base = Key::hash(format!("{word}/{name}").as_bytes()).prefix();
        let traced = Traced::new(place, arrivals, base, name)?;
        let think = match arrivals {
            Arrivals::Clients { think_time, think_after_failure, .. } => {
                Some([think_time, think_after_failure])
            }
            _ => None,
        };
        Ok(Flow {
            start: place.start,
            end: place.end,
            stream,
            traced,
            base,
            kind,
            functions,
            popularity,
            entries,
            entry,
            sizes: Sizes { request: stream.request.as_ref(), response: stream.response.as_ref() },
            think,
        })
    }

    /// What keys the draws of a lane.
    fn lane(&self, lane: u32) -> u64 {
        match &self.traced {
            Traced::None => self.base ^ (u64::from(lane) << 32),
            Traced::Minutes(lanes) => lanes.get(lane as usize).map_or(self.base, |lane| lane.base),
            Traced::Calls { bases, .. } => bases.get(lane as usize).copied().unwrap_or(self.base),
        }
    }

    /// What keys the draws of a call.
    pub(super) fn key(&self, lane: u32, index: u32) -> CallKey {
        CallKey(self.lane(lane) ^ u64::from(index))
    }

    /// What keys the draws of arrivals.
    pub(super) fn arrival_key(&self) -> u64 {
        self.base
    }

    /// Which function a call is for: that of its lane in a trace, else by popularity.
    pub(super) fn function(&self, lane: u32, stream: &mut Stream) -> u32 {
        let rank = match self.traced {
            Traced::None => self.popularity.sample(stream) as usize,
            Traced::Minutes(_) | Traced::Calls { .. } => lane as usize % self.functions.len(),
        };
        self.functions[rank]
    }

    /// Where a call enters: a client stays at its node, else by a draw for each call.
    pub(super) fn entry(&self, lane: u32, stream: &mut Stream, draws: Draws) -> u32 {
        let rank = if closed(&self.stream.arrivals) {
            self.entry.sample(&mut draws.stream(purpose::CLIENT, self.lane(lane)))
        } else {
            self.entry.sample(stream)
        };
        if self.entries.is_empty() { rank } else { self.entries[rank as usize] }
    }

    /// The service times that a trace gives to a lane.
    pub(super) fn law(&self, lane: u32) -> Option<&'a Distribution> {
        match &self.traced {
            Traced::Minutes(lanes) => lanes.get(lane as usize)?.law,
            Traced::None | Traced::Calls { .. } => None,
        }
    }

    pub(super) fn sizes(&self) -> Sizes<'a> {
        self.sizes
    }

    /// The time between a completion and the client's next call; `None` in an open loop.
    pub(super) fn think(&self, ok: bool) -> Option<&'a Distribution> {
        self.think.map(|[success, failure]| if ok { success } else { failure })
    }

    /// How many calls a client may make; `None` in an open loop or for a client that does not exist.
    pub(super) fn quota(&self, client: u32) -> Option<u64> {
        let Arrivals::Clients { clients, .. } = &self.stream.arrivals else {
            return None;
        };
        if client >= *clients {
            return None;
        }
        let share = self.stream.calls.map_or(u64::MAX, |calls| {
            let clients = u64::from(*clients);
            calls / clients + u64::from(u64::from(client) < calls % clients)
        });
        Some(share.min(self.stream.calls_per_client.unwrap_or(u64::MAX)))
    }

    /// How a call is run, where its function says `policy`.
    pub(super) fn kind(&self, policy: AnycallPolicy) -> CallKind {
        match self.kind {
            Kind::Any(calls) => CallKind::Anycall { policy: calls.policy.unwrap_or(policy) },
            Kind::Many(calls, policy) => CallKind::Manycall { policy, items: calls.items },
        }
    }

    /// A call's deadline, where its function says `timeout`.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Duration> {
        match self.kind {
            Kind::Any(calls) => Some(calls.deadline.unwrap_or(timeout)),
            Kind::Many(calls, _) => calls.deadline,
        }
    }

    pub(super) fn idempotent(&self) -> Option<bool> {
        self.stream.idempotent
    }

    pub(super) fn cold(&self) -> bool {
        self.stream.cold
    }
}

impl<'a> Traced<'a> {
    fn new(
        place: &Place<'a, '_>,
        arrivals: &'a Arrivals,
        base: u64,
        phase: &str,
    ) -> Result<Self, ScheduleError> {
        let missing = |path: &str| ScheduleError::NoTrace { path: path.to_owned() };
        let empty = |path: &str, sample| ScheduleError::EmptySample {
            phase: phase.to_owned(),
            path: path.to_owned(),
            sample,
        };
        // A multiplication spreads the hash, so that exclusive or with the flow's leaves no structure.
        let lane = |id: &str| base ^ Key::hash(id.as_bytes()).prefix().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        match arrivals {
            Arrivals::Poisson { .. } | Arrivals::Every { .. } | Arrivals::Clients { .. } => Ok(Traced::None),
            Arrivals::Azure2019 { invocations: file, durations, sample, .. } => {
                let trace = place.traces.invocations(file).ok_or_else(|| missing(&file.path))?;
                let durations = match durations {
                    Some(file) => Some(place.traces.durations(file).ok_or_else(|| missing(&file.path))?),
                    None => None,
                };
                let lanes: Vec<MinuteLane> = trace
                    .functions
                    .iter()
                    .filter(|row| sampled(&row.id, *sample))
                    .map(|row| MinuteLane {
                        row,
                        base: lane(&row.id),
                        law: durations.and_then(|durations| durations.of(&row.id)).map(|row| &row.law),
                    })
                    .collect();
                if lanes.is_empty() {
                    return Err(empty(&file.path, *sample));
                }
                Ok(Traced::Minutes(lanes))
            }
            Arrivals::Azure2021 { file, sample, .. } => {
                let trace = place.traces.recorded(file).ok_or_else(|| missing(&file.path))?;
                let mut bases = Vec::new();
                let lanes = trace
                    .functions
                    .iter()
                    .map(|id| {
                        sampled(id, *sample).then(|| {
                            bases.push(lane(id));
                            bases.len() as u32 - 1
                        })
                    })
                    .collect();
                if bases.is_empty() {
                    return Err(empty(&file.path, *sample));
                }
                Ok(Traced::Calls { calls: &trace.calls, lanes, bases })
            }
        }
    }
}

/// The functions of `ranges`, of which there are `functions`.
fn expand(ranges: &[FunctionRange], functions: u32, phase: &str) -> Result<Vec<u32>, ScheduleError> {
    let mut expanded = Vec::new();
    for range in ranges {
        let end = range.first.saturating_add(range.count);
        if end > functions {
            let function = range.first.max(functions);
            return Err(ScheduleError::UnknownFunction { phase: phase.to_owned(), function, functions });
        }
        expanded.extend(range.first..end);
    }
    Ok(expanded)
}
