//! Who a node is: an Ed25519 key in a file.

use crate::persist;
use libp2p::identity::Keypair;
use std::io;
use std::path::{Path, PathBuf};

/// The file's name in the state folder.
const FILE: &str = "identity";

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{path} is not a node's identity ({reason}): restore it from a backup, or move it away to begin as a new node",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The identity in a state folder; a new one is made and kept where there is none. A damaged file is never replaced.
///
/// # Errors
/// [`IdentityError`].
pub fn load_or_create(state_dir: &Path) -> Result<Keypair, IdentityError> {
    let path = state_dir.join(FILE);
    let io = |source| IdentityError::Io { path: path.clone(), source };
    let damaged = |reason: String| IdentityError::Damaged { path: path.clone(), reason };
    if let Some(bytes) = persist::read(&path).map_err(io)? {
        return Keypair::from_protobuf_encoding(&bytes).map_err(|error| damaged(error.to_string()));
    }
    let identity = Keypair::generate_ed25519();
    let bytes = identity.to_protobuf_encoding().map_err(|error| damaged(error.to_string()))?;
    persist::replace(&path, &bytes).map_err(io)?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let first = load_or_create(folder.path()).unwrap();
        let second = load_or_create(folder.path()).unwrap();
        assert_eq!(first.public(), second.public());
    }

    #[test]
    fn a_damaged_file_is_kept_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, b"garbage").unwrap();
        let error = load_or_create(folder.path()).unwrap_err().to_string();
        assert!(error.contains("identity") && error.contains("move it away"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"garbage");
    }
}
