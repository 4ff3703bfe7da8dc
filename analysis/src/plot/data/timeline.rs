//! The run by time: rates, failures, calls in flight and latencies.

use super::{TimelineRows, each_row, record};
use crate::plot::selection::Selection;
use crate::{Run, RunError};
use edge_faas_core::results::{Outcome, Table, TimelineRecord};
use hdrhistogram::Histogram;

/// Bins of a figure, at most.
const BINS_MAX: usize = 512;

/// Some seconds of all repetitions of a series.
#[derive(Clone)]
pub(crate) struct Bin {
    pub(crate) offered: u64,
    pub(crate) outcomes: [u64; Outcome::COUNT],
    /// Sum of `in_flight` at the ends of seconds, and how many seconds those are.
    pub(crate) in_flight: (u64, u64),
    /// The seconds' 95th percentiles, to two digits.
    p95: Option<Box<Histogram<u64>>>,
}

impl Bin {
    const EMPTY: Bin = Bin { offered: 0, outcomes: [0; Outcome::COUNT], in_flight: (0, 0), p95: None };

    fn take(&mut self, row: &TimelineRecord) {
        self.offered = self.offered.saturating_add(row.offered);
        for (sum, count) in self.outcomes.iter_mut().zip(outcomes(row)) {
            *sum = sum.saturating_add(count);
        }
        self.in_flight.0 = self.in_flight.0.saturating_add(row.in_flight);
        self.in_flight.1 += 1;
        if let Some(p95) = row.p95_us {
            let new = || Box::new(Histogram::new(2).expect("two digits are a valid precision"));
            record(self.p95.get_or_insert_with(new), p95);
        }
    }

    fn add(&mut self, other: Bin) {
        self.offered = self.offered.saturating_add(other.offered);
        for (sum, count) in self.outcomes.iter_mut().zip(other.outcomes) {
            *sum = sum.saturating_add(count);
        }
        self.in_flight =
            (self.in_flight.0.saturating_add(other.in_flight.0), self.in_flight.1 + other.in_flight.1);
        match (&mut self.p95, other.p95) {
            // Both resize by themselves, so they can hold each other's values.
            (Some(mine), Some(others)) => drop(mine.add(&*others)),
            (mine @ None, others) => *mine = others,
            (Some(_), None) => {}
        }
    }

    /// Calls that count and did not end `ok`.
    pub(crate) fn failed(&self) -> u64 {
        let failed = |outcome: &&Outcome| outcome.counts() && **outcome != Outcome::Ok;
        Outcome::ALL
            .iter()
            .filter(failed)
            .fold(0, |sum, outcome| sum.saturating_add(self.outcomes[outcome.index()]))
    }

    /// The median of the seconds' 95th percentiles, in microseconds.
    pub(crate) fn p95(&self) -> Option<f64> {
        self.p95.as_ref().map(|p95| p95.value_at_quantile(0.5) as f64)
    }
}

/// `timeline.csv` from second 0 on, in bins of equal length.
#[derive(Clone)]
pub(crate) struct TimelineData {
    /// Length of a bin in seconds, a power of two.
    pub(crate) seconds: u64,
    /// Bins by series.
    pub(crate) series: Vec<Vec<Bin>>,
    /// Repetitions by series.
    pub(crate) repetitions: Vec<u64>,
    /// Seconds that each series has.
    pub(crate) length: Vec<u64>,
}

impl TimelineData {
    /// Reads `timeline.csv` of each run. Bins grow as the run turns out to be longer.
    pub(crate) fn read(runs: &[Run], selection: &Selection) -> Result<Self, RunError> {
        let count = selection.series.len();
        let mut data = TimelineData {
            seconds: 1,
            series: vec![Vec::new(); count],
            repetitions: vec![0; count],
            length: vec![0; count],
        };
        each_row::<TimelineRows>(
            runs,
            selection,
            Table::Timeline,
            |series, context, row: TimelineRecord| {
                let Ok(second) = u64::try_from(row.second) else { return };
                while (second / data.seconds) as usize >= BINS_MAX {
                    data.halve();
                }
                let (bins, at) = (&mut data.series[series], (second / data.seconds) as usize);
                if bins.len() <= at {
                    bins.resize(at + 1, Bin::EMPTY);
                }
                bins[at].take(&row);
                data.length[series] = data.length[series].max(second.saturating_add(1));
                let repetition = u64::from(context.repetition.unwrap_or(0));
                data.repetitions[series] = data.repetitions[series].max(repetition + 1);
            },
        )?;
        Ok(data)
    }

    fn halve(&mut self) {
        self.seconds *= 2;
        for bins in &mut self.series {
            let mut old = std::mem::take(bins).into_iter();
            while let Some(mut bin) = old.next() {
                if let Some(other) = old.next() {
                    bin.add(other);
                }
                bins.push(bin);
            }
        }
    }

    /// The middle of each bin of a series in seconds, and the seconds that it covers over all repetitions.
    pub(crate) fn spans(&self, series: usize) -> impl Iterator<Item = (f64, f64, &Bin)> {
        let length = self.length[series];
        self.series[series].iter().enumerate().map(move |(at, bin)| {
            let from = at as u64 * self.seconds;
            let covered = self.seconds.min(length.saturating_sub(from)).max(1);
            let middle = from as f64 + covered as f64 / 2.0;
            (middle, covered as f64 * self.repetitions[series].max(1) as f64, bin)
        })
    }
}

fn outcomes(row: &TimelineRecord) -> [u64; Outcome::COUNT] {
    let mut counts = [0; Outcome::COUNT];
    for outcome in Outcome::ALL {
        counts[outcome.index()] = match outcome {
            Outcome::Ok => row.ok,
            Outcome::FunctionError => row.function_error,
            Outcome::NotFound => row.not_found,
            Outcome::Unavailable => row.unavailable,
            Outcome::Rejected => row.rejected,
            Outcome::Timeout => row.timeout,
            Outcome::Unreachable => row.unreachable,
            Outcome::Unknown => row.unknown,
            Outcome::Truncated => row.truncated,
            Outcome::EntryDown => row.entry_down,
            Outcome::EntryLost => row.entry_lost,
            Outcome::Cancelled => row.cancelled,
            Outcome::Unfinished => row.unfinished,
        };
    }
    counts
}
