//! What each discovery brings and costs, in small networks.

#![allow(clippy::unwrap_used)]

use edge_faas_core::results::{
    MemoryFolder, MemoryScratch, PhasePlan, RepetitionPlan, RepetitionWriter, RunContext, RunWriter, Source,
};
use edge_faas_core::scenario::{Loader, Scenario};
use edge_faas_core::time::Time;
use edge_faas_sim::engine::{Engine, Inputs, Totals};
use std::collections::BTreeMap;
use std::io;

/// A scenario's text as its only file.
struct Text(String);

impl Loader for Text {
    fn load(&self, _: &str) -> io::Result<Vec<u8>> {
        Ok(self.0.clone().into_bytes())
    }
}

/// What a run wrote.
struct Run {
    files: BTreeMap<String, Vec<u8>>,
    hash: String,
    totals: Totals,
}

/// One row, by column.
type Row = BTreeMap<String, String>;

impl Run {
    fn rows(&self, file: &str) -> Vec<Row> {
        let mut reader = csv::Reader::from_reader(self.files[file].as_slice());
        reader.deserialize().map(Result::unwrap).collect()
    }

    fn outcomes(&self) -> BTreeMap<String, usize> {
        let mut outcomes = BTreeMap::new();
        for row in self.rows("calls.csv") {
            *outcomes.entry(row["outcome"].clone()).or_default() += 1;
        }
        outcomes
    }

    fn ok(&self) -> f64 {
        let outcomes = self.outcomes();
        let all: usize = outcomes.values().sum();
        outcomes.get("ok").copied().unwrap_or(0) as f64 / all as f64
    }

    /// The sum of a column of `nodes.csv`.
    fn sum(&self, column: &str) -> u64 {
        self.rows("nodes.csv").iter().map(|row| row[column].parse::<u64>().unwrap()).sum()
    }
}

/// The common scenario: `nodes` nodes, five functions at three providers each, ten calls a second for 20 seconds.
fn text(discovery: &str, nodes: u32, more: &str) -> String {
    format!(
        r#"
name = "d"
seed = 5
discovery = {discovery}
[network]
nodes = {nodes}
start = "converged"
settle = "5s"
latency = "40ms"
[[function]]
name = "f"
copies = 5
providers = 3
service_time = "20ms"
[[phase]]
name = "p"
duration = "20s"
{more}
"#
    )
}

const CALLS: &str = r#"anycall = { rate = "10/s", request = "2KiB", response = "8KiB", deadline = "30s" }"#;

fn run(text: &str) -> Run {
    let loaded =
        Scenario::load("d.toml", &Text(text.to_owned()), &[]).unwrap_or_else(|error| panic!("{error}"));
    let scenario = &loaded.variants[0].scenario;
    let inputs = Inputs::read(scenario).unwrap();
    let context = RunContext {
        run: "r".into(),
        source: Source::Sim,
        scenario: scenario.name.clone(),
        variant: String::new(),
        repetition: Some(0),
        seed: scenario.seed,
    };
    let phases = vec![PhasePlan {
        name: "p".into(),
        start: Time::ZERO,
        duration: Some(scenario.phases[0].duration),
        measure: true,
    }];
    let plan = RepetitionPlan { phases, without: Vec::new() };
    let writer = RepetitionWriter::new(&context, &plan, &mut MemoryScratch).unwrap();
    let mut engine = Engine::new(scenario, &inputs, 0, writer, None).unwrap();
    let mut rounds = 0;
    while engine.run(1 << 16).unwrap() {
        rounds += 1;
        assert!(rounds < 100, "the run does not end, at {:?}", engine.now());
    }
    let totals = engine.totals();
    let mut writer = RunWriter::new(MemoryFolder::default(), Source::Sim).unwrap();
    writer.append(engine.finish().unwrap()).unwrap();
    let (folder, written) = writer.finish().unwrap();
    let files = folder.files().map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect();
    Run { files, hash: written.run_hash, totals }
}

const KINDS: [&str; 5] = [
    "\"kademlia\"",
    "{ kind = \"central\", node = 0 }",
    "{ kind = \"full\", fanout = 4 }",
    "{ kind = \"flood\", ttl = 6, degree = 4 }",
    "\"oracle\"",
];

#[test]
fn every_kind_finds_providers_and_the_parts_of_each_call_sum() {
    for kind in KINDS {
        for start in ["converged", "join"] {
            let run = run(&text(kind, 40, CALLS).replace("\"converged\"", &format!("\"{start}\"")));
            // A rumour reaches nearly all.
            let least = if kind.contains("full") { 0.97 } else { 1.0 };
            assert!(run.ok() >= least, "{kind} {start}: {:?}", run.outcomes());
            for row in run.rows("calls.csv") {
                let number = |column: &str| row[column].parse::<i64>().unwrap_or(0);
                let parts = ["lag_us", "lookup_us", "dispatch_us", "retry_us", "connect_us", "network_us"];
                let parts = parts.into_iter().chain(["queue_us", "cold_us", "exec_us"]).map(number);
                let parts: Vec<i64> = parts.collect();
                assert_eq!(parts.iter().sum::<i64>(), number("latency_us"), "{kind}");
                assert!(parts.iter().all(|part| *part >= 0), "{kind}: {parts:?}");
            }
        }
    }
}

#[test]
fn without_discovery_only_what_is_hosted_at_the_entry_is_found() {
    let run = run(&text("\"none\"", 10, CALLS));
    let rows = run.rows("calls.csv");
    let local = rows.iter().filter(|row| row["outcome"] == "ok").count();
    assert!(local > 20 && local < rows.len() / 2, "three of ten nodes host a function: {local}");
    for row in rows {
        match row["outcome"].as_str() {
            "ok" => assert_eq!(row["entry"], row["provider"]),
            other => assert_eq!(other, "not_found"),
        }
    }
}

#[test]
fn each_kind_pays_for_its_own_messages() {
    let runs: Vec<Run> = KINDS.iter().map(|kind| run(&text(kind, 60, CALLS))).collect();
    let [kademlia, central, full, flood, oracle] = runs.as_slice() else { unreachable!() };
    let lookup = |run: &Run| run.sum("lookup_messages_out");
    assert!(lookup(kademlia) > 0);
    let floods = flood.rows("lookups.csv");
    let asked: u64 = floods.iter().map(|row| row["requests"].parse::<u64>().unwrap()).sum();
    let answers: usize = floods.iter().map(|row| row["found"].parse::<usize>().unwrap()).sum();
    assert!(
        asked as usize >= floods.len() * 60,
        "a flood that reaches everybody takes more messages than there are nodes: {asked}"
    );
    // All that was sent is in the rows, but for queries that were under way when the run ended.
    let (sent, told) = (lookup(flood), asked + answers as u64);
    assert!(told <= sent && sent < told + told / 20, "{sent} {told}");
    let requests = |run: &Run| {
        let rows = run.rows("lookups.csv");
        let calls: Vec<u64> = rows
            .iter()
            .filter(|row| row["purpose"] == "call")
            .map(|row| row["requests"].parse().unwrap())
            .collect();
        calls.iter().sum::<u64>() as f64 / calls.len() as f64
    };
    assert!(requests(flood) > 3.0 * requests(kademlia), "{} {}", requests(flood), requests(kademlia));
    for run in [central, full, oracle] {
        assert_eq!(lookup(run), 0);
        assert!(run.rows("lookups.csv").is_empty());
    }
    for run in [flood, oracle] {
        assert_eq!(run.sum("records_messages_out"), 0);
    }
    for run in [central, full, flood, oracle] {
        assert_eq!(run.sum("table_size"), 0);
    }
    assert_eq!(oracle.totals.messages, 0);
}

#[test]
fn announcing_costs_a_round_trip_centrally_and_a_rumour_to_everybody_with_directories() {
    let more = format!("{CALLS}\n[kademlia]\nrepublish_interval = \"10s\"\nprovider_ttl = \"30s\"");
    let central = run(&text(KINDS[1], 60, &more));
    // 15 deployments (less what the gateway hosts itself) announced twice in 20 s, each acknowledged.
    let messages = central.sum("records_messages_out");
    assert!((48..=66).contains(&messages), "{messages}");
    assert_eq!(central.ok(), 1.0);
    let full = run(&text(KINDS[2], 60, &more));
    let messages = full.sum("records_messages_out");
    // 30 rumours that nearly all of 60 nodes pass on four times each.
    assert!((30 * 60 * 3..=33 * 60 * 4).contains(&messages), "{messages}");
    assert_eq!(full.ok(), 1.0);
}

#[test]
fn both_bodies_pass_through_the_gateway() {
    let run = run(&text(KINDS[1], 40, CALLS));
    let nodes = run.rows("nodes.csv");
    let bytes = |row: &Row, column: &str| row[column].parse::<u64>().unwrap();
    let all: u64 = nodes.iter().map(|row| bytes(row, "calls_bytes_out")).sum();
    let gateway = bytes(&nodes[0], "calls_bytes_out");
    assert!(
        gateway as f64 > 0.4 * all as f64,
        "it sends every request on and every answer back: {gateway} of {all}"
    );
    let rows = run.rows("calls.csv");
    let routed: Vec<&Row> =
        rows.iter().filter(|row| row["entry"] != "node-0" && row["provider"] != "node-0").collect();
    assert!(routed.len() > 100);
    for row in routed {
        assert_eq!((row["forwards"].as_str(), row["attempts"].as_str()), ("2", "1"));
        // Two ways there and two back, 20 ms each, and what carries nothing yet: dials.
        assert!(row["network_us"].parse::<i64>().unwrap() >= 80_000, "{row:?}");
        assert_eq!(row["exec_us"], "20000");
    }
}

fn faulty(kind: &str, fault: &str) -> Run {
    let more = format!("{CALLS}\n[[fault]]\nat = \"8s\"\n{fault}\n");
    run(&text(kind, 40, &more))
}

#[test]
fn a_dead_gateway_takes_every_call_with_it_and_a_dead_node_of_the_dht_does_not() {
    for (fault, outcome) in [("kill", "unreachable"), ("power_off", "timeout")] {
        let fault = format!("{fault} = {{ nodes = [0] }}");
        let central = faulty(KINDS[1], &fault);
        for row in central.rows("calls.csv") {
            let at: i64 = row["scheduled_us"].parse().unwrap();
            let ok = row["outcome"] == "ok";
            if at > 8_000_000 {
                // The entry's connection may still look open: then it notices that nothing comes back.
                let expected = [outcome, "entry_down", "unknown"];
                let local = row["outcome"].as_str();
                assert!(expected.contains(&local), "{row:?}");
            } else if at < 7_500_000 {
                assert!(ok, "{row:?}");
            } else {
                assert!(
                    ok || ["unknown", "unreachable", "entry_lost"].contains(&row["outcome"].as_str()),
                    "{row:?}"
                );
            }
        }
        let outcomes = central.outcomes();
        assert!(outcomes.get(outcome).copied().unwrap_or(0) > 30, "{outcomes:?}");
        let kademlia = faulty(KINDS[0], &fault);
        assert!(kademlia.ok() > 0.9, "{:?}", kademlia.outcomes());
    }
}

#[test]
fn a_gateway_that_returns_learns_its_providers_again() {
    let central = faulty(KINDS[1], "kill = { nodes = [0] }\nfor = \"2s\"");
    let late: Vec<Row> = central
        .rows("calls.csv")
        .into_iter()
        .filter(|row| row["scheduled_us"].parse::<i64>().unwrap() > 19_000_000)
        .collect();
    // Who had an open connection registers again after 10 s; the others would with their next announcement.
    let ok = late.iter().filter(|row| row["outcome"] == "ok").count();
    assert!(ok > 0, "{:?}", central.outcomes());
}

#[test]
fn a_manycall_runs_at_the_gateway() {
    let more = r#"manycall = { items = 30, every = "2s", deadline = "20s" }"#;
    for policy in ["static", "late-binding", "backup"] {
        let more = more.replace("items", &format!("policy = \"{policy}\", items"));
        let run = run(&text(KINDS[1], 20, &more));
        assert_eq!(run.ok(), 1.0, "{policy}: {:?}", run.outcomes());
        assert_eq!(run.rows("calls.csv").len(), 300);
    }
    for fault in ["kill = { nodes = [0] }", "power_off = { nodes = [0] }", "partition = { nodes = [0] }"] {
        // It must end, whatever happens to the gateway.
        let more =
            format!("{more}\n[[fault]]\nat = \"4050ms\"\n{fault}\n").replace(", deadline = \"20s\"", "");
        let run = run(&text(KINDS[1], 20, &more));
        let outcomes = run.outcomes();
        assert_eq!(outcomes.values().sum::<usize>(), 300, "{fault}: {outcomes:?}");
        assert!(outcomes["ok"] >= 60 && !outcomes.contains_key("unfinished"), "{fault}: {outcomes:?}");
        assert!(outcomes["ok"] < 300, "{fault}: {outcomes:?}");
    }
}

#[test]
fn a_node_that_joins_late_copies_the_directory() {
    let fault = "power_off = { nodes = [5, 6, 7, 8, 9] }\nfor = \"4s\"";
    let full = faulty(KINDS[2], fault);
    for row in full.rows("calls.csv") {
        if row["scheduled_us"].parse::<i64>().unwrap() > 14_000_000 {
            assert_eq!(row["outcome"], "ok", "{row:?}");
        }
    }
}

#[test]
fn churn_and_partitions_leave_no_kind_hanging() {
    for kind in KINDS.iter().chain(&["\"none\""]) {
        let more = format!(
            "{CALLS}\n[churn]\nsession = {{ exponential = \"15s\" }}\ngap = {{ exponential = \"5s\" }}\nleave = \"30%\"\nfresh = true\n[[fault]]\nat = \"5s\"\npartition = {{ nodes = [0, 1, 2, 3, 4, 5] }}\nfor = \"5s\"\n"
        );
        let run = run(&text(kind, 30, &more));
        assert!(!run.outcomes().contains_key("unfinished"), "{kind}: {:?}", run.outcomes());
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for kind in KINDS {
        let more = format!(
            "{CALLS}\n[churn]\nsession = {{ exponential = \"1min\" }}\ngap = {{ exponential = \"10s\" }}\n"
        );
        let text = text(kind, 30, &more);
        assert_eq!(run(&text).hash, run(&text).hash, "{kind}");
    }
}
