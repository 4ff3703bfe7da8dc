//! What nodes tell of each call: its entry how it went, its providers what ran.

use super::Story;
use crate::journal::Life;
use edge_faas_core::time::{Duration, Time};
use edge_faas_node::experiment::{Event, Times};
use std::collections::BTreeMap;

/// A call as its entry tells it.
#[derive(Default)]
pub(super) struct Told<'a> {
    pub(super) life: Option<&'a Life>,
    pub(super) end: Option<&'a Event>,
    pub(super) attempts: Vec<&'a Event>,
    /// By attempt.
    pub(super) connects: BTreeMap<u64, i64>,
}

/// An execution as its provider tells it.
pub(super) struct Execution {
    pub(super) node: u32,
    pub(super) end: Time,
    pub(super) times: Times,
    pub(super) started: bool,
}

/// How long functions ran for a call whose answer came from `winner`, or from nobody, without being its answer.
pub(super) fn wasted(ran: &[Execution], winner: Option<u32>) -> Duration {
    let wasted = ran.iter().filter(|execution| execution.started && Some(execution.node) != winner);
    Duration::from_nanos(wasted.map(|execution| execution.times.exec).sum())
}

impl Story<'_> {
    /// What entries tell of each call.
    pub(super) fn told(&self) -> BTreeMap<u64, Told<'_>> {
        let mut told: BTreeMap<u64, Told<'_>> = BTreeMap::new();
        for life in self.lives {
            let mut numbers: BTreeMap<u64, u64> = BTreeMap::new();
            let mut attempts: BTreeMap<u64, u64> = BTreeMap::new();
            for event in &life.events {
                match event {
                    Event::Begun { call, reference } => {
                        if let Ok(number) = reference.parse() {
                            numbers.insert(*call, number);
                        }
                    }
                    Event::Attempt { attempt, call, .. } => {
                        attempts.insert(*attempt, *call);
                    }
                    _ => {}
                }
            }
            // A call's end may be told before its beginning, and a connection before its attempt's end.
            for event in &life.events {
                let call = match event {
                    Event::Call { call, .. } | Event::Attempt { call, .. } => Some(call),
                    Event::Connected { attempt, .. } => attempts.get(attempt),
                    _ => None,
                };
                let Some(number) = call.and_then(|call| numbers.get(call)) else { continue };
                let call = told.entry(*number).or_default();
                call.life = Some(life);
                match event {
                    Event::Call { .. } => call.end = Some(event),
                    Event::Attempt { .. } => call.attempts.push(event),
                    Event::Connected { attempt, connect } => {
                        call.connects.insert(*attempt, *connect);
                    }
                    _ => {}
                }
            }
        }
        told
    }

    /// What providers tell of each call.
    pub(super) fn executions(&self) -> BTreeMap<u64, Vec<Execution>> {
        let mut executions: BTreeMap<u64, Vec<Execution>> = BTreeMap::new();
        for life in self.lives {
            for event in &life.events {
                let Event::Execution { reference: Some(reference), end, times, started, .. } = event else {
                    continue;
                };
                let Ok(number) = reference.parse() else { continue };
                let end = life.time(&self.clock, *end);
                let execution = Execution { node: life.node, end, times: *times, started: *started };
                executions.entry(number).or_default().push(execution);
            }
        }
        executions
    }
}
