//! The run's time on the machine's clocks.

use edge_faas_core::time::{Duration, Time};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The run's time: 0 is the start of the first phase. Nodes say their instants in Unix time; all run on this machine.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: Instant,
    zero_unix: i64,
}

impl Clock {
    /// Time 0 is in `ahead` from now.
    pub fn starting_in(ahead: std::time::Duration) -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + ahead;
        Clock { zero: Instant::now() + ahead, zero_unix: i64::try_from(unix.as_nanos()).unwrap_or(i64::MAX) }
    }

    /// The run's time.
    pub fn now(&self) -> Time {
        self.time(Instant::now())
    }

    /// An instant as the run's time.
    pub fn time(&self, at: Instant) -> Time {
        let nanos = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        Time::from_nanos(match at.checked_duration_since(self.zero) {
            Some(since) => nanos(since),
            None => -nanos(self.zero.saturating_duration_since(at)),
        })
    }

    /// A node's instant, in nanoseconds of Unix time, as the run's.
    pub fn of_unix(&self, unix: i64) -> Time {
        Time::from_nanos(unix.saturating_sub(self.zero_unix))
    }

    /// Waits until then, to within some ten microseconds: tokio's timer knows milliseconds only.
    pub async fn until(&self, at: Time) {
        let rest = at.since(self.now());
        if rest > Duration::ZERO {
            futures_timer::Delay::new(std::time::Duration::from_nanos(rest.as_nanos().unsigned_abs())).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_tell_the_same_time() {
        let clock = Clock::starting_in(std::time::Duration::from_secs(100));
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
        let (by_unix, by_instant) = (clock.of_unix(unix), clock.now());
        assert!(by_instant < Time::ZERO);
        assert!(
            (by_unix.as_nanos() - by_instant.as_nanos()).abs() < 1_000_000_000,
            "{by_unix:?} {by_instant:?}"
        );
    }
}
