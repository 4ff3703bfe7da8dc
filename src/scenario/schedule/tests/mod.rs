//! Fixtures: a small scenario and small traces. The tests stand in the files beside.

mod arrivals;
mod clients;
mod nodes;
mod replay;
mod same;

use super::*;
use crate::draws::Distribution;
use crate::scenario::schema::*;
use crate::scenario::trace::{TraceFileError, Traces};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

pub(super) const INVOCATIONS: &str = "HashOwner,HashApp,HashFunction,Trigger,1,2,3,4\n\
                           o,a,f,http,0,200,1,0\n\
                           o,a,g,timer,3,0,0,7\n\
                           o,b,h,queue,40,0,100,11\n";
pub(super) const DURATIONS: &str = "HashOwner,HashApp,HashFunction,percentile_Average_0,percentile_Average_1,\
                         percentile_Average_25,percentile_Average_50,percentile_Average_75,percentile_Average_99,\
                         percentile_Average_100\n\
                         o,a,f,100,100,100,100,100,100,200\n\
                         o,b,h,500,500,500,500,500,500,600\n";
pub(super) const RECORDED: &str = "app,func,end_timestamp,duration\n\
                        a,f,10.0,9.0\n\
                        a,g,10.5,0.25\n\
                        a,f,10.125,9.5\n\
                        b,h,50,1\n";

pub(super) fn file(path: &str) -> FileRef {
    FileRef { path: path.into(), sha256: String::new() }
}

pub(super) fn constant(value: f64) -> Distribution {
    Distribution::Constant(value)
}

pub(super) fn some(count: u32) -> Selector {
    Selector { from: Pool::All, take: Take::Count(count) }
}

pub(super) fn function(name: &str, copies: u32) -> Function {
    Function {
        name: name.into(),
        copies,
        numbered: copies > 1,
        providers: some(3),
        service_time: ServiceTime::Drawn(Distribution::LogNormal { median: 0.05, sigma: 0.5 }),
        work: Work::Cpu,
        concurrency: 4,
        queue: 0,
        cold_start: None,
        image: 0,
        keep_alive: None,
        prewarm: 0,
        memory: 1 << 27,
        idempotent: None,
        policy: None,
        timeout: Duration::from_secs(60),
        request: constant(4096.0),
        response: Distribution::Exponential { mean: 32_768.0 },
        failure_share: 0.01,
    }
}

pub(super) fn all_of(scenario: &Scenario) -> Vec<FunctionRange> {
    vec![FunctionRange { first: 0, count: scenario.function_count() }]
}

pub(super) const ENTRY: Entry = Entry { nodes: Selector::ALL, popularity: Popularity::Uniform };

/// Calls with nothing said about them, over functions as they please.
fn stream(arrivals: Arrivals, functions: Vec<FunctionRange>) -> CallStream {
    CallStream {
        arrivals,
        calls: None,
        calls_per_client: None,
        functions,
        popularity: Popularity::Uniform,
        entry: ENTRY,
        request: None,
        response: None,
        idempotent: None,
        cold: false,
    }
}

pub(super) fn anycalls(arrivals: Arrivals, functions: Vec<FunctionRange>) -> Anycalls {
    let popularity = Popularity::Zipf(0.9);
    Anycalls {
        stream: CallStream { popularity, ..stream(arrivals, functions) },
        policy: None,
        deadline: None,
    }
}

pub(super) fn phase(name: &str, duration: Duration, anycall: Anycalls) -> Phase {
    Phase { name: name.into(), duration, measure: true, anycall: Some(anycall), manycall: None }
}

/// 100 nodes, 10 copies of one function, one phase of Poisson calls and one with manycalls too.
pub(super) fn scenario() -> Scenario {
    let mut scenario = Scenario {
        name: "test".into(),
        seed: 42,
        repetitions: 1,
        discovery: Discovery::Kademlia,
        network: Network {
            nodes: 100,
            start: Start::Converged,
            join_over: Duration::ZERO,
            bootstrap: 1,
            settle: Duration::ZERO,
            latency: Latency::Pairs { round_trip: constant(0.02) },
            last_mile: None,
            jitter: None,
            loss: 0.0,
            bandwidth: Bandwidth::default(),
            transport: Transport::Tcp,
            handshake_round_trips: 2,
            idle_timeout: Duration::from_secs(60),
            max_connections: 100,
            retransmit_timeout: Duration::from_millis(200),
        },
        node_classes: vec![class("default", 100, None)],
        kademlia: Kademlia {
            k: 20,
            alpha: 3,
            request_timeout: Duration::from_secs(10),
            lookup_timeout: Duration::from_secs(60),
            disjoint_paths: 1,
            refresh_interval: Duration::from_secs(600),
            provider_ttl: Duration::from_secs(1800),
            republish_interval: Duration::from_secs(600),
            record_ttl: Duration::from_secs(3600),
            max_providers_per_key: 1000,
            client_share: 0.0,
            protocol: "/test".into(),
        },
        faas: Faas {
            policy: AnycallPolicy::LocalFirst,
            manycall_policy: ManycallPolicy::LateBinding,
            cache_ttl: Duration::from_secs(60),
            negative_ttl: Duration::from_secs(5),
            max_attempts: 4,
            backoff_initial: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
            retry_after: Duration::from_secs(1),
            probe_interval: Duration::from_millis(250),
            probe_misses: 4,
            attempt_timeout: None,
            avoid: Duration::from_secs(10),
            entry_queue: 0,
            idempotent: false,
            retry_body_limit: 1 << 20,
            probe: false,
            manycall_window: 4_096,
            backup_factor: 2.0,
            forward_cpu: Duration::ZERO,
            message_cpu: Duration::ZERO,
        },
        churn: None,
        functions: vec![function("resize", 10)],
        phases: Vec::new(),
        faults: Vec::new(),
        calibration: Calibration::default(),
        harness: Harness::default(),
        output: Output {
            calls: true,
            attempts: true,
            lookups: true,
            nodes: true,
            timeline: true,
            events: true,
            directory: "results".into(),
        },
    };
    let functions = all_of(&scenario);
    scenario.phases = vec![phase(
        "steady",
        Duration::from_secs(60),
        anycalls(Arrivals::Poisson { rate: 50.0 }, functions.clone()),
    )];
    scenario.phases.push(Phase {
        name: "map".into(),
        duration: Duration::from_secs(60),
        measure: true,
        anycall: Some(anycalls(Arrivals::Every { interval: Duration::from_millis(400) }, functions.clone())),
        manycall: Some(Manycalls {
            items: 100,
            stream: CallStream {
                response: Some(constant(10.0)),
                idempotent: Some(true),
                ..stream(Arrivals::Every { interval: Duration::from_secs(10) }, functions)
            },
            policy: Some(ManycallPolicy::Backup),
            deadline: None,
        }),
    });
    scenario
}

pub(super) fn class(name: &str, count: u32, region: Option<&str>) -> NodeClass {
    NodeClass {
        name: name.into(),
        count,
        cores: 2.0,
        memory: 1 << 32,
        speed: 1.0,
        bandwidth: None,
        region: region.map(str::to_owned),
    }
}

pub(super) fn draws(scenario: &Scenario) -> Draws {
    Draws::new(scenario.seed, 0)
}

pub(super) fn traces(scenario: &Scenario) -> Traces {
    Traces::read(scenario, |file| match file.path.as_str() {
        "invocations" => Ok(INVOCATIONS.as_bytes()),
        "durations" => Ok(DURATIONS.as_bytes()),
        "recorded" => Ok(RECORDED.as_bytes()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    })
    .unwrap()
}

/// What `f` makes of the schedule.
pub(super) fn with<T>(scenario: &Scenario, f: impl FnOnce(Schedule<'_>) -> T) -> T {
    let traces = traces(scenario);
    let population = Population::new(scenario, draws(scenario)).unwrap();
    f(Schedule::new(scenario, &traces, &population, draws(scenario)).unwrap())
}

pub(super) fn calls(scenario: &Scenario) -> Vec<ScheduledCall> {
    with(scenario, |schedule| schedule.collect())
}

pub(super) fn refused(scenario: &Scenario) -> String {
    let traces = traces(scenario);
    let population = match Population::new(scenario, draws(scenario)) {
        Ok(population) => population,
        Err(error) => return error.to_string(),
    };
    Schedule::new(scenario, &traces, &population, draws(scenario)).unwrap_err().to_string()
}

/// What a call is, without how it is run.
pub(super) fn identity(call: &ScheduledCall) -> (CallId, Time, u32, u32, Demand) {
    (call.id, call.at, call.function, call.entry, call.demand)
}

pub(super) fn only(arrivals: Arrivals, duration: Duration) -> Scenario {
    let mut scenario = scenario();
    scenario.phases = vec![phase("only", duration, anycalls(arrivals, all_of(&scenario)))];
    scenario
}

pub(super) fn chi_square(counts: &[u32], probability: impl Fn(usize) -> f64) -> f64 {
    let total: u32 = counts.iter().sum();
    let miss = |(i, count): (usize, &u32)| {
        let expected = f64::from(total) * probability(i);
        (f64::from(*count) - expected) * (f64::from(*count) - expected) / expected
    };
    counts.iter().enumerate().map(miss).sum()
}

pub(super) fn closed_loop() -> Scenario {
    only(
        Arrivals::Clients { clients: 3, think_time: constant(1.0), think_after_failure: constant(0.25) },
        Duration::from_secs(10),
    )
}

pub(super) fn minutes(process: Process, durations: bool, sample: f64, speedup: f64) -> Scenario {
    only(
        Arrivals::Azure2019 {
            invocations: file("invocations"),
            durations: durations.then(|| file("durations")),
            sample,
            speedup,
            within_minute: process,
        },
        Duration::from_secs(600),
    )
}
