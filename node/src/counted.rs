//! How many of something there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One of a number of things, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    /// One more.
    pub(crate) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Counted(count.clone())
    }

    /// One more, unless there are `limit` already.
    pub(crate) fn within(count: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let counted = Counted(count.clone());
        if count.fetch_add(1, Ordering::AcqRel) < limit { Some(counted) } else { None }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
