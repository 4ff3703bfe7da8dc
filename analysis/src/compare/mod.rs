//! Two runs held against each other.

mod judge;
mod margins;

pub use judge::{Effect, FEWEST, Judged, LEVEL, Measured, Verdict, measure};
pub use margins::{Better, Margin, Margins, MarginsError, Tolerance, default_margins};
