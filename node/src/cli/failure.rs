//! Why a command did not do what it was asked to, and its exit code.

use std::fmt::Display;
use std::process::ExitCode;

/// What the exit codes mean, for the help text.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done, 1 the function failed or the node refused, 2 a mistake in what was \
     given, 3 the node cannot be reached.";

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(super) enum Failure {
    /// What the user gave is wrong.
    Input(String),
    /// Nobody answers.
    Unreachable(String),
    /// The node, or the function, said no.
    Other(String),
    /// As before, and everything has been said already.
    Said,
}

impl Failure {
    pub(super) fn input(error: impl Display) -> Self {
        Failure::Input(error.to_string())
    }

    pub(super) fn other(error: impl Display) -> Self {
        Failure::Other(error.to_string())
    }

    pub(super) fn message(&self) -> Option<&str> {
        match self {
            Failure::Input(message) | Failure::Unreachable(message) | Failure::Other(message) => {
                Some(message)
            }
            Failure::Said => None,
        }
    }

    pub(super) fn code(&self) -> ExitCode {
        match self {
            Failure::Other(_) | Failure::Said => ExitCode::from(1),
            Failure::Input(_) => ExitCode::from(2),
            Failure::Unreachable(_) => ExitCode::from(3),
        }
    }
}
