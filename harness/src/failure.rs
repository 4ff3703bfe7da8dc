//! Why something could not be done.

use std::fmt;

/// Why something could not be done, in a sentence for people that says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// What the user gave is wrong, or asks for what is not possible here: exit code 2.
    Input(String),
    /// Something went wrong on the way: exit code 1.
    Other(String),
    /// The user ended it: exit code 130.
    Interrupted,
}

impl Failure {
    /// What was given is wrong.
    pub fn input(error: impl fmt::Display) -> Self {
        Failure::Input(error.to_string())
    }

    /// Something went wrong.
    pub fn other(error: impl fmt::Display) -> Self {
        Failure::Other(error.to_string())
    }

    /// The same, with what was tried before it.
    #[must_use]
    pub fn during(self, what: impl fmt::Display) -> Self {
        match self {
            Failure::Other(message) => Failure::Other(format!("{what}: {message}")),
            other => other,
        }
    }

    /// The same, with what else there is to say, on a line of its own.
    #[must_use]
    pub fn and(self, more: &str) -> Self {
        match self {
            Failure::Input(message) => Failure::Input(format!("{message}\n{more}")),
            Failure::Other(message) => Failure::Other(format!("{message}\n{more}")),
            Failure::Interrupted => Failure::Interrupted,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Input(message) | Failure::Other(message) => f.write_str(message),
            Failure::Interrupted => f.write_str("interrupted: nothing was kept"),
        }
    }
}

impl std::error::Error for Failure {}
