//! What arrives when, and what it asks for.

use super::*;

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
    scenario.phases[0].anycall.as_mut().unwrap().stream.calls = Some(4);
    assert_eq!(at(&scenario).len(), 4);
}

#[test]
fn functions_and_entries_have_their_popularity() {
    let mut scenario = only(Arrivals::Poisson { rate: 1000.0 }, Duration::from_secs(100));
    scenario.phases[0].anycall.as_mut().unwrap().stream.entry.popularity = Popularity::Zipf(0.5);
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

#[test]
fn a_phase_of_ten_million_calls_gives_its_first_at_once() {
    // Also one of 10^16: were anything made in advance, this test would not end.
    for (rate, seconds) in [(100_000.0, 100), (1e9, 10_000_000)] {
        let scenario = only(Arrivals::Poisson { rate }, Duration::from_secs(seconds));
        with(&scenario, |schedule| assert_eq!(schedule.take(10).count(), 10));
    }
}
