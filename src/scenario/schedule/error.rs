//! Why a scenario has no schedule.

use crate::draws::WeightError;

/// A scenario that no schedule can be made of. What the scenario's reader has checked does not end here, but which nodes
/// a selector takes, and what a trace holds, is known only now.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// No node can take a phase's calls.
    #[error("phase `{phase}`: its entry selects no node; at least one is needed")]
    NoEntry {
        /// The phase.
        phase: String,
    },
    /// A phase calls no function.
    #[error("phase `{phase}` calls no function; at least one is needed")]
    NoFunction {
        /// The phase.
        phase: String,
    },
    /// A phase calls a function that does not exist.
    #[error("phase `{phase}` calls function {function}; there are {functions}, counted from 0")]
    UnknownFunction {
        /// The phase.
        phase: String,
        /// The function's index.
        function: u32,
        /// How many there are.
        functions: u32,
    },
    /// Arrivals that would never come, or never end.
    #[error("phase `{phase}`: {what} = {value} must be a finite number above zero")]
    Arrivals {
        /// The phase.
        phase: String,
        /// The setting.
        what: &'static str,
        /// Its value.
        value: f64,
    },
    /// A trace was not read before.
    #[error("the trace `{path}` has not been read")]
    NoTrace {
        /// The file.
        path: String,
    },
    /// No function of a trace is in the sample.
    #[error("phase `{phase}`: sample = {sample} keeps no function of `{path}`; a larger share is needed")]
    EmptySample {
        /// The phase.
        phase: String,
        /// The file.
        path: String,
        /// The share.
        sample: f64,
    },
    /// Providers that are defined by each other.
    #[error("function `{function}`: its providers are chosen among providers that depend on its own")]
    Cycle {
        /// The function.
        function: String,
    },
    /// A popularity or share that nothing can be chosen by.
    #[error("{place}: {source}")]
    Weights {
        /// Whose.
        place: String,
        /// What is wrong.
        source: WeightError,
    },
    /// More than the schedule numbers.
    #[error("{found} {what} are more than the {max} that are possible")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
}
