//! Bodies of requests: only their size matters.

use bytes::Bytes;
use parking_lot::Mutex;

/// Bodies are cut from one piece that is as large as the largest so far.
#[derive(Debug, Default)]
pub(crate) struct Bodies(Mutex<Bytes>);

impl Bodies {
    /// A body of so many bytes: text, so that it is one in JSON too.
    pub(crate) fn of(&self, size: u64) -> Bytes {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut piece = self.0.lock();
        if piece.len() < size {
            *piece = vec![b'x'; size.next_power_of_two()].into();
        }
        piece.slice(..size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_the_size_that_was_asked_for() {
        let bodies = Bodies::default();
        for size in [0, 1, 100, 7, 5_000, 4_096] {
            assert_eq!(bodies.of(size).len() as u64, size);
        }
    }
}
