//! `sim plot` and `sim report` over runs of the simulator.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod common;

use common::sim;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

const SCENARIO: &str = r#"name = "drawn"
seed = 1
repetitions = 2
[network]
nodes = 20
start = "converged"
latency = "20ms"
[[function]]
name = "f"
providers = 3
service_time = "20ms"
[[phase]]
name = "calls"
duration = "10s"
anycall = { rate = "10/s" }
[[phase]]
name = "map"
duration = "10s"
manycall = { items = 10, every = "5s" }
[[fault]]
name = "crash"
at = "3s"
crash = { share = "10%" }
"#;

/// A run of the scenario, with what is set.
fn drawn(folder: &TempDir, set: &[&str]) -> PathBuf {
    let file = folder.path().join("drawn.toml");
    fs::write(&file, SCENARIO).unwrap();
    let mut command = sim();
    command.arg(&file).args(["--quiet", "--output"]).arg(folder.path().join("results"));
    for key in set {
        command.args(["--set", key]);
    }
    let before = runs(folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    runs(folder).into_iter().find(|run| !before.contains(run)).unwrap()
}

fn runs(folder: &TempDir) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.path().join("results/drawn"));
    entries.map(|entries| entries.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    fs::read_dir(folder).unwrap().map(entry).collect()
}

fn plot(words: &[&str], runs: &[&Path], output: &Path) -> Output {
    sim().arg("plot").args(runs).args(words).arg("--output").arg(output).output().unwrap()
}

#[test]
fn figures_are_the_same_every_time_small_and_those_left_out_are_said() {
    let folder = TempDir::new().unwrap();
    let run = drawn(&folder, &[]);
    let (once, twice) = (folder.path().join("once"), folder.path().join("twice"));
    let output = plot(&["--format", "svg,png", "--dpi", "72"], &[&run], &once);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("left out: sweep: no factor has more than one level"), "{said}");
    assert!(plot(&["--format", "svg,png", "--dpi", "72", "--quiet"], &[&run], &twice).stdout.is_empty());
    let drawn = files(&once);
    assert_eq!(drawn, files(&twice));
    assert_eq!(drawn.len(), 16, "all figures but `sweep`, in two formats: {:?}", drawn.keys());
    assert!(drawn.values().all(|bytes| bytes.len() < 300 * 1024));
    assert!(drawn.iter().all(|(name, bytes)| name.ends_with(".svg") == bytes.starts_with(b"<svg ")));
    // The run is still the one that was written.
    let verified = sim().args(["verify", "--quiet"]).arg(&run).output().unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn several_runs_are_overlaid_and_named_by_what_they_differ_in() {
    let folder = TempDir::new().unwrap();
    let (one, two) = (drawn(&folder, &[]), drawn(&folder, &["seed=2"]));
    let figures = folder.path().join("figures");
    let output = plot(&["--only", "latency-ecdf", "--width", "double"], &[&one, &two], &figures);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let drawn = files(&figures);
    assert_eq!(drawn.keys().collect::<Vec<_>>(), ["latency-ecdf.svg"]);
    let svg = String::from_utf8_lossy(&drawn["latency-ecdf.svg"]);
    assert!(svg.contains("width=\"7.16in\""));
    for text in ["seed:", "1", "2", "calls", "map (items)", "Latency (ms)", "Share of calls"] {
        assert!(svg.contains(&format!(">\n{text}\n</text>")), "{text}");
    }
}

#[test]
fn what_cannot_be_drawn_is_refused_with_the_place() {
    let folder = TempDir::new().unwrap();
    let run = drawn(&folder, &[]);
    let figures = folder.path().join("figures");
    let refused = |words: &[&str], run: &Path, says: &[&str]| {
        for command in ["plot", "report"] {
            if command == "report" && !words.iter().all(|word| *word == "--variant" || word.contains('=')) {
                continue;
            }
            let output =
                sim().arg(command).arg(run).args(words).arg("--output").arg(&figures).output().unwrap();
            let message = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{command} {words:?}: {message}");
            for word in says {
                assert!(message.contains(word), "{command}: `{message}` does not say `{word}`");
            }
            assert!(!figures.exists(), "something was written");
        }
    };
    refused(&["--only", "pie"], &run, &["`pie` is no figure; there are latency-ecdf, "]);
    refused(&["--only", "sweep"], &run, &["sweep: no factor has more than one level"]);
    refused(&["--variant", "providers=2"], &run, &["no variant has providers=2; the runs have no sweep"]);
    refused(&[], folder.path(), &["manifest.json"]);

    // One cell that is no number, in a file of the same size.
    let path = run.join("calls.csv");
    let whole = fs::read_to_string(&path).unwrap();
    let third = whole.lines().nth(2).unwrap();
    let broken = third.replacen(",ok,", ",OK,", 1);
    assert_ne!(third, broken);
    fs::write(&path, whole.replacen(third, &broken, 1)).unwrap();
    refused(&[], &run, &["calls.csv:3: outcome: `OK` is no outcome"]);
    // Cut off.
    fs::write(&path, &whole[..whole.len() - 10]).unwrap();
    refused(&[], &run, &["calls.csv: has ", "cut off"]);
    fs::write(&path, &whole).unwrap();
    // A file of another run with as many bytes.
    let of_other = whole.replacen(&whole.lines().nth(1).unwrap()[..16], "0123456789abcdef", 1);
    fs::write(&path, of_other).unwrap();
    refused(&[], &run, &["calls.csv:2: run: `0123456789abcdef`"]);
}

#[test]
fn a_file_that_the_scenario_leaves_out_leaves_its_figures_out() {
    let folder = TempDir::new().unwrap();
    let run = drawn(&folder, &["output.lookups=false", "output.calls=false"]);
    let figures = folder.path().join("figures");
    let output = plot(&[], &[&run], &figures);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("left out: latency-ecdf: calls.csv has no rows; `[output]`"), "{said}");
    assert_eq!(files(&figures).keys().collect::<Vec<_>>(), ["load.svg", "over-time.svg"]);
}

#[test]
fn a_report_is_one_page_that_says_how_to_make_the_run_again() {
    let folder = TempDir::new().unwrap();
    let run = drawn(&folder, &[]);
    let output = sim().arg("report").arg(&run).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 8);
    for text in [
        "drawn.toml",
        "calls.csv",
        "latency_with_failures",
        "Along the sweep: no factor has more than one level",
    ] {
        assert!(page.contains(text), "{text}");
    }
    for outside in ["<script", "<link", "<img", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn the_list_names_every_figure() {
    let output = sim().args(["plot", "--list"]).output().unwrap();
    assert!(output.status.success());
    let list = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names.len(), 9);
    let documented =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/figures.md")).unwrap();
    for name in names {
        assert!(documented.contains(&format!("| `{name}` |")), "{name}");
    }
}
