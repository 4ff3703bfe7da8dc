//! Every scenario that ships is valid, and the small ones run.

#![allow(clippy::unwrap_used)]

mod common;

use common::{check_items, run_shipped, scenarios, sim, success};
use std::fs;
use std::path::{Path, PathBuf};

fn shipped() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(scenarios())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(files.len() >= 13, "{files:?}");
    files
}

/// The files that a scenario names and that do not ship.
fn missing(text: &str, folder: &Path) -> Vec<String> {
    ["matrix = \"", "invocations = \"", "durations = \"", "azure2021 = \"", "trace = \""]
        .iter()
        .flat_map(|key| text.split(key).skip(1).filter_map(|rest| rest.split('"').next()))
        .filter(|file| !folder.join(file).exists())
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_scenario_that_ships_is_valid() {
    for file in shipped() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# "), "{}: opens with the question it answers", file.display());
        let missing = missing(&text, &scenarios());
        if !missing.is_empty() {
            println!("skipped {}: {missing:?} are not here", file.display());
            continue;
        }
        let output = sim().arg("check").arg(&file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn ten_nodes_run_and_every_call_succeeds() {
    let run = run_shipped("10-nodes.toml", &[]);
    let calls = run.calls();
    assert_eq!(check_items(&calls, 20), 2);
    assert_eq!(success(&calls), 1.0);
}

#[test]
fn the_partition_heals() {
    let run = run_shipped("partition.toml", &["--repetitions", "1", "--set", "network.nodes=100"]);
    let calls = run.calls();
    assert!(success(calls.iter().filter(|call| call.scheduled < 1_000_000)) > 0.99);
    let end = calls.iter().map(|call| call.scheduled).max().unwrap();
    assert!(success(calls.iter().filter(|call| call.scheduled > end - 10_000_000)) > 0.99);
}

#[test]
fn a_thousand_nodes_made_smaller_run() {
    let run = run_shipped(
        "1000-nodes.toml",
        &["--repetitions", "1", "--set", "network.nodes=150", "--set", "phase.steady.duration=200s"],
    );
    let calls = run.calls();
    assert!(success(&calls) >= 0.995);
}
