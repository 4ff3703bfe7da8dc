//! Traces, replayed.

use super::*;

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
