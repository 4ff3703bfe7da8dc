//! One path of an iterative look-up towards a key.

use crate::key::{Key, KeyTable, PeerHandle};
use crate::prefetch;
use smallvec::SmallVec;

/// Candidates that have not failed are kept up to this many times k. A walk ends with the k closest of them, so what
/// lies beyond can matter only after more than k closer ones have failed from then on; and those that answer in their
/// place name it again.
const KEPT_PER_K: usize = 2;

/// What is known of a candidate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    New,
    Waiting,
    Answered,
    Failed,
}

/// A peer on the way to the target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    /// The first 64 bits of its distance.
    distance: u64,
    pub(super) peer: PeerHandle,
    /// Length of the chain of referrals that named it: 1 for one from the own table.
    pub(super) depth: u8,
    pub(super) state: State,
}

/// What a walk wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Ask this peer, found at this depth; it counts as waited for.
    Ask(PeerHandle, u8),
    /// Nothing until an answer or a failure comes.
    Wait,
    /// The k closest candidates that did not fail have answered, or nobody is left to ask.
    Finished,
}

/// The walk of one path: candidates by distance, asked closest first.
///
/// Its rules are those of rust-libp2p's `ClosestPeersIter` (protocols/kad/src/query/peers/closest.rs): α requests
/// in flight while answers bring news; after α answers in a row without news up to k; finished when the k closest
/// that did not fail have answered.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Closest first. A little more than [`KEPT_PER_K`] times the usual k lie beside the look-up's other state.
    candidates: SmallVec<[Candidate; 44]>,
    waiting: usize,
    failed: usize,
    /// Answers in a row without news.
    idle: usize,
    /// The candidates before this one have answered or failed …
    settled: usize,
    /// … and so many of them have answered.
    answered: usize,
    finished: bool,
}

/// The limits of a walk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) k: usize,
    pub(super) alpha: usize,
}

impl Walk {
    pub(super) fn clear(&mut self) {
        self.candidates.clear();
        self.waiting = 0;
        self.failed = 0;
        self.idle = 0;
        self.settled = 0;
        self.answered = 0;
        self.finished = false;
    }

    /// Asks the processor for the candidates.
    pub(super) fn prefetch(&self) {
        for at in (0..self.candidates.len()).step_by(64 / size_of::<Candidate>()) {
            prefetch::element(&self.candidates, at);
        }
    }

    /// Whom it would ask next.
    pub(super) fn likely_next(&self) -> Option<PeerHandle> {
        let unsettled = self.candidates.get(self.settled..)?;
        unsettled.iter().find(|candidate| candidate.state == State::New).map(|candidate| candidate.peer)
    }

    /// Adds candidates from `list`, `me` and known ones left out. Returns true if one of them is news: closer than
    /// the k-th closest known before, or anything at all while fewer than k are known.
    pub(super) fn merge(
        &mut self,
        target: &Key,
        list: &[PeerHandle],
        me: PeerHandle,
        depth: u8,
        limits: Limits,
        peers: &KeyTable,
    ) -> bool {
        let kept = limits.k.saturating_mul(KEPT_PER_K);
        let mut news = self.candidates.len() < limits.k;
        let range = self
            .candidates
            .get(limits.k - 1)
            .or(self.candidates.last())
            .map_or(u64::MAX, |candidate| candidate.distance);
        for peer in list {
            if *peer == me {
                continue;
            }
            let distance = peers.prefix(*peer) ^ target.prefix();
            let full = self.candidates.len() - self.failed >= kept;
            if full && self.candidates.last().is_some_and(|last| distance > last.distance) {
                continue;
            }
            let Err(at) = self.find(target, *peer, distance, peers) else {
                continue;
            };
            self.candidates.insert(at, Candidate { distance, peer: *peer, depth, state: State::New });
            if at < self.settled {
                (self.settled, self.answered) = (0, 0);
            }
            news |= distance < range;
            while self.candidates.len() - self.failed > kept {
                match self.candidates.last() {
                    Some(last) if last.state != State::Waiting => {
                        self.failed -= usize::from(last.state == State::Failed);
                        self.candidates.pop();
                        if self.settled > self.candidates.len() {
                            (self.settled, self.answered) = (0, 0);
                        }
                    }
                    _ => break,
                }
            }
        }
        news
    }

    /// Where a peer is among the candidates, or would be.
    fn find(&self, target: &Key, peer: PeerHandle, distance: u64, peers: &KeyTable) -> Result<usize, usize> {
        let mut at = self.candidates.partition_point(|known| known.distance < distance);
        // Two keys that agree in 64 bits are made on purpose or in tests, but they must not be confused.
        while let Some(known) = self.candidates.get(at).filter(|known| known.distance == distance) {
            if known.peer == peer {
                return Ok(at);
            }
            if peers.cmp_distance(target, peer, known.peer).is_lt() {
                break;
            }
            at += 1;
        }
        Err(at)
    }

    /// A peer answered with `list`. Nothing if this walk does not wait for it.
    pub(super) fn answered(
        &mut self,
        target: &Key,
        peer: PeerHandle,
        list: &[PeerHandle],
        me: PeerHandle,
        limits: Limits,
        peers: &KeyTable,
    ) {
        let Some(depth) = self.settle(target, peer, State::Answered, peers) else {
            return;
        };
        let news = self.merge(target, list, me, depth.saturating_add(1), limits, peers);
        self.idle = if news { 0 } else { self.idle + 1 };
    }

    /// A peer failed. Nothing if this walk does not wait for it.
    pub(super) fn failed(&mut self, target: &Key, peer: PeerHandle, peers: &KeyTable) {
        self.settle(target, peer, State::Failed, peers);
    }

    /// Ends the waiting for `peer`; returns its depth, `None` if it was not waited for.
    fn settle(&mut self, target: &Key, peer: PeerHandle, state: State, peers: &KeyTable) -> Option<u8> {
        if self.finished {
            return None;
        }
        let distance = peers.prefix(peer) ^ target.prefix();
        let at = self.find(target, peer, distance, peers).ok()?;
        let candidate = &mut self.candidates[at];
        if candidate.state != State::Waiting {
            return None;
        }
        candidate.state = state;
        self.failed += usize::from(state == State::Failed);
        self.waiting -= 1;
        Some(candidate.depth)
    }

    /// What to do now. After [`Step::Ask`] ask again: there may be more.
    pub(super) fn next(&mut self, limits: Limits) -> Step {
        if self.finished {
            return Step::Finished;
        }
        let stalled = self.idle >= limits.alpha;
        let full = self.waiting >= if stalled { limits.k.max(limits.alpha) } else { limits.alpha };
        // The closest that have answered, until one is still out.
        while let Some(Candidate { state: state @ (State::Answered | State::Failed), .. }) =
            self.candidates.get(self.settled)
        {
            self.settled += 1;
            self.answered += usize::from(*state == State::Answered);
            if self.answered == limits.k {
                self.finished = true;
                return Step::Finished;
            }
        }
        for candidate in &mut self.candidates[self.settled..] {
            match candidate.state {
                State::Waiting | State::New if full => return Step::Wait,
                State::New => {
                    candidate.state = State::Waiting;
                    self.waiting += 1;
                    return Step::Ask(candidate.peer, candidate.depth);
                }
                State::Waiting | State::Answered | State::Failed => {}
            }
        }
        if self.waiting > 0 {
            return Step::Wait;
        }
        self.finished = true;
        Step::Finished
    }

    /// Those that answered, closest first.
    pub(super) fn closest(&self) -> impl Iterator<Item = PeerHandle> + '_ {
        self.candidates
            .iter()
            .filter(|candidate| candidate.state == State::Answered)
            .map(|candidate| candidate.peer)
    }

    /// All candidates.
    pub(super) fn peers(&self) -> impl Iterator<Item = PeerHandle> + '_ {
        self.candidates.iter().map(|candidate| candidate.peer)
    }
}
