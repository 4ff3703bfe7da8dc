//! `sim verify RUN`: the run once more, and every hash held against the manifest.

use super::folder::HashOnly;
use super::run::{Identity, inputs, play};
use super::{Failure, interrupt, print};
use edge_faas_analysis::Run;
use edge_faas_core::results::{MANIFEST, Source};
use edge_faas_core::scenario::{Loaded, Variant};
use std::path::Path;

pub(super) fn verify(folder: &Path, threads: Option<usize>, quiet: bool) -> Result<(), Failure> {
    let run = Run::open_as_found(folder).map_err(Failure::input)?;
    let manifest = run.manifest();
    if manifest.backend != Source::Sim {
        return Err(Failure::input(format!(
            "{}: was written by `{}`; only runs of the simulator can be made again",
            folder.display(),
            manifest.backend
        )));
    }
    let mut wrong = run.changed_files();
    let variants: Vec<Variant> = serde_json::from_value(manifest.scenario.clone()).map_err(|error| {
        Failure::input(format!(
            "{}: the scenario in it cannot be read: {error}",
            folder.join(MANIFEST).display()
        ))
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
            folder.display(),
            written.files.len()
        ));
    }
    let by = format!("{} {}", manifest.program.name, manifest.program.version);
    Err(Failure::other(format!(
        "{}: does not hold (written by {by}, this is {})\n  {}",
        folder.display(),
        env!("CARGO_PKG_VERSION"),
        wrong.join("\n  ")
    )))
}
