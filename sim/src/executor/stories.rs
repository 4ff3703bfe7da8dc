//! The executor's behaviour, as stories.

use edge_faas_core::time::{Duration, Time};

use super::*;

const MB: u64 = 1_000_000;

fn ms(millis: i64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: i64) -> Time {
    Time::ZERO + ms(millis)
}

fn node() -> Executor {
    Executor::new(Machine { cores: 1.0, memory: 100 * MB, speed: 1.0 })
}

fn sleep(id: u64, function: u32, millis: i64) -> Job {
    Job { id, function, work: Work::Sleep(ms(millis)), cold: ms(300) }
}

fn cpu(id: u64, millis: i64) -> Job {
    Job { id, function: 0, work: Work::Cpu(ms(millis)), cold: Duration::ZERO }
}

/// All ends until the node is quiet.
fn drain(node: &mut Executor) -> Vec<Finished> {
    let mut ends = Vec::new();
    while let Some(deadline) = node.next_deadline() {
        while let Some(event) = node.poll(deadline) {
            if let Event::Finished(finished) = event {
                ends.push(finished);
            }
        }
    }
    ends
}

#[test]
fn the_first_call_pulls_and_starts_the_next_one_finds_it_warm() {
    let mut node = node();
    node.host(0, Hosting { pull: ms(2_000), ..Hosting::default() });
    assert_eq!(node.submit(at(0), sleep(1, 0, 50)), Submit::Started);
    let first = drain(&mut node)[0];
    assert_eq!((first.queue, first.cold, first.exec), (ms(0), ms(2_300), ms(50)));
    node.submit(at(10_000), sleep(2, 0, 50));
    let second = drain(&mut node)[0];
    assert_eq!((second.cold, second.exec, second.at), (ms(0), ms(50), at(10_050)));
    assert_eq!((node.stats().pulls, node.stats().cold_starts), (1, 1));
}

#[test]
fn an_instance_is_kept_for_keep_alive_and_not_longer() {
    let mut node = node();
    node.host(0, Hosting { keep_alive: ms(1_000), pull: ms(2_000), memory: MB, ..Hosting::default() });
    node.submit(at(0), sleep(1, 0, 50));
    drain(&mut node);
    // Idle since 2,350 ms: warm until just before 3,350 ms.
    node.submit(at(3_349), sleep(2, 0, 1));
    assert_eq!(drain(&mut node)[0].cold, ms(0));
    // Idle since 3,350 ms: gone at 4,350 ms; the image is still there.
    node.submit(at(4_350), sleep(3, 0, 1));
    assert_eq!(drain(&mut node)[0].cold, ms(300));
    assert_eq!((node.stats().pulls, node.stats().cold_starts, node.stats().expirations), (1, 2, 1));
}

#[test]
fn an_instance_for_each_call_or_one_for_all() {
    let colds = |calls_per_instance: u32| -> Vec<Duration> {
        let mut node = node();
        node.host(0, Hosting { concurrency: 3, calls_per_instance, ..Hosting::default() });
        for i in 0..3 {
            node.submit(at(i * 100), sleep(i as u64, 0, 1_000));
        }
        drain(&mut node).iter().map(|finished| finished.cold).collect()
    };
    assert_eq!(colds(1), [ms(300); 3], "each starts its own");
    assert_eq!(
        colds(3),
        [ms(300), ms(200), ms(100)],
        "the later ones wait for the rest of the first one's start"
    );
}

#[test]
fn memory_pressure_evicts_the_least_recently_used_idle_instance() {
    let mut node = node();
    for function in 0..4 {
        node.host(function, Hosting { memory: 40 * MB, queue_limit: 1, ..Hosting::default() });
    }
    node.submit(at(0), sleep(1, 0, 10));
    drain(&mut node);
    node.submit(at(1_000), sleep(2, 1, 10));
    drain(&mut node);
    // Function 0 is used again, so that function 1's instance is the one to go.
    node.submit(at(2_000), sleep(3, 0, 10));
    drain(&mut node);
    node.submit(at(3_000), sleep(4, 2, 500));
    assert_eq!((node.instances(0), node.instances(1), node.instances(2)), (1, 0, 1));
    // Busy instances are never evicted: function 3 takes function 0's, then function 1 finds no room and waits.
    node.submit(at(3_100), sleep(5, 3, 5_000));
    assert_eq!(node.submit(at(3_200), sleep(6, 1, 10)), Submit::Queued);
    assert_eq!(node.submit(at(3_200), sleep(7, 1, 10)), Submit::Rejected);
    let ends = drain(&mut node);
    // Function 2 ends at 3,800 ms and makes room.
    let waited = ends.iter().find(|finished| finished.id == 6).expect("it ran in the end");
    assert_eq!((waited.queue, waited.cold, waited.exec), (ms(600), ms(300), ms(10)));
    assert_eq!(node.stats().evictions, 3);
    assert_eq!(node.stats().longest_queue, 1);
}

#[test]
fn slots_are_no_more_than_there_is_memory_for() {
    let mut node = node();
    for (function, memory) in [(0, 40 * MB), (1, 30 * MB), (2, 0)] {
        node.host(function, Hosting { concurrency: 1_000, memory, ..Hosting::default() });
    }
    let slots = |node: &Executor| [0, 1, 2].map(|function| node.capacity(function).slots);
    assert_eq!(slots(&node), [2, 3, 1_000]);
    node.submit(at(0), sleep(1, 0, 10));
    assert_eq!(slots(&node), [2, 2, 1_000]);
    node.submit(at(0), sleep(2, 1, 10));
    assert_eq!(slots(&node), [1, 2, 1_000]);
    assert_eq!(node.submit(at(0), sleep(3, 0, 10)), Submit::Rejected);
    // Idle instances make room for others.
    drain(&mut node);
    assert_eq!(slots(&node), [2, 3, 1_000]);
}

#[test]
fn a_function_larger_than_the_node_is_refused() {
    let mut node = node();
    node.host(0, Hosting { memory: 101 * MB, queue_limit: 10, ..Hosting::default() });
    assert_eq!(node.submit(at(0), sleep(1, 0, 10)), Submit::Rejected);
    assert_eq!(node.submit(at(0), sleep(1, 9, 10)), Submit::NotHosted);
}

#[test]
fn a_prewarmed_instance_is_ready_for_the_first_call() {
    let mut node = node();
    node.host(0, Hosting { concurrency: 4, memory: 40 * MB, pull: ms(1_000), ..Hosting::default() });
    assert_eq!(node.prewarm(at(0), 0, 5, ms(300)), 2, "there is memory for two");
    node.submit(at(1_300), sleep(1, 0, 10));
    assert_eq!(drain(&mut node)[0].cold, ms(0));
    assert_eq!((node.stats().cold_starts, node.stats().pulls), (0, 1));
}

#[test]
fn slots_then_queue_then_refusal() {
    let mut node = node();
    node.host(0, Hosting { concurrency: 2, queue_limit: 1, calls_per_instance: 2, ..Hosting::default() });
    node.prewarm(at(0), 0, 1, Duration::ZERO);
    let answers: Vec<Submit> = (0..4).map(|id| node.submit(at(0), sleep(id, 0, 100))).collect();
    assert_eq!(answers, [Submit::Started, Submit::Started, Submit::Queued, Submit::Rejected]);
    assert_eq!(node.capacity(0), Capacity { slots: 2, running: 2, queued: 1, queue_limit: 1 });
    assert_eq!(node.next_deadline(), Some(at(100)));
    let events: Vec<Event> = std::iter::from_fn(|| node.poll(at(100))).collect();
    assert!(matches!(events[0], Event::Finished(Finished { id: 0, .. })));
    assert_eq!(events[1], Event::Started { id: 2, at: at(100) });
    assert_eq!(drain(&mut node)[0].queue, ms(100));
    assert_eq!(node.stats().rejected, 1);
}

#[test]
fn cores_are_shared_and_cancelling_gives_them_back() {
    let mut node = node();
    node.host(0, Hosting { concurrency: 2, calls_per_instance: 2, ..Hosting::default() });
    node.submit(at(0), cpu(1, 100));
    node.submit(at(0), cpu(2, 100));
    let cut = node.cancel(at(50), 2).expect("it runs");
    assert_eq!((cut.started, cut.burnt), (true, ms(50)));
    assert_eq!(node.cancel(at(50), 2), None);
    // 25 ms of work done at half speed, 75 ms left alone.
    assert_eq!(drain(&mut node)[0].at, at(125));
    assert_eq!(node.stats().core_busy, ms(125));
    assert_eq!(node.stats().slot_busy, ms(175));
}

#[test]
fn a_call_whose_instance_starts_has_not_started() {
    let mut node = node();
    node.host(0, Hosting { queue_limit: 1, ..Hosting::default() });
    node.submit(at(0), sleep(1, 0, 50));
    node.submit(at(0), sleep(2, 0, 50));
    let queued = node.cancel(at(10), 2).expect("it waits");
    assert_eq!((queued.started, queued.queue), (false, ms(10)));
    let starting = node.cancel(at(20), 1).expect("it starts");
    assert_eq!((starting.started, starting.cold, starting.burnt), (false, ms(20), ms(0)));
    // The instance goes on starting: the next call waits for the rest only.
    node.submit(at(100), sleep(3, 0, 50));
    assert_eq!(drain(&mut node)[0].cold, ms(200));
    assert_eq!(node.stats().executions, 1);
}

#[test]
fn a_slow_node_prolongs_cpu_work_and_no_sleep() {
    let mut node = node();
    node.host(0, Hosting { concurrency: 2, calls_per_instance: 2, ..Hosting::default() });
    node.submit(at(0), cpu(1, 100));
    node.submit(at(0), Job { id: 2, ..sleep(2, 0, 100) });
    node.set_speed(at(50), 0.1);
    let ends = drain(&mut node);
    assert_eq!((ends[0].id, ends[0].at), (2, at(100)));
    assert_eq!((ends[1].id, ends[1].at), (1, at(550)));
    node.set_speed(at(600), 0.0);
    node.submit(at(600), cpu(3, 10));
    assert_eq!(node.next_deadline(), None, "a stalled node finishes nothing");
    node.set_speed(at(700), 2.0);
    assert_eq!(drain(&mut node)[0].at, at(705));
}

#[test]
fn a_quota_of_a_core_is_its_share() {
    let mut node = Executor::new(Machine { cores: 1.5, memory: 0, speed: 1.0 });
    node.host(0, Hosting { concurrency: 3, calls_per_instance: 3, ..Hosting::default() });
    for id in 0..3 {
        node.submit(at(0), cpu(id, 100));
    }
    assert_eq!(drain(&mut node).iter().map(|finished| finished.at).collect::<Vec<_>>(), [at(200); 3]);
    assert_eq!(node.stats().core_busy, ms(300));
    node.submit(at(1_000), cpu(4, 100));
    assert_eq!(drain(&mut node)[0].exec, ms(100), "one call uses one core at most");
}

#[test]
fn forwarding_takes_cores_from_the_calls() {
    let mut node = node();
    node.host(0, Hosting::default());
    node.submit(at(0), cpu(1, 100));
    node.charge(at(0), 77, ms(10));
    assert_eq!(node.next_deadline(), Some(at(20)));
    assert_eq!(node.poll(at(20)), Some(Event::Charged { id: 77, at: at(20) }));
    assert_eq!(drain(&mut node)[0].at, at(110));
}

#[test]
fn a_runtime_that_goes_down_loses_its_calls_and_instances_but_no_image() {
    let mut node = node();
    node.host(0, Hosting { pull: ms(1_000), queue_limit: 1, memory: MB, ..Hosting::default() });
    node.submit(at(0), sleep(1, 0, 1_000));
    node.submit(at(0), sleep(2, 0, 1_000));
    node.charge(at(1_490), 5, ms(20));
    let lost = node.stop(at(1_500));
    assert_eq!(
        lost.iter().map(|lost| (lost.id, lost.cut.started)).collect::<Vec<_>>(),
        [(1, true), (2, false)]
    );
    assert_eq!(lost[0].cut.burnt, ms(200));
    assert_eq!(node.submit(at(1_600), sleep(3, 0, 10)), Submit::Down);
    assert_eq!(node.capacity(0), Capacity::default());
    assert_eq!(node.poll(at(1_600)), Some(Event::Charged { id: 5, at: at(1_510) }));
    node.restart(at(2_000));
    node.submit(at(2_000), sleep(3, 0, 10));
    assert_eq!(drain(&mut node)[0].cold, ms(300));
    assert_eq!((node.stats().pulls, node.stats().cut), (1, 2));
}

#[test]
fn a_late_poll_still_tells_true_times() {
    let mut node = node();
    node.host(0, Hosting { queue_limit: 1, ..Hosting::default() });
    node.submit(at(0), sleep(1, 0, 50));
    node.submit(at(0), sleep(2, 0, 50));
    let times: Vec<Time> = std::iter::from_fn(|| node.poll(at(10_000)))
        .filter_map(|event| if let Event::Finished(finished) = event { Some(finished.at) } else { None })
        .collect();
    assert_eq!(times, [at(350), at(400)]);
}
