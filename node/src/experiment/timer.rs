//! A timer for links: tokio's knows milliseconds only, and what is woken runs later than that, by more after a long wait
//! than after a short one.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Classes of waits by how long they are: each has twice the length of the one before.
const CLASSES: usize = 32;
/// A shorter wait would end later than none.
const SHORTEST: Duration = Duration::from_micros(50);
/// The first step towards the usual lateness; the n-th is an n-th of it.
const FIRST_STEP: f64 = 50.0e-6;
/// The least step: what is usual changes with what else the machine does.
const LEAST_STEP: f64 = 2.0e-6;
/// What is more is no lateness of timers but a machine that is too busy.
const MOST: f64 = 1.0e-3;

/// Ends waits in time in the median: it sets out earlier by as much as waits of this length usually end late, which
/// it learns (H. Robbins and S. Monro, *A stochastic approximation method*, 1951, for the median).
#[derive(Debug, Default)]
pub(super) struct Timer {
    classes: Mutex<[Lateness; CLASSES]>,
}

/// How late waits of a class usually end.
#[derive(Clone, Copy, Debug)]
struct Lateness {
    seconds: f64,
    waits: u32,
}

impl Default for Lateness {
    fn default() -> Self {
        // The kernel wakes a thread up to so much late, to wake several at once (`timer_slack_ns`).
        Lateness { seconds: SHORTEST.as_secs_f64(), waits: 0 }
    }
}

impl Lateness {
    /// Learns from a wait that ended before or after its time.
    fn learn(&mut self, late: bool) {
        self.waits = self.waits.saturating_add(1);
        let step = (FIRST_STEP / f64::from(self.waits)).max(LEAST_STEP);
        self.seconds = (self.seconds + if late { step } else { -step }).clamp(0.0, MOST);
    }
}

impl Timer {
    /// Waits until `at`.
    pub(super) async fn wait_until(&self, at: Instant) {
        let rest = at.saturating_duration_since(Instant::now());
        if rest < SHORTEST {
            return;
        }
        let class = rest.as_micros().checked_ilog2().map_or(0, |log| log as usize).min(CLASSES - 1);
        let usual = Duration::from_secs_f64(self.classes.lock()[class].seconds);
        // It always waits, to learn when waits are late no more.
        let early = usual.min(rest / 2);
        futures_timer::Delay::new(rest - early).await;
        self.classes.lock()[class].learn(Instant::now() > at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_is_cut_by_half_at_most() {
        let timer = Timer::default();
        timer.classes.lock().fill(Lateness { seconds: MOST, waits: 1_000 });
        for wait in [100, 500, 1_500, 5_000].map(Duration::from_micros) {
            let begun = Instant::now();
            timer.wait_until(begun + wait).await;
            assert!(begun.elapsed() >= wait / 3, "{wait:?}");
        }
    }

    #[test]
    fn what_is_usual_is_learnt_and_bounded() {
        let mut lateness = Lateness::default();
        let mut found = |truth: f64| {
            for _ in 0..1_000 {
                lateness.learn(truth > lateness.seconds);
            }
            lateness.seconds
        };
        assert!((found(300.0e-6) - 300.0e-6).abs() < 5.0e-6);
        assert!((found(80.0e-6) - 80.0e-6).abs() < 5.0e-6);
        assert!(found(1.0) <= MOST);
        assert_eq!(found(-1.0), 0.0);
    }
}
