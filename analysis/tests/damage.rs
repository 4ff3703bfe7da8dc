//! Folders that are not whole are refused, with the file and the place.

// A test that cannot prepare what it needs has failed: the panic says where.
#![allow(clippy::unwrap_used)]

use edge_faas_analysis::Run;
use edge_faas_core::results::{
    EventRecord, FileEntry, Manifest, SCHEMA, Table, file_entry, run_hash, run_id,
};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const HEADER: &str = "run,source,scenario,variant,repetition,seed,time_us,kind,fault,node,detail\n";

/// A folder with one file, `events.csv`, and the manifest of its text.
fn folder(text: impl Fn(&str) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let scenario = serde_json::json!({ "name": "x" });
    let run = run_id(&scenario, 1);
    let text = text(&run);
    fs::write(folder.path().join("events.csv"), &text).unwrap();
    let files: Vec<FileEntry> = vec![file_entry("events.csv", text.as_bytes()).unwrap()];
    let manifest = serde_json::json!({
        "schema": SCHEMA, "program": { "name": "sim", "version": "0", "git_commit": null }, "command": ["sim"], "name": "x",
        "run": run, "run_hash": run_hash(&files), "backend": "sim", "seed": 1, "repetitions": 1, "variants": [""],
        "scenario": scenario, "inputs": [], "files": files, "host": { "cores": 1, "cpu": null, "os": "" },
        "cost": { "events": 0, "messages": 0, "simulated_seconds": 0.0, "wall_seconds": 0.0, "cpu_seconds": null, "peak_memory_bytes": null },
    });
    let manifest: Manifest = serde_json::from_value(manifest).unwrap();
    manifest.write(fs::File::create(folder.path().join("manifest.json")).unwrap()).unwrap();
    folder
}

/// What reading the whole of `events.csv` says.
fn read(folder: &Path) -> Result<usize, String> {
    let run = Run::open(folder).map_err(|error| error.to_string())?;
    let mut rows = run.rows(Table::Events).map_err(|error| error.to_string())?;
    let mut count = 0;
    while rows.next::<EventRecord<'_>>().map_err(|error| error.to_string())?.is_some() {
        count += 1;
    }
    Ok(count)
}

#[test]
fn a_whole_folder_is_read() {
    let folder = folder(|run| format!("{HEADER}{run},sim,x,,0,1,6,leave,,n1,\n"));
    assert_eq!(read(folder.path()), Ok(1));
    assert!(Run::open(folder.path()).unwrap().changed_files().is_empty());
    let left_out = Run::open(folder.path()).unwrap().rows(Table::Calls).err().unwrap().to_string();
    assert!(
        left_out.ends_with("the run has no calls.csv: its scenario leaves it out ([output])"),
        "{left_out}"
    );
}

#[test]
fn damage_names_file_and_line() {
    let mixed = folder(|run| format!("{HEADER}{run},sim,x,,0,1,6,leave,,,\n0000,sim,x,,0,1,6,leave,,,\n"));
    let error = read(mixed.path()).unwrap_err();
    assert!(error.contains("/events.csv:3: run: `0000`") && error.ends_with("are mixed"), "{error}");

    let cut = folder(|run| format!("{HEADER}{run},sim,x,,0,1,6,leave,,,\n"));
    let file = cut.path().join("events.csv");
    let bytes = fs::read(&file).unwrap();
    // At the end of a row, where no reader of rows could know.
    fs::write(&file, HEADER).unwrap();
    let error = read(cut.path()).unwrap_err();
    assert!(error.contains("events.csv: has 75 bytes") && error.contains("cut off"), "{error}");
    fs::write(&file, String::from_utf8(bytes).unwrap().replace("leave", "leavx")).unwrap();
    let error = read(cut.path()).unwrap_err();
    assert!(error.contains("events.csv:2: kind: `leavx` is no event kind"), "{error}");
    assert_eq!(Run::open(cut.path()).unwrap().changed_files().len(), 1);
    fs::remove_file(&file).unwrap();
    assert!(read(cut.path()).unwrap_err().contains("events.csv: No such file"));
    fs::remove_file(cut.path().join("manifest.json")).unwrap();
    let error = read(cut.path()).unwrap_err();
    assert!(error.ends_with("the folder of a complete run holds one"), "{error}");
}
