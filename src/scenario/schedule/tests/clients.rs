//! Closed loops.

use super::*;

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
    if let Arrivals::Clients { think_time, .. } =
        &mut scenario.phases[0].anycall.as_mut().unwrap().stream.arrivals
    {
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
    scenario.phases[0].anycall.as_mut().unwrap().stream.calls = Some(11);
    assert_eq!(played(&scenario), [4, 4, 3]);
    scenario.phases[0].anycall.as_mut().unwrap().stream.calls_per_client = Some(2);
    assert_eq!(played(&scenario), [2, 2, 2]);
    scenario.phases[0].anycall.as_mut().unwrap().stream.calls = Some(2);
    assert_eq!(played(&scenario), [1, 1, 0]);
}
