//! Mistakes in what the program is given: one message that says where and what would be right, exit code 2, nothing
//! written.

#![allow(clippy::unwrap_used)]

mod common;

use common::{run, run_with, scenarios, sim};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use tempfile::TempDir;

const GOOD: &str = r#"name = "small"
seed = 1
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
duration = "5s"
anycall = { rate = "10/s" }
"#;

/// Runs a scenario that is wrong, in a folder with more files; returns the message without the folder's name.
fn refused(scenario: &str, files: &[(&str, &str)]) -> String {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("bad.toml"), scenario).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let before = fs::read_dir(folder.path()).unwrap().count();
    let mut messages = Vec::new();
    // Running, checking and tracing say the same.
    for words in [&["bad.toml"][..], &["check", "bad.toml"], &["trace", "bad.toml"]] {
        let output = sim().current_dir(folder.path()).args(words).output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {message}");
        assert!(output.stdout.is_empty(), "{words:?}");
        assert_eq!(message.trim_end().lines().count(), 1, "{message}");
        assert!(!message.contains("panicked"), "{message}");
        messages.push(message.trim_end().to_owned());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "something was written");
    assert_eq!(messages[0], messages[1]);
    assert_eq!(messages[0], messages[2]);
    messages.remove(0)
}

/// Each message must have all of these words.
fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{message}` does not say `{word}`");
    }
}

#[test]
fn mistakes_in_the_scenario_are_said_with_file_and_line() {
    let with = |old: &str, new: &str| {
        assert!(GOOD.contains(old));
        GOOD.replacen(old, new, 1)
    };
    for (scenario, words) in [
        (with("nodes = 20", "nodse = 20"), &["bad.toml:4:1:", "nodse", "nodes"][..]),
        (with("service_time = \"20ms\"", "service_time = \"20MB\""), &["bad.toml:10:16:", "20MB", "ms"]),
        (with("latency = \"20ms\"", "latency = 20"), &["bad.toml:6:11:", "\"20ms\""]),
        (with("[[function]]", "[kademlia]\nk = 0\n[[function]]"), &["bad.toml:8:5:", "0", "from 1"]),
        (with("[[function]]", "loss = \"150%\"\n[[function]]"), &["bad.toml:7:8:", "150%", "100%"]),
        (with("providers = 3", "providers = 2000"), &["bad.toml:9:13:", "2000", "network.nodes = 20"]),
        (with("name = \"f\"", "name = f"), &["bad.toml:8:8:"]),
        (with("rate = \"10/s\"", "rate = \"-1/s\""), &["bad.toml:14:20:", "-1/s"]),
        (with("nodes = 20", "nodes = 1"), &["bad.toml:4:9:", "from 2"]),
        (with("duration = \"5s\"", "duration = \"0s\""), &["bad.toml:13:12:", "above zero"]),
        (with("[network]\n", "[network]\n[network]\n"), &["bad.toml:4:"]),
        (with("seed = 1", "seed = -1"), &["bad.toml:2:8:", "-1"]),
        (with("name = \"small\"\n", ""), &["bad.toml", "name"]),
        (GOOD.to_owned() + "[[fault]]\nat = \"1h\"\nkill = \"all\"\n", &["bad.toml:16:6:"]),
        (GOOD.to_owned() + "[[fault]]\nat = \"1s\"\nkill = { nodes = [20] }\n", &["bad.toml:17:", "20"]),
        (
            GOOD.to_owned() + "[[fault]]\nat = \"1s\"\nkill = { function = \"g\" }\n",
            &["bad.toml:17:", "valid are f"],
        ),
        (String::new(), &["bad.toml", "name"]),
        ("\u{feff}\0".to_owned(), &["bad.toml:1:"]),
    ] {
        says(&refused(&scenario, &[]), words);
    }
}

#[test]
fn mistakes_in_a_matrix_are_said_with_its_line() {
    let scenario = GOOD.replace("\"20ms\"\n[[f", "{ matrix = \"m.txt\", unit = \"ms\" }\n[[f");
    for (matrix, words) in [
        ("0 1 2\n1 0 3\n", &["m.txt"][..]),
        ("0 1 2\n1 0\n2 3 0\n", &["m.txt:2"]),
        ("0 1\n-1 0\n", &["m.txt", "row 2 column 1", "negative", "drop-node"]),
        ("0 1\nx 0\n", &["m.txt:2", "x"]),
        ("0 1\nnan 0\n", &["m.txt", "row 2 column 1", "missing"]),
        ("0 inf\n1 0\n", &["m.txt", "row 1 column 2", "missing"]),
        ("", &["m.txt", "no values"]),
        ("\n\n", &["m.txt"]),
        ("0 1e300\n1e300 0\n", &["m.txt:1:2", "1e300"]),
    ] {
        says(&refused(&scenario, &[("m.txt", matrix)]), words);
    }
    says(&refused(&scenario, &[]), &["m.txt", "No such file"]);
}

#[test]
fn mistakes_in_a_trace_are_said_with_its_row() {
    let invocations = "HashOwner,HashApp,HashFunction,Trigger,1,2\n";
    let scenario = GOOD.replace("rate = \"10/s\"", "trace = { azure2019 = { invocations = \"t.csv\" } }");
    says(&refused(&scenario, &[]), &["t.csv", "No such file"]);
    says(&refused(&scenario, &[("t.csv", "")]), &["t.csv"]);
    says(&refused(&scenario, &[("t.csv", invocations)]), &["t.csv"]);
    says(&refused(&scenario, &[("t.csv", &format!("{invocations}a,b,c,http,1\n"))]), &["t.csv", "line 2"]);
    says(
        &refused(&scenario, &[("t.csv", &format!("{invocations}a,b,c,http,1,x\n"))]),
        &["t.csv", "line 2", "x"],
    );
    says(&refused(&scenario, &[("t.csv", &format!("{invocations}a,b,c,http,1,-2\n"))]), &["t.csv", "line 2"]);

    let scenario = GOOD.replace("rate = \"10/s\"", "trace = { azure2021 = \"t.csv\" }");
    let rows = "app,func,end_timestamp,duration\n";
    says(&refused(&scenario, &[("t.csv", "")]), &["t.csv"]);
    says(&refused(&scenario, &[("t.csv", rows)]), &["t.csv"]);
    says(&refused(&scenario, &[("t.csv", &format!("{rows}a,f,1.5\n"))]), &["t.csv", "line 2"]);
    says(
        &refused(&scenario, &[("t.csv", &format!("{rows}a,f,1.5,0.2\na,f,2.5,zero\n"))]),
        &["t.csv", "line 3", "zero"],
    );

    let scenario = format!("{GOOD}[churn]\ntrace = \"s.csv\"\n");
    let rows = "node,up_s,down_s\n";
    says(&refused(&scenario, &[("s.csv", "")]), &["s.csv"]);
    says(&refused(&scenario, &[("s.csv", &format!("{rows}99,1,2\n"))]), &["s.csv", "line 2", "99"]);
    says(&refused(&scenario, &[("s.csv", &format!("{rows}3,1\n"))]), &["s.csv", "line 2"]);
    says(&refused(&scenario, &[("s.csv", &format!("{rows}3,2,1\n"))]), &["s.csv", "line 2"]);
}

#[test]
fn a_missing_scenario_and_bad_words_are_said() {
    let folder = TempDir::new().unwrap();
    let output = sim().current_dir(folder.path()).arg("none.toml").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    says(&String::from_utf8(output.stderr).unwrap(), &["none.toml", "No such file"]);
    fs::write(folder.path().join("good.toml"), GOOD).unwrap();
    for set in
        ["network.nodse=3", "network.nodes=x", "function.g.providers=2", "nonsense", "phase.7.duration=1s"]
    {
        let output = sim().current_dir(folder.path()).args(["good.toml", "--set", set]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{set}");
        assert!(!output.stderr.is_empty(), "{set}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was written");
}

#[test]
fn an_earlier_run_is_replaced_only_when_forced() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("good.toml"), GOOD).unwrap();
    let run = |words: &[&str]| {
        sim().current_dir(folder.path()).args(["good.toml", "--quiet"]).args(words).output().unwrap()
    };
    assert!(run(&[]).status.success());
    let again = run(&[]);
    assert_eq!(again.status.code(), Some(2));
    says(&String::from_utf8(again.stderr).unwrap(), &["results/small/1-", "--force"]);
    assert!(run(&["--force"]).status.success());
    // Another seed, another value: folders of their own.
    assert!(run(&["--seed", "2"]).status.success());
    assert!(run(&["--set", "network.nodes=21"]).status.success());
    assert_eq!(fs::read_dir(folder.path().join("results/small")).unwrap().count(), 3);
}

/// A run with minutes of work before it, in a folder of its own.
fn begin_long_run(folder: &Path) -> Child {
    let long = GOOD.replace("duration = \"5s\"", "duration = \"10d\"").replace("10/s", "1000/s");
    fs::write(folder.join("long.toml"), long).unwrap();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_sim"))
        .current_dir(folder)
        .args(["long.toml", "--quiet"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while hidden(folder).iter().all(|name| !name.ends_with(".incomplete")) {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child
}

/// What there is of runs in a folder.
fn hidden(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder.join("results/small")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[cfg(unix)]
#[test]
fn a_run_that_is_told_to_end_takes_away_what_it_began() {
    for signal in ["INT", "TERM", "HUP"] {
        let folder = TempDir::new().unwrap();
        let child = begin_long_run(folder.path());
        let told = std::process::Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(told.unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}");
        says(&String::from_utf8(output.stderr).unwrap(), &["interrupted"]);
        assert_eq!(hidden(folder.path()), [""; 0], "{signal}");
    }
}

#[test]
fn a_killed_run_is_taken_away_by_the_next_of_its_name_and_a_living_one_is_not() {
    let folder = TempDir::new().unwrap();
    let mut child = begin_long_run(folder.path());
    let again = || {
        let mut again = sim();
        again.current_dir(folder.path()).args(["long.toml", "--quiet", "--force"]);
        again
    };
    let refused = again().output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    says(&String::from_utf8(refused.stderr).unwrap(), &["results/small/1-", "another process"]);
    assert!(child.try_wait().unwrap().is_none(), "it was disturbed");
    child.kill().unwrap();
    child.wait().unwrap();
    let left = hidden(folder.path());
    assert_eq!(left.len(), 2, "{left:?}");
    let stale = folder
        .path()
        .join("results/small")
        .join(left.iter().find(|name| name.ends_with("incomplete")).unwrap());
    // Nothing but a mark, so that its files are those of the next one.
    for entry in fs::read_dir(&stale).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    fs::write(stale.join("mark"), "").unwrap();
    // The next one begins anew in its place.
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_sim"))
        .current_dir(folder.path())
        .args(["long.toml", "--quiet"])
        .spawn()
        .unwrap();
    while stale.join("mark").exists() || !stale.join("calls.csv").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(hidden(folder.path()).len(), 2);
}

#[test]
fn an_interrupted_run_leaves_nothing_that_looks_complete() {
    let folder = TempDir::new().unwrap();
    let mut child = begin_long_run(folder.path());
    let results = folder.path().join("results/small");
    child.kill().unwrap();
    child.wait().unwrap();
    fn manifests(folder: &Path) -> usize {
        fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(
                |path| {
                    if path.is_dir() {
                        manifests(&path)
                    } else {
                        usize::from(path.ends_with("manifest.json"))
                    }
                },
            )
            .sum()
    }
    assert_eq!(manifests(&results), 0);
    for entry in fs::read_dir(&results).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.starts_with('.'), "{name}");
    }
}

#[test]
fn verify_holds_a_run_and_finds_what_was_changed() {
    let run = run_with(GOOD, &["--repetitions", "2"]);
    let verify = || sim().arg("verify").arg(&run.folder).output().unwrap();
    let held = verify();
    assert!(held.status.success(), "{}", String::from_utf8_lossy(&held.stderr));
    says(&String::from_utf8(held.stdout).unwrap(), &["every hash holds", &run.manifest.run_hash[..8]]);
    for file in ["calls.csv", "latency.hlog"] {
        let path = run.folder.join(file);
        let bytes = fs::read(&path).unwrap();
        let mut changed = bytes.clone();
        let last = changed.len() - 5;
        changed[last] = changed[last].wrapping_add(1);
        fs::write(&path, changed).unwrap();
        let broken = verify();
        assert_eq!(broken.status.code(), Some(1));
        says(&String::from_utf8(broken.stderr).unwrap(), &[file, "does not hold"]);
        fs::remove_file(&path).unwrap();
        assert_eq!(verify().status.code(), Some(1));
        fs::write(&path, bytes).unwrap();
    }
    assert!(verify().status.success());
    // A manifest that is not one.
    fs::write(run.folder.join("manifest.json"), "{}").unwrap();
    assert_eq!(verify().status.code(), Some(2));
    fs::remove_file(run.folder.join("manifest.json")).unwrap();
    assert_eq!(verify().status.code(), Some(2));
}

#[test]
fn check_and_schema_say_what_they_should() {
    let output = sim().arg("check").arg(scenarios().join("10-nodes.toml")).output().unwrap();
    assert!(output.status.success());
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .ends_with("10-nodes.toml is valid: 1 variant, 1 repetition each\n")
    );
    let schema = sim().arg("schema").output().unwrap();
    assert!(schema.status.success());
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).unwrap();
    assert!(schema["properties"]["network"].is_object());
    for key in ["function", "phase", "fault", "churn", "sweep"] {
        assert!(!schema["properties"][key].is_null(), "{key}");
    }
}

/// The wall time and what is made from it, the results' folder: out.
fn without_wall_time(printed: &str) -> String {
    let mut lines: Vec<String> = printed.lines().map(str::to_owned).collect();
    if let Some(at) = lines[0].find(" simulated in ") {
        lines[0].truncate(at);
        lines[0].push_str(" simulated in …");
    }
    for line in &mut lines {
        if let Some(at) = line.find("results/") {
            line.replace_range(..at, "…/");
        }
        if let Some(at) = line.find("   hash ") {
            line.truncate(at);
        }
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_terminal_shows_a_small_run() {
    let run = run(GOOD);
    insta::assert_snapshot!("terminal", without_wall_time(&run.printed));
    // Nothing but errors when it is to be quiet.
    assert_eq!(run_with(GOOD, &["--quiet"]).printed, "");
}

#[test]
fn the_trace_shows_the_protocol_at_work() {
    let trace =
        sim().arg("trace").arg(scenarios().join("10-nodes.toml")).args(["--lines", "40"]).output().unwrap();
    assert!(trace.status.success());
    insta::assert_snapshot!("trace", String::from_utf8(trace.stdout).unwrap());
    let trace = sim()
        .arg("trace")
        .arg(scenarios().join("10-nodes.toml"))
        .args(["--from", "0", "--lines", "25", "--node", "3"])
        .output()
        .unwrap();
    let text = String::from_utf8(trace.stdout).unwrap();
    let events: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with(char::is_whitespace) && line.contains("  node-"))
        .skip(4)
        .collect();
    assert!(!events.is_empty() && events.iter().all(|line| line.contains("  node-3 ")), "{text}");
}
