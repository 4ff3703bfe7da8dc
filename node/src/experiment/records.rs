//! The events of a node, kept until the experiment fetches them.

use super::record::Event;
use parking_lot::Mutex;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A queue without a bound: an experiment reads it all the time, and losing events would falsify it.
#[derive(Debug)]
pub(crate) struct Records {
    sender: UnboundedSender<Event>,
    receiver: Mutex<Option<UnboundedReceiver<Event>>>,
    /// The driver's instant 0, once there is a driver.
    zero: OnceLock<Instant>,
}

impl Default for Records {
    fn default() -> Self {
        let (sender, receiver) = unbounded_channel();
        Records { sender, receiver: Mutex::new(Some(receiver)), zero: OnceLock::new() }
    }
}

impl Records {
    /// The node's clock begins at `zero`.
    pub(crate) fn begin(&self, zero: Instant) {
        let _ = self.zero.set(zero);
    }

    /// An instant by the node's clock, in nanoseconds.
    pub(super) fn since_zero(&self, at: Instant) -> i64 {
        let zero = *self.zero.get_or_init(Instant::now);
        i64::try_from(at.saturating_duration_since(zero).as_nanos()).unwrap_or(i64::MAX)
    }

    /// Who tells, and when instant 0 was.
    pub(crate) fn hello(&self, node: String) -> Event {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = self.since_zero(Instant::now());
        let unix = i64::try_from(unix.as_nanos()).unwrap_or(i64::MAX);
        Event::Hello { node, zero_unix: unix.saturating_sub(since) }
    }

    /// Adds one. Where the reader has gone away, nobody wants it.
    pub(crate) fn push(&self, event: Event) {
        let _ = self.sender.send(event);
    }

    /// Everything from the start on; `None` if somebody reads it already.
    pub(crate) fn take(&self) -> Option<UnboundedReceiver<Event>> {
        self.receiver.lock().take()
    }
}
