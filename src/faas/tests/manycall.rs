use crate::faas::ManycallPolicy::{self, *};
use crate::faas::testing::{FUNCTION, State, World, at, call, ms};
use crate::io::{AttemptKind, Call, CallOutcome, Map, MapId};
use crate::key::PeerHandle;
use crate::time::{Duration, Time};

fn map(policy: ManycallPolicy, items: Option<u64>) -> Map {
    Map { id: MapId(1), function: FUNCTION, policy: Some(policy), items, credit: None, local: None }
}

fn item() -> Call {
    Call { deadline: Time::ZERO + Duration::from_secs(10_000), idempotent: Some(true), ..call(0) }
}

/// Providers of these speeds, one slot each; an item takes a second at speed 1.
fn speeds(speeds: &[i64], rtt: Duration, queue: u32) -> World {
    let mut world = World::new(|_| {});
    world.lookup_time = ms(0);
    world.item = item();
    for (index, speed) in speeds.iter().enumerate() {
        let service = Duration::from_nanos(1_000_000_000 / speed);
        let peer = world.provider(index as u32 + 1, rtt, 1, service);
        world.node(peer).queue_limit = queue;
    }
    world
}

/// The shortest time in which `items` equal items can be done, whole items only.
fn ideal(speeds: &[i64], items: u64) -> f64 {
    let mut ends: Vec<(f64, f64)> =
        speeds.iter().map(|speed| (1.0 / *speed as f64, 1.0 / *speed as f64)).collect();
    let mut last = 0.0f64;
    for _ in 0..items {
        let next = ends.iter_mut().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        last = last.max(next.0);
        next.0 += next.1;
    }
    last
}

/// Checks that every item ended well, once, and gives the time it took.
fn makespan(world: &World, items: usize) -> f64 {
    world.check();
    assert_eq!(world.calls.len(), items);
    assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::Ok && call.map == Some(MapId(1))));
    assert_eq!(world.maps_done.len(), 1);
    world.maps_done[0].1.as_secs_f64()
}

const UNEQUAL: [i64; 4] = [1, 2, 4, 10];

#[test]
fn late_binding_is_near_the_ideal_at_no_distance() {
    for queue in [0, 100] {
        let mut world = speeds(&UNEQUAL, ms(0), queue);
        world.map(map(LateBinding, None), 1_000);
        world.run(at(1_000_000));
        let (took, ideal) = (makespan(&world, 1_000), ideal(&UNEQUAL, 1_000));
        assert!(took >= ideal - 1e-6 && took <= 1.05 * ideal, "{took} s, ideal {ideal} s");
        assert_eq!(world.attempt_reports.len(), 1_000, "nothing was refused or done twice");
    }
}

#[test]
fn late_binding_is_near_the_ideal_at_twenty_milliseconds() {
    let mut world = speeds(&UNEQUAL, ms(20), 100);
    world.map(map(LateBinding, Some(1_000)), 1_000);
    world.run(at(1_000_000));
    let (took, ideal) = (makespan(&world, 1_000), ideal(&UNEQUAL, 1_000));
    assert!(took <= 1.10 * ideal, "{took} s, ideal {ideal} s");
    assert!(world.max_open_items <= 8, "{} items in flight at four slots", world.max_open_items);
}

#[test]
fn queued_items_are_fetched_back_from_slow_providers_at_the_end() {
    // Twenty items: the slow provider's second one must not be waited for.
    let mut world = speeds(&[1, 10], ms(20), 100);
    world.item.idempotent = Some(false);
    world.map(map(LateBinding, None), 40);
    world.run(at(1_000_000));
    let (took, ideal) = (makespan(&world, 40), ideal(&[1, 10], 40));
    assert!(took <= ideal + 1.1, "{took} s, ideal {ideal} s");
    let back = world.attempt_reports.iter().filter(|attempt| attempt.result.is_err()).count();
    assert_eq!(world.nodes.values().map(|node| node.executed).sum::<u64>(), 40);
    assert!(back >= 1, "none was fetched back");
}

#[test]
fn a_static_split_is_as_far_off_as_arithmetic_says() {
    let mut world = speeds(&UNEQUAL, ms(0), 1_000);
    world.map(map(Static, Some(1_000)), 1_000);
    world.run(at(1_000_000));
    // 250 items at the slowest, a second each.
    let took = makespan(&world, 1_000);
    assert!((took - 250.0).abs() < 0.01, "{took} s");
    assert!(world.nodes.values().all(|node| node.executed == 250));
}

#[test]
fn a_static_split_survives_refusals_and_a_death() {
    let mut world = speeds(&[10, 10, 10], ms(2), 5);
    world.set_at(at(2_000), PeerHandle::new(2), State::Killed);
    world.map(map(Static, Some(300)), 300);
    world.run(at(1_000_000));
    makespan(&world, 300);
    assert!(world.nodes.values().any(|node| node.refused > 0));
}

#[test]
fn backup_cuts_the_tail_when_a_provider_stalls() {
    let took = |policy| {
        let mut world = speeds(&[10, 10, 10, 10], ms(2), 100);
        world.item.deadline = Time::ZERO + Duration::from_secs(60);
        world.set_at(at(1_000), PeerHandle::new(3), State::Stalled);
        world.map(map(policy, None), 200);
        world.run(at(1_000_000));
        world.check();
        assert_eq!((world.calls.len(), world.maps_done.len()), (200, 1));
        world
    };
    let (with, without) = (took(Backup), took(LateBinding));
    let end = |world: &World| world.maps_done[0].1.as_secs_f64();
    // Three providers do what is left: 200 items in about 6.4 s.
    assert!(end(&with) < 8.0, "{} s", end(&with));
    assert!(with.calls.iter().all(|call| call.outcome == CallOutcome::Ok));
    assert!(with.attempt_reports.iter().any(|a| a.kind == AttemptKind::Backup && a.won));
    assert!(end(&without) > 59.0, "{} s", end(&without));
}

#[test]
fn what_must_not_run_twice_gets_no_copies() {
    let mut world = speeds(&[1, 10], ms(2), 100);
    world.item.idempotent = Some(false);
    world.map(map(Backup, None), 100);
    world.run(at(1_000_000));
    makespan(&world, 100);
    assert_eq!(world.nodes.values().map(|node| node.executed).sum::<u64>(), 100);
    assert!(world.attempt_reports.iter().all(|attempt| attempt.kind != AttemptKind::Backup));
}

#[test]
fn no_item_is_lost_when_providers_die() {
    for state in [State::Killed, State::Off, State::Broken] {
        for policy in [LateBinding, Backup, Static] {
            let mut world = speeds(&[10, 10, 10, 5], ms(20), 100);
            world.set_at(at(1_000), PeerHandle::new(1), state);
            world.set_at(at(1_500), PeerHandle::new(2), state);
            world.map(map(policy, Some(200)), 200);
            world.run(at(1_000_000));
            let took = makespan(&world, 200);
            assert!(took < 60.0, "{state:?} {policy}: {took} s");
        }
    }
}

#[test]
fn items_of_which_nobody_knows_a_provider_end_as_not_found() {
    for (policy, count) in [(LateBinding, None), (Backup, Some(100)), (Static, Some(100))] {
        let mut world = World::new(|_| {});
        world.item = item();
        world.map(map(policy, count), 100);
        world.run(at(60_000));
        world.check();
        assert_eq!((world.calls.len(), world.maps_done.len()), (100, 1), "{policy}");
        assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::NotFound));
    }
}

#[test]
fn items_that_nobody_can_take_end_as_unreachable() {
    let mut world = speeds(&[10, 10], ms(20), 0);
    for node in world.nodes.values_mut() {
        node.state = State::Killed;
    }
    world.map(map(LateBinding, None), 100);
    world.run(at(1_000_000));
    world.check();
    assert_eq!((world.calls.len(), world.maps_done.len()), (100, 1));
    assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::Unreachable));
}

#[test]
fn an_outage_of_all_providers_costs_time_and_few_items() {
    let mut world = speeds(&[10, 10], ms(20), 100);
    for peer in 1..3 {
        world.set_at(at(2_000), PeerHandle::new(peer), State::Killed);
        world.set_at(at(4_000), PeerHandle::new(peer), State::Up);
    }
    world.map(map(LateBinding, None), 200);
    world.run(at(1_000_000));
    world.check();
    assert_eq!((world.calls.len(), world.maps_done.len()), (200, 1));
    let lost = world.calls.iter().filter(|call| call.outcome != CallOutcome::Ok).count();
    assert!(lost <= 8, "{lost} items lost");
}

#[test]
fn no_more_results_are_produced_than_are_taken() {
    let mut world = speeds(&[10, 10, 10], ms(2), 100);
    let mut bounded = map(LateBinding, None);
    bounded.credit = Some(7);
    world.map(bounded, 50);
    world.run(at(60_000));
    assert_eq!(world.calls.len(), 7);
    world.input(|faas, cx, now, _| faas.results_taken(cx, now, MapId(1), 3));
    world.run(at(120_000));
    assert_eq!(world.calls.len(), 10);
    world.input(|faas, cx, now, _| faas.results_taken(cx, now, MapId(1), 1_000));
    world.run(at(180_000));
    world.check();
    assert_eq!((world.calls.len(), world.maps_done.len()), (50, 1));
}

#[test]
fn a_cancelled_manycall_ends_at_once() {
    let mut world = speeds(&[10, 10, 10], ms(2), 100);
    world.map(map(LateBinding, None), 1_000);
    world.run(at(5_000));
    world.input(|faas, cx, now, _| faas.cancel_map(cx, now, MapId(1)));
    assert_eq!(world.maps_done.len(), 1);
    world.run(at(60_000));
    world.check();
    assert!(world.calls.len() < 200);
    assert_eq!(world.attempt_reports.len(), world.starts.len());
}

#[test]
fn a_manycall_without_items_ends() {
    for (policy, count) in [(LateBinding, None), (Static, Some(0)), (Backup, None)] {
        let mut world = speeds(&[10], ms(2), 0);
        world.map(map(policy, count), 0);
        world.run(at(60_000));
        assert_eq!((world.calls.len(), world.maps_done.len()), (0, 1), "{policy}");
    }
}

#[test]
fn a_provider_with_many_slots_is_filled() {
    let mut world = World::new(|_| {});
    world.item = item();
    let peer = world.provider(1, ms(20), 50, Duration::from_secs(1));
    world.node(peer).queue_limit = 100;
    world.map(map(LateBinding, Some(500)), 500);
    world.run(at(1_000_000));
    let took = makespan(&world, 500);
    // A look-up, a round trip to learn of the slots, ten rounds of a second, and half a round trip each way.
    assert!(took < 10.5, "{took} s");
}

#[test]
fn a_provider_that_others_fill_as_well_is_shared_without_losing_items() {
    let mut world = speeds(&[10, 10], ms(10), 0);
    world.map(map(LateBinding, None), 100);
    for id in 0..30 {
        let mut single = item();
        single.id = crate::io::CallId(id);
        single.deadline = Time::ZERO + Duration::from_secs(100);
        world.call(single);
    }
    world.run(at(1_000_000));
    world.check();
    assert_eq!((world.calls.len(), world.maps_done.len()), (130, 1));
    assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::Ok));
}

#[test]
fn equal_providers_take_what_fits_although_one_measures_a_little_slower() {
    let mut world = World::new(|_| {});
    world.lookup_time = ms(0);
    world.item = item();
    for (index, service) in [1_000, 1_020].into_iter().enumerate() {
        let peer = world.provider(index as u32 + 1, ms(10), 100, ms(service));
        world.node(peer).queue_limit = 1_000;
    }
    // Durations are known, as in a network that is in use.
    world.map(map(LateBinding, Some(20)), 20);
    world.run(at(10_000));
    let begun = world.now;
    world.map(Map { id: MapId(2), ..map(LateBinding, Some(200)) }, 200);
    world.run(at(1_000_000));
    world.check();
    let took = world.maps_done[1].1.as_secs_f64() - begun.as_secs_f64();
    // Nobody waits for a second run.
    assert!(took < 1.1, "{took} s");
}
