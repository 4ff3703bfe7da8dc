//! Classes, regions, providers, selectors, faults.

use super::*;

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
