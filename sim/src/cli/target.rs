//! The folder that a run ends up in: not before it is complete, and never over another by mistake.

use super::Failure;
use crate::folder::RunFolder;
use edge_faas_core::results::{Folder, MANIFEST, Manifest};
use std::path::Path;

/// Refuses to replace what is there, unless that is asked for.
pub(super) fn refuse_existing(target: &Path, force: bool) -> Result<(), Failure> {
    if !target.exists() || force {
        return Ok(());
    }
    Err(Failure::input(format!(
        "{}: this scenario has been run with this seed; --force replaces the run, --output DIR puts another beside it, `sim verify` checks it",
        target.display()
    )))
}

/// Begins the folder, beside where it will be.
pub(super) fn begin(target: &Path) -> Result<RunFolder, Failure> {
    RunFolder::begin(target)
        .map_err(|error| Failure::other(format!("{}: cannot be made: {error}", target.display())))?
        .ok_or_else(|| in_use(target))
}

/// Somebody else is at work there.
pub(super) fn in_use(target: &Path) -> Failure {
    Failure::input(format!(
        "{}: another process is running this scenario with this seed; wait for it, or use --output DIR",
        target.display()
    ))
}

/// Refuses to write Parquet files, if this program cannot.
pub(super) fn refuse_parquet(asked: bool) -> Result<(), Failure> {
    if asked && !cfg!(feature = "parquet") {
        return Err(Failure::input(
            "--parquet: this program was built without it; `cargo install --path sim --features parquet` builds it with it",
        ));
    }
    Ok(())
}

/// Writes the manifest, last of all, and gives the folder its name.
///
/// Parquet files are made of the complete CSV files and stand in no manifest: they hold nothing more, and their bytes
/// depend on the library that wrote them.
pub(super) fn complete(
    mut folder: RunFolder,
    manifest: &Manifest,
    target: &Path,
    parquet: bool,
) -> Result<(), Failure> {
    refuse_parquet(parquet)?;
    #[cfg(feature = "parquet")]
    if parquet {
        crate::parquet::convert(folder.making(), manifest).map_err(Failure::other)?;
    }
    let mut file = folder.create(MANIFEST).map_err(Failure::other)?;
    manifest.write(&mut file).map_err(Failure::other)?;
    folder.close(MANIFEST, file).map_err(Failure::other)?;
    folder.complete().map_err(|error| Failure::other(format!("{}: {error}", target.display())))
}
