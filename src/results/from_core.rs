//! From the core's words to those of the files.

use super::word::{AttemptKind, AttemptOutcome, CacheState, LookupOutcome, LookupPurpose, Outcome};
use crate::io;

impl From<io::CallOutcome> for Outcome {
    fn from(outcome: io::CallOutcome) -> Self {
        match outcome {
            io::CallOutcome::Ok => Outcome::Ok,
            io::CallOutcome::FunctionError => Outcome::FunctionError,
            io::CallOutcome::NotFound => Outcome::NotFound,
            io::CallOutcome::Rejected => Outcome::Rejected,
            io::CallOutcome::Timeout => Outcome::Timeout,
            io::CallOutcome::Unreachable => Outcome::Unreachable,
            io::CallOutcome::Unknown => Outcome::Unknown,
            io::CallOutcome::Truncated => Outcome::Truncated,
            io::CallOutcome::Cancelled => Outcome::Cancelled,
        }
    }
}

impl From<io::CacheResult> for CacheState {
    fn from(cache: io::CacheResult) -> Self {
        match cache {
            io::CacheResult::Hit => CacheState::Hit,
            io::CacheResult::Stale => CacheState::Stale,
            io::CacheResult::Miss => CacheState::Miss,
            io::CacheResult::Negative => CacheState::Negative,
        }
    }
}

impl From<io::AttemptKind> for AttemptKind {
    fn from(kind: io::AttemptKind) -> Self {
        match kind {
            io::AttemptKind::First => AttemptKind::First,
            io::AttemptKind::Retry => AttemptKind::Retry,
            io::AttemptKind::Backup => AttemptKind::Backup,
            io::AttemptKind::Race => AttemptKind::Race,
        }
    }
}

impl From<Result<u16, io::AttemptFailure>> for AttemptOutcome {
    /// A status below 400 is the function's success.
    fn from(result: Result<u16, io::AttemptFailure>) -> Self {
        match result {
            Ok(..400) => AttemptOutcome::Ok,
            Ok(400..) => AttemptOutcome::FunctionError,
            Err(io::AttemptFailure::Dial) => AttemptOutcome::Unreachable,
            Err(io::AttemptFailure::Lost) => AttemptOutcome::Lost,
            Err(io::AttemptFailure::NotHosted) => AttemptOutcome::NotHosted,
            Err(io::AttemptFailure::Full { .. }) => AttemptOutcome::Rejected,
            Err(io::AttemptFailure::Runtime) => AttemptOutcome::RuntimeError,
            Err(io::AttemptFailure::Cancelled) => AttemptOutcome::Cancelled,
            Err(io::AttemptFailure::Timeout) => AttemptOutcome::Timeout,
        }
    }
}

impl From<io::LookupPurpose> for LookupPurpose {
    fn from(purpose: io::LookupPurpose) -> Self {
        match purpose {
            io::LookupPurpose::Call => LookupPurpose::Call,
            io::LookupPurpose::Announce => LookupPurpose::Announce,
            io::LookupPurpose::Republish => LookupPurpose::Republish,
            io::LookupPurpose::Refresh => LookupPurpose::Refresh,
            io::LookupPurpose::Join => LookupPurpose::Join,
            io::LookupPurpose::Value => LookupPurpose::Value,
            io::LookupPurpose::Experiment => LookupPurpose::Experiment,
        }
    }
}

impl From<io::LookupOutcome> for LookupOutcome {
    fn from(outcome: io::LookupOutcome) -> Self {
        match outcome {
            io::LookupOutcome::Ok => LookupOutcome::Ok,
            io::LookupOutcome::Failed => LookupOutcome::Failed,
            io::LookupOutcome::Timeout => LookupOutcome::Timeout,
        }
    }
}
