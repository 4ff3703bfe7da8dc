//! Runs of the program into folders that go away, and their rows.

// Every test file has this module, and none uses all of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use assert_cmd::Command;
use edge_faas_core::results::{
    AttemptRecord, CallRecord, EventRecord, MANIFEST, Manifest, NodeRecord, Outcome, Reader, SummaryRecord,
    Table, TimelineRecord,
};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The program.
pub fn sim() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    // A test that hangs is a finding, not a reason to wait: no run here takes more than a few seconds.
    command.timeout(std::time::Duration::from_secs(60));
    command
}

/// The folder of the scenarios that ship.
pub fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// A run's folder.
pub struct Run {
    _keep: TempDir,
    /// Where `manifest.json` is.
    pub folder: PathBuf,
    /// What stands in it.
    pub manifest: Manifest,
    /// What the program printed.
    pub printed: String,
}

/// Runs a scenario given as text.
pub fn run(scenario: &str) -> Run {
    run_with(scenario, &[])
}

/// Runs a scenario given as text, with more words on the command line.
pub fn run_with(scenario: &str, words: &[&str]) -> Run {
    let keep = TempDir::new().unwrap();
    let file = keep.path().join("scenario.toml");
    fs::write(&file, scenario).unwrap();
    run_file(keep, &file, words)
}

/// Runs a scenario that ships, with more words on the command line.
pub fn run_shipped(name: &str, words: &[&str]) -> Run {
    run_file(TempDir::new().unwrap(), &scenarios().join(name), words)
}

fn run_file(keep: TempDir, file: &Path, words: &[&str]) -> Run {
    let output = keep.path().join("results");
    let result = sim().arg(file).args(words).arg("--output").arg(&output).output().unwrap();
    let (printed, errors) =
        (String::from_utf8(result.stdout).unwrap(), String::from_utf8(result.stderr).unwrap());
    assert!(result.status.success(), "{}\n{printed}\n{errors}", result.status);
    let name = only_entry(&output);
    let folder = only_entry(&name);
    let manifest = Manifest::read(File::open(folder.join(MANIFEST)).unwrap()).unwrap();
    Run { _keep: keep, folder, manifest, printed }
}

fn only_entry(folder: &Path) -> PathBuf {
    let entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

/// A row of `calls.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub variant: String,
    pub repetition: u32,
    pub phase: String,
    pub call: u64,
    pub map: Option<u64>,
    pub item: Option<u64>,
    pub function: String,
    pub entry: String,
    pub provider: Option<String>,
    pub policy: String,
    pub scheduled: i64,
    pub sent: Option<i64>,
    pub done: Option<i64>,
    pub latency: Option<i64>,
    /// lag, lookup, dispatch, retry, connect, network, queue, cold, exec.
    pub parts: [Option<i64>; 9],
    pub forwards: u32,
    pub messages: u32,
    pub attempts: u32,
    pub executions: u32,
    pub wasted: i64,
    pub request_bytes: u64,
    pub response_bytes: Option<u64>,
    pub status: Option<u16>,
    pub outcome: Outcome,
}

/// Places of [`Call::parts`].
pub const LAG: usize = 0;
pub const CONNECT: usize = 4;
pub const NETWORK: usize = 5;
pub const QUEUE: usize = 6;
pub const EXEC: usize = 8;
pub const LOOKUP: usize = 1;

/// A row of `attempts.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub variant: String,
    pub repetition: u32,
    pub call: u64,
    pub attempt: u32,
    pub kind: String,
    pub provider: String,
    pub start: i64,
    pub end: Option<i64>,
    pub exec: Option<i64>,
    pub started: Option<bool>,
    pub won: bool,
    pub outcome: String,
}

/// A row of `events.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub repetition: u32,
    pub time: i64,
    pub kind: String,
    pub fault: Option<u32>,
    pub node: Option<String>,
}

/// A row of `summary.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistic {
    pub variant: String,
    pub repetition: Option<u32>,
    pub metric: String,
    pub group: String,
    pub statistic: String,
    pub value: f64,
}

impl Run {
    /// The bytes of one of its files.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.join(name)).unwrap()
    }

    pub fn reader(&self, table: Table) -> Reader<BufReader<File>> {
        let file = File::open(self.folder.join(table.file_name())).unwrap();
        Reader::new(table, BufReader::new(file)).unwrap()
    }

    pub fn calls(&self) -> Vec<Call> {
        let mut reader = self.reader(Table::Calls);
        let mut rows = Vec::new();
        while let Some((context, row)) = reader.next::<CallRecord>().unwrap() {
            rows.push(Call {
                variant: context.variant.to_owned(),
                repetition: context.repetition.unwrap(),
                phase: row.phase.to_string(),
                call: row.call,
                map: row.map,
                item: row.item,
                function: row.function.to_string(),
                entry: row.entry.to_string(),
                provider: row.provider.map(|name| name.to_string()),
                policy: row.policy.to_string(),
                scheduled: row.scheduled_us,
                sent: row.sent_us,
                done: row.done_us,
                latency: row.latency_us,
                parts: [
                    row.lag_us,
                    row.lookup_us,
                    row.dispatch_us,
                    row.retry_us,
                    row.connect_us,
                    row.network_us,
                    row.queue_us,
                    row.cold_us,
                    row.exec_us,
                ],
                forwards: row.forwards,
                messages: row.messages,
                attempts: row.attempts,
                executions: row.executions,
                wasted: row.wasted_exec_us,
                request_bytes: row.request_bytes,
                response_bytes: row.response_bytes,
                status: row.status,
                outcome: row.outcome,
            });
        }
        rows
    }

    pub fn attempts(&self) -> Vec<Attempt> {
        let mut reader = self.reader(Table::Attempts);
        let mut rows = Vec::new();
        while let Some((context, row)) = reader.next::<AttemptRecord>().unwrap() {
            rows.push(Attempt {
                variant: context.variant.to_owned(),
                repetition: context.repetition.unwrap(),
                call: row.call,
                attempt: row.attempt,
                kind: row.kind.to_string(),
                provider: row.provider.to_string(),
                start: row.start_us,
                end: row.end_us,
                exec: row.exec_us,
                started: row.started,
                won: row.won,
                outcome: row.outcome.to_string(),
            });
        }
        rows
    }

    pub fn events(&self) -> Vec<Event> {
        let mut reader = self.reader(Table::Events);
        let mut rows = Vec::new();
        while let Some((context, row)) = reader.next::<EventRecord>().unwrap() {
            rows.push(Event {
                repetition: context.repetition.unwrap(),
                time: row.time_us,
                kind: row.kind.to_string(),
                fault: row.fault,
                node: row.node.map(|name| name.to_string()),
            });
        }
        rows
    }

    pub fn timeline(&self) -> Vec<TimelineRecord> {
        let mut reader = self.reader(Table::Timeline);
        let mut rows = Vec::new();
        while let Some((_, row)) = reader.next::<TimelineRecord>().unwrap() {
            rows.push(row);
        }
        rows
    }

    pub fn summary(&self) -> Vec<Statistic> {
        let mut reader = self.reader(Table::Summary);
        let mut rows = Vec::new();
        while let Some((context, row)) = reader.next::<SummaryRecord>().unwrap() {
            rows.push(Statistic {
                variant: context.variant.to_owned(),
                repetition: context.repetition,
                metric: row.metric.to_string(),
                group: row.group.to_string(),
                statistic: row.statistic.to_string(),
                value: row.value,
            });
        }
        rows
    }

    /// Gives each row of `nodes.csv`.
    pub fn each_node(&self, mut see: impl FnMut(&NodeRecord<'_>)) {
        let mut reader = self.reader(Table::Nodes);
        while let Some((_, row)) = reader.next::<NodeRecord>().unwrap() {
            see(&row);
        }
    }

    /// How many rows a file has.
    pub fn rows(&self, table: Table) -> usize {
        let text = String::from_utf8(self.bytes(table.file_name())).unwrap();
        text.lines().count() - 1
    }

    /// The value of a statistic over all repetitions.
    pub fn statistic(&self, variant: &str, metric: &str, group: &str, statistic: &str) -> f64 {
        let found: Vec<f64> = self
            .summary()
            .iter()
            .filter(|row| row.repetition.is_none() && row.variant == variant)
            .filter(|row| row.metric == metric && row.group == group && row.statistic == statistic)
            .map(|row| row.value)
            .collect();
        assert_eq!(found.len(), 1, "{metric} {group} {statistic} of `{variant}`: {found:?}");
        found[0]
    }
}

/// How many calls ended how.
pub fn outcomes<'a>(calls: impl IntoIterator<Item = &'a Call>) -> BTreeMap<Outcome, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(call.outcome).or_default() += 1;
    }
    counts
}

/// Of the calls that count, the share that ended well.
pub fn success<'a>(calls: impl IntoIterator<Item = &'a Call>) -> f64 {
    let counted: Vec<bool> = calls
        .into_iter()
        .filter(|call| !matches!(call.outcome, Outcome::EntryDown | Outcome::EntryLost))
        .map(|call| call.outcome == Outcome::Ok)
        .collect();
    assert!(!counted.is_empty());
    counted.iter().filter(|ok| **ok).count() as f64 / counted.len() as f64
}

/// Every item of every manycall has exactly one row. Returns how many manycalls there were.
pub fn check_items(calls: &[Call], items: u64) -> usize {
    let mut maps: BTreeMap<(String, u32, u64), Vec<u64>> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.map.is_some()) {
        let key = (call.variant.clone(), call.repetition, call.map.unwrap());
        maps.entry(key).or_default().push(call.item.unwrap());
    }
    for (map, seen) in &mut maps {
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(0..items), "manycall {map:?} has items {seen:?}");
    }
    maps.len()
}
