use super::*;
use crate::draws::Distribution;
use crate::scenario::schema::*;
use crate::scenario::trace::{TraceFileError, Traces};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const INVOCATIONS: &str = "HashOwner,HashApp,HashFunction,Trigger,1,2,3,4\n\
                           o,a,f,http,0,200,1,0\n\
                           o,a,g,timer,3,0,0,7\n\
                           o,b,h,queue,40,0,100,11\n";
const DURATIONS: &str = "HashOwner,HashApp,HashFunction,percentile_Average_0,percentile_Average_1,\
                         percentile_Average_25,percentile_Average_50,percentile_Average_75,percentile_Average_99,\
                         percentile_Average_100\n\
                         o,a,f,100,100,100,100,100,100,200\n\
                         o,b,h,500,500,500,500,500,500,600\n";
const RECORDED: &str = "app,func,end_timestamp,duration\n\
                        a,f,10.0,9.0\n\
                        a,g,10.5,0.25\n\
                        a,f,10.125,9.5\n\
                        b,h,50,1\n";

fn file(path: &str) -> FileRef {
    FileRef { path: path.into(), sha256: String::new() }
}

fn constant(value: f64) -> Distribution {
    Distribution::Constant(value)
}

use crate::scenario::schema;

fn some(count: u32) -> Selector {
    Selector { from: Pool::All, take: Take::Count(count) }
}

fn function(name: &str, copies: u32) -> Function {
    Function {
        name: name.into(),
        copies,
        numbered: copies > 1,
        providers: some(3),
        service_time: ServiceTime::Drawn(Distribution::LogNormal { median: 0.05, sigma: 0.5 }),
        work: schema::Work::Cpu,
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

fn all_of(scenario: &Scenario) -> Vec<FunctionRange> {
    vec![FunctionRange { first: 0, count: scenario.function_count() }]
}

const ENTRY: Entry = Entry { nodes: Selector::ALL, popularity: Popularity::Uniform };

fn anycalls(arrivals: Arrivals, functions: Vec<FunctionRange>) -> Anycalls {
    Anycalls {
        arrivals,
        calls: None,
        calls_per_client: None,
        functions,
        popularity: Popularity::Zipf(0.9),
        policy: None,
        entry: ENTRY,
        request: None,
        response: None,
        deadline: None,
        idempotent: None,
        cold: false,
    }
}

fn phase(name: &str, duration: Duration, anycall: Anycalls) -> Phase {
    Phase { name: name.into(), duration, measure: true, anycall: Some(anycall), manycall: None }
}

/// 100 nodes, 10 copies of one function, one phase of Poisson calls and one with manycalls too.
fn scenario() -> Scenario {
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
            backup_factor: 2.0,
            forward_cpu: Duration::ZERO,
            message_cpu: Duration::ZERO,
        },
        churn: None,
        functions: vec![function("resize", 10)],
        phases: Vec::new(),
        faults: Vec::new(),
        harness: Harness {},
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
            arrivals: Arrivals::Every { interval: Duration::from_secs(10) },
            calls: None,
            calls_per_client: None,
            functions,
            popularity: Popularity::Uniform,
            policy: Some(ManycallPolicy::Backup),
            entry: ENTRY,
            request: None,
            response: Some(constant(10.0)),
            deadline: None,
            idempotent: Some(true),
            cold: false,
        }),
    });
    scenario
}

fn class(name: &str, count: u32, region: Option<&str>) -> NodeClass {
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

fn draws(scenario: &Scenario) -> Draws {
    Draws::new(scenario.seed, 0)
}

fn traces(scenario: &Scenario) -> Traces {
    Traces::read(scenario, |file| match file.path.as_str() {
        "invocations" => Ok(INVOCATIONS.as_bytes()),
        "durations" => Ok(DURATIONS.as_bytes()),
        "recorded" => Ok(RECORDED.as_bytes()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    })
    .unwrap()
}

/// What `f` makes of the schedule.
fn with<T>(scenario: &Scenario, f: impl FnOnce(Schedule<'_>) -> T) -> T {
    let traces = traces(scenario);
    let population = Population::new(scenario, draws(scenario)).unwrap();
    f(Schedule::new(scenario, &traces, &population, draws(scenario)).unwrap())
}

fn calls(scenario: &Scenario) -> Vec<ScheduledCall> {
    with(scenario, |schedule| schedule.collect())
}

fn refused(scenario: &Scenario) -> String {
    let traces = traces(scenario);
    let population = match Population::new(scenario, draws(scenario)) {
        Ok(population) => population,
        Err(error) => return error.to_string(),
    };
    Schedule::new(scenario, &traces, &population, draws(scenario)).unwrap_err().to_string()
}

/// What a call is, without how it is run.
fn identity(call: &ScheduledCall) -> (CallId, Time, u32, u32, Demand) {
    (call.id, call.at, call.function, call.entry, call.demand)
}

fn only(arrivals: Arrivals, duration: Duration) -> Scenario {
    let mut scenario = scenario();
    scenario.phases = vec![phase("only", duration, anycalls(arrivals, all_of(&scenario)))];
    scenario
}

fn chi_square(counts: &[u32], probability: impl Fn(usize) -> f64) -> f64 {
    let total: u32 = counts.iter().sum();
    let miss = |(i, count): (usize, &u32)| {
        let expected = f64::from(total) * probability(i);
        (f64::from(*count) - expected) * (f64::from(*count) - expected) / expected
    };
    counts.iter().enumerate().map(miss).sum()
}

#[test]
fn poisson_arrivals_have_the_rate_and_the_dispersion() {
    let all = calls(&only(Arrivals::Poisson { rate: 200.0 }, Duration::from_secs(500)));
    let mut counts = vec![0u32; 500];
    for call in &all {
        counts[(call.at.as_nanos() / 1_000_000_000) as usize] += 1;
    }
    // 100,000 expected, the standard deviation is 316: four of them.
    assert!((98_735..=101_265).contains(&all.len()), "{}", all.len());
    let mean = all.len() as f64 / 500.0;
    let variance =
        counts.iter().map(|c| (f64::from(*c) - mean) * (f64::from(*c) - mean)).sum::<f64>() / 499.0;
    // The index of dispersion of 500 Poisson counts is 1 ± 0.063.
    assert!((variance / mean - 1.0).abs() < 0.25, "{}", variance / mean);
    assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(all.iter().enumerate().all(|(i, call)| call.id.index as usize == i));
}

#[test]
fn constant_arrivals_are_exact() {
    let mut scenario = only(Arrivals::Every { interval: Duration::from_millis(300) }, Duration::from_secs(3));
    let at = |scenario: &Scenario| calls(scenario).iter().map(|c| c.at.as_nanos()).collect::<Vec<i64>>();
    assert_eq!(at(&scenario), (0..10).map(|i| i * 300_000_000).collect::<Vec<i64>>());
    scenario.phases[0].anycall.as_mut().unwrap().calls = Some(4);
    assert_eq!(at(&scenario).len(), 4);
}

#[test]
fn functions_and_entries_have_their_popularity() {
    let mut scenario = only(Arrivals::Poisson { rate: 1000.0 }, Duration::from_secs(100));
    scenario.phases[0].anycall.as_mut().unwrap().entry.popularity = Popularity::Zipf(0.5);
    let (mut functions, mut entries) = (vec![0u32; 10], vec![0u32; 100]);
    for call in calls(&scenario) {
        functions[call.function as usize] += 1;
        entries[call.entry as usize] += 1;
    }
    let zipf = |n: usize, s: f64| {
        let norm: f64 = (1..=n).map(|r| libm::pow(r as f64, -s)).sum();
        move |i: usize| libm::pow(i as f64 + 1.0, -s) / norm
    };
    // Exceeded with a probability of 0.1 %: 27.9 for 9 degrees of freedom, 148.2 for 99.
    let (f, e) = (chi_square(&functions, zipf(10, 0.9)), chi_square(&entries, zipf(100, 0.5)));
    assert!(f < 27.9 && e < 148.2, "functions {f}, entries {e}");
}

#[test]
fn work_has_its_distribution() {
    let all = calls(&only(Arrivals::Poisson { rate: 1000.0 }, Duration::from_secs(50)));
    let mut times: Vec<f64> = all.iter().map(|call| call.demand.service_time.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    let law = Distribution::LogNormal { median: 0.05, sigma: 0.5 };
    let n = times.len() as f64;
    let d =
        times.iter().enumerate().map(|(i, x)| (law.cdf(*x) - (i as f64 + 0.5) / n).abs()).fold(0.0, f64::max);
    assert!(d < 1.949 / n.sqrt(), "distance {d}");
    assert!(all.iter().all(|call| call.demand.request_bytes == 4096));
    let bytes = all.iter().map(|call| call.demand.response_bytes as f64).sum::<f64>() / n;
    assert!((bytes / 32_768.0 - 1.0).abs() < 0.02, "{bytes}");
    // One in a hundred of some 50,000: 500 ± 4 · 22.
    let failures = all.iter().filter(|call| call.demand.fails).count();
    assert!((410..=590).contains(&failures), "{failures}");
}

#[test]
fn phases_follow_each_other_and_calls_come_by_time() {
    let all = calls(&scenario());
    let boundary = Time::from_nanos(60_000_000_000);
    assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(all.iter().all(|call| (call.id.phase == 1) == (call.at >= boundary)));
    let maps: Vec<&ScheduledCall> = all.iter().filter(|call| call.id.many).collect();
    assert_eq!(maps.len(), 6);
    assert_eq!(maps[1].at, Time::from_nanos(70_000_000_000));
    assert_eq!(maps[0].kind, CallKind::Manycall { policy: ManycallPolicy::Backup, items: 100 });
    assert_eq!((maps[0].demand, maps[0].deadline, maps[0].idempotent), (Demand::default(), None, true));
    assert_eq!(all.iter().filter(|call| call.id.phase == 1).count(), 156);
    let first = &all[0];
    assert_eq!(first.kind, CallKind::Anycall { policy: AnycallPolicy::LocalFirst });
    assert_eq!((first.deadline, first.idempotent), (Some(Duration::from_secs(60)), false));
}

#[test]
fn the_phases_policy_goes_before_the_functions() {
    let mut scenario = scenario();
    scenario.functions[0].policy = Some(AnycallPolicy::Nearest);
    assert_eq!(calls(&scenario)[0].kind, CallKind::Anycall { policy: AnycallPolicy::Nearest });
    scenario.phases[0].anycall.as_mut().unwrap().policy = Some(AnycallPolicy::Race);
    assert_eq!(calls(&scenario)[0].kind, CallKind::Anycall { policy: AnycallPolicy::Race });
}

#[test]
fn items_are_computed_in_any_order() {
    with(&scenario(), |mut schedule| {
        let map = schedule.find(|call| call.id.many).unwrap();
        let ahead: Vec<Demand> = (0..100).map(|i| schedule.item(&map, i)).collect();
        let back: Vec<Demand> = (0..100).rev().map(|i| schedule.item(&map, i)).collect();
        assert!(ahead.iter().eq(back.iter().rev()));
        assert!(ahead.iter().all(|work| work.response_bytes == 10 && work.request_bytes == 4096));
        assert!(ahead.windows(2).all(|pair| pair[0].service_time != pair[1].service_time));
        let mut keys: Vec<CallKey> = (0..1000).map(|i| map.key.item(i)).collect();
        keys.push(map.key);
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 1001);
        // The millionth item is as near as the first.
        assert_ne!(schedule.item(&map, 999_999).service_time, Duration::ZERO);
        let other = schedule.find(|call| call.id.many).unwrap();
        assert_ne!(schedule.item(&other, 0).service_time, ahead[0].service_time);
    });
}

fn closed_loop() -> Scenario {
    only(
        Arrivals::Clients { clients: 3, think_time: constant(1.0), think_after_failure: constant(0.25) },
        Duration::from_secs(10),
    )
}

#[test]
fn a_client_thinks_between_completion_and_next_call() {
    with(&closed_loop(), |mut schedule| {
        let first: Vec<ScheduledCall> = schedule.by_ref().collect();
        assert_eq!(
            first.iter().map(|c| (c.at, c.id.lane)).collect::<Vec<_>>(),
            [0, 1, 2].map(|c| (Time::ZERO, c))
        );
        let done = Time::from_nanos(2_000_000_000);
        let next = schedule.after(first[1].id, done, true).unwrap();
        assert_eq!(next.at, Time::from_nanos(3_000_000_000));
        assert_eq!((next.id.lane, next.id.index), (1, 1));
        // A client stays at its node.
        assert_eq!(next.entry, first[1].entry);
        let failed = schedule.after(first[1].id, done, false).unwrap();
        assert_eq!(failed.at, Time::from_nanos(2_250_000_000));
        // When it is due changes nothing else.
        assert_eq!((failed.function, failed.demand), (next.function, next.demand));
        // The phase ends at 10 s.
        assert_eq!(schedule.after(first[1].id, Time::from_nanos(9_000_000_000), true), None);
        assert!(schedule.after(first[1].id, Time::from_nanos(8_999_999_999), true).is_some());
        assert_eq!(schedule.after(CallId { lane: 3, ..first[0].id }, done, true), None);
        assert_eq!(schedule.after(CallId { phase: 9, ..first[0].id }, done, true), None);
    });
    with(&scenario(), |mut schedule| {
        let open = schedule.next().unwrap();
        assert_eq!(schedule.after(open.id, open.at, true), None);
    });
}

#[test]
fn think_times_have_their_mean() {
    let mut scenario = closed_loop();
    scenario.phases[0].duration = Duration::from_secs(100_000);
    if let Arrivals::Clients { think_time, .. } = &mut scenario.phases[0].anycall.as_mut().unwrap().arrivals {
        *think_time = Distribution::Exponential { mean: 2.0 };
    }
    with(&scenario, |mut schedule| {
        let mut call = schedule.next().unwrap();
        let mut sum = 0.0;
        for _ in 0..10_000 {
            let next = schedule.after(call.id, call.at, true).unwrap();
            sum += next.at.since(call.at).as_secs_f64();
            call = next;
        }
        // 2 s with a standard error of 0.02 s: four of them.
        assert!((sum / 10_000.0 - 2.0).abs() < 0.08, "{sum}");
    });
}

/// How many calls each client makes when every call is done at once.
fn played(scenario: &Scenario) -> Vec<u32> {
    with(scenario, |mut schedule| {
        let mut counts = vec![0; 3];
        let mut open: Vec<ScheduledCall> = schedule.by_ref().collect();
        while let Some(call) = open.pop() {
            counts[call.id.lane as usize] += 1;
            open.extend(schedule.after(call.id, call.at, true));
        }
        counts
    })
}

#[test]
fn a_limit_on_calls_is_divided_among_clients() {
    let mut scenario = closed_loop();
    assert_eq!(played(&scenario), [10, 10, 10]);
    scenario.phases[0].anycall.as_mut().unwrap().calls = Some(11);
    assert_eq!(played(&scenario), [4, 4, 3]);
    scenario.phases[0].anycall.as_mut().unwrap().calls_per_client = Some(2);
    assert_eq!(played(&scenario), [2, 2, 2]);
    scenario.phases[0].anycall.as_mut().unwrap().calls = Some(2);
    assert_eq!(played(&scenario), [1, 1, 0]);
}

#[test]
fn a_phase_of_ten_million_calls_gives_its_first_at_once() {
    // Also one of 10^16: were anything made in advance, this test would not end.
    for (rate, seconds) in [(100_000.0, 100), (1e9, 10_000_000)] {
        let scenario = only(Arrivals::Poisson { rate }, Duration::from_secs(seconds));
        with(&scenario, |schedule| assert_eq!(schedule.take(10).count(), 10));
    }
}

fn minutes(process: Process, durations: bool, sample: f64, speedup: f64) -> Scenario {
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

#[test]
fn a_trace_of_counts_is_replayed_minute_by_minute() {
    for (process, speedup) in [(Process::Poisson, 1.0), (Process::Constant, 1.0), (Process::Poisson, 7.0)] {
        let all = calls(&minutes(process, false, 1.0, speedup));
        let mut counts: BTreeMap<(u32, i64), u32> = BTreeMap::new();
        for call in &all {
            let minute = (call.at.as_secs_f64() * speedup / 60.0) as i64;
            *counts.entry((call.id.lane, minute)).or_default() += 1;
        }
        let expected =
            [((0, 1), 200), ((0, 2), 1), ((1, 0), 3), ((1, 3), 7), ((2, 0), 40), ((2, 2), 100), ((2, 3), 11)];
        assert_eq!(counts, BTreeMap::from(expected), "{process:?} × {speedup}");
        assert!(all.windows(2).all(|pair| pair[0].at <= pair[1].at));
        assert!(all.iter().all(|call| call.function == call.id.lane % 10));
    }
}

#[test]
fn calls_spread_over_their_minute() {
    let at = |process| -> Vec<f64> {
        let all = calls(&minutes(process, false, 1.0, 1.0));
        all.iter()
            .filter(|call| call.id.lane == 0)
            .take(200)
            .map(|call| call.at.as_secs_f64() / 60.0 - 1.0)
            .collect()
    };
    let even = at(Process::Constant);
    assert!(even.windows(2).all(|pair| (pair[1] - pair[0] - 1.0 / 200.0).abs() < 1e-9));
    let random = at(Process::Poisson);
    let d = random.iter().enumerate().map(|(i, x)| (x - (i as f64 + 0.5) / 200.0).abs()).fold(0.0, f64::max);
    // Kolmogorov-Smirnov at 0.1 %; and no lattice either.
    assert!(d < 1.949 / 200f64.sqrt() && d > 0.01, "distance {d}");
}

#[test]
fn a_trace_gives_service_times_where_it_has_them() {
    let all = calls(&minutes(Process::Poisson, true, 1.0, 1.0));
    let range = |lane: u32| {
        let times =
            all.iter().filter(|call| call.id.lane == lane).map(|call| call.demand.service_time.as_secs_f64());
        times.fold((f64::MAX, 0.0), |(low, high): (f64, f64), x| (low.min(x), high.max(x)))
    };
    assert!(range(0).0 >= 0.1 && range(0).1 <= 0.2, "{:?}", range(0));
    assert!(range(2).0 >= 0.5 && range(2).1 <= 0.6, "{:?}", range(2));
    // The durations file does not know `o/a/g`: the function's own law.
    assert!(range(1).0 < 0.1, "{:?}", range(1));
}

#[test]
fn a_sample_of_a_trace_changes_no_call_of_it() {
    let sample = 0.3;
    let id = |call: &ScheduledCall| (call.key, call.at, call.demand);
    let all: Vec<_> = calls(&minutes(Process::Poisson, false, 1.0, 1.0)).iter().map(id).collect();
    let part: Vec<_> = calls(&minutes(Process::Poisson, false, sample, 1.0)).iter().map(id).collect();
    assert!(!part.is_empty() && part.len() < all.len(), "{}", part.len());
    assert!(part.iter().all(|call| all.contains(call)));
    let kept = refused(&minutes(Process::Poisson, false, 1e-9, 1.0));
    assert_eq!(
        kept,
        "phase `only`: sample = 0.000000001 keeps no function of `invocations`; a larger share is needed"
    );
}

#[test]
fn recorded_calls_are_replayed_as_they_were() {
    let arrivals = Arrivals::Azure2021 { file: file("recorded"), sample: 1.0, speedup: 2.0 };
    let all = calls(&only(arrivals, Duration::from_secs(20)));
    let found: Vec<(i64, u32, i64)> =
        all.iter().map(|c| (c.at.as_micros(), c.id.lane, c.demand.service_time.as_micros())).collect();
    // At double speed, durations as recorded; the last call starts after the phase.
    assert_eq!(found, [(0, 0, 9_500_000), (187_500, 0, 9_000_000), (4_812_500, 1, 250_000)]);
}

#[test]
fn the_published_traces_are_replayed() {
    let root = format!("{}/../shared/data/traces", env!("CARGO_MANIFEST_DIR"));
    let arrivals = Arrivals::Azure2019 {
        invocations: file("azure2019-example-invocations.csv"),
        durations: Some(file("azure2019-example-durations.csv")),
        sample: 1.0,
        speedup: 60.0,
        within_minute: Process::Poisson,
    };
    let scenario = only(arrivals, Duration::from_secs(86_400));
    let traces = match Traces::read(&scenario, |file| std::fs::File::open(format!("{root}/{}", file.path))) {
        Ok(traces) => traces,
        Err(TraceFileError::Open { path, source }) => {
            eprintln!("skipped: {root}/{path}: {source}; needs the data sets that the README names");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let population = Population::new(&scenario, draws(&scenario)).unwrap();
    let schedule = Schedule::new(&scenario, &traces, &population, draws(&scenario)).unwrap();
    let mut counts: BTreeMap<(u32, u32), u32> = BTreeMap::new();
    for call in schedule {
        *counts.entry((call.id.lane, (call.at.as_nanos() / 1_000_000_000) as u32)).or_default() += 1;
    }
    let rows = &traces.invocations(&file("azure2019-example-invocations.csv")).unwrap().functions;
    let expected = rows.iter().enumerate().flat_map(|(lane, row)| {
        row.counts.iter().map(move |(minute, count)| ((lane as u32, *minute), *count))
    });
    assert_eq!(counts, expected.collect());
}

#[test]
fn unrelated_functions_and_phases_move_nothing() {
    let before = calls(&scenario());
    let mut changed = scenario();
    changed.functions.insert(0, function("other", 5));
    for phase in &mut changed.phases {
        let anycall = phase.anycall.as_mut().map(|calls| &mut calls.functions);
        let manycall = phase.manycall.as_mut().map(|calls| &mut calls.functions);
        for functions in [anycall, manycall].into_iter().flatten() {
            functions[0].first = 5;
        }
    }
    let calls_of_one = anycalls(Arrivals::Poisson { rate: 3.0 }, vec![FunctionRange { first: 0, count: 1 }]);
    changed.phases.push(phase("after", Duration::from_secs(9), calls_of_one.clone()));
    changed.phases.insert(0, phase("before", Duration::from_secs(9), calls_of_one));
    let after: Vec<ScheduledCall> =
        calls(&changed).into_iter().filter(|c| (1..=2).contains(&c.id.phase)).collect();
    assert_eq!(before.len(), after.len());
    for (a, b) in before.iter().zip(&after) {
        assert_eq!(
            (a.key, a.at, a.entry, a.demand),
            (b.key, b.at - Duration::from_secs(9), b.entry, b.demand)
        );
        assert_eq!(a.function + 5, b.function);
    }
    let placed = |scenario: &Scenario| Population::new(scenario, draws(scenario)).unwrap();
    let (old, new) = (placed(&scenario()), placed(&changed));
    assert!((0..10).all(|f| old.providers(f) == new.providers(f + 5)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_workload_does_not_depend_on_policies_faults_discovery(
        seed: u64, k in 1u32..40, attempts in 1u32..9, loss in 0.0f64..0.5, share in 0.0f64..1.0, race: bool,
    ) {
        let mut base = scenario();
        base.seed = seed;
        let mut other = base.clone();
        other.kademlia.k = k;
        other.faas.max_attempts = attempts;
        other.network.loss = loss;
        other.discovery = Discovery::Flood { ttl: 4, degree: 4 };
        other.faas.policy = if race { AnycallPolicy::Race } else { AnycallPolicy::Random };
        other.functions[0].concurrency = 1;
        other.functions[0].providers = some(7);
        other.phases[1].manycall.as_mut().unwrap().policy = Some(ManycallPolicy::Static);
        let nodes = Selector { from: Pool::All, take: Take::Share(share) };
        other.faults = vec![Fault { at: Time::ZERO, duration: None, action: FaultAction::Kill { nodes, fresh: true } }];
        let (a, b) = (calls(&base), calls(&other));
        prop_assert!(a.iter().map(identity).eq(b.iter().map(identity)));
        let items = |scenario: &Scenario| with(scenario, |mut schedule| {
            let map = schedule.find(|call| call.id.many).unwrap();
            (0..10).map(|i| schedule.item(&map, i)).collect::<Vec<_>>()
        });
        prop_assert_eq!(items(&base), items(&other));
        base.seed = seed.wrapping_add(1);
        prop_assert!(!calls(&base).iter().map(identity).eq(a.iter().map(identity)));
    }
}

#[test]
fn the_schedule_is_the_same_on_every_machine() {
    // By numbers alone, so that a renamed field changes nothing.
    fn shown(demand: &Demand) -> String {
        let Demand { request_bytes, response_bytes, service_time, fails } = demand;
        format!("{request_bytes} {response_bytes} {} {fails}", service_time.as_nanos())
    }
    let mut hash = Sha256::new();
    let mut count = 0;
    let mut scenarios = vec![scenario(), minutes(Process::Poisson, true, 1.0, 3.0), closed_loop()];
    scenarios[0].phases[0].anycall.as_mut().unwrap().entry.popularity = Popularity::Zipf(1.1);
    for scenario in &scenarios {
        with(scenario, |mut schedule| {
            while let Some(call) = schedule.next() {
                let CallId { phase, many, lane, index } = call.id;
                hash.update(format!(
                    "{phase} {many} {lane} {index} {:x} {} ",
                    call.key.0,
                    call.at.as_nanos()
                ));
                hash.update(format!("{} {} {}\n", call.function, call.entry, shown(&call.demand)));
                if let CallKind::Manycall { items, .. } = call.kind {
                    hash.update(format!("{}\n", shown(&schedule.item(&call, items - 1))));
                }
                count += 1;
            }
        });
        let population = Population::new(scenario, draws(scenario)).unwrap();
        hash.update(format!("{:?}\n", population.providers(3)));
    }
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((hash.as_str(), count), ("75b3d7935e53a008", 3544));
}

#[test]
fn classes_have_their_counts_and_few_move_with_another_node() {
    let mut scenario = scenario();
    scenario.node_classes = vec![class("small", 70, Some("edge")), class("large", 30, None)];
    let before = Population::new(&scenario, draws(&scenario)).unwrap();
    let count = |class| (0..100).filter(|node| before.class(*node) == class).count();
    assert_eq!((count(0), count(1)), (70, 30));
    scenario.network.nodes = 101;
    scenario.node_classes[0].count = 71;
    let after = Population::new(&scenario, draws(&scenario)).unwrap();
    assert!((0..100).filter(|node| before.class(*node) != after.class(*node)).count() <= 1);
    // Class and region selectors agree with them.
    let of_class = before.select(&Selector { from: Pool::Class(0), take: Take::All }, "");
    let of_region = before.select(&Selector { from: Pool::Region("edge".into()), take: Take::All }, "");
    assert_eq!(of_class.len(), 70);
    assert_eq!(of_class, of_region);
    assert_eq!(before.regions(), ["edge"]);
    assert_eq!(before.region(of_class[0]), Some(0));
    let large = (0..100).find(|node| before.class(*node) == 1).unwrap();
    assert_eq!(before.region(large), None);
}

#[test]
fn regions_have_their_weights() {
    let mut scenario = scenario();
    scenario.network.nodes = 10_000;
    scenario.node_classes[0].count = 10_000;
    scenario.network.latency = Latency::Regions(Regions {
        names: ["a", "b", "c"].map(str::to_owned).to_vec(),
        weights: vec![0.5, 0.25, 0.25],
        round_trip: Vec::new(),
    });
    let population = Population::new(&scenario, draws(&scenario)).unwrap();
    let mut counts = [0u32; 3];
    for node in 0..10_000 {
        counts[population.region(node).unwrap() as usize] += 1;
    }
    // Two degrees of freedom, 0.1 %.
    let chi = chi_square(&counts, |i| [0.5, 0.25, 0.25][i]);
    assert!(chi < 13.8, "{counts:?}: {chi}");
}

#[test]
fn providers_are_as_many_as_asked_and_few_move_with_another_node() {
    let mut scenario = scenario();
    scenario.functions = vec![function("resize", 1000)];
    let placed = |scenario: &Scenario| Population::new(scenario, draws(scenario)).unwrap();
    let before = placed(&scenario);
    let mut load = vec![0u32; 100];
    for f in 0..1000 {
        let providers = before.providers(f);
        assert_eq!(providers.len(), 3);
        assert!(providers.windows(2).all(|pair| pair[0] < pair[1]));
        providers.iter().for_each(|node| load[*node as usize] += 1);
    }
    // 99 degrees of freedom, 0.1 %.
    let chi = chi_square(&load, |_| 0.01);
    assert!(chi < 148.2, "{chi}");
    scenario.network.nodes = 101;
    let after = placed(&scenario);
    let changed = (0..1000).filter(|f| before.providers(*f) != after.providers(*f)).count();
    // Each provider moves with probability 1 / 101: 29.4 of a thousand triples, and four standard deviations.
    assert!((8..=51).contains(&changed), "{changed}");
    // More providers contain the fewer.
    scenario.network.nodes = 100;
    scenario.functions[0].providers = some(8);
    let more = placed(&scenario);
    assert!((0..1000).all(|f| { before.providers(f).iter().all(|node| more.providers(f).contains(node)) }));
}

#[test]
fn selectors_take_what_they_say() {
    let mut scenario = scenario();
    scenario.functions.push(Function {
        providers: Selector {
            from: Pool::Function(vec![FunctionRange { first: 0, count: 10 }]),
            take: Take::Count(2),
        },
        ..function("beside", 1)
    });
    let population = Population::new(&scenario, draws(&scenario)).unwrap();
    let select = |from: Pool, take| population.select(&Selector { from, take }, "label");
    assert_eq!(select(Pool::All, Take::Share(0.05)).len(), 5);
    assert_eq!(select(Pool::All, Take::Share(0.0001)).len(), 1);
    assert_eq!(select(Pool::All, Take::Share(0.99)).len(), 99);
    assert_eq!(select(Pool::All, Take::Count(1000)), (0..100).collect::<Vec<u32>>());
    let ranges = vec![NodeRange { first: 10, count: 3 }, NodeRange { first: 98, count: 9 }];
    assert_eq!(select(Pool::Nodes(ranges.clone()), Take::All), [10, 11, 12, 98, 99]);
    assert_eq!(select(Pool::Nodes(ranges), Take::Count(2)).len(), 2);
    assert_eq!(select(Pool::Region("nowhere".into()), Take::Share(0.5)), [0u32; 0]);
    // The second function sits beside the first.
    let beside = population.providers(10);
    let hosts = select(Pool::Function(vec![FunctionRange { first: 0, count: 10 }]), Take::All);
    assert_eq!(beside.len(), 2);
    assert!(beside.iter().all(|node| hosts.contains(node)));
    // Labels are independent, equal ones are equal.
    let ten = Selector { from: Pool::All, take: Take::Count(10) };
    assert_eq!(population.select(&ten, "a"), population.select(&ten, "a"));
    assert_ne!(population.select(&ten, "a"), population.select(&ten, "b"));
}

#[test]
fn faults_choose_apart_and_groups_of_a_partition_do_not_overlap() {
    let mut scenario = scenario();
    let kill = |at: i64| Fault {
        at: Time::from_nanos(at),
        duration: None,
        action: FaultAction::Kill {
            nodes: Selector { from: Pool::All, take: Take::Share(0.1) },
            fresh: false,
        },
    };
    scenario.faults = vec![kill(5), kill(5), kill(9)];
    let population = Population::new(&scenario, draws(&scenario)).unwrap();
    let nodes = |scenario: &Scenario, i| population.fault(scenario, i).remove(0);
    let found: Vec<Vec<u32>> = (0..3).map(|i| nodes(&scenario, i)).collect();
    assert!(found.iter().all(|nodes| nodes.len() == 10));
    assert!(found[0] != found[1] && found[0] != found[2] && found[1] != found[2]);
    // Another fault before them moves none.
    let groups = vec![Selector { from: Pool::All, take: Take::Share(0.5) }; 2];
    let action = FaultAction::Partition(Partition { groups });
    scenario.faults.insert(0, Fault { at: Time::from_nanos(1), duration: None, action });
    assert!((0..3).all(|i| nodes(&scenario, i + 1) == found[i]));
    let groups = population.fault(&scenario, 0);
    assert_eq!((groups.len(), groups[0].len()), (2, 50));
    assert!(groups[1].iter().all(|node| !groups[0].contains(node)));
    assert!(population.fault(&scenario, 99).is_empty());
}

#[test]
fn what_cannot_be_scheduled_is_refused() {
    let mut circle = scenario();
    circle.functions = ["a", "b"].map(|name| function(name, 1)).to_vec();
    for (i, other) in [(0, 1), (1, 0)] {
        circle.functions[i].providers.from = Pool::Function(vec![FunctionRange { first: other, count: 1 }]);
    }
    assert_eq!(
        refused(&circle),
        "function `a`: its providers are chosen among providers that depend on its own"
    );
    let mut nowhere = scenario();
    nowhere.phases[0].anycall.as_mut().unwrap().entry.nodes =
        Selector { from: Pool::Region("mars".into()), take: Take::All };
    assert_eq!(refused(&nowhere), "phase `steady`: its entry selects no node; at least one is needed");
    let mut unknown = scenario();
    unknown.phases[0].anycall.as_mut().unwrap().functions = vec![FunctionRange { first: 9, count: 2 }];
    assert_eq!(refused(&unknown), "phase `steady` calls function 10; there are 10, counted from 0");
    for rate in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        let message = refused(&only(Arrivals::Poisson { rate }, Duration::from_secs(1)));
        assert_eq!(message, format!("phase `only`: rate = {rate} must be a finite number above zero"));
    }
    let missing =
        only(Arrivals::Azure2021 { file: file("absent"), sample: 1.0, speedup: 1.0 }, Duration::from_secs(1));
    let error = Traces::read(&missing, |_| Err::<&[u8], _>(std::io::ErrorKind::NotFound.into())).unwrap_err();
    assert_eq!(error.to_string(), "absent: cannot be opened: entity not found");
    let population = Population::new(&missing, draws(&missing)).unwrap();
    let error = Schedule::new(&missing, &Traces::default(), &population, draws(&missing)).unwrap_err();
    assert_eq!(error, ScheduleError::NoTrace { path: "absent".into() });
}
