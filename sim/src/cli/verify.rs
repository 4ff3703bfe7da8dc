//! `sim verify RUN`: the run once more, and every hash held against the manifest.

use super::play::{Identity, Player, inputs, repetitions};
use super::{Failure, interrupt, print};
use crate::folder::HashOnly;
use edge_faas_analysis::Run;
use edge_faas_core::results::{MANIFEST, Source, Stopped, Summary};
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
    let rule = manifest.stopped.as_ref().map(|stopped| stopped.rule.clone());
    let identity = Identity::of(&loaded, rule)?;
    let repetitions = match &manifest.stopped {
        None => repetitions(&loaded),
        Some(stopped) if stopped.repetitions.len() == loaded.variants.len() => stopped.repetitions.clone(),
        Some(stopped) => {
            return Err(Failure::input(format!(
                "{}: stopped.repetitions has {} numbers for {} variants",
                folder.join(MANIFEST).display(),
                stopped.repetitions.len(),
                loaded.variants.len()
            )));
        }
    };
    interrupt::watch()?;
    let player = Player { loaded: &loaded, inputs: &inputs, identity: &identity, threads, quiet };
    let (_, written, _) = player.write(&repetitions, HashOnly)?;
    wrong.extend(manifest.stopped.iter().flat_map(|stopped| stopped_wrongly(stopped, &written.summaries)));
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

/// Variants whose repetitions are not as many as the rule says.
fn stopped_wrongly(stopped: &Stopped, summaries: &[(String, Summary)]) -> Vec<String> {
    let rule = &stopped.rule;
    let mut wrong = Vec::new();
    for (label, summary) in summaries {
        let values: Vec<_> = summary.repetitions().iter().map(|repetition| rule.value(repetition)).collect();
        let said = (1..=values.len()).find(|n| rule.is_done(&values[..*n]));
        if said != Some(values.len()) {
            let count = values.len();
            wrong.push(format!("{MANIFEST}: {count} repetitions of `{label}` are not what the rule says"));
        }
    }
    wrong
}
