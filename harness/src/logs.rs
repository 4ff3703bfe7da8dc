//! What nodes said of themselves: their logs and their metrics, packed into one file.

use crate::backend::Backend;
use crate::failure::Failure;
use crate::node::{self, NodeClient};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream::{self, StreamExt};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use tempfile::SpooledTempFile;

/// The file in a run's folder.
pub const LOGS: &str = "logs.tar.gz";
/// Packed logs up to this size stay in memory until they have their place.
const SPILL: usize = 16 << 20;
/// Nodes that are asked at once.
const AT_ONCE: usize = 16;

/// Logs and metrics, packed as they come.
pub struct Logs {
    archive: tar::Builder<GzEncoder<SpooledTempFile>>,
    files: usize,
}

impl Default for Logs {
    fn default() -> Self {
        let packed = GzEncoder::new(SpooledTempFile::new(SPILL), Compression::default());
        Logs { archive: tar::Builder::new(packed), files: 0 }
    }
}

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Logs {
    /// Adds what the nodes of a repetition said so far, as `FOLDER/node-N.log` and `FOLDER/node-N.metrics`. A node that does
    /// not answer has no metrics, one of a backend without logs no log.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn collect(&mut self, folder: &str, backend: &dyn Backend, nodes: u32) -> Result<(), Failure> {
        let client = &node::client()?;
        let ask = |node| async move {
            let metrics = NodeClient::new(client, backend.http(node)).metrics().await;
            (node, backend.log(node).await, metrics.unwrap_or_default())
        };
        let mut told = stream::iter((0..nodes).map(ask)).buffered(AT_ONCE);
        while let Some((node, log, metrics)) = told.next().await {
            for (kind, bytes) in [("log", log), ("metrics", metrics.into_bytes())] {
                let name = format!("{folder}/node-{node}.{kind}");
                self.add(&name, &bytes).map_err(|error| {
                    let place = std::env::temp_dir();
                    Failure::Other(format!(
                        "{}: logs cannot be kept there: {error}; make room, let TMPDIR name another place, or use --no-logs",
                        place.display()
                    ))
                })?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        self.files += 1;
        self.archive.append_data(&mut header, name, bytes)
    }

    /// True if nobody said anything.
    pub fn is_empty(&self) -> bool {
        self.files == 0
    }

    /// Writes the packed file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(self, file: &mut impl Write) -> io::Result<()> {
        let mut packed = self.archive.into_inner()?.finish()?;
        packed.rewind()?;
        io::copy(&mut packed, file).map(drop)
    }
}

/// Where the logs of a repetition are that failed: beside where the run's folder would have been.
pub fn failed_logs(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".failed-");
    name.push(LOGS);
    target.with_file_name(name)
}

/// Keeps logs of a repetition that failed, as a whole or not at all. Returns what to tell of it, if there are any.
pub fn keep_failed(logs: Logs, target: &Path) -> Option<String> {
    if logs.is_empty() {
        return None;
    }
    let path = failed_logs(target);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        logs.write(&mut file)?;
        file.persist(&path).map_err(|error| error.error)
    });
    Some(match written {
        Ok(_) => format!("the nodes' logs and metrics: {}", path.display()),
        Err(error) => format!("{}: the nodes' logs cannot be written: {error}", path.display()),
    })
}
