//! `sim verify RUN`: the run once more, and every hash held against the manifest.

use super::folder::HashOnly;
use super::run::{Identity, inputs, play};
use super::{Failure, interrupt, print};
use edge_faas_core::results::{self, FileEntry, MANIFEST, Manifest, Source};
use edge_faas_core::scenario::{Loaded, Variant};
use std::fs::File;
use std::path::Path;

pub(super) fn verify(run: &Path, threads: Option<usize>, quiet: bool) -> Result<(), Failure> {
    let path = run.join(MANIFEST);
    let file = File::open(&path)
        .map_err(|error| Failure::input(format!("{}: {error}; a run's folder holds one", path.display())))?;
    let manifest =
        Manifest::read(file).map_err(|error| Failure::input(format!("{}: {error}", run.display())))?;
    if manifest.backend != Source::Sim {
        return Err(Failure::input(format!(
            "{}: was written by `{}`; only runs of the simulator can be made again",
            run.display(),
            manifest.backend
        )));
    }
    let mut wrong = on_disk(run, &manifest)?;
    let variants: Vec<Variant> = serde_json::from_value(manifest.scenario.clone()).map_err(|error| {
        Failure::input(format!("{}: the scenario in it cannot be read: {error}", path.display()))
    })?;
    let loaded = Loaded::from_identity(variants, manifest.inputs.clone());
    let inputs = inputs(&loaded)?;
    let identity = Identity::of(&loaded)?;
    interrupt::watch()?;
    let (_, written, _) = play(&loaded, &inputs, &identity, HashOnly, threads, quiet)?;
    for entry in &manifest.files {
        match written.files.iter().find(|again| again.name == entry.name) {
            Some(again) if again.sha256 == entry.sha256 => {}
            Some(again) => {
                wrong.push(format!("{}: {} again, {} then", entry.name, again.sha256, entry.sha256))
            }
            None => wrong.push(format!("{}: not written again", entry.name)),
        }
    }
    if wrong.is_empty() {
        let hash = written.run_hash.get(..8).unwrap_or(&written.run_hash);
        return print(&format!(
            "{}: {} files, every hash holds   hash {hash}\n",
            run.display(),
            written.files.len()
        ));
    }
    let by = format!("{} {}", manifest.program.name, manifest.program.version);
    Err(Failure::other(format!(
        "{}: does not hold (written by {by}, this is {})\n  {}",
        run.display(),
        env!("CARGO_PKG_VERSION"),
        wrong.join("\n  ")
    )))
}

/// The files of the folder that are not what the manifest says.
fn on_disk(run: &Path, manifest: &Manifest) -> Result<Vec<String>, Failure> {
    let mut wrong = Vec::new();
    for entry in &manifest.files {
        let path = run.join(&entry.name);
        let found: Result<FileEntry, _> =
            File::open(&path).and_then(|file| results::file_entry(&entry.name, file));
        match found {
            Ok(found) if found.sha256 == entry.sha256 => {}
            Ok(found) => {
                wrong.push(format!("{}: on disk {}, written {}", entry.name, found.sha256, entry.sha256))
            }
            Err(error) => wrong.push(format!("{}: {error}", entry.name)),
        }
    }
    Ok(wrong)
}
