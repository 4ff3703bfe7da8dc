//! What is wrong with a scenario, and where.

use std::fmt;

/// A mistake in a scenario: where it is, what is wrong, and what would be right.
///
/// Displayed as `file:line:column: message`, or `--set key=value: message`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{location}: {message}")]
pub struct ScenarioError {
    /// Where.
    pub location: Location,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A place in what makes up a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file as a whole (it cannot be read, it is too large).
    File(String),
    /// A place in a file; line and column count from 1, columns in characters.
    Position {
        /// The file, as it was named.
        file: String,
        /// The line.
        line: u32,
        /// The column.
        column: u32,
    },
    /// A `--set key=value` of the command line.
    Override(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(file) => f.write_str(file),
            Location::Position { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Location::Override(text) => write!(f, "--set {text}"),
        }
    }
}
