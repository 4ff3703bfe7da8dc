//! Files on disk: those that a scenario names, and a run's folder, which gets its name when it is complete.

use edge_faas_core::results::{Folder, Part, Scratch, Table};
use edge_faas_core::scenario::Loader;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Parts up to this size stay in memory.
const SPILL: usize = 16 << 20;

/// The files that a scenario names, as the operating system has them.
#[derive(Debug, Clone, Copy)]
pub struct Disk;

impl Loader for Disk {
    fn load(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(path)
    }
}

/// A folder in the making, beside where it will be. Dropped before [`RunFolder::complete`], it takes itself away.
///
/// A lock file beside it says that somebody is at work. A process that is killed leaves folder and file behind, but the
/// lock goes with it: so who gets the lock knows that what is there was left, and takes it away.
#[derive(Debug)]
pub struct RunFolder {
    making: Files,
    target: PathBuf,
    _lock: Lock,
}

impl RunFolder {
    /// Begins a folder that will be `target`; `None` while another process makes the same one.
    pub fn begin(target: &Path) -> io::Result<Option<Self>> {
        let parent = target.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        let name = target.file_name().and_then(|name| name.to_str()).unwrap_or("run");
        let making = parent.join(format!(".{name}.incomplete"));
        let Some(lock) = Lock::take(parent.join(format!(".{name}.lock")))? else {
            return Ok(None);
        };
        if making.exists() {
            fs::remove_dir_all(&making)?;
        }
        Ok(Some(RunFolder { making: Files::create(making)?, target: target.to_owned(), _lock: lock }))
    }

    /// Where it is as long as it has not its name.
    #[cfg(feature = "parquet")]
    pub fn making(&self) -> &Path {
        &self.making.folder
    }

    /// Gives the folder its name; an earlier one of that name is replaced.
    pub fn complete(self) -> io::Result<()> {
        if self.target.exists() {
            fs::remove_dir_all(&self.target)?;
        }
        fs::rename(&self.making.folder, &self.target)
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // Nothing more can be done about what will not go. A folder that is complete has another name by now.
        let _ = fs::remove_dir_all(&self.making.folder);
    }
}

/// A lock file that this process holds.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock; `None` while another process has it.
    pub fn take(path: PathBuf) -> io::Result<Option<Self>> {
        loop {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                // A file system without locks: runs on it have to look after themselves.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever had it before may have taken the file away since it was opened: then it guards nothing.
            if path.exists() {
                return Ok(Some(Lock { path, _file: file }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // It is still held: nobody else has made the file.
        let _ = fs::remove_file(&self.path);
    }
}

impl Folder for RunFolder {
    type File = BufWriter<File>;

    fn create(&mut self, name: &str) -> io::Result<Self::File> {
        self.making.create(name)
    }

    fn close(&mut self, name: &str, file: Self::File) -> io::Result<()> {
        self.making.close(name, file)
    }
}

/// Files of a folder.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// Makes the folder, which must not be there.
    pub fn create(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir(&folder)?;
        Ok(Files { folder })
    }
}

impl Folder for Files {
    type File = BufWriter<File>;

    fn create(&mut self, name: &str) -> io::Result<Self::File> {
        Ok(BufWriter::with_capacity(1 << 18, File::create_new(self.folder.join(name))?))
    }

    fn close(&mut self, _name: &str, mut file: Self::File) -> io::Result<()> {
        file.flush()
    }
}

/// Parts of a repetition: in memory while they are small, then in temporary files without a name.
#[derive(Debug, Clone, Copy)]
pub struct TemporaryScratch;

impl Scratch for TemporaryScratch {
    fn part(&mut self, _table: Table) -> io::Result<Box<dyn Part>> {
        Ok(Box::new(TemporaryPart(tempfile::SpooledTempFile::new(SPILL))))
    }
}

struct TemporaryPart(tempfile::SpooledTempFile);

impl Write for TemporaryPart {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Part for TemporaryPart {
    fn reopen(mut self: Box<Self>) -> io::Result<Box<dyn Read + Send>> {
        self.0.rewind()?;
        Ok(Box::new(self.0))
    }
}

/// A folder that only hashes what it is given.
#[derive(Debug, Default)]
pub struct HashOnly;

impl Folder for HashOnly {
    type File = io::Sink;

    fn create(&mut self, _name: &str) -> io::Result<io::Sink> {
        Ok(io::sink())
    }
    fn close(&mut self, _name: &str, _file: io::Sink) -> io::Result<()> {
        Ok(())
    }
}
