//! Runs of the program, and what they wrote.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(unreachable_pub)]

pub mod cuts;
pub mod deaths;
pub mod engine;
pub mod gateways;

use assert_cmd::cargo::cargo_bin;
use edge_faas_core::results::MemoryFolder;
use edge_faas_core::scenario::Scenario;

use edge_faas_harness::calibrate;
use edge_faas_sim::engine::Inputs;
use edge_faas_sim::folder::Disk;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// A row, by column.
pub type Row = BTreeMap<String, String>;

/// The folder of the workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The program of a node: cargo builds it for its own package's tests only.
pub fn node() -> &'static Path {
    static NODE: OnceLock<PathBuf> = OnceLock::new();
    NODE.get_or_init(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "edge-faas-node", "--bin", "edge-faas"])
            // Set for this test by cargo; a build script that looks at it would run again, and all that depends on it.
            .env_remove("CARGO_MANIFEST_DIR")
            .current_dir(workspace())
            .status()
            .unwrap();
        assert!(built.success());
        cargo_bin("harness").parent().unwrap().join("edge-faas")
    })
}

/// The program of a node for containers, if `scripts/build-static-node` has built it.
pub fn static_node() -> Option<PathBuf> {
    let named = std::env::var_os("EDGE_FAAS_STATIC_NODE").map(PathBuf::from);
    let target = cargo_bin("harness").parent()?.parent()?.to_owned();
    let built = target.join(format!("{}-unknown-linux-gnu/debug/edge-faas", std::env::consts::ARCH));
    named.or(Some(built)).filter(|program| program.is_file())
}

/// A place for a test's files. Nodes keep theirs there, too.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// `harness run SCENARIO` with its results in this place.
    pub fn command(&self, scenario: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin("harness"));
        command.arg("run").arg(scenario).arg("--output").arg(self.path().join("results"));
        command.args(more).env("TMPDIR", self.path()).env_remove("EDGE_FAAS_NODE");
        // What is measured on a busy machine decides nothing here.
        command.arg("--allow-bad-links");
        command
    }

    /// What runs left in this place besides results.
    pub fn left(&self) -> Vec<PathBuf> {
        let scratch = std::fs::read_dir(self.path().join("edge-faas-harness"));
        scratch.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }

    /// The folder of the one run that is there; `None` if there is none, nor the beginning of one.
    pub fn run(&self) -> Option<PathBuf> {
        let scenarios = std::fs::read_dir(self.path().join("results")).ok()?;
        let runs =
            scenarios.flatten().flat_map(|scenario| std::fs::read_dir(scenario.path()).unwrap().flatten());
        let mut runs: Vec<PathBuf> = runs.map(|run| run.path()).collect();
        // Those are beside the folder that there would have been.
        runs.retain(|run| !run.to_str().unwrap().ends_with(".failed-logs.tar.gz"));
        assert!(runs.len() <= 1, "{runs:?}");
        runs.pop()
    }

    /// The rows of a file of the run.
    pub fn rows(&self, file: &str) -> Vec<Row> {
        rows(&std::fs::read(self.run().expect("a run").join(file)).unwrap())
    }
}

/// The rows of a CSV file. No cell of these tests has a line break in it.
pub fn rows(bytes: &[u8]) -> Vec<Row> {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let cells = cells(line);
        assert_eq!(cells.len(), header.len(), "{line}");
        header.iter().map(|name| (*name).to_owned()).zip(cells).collect()
    };
    lines.map(row).collect()
}

/// A cell that holds a whole number.
pub fn number(row: &Row, column: &str) -> i64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} of {row:?}"))
}

/// The cells of a line; in a quoted one, a quote is doubled.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    let mut rest = line.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '"' if quoted && rest.peek() == Some(&'"') => cells.last_mut().unwrap().extend(rest.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            next => cells.last_mut().unwrap().push(next),
        }
    }
    cells
}

/// These columns of the rows of a phase, sorted.
pub fn columns(rows: &[Row], phase: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let of = |row: &Row| columns.iter().map(|column| row[*column].clone()).collect();
    let mut found: Vec<Vec<String>> = rows.iter().filter(|row| row["phase"] == phase).map(of).collect();
    found.sort();
    found
}

/// The files of a run of the simulator.
pub struct Simulated(MemoryFolder);

impl Simulated {
    /// The rows of a file of the run.
    pub fn rows(&self, file: &str) -> Vec<Row> {
        rows(self.0.get(file).unwrap())
    }
}

/// Repetition 0 of a scenario without a sweep, in the simulator.
pub fn simulated(scenario: &Path) -> Simulated {
    let loaded = Scenario::load(scenario.to_str().unwrap(), &Disk, &[]).unwrap();
    let variant = &loaded.variants[0];
    let inputs = Inputs::read(&variant.scenario).unwrap();
    Simulated(calibrate::simulated(variant, &inputs).unwrap())
}

/// A program in this place: a script for the shell, in whose arguments `$3` is the node's folder and `$5` its HTTP address.
pub fn script(place: &Place, lines: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let script = place.file("node", &format!("#!/bin/sh\n{lines}\n"));
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

/// The files of packed logs, by name.
pub fn unpacked(path: &Path) -> BTreeMap<String, String> {
    use std::io::Read;
    let file = std::fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let text = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let (name, mut text) = (entry.path().unwrap().display().to_string(), String::new());
        entry.read_to_string(&mut text).unwrap();
        (name, text)
    };
    archive.entries().unwrap().map(text).collect()
}

/// How much later than in the simulator something may happen: what a busy machine takes to take a node down, and to
/// notice it.
const LATE_US: i64 = 750_000;

/// Fails if something happened to by far more, or fewer, calls than in the simulator: it depends on the instant.
pub fn assert_so_many(predicted: usize, real: usize, what: &str) {
    assert!((predicted / 3..=predicted * 3).contains(&real), "{what}: {predicted} predicted, {real} real");
}

/// Fails if something happened at another instant than in the simulator, both in microseconds.
pub fn assert_in_time(predicted: i64, real: i64, what: &str) {
    assert!((real - predicted).abs() <= LATE_US, "{what}: {predicted} us predicted, {real} us real");
}

/// Fails with what a program said, if it did not succeed.
pub fn succeeded(output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
}

/// What a program said to standard error.
pub fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Processes whose command line contains `text`.
pub fn processes(text: &str) -> usize {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let named = |line: &Vec<u8>| {
        let line = String::from_utf8_lossy(line);
        line.contains(text) && line.contains("--state")
    };
    lines.filter(named).count()
}

/// A small scenario with each kind of phase: an open loop, a closed one, manycalls.
pub const SMALL: &str = r#"
name = "small"
seed = 7
[network]
nodes = 4
settle = "200ms"
latency = "4ms"
[[function]]
name = "task"
copies = 2
providers = 2
service_time = { exponential = "2ms" }
request = { uniform = { low = "0B", high = "4KiB" } }
response = "2KiB"
[[phase]]
name = "open"
duration = "2s"
anycall = { rate = "40/s" }
[[phase]]
name = "closed"
duration = "20s"
anycall = { clients = 3, calls = 40 }
[[phase]]
name = "map"
duration = "2s"
manycall = { items = 25, every = "1s", policy = "static" }
"#;

/// What holds for every run of [`SMALL`], whatever its nodes ran as.
pub fn check_small(place: &Place, scenario: &Path, backend: &str) {
    let real = place.rows("calls.csv");
    let simulated = simulated(scenario).rows("calls.csv");
    assert_eq!(real.len(), simulated.len(), "every call is accounted for");
    let open =
        ["phase", "call", "map", "item", "function", "entry", "policy", "scheduled_us", "request_bytes"];
    for phase in ["open", "map"] {
        assert_eq!(columns(&real, phase, &open), columns(&simulated, phase, &open));
    }
    let closed = ["phase", "call", "map", "item", "function", "entry", "policy", "request_bytes"];
    assert_eq!(columns(&real, "closed", &closed), columns(&simulated, "closed", &closed));
    for row in &real {
        assert_eq!((row["source"].as_str(), row["outcome"].as_str()), (backend, "ok"), "{row:?}");
        let number = |column: &str| row[column].parse::<i64>().unwrap_or(0);
        let parts = ["lag", "lookup", "dispatch", "retry", "connect", "network", "queue", "cold", "exec"];
        let sum: i64 = parts.iter().map(|part| number(&format!("{part}_us"))).sum();
        assert_eq!(number("latency_us"), sum, "{row:?}");
        assert_eq!(number("latency_us"), number("done_us") - number("scheduled_us"));
        assert_eq!(number("response_bytes"), 2_048, "{row:?}");
        assert!(number("attempts") >= 1 && number("executions") >= 1, "{row:?}");
        assert_eq!(number("forwards"), i64::from(row["provider"] != row["entry"]), "{row:?}");
        // A link takes its time: twice 2 ms lie between two nodes.
        assert!(row["forwards"] == "0" || number("network_us") >= 4_000, "{row:?}");
    }
    let attempts = place.rows("attempts.csv");
    assert_eq!(attempts.iter().filter(|attempt| attempt["won"] == "true").count(), real.len());
    let links = place.rows("links.csv");
    assert_eq!(links.len(), 2 * 6, "every pair, before and after");
    for link in &links {
        assert_eq!((link["method"].as_str(), link["asked_rtt_us"].as_str()), ("transport", "4000"));
        assert!(link["rtt_p50_us"].parse::<i64>().unwrap() >= 4_000, "{link:?}");
    }
    let executions =
        |rows: &[Row]| rows.iter().map(|row| row["executions"].parse::<u64>().unwrap()).sum::<u64>();
    assert_eq!(executions(&place.rows("nodes.csv")), executions(&real));
    assert!(!place.rows("lookups.csv").is_empty());
    assert_eq!(place.left(), Vec::<PathBuf>::new());
    let manifest = std::fs::read(place.run().unwrap().join("manifest.json")).unwrap();
    edge_faas_core::results::Manifest::read(manifest.as_slice()).expect("a manifest whose hashes hold");
}
