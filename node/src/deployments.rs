//! The functions that were deployed through a node whose runtime forgets them when it ends.

use crate::persist;
use crate::runtime::FunctionDeployment;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The file's name in the state folder.
const FILE: &str = "deployments.json";

/// The functions that are deployed, by name, kept in a file.
#[derive(Debug)]
pub struct Deployments {
    /// `None`: kept in memory only.
    path: Option<PathBuf>,
    functions: BTreeMap<String, FunctionDeployment>,
}

/// Why deployments cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentsError {
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path} is damaged ({reason}): repair it, or move it away to begin without functions", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Deployments {
    /// Those in a state folder; none where there is no file yet. Without a folder they live in memory.
    ///
    /// # Errors
    /// [`DeploymentsError`]: a damaged file is never replaced.
    pub fn open(state_dir: Option<&Path>) -> Result<Self, DeploymentsError> {
        let path = state_dir.map(|folder| folder.join(FILE));
        let mut functions = BTreeMap::new();
        if let Some(path) = &path {
            let io = |source| DeploymentsError::Io { path: path.clone(), source };
            if let Some(bytes) = persist::read(path).map_err(io)? {
                functions = serde_json::from_slice(&bytes).map_err(|error| DeploymentsError::Damaged {
                    path: path.clone(),
                    reason: error.to_string(),
                })?;
            }
        }
        Ok(Deployments { path, functions })
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &FunctionDeployment> {
        self.functions.values()
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&FunctionDeployment> {
        self.functions.get(name)
    }

    /// Keeps a deployment, in place of an older one of the same name. When this returns, it survives a crash.
    ///
    /// # Errors
    /// [`DeploymentsError::Io`]: nothing has changed.
    pub fn insert(&mut self, deployment: FunctionDeployment) -> Result<(), DeploymentsError> {
        let mut functions = self.functions.clone();
        functions.insert(deployment.service.clone(), deployment);
        self.keep(functions)
    }

    /// Forgets a deployment; false if there is none of that name.
    ///
    /// # Errors
    /// [`DeploymentsError::Io`]: nothing has changed.
    pub fn remove(&mut self, name: &str) -> Result<bool, DeploymentsError> {
        let mut functions = self.functions.clone();
        let found = functions.remove(name).is_some();
        if found {
            self.keep(functions)?;
        }
        Ok(found)
    }

    fn keep(&mut self, functions: BTreeMap<String, FunctionDeployment>) -> Result<(), DeploymentsError> {
        if let Some(path) = &self.path {
            let io = |source| DeploymentsError::Io { path: path.clone(), source };
            let bytes = serde_json::to_vec_pretty(&functions).map_err(|error| io(error.into()))?;
            persist::replace(path, &bytes).map_err(io)?;
        }
        self.functions = functions;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(name: &str, image: &str) -> FunctionDeployment {
        FunctionDeployment { service: name.to_owned(), image: image.to_owned(), ..Default::default() }
    }

    #[test]
    fn they_are_there_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Deployments::open(Some(folder.path())).unwrap();
        kept.insert(deployment("a", "one")).unwrap();
        kept.insert(deployment("b", "two")).unwrap();
        kept.insert(deployment("a", "three")).unwrap();
        assert!(kept.remove("b").unwrap());
        assert!(!kept.remove("b").unwrap());
        let again = Deployments::open(Some(folder.path())).unwrap();
        assert_eq!(again.all().collect::<Vec<_>>(), [&deployment("a", "three")]);
    }

    #[test]
    fn a_damaged_file_is_kept_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, b"{").unwrap();
        let error = Deployments::open(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("deployments.json") && error.contains("move it away"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"{");
    }
}
