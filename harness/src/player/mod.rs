//! The schedule of calls, played on the machine's clock: an open loop at its instants, whatever became of the calls
//! before; a closed loop client by client.

mod anycall;
mod body;
mod manycall;

use crate::clock::Clock;
use crate::failure::Failure;
use crate::network::Network;
use edge_faas_core::results::Outcome;
use edge_faas_core::scenario::schedule::{
    CallId, CallKind, CallNumber, Demand, Numbers, Schedule, ScheduledCall,
};
use edge_faas_core::time::Time;
use edge_faas_node::experiment::Times;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A call that was played, as its user saw it.
#[derive(Clone, Debug)]
pub struct Played {
    /// Its number in the results.
    pub number: u64,
    /// Of an item: its manycall, and its place in it.
    pub map: Option<(u64, u32)>,
    /// Its phase, by index.
    pub phase: u16,
    /// The function, by index.
    pub function: u32,
    /// The node it entered at.
    pub entry: u32,
    /// How its provider was to be chosen.
    pub policy: &'static str,
    /// When it was due.
    pub scheduled: Time,
    /// When it was sent; `None`: its entry was down.
    pub sent: Option<Time>,
    /// When its end was known.
    pub done: Time,
    /// Bytes of its body.
    pub request_bytes: u64,
    /// How it ended.
    pub end: End,
}

/// How a call ended, as its user saw it.
#[derive(Clone, Debug)]
pub struct End {
    /// In a word.
    pub outcome: Outcome,
    /// The answer's status.
    pub status: Option<u16>,
    /// Bytes of the answer's body.
    pub response_bytes: Option<u64>,
    /// The provider that the node named.
    pub provider: Option<String>,
    /// The provider that a call past all routing was sent to, and what it said of its time, if it answered.
    pub direct: Option<(u32, Option<Times>)>,
    /// What went wrong, for people.
    pub error: String,
}

impl End {
    fn without_answer(outcome: Outcome, error: impl Into<String>) -> Self {
        End { outcome, status: None, response_bytes: None, provider: None, direct: None, error: error.into() }
    }

    /// The entry node went down while the call was in progress.
    fn lost() -> Self {
        End::without_answer(Outcome::EntryLost, "the entry node went down")
    }
}

/// A call or a manycall that is over.
struct Over {
    id: CallId,
    completed: Time,
    ok: bool,
    calls: Vec<Played>,
}

/// What tasks of calls have at hand.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) network: Arc<Network>,
    pub(crate) clock: Clock,
    pub(crate) bodies: Arc<body::Bodies>,
}

impl Table {
    /// An item or a call as its schedule has it, and how it ended.
    fn played(
        &self,
        call: &ScheduledCall,
        number: u64,
        demand: Demand,
        sent: Option<Time>,
        end: End,
    ) -> Played {
        Played {
            number,
            map: None,
            phase: call.id.phase,
            function: call.function,
            entry: call.entry,
            policy: match call.kind {
                CallKind::Anycall { policy } => policy.name(),
                CallKind::Manycall { policy, .. } => policy.name(),
            },
            scheduled: call.at,
            sent,
            done: self.clock.now(),
            request_bytes: demand.request_bytes,
            end,
        }
    }
}

/// How far a run is.
pub trait Watcher: Send + Sync {
    /// The run's time, and how many calls have ended.
    fn at(&self, now: Time, ended: u64);
}

/// Plays all calls of `schedule` and returns when the last one has ended.
///
/// # Errors
/// [`Failure::Interrupted`] when `stop` says so.
pub async fn play(
    network: &Arc<Network>,
    mut schedule: Schedule<'_>,
    clock: Clock,
    stop: &CancellationToken,
    watcher: &dyn Watcher,
) -> Result<Vec<Played>, Failure> {
    let table = Table { network: network.clone(), clock, bodies: Arc::default() };
    let (sender, mut ended) = mpsc::unbounded_channel::<Over>();
    // Ended with this function, however it ends.
    let mut tasks = JoinSet::new();
    let mut numbers = Numbers::default();
    let mut clients: BTreeMap<(Time, CallId), ScheduledCall> = BTreeMap::new();
    let mut played = Vec::new();
    let mut running = 0usize;
    loop {
        let client = clients.first_key_value().map(|((at, _), _)| *at);
        let due = [schedule.next_at(), client].into_iter().flatten().min();
        if due.is_none() && running == 0 {
            return Ok(played);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return Err(Failure::Interrupted),
            () = clock.until(due.unwrap_or(Time::MAX)), if due.is_some() => {
                let now = clock.now();
                let mut calls = Vec::new();
                while clients.first_key_value().is_some_and(|((at, _), _)| *at <= now) {
                    calls.extend(clients.pop_first().map(|(_, call)| call));
                }
                while schedule.next_at().is_some_and(|at| at <= now) {
                    calls.extend(schedule.next());
                }
                for call in calls {
                    let number = numbers.next(&network.plan.scenario, &call);
                    running += 1;
                    begin(&table, &schedule, call, number, &sender, &mut tasks);
                }
                while tasks.try_join_next().is_some() {}
            }
            Some(over) = ended.recv() => {
                running -= 1;
                played.extend(over.calls);
                watcher.at(clock.now(), played.len() as u64);
                if let Some(next) = schedule.after(over.id, over.completed, over.ok) {
                    clients.insert((next.at, next.id), next);
                }
            }
        }
    }
}

/// A call, or a manycall, is due.
fn begin(
    table: &Table,
    schedule: &Schedule<'_>,
    call: ScheduledCall,
    number: CallNumber,
    sender: &mpsc::UnboundedSender<Over>,
    tasks: &mut JoinSet<()>,
) {
    let (table, sender) = (table.clone(), sender.clone());
    match call.kind {
        CallKind::Anycall { policy } => {
            tasks.spawn(async move {
                let played = anycall::play(&table, call, number.call, policy).await;
                let ok = succeeded(played.end.outcome);
                let over = Over { id: call.id, completed: table.clock.now(), ok, calls: vec![played] };
                // Nobody is there where the run was broken off.
                let _ = sender.send(over);
            });
        }
        CallKind::Manycall { policy, items } => {
            let demands: Vec<Demand> = (0..items).map(|item| schedule.item(&call, item)).collect();
            tasks.spawn(async move {
                let calls = manycall::play(&table, call, number, policy, demands).await;
                let ok = calls.iter().all(|item| succeeded(item.end.outcome));
                let _ = sender.send(Over { id: call.id, completed: table.clock.now(), ok, calls });
            });
        }
    }
}

/// Whether a client counts a call as done: then it goes on after its think time, as the simulator's does.
fn succeeded(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Ok | Outcome::FunctionError)
}
