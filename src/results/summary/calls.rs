//! Calls of one phase and policy.

use super::samples::{QUANTILES, Quantile, Samples};
use super::statistic::Collector;
use crate::results::record::CallRecord;
use crate::results::word::{CacheState, Outcome};
use std::collections::BTreeMap;

/// The parts of a latency, in the order of the columns.
const PARTS: [&str; 9] =
    ["lag", "lookup", "dispatch", "retry", "connect", "network", "queue", "cold", "exec"];

/// A manycall, as far as its items have been seen.
#[derive(Clone, Copy, Debug)]
struct Map {
    scheduled_us: i64,
    done_us: i64,
    exec_us: i64,
    items: u64,
    not_ok: u64,
}

/// What is kept of calls: of bounded size but for a line per manycall.
#[derive(Clone, Debug)]
pub(super) struct CallStats {
    calls: u64,
    outcomes: [u64; Outcome::COUNT],
    latency: Samples,
    parts: [Samples; PARTS.len()],
    attempts: u64,
    executions: u64,
    messages: u64,
    wasted_exec_us: i128,
    cache: [u64; CacheState::ALL.len()],
    stretch: Samples,
    maps: BTreeMap<u64, Map>,
    /// First due, last ended.
    span: Option<(i64, i64)>,
    ended_in_window: u64,
    ok_in_window: u64,
}

/// When calls are due in a phase, in microseconds: its start and its end.
pub(super) type Window = Option<(i64, i64)>;

impl CallStats {
    pub(super) fn new() -> Self {
        CallStats {
            calls: 0,
            outcomes: [0; Outcome::COUNT],
            latency: Samples::new(),
            parts: std::array::from_fn(|_| Samples::new()),
            attempts: 0,
            executions: 0,
            messages: 0,
            wasted_exec_us: 0,
            cache: [0; CacheState::ALL.len()],
            stretch: Samples::new(),
            maps: BTreeMap::new(),
            span: None,
            ended_in_window: 0,
            ok_in_window: 0,
        }
    }

    pub(super) fn call(&mut self, call: &CallRecord<'_>, window: Window) {
        let ok = call.outcome == Outcome::Ok;
        self.calls += 1;
        self.outcomes[call.outcome.index()] += 1;
        self.attempts += u64::from(call.attempts);
        self.executions += u64::from(call.executions);
        self.messages += u64::from(call.messages);
        self.wasted_exec_us += i128::from(call.wasted_exec_us);
        if let Some(cache) = call.cache {
            self.cache[cache as usize] += 1;
        }
        if let (true, Some(latency)) = (ok, call.latency_us) {
            self.latency.record(latency);
            for (samples, part) in self.parts.iter_mut().zip(call.latency_parts()) {
                if let Some(part) = part {
                    samples.record(part);
                }
            }
        }
        let end = call.done_us.unwrap_or(call.scheduled_us);
        let (first, last) = self.span.unwrap_or((call.scheduled_us, end));
        self.span = Some((first.min(call.scheduled_us), last.max(end)));
        // Before or at the window's end: a phase of a fixed length is not credited with what ends after it.
        if call.done_us.is_some_and(|done| window.is_none_or(|(_, until)| done <= until)) {
            self.ended_in_window += 1;
            self.ok_in_window += u64::from(ok);
        }
        if let Some(map) = call.map {
            let map = self.maps.entry(map).or_insert(Map {
                scheduled_us: call.scheduled_us,
                done_us: end,
                exec_us: 0,
                items: 0,
                not_ok: 0,
            });
            map.scheduled_us = map.scheduled_us.min(call.scheduled_us);
            map.done_us = map.done_us.max(end);
            map.items += 1;
            map.not_ok += u64::from(!ok);
            if ok {
                map.exec_us = map.exec_us.saturating_add(call.exec_us.unwrap_or(0));
            }
        }
    }

    pub(super) fn stretch(&mut self, per_mille: i64) {
        self.stretch.record(per_mille);
    }

    pub(super) fn latency(&self) -> &Samples {
        &self.latency
    }

    pub(super) fn span(&self) -> Option<(i64, i64)> {
        self.span
    }

    /// Adds another policy or phase. The number of a manycall is unique in its repetition.
    pub(super) fn merge(&mut self, other: &CallStats) {
        self.calls += other.calls;
        self.attempts += other.attempts;
        self.executions += other.executions;
        self.messages += other.messages;
        self.wasted_exec_us += other.wasted_exec_us;
        self.ended_in_window += other.ended_in_window;
        self.ok_in_window += other.ok_in_window;
        self.latency.merge(&other.latency);
        self.stretch.merge(&other.stretch);
        let add =
            |sums: &mut [u64], more: &[u64]| sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        add(&mut self.outcomes, &other.outcomes);
        add(&mut self.cache, &other.cache);
        for (samples, more) in self.parts.iter_mut().zip(&other.parts) {
            samples.merge(more);
        }
        self.maps.extend(&other.maps);
        self.span = match (self.span, other.span) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (a, b) => a.or(b),
        };
    }

    /// All statistics. `window` is when calls were due; none: from the first call due to the last ended. Rates are
    /// left out over `several` phases, which may lie apart in time.
    pub(super) fn collect(&self, out: &mut Collector<'_>, window: Window, several: bool) {
        let calls = self.calls;
        out.add("calls", "count", "count", Some(calls as f64), calls);
        for outcome in Outcome::ALL {
            out.add("outcome", outcome.as_str(), "count", Some(self.outcomes[outcome.index()] as f64), calls);
        }
        let ok = self.outcomes[Outcome::Ok.index()];
        let counted: u64 =
            Outcome::ALL.iter().filter(|o| o.counts()).map(|outcome| self.outcomes[outcome.index()]).sum();
        out.ratio("success", "share", "share", ok as f64, counted as f64, counted);
        let latency = &self.latency;
        for quantile in QUANTILES {
            out.add("latency", quantile.name, "us", latency.quantile(quantile), latency.count());
        }
        out.add("latency", "mean", "us", latency.mean(), latency.count());
        out.add("latency", "max", "us", latency.max(), latency.count());
        for quantile in QUANTILES {
            let value = latency.quantile_with_failures(quantile, counted.saturating_sub(latency.count()));
            out.add("latency_with_failures", quantile.name, "us", value, counted);
        }
        for (name, part) in PARTS.into_iter().zip(&self.parts) {
            for quantile in [Quantile::MEDIAN, Quantile::P95] {
                out.add(name, quantile.name, "us", part.quantile(quantile), part.count());
            }
            out.add(name, "mean", "us", part.mean(), part.count());
        }
        if !several {
            self.collect_rates(out, window);
        }
        // Calls that nobody took would make the others look cheaper than they were.
        let taken = calls - self.outcomes[Outcome::EntryDown.index()];
        let per_call = |sum: u64| (taken > 0).then(|| sum as f64 / taken as f64);
        out.add("attempts", "mean", "per call", per_call(self.attempts), taken);
        out.add("executions", "mean", "per call", per_call(self.executions), taken);
        out.add("messages", "mean", "per call", per_call(self.messages), taken);
        let wasted = self.wasted_exec_us as f64;
        out.add("wasted_exec", "sum", "us", Some(wasted), calls);
        let [.., exec] = &self.parts;
        out.ratio("wasted_exec", "share", "share", wasted, wasted + exec.sum() as f64, calls);
        let asked: u64 = self.cache.iter().sum();
        for state in CacheState::ALL {
            out.ratio(
                "cache",
                state.as_str(),
                "share",
                self.cache[*state as usize] as f64,
                asked as f64,
                asked,
            );
        }
        let stretch = |per_mille: Option<f64>| per_mille.map(|value| value / 1000.0);
        out.add(
            "stretch",
            "p50",
            "ratio",
            stretch(self.stretch.quantile(Quantile::MEDIAN)),
            self.stretch.count(),
        );
        out.add(
            "stretch",
            "p95",
            "ratio",
            stretch(self.stretch.quantile(Quantile::P95)),
            self.stretch.count(),
        );
        out.add("stretch", "mean", "ratio", stretch(self.stretch.mean()), self.stretch.count());
        self.collect_maps(out);
    }

    fn collect_rates(&self, out: &mut Collector<'_>, window: Window) {
        let Some((from, until)) = window.or(self.span) else {
            return;
        };
        let seconds = until.saturating_sub(from) as f64 / 1e6;
        out.ratio("offered", "rate", "calls/s", self.calls as f64, seconds, self.calls);
        out.ratio(
            "throughput",
            "rate",
            "calls/s",
            self.ended_in_window as f64,
            seconds,
            self.ended_in_window,
        );
        out.ratio("goodput", "rate", "calls/s", self.ok_in_window as f64, seconds, self.ok_in_window);
    }

    fn collect_maps(&self, out: &mut Collector<'_>) {
        if self.maps.is_empty() {
            return;
        }
        let (mut makespan, mut speed_up) = (Samples::new(), Samples::new());
        let (mut items, mut not_ok) = (0_u64, 0_u64);
        for map in self.maps.values() {
            let span = map.done_us.saturating_sub(map.scheduled_us);
            makespan.record(span);
            if span > 0 {
                speed_up.record((i128::from(map.exec_us) * 1000 / i128::from(span)) as i64);
            }
            items += map.items;
            not_ok += map.not_ok;
        }
        let n = makespan.count();
        out.add("maps", "count", "count", Some(n as f64), n);
        out.add("items", "count", "count", Some(items as f64), items);
        out.add("items_not_ok", "count", "count", Some(not_ok as f64), items);
        for quantile in [Quantile::MEDIAN, Quantile::P95] {
            out.add("makespan", quantile.name, "us", makespan.quantile(quantile), n);
        }
        out.add("makespan", "mean", "us", makespan.mean(), n);
        out.add("makespan", "max", "us", makespan.max(), n);
        let ratio = |per_mille: Option<f64>| per_mille.map(|value| value / 1000.0);
        out.add("speed_up", "p50", "ratio", ratio(speed_up.quantile(Quantile::MEDIAN)), speed_up.count());
        out.add("speed_up", "mean", "ratio", ratio(speed_up.mean()), speed_up.count());
        out.add("speed_up", "min", "ratio", ratio(speed_up.min()), speed_up.count());
    }
}
