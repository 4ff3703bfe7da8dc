//! Files of a run folder, damaged: refused or read, never a panic.
#![cfg(feature = "results")]
#![allow(clippy::unwrap_used)]

#[path = "../fuzz/bodies/results.rs"]
mod bodies;

use edge_faas_core::draws::{Draws, Purpose, Stream};
use edge_faas_core::results::{
    CallParts, CallRecord, Cost, EventKind, EventRecord, Host, Manifest, MemoryFolder, MemoryScratch, Name,
    Outcome, Program, RepetitionPlan, RepetitionWriter, RunContext, RunWriter, SCHEMA, Source, run_id,
};
use serde_json::json;

/// A small run: a few calls, an event, and what follows from them.
fn run() -> (MemoryFolder, Vec<u8>) {
    let scenario = json!({"name": "damage", "network": {"nodes": 3, "loss": 0.25}});
    let context = RunContext {
        run: run_id(&scenario, 7),
        source: Source::Sim,
        scenario: "damage".into(),
        variant: String::new(),
        repetition: Some(0),
        seed: 7,
    };
    let plan = RepetitionPlan::default();
    let mut repetition = RepetitionWriter::new(&context, &plan, &mut MemoryScratch).unwrap();
    for call in 0..20_u64 {
        let at = call as i64 * 300_000;
        let parts = CallParts {
            scheduled_us: at,
            done_us: Some(at + 9),
            latency_us: Some(9),
            network_us: Some(9),
            ..CallParts::default()
        };
        let name = Name::Numbered("a \"name\", quoted-", call as u32);
        let record = CallRecord::new(call, name, name, name, name, Outcome::Ok, &parts);
        repetition.call(&record).unwrap();
    }
    let kind = EventKind::Kill;
    let event =
        EventRecord { time_us: -5, kind, fault: Some(0), node: None, detail: Some(Name::Text("a,b")) };
    repetition.event(&event).unwrap();
    let mut run = RunWriter::new(MemoryFolder::default(), Source::Sim).unwrap();
    run.append(repetition.finish().unwrap()).unwrap();
    let (folder, written) = run.finish().unwrap();
    let manifest = Manifest {
        schema: SCHEMA,
        program: Program { name: "sim".into(), version: "0.1.0".into(), git_commit: None },
        command: vec!["sim".into()],
        name: "damage".into(),
        run: context.run,
        run_hash: written.run_hash,
        backend: Source::Sim,
        seed: 7,
        repetitions: 1,
        stopped: None,
        variants: vec![String::new()],
        scenario,
        inputs: Vec::new(),
        files: written.files,
        host: Host { cores: 1, cpu: None, os: "linux".into() },
        real: None,
        cost: Cost::default(),
    };
    let mut bytes = Vec::new();
    manifest.write(&mut bytes).unwrap();
    (folder, bytes)
}

/// Cuts, and changes, drops or adds a few bytes, with those that mean something to CSV and JSON.
fn damage(whole: &[u8], stream: &mut Stream) -> Vec<u8> {
    const BYTES: &[u8] = b"\",\n\r\0-9e\xff{}[]:.";
    let length = if stream.chance(0.5) { whole.len() } else { stream.below(whole.len() as u64 + 1) as usize };
    let mut bytes = whole[..length].to_vec();
    for _ in 0..stream.below(4) {
        let at = stream.below(bytes.len() as u64) as usize;
        let byte = BYTES[stream.below(BYTES.len() as u64) as usize];
        match stream.below(3) {
            _ if bytes.is_empty() => bytes.push(byte),
            0 => bytes[at] = byte,
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, byte),
        }
    }
    bytes
}

#[test]
fn whole_files_are_read_and_cut_ones_refused() {
    let (folder, manifest) = run();
    for (name, whole) in folder.files().filter(|(name, _)| name.ends_with(".csv")) {
        assert!(bodies::csv(whole).is_some(), "{name}");
        assert_eq!(bodies::csv(&whole[..whole.len() - 1]), None, "{name}");
    }
    assert_eq!(folder.get("calls.csv").and_then(bodies::csv), Some(20));
    assert!(bodies::manifest(&manifest));
    assert!(!bodies::manifest(&manifest[..manifest.len() - 2]));
}

#[test]
fn damaged_files_do_not_panic() {
    let (folder, manifest) = run();
    let mut stream = Draws::new(5, 0).stream(Purpose::CHOICE, 0);
    for (_, whole) in folder.files().filter(|(name, _)| name.ends_with(".csv")) {
        for _ in 0..300 {
            bodies::csv(&damage(&whole[..whole.len().min(3000)], &mut stream));
        }
    }
    let refused = (0..1000).filter(|_| !bodies::manifest(&damage(&manifest, &mut stream))).count();
    assert!(refused > 600, "{refused}");
}
