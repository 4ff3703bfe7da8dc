//! SIGINT (Ctrl-C), SIGTERM and SIGHUP: work ends at the next look, and what it began is taken away as after any error.

use super::Failure;
use std::sync::atomic::{AtomicBool, Ordering};

/// What shells give a program that ended by SIGINT.
pub(super) const EXIT_CODE: u8 = 130;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on signals are noticed by [`check`]. A second one ends the process at once.
pub(super) fn watch() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(EXIT_CODE));
        }
    })
    .map_err(|error| Failure::other(format!("signals cannot be watched: {error}")))
}

/// # Errors
/// If there was a signal.
pub(super) fn check() -> Result<(), Failure> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        Err(Failure::Interrupted("nothing was kept".into()))
    } else {
        Ok(())
    }
}
