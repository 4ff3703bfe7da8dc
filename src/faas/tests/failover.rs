use crate::faas::testing::{ME, State, World, at, call, ms};
use crate::io::{AttemptFailure, Call, CallOutcome};
use crate::key::PeerHandle;
use crate::time::Duration;

fn idempotent(id: u64) -> Call {
    Call { idempotent: Some(true), ..call(id) }
}

/// Three providers at rising distances; the nearest is known and changes its state at one second, with calls in
/// flight every 20 ms.
fn stream_of_calls(state: State, idempotent_calls: bool) -> World {
    let mut world = World::new(|_| {});
    for (peer, rtt) in [(1, 20), (2, 40), (3, 60)] {
        world.provider(peer, ms(rtt), 1_000, ms(200));
    }
    world.set_at(at(1_000), PeerHandle::new(1), state);
    for id in 0..200 {
        let mut call = call(id);
        call.idempotent = Some(idempotent_calls);
        call.deadline = world.now + Duration::from_secs(10);
        world.call(call);
        let next = world.now + ms(20);
        world.run(next);
    }
    world.run(at(30_000));
    world.check();
    world
}

#[test]
fn after_a_kill_no_call_goes_there_once_a_round_trip_has_passed() {
    let world = stream_of_calls(State::Killed, true);
    assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::Ok));
    assert!(world.nodes[&PeerHandle::new(1)].last_arrival <= at(1_000) + ms(20 + 100));
    assert!(world.calls.iter().any(|call| call.attempts > 1));
}

#[test]
fn after_a_power_off_no_call_goes_there_after_two_seconds() {
    let world = stream_of_calls(State::Off, true);
    assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::Ok));
    let last = world.nodes[&PeerHandle::new(1)].last_arrival;
    assert!(last > at(1_000) && last <= at(3_000), "{last:?}");
}

#[test]
fn what_may_have_run_is_not_repeated() {
    let world = stream_of_calls(State::Off, false);
    let unknown = world.calls.iter().filter(|call| call.outcome == CallOutcome::Unknown).count();
    assert!(unknown > 0);
    for call in &world.calls {
        if call.outcome == CallOutcome::Unknown {
            assert_eq!((call.attempts, call.error), (1, "lost"));
        } else {
            assert_eq!(call.outcome, CallOutcome::Ok);
        }
    }
}

#[test]
fn a_broken_runtime_is_left_for_another_even_the_local_one() {
    let mut world = World::new(|_| {});
    world.provider(0, ms(0), 10, ms(50));
    world.provider(1, ms(20), 10, ms(50));
    world.node(ME).state = State::Broken;
    for id in 0..5 {
        let mut call = call(id);
        call.local = Some(crate::context::Capacity { slots: 10, ..Default::default() });
        world.call(call);
        let next = world.now + ms(300);
        world.run(next);
    }
    world.check();
    assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::Ok));
    assert_eq!(world.calls[0].attempts, 2);
    assert!(world.calls[1..].iter().all(|call| call.attempts == 1), "it is avoided");
}

#[test]
fn a_dead_provider_gets_calls_again_only_after_it_has_answered_a_probe() {
    let mut world = World::new(|_| {});
    let near = world.provider(1, ms(20), 100, ms(50));
    world.provider(2, ms(60), 100, ms(50));
    world.call(idempotent(1));
    world.run(at(900));
    world.call(idempotent(2));
    world.run(at(920));
    world.set_at(at(930), near, State::Killed);
    world.set_at(at(10_000), near, State::Up);
    for id in 3..400 {
        let mut call = idempotent(id);
        call.deadline = world.now + Duration::from_secs(10);
        world.call(call);
        let next = world.now + ms(100);
        world.run(next);
    }
    world.run(at(60_000));
    world.check();
    assert!(world.calls.iter().all(|call| call.outcome == CallOutcome::Ok));
    let (mut asked, mut used) = (None, None);
    for (time, peer) in &world.probes {
        if *peer == near && *time > at(10_000) {
            asked = asked.or(Some(*time));
        }
    }
    for (peer, start, _) in world.starts.values() {
        if *peer == near && *start > at(1_000) {
            used = Some(used.map_or(*start, |first: crate::time::Time| first.min(*start)));
        }
    }
    assert!(asked.is_some() && used >= asked.map(|at| at + ms(20)), "asked {asked:?}, used {used:?}");
    let refused = world.attempt_reports.iter().filter(|a| a.result == Err(AttemptFailure::Dial)).count();
    assert!(refused <= 1, "{refused} calls were sent to the dead");
}

#[test]
fn when_all_have_failed_there_is_one_look_up_more_and_then_an_end() {
    let mut world = World::new(|_| {});
    for peer in 1..4 {
        let peer = world.provider(peer, ms(20), 10, ms(50));
        world.node(peer).state = State::Killed;
    }
    world.call(call(1));
    world.run(at(9_000));
    world.check();
    assert_eq!(world.calls[0].outcome, CallOutcome::Unreachable);
    assert_eq!(world.calls[0].attempts, 3);
    assert!(world.resolves.len() <= 2);
    assert!(world.calls[0].done < at(3_000), "{:?}", world.calls[0]);
}

#[test]
fn a_provider_that_joined_meanwhile_is_found_by_the_look_up_within_the_call() {
    let mut world = World::new(|_| {});
    let old = world.provider(1, ms(20), 10, ms(50));
    world.call(call(1));
    world.run(at(1_000));
    world.set_at(at(1_000), old, State::Killed);
    world.run(at(1_100));
    world.provider(2, ms(20), 10, ms(50));
    world.call(call(2));
    world.run(at(5_000));
    world.check();
    assert_eq!(world.calls[1].outcome, CallOutcome::Ok);
    assert_eq!(world.calls[1].provider, Some(PeerHandle::new(2)));
}

#[test]
fn a_sole_provider_that_restarts_is_used_within_the_calls_patience() {
    let mut world = World::new(|config| config.max_attempts = 20);
    let sole = world.provider(1, ms(20), 10, ms(50));
    world.call(call(1));
    world.run(at(1_000));
    world.set_at(at(1_000), sole, State::Killed);
    world.set_at(at(3_000), sole, State::Up);
    world.run(at(1_500));
    world.call(call(2));
    world.run(at(9_000));
    world.check();
    assert_eq!(world.calls[1].outcome, CallOutcome::Ok);
    assert!(world.calls[1].done < at(5_500), "{:?}", world.calls[1]);
}

#[test]
fn a_long_attempt_is_given_up_if_there_is_a_limit() {
    let mut world = World::new(|config| config.attempt_timeout = Some(ms(500)));
    let slow = world.provider(1, ms(20), 10, ms(50));
    world.node(slow).state = State::Stalled;
    world.call(idempotent(1));
    world.run(at(200));
    world.provider(2, ms(20), 10, ms(50));
    world.run(at(9_000));
    world.check();
    assert_eq!((world.calls[0].outcome, world.calls[0].attempts), (CallOutcome::Ok, 2));
    assert_eq!(world.calls[0].retry, ms(600), "half a second, and a look-up for somebody else");
}

#[test]
fn the_user_may_go_away() {
    let mut world = World::new(|_| {});
    world.provider(1, ms(20), 10, ms(500));
    world.call(call(1));
    world.run(at(300));
    world.input(|faas, cx, now, _| faas.cancel_call(cx, now, crate::io::CallId(1)));
    assert_eq!(world.calls[0].outcome, CallOutcome::Cancelled);
    world.run(at(5_000));
    world.check();
    assert_eq!(world.attempt_reports.len(), 1);
    assert!(!world.attempt_reports[0].won);
}
