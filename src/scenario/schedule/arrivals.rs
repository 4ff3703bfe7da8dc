//! When the calls of a flow come, one after the other.

use super::flow::{Flow, MinuteLane, Traced};
use super::{purpose, seconds};
use crate::draws::{Distribution, Draws, Stream};
use crate::scenario::schema::{Arrivals, Process};
use crate::scenario::trace::RecordedCall;
use crate::time::{Duration, Time};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An arrival: the instant, the lane, and the number in the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) at: Time,
    pub(super) lane: u32,
    pub(super) index: u32,
    /// Its service time, where a trace recorded it.
    pub(super) duration: Option<Duration>,
}

/// A flow being played: its next arrival, and how to find the one after.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    source: Source<'a>,
    /// Arrivals that may still come, the next one included.
    left: u64,
    next: Option<Arrival>,
}

#[derive(Debug)]
enum Source<'a> {
    /// Gaps of an exponential law, rounded to the nanosecond each.
    Poisson {
        gaps: Distribution,
        stream: Stream,
        last: Time,
        index: u32,
    },
    Every {
        interval: Duration,
        index: u32,
    },
    /// The first call of each client, all at the start of the phase.
    Clients {
        client: u32,
        clients: u32,
    },
    Minutes(Minutes),
    Recorded {
        calls: std::slice::Iter<'a, RecordedCall>,
        speedup: f64,
    },
}

impl<'a> Cursor<'a> {
    /// At the first arrival of `flow`.
    pub(super) fn new(flow: &Flow<'a>, draws: Draws) -> Self {
        let source = match &flow.stream.arrivals {
            Arrivals::Poisson { rate } => Source::Poisson {
                gaps: Distribution::Exponential { mean: 1.0 / rate },
                stream: draws.stream(purpose::ARRIVAL, flow.arrival_key()),
                last: flow.start,
                index: 0,
            },
            Arrivals::Every { interval } => Source::Every { interval: *interval, index: 0 },
            Arrivals::Clients { clients, .. } => Source::Clients { client: 0, clients: *clients },
            Arrivals::Azure2019 { speedup, within_minute, .. } => {
                Source::Minutes(Minutes::new(flow, *speedup, *within_minute, draws))
            }
            Arrivals::Azure2021 { speedup, .. } => {
                let calls = match &flow.traced {
                    Traced::Calls { calls, .. } => calls.iter(),
                    Traced::None | Traced::Minutes(_) => [].iter(),
                };
                Source::Recorded { calls, speedup: *speedup }
            }
        };
        let mut cursor = Cursor { source, left: flow.stream.calls.unwrap_or(u64::MAX), next: None };
        cursor.advance(flow, draws);
        cursor
    }

    /// When the next arrival is.
    pub(super) fn at(&self) -> Option<Time> {
        self.next.map(|arrival| arrival.at)
    }

    /// The next arrival; then goes to the one after.
    pub(super) fn take(&mut self, flow: &Flow<'a>, draws: Draws) -> Option<Arrival> {
        let arrival = self.next?;
        self.left = self.left.saturating_sub(1);
        self.advance(flow, draws);
        Some(arrival)
    }

    fn advance(&mut self, flow: &Flow<'a>, draws: Draws) {
        self.next = match self.left {
            0 => None,
            _ => self.source.next(flow, draws).filter(|arrival| arrival.at < flow.end),
        };
    }
}

impl Source<'_> {
    fn next(&mut self, flow: &Flow<'_>, draws: Draws) -> Option<Arrival> {
        match self {
            Source::Poisson { gaps, stream, last, index } => {
                *last = last.saturating_add(seconds(gaps.sample(stream)));
                Some(Arrival { at: *last, lane: 0, index: count(index)?, duration: None })
            }
            Source::Every { interval, index } => {
                let at = flow.start.saturating_add(interval.saturating_mul(i64::from(*index)));
                Some(Arrival { at, lane: 0, index: count(index)?, duration: None })
            }
            Source::Clients { client, clients } => {
                while *client < *clients {
                    let lane = *client;
                    *client += 1;
                    if flow.quota(lane) != Some(0) {
                        return Some(Arrival { at: flow.start, lane, index: 0, duration: None });
                    }
                }
                None
            }
            Source::Minutes(minutes) => minutes.next(flow, draws),
            Source::Recorded { calls, speedup } => {
                let Traced::Calls { lanes, .. } = &flow.traced else {
                    return None;
                };
                calls.find_map(|call| {
                    let lane = lanes.get(call.function as usize).copied().flatten()?;
                    let at = flow.start.saturating_add(call.start.mul_f64(1.0 / *speedup));
                    Some(Arrival { at, lane, index: call.number, duration: Some(call.duration) })
                })
            }
        }
    }
}

/// Counts up and gives the number before; `None` when the numbers are used up.
fn count(index: &mut u32) -> Option<u32> {
    let number = *index;
    *index = number.checked_add(1)?;
    Some(number)
}

/// Counts per minute, spread within each: a cursor for each function of the trace, the earliest on top.
#[derive(Debug)]
struct Minutes {
    lanes: Vec<Lane>,
    heap: BinaryHeap<Reverse<(Time, u32)>>,
    speedup: f64,
    process: Process,
}

/// Where a function of the trace is.
#[derive(Clone, Debug, Default)]
struct Lane {
    /// Its entry of (minute, count).
    entry: usize,
    /// How many of this minute's calls have been placed.
    placed: u32,
    /// The number of the next call.
    index: u32,
    /// The share of the minute that has passed at the last call placed.
    passed: f64,
    /// The offset of evenly spread calls, as a share of their distance.
    offset: f64,
}

impl Minutes {
    fn new(flow: &Flow<'_>, speedup: f64, process: Process, draws: Draws) -> Self {
        let mut minutes = Minutes { lanes: Vec::new(), heap: BinaryHeap::new(), speedup, process };
        let Traced::Minutes(lanes) = &flow.traced else {
            return minutes;
        };
        for (number, traced) in lanes.iter().enumerate() {
            let offset = draws.stream(purpose::OFFSET, traced.base).unit();
            minutes.lanes.push(Lane { offset, ..Lane::default() });
            minutes.place(number as u32, traced, flow.start, draws);
        }
        minutes
    }

    fn next(&mut self, flow: &Flow<'_>, draws: Draws) -> Option<Arrival> {
        let Traced::Minutes(lanes) = &flow.traced else {
            return None;
        };
        let Reverse((at, lane)) = self.heap.pop()?;
        let index = count(&mut self.lanes[lane as usize].index)?;
        self.place(lane, &lanes[lane as usize], flow.start, draws);
        Some(Arrival { at, lane, index, duration: None })
    }

    /// Finds the next call of `lane` and puts it on the heap, if there is one.
    fn place(&mut self, number: u32, traced: &MinuteLane<'_>, start: Time, draws: Draws) {
        let lane = &mut self.lanes[number as usize];
        if traced.row.counts.get(lane.entry).is_some_and(|(_, count)| lane.placed >= *count) {
            (lane.entry, lane.placed, lane.passed) = (lane.entry + 1, 0, 0.0);
        }
        let Some((minute, count)) = traced.row.counts.get(lane.entry).copied() else {
            return;
        };
        lane.passed = match self.process {
            Process::Constant => (f64::from(lane.placed) + lane.offset) / f64::from(count),
            // The least of as many uniform values in what is left of the minute as calls are left in it: so the calls
            // come in order, as a Poisson process with this many calls in the minute has them.
            Process::Poisson => {
                let u = draws.stream_at(purpose::MINUTE, traced.base, lane.index).unit_positive();
                let left = f64::from(count - lane.placed);
                1.0 - (1.0 - lane.passed) * libm::pow(u, 1.0 / left)
            }
        };
        lane.placed += 1;
        let boundary = |minute: u32| libm::floor(f64::from(minute) * (60e9 / self.speedup)) as i64;
        let (from, to) = (boundary(minute), boundary(minute.saturating_add(1)));
        let length = to.saturating_sub(from);
        let offset = (libm::floor(lane.passed * length as f64) as i64).clamp(0, (length - 1).max(0));
        let at = start.saturating_add(Duration::from_nanos(from.saturating_add(offset)));
        self.heap.push(Reverse((at, number)));
    }
}
