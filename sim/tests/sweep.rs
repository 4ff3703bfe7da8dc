//! Sweeps: what is done is kept, shares are put together, repetitions stop by a rule; and it never shows in the bytes.

#![allow(clippy::unwrap_used)]

mod common;

use common::sim;
use edge_faas_core::results::{MANIFEST, Manifest};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tempfile::TempDir;

const GRID: &str = r#"
name = "grid"
seed = 3
repetitions = 4

[network]
nodes = 30
start = "converged"
settle = "1s"
latency = { regions = "cloud-2024" }
jitter = { exponential = "2ms" }

[[function]]
name = "f"
copies = 3
providers = 3
service_time = { lognormal = { median = "20ms", sigma = 0.5 } }

[[phase]]
name = "calls"
duration = "10s"
anycall = { rate = "20/s" }

[sweep]
"function.f.providers" = [1, 3]
"faas.policy" = ["nearest", "random"]
"#;

/// A folder with a scenario in it, in which the program is called.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Place(TempDir::new().unwrap());
        fs::write(place.path("grid.toml"), GRID).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Calls the program with these words, in an environment with these variables.
    fn call(&self, words: &[&str], variables: &[(&str, &str)]) -> Output {
        sim().current_dir(self.0.path()).args(words).envs(variables.iter().copied()).output().unwrap()
    }

    /// The same, which must go well; returns what it printed, and the notes of standard error.
    fn done(&self, words: &[&str]) -> (String, String) {
        let output = self.call(words, &[]);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (printed, notes) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{words:?}: {}\n{printed}\n{notes}", output.status);
        (printed, notes)
    }

    /// The same, which must be refused with exit code 2 and one line; returns that.
    fn refused(&self, words: &[&str]) -> String {
        let output = self.call(words, &[]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {message}");
        assert!(output.stdout.is_empty() && !message.contains("panicked"), "{words:?}: {message}");
        message
    }

    /// The run's folder below `output`: the only one that is not hidden and no shard's.
    fn run(&self, output: &str) -> (PathBuf, Manifest) {
        let mut runs = entries(&self.path(output).join("grid"));
        runs.retain(|path| path.extension().is_none());
        assert_eq!(runs.len(), 1, "{runs:?}");
        let manifest = Manifest::read(File::open(runs[0].join(MANIFEST)).unwrap()).unwrap();
        (runs[0].clone(), manifest)
    }

    /// The shards' folders below `output`, in order.
    fn shards(&self, output: &str) -> Vec<String> {
        let mut shards = entries(&self.path(output).join("grid"));
        shards.retain(|path| path.to_str().unwrap().contains(".shard-") && path.is_dir());
        shards.sort();
        shards.iter().map(|path| path.to_str().unwrap().to_owned()).collect()
    }

    /// What `sim SCENARIO` makes of the grid, to hold all else against.
    fn plain(&self) -> (PathBuf, Manifest) {
        self.done(&["grid.toml", "--output", "plain", "--quiet"]);
        self.run("plain")
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found.retain(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
    found
}

/// Every file that a run wrote is the same, byte by byte.
fn assert_same(a: &(PathBuf, Manifest), b: &(PathBuf, Manifest)) {
    assert_eq!(a.1.files.len(), 8);
    for file in &a.1.files {
        let bytes = |folder: &Path| fs::read(folder.join(&file.name)).unwrap();
        assert!(bytes(&a.0) == bytes(&b.0), "{} differs", file.name);
    }
    assert_eq!((&a.1.run, &a.1.run_hash, &a.1.files), (&b.1.run, &b.1.run_hash, &b.1.files));
    assert_eq!(a.1.scenario, b.1.scenario);
}

#[test]
fn a_sweep_ends_in_the_run_that_it_is() {
    let place = Place::new();
    let plain = place.plain();
    for threads in ["1", "2"] {
        let words = ["sweep", "grid.toml", "--output", threads, "--threads", threads, "--table", "t.csv"];
        let (printed, _) = place.done(&words);
        assert_same(&plain, &place.run(threads));
        // Nothing else is left, hidden or not.
        assert_eq!(fs::read_dir(place.path(threads).join("grid")).unwrap().count(), 1);
        for head in ["providers   policy  n", "4 variants, 16 repetitions", "hash "] {
            assert!(printed.contains(head), "{printed}");
        }
        assert!(place.refused(&["sweep", "grid.toml", "--output", threads]).contains("--force"));
        place.done(&["verify", place.run(threads).0.to_str().unwrap(), "--quiet"]);
    }

    // The table says what summary.csv says, with the factors apart.
    let rows = |path: PathBuf| -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(path).unwrap();
        reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
    };
    let table = rows(place.path("t.csv"));
    let summary = rows(plain.0.join("summary.csv"));
    let columns = |header: &[String], names: &[&str]| -> Vec<usize> {
        names.iter().map(|name| header.iter().position(|column| column == name).unwrap()).collect()
    };
    let shared = ["metric", "group", "statistic", "value", "unit", "low", "high", "n", "method"];
    let pick =
        |row: &[String], at: &[usize]| -> Vec<String> { at.iter().map(|at| row[*at].clone()).collect() };
    let (of_table, of_summary) = (columns(&table[0], &shared), columns(&summary[0], &shared));
    let factors = columns(&table[0], &["function.f.providers", "faas.policy"]);
    let label = columns(&summary[0], &["variant", "repetition"]);
    let ours: Vec<_> = table[1..]
        .iter()
        .map(|row| {
            let levels = pick(row, &factors);
            (format!("providers={},policy={}", levels[0], levels[1]), pick(row, &of_table))
        })
        .collect();
    let theirs: Vec<_> = summary[1..]
        .iter()
        .filter(|row| row[label[1]].is_empty())
        .map(|row| (row[label[0]].clone(), pick(row, &of_summary)))
        .collect();
    assert!(theirs.len() > 100);
    assert_eq!(ours, theirs);
}

#[test]
fn what_was_done_before_a_kill_is_not_done_again() {
    for signal in ["KILL", "TERM"] {
        let place = Place::new();
        // Long enough to be killed in the middle of it.
        let words = ["sweep", "grid.toml", "--output", "out", "--set", "repetitions=60", "--threads", "1"];
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_sim"))
            .current_dir(place.0.path())
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let kept = || {
            let hidden = fs::read_dir(place.path("out/grid")).ok()?;
            let store = hidden
                .map(|entry| entry.unwrap().path())
                .find(|path| path.extension().is_some_and(|e| e == "sweep"))?;
            Some(entries(&store.join("cells")).len())
        };
        while kept().unwrap_or(0) < 3 {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let told = std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(told.unwrap().success());
        let output = child.wait_with_output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        let before = kept().unwrap();
        assert!((3..240).contains(&before), "{before} were done when it was killed");
        if signal == "TERM" {
            assert_eq!(output.status.code(), Some(130), "{message}");
            assert!(message.contains(&format!("{before} repetitions kept in ")), "{message}");
        }
        assert!(entries(&place.path("out/grid")).is_empty(), "nothing looks complete");

        // With another setting it is another run; what is there is not taken for a part of it.
        let (_, notes) = place.done(&["sweep", "grid.toml", "--output", "out", "--repetitions", "1"]);
        assert!(
            notes.contains(&format!("{before} repetitions of the scenario with other settings")),
            "{notes}"
        );
        assert!(!notes.contains("done before"), "{notes}");
        fs::remove_dir_all(place.run("out").0).unwrap();

        let (_, notes) = place.done(&words);
        assert!(notes.contains(&format!("{before} repetitions done before")), "{notes}");
        place.done(&["grid.toml", "--set", "repetitions=60", "--output", "plain", "--quiet"]);
        assert_same(&place.run("plain"), &place.run("out"));
        assert_eq!(fs::read_dir(place.path("out/grid")).unwrap().count(), 1);
    }
}

#[test]
fn repetitions_by_a_rule_are_the_same_for_any_number_of_threads() {
    let place = Place::new();
    // Wide enough for some variants to be done before the bound, and not for all.
    let rule = "latency_p50 phase=calls ±16%";
    let mut runs = Vec::new();
    for threads in ["1", "2", "5"] {
        let words = ["sweep", "grid.toml", "--output", threads, "--threads", threads, "--until", rule];
        let (printed, _) = place.done(&[&words[..], &["--max-repetitions", "12"]].concat());
        let run = place.run(threads);
        let stopped = run.1.stopped.as_ref().unwrap();
        let (least, most) =
            (stopped.repetitions.iter().min().unwrap(), stopped.repetitions.iter().max().unwrap());
        assert!(*least >= 6 && least < most && *most <= 12, "{stopped:?}");
        assert_eq!(run.1.repetitions, *most);
        assert_eq!(printed.contains("not reached: "), *most == 12, "{printed}");
        runs.push(run);
    }
    assert_eq!(runs[0].1.stopped, runs[1].1.stopped);
    assert_same(&runs[0], &runs[1]);
    assert_same(&runs[0], &runs[2]);

    // Each repetition has the rows that it has in a run that was asked for as many.
    place.done(&["grid.toml", "--output", "twelve", "--repetitions", "12", "--quiet"]);
    let without_run = |run: &(PathBuf, Manifest)| -> Vec<String> {
        let text = fs::read_to_string(run.0.join("calls.csv")).unwrap();
        text.lines().map(|line| line.split_once(',').unwrap().1.to_owned()).collect()
    };
    let (twelve, ours) = (without_run(&place.run("twelve")), without_run(&runs[0]));
    let mut rest = twelve.iter();
    assert!(ours.iter().all(|row| rest.any(|other| other == row)), "in order, though not all");
    assert!(ours.len() < twelve.len());

    // It is verified, and a manifest that says other repetitions is not.
    let folder = runs[0].0.to_str().unwrap();
    assert!(place.done(&["verify", folder]).0.contains("every hash holds"));
    let path = runs[0].0.join(MANIFEST);
    let mut changed = runs[0].1.clone();
    changed.stopped.as_mut().unwrap().repetitions[0] += 1;
    changed.write(File::create(&path).unwrap()).unwrap();
    let output = place.call(&["verify", folder], &[]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("not what the rule says") && message.contains("calls.csv"), "{message}");
    changed.stopped.as_mut().unwrap().repetitions.pop();
    changed.write(File::create(&path).unwrap()).unwrap();
    assert!(place.refused(&["verify", folder]).contains("3 numbers for 4 variants"));
}

#[test]
fn shards_put_together_have_the_bytes_of_one_machine() {
    let place = Place::new();
    let plain = place.plain();
    // By hand; three do not divide sixteen.
    for shard in ["1/3", "2/3", "3/3"] {
        place.done(&["sweep", "grid.toml", "--output", "hand", "--shard", shard, "--quiet"]);
    }
    // As Slurm and as Kubernetes start them.
    for task in ["4", "6"] {
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", task),
            ("SLURM_ARRAY_TASK_MIN", "4"),
            ("SLURM_ARRAY_TASK_MAX", "6"),
            ("SLURM_ARRAY_TASK_COUNT", "2"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
        ];
        let words = ["sweep", "grid.toml", "--output", "slurm", "--shard", "auto", "--quiet"];
        assert!(place.call(&words, &slurm).status.success());
    }
    for index in ["1", "0"] {
        let kubernetes = [("JOB_COMPLETION_INDEX", index), ("JOB_COMPLETIONS", "2")];
        let words = ["sweep", "grid.toml", "--output", "kubernetes", "--shard", "auto", "--quiet"];
        assert!(place.call(&words, &kubernetes).status.success());
    }
    for (output, count) in [("hand", 3), ("slurm", 2), ("kubernetes", 2)] {
        let mut shards = place.shards(output);
        assert_eq!(shards.len(), count);
        shards.reverse();
        let mut words = vec!["merge"];
        words.extend(shards.iter().map(String::as_str));
        let (printed, _) = place.done(&words);
        assert!(printed.contains("4 variants, 16 repetitions"), "{printed}");
        assert_same(&plain, &place.run(output));
        assert!(place.refused(&words).contains("--force"));
    }
    place.done(&["verify", place.run("hand").0.to_str().unwrap(), "--quiet"]);
    // The command that a merged run names makes the same files.
    let command = place.run("hand").1.command;
    let words: Vec<&str> = command[1..].iter().map(String::as_str).collect();
    place.done(&[&words[..], &["--output", "again", "--quiet"]].concat());
    assert_same(&plain, &place.run("again"));
}

#[test]
fn shards_that_are_not_all_of_one_sweep_are_refused() {
    let place = Place::new();
    for (output, words) in [
        ("a", &["--shard", "1/2"][..]),
        ("a", &["--shard", "2/2"]),
        ("b", &["--shard", "1/2"]),
        ("seed", &["--shard", "2/2", "--seed", "4"]),
        ("three", &["--shard", "2/3"]),
    ] {
        place.done(&[&["sweep", "grid.toml", "--output", output, "--quiet"], words].concat());
    }
    let a = place.shards("a");
    let one = |output: &str| place.shards(output).remove(0);
    let merge = |words: &[&str]| place.refused(&[&["merge"], words].concat());
    let says = |message: String, words: &[&str]| {
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    says(merge(&[&a[0]]), &["missing: shard 2/2"]);
    says(merge(&[&a[0], &a[1], &one("b")]), &["is shard 1/2, and so is", &a[0]]);
    says(merge(&[&a[0], &one("seed")]), &["another run", &a[0], &one("seed")]);
    says(merge(&[&a[0], &one("three")]), &["shard 2/3", "another split"]);
    says(merge(&["grid.toml"]), &["grid.toml", "sweep.json"]);

    // One that was not finished says how it is.
    let cells = Path::new(&a[1]).join("cells");
    fs::remove_dir_all(&entries(&cells)[0]).unwrap();
    says(
        merge(&[&a[0], &a[1]]),
        &[&a[1], "1 of 8 repetitions are missing", "sim sweep grid.toml --shard 2/2"],
    );
    let (_, notes) = place.done(&["sweep", "grid.toml", "--output", "a", "--shard", "2/2"]);
    assert!(notes.contains("7 repetitions done before"), "{notes}");

    // One of another version of the program.
    let plan = Path::new(&a[1]).join("sweep.json");
    let text = fs::read_to_string(&plan).unwrap();
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    fs::write(&plan, text.replacen(&version, "\"version\": \"9.9.9\"", 1)).unwrap();
    says(merge(&[&a[0], &a[1]]), &["played by sim 9.9.9", "may differ"]);
    says(place.refused(&["sweep", "grid.toml", "--output", "a", "--shard", "2/2"]), &["sim 9.9.9", "delete"]);
    fs::write(&plan, text.replacen("\"executable\": \"", "\"executable\": \"0", 1)).unwrap();
    let (_, notes) = place.done(&["merge", &a[0], &a[1], "--output", "builds"]);
    assert!(notes.contains("2 builds of the same version"), "{notes}");
    says(
        place.refused(&["sweep", "grid.toml", "--output", "a", "--shard", "2/2"]),
        &["another build", "delete"],
    );
    fs::write(&plan, text.replacen("\"seed\": 3", "\"seed\": 5", 1)).unwrap();
    says(merge(&[&a[1], &a[0]]), &["it was changed afterwards"]);
    fs::write(&plan, &text[..text.len() / 2]).unwrap();
    says(merge(&[&a[0], &a[1]]), &["sweep.json", "line"]);
    assert!(
        entries(&place.path("a/grid")).iter().all(|path| path.extension().is_some()),
        "nothing was merged"
    );
}

#[test]
fn kept_files_that_were_damaged_are_played_again_or_refused() {
    let place = Place::new();
    let plain = place.plain();
    let shard = ["sweep", "grid.toml", "--output", "out", "--shard", "1/1"];
    place.done(&shard);
    let folder = place.shards("out").remove(0);
    let cell = entries(&Path::new(&folder).join("cells")).remove(5);
    let calls = cell.join("calls.csv");
    let bytes = fs::read(&calls).unwrap();

    // As long as it was, and not what it was: nobody can know which row is wrong.
    let mut changed = bytes.clone();
    let last = changed.iter().rposition(u8::is_ascii_digit).unwrap();
    changed[last] = if changed[last] == b'1' { b'2' } else { b'1' };
    fs::write(&calls, &changed).unwrap();
    let output = place.call(&["merge", &folder], &[]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains(cell.to_str().unwrap()) && message.contains("calls.csv"), "{message}");
    assert!(message.contains("delete this folder"), "{message}");

    // Cut off, as after a power failure: it does not count as done.
    fs::write(&calls, &bytes[..bytes.len() / 2]).unwrap();
    assert!(place.refused(&["merge", &folder]).contains("1 of 16 repetitions are missing"));
    assert!(place.done(&shard).1.contains("15 repetitions done before"));
    place.done(&["merge", &folder, "--quiet"]);
    assert_same(&plain, &place.run("out"));
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_played() {
    let place = Place::new();
    let sweep = |words: &[&str]| place.refused(&[&["sweep", "grid.toml", "--output", "out"], words].concat());
    for (words, says) in [
        (&["--until", "latency_p95 5%"][..], &["latency_p95 ±5%"][..]),
        (&["--until", "latency_p95 ±5%", "--shard", "1/2"], &["--until", "--shard"]),
        (&["--until", "latency_p95 ±5%", "--repetitions", "9"], &["--until", "--repetitions"]),
        (&["--until", "latency_p95 ±5%", "--set", "repetitions=9"], &["--set repetitions"]),
        (&["--until", "latency_p95 ±5%", "--max-repetitions", "5"], &["below 6"]),
        (&["--max-repetitions", "9"], &["--until"]),
        (&["--shard", "3/2"], &["3/2", "2/8"]),
        (&["--shard", "auto"], &["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"]),
        (&["--set", "network.nodes=1"], &["from 2"]),
        // Known only after a repetition; even then nothing is left.
        (&["--until", "latncy_p95 ±5%"], &["latncy_p95", "latency_p95", "success_share"]),
        (&["--until", "latency_p95 phase=none ±5%"], &["no group `phase=none`", "phase=calls"]),
    ] {
        let message = sweep(words);
        assert!(says.iter().all(|word| message.contains(word)), "{words:?}: {message}");
        let left = fs::read_dir(place.path("out/grid")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{words:?} left something");
    }
    if cfg!(not(feature = "parquet")) {
        for words in [&["sweep", "grid.toml"][..], &["grid.toml"], &["merge", "x"]] {
            let message = place.refused(&[words, &["--parquet"]].concat());
            assert!(message.contains("--features parquet"), "{message}");
        }
    }
}
