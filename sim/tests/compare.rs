//! `sim compare` as a user and a CI job meet it: what it says, and with which exit code.

// A test that cannot prepare what it needs has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Run, run_with, sim};
use edge_faas_core::results::{MANIFEST, Source, file_entry, run_hash};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Two nodes, a call now and then; quick enough to be run often.
const SCENARIO: &str = r#"
name = "small"
seed = 7
repetitions = 8

[network]
nodes = 5
join_over = "1s"
settle = "2s"
latency = { uniform = { low = "5ms", high = "40ms" } }

[[function]]
name = "f"
providers = 2
service_time = "10ms"

[[phase]]
name = "calls"
duration = "20s"
anycall = { rate = "4/s" }
"#;

/// What `sim compare` says and its exit code.
struct Said {
    code: i32,
    text: String,
    error: String,
}

fn compare(base: &Path, new: &Path, words: &[&str]) -> Said {
    let output = sim().arg("compare").arg(base).arg(new).args(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), text: text(output.stdout), error: text(output.stderr) }
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.text).unwrap_or_else(|error| panic!("{error}: {}", said.text))
}

/// The rows of a comparison that have this metric and statistic.
fn rows<'a>(comparison: &'a Value, metric: &str, statistic: &str) -> Vec<&'a Value> {
    let rows = comparison["rows"].as_array().unwrap();
    rows.iter().filter(|row| row["metric"] == metric && row["statistic"] == statistic).collect()
}

/// A copy of a run's folder with its files changed, and a manifest that says so.
fn altered(run: &Run, alter: impl Fn(&str, String) -> String, backend: Source) -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut manifest = run.manifest.clone();
    manifest.backend = backend;
    for entry in &mut manifest.files {
        let path = run.folder.join(&entry.name);
        let bytes = match entry.name.ends_with(".csv") {
            true => {
                let text = fs::read_to_string(path).unwrap().replace(",sim,", &format!(",{backend},"));
                alter(&entry.name, text).into_bytes()
            }
            false => fs::read(path).unwrap(),
        };
        fs::write(folder.path().join(&entry.name), &bytes).unwrap();
        *entry = file_entry(&entry.name, bytes.as_slice()).unwrap();
    }
    manifest.run_hash = run_hash(&manifest.files);
    manifest.write(File::create(folder.path().join(MANIFEST)).unwrap()).unwrap();
    folder
}

/// A copy of some files of a run.
fn copy(run: &Run, keep: impl Fn(&str) -> bool) -> TempDir {
    let folder = TempDir::new().unwrap();
    let names = run.manifest.files.iter().map(|entry| entry.name.as_str()).chain([MANIFEST]);
    for name in names.filter(|name| keep(name)) {
        fs::copy(run.folder.join(name), folder.path().join(name)).unwrap();
    }
    folder
}

#[test]
fn the_same_run_is_identical() {
    let (run, again) = (run_with(SCENARIO, &[]), run_with(SCENARIO, &["--threads", "1"]));
    let said = compare(&run.folder, &again.folder, &["--identical", "--strict"]);
    assert_eq!(said.code, 2, "they contradict each other: {}", said.error);
    let said = compare(&run.folder, &again.folder, &["--identical"]);
    assert_eq!((said.code, said.error.as_str()), (0, ""));
    assert!(said.text.contains("\nidentical: 8 files, byte for byte\n"), "{}", said.text);

    let reference = copy(&run, |name| name == MANIFEST || name == "summary.csv");
    let said = compare(reference.path(), &again.folder, &[]);
    assert_eq!(said.code, 0);
    assert!(said.text.contains("(7 of them not kept, and held by their hashes)"), "{}", said.text);
}

#[test]
fn what_moved_is_told_with_its_exit_code() {
    let run = run_with(SCENARIO, &[]);
    let slow =
        run_with(SCENARIO, &["--set", "network.latency={ uniform = { low = \"50ms\", high = \"90ms\" } }"]);
    let said = compare(&run.folder, &slow.folder, &[]);
    assert_eq!(said.code, 1, "{}{}", said.text, said.error);
    assert!(said.text.contains("network.latency.pairs.round_trip.uniform.low"), "{}", said.text);
    let line = said.text.lines().find(|line| line.contains("latency.p50")).unwrap();
    assert!(line.starts_with("REGRESSED") && line.contains("phase=calls"), "{line}");

    let said = compare(&slow.folder, &run.folder, &["--json"]);
    let comparison = json(&said);
    assert_eq!((said.code, &comparison["exit_code"], &comparison["paired"]), (0, &0.into(), &true.into()));
    let [row] = rows(&comparison, "latency", "p50")[..] else { panic!("{comparison}") };
    assert_eq!((&row["verdict"], &row["n_base"]), (&"improved".into(), &8.into()));
    let (change, interval) = (row["change"].as_f64().unwrap(), &row["interval"]);
    assert!(interval[0].as_f64().unwrap() <= change && change <= interval[1].as_f64().unwrap());
    assert_eq!(change, row["new"].as_f64().unwrap() / row["base"].as_f64().unwrap());
    // Nothing failed in either run.
    assert_eq!(rows(&comparison, "success", "share")[0]["verdict"], "equivalent");

    let said = compare(&run.folder, &slow.folder, &["--markdown"]);
    assert!(said.text.contains("| **REGRESSED** | latency.p50 | phase=calls |"), "{}", said.text);
    assert!(said.text.lines().filter(|line| line.starts_with('|')).all(|line| line.ends_with('|')));
}

#[test]
fn few_repetitions_are_inconclusive() {
    let words = ["--repetitions", "5"];
    let run = run_with(SCENARIO, &words);
    let slow = run_with(SCENARIO, &["--repetitions", "5", "--set", "network.latency=80ms"]);
    let said = compare(&run.folder, &slow.folder, &[]);
    assert_eq!(said.code, 0);
    assert!(said.text.contains("nothing was tested: that takes 6 repetitions at least"), "{}", said.text);
    assert_eq!(compare(&run.folder, &slow.folder, &["--strict"]).code, 3);
    let other = run_with(SCENARIO, &["--seed", "8"]);
    let comparison = json(&compare(&run.folder, &other.folder, &["--json"]));
    assert_eq!(
        (&comparison["paired"], &comparison["settings"][0]["key"]),
        (&false.into(), &"repetitions".into())
    );
    assert!(rows(&comparison, "latency", "p50").iter().all(|row| row["verdict"] == "inconclusive"));
}

#[test]
fn the_same_run_that_came_out_another_way_names_the_place() {
    let run = run_with(SCENARIO, &[]);
    let other = altered(
        &run,
        |name, text| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            if name == "nodes.csv" {
                let last = lines[3].rfind(',').unwrap();
                lines[3].truncate(last + 1);
                lines[3].push_str("123456");
            }
            lines.join("\n") + "\n"
        },
        Source::Sim,
    );
    let said = compare(&run.folder, other.path(), &["--identical"]);
    assert_eq!(said.code, 1);
    let line = said.text.lines().find(|line| line.starts_with("nodes.csv")).unwrap();
    assert!(line.contains("line 4 (repetition 0, node-"), "{line}");
    assert!(line.contains("): calls_bytes_out is ") && line.ends_with(" in base, 123456 in new"), "{line}");
    // Every statistic is as it was.
    assert_eq!(compare(&run.folder, other.path(), &["--strict"]).code, 0);
}

#[test]
fn what_is_not_comparable_is_refused() {
    let run = run_with(SCENARIO, &[]);
    let refused = |words: &[&str], why: &str| {
        let said = compare(&run.folder, &run_with(SCENARIO, words).folder, &[]);
        assert_eq!((said.code, said.text.as_str()), (2, ""), "{}", said.error);
        assert!(said.error.contains(why), "{}", said.error);
    };
    refused(
        &["--set", "function.f.service_time=20ms"],
        "function.f.service_time.drawn.constant: 0.01 in base, 0.02 in new; run both with the same functions and phases",
    );
    refused(
        &["--set", "phase.calls.anycall.rate=5/s"],
        "phase.calls.anycall.arrivals.poisson.rate: 4.0 in base, 5.0 in new",
    );
    let sweep = format!("{SCENARIO}\n[sweep]\n\"network.nodes\" = [5, 6]\n");
    let said = compare(&run.folder, &run_with(&sweep, &[]).folder, &[]);
    assert_eq!(said.code, 2);
    assert!(
        said.error.contains("only in base: one without a sweep; only in new: nodes=5; nodes=6"),
        "{}",
        said.error
    );
    // How the work is served may differ.
    let other = run_with(SCENARIO, &["--set", "faas.policy=random", "--set", "function.f.queue=3"]);
    assert_ne!(compare(&run.folder, &other.folder, &[]).code, 2);

    let real = altered(&run, |_, text| text, Source::Memory);
    let said = compare(&run.folder, real.path(), &[]);
    assert_eq!(said.code, 2);
    assert!(said.error.contains("new one of `memory`: --fidelity holds"), "{}", said.error);
    let said = compare(&run.folder, &run.folder, &["--fidelity"]);
    assert_eq!(said.code, 2);
    assert!(said.error.contains("--fidelity takes one of `sim` and one of real nodes"), "{}", said.error);
}

#[test]
fn damage_is_told_with_file_and_row() {
    let run = run_with(SCENARIO, &["--repetitions", "1"]);
    let damaged = |file: &str, damage: &dyn Fn(String) -> String, why: &str| {
        let folder = copy(&run, |_| true);
        let path = folder.path().join(file);
        fs::write(&path, damage(fs::read_to_string(&path).unwrap())).unwrap();
        for (base, new) in [(folder.path(), run.folder.as_path()), (run.folder.as_path(), folder.path())] {
            let said = compare(base, new, &[]);
            assert_eq!((said.code, said.text.as_str()), (2, ""), "{file}: {}", said.error);
            assert!(said.error.contains(why) && said.error.lines().count() == 1, "{file}: {}", said.error);
        }
    };
    let line = |text: &str, number: usize| text.lines().nth(number - 1).unwrap().to_owned();
    let rows = |text: &str| text.lines().count();
    let summary_rows = rows(&fs::read_to_string(run.folder.join("summary.csv")).unwrap());
    damaged(
        "calls.csv",
        &|text| text[..text.len() - 9].to_owned(),
        "the file ends within this row: it was cut off",
    );
    damaged(
        "summary.csv",
        &|text| text[..text.len() - 3].to_owned(),
        &format!("summary.csv:{summary_rows}: the file ends within"),
    );
    damaged(
        "calls.csv",
        &|text| text.replacen(",lookup_us", "", 1),
        "calls.csv:1: the column `lookup_us` is missing",
    );
    damaged(
        "nodes.csv",
        &|text| text.replacen(",class", ",kind_of,class", 1),
        "nodes.csv:1: the column `kind_of` is not known",
    );
    damaged(
        "summary.csv",
        &|text| text.replacen(&run.manifest.run, "0123456789abcdef", 1),
        "summary.csv:2: run: `0123456789abcdef`, the folder's run is",
    );
    damaged(
        "calls.csv",
        &|text| text.replacen(&line(&text, 5), &line(&text, 5).replacen(",ok,", ",good,", 1), 1),
        "calls.csv:5: outcome: `good` is no outcome",
    );
    // Whole rows are missing: only the manifest knows.
    damaged(
        "timeline.csv",
        &|text| text.lines().take(3).map(|line| line.to_owned() + "\n").collect(),
        "timeline.csv: has ",
    );
    // A number that is as good as any other.
    damaged(
        "nodes.csv",
        &|text| {
            let old = line(&text, 2);
            let cut = old.len() - 1;
            let digit = if old.ends_with('1') { "2" } else { "1" };
            text.replacen(&old, &format!("{}{digit}", &old[..cut]), 1)
        },
        "nodes.csv: is not what the run wrote (SHA-256",
    );
    damaged(
        MANIFEST,
        &|text| text.replacen("\"schema\": 1", "\"schema\": 2", 1),
        "manifest.json: schema = 2 is not one this version reads",
    );
    damaged(MANIFEST, &|text| text.replacen("\"seed\": 7", "\"seed\": 8", 1), "it was changed after the run");

    let without = copy(&run, |name| name != "summary.csv");
    let said = compare(&run.folder, without.path(), &[]);
    assert_eq!(said.code, 2);
    assert!(said.error.contains("summary.csv: No such file"), "{}", said.error);
    let said = compare(&run.folder, Path::new("/nowhere"), &[]);
    assert_eq!(said.code, 2);
    assert!(said.error.contains("/nowhere/manifest.json"), "{}", said.error);
}

fn margins(text: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("margins.toml");
    fs::write(&file, text).unwrap();
    (folder, file)
}

#[test]
fn margins_change_what_is_judged() {
    let run = run_with(SCENARIO, &[]);
    let slow =
        run_with(SCENARIO, &["--set", "network.latency={ uniform = { low = \"6ms\", high = \"60ms\" } }"]);
    let with = |text: &str, words: &[&str]| {
        let (_keep, file) = margins(text);
        compare(&run.folder, &slow.folder, &[&["--margins", file.to_str().unwrap()], words].concat())
    };
    let verdict = |text: &str, metric: &str, statistic: &str| {
        let comparison = json(&with(text, &["--json"]));
        rows(&comparison, metric, statistic).first().map(|row| row["verdict"].as_str().unwrap().to_owned())
    };
    assert_eq!(verdict("", "latency", "mean").as_deref(), Some("regressed"));
    assert_eq!(verdict("", "network", "mean"), None);
    assert_eq!(
        verdict("[metric.network]\nbetter = \"lower\"\n", "network", "mean").as_deref(),
        Some("regressed")
    );
    assert_eq!(
        verdict("[metric.latency]\nrelative = \"100%\"\nabsolute = \"1s\"\n", "latency", "mean").as_deref(),
        Some("equivalent")
    );
    assert_eq!(
        verdict("[metric.\"latency.mean\"]\nabsolute = \"1s\"\n", "latency", "p50").as_deref(),
        Some("regressed")
    );
    assert_eq!(verdict("[metric.latency]\njudge = false\n", "latency", "mean"), None);
    assert_eq!(
        verdict("[metric.latency]\nbetter = \"higher\"\n", "latency", "mean").as_deref(),
        Some("improved")
    );

    let refused = |text: &str, why: &str| {
        let said = with(text, &[]);
        assert_eq!(said.code, 2, "{text}");
        assert!(said.error.contains(why), "{}", said.error);
    };
    refused(
        "[metric.latncy]\nrelative = \"5%\"\n",
        "margins.toml:1:9: no run has a metric or statistic `latncy`; did you mean `latency`?",
    );
    refused(
        "[metric.latency]\nrelative = \"5\"\n",
        "margins.toml:2:12: \"5\" has no unit: a share is written with %",
    );
    refused("[metric.latency]\nabsolute = 5\n", "margins.toml:2:12: 5 has no unit: a duration is written");
    refused(
        "[metric.attempts]\nabsolute = \"5ms\"\n",
        "margins.toml:2:12: \"5ms\" must be a bare number: the unit of the values is per call",
    );
    refused(
        "[metric.exec]\nrelative = \"5%\"\n",
        "margins.toml:1:9: `exec` is not judged by default: say which way is better",
    );
    refused(
        "[metric.latency]\nrelativ = \"5%\"\n",
        "margins.toml:2:1: unknown field `relativ`, expected one of",
    );
    refused("[metric.latency\n", "margins.toml:1:");
    refused(
        "[fidelity.p51]\nrelative = \"5%\"\nabsolute = \"1ms\"\n",
        "margins.toml:1:11: `p51` is none of the quantiles p50, p90, p95, p99",
    );
}

/// Every field's name, however deep.
fn fields(value: &Value, into: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            into.insert(key.clone());
            fields(value, into);
        }),
        Value::Array(list) => list.iter().for_each(|value| fields(value, into)),
        _ => {}
    }
}

#[test]
fn every_field_of_the_json_is_documented() {
    let run = run_with(SCENARIO, &[]);
    let other = run_with(SCENARIO, &["--set", "faas.policy=random"]);
    let real = altered(&run, |_, text| text, Source::Memory);
    let mut all = std::collections::BTreeSet::new();
    fields(&json(&compare(&run.folder, &other.folder, &["--json"])), &mut all);
    fields(&json(&compare(&run.folder, real.path(), &["--json", "--fidelity"])), &mut all);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/comparing.md");
    let page = fs::read_to_string(page).unwrap();
    let section = page.split("\n## JSON\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let unnamed: Vec<&String> = all.iter().filter(|field| !section.contains(&format!("`{field}`"))).collect();
    assert!(all.len() > 40 && unnamed.is_empty(), "docs/comparing.md does not name {unnamed:?}");
}

/// The text of `calls.csv` with a column changed in every row.
fn with_column(text: &str, column: &str, change: impl Fn(i64) -> i64) -> String {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let at = reader.headers().unwrap().iter().position(|name| name == column).unwrap();
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(reader.headers().unwrap()).unwrap();
    for row in reader.records() {
        let row = row.unwrap();
        out.write_record(row.iter().enumerate().map(|(place, cell)| match cell.parse() {
            Ok(number) if place == at => change(number).to_string(),
            _ => cell.to_owned(),
        }))
        .unwrap();
    }
    String::from_utf8(out.into_inner().unwrap()).unwrap()
}

#[test]
fn fidelity_tells_how_far_the_simulation_is_off() {
    let run = run_with(SCENARIO, &[]);
    let real = |column: &'static str, change: fn(i64) -> i64| {
        altered(
            &run,
            move |name, text| if name == "calls.csv" { with_column(&text, column, change) } else { text },
            Source::Memory,
        )
    };
    let close = real("network_us", |us| us + us / 20);
    let said = compare(&run.folder, close.path(), &["--fidelity", "--json"]);
    let found = json(&said);
    assert_eq!((said.code, &found["holds"]), (0, &true.into()), "{}", said.error);
    let row = |part: &str| found["rows"].as_array().unwrap().iter().find(|row| row["part"] == part).unwrap();
    assert_eq!(
        (&row("exec")["kolmogorov_smirnov"], &row("exec")["wasserstein_us"]),
        (&0.0.into(), &0.0.into())
    );
    let p50 = &row("network")["quantiles"][0];
    let (simulated, real_us) = (p50["simulated_us"].as_f64().unwrap(), p50["real_us"].as_f64().unwrap());
    assert_eq!(p50["error_us"].as_f64().unwrap(), simulated - real_us);
    assert!((real_us - simulated * 1.05).abs() <= 2.0, "{p50}");
    assert!(row("network")["wasserstein_us"].as_f64().unwrap() > 100.0);
    assert_eq!(row("latency")["quantiles"].as_array().unwrap().len(), 4);

    // Whichever comes first, simulated stays simulated.
    assert_eq!(json(&compare(close.path(), &run.folder, &["--fidelity", "--json"]))["rows"], found["rows"]);

    let far = real("exec_us", |us| us + 20_000);
    let said = compare(&run.folder, far.path(), &["--fidelity"]);
    assert_eq!(said.code, 1, "{}", said.error);
    let line = said.text.lines().find(|line| line.contains("exec  ") && !line.contains("latency")).unwrap();
    assert!(line.starts_with("FAILS") && line.contains("10 ms / 30 ms (-20 ms) !"), "{line}");
    let (_keep, file) = margins(
        "[fidelity.p50]\nrelative = \"0%\"\nabsolute = \"25ms\"\n[fidelity.p95]\nrelative = \"100%\"\nabsolute = \"1s\"\n",
    );
    let words = ["--fidelity", "--margins", file.to_str().unwrap()];
    assert_eq!(compare(&run.folder, far.path(), &words).code, 0);

    let reference = copy(&run, |name| name == MANIFEST || name == "summary.csv");
    let said = compare(reference.path(), far.path(), &["--fidelity"]);
    assert_eq!(said.code, 2);
    assert!(said.error.contains("keeps no calls.csv, which --fidelity reads"), "{}", said.error);
}

#[test]
fn fidelity_holds_the_order_of_policies() {
    let scenario = r#"
name = "policies"
seed = 7
repetitions = 2
[network]
nodes = 5
latency = "5ms"
[[node_class]]
name = "fast"
count = 2
speed = 4
[[node_class]]
name = "slow"
[[function]]
name = "f"
providers = { nodes = ["1-4"] }
service_time = "400ms"
concurrency = 1
queue = 100
[[phase]]
name = "map"
duration = "1min"
manycall = { items = 40, every = "1min", calls = 1, entry = { nodes = [0] } }
[sweep]
"phase.map.manycall.policy" = ["static", "late-binding"]
"#;
    let run = run_with(scenario, &[]);
    let same = altered(&run, |_, text| text, Source::Docker);
    let said = compare(&run.folder, same.path(), &["--fidelity", "--all"]);
    assert_eq!(said.code, 0, "{}{}", said.text, said.error);
    assert!(said.text.contains("1 of 1 orders of policies are the same"), "{}", said.text);
    assert!(
        said.text.contains("late-binding < static simulated, late-binding < static real"),
        "{}",
        said.text
    );
    // The variants changed places.
    let turned = altered(
        &run,
        |name, text| match name {
            "summary.csv" => text
                .replace("=static,", "=swap,")
                .replace("=late-binding,", "=static,")
                .replace("=swap,", "=late-binding,"),
            _ => text,
        },
        Source::Docker,
    );
    let said = compare(&run.folder, turned.path(), &["--fidelity"]);
    assert_eq!(said.code, 1);
    assert!(said.text.contains("FAILS: order of policies"), "{}", said.text);
}

#[test]
fn a_table_puts_statistics_side_by_side() {
    let scenario = SCENARIO.replace(
        "[network]",
        "[sweep]\n\"function.f.service_time\" = [\"10ms\", \"20ms\"]\n\"network.nodes\" = [5]\n\n[network]",
    );
    let run = run_with(&scenario, &["--repetitions", "2", "--set", "network.latency=5ms"]);
    // Real nodes take 2 ms more.
    let slower = |name: &str, text: String| {
        let (header, rows) = text.split_once('\n').unwrap();
        let line = |line: &str| match line.contains(",latency,all,p") {
            true => with_column(&format!("{header}\n{line}\n"), "value", |value| value + 2_000)
                .lines()
                .nth(1)
                .unwrap()
                .to_owned(),
            false => line.to_owned(),
        };
        let rows: Vec<String> = rows.lines().map(line).collect();
        if name == "summary.csv" { format!("{header}\n{}\n", rows.join("\n")) } else { text.clone() }
    };
    let real = altered(&run, slower, Source::Docker);
    let words = ["--fidelity", "--markdown", "--table", "latency.p50,success.share"];
    let said = compare(real.path(), &run.folder, &words);
    assert_eq!(said.code, 0, "{}", said.error);
    let lines: Vec<&str> = said.text.lines().collect();
    // A factor with one level says nothing.
    assert_eq!(
        lines[0],
        "| function.f.service_time | latency.p50 simulated | real | difference | success.share simulated | real | difference |"
    );
    assert_eq!(lines[1], "|---|---:|---:|---:|---:|---:|---:|");
    assert_eq!(lines.len(), 4);
    for (line, level, [simulated, measured]) in
        [(lines[2], "10ms", ["15 ms", "17 ms"]), (lines[3], "20ms", ["25 ms", "27 ms"])]
    {
        assert_eq!(line, format!("| {level} | {simulated} | {measured} | -2.0 ms | 100 % | 100 % | +0 % |"));
    }
    let said = compare(&run.folder, real.path(), &["--fidelity", "--table", "latency.p51"]);
    assert_eq!(said.code, 2);
    assert!(
        said.error.contains("latency.p51 is no statistic of these runs; there are calls.count, "),
        "{}",
        said.error
    );
}
