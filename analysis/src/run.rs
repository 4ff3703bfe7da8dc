//! A run folder, opened.

use edge_faas_core::results::{
    AttemptRecord, CallRecord, EventRecord, FileEntry, LinkRecord, LookupRecord, MANIFEST, Manifest,
    ManifestError, NodeRecord, ReadError, Reader, Record, RowContext, SummaryRecord, Table, TimelineRecord,
    file_entry,
};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Why a run folder, or a file of it, cannot be used. Each says which file, and where in it.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder has no manifest: it is no run folder, or the run did not end.
    #[error("{}: {error}; the folder of a complete run holds one", path.display())]
    NoManifest {
        /// Where it should be.
        path: PathBuf,
        /// What went wrong.
        #[source]
        error: io::Error,
    },
    /// The manifest cannot be read, or was changed.
    #[error("{}/{error}", folder.display())]
    Manifest {
        /// The run's folder.
        folder: PathBuf,
        /// What is wrong with it.
        #[source]
        error: ManifestError,
    },
    /// A file of the run is not there, or cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        error: io::Error,
    },
    /// A file has another size than when the run ended.
    #[error("{}: has {found} bytes, the run wrote {written}: it was {what} afterwards; copy it again from where the run was made", path.display(), what = if found < written { "cut off" } else { "changed" })]
    Size {
        /// The file.
        path: PathBuf,
        /// Its size.
        found: u64,
        /// The size that the manifest says.
        written: u64,
    },
    /// A file has the size that the run wrote, and other bytes.
    #[error("{}: is not what the run wrote (SHA-256 {found}, the manifest says {written}): it was changed afterwards; copy it again from where the run was made", path.display())]
    Bytes {
        /// The file.
        path: PathBuf,
        /// Its hash.
        found: String,
        /// The hash that the manifest says.
        written: String,
    },
    /// The run did not write this file: its scenario left it out.
    #[error("{}: the run has no {table}: its scenario leaves it out ([output])", folder.display())]
    LeftOut {
        /// The run's folder.
        folder: PathBuf,
        /// The file.
        table: Table,
    },
    /// A row or the header is broken, or a row is of another run.
    #[error("{}/{error}", folder.display())]
    Read {
        /// The run's folder.
        folder: PathBuf,
        /// Where and what.
        #[source]
        error: ReadError,
    },
}

/// A complete run folder.
#[derive(Clone, Debug)]
pub struct Run {
    folder: PathBuf,
    manifest: Manifest,
}

impl Run {
    /// Opens a run's folder: reads its manifest, and holds the sizes of the files against it.
    ///
    /// # Errors
    /// If it is no folder of a complete run of the schema that this version reads, or a file is missing or has
    /// another size than the run wrote.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, RunError> {
        let run = Self::open_as_found(folder)?;
        for entry in &run.manifest.files {
            let path = run.folder.join(&entry.name);
            let found = path.metadata().map_err(|error| RunError::File { path: path.clone(), error })?.len();
            if found != entry.bytes {
                return Err(RunError::Size { path, found, written: entry.bytes });
            }
        }
        Ok(run)
    }

    /// Opens a run's folder without a look at the other files: for who then asks for [`Run::changed_files`].
    ///
    /// # Errors
    /// If it has no manifest, or not one of the schema that this version reads, or the manifest was changed.
    pub fn open_as_found(folder: impl Into<PathBuf>) -> Result<Self, RunError> {
        let folder = folder.into();
        let path = folder.join(MANIFEST);
        let file = File::open(&path).map_err(|error| RunError::NoManifest { path, error })?;
        let manifest =
            Manifest::read(file).map_err(|error| RunError::Manifest { folder: folder.clone(), error })?;
        Ok(Run { folder, manifest })
    }

    /// Opens what is kept of a run: its manifest, `summary.csv` and whatever else is there. A reference is such a folder; the
    /// files that it does not keep are known by their hashes. Every byte of the others is held against the manifest.
    ///
    /// # Errors
    /// If it has no manifest of the schema that this version reads, or no summary; if a file is not the one that the run wrote,
    /// with the line that shows it, if one does.
    pub fn open_kept(folder: impl Into<PathBuf>) -> Result<Self, RunError> {
        let run = Self::open_as_found(folder)?;
        for entry in &run.manifest.files {
            let path = run.folder.join(&entry.name);
            let found = match File::open(&path).and_then(|file| file_entry(&entry.name, file)) {
                Ok(found) => found,
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && entry.name != Table::Summary.file_name() =>
                {
                    continue;
                }
                Err(error) => return Err(RunError::File { path, error }),
            };
            if found.sha256 == entry.sha256 {
                continue;
            }
            if let Some(table) = Table::ALL.into_iter().find(|table| table.file_name() == entry.name) {
                run.read_through(table)?;
            }
            return Err(if found.bytes == entry.bytes {
                RunError::Bytes { path, found: found.sha256, written: entry.sha256.clone() }
            } else {
                RunError::Size { path, found: found.bytes, written: entry.bytes }
            });
        }
        Ok(run)
    }

    /// Reads every row of a file and keeps none.
    fn read_through(&self, table: Table) -> Result<(), RunError> {
        let mut rows = self.rows(table)?;
        macro_rules! each {
            ($record:ty) => {
                while rows.next::<$record>()?.is_some() {}
            };
        }
        match table {
            Table::Calls => each!(CallRecord<'_>),
            Table::Attempts => each!(AttemptRecord<'_>),
            Table::Lookups => each!(LookupRecord<'_>),
            Table::Nodes => each!(NodeRecord<'_>),
            Table::Timeline => each!(TimelineRecord),
            Table::Events => each!(EventRecord<'_>),
            Table::Links => each!(LinkRecord<'_>),
            Table::Summary => each!(SummaryRecord<'_>),
        }
        Ok(())
    }

    /// Whether a file that the run wrote is there.
    pub fn keeps(&self, table: Table) -> bool {
        self.entry(table).is_some() && self.folder.join(table.file_name()).exists()
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was run and what came of it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The file's entry in the manifest; none if the run did not write it.
    pub fn entry(&self, table: Table) -> Option<&FileEntry> {
        let name = table.to_string();
        self.manifest.files.iter().find(|entry| entry.name == name)
    }

    /// The rows of a file.
    ///
    /// # Errors
    /// If the run left it out, it cannot be opened, or its header is not this version's.
    pub fn rows(&self, table: Table) -> Result<Rows<'_>, RunError> {
        if self.entry(table).is_none() {
            return Err(RunError::LeftOut { folder: self.folder.clone(), table });
        }
        let path = self.folder.join(table.to_string());
        let file = File::open(&path).map_err(|error| RunError::File { path, error })?;
        let reader = Reader::new(table, file).map_err(|error| self.broken(error))?;
        Ok(Rows { run: self, reader: reader.of_run(self.manifest.run.as_str()) })
    }

    /// Reads every file whole and names those whose bytes are not the ones that the run wrote.
    pub fn changed_files(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for entry in &self.manifest.files {
            let found =
                File::open(self.folder.join(&entry.name)).and_then(|file| file_entry(&entry.name, file));
            match found {
                Ok(found) if found.sha256 == entry.sha256 => {}
                Ok(found) => {
                    wrong.push(format!("{}: on disk {}, written {}", entry.name, found.sha256, entry.sha256))
                }
                Err(error) => wrong.push(format!("{}: {error}", entry.name)),
            }
        }
        wrong
    }

    fn broken(&self, error: ReadError) -> RunError {
        RunError::Read { folder: self.folder.clone(), error }
    }
}

/// The rows of one file, each checked to be of the folder's run. A row borrows from the reader, so a file of any
/// size needs little memory.
pub struct Rows<'a> {
    run: &'a Run,
    reader: Reader<File>,
}

impl Rows<'_> {
    /// The next row, or none after the last.
    ///
    /// # Errors
    /// If the row is broken or of another run, with file and line.
    ///
    /// # Panics
    /// If `T` is a row of another file than the one that was opened.
    // Not an iterator: rows borrow from the reader.
    #[allow(clippy::should_implement_trait)]
    pub fn next<'r, T: Record<'r>>(&'r mut self) -> Result<Option<(RowContext<'r>, T)>, RunError> {
        let run = self.run;
        self.reader.next::<T>().map_err(|error| run.broken(error))
    }
}
