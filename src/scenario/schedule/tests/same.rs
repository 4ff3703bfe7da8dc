//! What a schedule depends on, and what it refuses.

use super::*;

#[test]
fn unrelated_functions_and_phases_move_nothing() {
    let before = calls(&scenario());
    let mut changed = scenario();
    changed.functions.insert(0, function("other", 5));
    for phase in &mut changed.phases {
        let anycall = phase.anycall.as_mut().map(|calls| &mut calls.stream.functions);
        let manycall = phase.manycall.as_mut().map(|calls| &mut calls.stream.functions);
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
    scenarios[0].phases[0].anycall.as_mut().unwrap().stream.entry.popularity = Popularity::Zipf(1.1);
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
    nowhere.phases[0].anycall.as_mut().unwrap().stream.entry.nodes =
        Selector { from: Pool::Region("mars".into()), take: Take::All };
    assert_eq!(refused(&nowhere), "phase `steady`: its entry selects no node; at least one is needed");
    let mut unknown = scenario();
    unknown.phases[0].anycall.as_mut().unwrap().stream.functions = vec![FunctionRange { first: 9, count: 2 }];
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

#[test]
fn a_scenario_file_becomes_calls() {
    struct Files;
    impl crate::scenario::Loader for Files {
        fn load(&self, path: &str) -> std::io::Result<Vec<u8>> {
            match path {
                "dir/file.toml" => Ok(SCENARIO.as_bytes().to_vec()),
                "dir/invocations.csv" => Ok(INVOCATIONS.as_bytes().to_vec()),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            }
        }
    }
    const SCENARIO: &str = r#"
        name = "file"
        seed = 7

        [network]
        nodes = 20
        start = "converged"
        latency = { lognormal = { median = "40ms", sigma = 0.5 } }

        [[function]]
        name = "resize"
        copies = 4
        providers = 3
        service_time = { lognormal = { median = "50ms", sigma = 0.5 } }

        [[phase]]
        name = "steady"
        duration = "1min"
        anycall = { rate = "10/s", popularity = { zipf = 0.9 }, policy = "nearest", request = "4KiB" }
        manycall = { items = 100, every = "10s" }

        [[phase]]
        name = "recorded"
        duration = "4min"
        anycall = { trace = { azure2019 = { invocations = "invocations.csv" } } }

        [[phase]]
        name = "users"
        duration = "1min"
        anycall = { clients = 5, think_time = "1s" }
    "#;
    let loader: &dyn crate::scenario::Loader = &Files;
    let loaded = Scenario::load("dir/file.toml", loader, &[]).unwrap();
    let scenario = &loaded.variants[0].scenario;
    let traces = Traces::read(scenario, |file| loader.load(&file.path).map(std::io::Cursor::new)).unwrap();
    let population = Population::new(scenario, draws(scenario)).unwrap();
    let schedule = Schedule::new(scenario, &traces, &population, draws(scenario)).unwrap();
    let all: Vec<ScheduledCall> = schedule.collect();
    let count =
        |phase, many| all.iter().filter(|call| (call.id.phase, call.id.many) == (phase, many)).count();
    // 600 ± 4 standard deviations; the trace has 362 calls.
    assert!((502..=698).contains(&count(0, false)), "{}", count(0, false));
    assert_eq!((count(0, true), count(1, false), count(2, false)), (6, 362, 5));
    assert!(all.iter().all(|call| call.entry < 20 && call.function < 4));
    assert!((0..4).all(|function| population.providers(function).len() == 3));
}
