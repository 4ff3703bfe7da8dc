//! Part of a sweep: `--only` and `--real-grid`, and what a manifest says of them.

#![allow(clippy::unwrap_used)]

mod common;

use common::{run_with, sim};
use std::fs;
use tempfile::TempDir;

const SCENARIO: &str = r#"name = "part"
seed = 1
repetitions = 3
[network]
nodes = 10
latency = "5ms"
[[function]]
name = "f"
providers = 2
service_time = "1ms"
[[phase]]
name = "calls"
duration = "1s"
anycall = { rate = "5/s" }
[harness]
repetitions = 1
only = { path = ["race", "near"], "network.nodes" = ["20"] }
[sweep]
"network.nodes" = [10, 20]
[[sweep.factor]]
name = "path"
[sweep.factor.levels]
near = { "faas.policy" = "nearest" }
random = { "faas.policy" = "random" }
race = { "faas.policy" = "race" }
"#;

#[test]
fn the_real_grid_is_that_of_real_nodes_and_its_command_makes_it_again() {
    let real = run_with(SCENARIO, &["--real-grid"]);
    assert_eq!(real.manifest.variants, ["nodes=20,path=near", "nodes=20,path=race"]);
    assert_eq!(real.manifest.repetitions, 1);
    let said = run_with(SCENARIO, &["--real-grid", "--only", "path=random", "--repetitions", "2"]);
    assert_eq!(said.manifest.variants, ["nodes=20,path=random"]);
    assert_eq!(said.manifest.repetitions, 2);
    for run in [real, said] {
        let words: Vec<&str> = run.manifest.command.iter().skip(2).map(String::as_str).collect();
        let again = run_with(SCENARIO, &words);
        assert_eq!(again.manifest.run, run.manifest.run);
        assert_eq!(again.manifest.run_hash, run.manifest.run_hash);
        sim().args(["verify", "--quiet"]).arg(&run.folder).assert().success();
    }
}

#[test]
fn a_variant_is_the_same_alone_as_among_all() {
    let all = run_with(SCENARIO, &["--repetitions", "1"]);
    let one =
        run_with(SCENARIO, &["--repetitions", "1", "--only", "path=race", "--only", "network.nodes=20"]);
    assert_eq!(one.manifest.variants, ["nodes=20,path=race"]);
    let of_one: Vec<_> =
        all.calls().into_iter().filter(|call| call.variant == "nodes=20,path=race").collect();
    assert!(!of_one.is_empty());
    assert_eq!(of_one, one.calls());
}

#[test]
fn mistakes_say_what_there_is_and_write_nothing() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("part.toml"), SCENARIO).unwrap();
    for words in
        [&["part.toml"][..], &["check", "part.toml"], &["sweep", "part.toml"], &["trace", "part.toml"]]
    {
        for (only, said) in [
            ("path=fast", "part.toml: path has no level fast; it has near, random, race"),
            ("pth=near", "part.toml: pth is no factor of the sweep; its factors are network.nodes, path"),
        ] {
            let output =
                sim().current_dir(folder.path()).args(words).args(["--only", only]).output().unwrap();
            assert_eq!(output.status.code(), Some(2), "{words:?}");
            assert_eq!(String::from_utf8(output.stderr).unwrap().trim_end(), said);
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was written");
    let checked =
        sim().current_dir(folder.path()).args(["check", "part.toml", "--real-grid"]).output().unwrap();
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains("2 variants, 1 repetition each"), "{said}");
}
