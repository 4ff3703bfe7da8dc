//! What run folders say: figures, reports and comparisons, whether the simulator or real nodes wrote them.
//!
//! Everything here begins with [`Run::open`], which refuses a folder that is not whole.

pub mod compare;
pub mod plot;
pub mod report;
mod run;
pub mod stats;

pub use run::{Rows, Run, RunError};
