//! The messages that are on their way.

use super::traffic::Parcel;
use edge_faas_core::prefetch;

/// Messages by slot; a slot is used again once its message has arrived. A slab that can be asked to have a message
/// fetched into the cache without looking at it.
#[derive(Debug, Default)]
pub(crate) struct Parcels {
    slots: Vec<Option<Parcel>>,
    free: Vec<u32>,
}

impl Parcels {
    #[inline]
    pub(crate) fn insert(&mut self, parcel: Parcel) -> u32 {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(parcel);
                slot
            }
            None => {
                self.slots.push(Some(parcel));
                (self.slots.len() - 1) as u32
            }
        }
    }

    /// Takes a message out. Panics if there is none: each is taken once, by its event.
    #[inline]
    pub(crate) fn remove(&mut self, slot: u32) -> Parcel {
        self.free.push(slot);
        self.slots[slot as usize].take().expect("a message arrives once")
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Parcel> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Asks the processor for a message.
    #[inline]
    pub(crate) fn prefetch(&self, slot: u32) {
        prefetch::element(&self.slots, slot as usize);
        // A message is longer than a cache line or two; the next one's beginning is this one's end.
        prefetch::element(&self.slots, slot as usize + 1);
    }
}
