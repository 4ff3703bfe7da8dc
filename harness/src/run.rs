//! One repetition: nodes up, links measured, calls played, faults made, everything collected, nodes down.

use crate::backend::Backend;
use crate::clock::Clock;
use crate::failure::Failure;
use crate::faults;
use crate::host::Processor;
use crate::links::{self, Link};
use crate::network::Network;
use crate::plan::Plan;
use crate::player::{self, Played, Watcher};
use crate::quantile::quantile;
use crate::rows::{NodeEnd, Story};
use edge_faas_core::results::{LinkMoment, OpenFaas, RepetitionWriter};
use edge_faas_core::scenario::schedule::Schedule;
use edge_faas_core::time::Time;
use edge_faas_sim::engine::Inputs;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// From the decision that the network is settled to time 0.
const AHEAD: Duration = Duration::from_millis(100);
/// How long the last events of nodes may take to come in.
const LAST_EVENTS: Duration = Duration::from_secs(3);
/// A machine that is busier than this delays what is measured on it.
const BUSY: f64 = 0.7;
/// Calls that are sent later than this, at the 99th percentile, are not the schedule's any more.
const LATE_US: i64 = 5_000;

/// What the user wants of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// Run although links are not what the scenario asks for.
    pub bad_links: bool,
    /// How long each step of getting ready may take, if not as long as by default ([`Network::new`]).
    pub ready: Option<Duration>,
    /// Run the conformance suite against what runs functions.
    pub conformance: bool,
}

/// How a repetition went, apart from its rows.
#[derive(Clone, Debug)]
pub struct Quality {
    /// How busy the machine was from time 0 to the end.
    pub busy: Option<f64>,
    /// The 99th percentile of how late calls were sent, in microseconds.
    pub late_us: i64,
    /// Seconds from the first node's start to the network's being ready.
    pub up_seconds: f64,
    /// Seconds of the run's time.
    pub seconds: f64,
    /// What makes it doubtful.
    pub doubts: Vec<String>,
    /// What runs functions, if the conformance suite was run.
    pub openfaas: Option<OpenFaas>,
}

/// Runs one repetition and writes its rows. Its nodes are still there afterwards, however it went: [`end`] takes them away.
///
/// # Errors
/// What went wrong, or that it was interrupted.
pub async fn repeat(
    plan: Arc<Plan>,
    inputs: &Inputs,
    backend: Arc<dyn Backend>,
    writer: RepetitionWriter,
    wishes: Wishes,
    stop: &CancellationToken,
    watcher: &dyn Watcher,
) -> Result<(RepetitionWriter, Quality), Failure> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Failure::Interrupted),
        result = run(plan, inputs, backend, writer, wishes, stop, watcher) => result,
    }
}

/// Takes away the nodes of a repetition that ended with `result`, and their functions on gateways of others.
///
/// # Errors
/// What went wrong in the repetition, else that its nodes will not go.
pub async fn end<T>(plan: &Plan, backend: &dyn Backend, result: Result<T, Failure>) -> Result<T, Failure> {
    let cleared = plan.openfaas.clear(plan).await;
    let gone = backend.tear_down().await;
    let value = result?;
    gone.map_err(|error| error.during("the run went well, but its nodes will not go"))?;
    cleared.map_err(|error| error.during("the run went well, but its functions will not go"))?;
    Ok(value)
}

async fn run(
    plan: Arc<Plan>,
    inputs: &Inputs,
    backend: Arc<dyn Backend>,
    mut writer: RepetitionWriter,
    wishes: Wishes,
    stop: &CancellationToken,
    watcher: &dyn Watcher,
) -> Result<(RepetitionWriter, Quality), Failure> {
    let begun = std::time::Instant::now();
    let network = Arc::new(Network::new(plan.clone(), backend, wishes.ready)?);
    network.prepare().await?;
    network.start().await?;
    let openfaas = if wishes.conformance { Some(network.conform().await?) } else { None };
    network.bring_up().await?;
    let up_seconds = begun.elapsed().as_secs_f64();
    let mut links = links::measure(&network, LinkMoment::Before).await?;
    accept(&links, wishes)?;
    let settle = plan.scenario.network.settle;
    tokio::time::sleep(Duration::from_nanos(settle.as_nanos().unsigned_abs())).await;

    let schedule = Schedule::new(&plan.scenario, inputs.traces(), &plan.population, plan.draws);
    let schedule = schedule.map_err(Failure::input)?;
    let processor = Processor::now();
    let clock = Clock::starting_in(AHEAD);
    let log = faults::Log::default();
    let play = player::play(&network, schedule, clock, stop, watcher);
    let timeline = faults::play(&network, clock, &log);
    // All phases have their length, even if no call comes at their end.
    let last_phase = async {
        clock.until(Time::ZERO.saturating_add(plan.scenario.duration())).await;
        Ok(())
    };
    let phases_matter = has_open_end(&plan);
    let (played, (), ()) =
        tokio::try_join!(play, timeline, async { if phases_matter { last_phase.await } else { Ok(()) } })?;
    let end = clock.now();
    let busy = processor.zip(Processor::now()).and_then(|(before, now)| now.busy_since(before));

    let told: Vec<u64> = played.iter().filter(|call| is_told(call)).map(|call| call.number).collect();
    network.journal.settle(&told, LAST_EVENTS).await;
    let after = links::measure(&network, LinkMoment::After).await?;
    accept(&after, wishes)?;
    links.extend(after);
    let nodes = node_ends(&network).await;
    let late_us = late(&played);
    let lives = network.journal.take();
    let (happenings, up) = log.take();
    let doubts = doubts(&links, busy, late_us, &told, &lives);
    let story = Story {
        plan: &plan,
        clock,
        end,
        journal: &network.journal,
        lives: &lives,
        played,
        happenings,
        up,
        links,
        nodes,
    };
    story.write(&mut writer).map_err(|error| {
        let place = std::env::temp_dir();
        Failure::Other(format!(
            "{}: the rows cannot be kept there: {error}; make room, or let TMPDIR name another place",
            place.display()
        ))
    })?;
    let quality = Quality { busy, late_us, up_seconds, seconds: end.as_secs_f64(), doubts, openfaas };
    Ok((writer, quality))
}

/// True if some phase may end before its last call is due: then the run waits for the phases' ends as the simulator does
/// not have to, so that faults come in their time.
fn has_open_end(plan: &Plan) -> bool {
    !plan.scenario.faults.is_empty()
}

fn accept(links: &[Link], wishes: Wishes) -> Result<(), Failure> {
    if wishes.bad_links { Ok(()) } else { links::check(links) }
}

/// Whether its entry tells how a call ended.
fn is_told(call: &Played) -> bool {
    use edge_faas_core::results::Outcome;
    call.sent.is_some()
        && call.end.direct.is_none()
        && !matches!(call.end.outcome, Outcome::EntryLost | Outcome::EntryDown | Outcome::Cancelled)
        && call.policy != edge_faas_core::faas::AnycallPolicy::Direct.name()
}

async fn node_ends(network: &Network) -> Vec<NodeEnd> {
    let mut ends = Vec::new();
    for node in 0..network.len() {
        let mut end = NodeEnd::default();
        // One that is down hosts nothing and knows nobody.
        if network.is_up(node)
            && let Ok(peers) = network.node(node).peers().await
        {
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            end.functions = count(peers.hosted.len());
            end.table = count(peers.peers.iter().filter(|peer| peer.routing).count());
        }
        ends.push(end);
    }
    ends
}

/// The 99th percentile of how late calls were sent, in microseconds.
fn late(played: &[Played]) -> i64 {
    let lag = |call: &Played| Some(call.sent?.as_micros() - call.scheduled.as_micros());
    let mut late: Vec<i64> = played.iter().filter_map(lag).collect();
    late.sort_unstable();
    quantile(&late, 0.99).unwrap_or(0)
}

fn doubts(
    links: &[Link],
    busy: Option<f64>,
    late_us: i64,
    told: &[u64],
    lives: &[crate::journal::Life],
) -> Vec<String> {
    use edge_faas_node::experiment::Event;
    let mut doubts = Vec::new();
    if let Err(error) = links::check(links) {
        doubts.push(error.to_string());
    }
    if let Some(busy) = busy.filter(|busy| *busy > BUSY) {
        doubts.push(format!(
            "the machine was {:.0} % busy (over {:.0} %): what was measured is also what it takes to wait for a processor",
            busy * 100.0,
            BUSY * 100.0
        ));
    }
    if late_us > LATE_US {
        doubts.push(format!(
            "calls were sent {:.1} ms late at the 99th percentile (over {} ms): the load was not the schedule's",
            late_us as f64 / 1e3,
            LATE_US / 1_000
        ));
    }
    let ends = lives.iter().flat_map(|life| &life.events).filter(|event| matches!(event, Event::Call { .. }));
    let missing = told.len().saturating_sub(ends.count());
    if missing > 0 {
        doubts.push(format!(
            "of {missing} calls the nodes did not tell how they went: their rows have no parts"
        ));
    }
    doubts
}
