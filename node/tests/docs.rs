//! What is written about the node against the code: settings, commands, routes, headers.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

use edge_faas_node::cli;
use edge_faas_node::http::{
    ATTEMPTS, HOPS, IDEMPOTENT, ITEMS, OUTCOME, POLICY, PROVIDER, SERVER_TIMING, TIMEOUT,
};
use edge_faas_node::runtime::{SERVICE_TIME, annotation};
use edge_faas_node::settings::{KEYS, Settings};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const MARKER: &str = "<!-- The rest is made from the list of settings in the code: UPDATE_DOCS=1 cargo test -p edge-faas-node \
     the_reference -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All settings as Markdown, a table for each section.
fn reference() -> String {
    let defaults = Settings::default();
    let mut text = String::new();
    let mut section = "";
    for key in KEYS {
        if key.section() != section {
            section = key.section();
            let _ = write!(
                text,
                "\n### `[{section}]`\n\n| key | value | default | meaning |\n|---|---|---|---|\n"
            );
        }
        let default = match (key.get)(&defaults).as_str() {
            "none" => "not set".to_owned(),
            shown => format!("`{shown}`"),
        };
        let _ = writeln!(text, "| `{}` | {} | {default} | {} |", key.short(), key.kind, key.doc);
    }
    text
}

#[test]
fn the_reference_of_settings_is_that_of_the_code() {
    let page = read("docs/node.md");
    let (before, found) = page.split_once(MARKER).expect("docs/node.md has the mark before its reference");
    let wanted = reference();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        // The other tests read it meanwhile.
        let (page, new) = (root().join("docs/node.md"), root().join("docs/node.md.new"));
        std::fs::write(&new, format!("{before}{MARKER}{wanted}")).unwrap();
        std::fs::rename(new, page).unwrap();
        return;
    }
    assert!(
        found == wanted,
        "docs/node.md differs from the code's settings: run `UPDATE_DOCS=1 cargo test -p edge-faas-node the_reference`"
    );
}

/// The blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut inside: Option<String> = None;
    for line in text.lines() {
        match (&mut inside, line.strip_prefix("```")) {
            (None, Some(found)) if found == language => inside = Some(String::new()),
            (Some(block), Some("")) => {
                blocks.push(std::mem::take(block));
                inside = None;
            }
            (Some(block), None) => *block += &format!("{line}\n"),
            _ => {}
        }
    }
    blocks
}

#[test]
fn example_settings_are_read() {
    let mut examples = blocks(&read("docs/node.md"), "toml");
    assert!(!examples.is_empty());
    examples.push(read("deploy/node.toml"));
    for example in examples {
        Settings::default().read(&example).unwrap_or_else(|error| panic!("{example}{error}"));
    }
}

/// The words of every command that calls `edge-faas`, with what stands before a pipe and behind a redirection left out.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    for line in text.lines().map(|line| line.trim().trim_start_matches("#   ")) {
        let line = line.split_once(" #").map_or(line, |(command, _)| command);
        let part = line.split('|').find(|part| part.contains("edge-faas ")).unwrap_or_default();
        let part = part.split(['<', '>']).next().unwrap_or_default().trim();
        let arguments = match part.strip_prefix("cargo run --release --bin edge-faas -- ") {
            Some(arguments) => arguments,
            None => match part.strip_prefix("edge-faas ") {
                Some(arguments) => arguments,
                None => continue,
            },
        };
        let words = std::iter::once("edge-faas").chain(arguments.split_whitespace());
        commands.push(words.map(str::to_owned).collect());
    }
    commands
}

#[test]
fn every_command_that_is_shown_is_understood_and_every_command_is_shown() {
    let mut shown = std::collections::BTreeSet::new();
    for page in ["README.md", "docs/node.md"] {
        for words in commands(&blocks(&read(page), "sh").join("\n")) {
            if let Err(error) = cli::command().try_get_matches_from(&words) {
                panic!("{page}: `{}`: {error}", words.join(" "));
            }
            shown.extend(words.get(1).cloned());
        }
    }
    for words in commands(&read("deploy/compose.yml")) {
        if let Err(error) = cli::command().try_get_matches_from(&words) {
            panic!("deploy/compose.yml: `{}`: {error}", words.join(" "));
        }
    }
    for command in cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(
            name == "help" || command.is_hide_set() || shown.contains(name),
            "no page shows `edge-faas {name}`"
        );
    }
}

#[test]
fn the_commands_of_the_service_and_of_the_images_are_understood() {
    let service = read("deploy/edge-faas.service").replace("\\\n", " ");
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/")).unwrap();
    let compose = read("deploy/compose.yml");
    let command = compose.split_once("command:\n").unwrap().1;
    let words = command.lines().map_while(|line| line.trim().strip_prefix("- "));
    let image = read("deploy/Dockerfile");
    let default: Vec<String> =
        serde_json::from_str(image.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap()).unwrap();
    for words in [
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        std::iter::once("edge-faas").chain(words).map(str::to_owned).collect(),
        std::iter::once("edge-faas".to_owned()).chain(default).collect(),
    ] {
        let matches =
            cli::command().try_get_matches_from(&words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        let (_, node) = matches.subcommand().unwrap();
        for (key, value) in node.get_many::<(String, String)>("set").into_iter().flatten() {
            Settings::default().set(key, value).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        }
    }
}

#[test]
fn headers_and_annotations_are_named() {
    let page = read("docs/node.md").to_ascii_lowercase();
    let headers =
        [ATTEMPTS, HOPS, IDEMPOTENT, ITEMS, OUTCOME, POLICY, PROVIDER, SERVER_TIMING, SERVICE_TIME, TIMEOUT];
    for name in headers.iter().map(|name| name.as_str()).chain(annotation::ALL) {
        assert!(page.contains(&format!("`{name}`")), "docs/node.md does not name {name}");
    }
}

#[test]
fn links_lead_somewhere() {
    for page in ["docs/node.md", "README.md"] {
        let text = read(page);
        let folder = Path::new(page).parent().unwrap_or(Path::new(""));
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !path.contains("://") {
                assert!(root().join(folder).join(path).exists(), "{page}: there is no {target}");
            }
        }
    }
}
