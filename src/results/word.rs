//! The closed vocabularies of the files: outcomes, kinds of attempts, purposes of look-ups, and so on.

use super::cell::{Cell, Kind, OfKind, Row};
use std::fmt;
use std::str::FromStr;

/// A word that a vocabulary does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no {what}; valid: {valid}")]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    valid: String,
}

macro_rules! vocabulary {
    ($(#[$meta:meta])* pub enum $name:ident ($what:literal) { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word of the vocabulary, in its documented order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The word as the files write it.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;
            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word => Ok($name::$variant),)+
                    _ => Err(UnknownWord {
                        what: $what,
                        word: text.chars().take(40).collect(),
                        valid: [$($word,)+].join(", "),
                    }),
                }
            }
        }

        impl OfKind for $name {
            const KIND: Kind = Kind::Text;
        }

        impl Cell<'_> for $name {
            fn put(&self, row: &mut Row) {
                row.raw(self.as_str().as_bytes());
            }
            fn take(text: &str) -> Result<Self, String> {
                text.parse().map_err(|error: UnknownWord| error.to_string())
            }
        }
    };
}

vocabulary! {
    /// Who ran the scenario and wrote the rows.
    pub enum Source("source") {
        /// The simulator.
        Sim = "sim",
        /// Real nodes in one process over an in-memory transport.
        Memory = "memory",
        /// Real nodes, each a process of this machine.
        Process = "process",
        /// Real nodes in containers.
        Docker = "docker",
    }
}

vocabulary! {
    /// How a call ended.
    pub enum Outcome("outcome") {
        /// The function answered and the answer arrived whole.
        Ok = "ok",
        /// The function ran and answered with an error of its own; not retried.
        FunctionError = "function_error",
        /// No function of that name is known.
        NotFound = "not_found",
        /// No live provider existed (only the simulator knows).
        Unavailable = "unavailable",
        /// Every provider refused for lack of room.
        Rejected = "rejected",
        /// The deadline passed.
        Timeout = "timeout",
        /// No provider could be reached.
        Unreachable = "unreachable",
        /// An attempt that may have run was lost, and the function is not idempotent.
        Unknown = "unknown",
        /// The answer broke off after its first byte.
        Truncated = "truncated",
        /// The entry node was down when the call was due.
        EntryDown = "entry_down",
        /// The entry node went down while the call was in progress.
        EntryLost = "entry_lost",
        /// The user took the call back.
        Cancelled = "cancelled",
        /// The run ended first.
        Unfinished = "unfinished",
    }
}

impl Outcome {
    /// Number of outcomes.
    pub const COUNT: usize = Self::ALL.len();

    /// Position in [`Outcome::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// True if the function's answer arrived whole: the parts of the latency are known.
    pub const fn answered(self) -> bool {
        matches!(self, Outcome::Ok | Outcome::FunctionError)
    }

    /// True if the call counts towards the share of successes: all but the calls whose entry node was not alive
    /// and those for which no live provider existed.
    pub const fn counts(self) -> bool {
        !matches!(self, Outcome::EntryDown | Outcome::EntryLost | Outcome::Unavailable)
    }
}

vocabulary! {
    /// What the entry's provider cache knew of a function when a call came.
    pub enum CacheState("cache state") {
        /// Fresh providers.
        Hit = "hit",
        /// Providers past their time to live, used while a look-up renews them.
        Stale = "stale",
        /// Nothing.
        Miss = "miss",
        /// That the function does not exist.
        Negative = "negative",
    }
}

vocabulary! {
    /// Why an attempt was made.
    pub enum AttemptKind("attempt kind") {
        /// The call's first.
        First = "first",
        /// Another after one failed.
        Retry = "retry",
        /// A copy of a straggler.
        Backup = "backup",
        /// One of several at once, by the policy `race`.
        Race = "race",
    }
}

vocabulary! {
    /// How an attempt ended.
    pub enum AttemptOutcome("attempt outcome") {
        /// The function answered.
        Ok = "ok",
        /// The function answered with an error of its own.
        FunctionError = "function_error",
        /// The provider does not host the function.
        NotHosted = "not_hosted",
        /// The provider had no room.
        Rejected = "rejected",
        /// The provider's runtime failed before the function started.
        RuntimeError = "runtime_error",
        /// No answer in time.
        Timeout = "timeout",
        /// The provider could not be dialled.
        Unreachable = "unreachable",
        /// The connection broke, or the provider stopped answering probes.
        Lost = "lost",
        /// The answer broke off after its first byte.
        Truncated = "truncated",
        /// Another attempt won, or the call ended first.
        Cancelled = "cancelled",
        /// The run ended first.
        Unfinished = "unfinished",
    }
}

vocabulary! {
    /// What a look-up was for.
    pub enum LookupPurpose("look-up purpose") {
        /// The providers of a function that was called.
        Call = "call",
        /// The nodes to announce a new deployment to.
        Announce = "announce",
        /// A bucket of the routing table.
        Refresh = "refresh",
        /// The nodes to announce a deployment to again.
        Republish = "republish",
        /// A joining node's own key.
        Join = "join",
        /// A value.
        Value = "value",
        /// Asked for by an experiment.
        Experiment = "experiment",
    }
}

vocabulary! {
    /// How a look-up ended.
    pub enum LookupOutcome("look-up outcome") {
        /// The closest peers that could be reached have answered, or what was looked for was found.
        Ok = "ok",
        /// It ended properly and there was nothing to find.
        NotFound = "not_found",
        /// It ran out of time; what was found is used.
        Timeout = "timeout",
        /// Nobody answered.
        Failed = "failed",
        /// Its node went down or lost interest.
        Cancelled = "cancelled",
        /// The run ended first.
        Unfinished = "unfinished",
    }
}

vocabulary! {
    /// What traffic is for.
    pub enum TrafficClass("traffic class") {
        /// Keeping the network together: joins, refreshes, pings, probes, handshakes.
        Upkeep = "upkeep",
        /// Look-ups for calls.
        Lookup = "lookup",
        /// Provider records and values: announcing, republishing, withdrawing.
        Records = "records",
        /// Calls and their bodies.
        Calls = "calls",
    }
}

impl TrafficClass {
    /// Number of classes.
    pub const COUNT: usize = Self::ALL.len();

    /// Position in [`TrafficClass::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

vocabulary! {
    /// What happened to a node or to the network.
    pub enum EventKind("event kind") {
        /// Fault: a process ends, its peers see a reset.
        Kill = "kill",
        /// Fault: a node falls silent.
        PowerOff = "power_off",
        /// Fault or its end: a node comes back.
        Restart = "restart",
        /// Fault: groups of nodes cannot reach each other.
        Partition = "partition",
        /// The end of a partition or of another lasting fault.
        Heal = "heal",
        /// Fault: a node computes slowly.
        SlowNode = "slow_node",
        /// Fault: links lose more, or take longer.
        DegradedLink = "degraded_link",
        /// Fault: the function runtime of a node is down, the node itself is up.
        RuntimeDown = "runtime_down",
        /// Fault: a node breaks the protocol.
        Misbehave = "misbehave",
        /// Churn: a node joins.
        Join = "join",
        /// Churn: a node leaves and says so.
        Leave = "leave",
        /// Churn: a node vanishes.
        Crash = "crash",
        /// A node starts to host a function.
        Deploy = "deploy",
        /// A node stops hosting a function.
        Undeploy = "undeploy",
        /// A phase of the workload begins.
        PhaseStart = "phase_start",
        /// A phase of the workload ends.
        PhaseEnd = "phase_end",
    }
}

impl EventKind {
    /// True for what a network has to recover from.
    pub const fn is_fault(self) -> bool {
        matches!(
            self,
            EventKind::Kill
                | EventKind::PowerOff
                | EventKind::Restart
                | EventKind::Partition
                | EventKind::SlowNode
                | EventKind::DegradedLink
                | EventKind::RuntimeDown
                | EventKind::Misbehave
        )
    }
}

vocabulary! {
    /// When a link was measured.
    pub enum LinkMoment("moment") {
        /// Before the first phase.
        Before = "before",
        /// After the last call.
        After = "after",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for outcome in Outcome::ALL {
            assert_eq!(outcome.to_string().parse(), Ok(*outcome));
            assert_eq!(Outcome::ALL[outcome.index()], *outcome);
        }
        for class in TrafficClass::ALL {
            assert_eq!(TrafficClass::ALL[class.index()], *class);
        }
    }

    #[test]
    fn an_unknown_word_lists_the_valid_ones() {
        let error = "warm".parse::<CacheState>().unwrap_err().to_string();
        assert_eq!(error, "`warm` is no cache state; valid: hit, stale, miss, negative");
    }
}
