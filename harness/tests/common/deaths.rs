//! Nodes that die under calls: which calls are hit, and for how long. The story has to be the same in both worlds.

use super::{Place, Row, assert_in_time, assert_so_many, number, simulated};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One provider is killed, later another one goes silent; of two functions, calls of one may be repeated. About five calls
/// of each function are in progress at a provider at any time.
pub const DEATHS: &str = r#"
name = "deaths"
seed = 5
[network]
nodes = 5
settle = "200ms"
latency = "10ms"
[[function]]
name = "again"
providers = { nodes = ["1-3"] }
service_time = "300ms"
work = "sleep"
concurrency = 64
idempotent = true
[[function]]
name = "once"
providers = { nodes = ["1-3"] }
service_time = "300ms"
work = "sleep"
concurrency = 64
idempotent = false
[[phase]]
name = "open"
duration = "8s"
anycall = { every = "10ms", entry = { nodes = [4] }, policy = "round-robin" }
[[fault]]
at = "1500ms"
for = "2s"
kill = { nodes = [1] }
[[fault]]
at = "4500ms"
for = "2500ms"
power_off = { nodes = [2] }
"#;

/// What a death did to calls. Instants count from the death, in microseconds.
#[derive(Debug)]
struct Story {
    /// Calls that were lost with the node and repeated elsewhere.
    repeated: usize,
    /// Calls that were lost with it for good.
    unknown: usize,
    /// When the last call was sent to the dead.
    last_sent: i64,
    /// When the last of them was known to be lost.
    last_lost: i64,
    /// When the last call that was hit had ended.
    over: i64,
}

/// Reads a death out of a run, and holds what must be true of it in any world.
fn story(rows: &dyn Fn(&str) -> Vec<Row>, victim: &str) -> Story {
    let (calls, attempts, events) = (rows("calls.csv"), rows("attempts.csv"), rows("events.csv"));
    let death = events.iter().find(|event| event["node"] == victim).expect("a death");
    let at = number(death, "time_us");
    let back = events.iter().find(|event| event["kind"] == "restart" && event["fault"] == death["fault"]);
    let back = number(back.expect("a return"), "time_us");
    let calls: BTreeMap<&str, &Row> = calls.iter().map(|call| (call["call"].as_str(), call)).collect();
    let lost: Vec<&Row> = attempts
        .iter()
        .filter(|attempt| attempt["provider"] == victim && attempt["outcome"] == "lost")
        .collect();
    let mut story =
        Story { repeated: 0, unknown: 0, last_sent: i64::MIN, last_lost: i64::MIN, over: i64::MIN };
    for attempt in lost {
        let call = calls[attempt["call"].as_str()];
        // Those that were in progress when it died, and those that were sent before it was known to be dead.
        let (start, end) = (number(attempt, "start_us"), number(attempt, "end_us"));
        assert!(start < back && end >= at, "death at {at}, back at {back}: {attempt:?}");
        match call["function"].as_str() {
            "again" => {
                assert_eq!((call["outcome"].as_str(), call["attempts"].as_str()), ("ok", "2"), "{call:?}");
                assert_ne!(call["provider"], victim);
                story.repeated += 1;
            }
            _ => {
                let told = (call["outcome"].as_str(), call["attempts"].as_str());
                assert_eq!(told, ("unknown", "1"), "{call:?}");
                story.unknown += 1;
            }
        }
        story.last_sent = story.last_sent.max(start - at);
        story.last_lost = story.last_lost.max(end - at);
        story.over = story.over.max(number(call, "done_us") - at);
    }
    assert!(story.repeated > 0 && story.unknown > 0, "nobody was called: {story:?}");
    story
}

/// The rows of a run's file of this name.
type Files<'a> = &'a dyn Fn(&str) -> Vec<Row>;

/// What holds for every run of [`DEATHS`], whatever its nodes ran as.
pub fn check_deaths(place: &Place, scenario: &Path) {
    let simulated = simulated(scenario);
    let real = |file: &str| place.rows(file);
    let predicted = |file: &str| simulated.rows(file);
    let worlds: [Files<'_>; 2] = [&predicted, &real];
    for rows in worlds {
        let attempts = rows("attempts.csv");
        let hit: BTreeSet<&str> = attempts
            .iter()
            .filter(|attempt| attempt["outcome"] != "ok")
            .map(|attempt| {
                assert!(["node-1", "node-2"].contains(&attempt["provider"].as_str()), "{attempt:?}");
                assert_eq!(attempt["outcome"], "lost", "{attempt:?}");
                attempt["call"].as_str()
            })
            .collect();
        for call in rows("calls.csv") {
            // Whoever had nothing to do with the dead noticed nothing.
            if !hit.contains(call["call"].as_str()) {
                assert_eq!((call["outcome"].as_str(), call["attempts"].as_str()), ("ok", "1"), "{call:?}");
            }
        }
    }
    for victim in ["node-1", "node-2"] {
        let [predicted, real] = worlds.map(|rows| story(rows, victim));
        eprintln!("{victim}:\n  predicted {predicted:?}\n  real      {real:?}");
        // In progress at one node at one instant, or over a second and a half: it depends on the instant.
        for (predicted, real) in [(predicted.repeated, real.repeated), (predicted.unknown, real.unknown)] {
            assert_so_many(predicted, real, victim);
        }
        for (predicted, real) in [
            (predicted.last_sent, real.last_sent),
            (predicted.last_lost, real.last_lost),
            (predicted.over, real.over),
        ] {
            assert_in_time(predicted, real, victim);
        }
    }
}
