//! From a scenario to a repetition that is ready to run.

use super::churn::Churn;
use super::fault::Faults;
use super::misbehave::Misbehaving;
use super::node::Node;
use super::parcels::Parcels;
use super::population::Population;
use super::record::Rows;
use super::workload::Workload;
use super::{Counters, Engine, Event, Limits, Second, Totals, purpose};
use crate::discovery::Discovery;
use crate::executor::{Executor, Hosting, Machine as Hardware};
use crate::network::{
    Bandwidth, Fabric, LastMile, Latency, Links, MatrixError, MatrixFormat, MatrixOptions, Missing,
    PairLatency, RoundTrips, Rules, Sites, Space, TimeUnit, Transfers,
};
use crate::queue::EventQueue;
use crate::trace::Tracer;
use edge_faas_core::context::{Config, FunctionTable, Outputs};
use edge_faas_core::draws::{Distribution, DistributionError, Draws};
use edge_faas_core::faas;
use edge_faas_core::kad;
use edge_faas_core::key::FunctionHandle;
use edge_faas_core::results::RepetitionWriter;
use edge_faas_core::scenario::schedule::{self, Schedule, ScheduleError};
use edge_faas_core::scenario::schema::{self, Scenario, Start};
use edge_faas_core::scenario::trace::Traces;
use edge_faas_core::time::{Duration, Time};
use std::collections::VecDeque;
use std::sync::Arc;

/// A dial that nobody answers is given up after this (libp2p's default for a transport's upgrade).
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// What a scenario names and all of its repetitions share.
#[derive(Debug, Default)]
pub struct Inputs {
    traces: Traces,
    matrix: Option<Arc<RoundTrips>>,
}

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Its latency matrix.
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    /// One of its traces.
    #[error(transparent)]
    Trace(#[from] edge_faas_core::scenario::trace::TraceFileError),
    /// Its workload.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// One of its distributions.
    #[error("{place}: {source}")]
    Distribution {
        /// Which.
        place: String,
        /// Why.
        source: DistributionError,
    },
    /// A file that it names.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not the one that the scenario was resolved with.
    #[error("{path} has changed since the scenario was read: its SHA-256 is {found}, and was {expected}")]
    Changed {
        /// Which.
        path: String,
        /// Its hash.
        found: String,
        /// The scenario's.
        expected: String,
    },
}

impl Inputs {
    /// Reads what `scenario` names.
    ///
    /// # Errors
    /// A file that is missing, has changed, or cannot be used.
    pub fn read(scenario: &Scenario) -> Result<Self, BuildError> {
        let matrix = match &scenario.network.latency {
            schema::Latency::Matrix { file, unit, format, missing, .. } => {
                let options = MatrixOptions {
                    format: match format {
                        schema::MatrixFormat::Auto => MatrixFormat::Auto,
                        schema::MatrixFormat::Square => MatrixFormat::Square,
                        schema::MatrixFormat::Pairs => MatrixFormat::Pairs,
                    },
                    unit: Some(match unit {
                        schema::TimeUnit::S => TimeUnit::Seconds,
                        schema::TimeUnit::Ms => TimeUnit::Millis,
                        schema::TimeUnit::Us => TimeUnit::Micros,
                    }),
                    missing: match missing {
                        schema::Missing::Error => Missing::Error,
                        schema::Missing::Median => Missing::Median,
                        schema::Missing::DropNode => Missing::Drop,
                    },
                };
                Some(Arc::new(RoundTrips::read(&file.path, read(file)?.as_slice(), options)?))
            }
            _ => None,
        };
        let mut failed = None;
        let traces = Traces::read(scenario, |file| match unpacked(file) {
            Ok(bytes) => Ok(std::io::Cursor::new(bytes)),
            Err(BuildError::File { source, .. }) => Err(source),
            Err(error) => {
                let message = error.to_string();
                failed = Some(error);
                Err(std::io::Error::other(message))
            }
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(Inputs { traces: traces?, matrix }),
        }
    }

    /// The traces.
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// What was resolved in the matrix, for a person to know.
    pub fn bad_cells(&self) -> Option<String> {
        let bad = self.matrix.as_ref()?.bad_cells();
        (bad.count() > 0).then(|| bad.to_string())
    }
}

/// The bytes of a file, which must be the ones that were hashed.
fn read(file: &schema::FileRef) -> Result<Vec<u8>, BuildError> {
    let bytes =
        std::fs::read(&file.path).map_err(|source| BuildError::File { path: file.path.clone(), source })?;
    let found = edge_faas_core::results::sha256_hex(&bytes);
    if found != file.sha256 {
        let (path, expected) = (file.path.clone(), file.sha256.clone());
        return Err(BuildError::Changed { path, found, expected });
    }
    Ok(bytes)
}

/// As [`read`], unpacked if it is gzip.
fn unpacked(file: &schema::FileRef) -> Result<Vec<u8>, BuildError> {
    let bytes = read(file)?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(bytes.as_slice()), &mut plain)
        .map_err(|source| BuildError::File { path: file.path.clone(), source })?;
    Ok(plain)
}

/// One machine, whatever identity it has.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    /// Its function runtime; most machines of a large network host nothing.
    pub(crate) runtime: Option<Box<Runtime>>,
    pub(crate) class: u16,
    /// What it said goodbye with: the end of its uptime so far.
    pub(crate) uptime: Duration,
}

/// A machine's function runtime.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) executor: Executor,
    /// The pending event that counts.
    pub(crate) wake: Time,
    /// Hosted functions, by index, in ascending order.
    pub(crate) functions: Vec<u32>,
    pub(crate) down: bool,
}

/// Functions and who hosts them.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// By function: machine numbers, ascending.
    providers: Vec<Vec<u32>>,
    names: Vec<String>,
    work: Vec<schema::Work>,
    cold_start: Vec<Option<Distribution>>,
}

impl Hosts {
    pub(crate) fn providers(&self, function: FunctionHandle) -> &[u32] {
        self.providers.get(function.index()).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn clear(&mut self, number: u32) {
        for providers in &mut self.providers {
            providers.retain(|provider| *provider != number);
        }
    }

    pub(crate) fn name(&self, function: FunctionHandle) -> &str {
        self.names.get(function.index()).map_or("", String::as_str)
    }

    pub(crate) fn len(&self) -> u32 {
        self.providers.len() as u32
    }

    pub(crate) fn work(&self, function: FunctionHandle) -> schema::Work {
        self.work.get(function.index()).copied().unwrap_or(schema::Work::Cpu)
    }

    pub(crate) fn cold_start(&self, function: FunctionHandle) -> Option<&Distribution> {
        self.cold_start.get(function.index()).and_then(Option::as_ref)
    }
}

/// The law that a scenario's distribution stands for.
pub(crate) fn law(distribution: &schema::Distribution, place: &str) -> Result<Distribution, BuildError> {
    distribution
        .clone()
        .checked()
        .map_err(|source| BuildError::Distribution { place: place.to_owned(), source })
}

impl<'s> Engine<'s> {
    /// Repetition `repetition` (from 0) of a scenario.
    ///
    /// # Errors
    /// What the scenario's checks could not know before its files and draws.
    pub fn new(
        scenario: &'s Scenario,
        inputs: &'s Inputs,
        repetition: u32,
        writer: RepetitionWriter,
        tracer: Option<Tracer>,
    ) -> Result<Self, BuildError> {
        let draws = Draws::new(scenario.seed, repetition);
        let network = &scenario.network;
        let places = schedule::Population::new(scenario, draws)?;
        let schedule = Schedule::new(scenario, &inputs.traces, &places, draws)?;
        let population = Population::new(&draws, network.nodes);
        let fabric = fabric(scenario, inputs, &places, &draws)?;
        let hosts = hosts(scenario, &places)?;
        let machines = machines(scenario, &places, &hosts)?;
        let mut functions = FunctionTable::default();
        for (index, name) in hosts.names.iter().enumerate() {
            let idempotent = scenario.function(index as u32).and_then(|(function, _)| function.idempotent);
            functions.push(name, idempotent.unwrap_or(scenario.faas.idempotent));
        }
        let origin = Time::ZERO - before_zero(scenario);
        let clients = scenario.kademlia.client_share;
        let nodes = (0..population.handles())
            .map(|handle| {
                let number = population.number(handle);
                let server = !(clients > 0.0
                    && number >= network.bootstrap
                    && draws.stream(purpose::CLIENT, u64::from(number)).chance(clients));
                Node::new(handle, number, server, origin)
            })
            .collect();
        let limits = Limits {
            idle_timeout: network.idle_timeout,
            max_connections: network.max_connections as usize,
            handshake_round_trips: network.handshake_round_trips,
            dial_timeout: DIAL_TIMEOUT,
            message_cpu: scenario.faas.message_cpu,
            forward_cpu: scenario.faas.forward_cpu,
        };
        let churn = Churn::new(scenario, &inputs.traces, &places)?;
        let faults = Faults::new(scenario, &places);
        let counters = if scenario.output.nodes {
            vec![Counters::default(); network.nodes as usize]
        } else {
            Vec::new()
        };
        let mut engine = Engine {
            scenario,
            now: origin,
            queue: EventQueue::new(origin),
            draws,
            config: config(scenario),
            limits,
            functions,
            transfers: Transfers::new(fabric.links.clone()),
            transfer_wake: Time::MAX,
            population,
            nodes,
            fabric,
            rules: Rules::new(),
            machines,
            hosts,
            counters,
            parcels: Parcels::default(),
            failures: slab::Slab::new(),
            flights: slab::Slab::new(),
            flight_generation: 0,
            bereaved: std::collections::BTreeMap::new(),
            workload: Workload::new(schedule),
            churn,
            faults,
            misbehaving: Misbehaving::default(),
            discovery: Discovery::new(scenario, &draws),
            restarts: false,
            answering: (edge_faas_core::results::TrafficClass::Upkeep, false),
            pending: VecDeque::new(),
            out: Outputs::default(),
            second: Second { number: origin.as_nanos().div_euclid(1_000_000_000), ..Second::default() },
            up: 0,
            totals: Totals::default(),
            rows: Rows::new(scenario, &places, writer),
            tracer,
            failed: None,
        };
        engine.start();
        engine.queue.push(Time::ZERO, Event::Zero);
        engine.set_arrival();
        Ok(engine)
    }
}

/// What a scenario's files and draws can still be wrong about, without running it.
///
/// # Errors
/// The first mistake.
pub fn check(scenario: &Scenario, inputs: &Inputs) -> Result<(), BuildError> {
    let draws = Draws::new(scenario.seed, 0);
    let places = schedule::Population::new(scenario, draws)?;
    Schedule::new(scenario, &inputs.traces, &places, draws)?;
    hosts(scenario, &places)?;
    Churn::new(scenario, &inputs.traces, &places)?;
    Ok(())
}

/// How long before time 0 a network begins.
fn before_zero(scenario: &Scenario) -> Duration {
    match scenario.network.start {
        Start::Join => scenario.network.join_over + scenario.network.settle,
        Start::Converged => scenario.network.settle,
    }
}

/// The core's settings.
pub fn config(scenario: &Scenario) -> Config {
    let (kademlia, calls) = (&scenario.kademlia, &scenario.faas);
    Config {
        kad: kad::Config {
            k: kademlia.k as usize,
            alpha: kademlia.alpha as usize,
            request_timeout: kademlia.request_timeout,
            lookup_timeout: kademlia.lookup_timeout,
            disjoint_paths: kademlia.disjoint_paths as usize,
            refresh_interval: kademlia.refresh_interval,
            provider_ttl: kademlia.provider_ttl,
            republish_interval: kademlia.republish_interval,
            record_ttl: kademlia.record_ttl,
            max_providers_per_key: kademlia.max_providers_per_key as usize,
            extensions: kademlia.protocol != "/ipfs/kad/1.0.0",
            ..kad::Config::default()
        },
        faas: faas::Config {
            discovery: match scenario.discovery {
                schema::Discovery::Kademlia => faas::Discovery::Kademlia,
                _ => faas::Discovery::Driver,
            },
            anycall: calls.policy,
            manycall: calls.manycall_policy,
            cache_ttl: calls.cache_ttl,
            negative_ttl: calls.negative_ttl,
            max_attempts: calls.max_attempts,
            backoff_initial: calls.backoff_initial,
            backoff_max: calls.backoff_max,
            retry_after: calls.retry_after,
            avoid: calls.avoid,
            probe_interval: calls.probe_interval,
            probe_misses: calls.probe_misses,
            attempt_timeout: calls.attempt_timeout,
            entry_queue: calls.entry_queue as usize,
            probe_first: calls.probe,
            manycall_window: calls.manycall_window,
            backup_factor: calls.backup_factor,
            ..faas::Config::default()
        },
    }
}

fn bandwidth(bandwidth: schema::Bandwidth) -> Bandwidth {
    Bandwidth { up: bandwidth.up.unwrap_or(u64::MAX), down: bandwidth.down.unwrap_or(u64::MAX) }
}

/// The network between the machines, by number: the same in every world that runs the scenario.
///
/// # Errors
/// A distribution that makes no sense.
pub fn fabric(
    scenario: &Scenario,
    inputs: &Inputs,
    places: &schedule::Population,
    draws: &Draws,
) -> Result<Fabric, BuildError> {
    let network = &scenario.network;
    let nodes = network.nodes;
    let latency = match &network.latency {
        schema::Latency::Matrix { intra_site, .. } => {
            let matrix = inputs.matrix.clone().unwrap_or_else(|| unreachable!("read with the inputs"));
            Latency::Sites(Sites::draw(matrix, *intra_site, draws, nodes))
        }
        schema::Latency::Regions(regions) => {
            let matrix = Arc::new(RoundTrips::from_rows(&regions.names, &regions.round_trip));
            let site = (0..nodes).map(|node| places.region(node).unwrap_or(0) as u16).collect();
            Latency::Sites(Sites::place_in_regions(matrix, site))
        }
        schema::Latency::Euclidean { dimensions, side, base } => {
            Latency::Space(Space::euclidean(*dimensions as usize, *side, *base, draws, nodes))
        }
        schema::Latency::Vivaldi { dimensions, side, base, height } => {
            let height = law(height, "network.latency.height")?;
            Latency::Space(Space::vivaldi(*dimensions as usize, *side, *base, &height, draws, nodes))
        }
        schema::Latency::Pairs { round_trip: schema::Distribution::Constant(seconds) } => {
            Latency::Constant(Duration::from_secs_f64(*seconds))
        }
        schema::Latency::Pairs { round_trip } => {
            Latency::Pairs(PairLatency::new(law(round_trip, "network.latency")?, *draws))
        }
    };
    let last_mile = match &network.last_mile {
        Some(distribution) => LastMile::draw(&law(distribution, "network.last_mile")?, draws, nodes),
        None => LastMile::none(),
    };
    let classes = &scenario.node_classes;
    let links = if classes.iter().all(|class| class.bandwidth.is_none()) {
        Links::same(bandwidth(network.bandwidth))
    } else {
        let of =
            classes.iter().map(|class| bandwidth(class.bandwidth.unwrap_or(network.bandwidth))).collect();
        Links::by_class(of, (0..nodes).map(|node| places.class(node) as u8).collect())
    };
    let jitter = network.jitter.as_ref().map(|jitter| law(jitter, "network.jitter")).transpose()?;
    Ok(Fabric { latency, last_mile, links, jitter, loss: network.loss, min_rto: network.retransmit_timeout })
}

fn hosts(scenario: &Scenario, places: &schedule::Population) -> Result<Hosts, BuildError> {
    let mut hosts =
        Hosts { providers: Vec::new(), names: Vec::new(), work: Vec::new(), cold_start: Vec::new() };
    for function in &scenario.functions {
        let place = format!("function {}: cold_start", function.name);
        let cold_start = function.cold_start.as_ref().map(|cold| law(cold, &place)).transpose()?;
        for copy in 0..function.copies {
            let index = hosts.providers.len() as u32;
            hosts.providers.push(places.providers(index).to_vec());
            hosts.names.push(function.copy_name(copy));
            hosts.work.push(function.work);
            hosts.cold_start.push(cold_start.clone());
        }
    }
    Ok(hosts)
}

fn machines(
    scenario: &Scenario,
    places: &schedule::Population,
    hosts: &Hosts,
) -> Result<Vec<Machine>, BuildError> {
    let mut machines: Vec<Machine> = (0..scenario.network.nodes)
        .map(|number| Machine { runtime: None, class: places.class(number) as u16, uptime: Duration::ZERO })
        .collect();
    for (index, providers) in hosts.providers.iter().enumerate() {
        for number in providers {
            let machine = &mut machines[*number as usize];
            let class = &scenario.node_classes[usize::from(machine.class)];
            let runtime = machine.runtime.get_or_insert_with(|| {
                let hardware = Hardware { cores: class.cores, memory: class.memory, speed: class.speed };
                Box::new(Runtime {
                    executor: Executor::new(hardware),
                    wake: Time::MAX,
                    functions: Vec::new(),
                    down: false,
                })
            });
            runtime.functions.push(index as u32);
            let link = bandwidth(class.bandwidth.unwrap_or(scenario.network.bandwidth));
            if let Some((function, _)) = scenario.function(index as u32) {
                runtime.executor.host(index as u32, hosting(function, link));
            }
        }
    }
    Ok(machines)
}

fn hosting(function: &schema::Function, link: Bandwidth) -> Hosting {
    let pull = if link.down == u64::MAX {
        Duration::ZERO
    } else {
        Duration::from_secs_f64((function.image as f64 * 8.0 / link.down.max(1) as f64).min(1e9))
    };
    Hosting {
        concurrency: function.concurrency,
        queue_limit: function.queue,
        calls_per_instance: 1,
        memory: function.memory,
        pull: if function.cold_start.is_some() { pull } else { Duration::ZERO },
        keep_alive: function.keep_alive.unwrap_or(Duration::MAX),
    }
}
