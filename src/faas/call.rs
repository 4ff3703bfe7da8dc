//! What an entry node remembers of a call that is not over.

use super::AnycallPolicy;
use crate::context::Capacity;
use crate::io::{AttemptFailure, AttemptId, CacheResult, Call, CallOutcome, MapId};
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::{Duration, Time};
use smallvec::SmallVec;

/// What a call waits for while it has no attempt in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wait {
    /// Nothing.
    No,
    /// A look-up: no provider is known that could be tried.
    Lookup {
        /// Then those that failed are tried again, although it is not over.
        until: Time,
    },
    /// Room at a provider.
    Window,
    /// The end of a pause: all providers have failed.
    Backoff {
        /// When.
        until: Time,
    },
    /// Answers on how loaded providers are.
    Load {
        /// At the latest.
        until: Time,
    },
    /// A turn among the items of its manycall.
    Pool,
}

/// A call that is not over.
#[derive(Debug)]
pub(super) struct CallState {
    pub(super) function: FunctionHandle,
    pub(super) policy: AnycallPolicy,
    pub(super) deadline: Time,
    pub(super) idempotent: bool,
    pub(super) replayable: bool,
    pub(super) map: Option<MapId>,
    /// The local runtime had room when the call came in.
    pub(super) local_room: bool,
    /// Where `static` sends it.
    pub(super) assigned: Option<PeerHandle>,
    /// A copy of it was made.
    pub(super) copied: bool,
    pub(super) received: Time,
    pub(super) wait: Wait,
    pub(super) wait_since: Time,
    pub(super) lookup: Duration,
    pub(super) dispatch: Duration,
    pub(super) first: Option<Time>,
    pub(super) cache: CacheResult,
    /// Attempts made.
    pub(super) made: u32,
    /// Those that count against the limit.
    pub(super) counted: u32,
    /// Pauses made.
    pub(super) rounds: u32,
    /// Attempts in flight.
    pub(super) live: SmallVec<[AttemptId; 2]>,
    /// Providers that failed it.
    pub(super) excluded: SmallVec<[PeerHandle; 2]>,
    /// Providers that were asked for their load, and those that have answered.
    pub(super) asked: SmallVec<[PeerHandle; 2]>,
    pub(super) answered: SmallVec<[PeerHandle; 2]>,
    /// The provider tried last.
    pub(super) last: Option<PeerHandle>,
    pub(super) last_failure: Option<AttemptFailure>,
    /// All it ever got was 429.
    pub(super) only_refused: bool,
    /// An attempt of it may have run.
    pub(super) doubtful: bool,
    /// Look-ups within its life: 1 before its first attempt, 2 after it.
    pub(super) looked_up: u8,
    pub(super) lookup_messages: u32,
    /// The attempt whose answer is on its way to the user.
    pub(super) head: Option<AttemptId>,
}

impl CallState {
    pub(super) fn new(now: Time, call: &Call, policy: AnycallPolicy, idempotent: bool) -> Self {
        CallState {
            function: call.function,
            policy,
            deadline: call.deadline,
            idempotent: call.idempotent.unwrap_or(idempotent),
            replayable: call.replayable,
            map: None,
            local_room: call.local.is_some_and(|local| !full(&local)),
            assigned: None,
            copied: false,
            received: now,
            wait: Wait::No,
            wait_since: now,
            lookup: Duration::ZERO,
            dispatch: Duration::ZERO,
            first: None,
            cache: CacheResult::Hit,
            made: 0,
            counted: 0,
            rounds: 0,
            live: SmallVec::new(),
            excluded: SmallVec::new(),
            asked: SmallVec::new(),
            answered: SmallVec::new(),
            last: None,
            last_failure: None,
            only_refused: true,
            doubtful: false,
            looked_up: 0,
            lookup_messages: 0,
            head: None,
        }
    }

    /// True if it may be run twice.
    pub(super) fn repeatable(&self) -> bool {
        self.idempotent && self.replayable
    }

    /// Enters the time since the last change of what it waits for into the account.
    pub(super) fn set_wait(&mut self, now: Time, wait: Wait) {
        if self.first.is_none() {
            let waited = now.since(self.wait_since);
            if matches!(self.wait, Wait::Lookup { .. }) {
                self.lookup += waited;
            } else {
                self.dispatch += waited;
            }
        }
        self.wait_since = now;
        self.wait = wait;
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, now: Time, attempt: AttemptId, peer: PeerHandle) {
        self.set_wait(now, Wait::No);
        self.first.get_or_insert(now);
        self.live.push(attempt);
        self.made = self.made.saturating_add(1);
        self.counted = self.counted.saturating_add(1);
        self.last = Some(peer);
    }

    /// An attempt at `peer` failed.
    pub(super) fn failed_with(&mut self, reason: AttemptFailure, peer: PeerHandle) {
        if matches!(reason, AttemptFailure::Full { .. }) {
            self.counted = self.counted.saturating_sub(1);
            if self.last_failure.is_none() {
                self.last_failure = Some(reason);
            }
            return;
        }
        self.only_refused = false;
        self.last_failure = Some(reason);
        match reason {
            // Our own word, or the driver's: the provider is not to blame.
            AttemptFailure::Cancelled => {}
            AttemptFailure::NotHosted => {
                self.counted = self.counted.saturating_sub(1);
                self.excluded.push(peer);
            }
            _ => self.excluded.push(peer),
        }
    }

    /// The outcome when nothing more can be tried.
    pub(super) fn verdict(&self) -> CallOutcome {
        match self.last_failure {
            Some(AttemptFailure::Full { .. }) => CallOutcome::Rejected,
            Some(AttemptFailure::NotHosted) => CallOutcome::NotFound,
            Some(AttemptFailure::Timeout) => CallOutcome::Timeout,
            _ => CallOutcome::Unreachable,
        }
    }

    pub(super) fn error(&self, outcome: CallOutcome) -> &'static str {
        match (outcome, self.last_failure) {
            (CallOutcome::Ok, _) => "",
            (CallOutcome::FunctionError, _) => "status",
            (CallOutcome::Cancelled, _) => "cancelled",
            (_, Some(AttemptFailure::Dial)) => "dial",
            (_, Some(AttemptFailure::Lost)) => "lost",
            (_, Some(AttemptFailure::NotHosted)) => "not hosted",
            (_, Some(AttemptFailure::Full { .. })) => "full",
            (_, Some(AttemptFailure::Runtime)) => "runtime",
            (_, Some(AttemptFailure::Cancelled)) => "cancelled",
            (_, Some(AttemptFailure::Timeout)) => "timeout",
            (CallOutcome::NotFound, None) => "no provider",
            (CallOutcome::Rejected, None) => "full",
            (CallOutcome::Timeout, None) => "deadline",
            (_, None) => "no provider answers",
        }
    }
}

/// True when one call more would be refused.
fn full(capacity: &Capacity) -> bool {
    capacity.running.saturating_add(capacity.queued) >= capacity.slots.saturating_add(capacity.queue_limit)
}
