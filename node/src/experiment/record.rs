//! What happened at a node, one JSON object each. Words are those of the run's files (`docs/results.md`).

use edge_faas_core::context::Timing;
use edge_faas_core::io::{
    self, AttemptFailure, AttemptReport, CacheResult, CallReport, LookupReport, Started,
};
use edge_faas_core::time::Time;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A word of a closed vocabulary.
pub type Word = Cow<'static, str>;

/// Something that happened. Instants are nanoseconds since the node's start, durations nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The first one: who tells, and when instant 0 was.
    Hello {
        /// The node's peer id.
        node: String,
        /// Instant 0, in nanoseconds of Unix time.
        zero_unix: i64,
    },
    /// A call of a user, or an item of a manycall, has a number.
    Begun {
        /// The number.
        call: u64,
        /// The user's own id for it: `X-Call-Id`.
        reference: String,
    },
    /// A call is over.
    Call {
        /// Its number.
        call: u64,
        /// How it ended.
        outcome: Word,
        /// The function's status, where it answered.
        status: Option<u16>,
        /// The attempt whose answer it is.
        winner: Option<u64>,
        /// The provider whose answer it is, else the last one tried.
        provider: Option<String>,
        /// When the node took it.
        received: i64,
        /// When it ended.
        done: i64,
        /// While no usable provider was known, before the first attempt.
        lookup: i64,
        /// Waiting for a window, before the first attempt.
        dispatch: i64,
        /// From the first attempt to the winning one.
        retry: i64,
        /// Of the winner, by the provider's clock.
        times: Option<Times>,
        /// What the cache knew.
        cache: Word,
        /// Attempts made.
        attempts: u32,
        /// Kademlia's messages of the look-up that it started.
        messages: u32,
        /// The last failure, for people.
        error: Word,
    },
    /// An attempt is over.
    Attempt {
        /// Its number in the node.
        attempt: u64,
        /// The call's number.
        call: u64,
        /// Its number within the call, from 1.
        number: u32,
        /// Why it was made.
        kind: Word,
        /// The provider.
        provider: Option<String>,
        /// When it began.
        start: i64,
        /// When its end was known.
        end: i64,
        /// By the provider's clock, where it answered.
        times: Option<Times>,
        /// Whether the function started, where that is known.
        started: Option<bool>,
        /// Whether its answer became the call's.
        won: bool,
        /// How it ended.
        outcome: Word,
    },
    /// An attempt that was answered had to get a stream first.
    Connected {
        /// Its number in the node.
        attempt: u64,
        /// How long that took.
        connect: i64,
    },
    /// A look-up in the DHT is over.
    Lookup {
        /// What for.
        purpose: Word,
        /// The function looked for.
        function: Option<String>,
        /// When it began.
        start: i64,
        /// When the first provider or value was known.
        first: Option<i64>,
        /// When it ended.
        done: i64,
        /// The longest chain of referrals.
        depth: u32,
        /// Requests sent.
        requests: u32,
        /// Requests without an answer in time.
        timeouts: u32,
        /// Connections opened.
        dials: u32,
        /// Bytes sent and received.
        bytes: u64,
        /// Providers found, or closest peers.
        found: u32,
        /// How it ended.
        outcome: Word,
    },
    /// The node's runtime has run a call, or refused or lost it.
    Execution {
        /// The call, as its user names it.
        reference: Option<String>,
        /// The function.
        function: String,
        /// When the runtime was given it.
        start: i64,
        /// When the runtime was done with it.
        end: i64,
        /// By the runtime's word; of an execution that was cut off, all of its time as `exec`.
        times: Times,
        /// Whether the function's code began.
        started: bool,
        /// Whether the runtime answered.
        answered: bool,
    },
}

/// Times at a provider, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Waiting for a slot.
    pub queue: i64,
    /// Starting an instance.
    pub cold: i64,
    /// Running.
    pub exec: i64,
}

impl From<Timing> for Times {
    fn from(timing: Timing) -> Self {
        Times { queue: timing.queue.as_nanos(), cold: timing.cold.as_nanos(), exec: timing.exec.as_nanos() }
    }
}

impl Event {
    /// The end of a call; `provider` is the one that the report names.
    pub(crate) fn call(report: &CallReport, provider: Option<String>) -> Self {
        Event::Call {
            call: report.call.0,
            outcome: crate::call::outcome_name(report.outcome).into(),
            status: report.status,
            winner: report.winner.map(|attempt| attempt.0),
            provider,
            received: report.received.as_nanos(),
            done: report.done.as_nanos(),
            lookup: report.lookup.as_nanos(),
            dispatch: report.dispatch.as_nanos(),
            retry: report.retry.as_nanos(),
            times: report.timing.map(Times::from),
            cache: match report.cache {
                CacheResult::Hit => "hit",
                CacheResult::Stale => "stale",
                CacheResult::Miss => "miss",
                CacheResult::Negative => "negative",
            }
            .into(),
            attempts: report.attempts,
            messages: report.lookup_messages,
            error: report.error.into(),
        }
    }

    /// The end of an attempt; `provider` is the one that the report names.
    pub(crate) fn attempt(report: &AttemptReport, provider: Option<String>) -> Self {
        Event::Attempt {
            attempt: report.id.0,
            call: report.call.0,
            number: report.number,
            kind: match report.kind {
                io::AttemptKind::First => "first",
                io::AttemptKind::Retry => "retry",
                io::AttemptKind::Backup => "backup",
                io::AttemptKind::Race => "race",
            }
            .into(),
            provider,
            start: report.start.as_nanos(),
            end: report.end.as_nanos(),
            times: report.timing.map(Times::from),
            started: match report.started {
                Started::No => Some(false),
                Started::Maybe => None,
                Started::Yes => Some(true),
            },
            won: report.won,
            outcome: match report.result {
                Ok(..400) => "ok",
                Ok(400..) => "function_error",
                Err(AttemptFailure::Dial) => "unreachable",
                Err(AttemptFailure::Lost) => "lost",
                Err(AttemptFailure::NotHosted) => "not_hosted",
                Err(AttemptFailure::Full { .. }) => "rejected",
                Err(AttemptFailure::Runtime) => "runtime_error",
                Err(AttemptFailure::Cancelled) => "cancelled",
                Err(AttemptFailure::Timeout) => "timeout",
            }
            .into(),
        }
    }

    /// The end of a look-up; `function` is the one that it was for.
    pub(crate) fn lookup(report: &LookupReport, function: Option<String>) -> Self {
        let of_providers = matches!(report.purpose, io::LookupPurpose::Call | io::LookupPurpose::Experiment);
        let found = if of_providers { report.providers.len() } else { report.closest.len() };
        Event::Lookup {
            purpose: match report.purpose {
                io::LookupPurpose::Call => "call",
                io::LookupPurpose::Announce => "announce",
                io::LookupPurpose::Republish => "republish",
                io::LookupPurpose::Refresh => "refresh",
                io::LookupPurpose::Join => "join",
                io::LookupPurpose::Value => "value",
                io::LookupPurpose::Experiment => "experiment",
            }
            .into(),
            function,
            start: report.start.as_nanos(),
            first: report.first_answer.map(Time::as_nanos),
            done: report.done.as_nanos(),
            depth: report.depth,
            requests: report.requests,
            timeouts: report.timeouts,
            dials: report.dials,
            bytes: report.bytes,
            found: u32::try_from(found).unwrap_or(u32::MAX),
            outcome: match report.outcome {
                io::LookupOutcome::Ok if of_providers && found == 0 => "not_found",
                io::LookupOutcome::Ok => "ok",
                io::LookupOutcome::Failed => "failed",
                io::LookupOutcome::Timeout => "timeout",
            }
            .into(),
        }
    }
}
