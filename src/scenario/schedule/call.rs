//! Calls as the schedule gives them.

use crate::scenario::schema::{AnycallPolicy, ManycallPolicy};
use crate::time::{Duration, Time};

/// Where a call comes from; unique in a run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId {
    /// The phase, by index.
    pub phase: u16,
    /// Whether it belongs to the phase's manycalls.
    pub many: bool,
    /// The client (closed loop), the function of the trace within its sample, or 0.
    pub lane: u32,
    /// The number of the call in its lane, from 0.
    pub index: u32,
}

/// The number that a call's draws are keyed by: also the entity for draws of a driver that belong to a call.
///
/// Made from hashes, so two calls can share one (with a probability around 2^-30 for a large run):
/// they would then share draws, which does no harm. A map of calls is keyed by [`CallId`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallKey(pub u64);

impl CallKey {
    /// The number for draws that belong to item `item` (from 0) of the manycall with this key.
    pub fn item(self, item: u32) -> CallKey {
        // An odd factor keeps the items apart, and far from the manycall's neighbours.
        CallKey(self.0 ^ (u64::from(item) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }
}

/// A call, or a manycall, that is due at an instant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ScheduledCall {
    /// Where it comes from.
    pub id: CallId,
    /// What its draws are keyed by.
    pub key: CallKey,
    /// When it is due; within its phase.
    pub at: Time,
    /// Anycall or manycall, and how it is run.
    pub kind: CallKind,
    /// The function, by index (copies counted).
    pub function: u32,
    /// The node that takes it, by index.
    pub entry: u32,
    /// What is asked of the function; of a manycall nothing, its items say.
    pub demand: Demand,
    /// When it fails if it is not done, counted from `at`; of a manycall that of each item, `None`: never.
    pub deadline: Option<Duration>,
    /// Whether an attempt that may have started may be repeated.
    pub idempotent: bool,
    /// Whether caches and connections of the entry are emptied first.
    pub cold: bool,
}

/// How a call is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallKind {
    /// One call.
    Anycall {
        /// Who runs it: the phase's policy, else the function's, else the scenario's.
        policy: AnycallPolicy,
    },
    /// Many calls of one function.
    Manycall {
        /// Who runs the items: the phase's policy, else the scenario's.
        policy: ManycallPolicy,
        /// How many.
        items: u32,
    },
}

/// What a call, or an item of a manycall, asks of the function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Demand {
    /// The request's body in bytes; at most 2^50.
    pub request_bytes: u64,
    /// The response's body in bytes; at most 2^50.
    pub response_bytes: u64,
    /// How long it takes on a core of speed 1; at most 10^9 s.
    pub service_time: Duration,
    /// Whether the function itself answers with an error.
    pub fails: bool,
}
