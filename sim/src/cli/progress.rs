//! The bar that says how far a run is.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};

/// Parts of the bar that one repetition fills.
const STEPS: u64 = 1_000;

/// How far a run is; drawn on standard error if that is a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    messages: AtomicU64,
}

impl Progress {
    pub(super) fn new(repetitions: usize, quiet: bool) -> Self {
        let visible = !quiet && std::io::stderr().is_terminal();
        let target =
            if visible { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(repetitions as u64 * STEPS), target);
        // A template of our own is right or a test fails.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {eta} left") {
            bar.set_style(style);
        }
        Progress { bar, messages: AtomicU64::new(0) }
    }

    /// A repetition went from share `from` to share `to` of its virtual time, and delivered so many messages more.
    pub(super) fn advance(&self, from: f64, to: f64, virtual_seconds: f64, messages: u64) {
        let steps = |share: f64| (share.clamp(0.0, 1.0) * STEPS as f64) as u64;
        self.bar.inc(steps(to).saturating_sub(steps(from)));
        let total = self.messages.fetch_add(messages, Ordering::Relaxed) + messages;
        let seconds = self.bar.elapsed().as_secs_f64().max(1e-3);
        self.bar.set_message(format!(
            "at {virtual_seconds:.0} s  {:.2} M messages, {:.2} M/s",
            total as f64 / 1e6,
            total as f64 / 1e6 / seconds
        ));
    }

    /// There will be about so many repetitions.
    pub(super) fn expect(&self, repetitions: usize) {
        let steps = repetitions as u64 * STEPS;
        if self.bar.length().is_some_and(|length| length < steps) {
            self.bar.set_length(steps);
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
