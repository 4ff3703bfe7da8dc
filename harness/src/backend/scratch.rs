//! The folder of a run while it runs: what its nodes keep and say. `harness clean` finds those that were left.

use crate::failure::Failure;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Where such folders are.
const ROOT: &str = "edge-faas-harness";
/// The file in one that its run has locked.
const LOCK: &str = "lock";
/// The file in one with the processes that its run started, a number a line.
const PROCESSES: &str = "processes";

/// The folder of a run that runs. Dropped, it takes itself away.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    kept: AtomicBool,
    _lock: File,
}

/// What is said where something cannot be kept while a run runs: most often the disk is full.
pub(super) fn no_room(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Other(format!(
        "{}: cannot be written: {error}; make room there, or let TMPDIR name another place",
        path.display()
    ))
}

fn root() -> PathBuf {
    std::env::temp_dir().join(ROOT)
}

impl Scratch {
    /// Makes one.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new() -> Result<Self, Failure> {
        let root = root();
        let failed = |error: std::io::Error| no_room(&root, &error);
        fs::create_dir_all(&root).map_err(failed)?;
        let folder = tempfile::Builder::new().prefix("run-").tempdir_in(&root).map_err(failed)?.keep();
        let lock = File::create(folder.join(LOCK)).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Scratch { folder, kept: AtomicBool::new(false), _lock: lock })
    }

    /// A name for this run that no other has.
    pub fn name(&self) -> &str {
        self.folder.file_name().and_then(|name| name.to_str()).unwrap_or("run")
    }

    /// Lets it stay when it is dropped, until `harness clean` takes it away.
    pub fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// What a node keeps over restarts.
    pub fn state(&self, node: u32) -> PathBuf {
        self.folder.join(format!("node-{node}"))
    }

    /// What a node says.
    pub fn log(&self, node: u32) -> PathBuf {
        self.folder.join(format!("node-{node}.log"))
    }

    /// Notes a process, so that it can be ended if this one cannot.
    ///
    /// # Errors
    /// If it cannot be noted.
    pub fn note(&self, process: u32) -> Result<(), Failure> {
        let path = self.folder.join(PROCESSES);
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        let noted = file.and_then(|mut file| writeln!(file, "{process}"));
        noted.map_err(|error| no_room(&path, &error))
    }

    /// Takes away what runs left that were killed: their processes, then their folders. Returns what was taken away.
    ///
    /// # Errors
    /// If something will not go.
    pub fn clean() -> Result<Vec<String>, Failure> {
        let mut gone = Vec::new();
        let Ok(folders) = fs::read_dir(root()) else { return Ok(gone) };
        for folder in folders.flatten() {
            let folder = folder.path();
            if File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err()) {
                continue;
            }
            for process in left(&folder) {
                if let Some(pid) = rustix::process::Pid::from_raw(process) {
                    // Gone meanwhile is as good.
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                    gone.push(format!("process {process}"));
                }
            }
            fs::remove_dir_all(&folder)
                .map_err(|error| Failure::Other(format!("{}: {error}", folder.display())))?;
            gone.push(folder.display().to_string());
        }
        Ok(gone)
    }
}

/// The processes of a folder that still run: those whose command line names it.
fn left(folder: &Path) -> Vec<i32> {
    let text = fs::read_to_string(folder.join(PROCESSES)).unwrap_or_default();
    let name = folder.display().to_string();
    let numbers = text.lines().filter_map(|line| line.parse::<i32>().ok());
    let alive = |process: &i32| {
        fs::read(format!("/proc/{process}/cmdline"))
            .is_ok_and(|command| String::from_utf8_lossy(&command).contains(&name))
    };
    numbers.filter(alive).collect()
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.kept.load(Ordering::Relaxed) {
            // `harness clean` takes away what will not go now.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
