//! The gate of continuous integration, `scripts/ci-regression`, and the references that it holds results against.

// A test that cannot prepare what it needs has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod common;

use common::sim;
use edge_faas_core::results::{MANIFEST, Manifest};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// With the program as it is, and with one that computes something else.
#[test]
#[cfg(unix)]
fn the_gate_lets_pass_what_did_not_move_and_nothing_else() {
    use std::os::unix::fs::PermissionsExt;

    let folder = TempDir::new().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let summary = folder.path().join("summary.md");
    let gate = |program: &Path, words: &[&str]| {
        let output = std::process::Command::new(root.join("scripts/ci-regression"))
            .args(words)
            .env("SIM", program)
            .env("REFERENCE", folder.path().join("reference"))
            .env("GITHUB_STEP_SUMMARY", &summary)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    };
    let program = Path::new(env!("CARGO_BIN_EXE_sim"));
    let (code, said) = gate(program, &["10-nodes"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("there is no reference in"), "{said}");
    let (code, said) = gate(program, &["10-nodes", "--accept"]);
    assert_eq!((code, said.as_str()), (0, "10-nodes has a new reference\n"));
    let (code, said) = gate(program, &["10-nodes"]);
    assert_eq!((code, said.as_str()), (0, "10-nodes is as it was\n"));
    let kept: Vec<PathBuf> = fs::read_dir(folder.path().join("reference/10-nodes"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(kept.len(), 2, "{kept:?}");

    // A program whose runs differ, whatever it is asked.
    let other = folder.path().join("other");
    let real = program.display();
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = compare ]; then exec '{real}' \"$@\"; fi\nexec '{real}' \"$@\" --set kademlia.alpha=1\n"
    );
    fs::write(&other, script).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
    let (code, said) = gate(&other, &["10-nodes"]);
    assert_eq!(code, 1, "{said}");
    for part in ["10-nodes moved", "kademlia.alpha", "lookup_time.p50", "scripts/ci-regression --accept"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(fs::read_to_string(&summary).unwrap().contains("### 10-nodes moved\n\n|  | folder |"));
    assert_eq!(gate(&other, &["--accept", "10-nodes"]).0, 0);
    assert_eq!(gate(program, &["10-nodes"]).0, 1);

    // A reference that somebody touched.
    assert_eq!(gate(program, &["--accept", "10-nodes"]).0, 0);
    let path = folder.path().join("reference/10-nodes/summary.csv");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen(",count,53,", ",count,54,", 1)).unwrap();
    let (code, said) = gate(program, &["10-nodes"]);
    assert_eq!(code, 1);
    assert!(said.contains("summary.csv: is not what the run wrote"), "{said}");
    assert_eq!(gate(program, &["no-such-scenario"]).0, 2);
}

/// The references that are checked in are whole, and of the scenarios as they stand.
#[test]
fn the_references_are_complete() {
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/reference");
    let mut bytes = 0;
    let mut names = Vec::new();
    for entry in fs::read_dir(&reference).unwrap() {
        let folder = entry.unwrap().path();
        let manifest = Manifest::read(File::open(folder.join(MANIFEST)).unwrap()).unwrap();
        assert_eq!(folder.file_name().unwrap().to_str(), Some(manifest.name.as_str()));
        assert_eq!(manifest.command[..2], ["sim".to_owned(), format!("scenarios/{}.toml", manifest.name)]);
        let output = sim().arg("compare").args([&folder, &folder]).arg("--identical").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for file in fs::read_dir(&folder).unwrap() {
            bytes += file.unwrap().metadata().unwrap().len();
        }
        names.push(manifest.name);
    }
    names.sort();
    assert_eq!(names, ["10-nodes", "1000-nodes", "baselines", "churn", "federation-overflow", "partition"]);
    assert!(bytes < 2_500_000, "{bytes} bytes: what is checked in should stay small");
}
