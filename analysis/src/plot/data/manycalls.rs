//! Manycalls: who ran which item when, and what the providers brought.

use super::text;
use edge_faas_core::results::{CallRecord, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// Items of one manycall that are kept for its Gantt chart, at most.
const BARS_MAX: usize = 20_000;
/// Manycalls of one series whose speed-up is computed, at most.
const MANYCALLS_MAX: usize = 2_000;

/// One item on its way, in microseconds since the manycall was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// Position in [`Gantt::providers`]; none if nobody answered.
    pub(crate) provider: Option<usize>,
    pub(crate) item: u64,
    /// When the winning attempt began; of an item that failed, when it was due.
    pub(crate) from: i64,
    /// When its function began, about: the answer's way is taken as half of `network`, since the files have no instants by the
    /// provider's clock.
    pub(crate) exec_from: i64,
    /// When its function ended, about.
    pub(crate) exec_until: i64,
    /// When the answer, or the failure, was known.
    pub(crate) until: i64,
    pub(crate) ok: bool,
}

/// One manycall of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gantt {
    pub(crate) repetition: u32,
    pub(crate) map: u64,
    pub(crate) phase: String,
    due: i64,
    pub(crate) providers: Vec<String>,
    pub(crate) bars: Vec<Bar>,
    /// Items that were not kept.
    pub(crate) dropped: u64,
}

/// What one manycall came to.
#[derive(Clone, Debug, PartialEq, Default)]
struct Sums {
    due: i64,
    done: i64,
    exec: i128,
    providers: BTreeSet<u32>,
}

/// Each manycall's providers and speed-up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SpeedUps {
    /// (providers that answered, time that the items ran one after another over the makespan).
    pub(crate) points: Vec<(u32, f64)>,
    /// Manycalls that were not looked at.
    pub(crate) dropped: u64,
}

/// Manycalls by series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ManycallData {
    series: Vec<OfSeries>,
}

#[derive(Clone, Debug, PartialEq, Default)]
struct OfSeries {
    gantt: Option<Gantt>,
    sums: BTreeMap<(u32, u64), Sums>,
    dropped: BTreeSet<(u32, u64)>,
    names: BTreeMap<String, u32>,
}

impl ManycallData {
    pub(super) fn new(series: usize) -> Self {
        ManycallData { series: vec![OfSeries::default(); series] }
    }

    pub(super) fn take(&mut self, series: usize, repetition: u32, call: &CallRecord<'_>) {
        let (Some(of), Some(map)) = (self.series.get_mut(series), call.map) else { return };
        of.sum(repetition, map, call);
        of.bar(repetition, map, call);
    }

    /// The first manycall of a series: that of the lowest number in its first repetition.
    pub(crate) fn gantt(&self, series: usize) -> Option<&Gantt> {
        self.series.get(series)?.gantt.as_ref()
    }

    /// The speed-ups of a series; none without manycalls.
    pub(crate) fn speed_ups(&self, series: usize) -> Option<SpeedUps> {
        let of = self.series.get(series).filter(|of| !of.sums.is_empty())?;
        let points = of.sums.values().filter(|sums| sums.done > sums.due).map(|sums| {
            (sums.providers.len() as u32, sums.exec as f64 / (sums.done as f64 - sums.due as f64))
        });
        Some(SpeedUps { points: points.collect(), dropped: of.dropped.len() as u64 })
    }
}

impl OfSeries {
    fn sum(&mut self, repetition: u32, map: u64, call: &CallRecord<'_>) {
        let key = (repetition, map);
        if !self.sums.contains_key(&key) && self.sums.len() >= MANYCALLS_MAX {
            if self.dropped.len() < MANYCALLS_MAX {
                self.dropped.insert(key);
            }
            return;
        }
        let sums = self.sums.entry(key).or_insert_with(|| Sums {
            due: call.scheduled_us,
            done: call.scheduled_us,
            ..Sums::default()
        });
        sums.due = sums.due.min(call.scheduled_us);
        sums.done = sums.done.max(call.done_us.unwrap_or(call.scheduled_us));
        sums.exec += i128::from(call.exec_us.unwrap_or(0));
        if let Some(provider) = &call.provider {
            let next = self.names.len() as u32;
            let number = match self.names.get(text(provider)) {
                Some(number) => *number,
                None => *self.names.entry(text(provider).to_owned()).or_insert(next),
            };
            sums.providers.insert(number);
        }
    }

    fn bar(&mut self, repetition: u32, map: u64, call: &CallRecord<'_>) {
        let is_first =
            self.gantt.as_ref().is_none_or(|gantt| (repetition, map) < (gantt.repetition, gantt.map));
        if is_first {
            self.gantt = Some(Gantt {
                repetition,
                map,
                phase: call.phase.to_string(),
                due: within(call.scheduled_us),
                providers: Vec::new(),
                bars: Vec::new(),
                dropped: 0,
            });
        }
        let Some(gantt) =
            self.gantt.as_mut().filter(|gantt| (gantt.repetition, gantt.map) == (repetition, map))
        else {
            return;
        };
        if gantt.bars.len() >= BARS_MAX {
            gantt.dropped += 1;
            return;
        }
        let part = |part: Option<i64>| within(part.unwrap_or(0));
        let until = within(call.done_us.unwrap_or(call.scheduled_us)) - gantt.due;
        let before = part(call.lag_us) + part(call.lookup_us) + part(call.dispatch_us) + part(call.retry_us);
        let exec_until = until - part(call.network_us).max(0) / 2;
        let provider = call.provider.as_ref().map(|name| {
            let name = text(name);
            gantt.providers.iter().position(|other| other == name).unwrap_or_else(|| {
                gantt.providers.push(name.to_owned());
                gantt.providers.len() - 1
            })
        });
        gantt.bars.push(Bar {
            provider,
            item: call.item.unwrap_or(0),
            from: within(call.scheduled_us) - gantt.due + before,
            exec_from: exec_until - part(call.exec_us),
            exec_until,
            until,
            ok: call.outcome == Outcome::Ok,
        });
    }
}

/// A time that sums of some of it can hold, whatever a file says: within 35 years.
fn within(micros: i64) -> i64 {
    micros.clamp(-(1 << 50), 1 << 50)
}
