//! The executor against queueing theory, and properties that hold for any load.

use std::collections::{BTreeMap, BinaryHeap};

use edge_faas_core::draws::{Draws, Purpose, Stream};
use edge_faas_core::time::{Duration, Time};
use proptest::prelude::*;

use super::*;

const ARRIVALS: Purpose = Purpose(1_000);
const SERVICES: Purpose = Purpose(1_001);

/// Uniform draws, or their mirror images: the means of a run and its mirror image err in opposite directions, so that
/// their average needs far fewer jobs (antithetic variates).
struct Uniform {
    stream: Stream,
    mirrored: bool,
}

impl Uniform {
    /// In (0, 1].
    fn draw(&mut self) -> f64 {
        if self.mirrored { self.stream.unit() + f64::EPSILON / 2.0 } else { self.stream.unit_positive() }
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(self.draw())
    }
}

/// `jobs` Poisson arrivals at `rate` a second with services (seconds) from `service`.
fn poisson(
    seed: u64,
    mirrored: bool,
    jobs: u32,
    rate: f64,
    service: impl Fn(&mut Uniform) -> f64,
) -> Vec<(Time, Duration)> {
    let draws = Draws::new(seed, 0);
    let mut arrivals = Uniform { stream: draws.stream(ARRIVALS, 0), mirrored };
    let mut services = Uniform { stream: draws.stream(SERVICES, 0), mirrored };
    let mut now = Time::ZERO;
    (0..jobs)
        .map(|_| {
            now += Duration::from_secs_f64(arrivals.exponential(1.0 / rate));
            (now, Duration::from_secs_f64(service(&mut services)))
        })
        .collect()
}

/// The mean over a run of `jobs` and its mirror image of what `measure` sums up.
fn mean(
    seed: u64,
    jobs: u32,
    rate: f64,
    service: impl Fn(&mut Uniform) -> f64,
    measure: impl Fn(Vec<(Time, Duration)>) -> f64,
) -> f64 {
    [false, true]
        .into_iter()
        .map(|mirrored| measure(poisson(seed, mirrored, jobs, rate, &service)))
        .sum::<f64>()
        / (2.0 * f64::from(jobs))
}

/// The sum of sojourns, in seconds, of CPU-bound jobs that share `cores` without a limit.
fn shared_sojourns(cores: u32, load: Vec<(Time, Duration)>) -> f64 {
    let mut node = Executor::new(machine(cores));
    node.host(0, Hosting { concurrency: u32::MAX, calls_per_instance: u32::MAX, ..Hosting::default() });
    let load: Vec<_> =
        load.iter().enumerate().map(|(i, (at, s))| (*at, job(i as u64, Work::Cpu(*s)))).collect();
    run(&mut node, &load).iter().map(|result| result.expect("no job is lost").exec.as_secs_f64()).sum()
}

/// Drives the executor as an engine does; results by job.
fn run(node: &mut Executor, jobs: &[(Time, Job)]) -> Vec<Option<Finished>> {
    let mut results = vec![None; jobs.len()];
    let mut collect = |node: &mut Executor, now: Time| {
        while let Some(event) = node.poll(now) {
            if let Event::Finished(finished) = event {
                assert!(results[finished.id as usize].replace(finished).is_none(), "a job is done once");
            }
        }
    };
    for (at, job) in jobs {
        while let Some(deadline) = node.next_deadline().filter(|deadline| deadline <= at) {
            collect(node, deadline);
        }
        let submitted = node.submit(*at, *job);
        assert!(matches!(submitted, Submit::Started | Submit::Queued | Submit::Rejected), "{submitted:?}");
        collect(node, *at);
    }
    while let Some(deadline) = node.next_deadline() {
        collect(node, deadline);
    }
    results
}

fn machine(cores: u32) -> Machine {
    Machine { cores: f64::from(cores), memory: 1 << 30, speed: 1.0 }
}

fn job(id: u64, work: Work) -> Job {
    Job { id, function: 0, work, cold: Duration::ZERO }
}

/// Erlang's C formula: the probability to wait in M/M/c with `load` = λ/μ.
fn erlang_c(c: u32, load: f64) -> f64 {
    let mut blocking = 1.0;
    for servers in 1..=c {
        blocking = load * blocking / (f64::from(servers) + load * blocking);
    }
    let utilisation = load / f64::from(c);
    blocking / (1.0 - utilisation + utilisation * blocking)
}

#[test]
fn erlang_c_is_the_tabulated_one() {
    // M/M/1 waits with probability ρ; C(2, 1) = 1/3.
    assert!((erlang_c(1, 0.8) - 0.8).abs() < 1e-12);
    assert!((erlang_c(2, 1.0) - 1.0 / 3.0).abs() < 1e-12);
    assert!((erlang_c(10, 8.0) - 0.409_18).abs() < 1e-4);
}

/// The sum of waits, in seconds, behind `c` slots; every single wait is held, to the nanosecond, against the recursion
/// of Kiefer and Wolfowitz for a queue that is first come, first served.
fn waits(c: u32, load: Vec<(Time, Duration)>) -> f64 {
    let mut node = Executor::new(machine(1));
    node.host(0, Hosting { concurrency: c, queue_limit: u32::MAX, ..Hosting::default() });
    let load: Vec<_> =
        load.iter().enumerate().map(|(i, (at, s))| (*at, job(i as u64, Work::Sleep(*s)))).collect();
    let mut free: BinaryHeap<_> = (0..c).map(|_| std::cmp::Reverse(Time::MIN)).collect();
    let mut sum = 0.0;
    for ((at, job), result) in load.iter().zip(run(&mut node, &load)) {
        let result = result.expect("no job is lost");
        let Work::Sleep(service) = job.work else { unreachable!() };
        let start = free.pop().expect("servers").0.max(*at);
        free.push(std::cmp::Reverse(start + service));
        assert_eq!(result.queue, start.since(*at));
        assert_eq!((result.cold, result.exec), (Duration::ZERO, service));
        sum += result.queue.as_secs_f64();
    }
    sum
}

/// Mean waits within 3 % of C(c, ρc) / (cμ − λ).
#[test]
fn waiting_times_are_those_of_m_m_c() {
    const SERVICE: f64 = 0.1;
    for (c, utilisation, jobs) in [
        (1u32, 0.5, 150_000u32),
        (1, 0.8, 500_000),
        (2, 0.5, 150_000),
        (2, 0.8, 500_000),
        (4, 0.5, 200_000),
        (4, 0.8, 800_000),
        // Few wait at all: many jobs for a mean of those.
        (10, 0.5, 1_600_000),
        (10, 0.8, 800_000),
    ] {
        let rate = utilisation * f64::from(c) / SERVICE;
        let mean =
            mean(u64::from(c), jobs, rate, |uniform| uniform.exponential(SERVICE), |load| waits(c, load));
        let theory = erlang_c(c, rate * SERVICE) / (f64::from(c) / SERVICE - rate);
        let error = mean / theory - 1.0;
        println!(
            "M/M/{c} at {utilisation}: mean wait {mean:.6} s, Erlang C {theory:.6} s, off by {error:+.4}"
        );
        assert!(
            error.abs() < 0.03,
            "M/M/{c} at {utilisation}: {mean} s, Erlang C {theory} s, off by {error}"
        );
    }
}

/// M/G/1 processor sharing: the mean sojourn is E[S] / (1 − ρ) whatever the distribution (insensitivity;
/// Kleinrock, Queueing Systems II, 4.4), within 3 %.
#[test]
fn shared_cores_are_processor_sharing() {
    const SERVICE: f64 = 0.1;
    let utilisation = 0.7;
    let theory = SERVICE / (1.0 - utilisation);
    type Service = fn(&mut Uniform) -> f64;
    let services: [(&str, Service); 3] = [
        ("exponential", |uniform| uniform.exponential(SERVICE)),
        ("deterministic", |_| SERVICE),
        // Balanced hyperexponential with a squared coefficient of variation of 4.
        ("hyperexponential", |uniform| {
            let p = 0.5 * (1.0 + 0.774_596_669_241_483_4);
            let branch = if uniform.draw() <= p { p } else { 1.0 - p };
            uniform.exponential(SERVICE / (2.0 * branch))
        }),
    ];
    for (name, service) in services {
        let mean = mean(11, 300_000, utilisation / SERVICE, service, |load| shared_sojourns(1, load));
        let error = mean / theory - 1.0;
        println!("M/G/1-PS {name}: mean sojourn {mean:.6} s, theory {theory:.6} s, off by {error:+.4}");
        assert!(error.abs() < 0.03, "{name}: {mean} s, theory {theory} s, off by {error}");
    }
}

/// M/M/c with shared cores and no limit of slots has the sojourn of M/M/c first come first served (both are birth
/// and death processes with the same rates), within 3 %.
#[test]
fn several_shared_cores_have_the_sojourn_of_m_m_c() {
    let (c, service, utilisation) = (4u32, 0.1, 0.8);
    let rate = utilisation * f64::from(c) / service;
    let mean =
        mean(12, 200_000, rate, |uniform| uniform.exponential(service), |load| shared_sojourns(c, load));
    let theory = service + erlang_c(c, rate * service) / (f64::from(c) / service - rate);
    let error = mean / theory - 1.0;
    assert!(error.abs() < 0.03, "{mean} s, theory {theory} s, off by {error}");
}

/// The end of each job under processor sharing, by stepping from event to event in floating point: an independent
/// way to the same numbers.
fn fluid(cores: f64, speed: f64, jobs: &[(Time, Duration)]) -> Vec<f64> {
    let mut ends = vec![0.0; jobs.len()];
    let mut active: BTreeMap<usize, f64> = BTreeMap::new();
    let (mut now, mut next) = (0.0f64, 0);
    while next < jobs.len() || !active.is_empty() {
        let rate = speed * (cores / active.len() as f64).min(1.0);
        let first = active.values().copied().fold(f64::INFINITY, f64::min);
        let end = now + first / rate;
        let arrival = jobs.get(next).map_or(f64::INFINITY, |(at, _)| at.as_nanos() as f64);
        let at = end.min(arrival);
        active.values_mut().for_each(|left| *left -= rate * (at - now));
        now = at;
        if arrival <= end {
            active.insert(next, jobs[next].1.as_nanos() as f64);
            next += 1;
        }
        active.retain(|job, left| {
            if *left <= 1e-6 {
                ends[*job] = now;
            }
            *left > 1e-6
        });
    }
    ends
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Virtual time gives what stepping gives, to a few nanoseconds, and the cores do exactly the work there is.
    #[test]
    fn virtual_time_is_processor_sharing(
        mut load in prop::collection::vec((0i64..1_000_000, 1i64..300_000), 1..60),
        cores in 1u32..5,
        speed in prop::sample::select(vec![0.5, 1.0, 2.0, 3.7]),
    ) {
        load.sort_unstable();
        let load: Vec<_> = load.iter().map(|(at, work)| (Time::from_nanos(*at), Duration::from_nanos(*work))).collect();
        let mut node = Executor::new(Machine { cores: f64::from(cores), memory: 0, speed });
        node.host(0, Hosting { concurrency: u32::MAX, ..Hosting::default() });
        let jobs: Vec<_> =
            load.iter().enumerate().map(|(i, (at, work))| (*at, job(i as u64, Work::Cpu(*work)))).collect();
        let results = run(&mut node, &jobs);
        for (result, expected) in results.iter().zip(fluid(f64::from(cores), speed, &load)) {
            let at = result.expect("no job is lost").at.as_nanos() as f64;
            // Each end is rounded up by less than a nanosecond, and delays those after it by that.
            prop_assert!((at - expected).abs() <= load.len() as f64 + 1.0, "{at} against {expected}");
        }
        let work: Duration = load.iter().map(|(_, work)| *work).sum();
        let busy = node.stats().core_busy.as_nanos() as f64 * speed;
        let slack = f64::from(cores) * speed * load.len() as f64 + 1.0;
        prop_assert!((busy - work.as_nanos() as f64).abs() <= slack, "{busy} against {work}");
    }

    /// Under any load, memory, limits and cancellations: every job gets exactly one end, its parts sum to its
    /// sojourn, slots and memory are never exceeded, nothing is left behind, and a second run is the same.
    #[test]
    fn no_job_is_lost(
        mut load in prop::collection::vec(
            (0i64..3_000, 0u32..3, prop::bool::ANY, 0i64..400, 0i64..300, prop::option::of(0i64..500)), 1..80),
        limits in prop::collection::vec((1u32..4, 0u32..6, 1u32..3, 0u64..60, 0i64..200, prop::option::of(0i64..400)), 3),
        memory in 20u64..150,
        outage in prop::option::of(0i64..3_000),
    ) {
        load.sort_unstable_by_key(|call| call.0);
        let hosting: Vec<Hosting> = limits.iter().map(|(concurrency, queue_limit, calls, memory, pull, keep)| Hosting {
            concurrency: *concurrency,
            queue_limit: *queue_limit,
            calls_per_instance: *calls,
            memory: *memory,
            pull: Duration::from_nanos(*pull),
            keep_alive: keep.map_or(Duration::MAX, Duration::from_nanos),
        }).collect();
        let play = || {
            // What happens when, to be driven like an engine's queue.
            let mut agenda: Vec<(i64, usize, Option<usize>)> = Vec::new();
            for (i, call) in load.iter().enumerate() {
                agenda.push((call.0, i, Some(i)));
                if let Some(after) = call.5 {
                    agenda.push((call.0 + after, i, None));
                }
            }
            agenda.sort_unstable();
            let mut node = Executor::new(Machine { cores: 2.0, memory, speed: 1.0 });
            for (function, hosting) in hosting.iter().enumerate() {
                node.host(function as u32, *hosting);
            }
            let mut ends: Vec<Vec<String>> = vec![Vec::new(); load.len()];
            let mut trace = Vec::new();
            let mut outage = outage;
            let collect = |node: &mut Executor, now: Time, ends: &mut Vec<Vec<String>>, trace: &mut Vec<Event>| {
                while let Some(event) = node.poll(now) {
                    trace.push(event);
                    if let Event::Finished(finished) = event {
                        let arrived = Time::from_nanos(load[finished.id as usize].0);
                        assert_eq!(finished.queue + finished.cold + finished.exec, finished.at.since(arrived));
                        ends[finished.id as usize].push("finished".to_owned());
                    }
                }
            };
            for (at, i, submit) in agenda {
                let now = Time::from_nanos(at);
                while let Some(deadline) = node.next_deadline().filter(|deadline| *deadline <= now) {
                    collect(&mut node, deadline, &mut ends, &mut trace);
                }
                if outage.is_some_and(|outage| outage <= at) {
                    outage = None;
                    for lost in node.stop(now) {
                        ends[lost.id as usize].push("lost".to_owned());
                    }
                    assert_eq!(node.memory_used(), 0);
                    node.restart(now);
                }
                let (_, function, cpu, work, cold, _) = load[i];
                if submit.is_some() {
                    let work = Duration::from_nanos(work);
                    let work = if cpu { Work::Cpu(work) } else { Work::Sleep(work) };
                    let job = Job { id: i as u64, function, work, cold: Duration::from_nanos(cold) };
                    if node.submit(now, job) == Submit::Rejected {
                        ends[i].push("rejected".to_owned());
                    }
                } else if let Some(cut) = node.cancel(now, i as u64) {
                    let arrived = Time::from_nanos(load[i].0);
                    assert_eq!(cut.queue + cut.cold + cut.burnt, now.since(arrived));
                    assert!(cut.started || cut.burnt.is_zero());
                    ends[i].push("cancelled".to_owned());
                }
                collect(&mut node, now, &mut ends, &mut trace);
                assert!(node.memory_used() <= memory);
                for (function, hosting) in hosting.iter().enumerate() {
                    let capacity = node.capacity(function as u32);
                    assert!(capacity.running <= hosting.concurrency && capacity.queued <= hosting.queue_limit);
                }
            }
            while let Some(deadline) = node.next_deadline() {
                collect(&mut node, deadline, &mut ends, &mut trace);
            }
            (node, ends, trace)
        };
        let (node, ends, trace) = play();
        for (i, end) in ends.iter().enumerate() {
            prop_assert_eq!(end.len(), 1, "job {}: {:?}", i, end);
        }
        for function in 0..3 {
            let capacity = node.capacity(function);
            prop_assert_eq!((capacity.running, capacity.queued), (0, 0));
        }
        let stats = node.stats();
        prop_assert_eq!(stats.finished + stats.rejected + stats.cut, load.len() as u64);
        let (again, ends_again, trace_again) = play();
        prop_assert_eq!((ends, trace, stats), (ends_again, trace_again, again.stats()));
    }
}
