//! Finished repetitions, kept in a folder until all are there.
//!
//! ```text
//! sweep.json          what is run, by which program, and which share of it
//! cells/<v>-<r>/      repetition r of variant v, complete: its files and cell.json
//! ```
//!
//! A cell's folder gets its name when it is complete, so a process that is killed leaves nothing that looks like one.

use super::{Cell, Shard};
use crate::folder::Files;
use edge_faas_core::InputFile;
use edge_faas_core::results::{
    Cost, Kept, Program, RepetitionOutput, RepetitionSummary, RunContext, SCHEMA, Source, StoppingRule,
};
use edge_faas_core::scenario::{Loaded, Variant};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const PLAN: &str = "sweep.json";
const CELLS: &str = "cells";
const CELL: &str = "cell.json";

/// What a store is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// Version of the columns.
    pub(crate) schema: u32,
    /// The program that plays it.
    pub(crate) program: Program,
    /// SHA-256 of the program's file: a rebuilt one may have the same version and other results.
    pub(crate) executable: String,
    /// The command, without the share.
    pub(crate) command: Vec<String>,
    /// The scenario's name.
    pub(crate) name: String,
    /// The run's identity.
    pub(crate) run: String,
    /// The seed of all draws.
    pub(crate) seed: u64,
    /// The rule that says how many repetitions there are; none if the scenario says.
    pub(crate) rule: Option<StoppingRule>,
    /// The share; none if it is all.
    pub(crate) shard: Option<Shard>,
    /// What is run, as the manifest says it.
    pub(crate) scenario: serde_json::Value,
    /// The files that were read.
    pub(crate) inputs: Vec<InputFile>,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("{}: {error}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("{}: {error}; the folder of a sweep's shard holds a {PLAN}", path.display())]
    NoPlan {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("{}: {error}", path.display())]
    Json {
        path: PathBuf,
        #[source]
        error: serde_json::Error,
    },
    #[error("{}: schema = {found} is not one this version reads (it reads {SCHEMA})", path.display())]
    Schema { path: PathBuf, found: u64 },
    #[error(
        "{}: holds repetitions of {what}; what was begun can only be gone on with by the same: use that, or delete the folder to begin anew",
        folder.display()
    )]
    Other { folder: PathBuf, what: String },
}

/// What stands in a cell's `cell.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptCell {
    kept: Kept,
    cost: Cost,
}

/// A folder of finished repetitions.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    plan: Plan,
    cells: BTreeMap<Cell, KeptCell>,
}

impl Store {
    /// Opens the store of `plan` in `folder`, or begins it there. Whoever calls makes sure that nobody else does.
    ///
    /// # Errors
    /// If there is one of another plan or program, or the folder cannot be used.
    pub(crate) fn begin(folder: PathBuf, plan: Plan) -> Result<Self, StoreError> {
        if folder.join(PLAN).exists() {
            let store = Self::open(folder)?;
            if let Some(what) = store.differs(&plan) {
                return Err(StoreError::Other { folder: store.folder, what });
            }
            return Ok(store);
        }
        let path = folder.join(CELLS);
        fs::create_dir_all(&path).map_err(|error| StoreError::Io { path, error })?;
        write_json(&folder, PLAN, &plan)?;
        Ok(Store { folder, plan, cells: BTreeMap::new() })
    }

    /// Opens a store to read it.
    ///
    /// # Errors
    /// If it is none, or cannot be read.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, StoreError> {
        let path = folder.join(PLAN);
        let bytes = fs::read(&path).map_err(|error| StoreError::NoPlan { path: path.clone(), error })?;
        let json: serde_json::Value =
            serde_json::from_slice(&bytes).map_err(|error| StoreError::Json { path: path.clone(), error })?;
        if let Some(found) = json.get("schema").and_then(serde_json::Value::as_u64)
            && found != u64::from(SCHEMA)
        {
            return Err(StoreError::Schema { path, found });
        }
        // From the text, not the value: it says line and column.
        let plan: Plan = serde_json::from_slice(&bytes).map_err(|error| StoreError::Json { path, error })?;
        let mut store = Store { folder, plan, cells: BTreeMap::new() };
        store.find()?;
        Ok(store)
    }

    /// Finds the cells that are complete. One whose files are not as long as they were (the machine went down) is
    /// none: it will be played again.
    fn find(&mut self) -> Result<(), StoreError> {
        let path = self.folder.join(CELLS);
        let entries = fs::read_dir(&path).map_err(|error| StoreError::Io { path: path.clone(), error })?;
        for entry in entries {
            let entry = entry.map_err(|error| StoreError::Io { path: path.clone(), error })?;
            let name = entry.file_name();
            let Some(cell) = name.to_str().and_then(of_folder_name) else { continue };
            let folder = entry.path();
            let Ok(bytes) = fs::read(folder.join(CELL)) else { continue };
            let Ok(kept) = serde_json::from_slice::<KeptCell>(&bytes) else { continue };
            let is_whole = kept.kept.files.iter().all(|file| {
                fs::metadata(folder.join(&file.name)).is_ok_and(|found| found.len() == file.bytes)
            });
            if is_whole {
                self.cells.insert(cell, kept);
            }
        }
        Ok(())
    }

    /// What the store is of that `plan` is not.
    fn differs(&self, plan: &Plan) -> Option<String> {
        let own = &self.plan;
        if own.run != plan.run {
            return Some(format!("another scenario (run {}, this is {})", own.run, plan.run));
        }
        if own.program != plan.program {
            return Some(format!("{}, this is {}", program(&own.program), program(&plan.program)));
        }
        if own.executable != plan.executable {
            return Some(format!("another build of {}", program(&plan.program)));
        }
        (own.shard != plan.shard).then(|| match own.shard {
            Some(shard) => format!("shard {shard}"),
            None => "a whole sweep".into(),
        })
    }

    /// Where it lies.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it is of.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The cells that are complete, in order.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> {
        self.cells.keys().copied()
    }

    /// Whether a cell is complete.
    pub(crate) fn has(&self, cell: Cell) -> bool {
        self.cells.contains_key(&cell)
    }

    /// What a cell cost.
    pub(crate) fn cost(&self, cell: Cell) -> Option<&Cost> {
        self.cells.get(&cell).map(|kept| &kept.cost)
    }

    /// Keeps what a cell gave.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn keep(
        &mut self,
        cell: Cell,
        output: RepetitionOutput,
        cost: Cost,
    ) -> Result<(), StoreError> {
        let cells = self.folder.join(CELLS);
        let name = folder_name(cell);
        let (making, target) = (cells.join(format!(".{name}.incomplete")), cells.join(&name));
        let failed = |path: &Path, error| StoreError::Io { path: path.to_owned(), error };
        for left in [&making, &target] {
            if left.exists() {
                fs::remove_dir_all(left).map_err(|error| failed(left, error))?;
            }
        }
        let files = Files::create(making.clone()).map_err(|error| failed(&making, error))?;
        let (_, kept) = Kept::write(output, files).map_err(|error| failed(&making, error))?;
        let kept = KeptCell { kept, cost };
        write_json(&making, CELL, &kept)?;
        fs::rename(&making, &target).map_err(|error| failed(&target, error))?;
        self.cells.insert(cell, kept);
        Ok(())
    }

    /// The statistics of a cell that is complete.
    ///
    /// # Errors
    /// If it is not, or its files are not those that were written.
    pub(crate) fn summary(&self, cell: Cell) -> Result<RepetitionSummary, StoreError> {
        let (kept, context) = self.get(cell)?;
        kept.summary(&context, &mut self.opener(cell)).map_err(|error| self.damaged(cell, error))
    }

    /// What a cell that is complete gave.
    ///
    /// # Errors
    /// If it is not, or its files are not those that were written. Most are read later: then whoever reads them is
    /// given the error, for [`Store::damaged`].
    pub(crate) fn output(&self, cell: Cell) -> Result<RepetitionOutput, StoreError> {
        let (kept, context) = self.get(cell)?;
        kept.output(context, &mut self.opener(cell)).map_err(|error| self.damaged(cell, error))
    }

    /// The error that a cell's files are not those that were written.
    pub(crate) fn damaged(&self, cell: Cell, error: io::Error) -> StoreError {
        let why = format!("{error}; delete this folder to have it played again");
        StoreError::Io { path: self.folder_of(cell), error: io::Error::new(error.kind(), why) }
    }

    fn folder_of(&self, cell: Cell) -> PathBuf {
        self.folder.join(CELLS).join(folder_name(cell))
    }

    fn opener(&self, cell: Cell) -> impl FnMut(&str) -> io::Result<Box<dyn Read + Send>> {
        let folder = self.folder_of(cell);
        move |name| Ok(Box::new(File::open(folder.join(name))?) as Box<dyn Read + Send>)
    }

    fn get(&self, cell: Cell) -> Result<(&Kept, RunContext), StoreError> {
        let Some(KeptCell { kept, .. }) = self.cells.get(&cell) else {
            return Err(StoreError::Io { path: self.folder_of(cell), error: io::ErrorKind::NotFound.into() });
        };
        let context = RunContext {
            run: self.plan.run.clone(),
            source: Source::Sim,
            scenario: self.plan.name.clone(),
            variant: kept.variant.clone(),
            repetition: Some(kept.repetition),
            seed: self.plan.seed,
        };
        Ok((kept, context))
    }

    /// Takes the folder away.
    ///
    /// # Errors
    /// If it does not go.
    pub(crate) fn remove(self) -> Result<(), StoreError> {
        fs::remove_dir_all(&self.folder).map_err(|error| StoreError::Io { path: self.folder, error })
    }
}

impl Plan {
    /// The scenario's variants.
    ///
    /// # Errors
    /// If they are not ones of this version.
    pub(crate) fn loaded(&self) -> Result<Loaded, serde_json::Error> {
        let variants: Vec<Variant> = serde_json::from_value(self.scenario.clone())?;
        Ok(Loaded::from_identity(variants, self.inputs.clone()))
    }
}

/// A program as a person names it.
pub(crate) fn program(program: &Program) -> String {
    let commit = program.git_commit.as_ref().map(|commit| format!(" ({commit})"));
    format!("{} {}{}", program.name, program.version, commit.unwrap_or_default())
}

fn folder_name(cell: Cell) -> String {
    format!("{}-{}", cell.variant, cell.repetition)
}

fn of_folder_name(name: &str) -> Option<Cell> {
    let (variant, repetition) = name.split_once('-')?;
    Some(Cell { variant: variant.parse().ok()?, repetition: repetition.parse().ok()? })
}

/// Writes to another name first, so that what has the name is whole.
fn write_json(folder: &Path, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
    let (making, target) = (folder.join(format!(".{name}")), folder.join(name));
    let text =
        serde_json::to_vec_pretty(value).map_err(|error| StoreError::Json { path: target.clone(), error })?;
    fs::write(&making, text)
        .and_then(|()| fs::rename(&making, &target))
        .map_err(|error| StoreError::Io { path: target, error })
}
