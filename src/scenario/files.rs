//! Files that a scenario names: found relative to where they are named, read once, hashed.

use super::error::{Location, ScenarioError};
use super::schema::FileRef;
use super::value::{At, Sources};
use crate::InputFile;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

/// Reads files for the scenario module, which does no I/O of its own.
pub trait Loader {
    /// The bytes of the file at `path`.
    ///
    /// # Errors
    /// Those of the file system.
    fn load(&self, path: &str) -> io::Result<Vec<u8>>;
}

/// The files read so far.
pub(super) struct Files<'a> {
    loader: &'a dyn Loader,
    read: BTreeMap<String, InputFile>,
}

impl<'a> Files<'a> {
    pub(super) fn new(loader: &'a dyn Loader) -> Self {
        Files { loader, read: BTreeMap::new() }
    }

    /// The bytes of a file, noted among the inputs.
    pub(super) fn load(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let bytes = self.loader.load(path).map_err(|error| format!("cannot read {path}: {error}"))?;
        let file = InputFile {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            sha256: hexadecimal(&Sha256::digest(&bytes)),
        };
        self.read.insert(path.to_owned(), file);
        Ok(bytes)
    }

    /// The file that a value names, relative to the file that holds the value; on a command line as it is.
    pub(super) fn named(&mut self, sources: &Sources, at: At, path: &str) -> Result<FileRef, ScenarioError> {
        if path.is_empty() {
            return Err(sources.error(at, "a file's path is missing"));
        }
        let path = relative_to(sources.file(at), path);
        if !self.read.contains_key(&path) {
            self.load(&path).map_err(|problem| sources.error(at, problem))?;
        }
        let sha256 = self.read.get(&path).map(|file| file.sha256.clone()).unwrap_or_default();
        Ok(FileRef { path, sha256 })
    }

    /// Every file read, by path.
    pub(super) fn into_inputs(self) -> Vec<InputFile> {
        self.read.into_values().collect()
    }
}

/// A file as text.
pub(super) fn text(path: &str, bytes: Vec<u8>) -> Result<String, ScenarioError> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(valid).filter(|byte| **byte == b'\n').count() as u32 + 1;
        ScenarioError {
            location: Location::Position { file: path.to_owned(), line, column: 1 },
            message: "this line is not UTF-8 text".to_owned(),
        }
    })
}

/// `path`, seen from the folder of `file`.
pub(super) fn relative_to(file: Option<&str>, path: &str) -> String {
    let absolute = path.starts_with(['/', '\\']) || path.get(1..3) == Some(":\\");
    match file.and_then(|file| file.rfind(['/', '\\']).and_then(|end| file.get(..=end))) {
        Some(folder) if !absolute => format!("{folder}{path}"),
        _ => path.to_owned(),
    }
}

/// Bytes in lower-case hexadecimal.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_that_names_them() {
        assert_eq!(relative_to(Some("scenarios/a.toml"), "data/m.gz"), "scenarios/data/m.gz");
        assert_eq!(relative_to(Some("a.toml"), "m.gz"), "m.gz");
        assert_eq!(relative_to(Some("scenarios/a.toml"), "/m.gz"), "/m.gz");
        assert_eq!(relative_to(None, "m.gz"), "m.gz");
        assert_eq!(relative_to(Some("a/b.toml"), "é"), "a/é");
    }
}
