//! Room for calls: so many run at once, so many may wait, the next is refused.

use crate::runtime::{RuntimeFailure, RuntimeFailureReason};
use edge_faas_core::context::Capacity;
use edge_faas_core::io::Started;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// The slots of one function. Clones share them.
#[derive(Clone, Debug)]
pub(in crate::runtime) struct Slots(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    slots: u32,
    queue_limit: u32,
    running: u32,
    /// First come, first served. Those that gave up are still here until their turn comes.
    queue: VecDeque<oneshot::Sender<Slot>>,
    /// How many of the queue have not given up.
    waiting: u32,
}

/// A slot that is taken; free again when it is dropped.
#[derive(Debug)]
pub(in crate::runtime) struct Slot(Option<Arc<Mutex<State>>>);

/// A place in the queue; given up when it is dropped.
#[derive(Debug)]
pub(in crate::runtime) struct Place {
    state: Option<Arc<Mutex<State>>>,
    turn: oneshot::Receiver<Slot>,
}

/// Why a call got no slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) enum Refusal {
    /// All slots are taken and the queue is full.
    Full,
    /// Its deadline passed before its turn came.
    Deadline,
    /// The queue is gone.
    Gone,
}

impl Refusal {
    /// What the caller is told.
    pub(in crate::runtime) fn failure(self, function: &str) -> RuntimeFailure {
        let (reason, what) = match self {
            // How soon there is room is anybody's guess: the caller's own setting holds.
            Refusal::Full => (
                RuntimeFailureReason::Full { retry_after: None },
                "all slots are taken and the queue is full",
            ),
            Refusal::Deadline => (RuntimeFailureReason::Runtime, "the deadline passed before its turn came"),
            Refusal::Gone => (RuntimeFailureReason::NotHosted, "it was removed"),
        };
        RuntimeFailure::new(reason, Started::No, format!("{function}: {what}"))
    }
}

/// What a call gets.
#[derive(Debug)]
pub(in crate::runtime) enum Admission {
    /// It runs.
    Slot(Slot),
    /// It waits.
    Place(Place),
    /// It is refused.
    Full,
}

impl Slots {
    pub(in crate::runtime) fn new(slots: u32, queue_limit: u32) -> Self {
        Slots(Arc::new(Mutex::new(State {
            slots,
            queue_limit,
            running: 0,
            queue: VecDeque::new(),
            waiting: 0,
        })))
    }

    pub(in crate::runtime) fn capacity(&self) -> Capacity {
        let state = self.0.lock();
        Capacity {
            slots: state.slots,
            running: state.running,
            queued: state.waiting,
            queue_limit: state.queue_limit,
        }
    }

    pub(in crate::runtime) fn admit(&self) -> Admission {
        let mut state = self.0.lock();
        if state.running < state.slots && state.waiting == 0 {
            state.running += 1;
            return Admission::Slot(Slot(Some(Arc::clone(&self.0))));
        }
        if state.waiting >= state.queue_limit {
            return Admission::Full;
        }
        let (sender, turn) = oneshot::channel();
        state.queue.push_back(sender);
        state.waiting += 1;
        Admission::Place(Place { state: Some(Arc::clone(&self.0)), turn })
    }

    /// Changes how many calls run at once and may wait. What runs goes on, what waits stays.
    pub(in crate::runtime) fn resize(&self, slots: u32, queue_limit: u32) {
        let mut state = self.0.lock();
        (state.slots, state.queue_limit) = (slots, queue_limit);
        let handed = hand_over(&self.0, &mut state);
        drop(state);
        drop(handed);
    }
}

/// Gives free slots to those who wait. What it returns came back from those who have given up meanwhile, and is
/// dropped by the caller when the lock is free.
fn hand_over(shared: &Arc<Mutex<State>>, state: &mut State) -> Vec<Slot> {
    let mut returned = Vec::new();
    while state.running < state.slots {
        let Some(next) = state.queue.pop_front() else { break };
        // One that gave up has left the count itself.
        if next.is_closed() {
            continue;
        }
        state.running += 1;
        state.waiting = state.waiting.saturating_sub(1);
        if let Err(slot) = next.send(Slot(Some(Arc::clone(shared)))) {
            returned.push(slot);
        }
    }
    returned
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(shared) = self.0.take() else { return };
        let mut state = shared.lock();
        state.running = state.running.saturating_sub(1);
        let returned = hand_over(&shared, &mut state);
        drop(state);
        drop(returned);
    }
}

impl Admission {
    /// Waits for the slot, if it has to be waited for, until the deadline.
    pub(in crate::runtime) async fn slot(self, deadline: Instant) -> Result<Slot, Refusal> {
        match self {
            Admission::Slot(slot) => Ok(slot),
            Admission::Place(place) => match tokio::time::timeout_at(deadline.into(), place.turn()).await {
                Ok(slot) => slot.ok_or(Refusal::Gone),
                Err(_) => Err(Refusal::Deadline),
            },
            Admission::Full => Err(Refusal::Full),
        }
    }
}

impl Place {
    async fn turn(mut self) -> Option<Slot> {
        let slot = (&mut self.turn).await.ok();
        // From here on the slot counts, not the place.
        self.state = None;
        slot
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(shared) = self.state.take() else { return };
        let mut state = shared.lock();
        self.turn.close();
        match self.turn.try_recv() {
            // The turn had come: the slot is given back below.
            Ok(slot) => {
                drop(state);
                drop(slot);
            }
            Err(_) => {
                state.waiting = state.waiting.saturating_sub(1);
                // Without this, a queue whose head never moves would grow with those who give up.
                if state.queue.len() > 2 * state.waiting as usize + 16 {
                    state.queue.retain(|sender| !sender.is_closed());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(slots: &Slots) -> (u32, u32) {
        let capacity = slots.capacity();
        (capacity.running, capacity.queued)
    }

    fn slot(slots: &Slots) -> Slot {
        match slots.admit() {
            Admission::Slot(slot) => slot,
            other => panic!("{other:?}"),
        }
    }

    fn place(slots: &Slots) -> Place {
        match slots.admit() {
            Admission::Place(place) => place,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn so_many_run_so_many_wait_and_the_next_is_refused() {
        let slots = Slots::new(1, 2);
        let running = slot(&slots);
        let (first, second) = (place(&slots), place(&slots));
        assert!(matches!(slots.admit(), Admission::Full));
        assert_eq!(counts(&slots), (1, 2));
        drop(running);
        let next = first.turn().await.unwrap();
        assert_eq!(counts(&slots), (1, 1));
        drop(next);
        drop(second.turn().await.unwrap());
        assert_eq!(counts(&slots), (0, 0));
    }

    #[tokio::test]
    async fn who_gives_up_lets_the_next_one_go() {
        let slots = Slots::new(1, 3);
        let running = slot(&slots);
        let (first, second, third) = (place(&slots), place(&slots), place(&slots));
        drop(second);
        assert_eq!(counts(&slots), (1, 2));
        drop(running);
        // The first one's turn has come, and it goes away without looking.
        drop(first);
        drop(third.turn().await.unwrap());
        assert_eq!(counts(&slots), (0, 0));
    }

    #[tokio::test]
    async fn a_queue_does_not_grow_with_those_who_give_up() {
        let slots = Slots::new(1, 10);
        let _running = slot(&slots);
        for _ in 0..10_000 {
            drop(place(&slots));
        }
        assert_eq!(counts(&slots), (1, 0));
        assert!(slots.0.lock().queue.len() < 100);
    }

    #[tokio::test]
    async fn more_slots_let_those_run_who_wait_and_fewer_wait_for_those_who_run() {
        let slots = Slots::new(1, 5);
        let first = slot(&slots);
        let second = place(&slots);
        slots.resize(2, 5);
        let second = second.turn().await.unwrap();
        slots.resize(1, 5);
        assert_eq!(counts(&slots), (2, 0));
        let third = place(&slots);
        drop(first);
        assert_eq!(counts(&slots), (1, 1));
        drop(second);
        drop(third.turn().await.unwrap());
        assert_eq!(counts(&slots), (0, 0));
    }
}
