use crate::faas::AnycallPolicy::{self, *};
use crate::faas::testing::{Clients, World, at, call, ms};
use crate::io::{AttemptKind, CacheResult, Call, CallId, CallOutcome};
use crate::key::PeerHandle;
use crate::time::Duration;

fn with(id: u64, policy: AnycallPolicy) -> Call {
    Call { policy: Some(policy), ..call(id) }
}

/// How many attempts each provider got.
fn shares(world: &World) -> Vec<u64> {
    world.nodes.values().map(|node| node.executed + node.refused).collect()
}

#[test]
fn the_first_call_waits_for_the_look_up_and_the_second_does_not() {
    let mut world = World::new(|_| {});
    let peer = world.provider(1, ms(20), 4, ms(50));
    world.call(call(1));
    world.run(at(1_000));
    world.call(call(2));
    world.run(at(2_000));
    world.check();
    let (first, second) = (&world.calls[0], &world.calls[1]);
    assert_eq!((first.outcome, first.cache), (CallOutcome::Ok, CacheResult::Miss));
    assert_eq!((first.lookup, first.dispatch, first.retry), (ms(100), ms(0), ms(0)));
    assert_eq!(first.done, at(170));
    assert_eq!(first.provider, Some(peer));
    assert_eq!((second.outcome, second.cache, second.lookup), (CallOutcome::Ok, CacheResult::Hit, ms(0)));
    assert_eq!(second.done, at(1_070));
    assert_eq!(world.resolves.len(), 1);
}

#[test]
fn calls_of_one_function_share_a_look_up() {
    let mut world = World::new(|_| {});
    world.provider(1, ms(20), 100, ms(50));
    for id in 0..10 {
        world.call(call(id));
    }
    world.run(at(1_000));
    world.check();
    assert_eq!(world.resolves.len(), 1);
    assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::Ok && call.lookup == ms(100)));
}

#[test]
fn providers_past_their_time_are_used_while_they_are_looked_up_again() {
    let mut world = World::new(|config| config.cache_ttl = Duration::from_secs(1));
    world.provider(1, ms(20), 4, ms(50));
    world.call(call(1));
    world.run(at(3_000));
    world.call(call(2));
    world.run(at(4_000));
    world.check();
    assert_eq!((world.calls[1].cache, world.calls[1].done), (CacheResult::Stale, at(3_070)));
    assert_eq!(world.resolves, [at(0), at(3_000)]);
}

#[test]
fn nobody_provides_it_is_believed_for_a_while() {
    let mut world = World::new(|config| config.negative_ttl = Duration::from_secs(2));
    world.call(call(1));
    world.run(at(1_000));
    world.call(call(2));
    world.run(at(2_500));
    world.call(call(3));
    world.run(at(3_000));
    world.check();
    let told: Vec<_> = world.calls.iter().map(|call| (call.outcome, call.cache, call.done)).collect();
    assert_eq!(
        told,
        [
            (CallOutcome::NotFound, CacheResult::Miss, at(100)),
            (CallOutcome::NotFound, CacheResult::Negative, at(1_000)),
            (CallOutcome::NotFound, CacheResult::Miss, at(2_600)),
        ]
    );
}

#[test]
fn the_functions_own_error_is_final() {
    let mut world = World::new(|_| {});
    for peer in 1..4 {
        let peer = world.provider(peer, ms(20), 4, ms(50));
        world.node(peer).status = 500;
    }
    world.call(Call { idempotent: Some(true), ..call(1) });
    world.run(at(1_000));
    world.check();
    assert_eq!((world.calls[0].outcome, world.calls[0].attempts), (CallOutcome::FunctionError, 1));
    assert_eq!(world.calls[0].status, Some(500));
}

#[test]
fn local_first_runs_at_home_while_there_is_room() {
    let mut world = World::new(|_| {});
    world.provider(0, ms(0), 2, ms(500));
    world.provider(1, ms(20), 10, ms(500));
    for id in 0..4 {
        let mut call = with(id, LocalFirst);
        call.local =
            Some(crate::context::Capacity { slots: 2, running: (id as u32).min(2), ..Default::default() });
        world.call(call);
    }
    world.run(at(2_000));
    world.check();
    assert_eq!(shares(&world), [2, 2]);
    assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::Ok));
}

#[test]
fn local_only_is_never_routed() {
    let mut world = World::new(|_| {});
    world.provider(1, ms(20), 10, ms(50));
    world.call(with(1, LocalOnly));
    let mut full = with(2, LocalOnly);
    full.local = Some(crate::context::Capacity { slots: 1, running: 1, ..Default::default() });
    world.call(full);
    world.run(at(1_000));
    world.check();
    assert_eq!(world.calls[0].outcome, CallOutcome::NotFound);
    assert_eq!(world.calls[1].outcome, CallOutcome::Rejected);
    assert!(world.resolves.is_empty());
}

#[test]
fn nearest_learns_who_is_near() {
    let mut world = World::new(|_| {});
    for (peer, rtt) in [(1, 80), (2, 20), (3, 200)] {
        world.provider(peer, ms(rtt), 100, ms(10));
    }
    for id in 0..20 {
        world.call(with(id, Nearest));
        let next = world.now + ms(400);
        world.run(next);
    }
    world.check();
    let late: Vec<_> = world.calls.iter().skip(1).map(|call| call.provider).collect();
    assert!(late.iter().all(|peer| *peer == Some(PeerHandle::new(2))), "{late:?}");
}

#[test]
fn policies_share_out_calls_as_their_names_say() {
    for (policy, check) in [
        (RoundRobin, (|shares: &[u64]| shares == [100, 100, 100]) as fn(&[u64]) -> bool),
        (Random, |shares| shares.iter().all(|share| (70..=130).contains(share))),
        (LeastOutstanding, |shares| shares.iter().all(|share| (70..=130).contains(share))),
        (LeastLoaded, |shares| shares.iter().all(|share| (70..=130).contains(share))),
        (PowerOfTwo, |shares| shares.iter().all(|share| (70..=130).contains(share))),
    ] {
        let mut world = World::new(|_| {});
        for peer in 1..4 {
            world.provider(peer, ms(20), 100, ms(50));
        }
        world.call(with(1_000, policy));
        world.run(at(1_000));
        for id in 0..299 {
            world.call(with(id, policy));
            let next = world.now + ms(10);
            world.run(next);
        }
        world.run(at(6_000));
        world.check();
        assert!(check(&shares(&world)), "{policy}: {:?}", shares(&world));
        assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::Ok));
    }
}

#[test]
fn load_aware_policies_leave_a_loaded_provider_alone() {
    for policy in [LeastLoaded, PowerOfTwo, LeastOutstanding] {
        let mut world = World::new(|_| {});
        world.provider(1, ms(2), 10, ms(1_000));
        world.provider(2, ms(2), 10, ms(100));
        for id in 0..200 {
            world.call(with(id, policy));
            let next = world.now + ms(20);
            world.run(next);
        }
        world.run(at(8_000));
        world.check();
        let shares = shares(&world);
        assert!(shares[0] * 2 < shares[1], "{policy}: {shares:?}");
    }
}

#[test]
fn asking_for_the_load_first_finds_the_idle_provider_and_costs_a_round_trip() {
    let mut world = World::new(|config| config.probe_first = true);
    for peer in 1..4 {
        let peer = world.provider(peer, ms(20), 1, ms(300));
        world.node(peer).queue_limit = 10;
    }
    for id in 0..3 {
        world.call(with(id, LeastLoaded));
        let next = world.now + ms(130);
        world.run(next);
    }
    world.run(at(2_000));
    world.check();
    assert_eq!(shares(&world), [1, 1, 1]);
    assert_eq!(world.calls[1].dispatch, ms(20));
    assert!(world.probes.len() >= 9);
}

#[test]
fn a_race_runs_everywhere_and_the_first_answer_wins() {
    let mut world = World::new(|_| {});
    for (peer, service) in [(1, 300), (2, 50), (3, 200)] {
        world.provider(peer, ms(20), 10, ms(service));
    }
    world.call(Call { idempotent: Some(true), ..with(1, Race) });
    world.run(at(5_000));
    world.check();
    assert_eq!(shares(&world), [1, 1, 1]);
    assert_eq!(world.calls[0].provider, Some(PeerHandle::new(2)));
    assert_eq!(world.calls[0].done, at(170));
    assert_eq!(world.attempt_reports.len(), 3);
    assert_eq!(world.attempt_reports.iter().filter(|attempt| attempt.won).count(), 1);
    assert!(world.attempt_reports.iter().all(|attempt| attempt.kind == AttemptKind::Race));
}

#[test]
fn a_call_that_must_not_run_twice_is_not_raced() {
    let mut world = World::new(|_| {});
    for peer in 1..4 {
        world.provider(peer, ms(20), 10, ms(50));
    }
    world.call(with(1, Race));
    world.run(at(5_000));
    world.check();
    assert_eq!(shares(&world).iter().sum::<u64>(), 1);
}

#[test]
fn a_full_provider_is_left_at_once() {
    let mut world = World::new(|_| {});
    world.provider(1, ms(10), 1, ms(1_000));
    world.provider(2, ms(50), 1, ms(1_000));
    world.call(with(1, Nearest));
    world.run(at(500));
    world.call(with(2, Nearest));
    world.call(with(3, Nearest));
    world.run(at(5_000));
    world.check();
    assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::Ok));
    assert_eq!(shares(&world).iter().sum::<u64>(), 3 + world.nodes.values().map(|n| n.refused).sum::<u64>());
    let last = world.calls.iter().map(|call| call.done).max();
    assert!(last < Some(at(2_300)), "{last:?}: the third waits for the first slot that opens");
}

#[test]
fn who_waits_longer_than_the_deadline_was_rejected_if_all_it_got_was_refusals() {
    let mut world = World::new(|_| {});
    let peer = world.provider(1, ms(10), 1, ms(60_000));
    for id in 0..2 {
        world.call(with(id, Nearest));
    }
    world.run(at(9_999));
    assert_eq!(world.node(peer).refused, 1, "with our own call there, its end is waited for");
    world.run(at(70_000));
    world.check();
    let outcome = |id| world.calls.iter().find(|call| call.call == CallId(id)).unwrap().outcome;
    assert_eq!((outcome(0), outcome(1)), (CallOutcome::Timeout, CallOutcome::Rejected));
}

#[test]
fn the_queue_at_the_entry_is_bounded() {
    let mut world = World::new(|config| config.entry_queue = 3);
    world.provider(1, ms(10), 1, ms(60_000));
    world.call(with(0, Nearest));
    world.run(at(500));
    for id in 1..10 {
        world.call(with(id, Nearest));
    }
    assert_eq!(world.calls.iter().filter(|call| call.outcome == CallOutcome::Rejected).count(), 6);
    world.run(at(70_000));
    world.check();
}

#[test]
fn a_provider_that_lost_the_function_is_dropped_and_another_tried() {
    let mut world = World::new(|_| {});
    let near = world.provider(1, ms(10), 10, ms(50));
    world.provider(2, ms(50), 10, ms(50));
    world.call(with(1, Nearest));
    world.run(at(1_000));
    world.node(near).hosts = false;
    for id in 2..5 {
        world.call(with(id, Nearest));
        let next = world.now + ms(500);
        world.run(next);
    }
    world.check();
    assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::Ok));
    assert_eq!(world.faas.providers(crate::faas::testing::FUNCTION), [PeerHandle::new(2)]);
}

/// Three sites, ten slots each and no queue, 0.94 s of service, fifty clients that all enter at one.
fn federation(policy: AnycallPolicy, think: Duration) -> (f64, f64) {
    let mut world = World::new(|_| {});
    world.provider(0, ms(0), 10, ms(940));
    world.provider(1, ms(20), 10, ms(940));
    world.provider(2, ms(20), 10, ms(940));
    let seconds = 120;
    let clients = Clients {
        template: with(0, policy),
        patience: Duration::from_secs(10),
        think_after_failure: think,
        until: at(seconds * 1_000),
    };
    world.start_clients(50, clients);
    world.run(at(seconds * 1_000 + 20_000));
    world.check();
    let good = world.calls.iter().filter(|call| call.outcome == CallOutcome::Ok).count() as f64;
    let all = world.calls.len() as f64;
    (good / seconds as f64, (all - good) / all)
}

#[test]
fn one_saturated_site_overflows_to_the_others() {
    // Thirty slots, 0.94 s each: at best 31.9 a second.
    let ideal = 30.0 / 0.94;
    for think in [ms(1), ms(1_000)] {
        let (rate, failed) = federation(LocalFirst, think);
        assert!(rate >= 0.9 * ideal && failed <= 0.01, "{rate}/s, {failed} failed");
    }
    let (rate, failed) = federation(LocalOnly, ms(1_000));
    assert!((10.0..=10.7).contains(&rate) && failed > 0.5, "{rate}/s, {failed} failed");
}
