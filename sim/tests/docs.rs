//! The README against what it talks about: its commands are understood, what it names exists, and its results are those
//! of the scenario as it stands.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

use clap::Command;
use edge_faas_core::results::{LATENCY_LOG, MANIFEST, Manifest, Table, run_id};
use edge_faas_core::scenario::Scenario;
use edge_faas_sim::folder::Disk;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The README without its commands of the node, which has tests of its own for them.
fn readme_of_sim() -> String {
    let readme = read("README.md");
    let of_node = |line: &&str| {
        line.contains("edge-faas ")
            || line.starts_with("curl ")
            || line.starts_with("cargo install --path node")
    };
    let lines: Vec<&str> = readme.lines().filter(|line| !of_node(line)).collect();
    lines.join("\n")
}

/// The lines of the README's shell blocks, without comments.
fn shell_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            inside = language == "sh";
        } else if inside {
            let line = line.split_once(" #").map_or(line, |(command, _)| command).trim();
            if !line.is_empty() {
                lines.push(line.to_owned());
            }
        }
    }
    lines
}

/// The lines that call `sim`, straight or through cargo, word by word.
fn sim_lines(text: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    for line in shell_lines(text) {
        let line = line.split_once('>').map_or(line.as_str(), |(command, _)| command.trim());
        let words: Vec<&str> = line.split_whitespace().collect();
        let arguments = match words.as_slice() {
            ["sim", rest @ ..] | ["cargo", "run", "--release", "--bin", "sim", "--", rest @ ..] => rest,
            ["cargo", "test", ..] => continue,
            _ => panic!("what is `{line}`? Teach this test to hold it"),
        };
        commands.push(std::iter::once("sim").chain(arguments.iter().copied()).map(str::to_owned).collect());
    }
    commands
}

/// Words such as `--set` anywhere in a text.
fn options_in(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter_map(|word| word.strip_prefix("--"))
        .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        .map(str::to_owned)
        .collect()
}

/// The long options of a command and of those below it.
fn options_of(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned);
    own.chain(command.get_subcommands().flat_map(options_of)).collect()
}

#[test]
fn every_command_of_the_readme_is_understood() {
    let commands = sim_lines(&readme_of_sim());
    for words in &commands {
        if let Err(error) = edge_faas_sim::cli::command().try_get_matches_from(words) {
            panic!("`{}`: {error}", words.join(" "));
        }
        for path in words.iter().filter(|word| word.ends_with(".toml")) {
            assert!(root().join(path).is_file(), "`{}`: there is no {path}", words.join(" "));
        }
    }
    let shown: BTreeSet<&str> =
        commands.iter().filter_map(|words| words.get(1)).map(String::as_str).collect();
    assert!(shown.contains("scenarios/1000-nodes.toml"), "the main command: {shown:?}");
    for command in edge_faas_sim::cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(name == "help" || shown.contains(name), "the README does not show `sim {name}`");
    }
}

#[test]
fn the_readme_names_the_options_there_are_and_no_others() {
    // Cargo's own.
    let foreign = ["release", "bin", "workspace", "path"];
    let mut named = options_in(&readme_of_sim());
    named.retain(|option| !foreign.contains(&option.as_str()));
    let mut known = options_of(&edge_faas_sim::cli::command());
    known.retain(|option| option != "help" && option != "version");
    assert_eq!(named, known, "left: in the README; right: what `sim` takes");
}

#[test]
fn the_readme_names_every_scenario_with_its_question() {
    let readme = read("README.md");
    let mut rows = BTreeSet::new();
    for line in readme.lines().filter(|line| line.starts_with("| [`") && line.contains("](scenarios/")) {
        let name = line.split('`').nth(1).unwrap_or_default();
        let question = question(&read(&format!("scenarios/{name}.toml")));
        assert_eq!(line, format!("| [`{name}`](scenarios/{name}.toml) | {question} |"));
        rows.insert(format!("{name}.toml"));
    }
    let files: BTreeSet<String> = std::fs::read_dir(root().join("scenarios"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    assert_eq!(rows, files);
}

/// A scenario's opening comment up to its first question mark.
fn question(scenario: &str) -> String {
    let comment: Vec<&str> =
        scenario.lines().map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
    let comment = comment.join(" ");
    let end = comment.find('?').unwrap_or_else(|| panic!("it opens with a question: {comment}"));
    comment[..=end].to_owned()
}

#[test]
fn the_page_about_the_thesis_has_every_experiment() {
    let page = read("docs/reproducing-the-thesis.md");
    let flowing = page.replace('\n', " ");
    let mut experiments = 0;
    for file in std::fs::read_dir(root().join("scenarios")).unwrap() {
        let file = file.unwrap().file_name().into_string().unwrap();
        let Some(name) = file.strip_prefix("thesis-").and_then(|rest| rest.strip_suffix(".toml")) else {
            continue;
        };
        experiments += 1;
        let question = question(&read(&format!("scenarios/{file}")));
        assert!(flowing.contains(&format!("*{question}*")), "{name}: not asked");
        // What `scripts/reproduce-thesis` reads and fills.
        for kind in ["prototype", "results"] {
            let lines = |line: String| page.lines().filter(|other| *other == line).count();
            assert_eq!(lines(format!("<!-- {kind}:{name} -->")), 1, "{kind}:{name}");
            assert_eq!(lines(format!("<!-- end of {kind}:{name} -->")), 1, "{kind}:{name}");
        }
        let loaded = Scenario::load(root().join("scenarios").join(&file).to_str().unwrap(), &Disk, &[]);
        let mut loaded = loaded.unwrap();
        let whole = loaded.variants.len();
        loaded.restrict(&loaded.real_levels()).unwrap();
        assert!(loaded.variants.len() * 5 <= whole, "{name}: real nodes take long, they run a part of it");
    }
    assert_eq!(experiments, 4);
}

#[test]
fn continuous_integration_runs_the_test_command_of_the_readme() {
    let commands = |text: &str| -> Vec<String> {
        text.lines().map(str::trim).filter(|line| line.starts_with("cargo test")).map(str::to_owned).collect()
    };
    let of_readme = commands(&shell_lines(&read("README.md")).join("\n"));
    assert_eq!(of_readme, ["cargo test --workspace"]);
    assert_eq!(commands(&read(".ci/run")), of_readme);
}

#[test]
fn the_readme_names_every_file_of_a_run() {
    let readme = read("README.md");
    let simulated = Table::ALL.into_iter().filter(|table| *table != Table::Links);
    for file in simulated.map(Table::file_name).chain([MANIFEST, LATENCY_LOG]) {
        assert!(readme.contains(&format!("| `{file}` |")), "the README does not say what {file} is");
    }
}

#[test]
fn links_inside_of_the_project_lead_somewhere() {
    for page in [
        "README.md",
        "CHANGELOG.md",
        "docs/analysis.md",
        "docs/architecture.md",
        "docs/comparing.md",
        "docs/node.md",
        "docs/reproducing-the-thesis.md",
        "docs/results.md",
        "docs/scenario.md",
    ] {
        let folder = Path::new(page).parent().unwrap_or(Path::new(""));
        for target in read(page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") {
                assert!(root().join(folder).join(path).exists(), "{page}: there is no {target}");
            }
        }
    }
}

/// The folder's name holds the hash of the resolved scenario: a README that shows another one shows the output of a
/// scenario that has changed since.
#[test]
fn the_first_result_is_of_the_scenario_as_it_stands() {
    let path = root().join("scenarios/1000-nodes.toml");
    let loaded = Scenario::load(path.to_str().unwrap(), &Disk, &[]).unwrap();
    let seed = loaded.variants[0].scenario.seed;
    let run = run_id(&serde_json::to_value(loaded.identity()).unwrap(), seed);
    let folder = format!("results/1000-nodes/{}", Manifest::folder_name(&run, seed));
    let readme = read("README.md");
    let shown: BTreeSet<&str> = readme
        .match_indices("results/1000-nodes/")
        .filter_map(|(at, _)| {
            readme[at..].split(|c: char| c != '/' && c != '-' && !c.is_ascii_alphanumeric()).next()
        })
        .map(|path| path.trim_end_matches('/'))
        .collect();
    assert_eq!(
        shown,
        BTreeSet::from([folder.as_str()]),
        "run scenarios/1000-nodes.toml again and put what it prints into the README"
    );
}
