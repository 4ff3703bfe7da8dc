//! Two runs held against each other: what moved, by how much, and whether that can be chance.
//!
//! [`compare`] is for runs of one kind; [`fidelity`] holds simulated runs against those of real nodes, [`table()`] puts their
//! statistics side by side.

mod comparison;
mod error;
mod fidelity;
mod files;
mod judge;
mod margins;
mod print;
mod scenario;
mod table;
mod values;

pub use comparison::{Comparison, Row, Side, compare};
pub use error::Incomparable;
pub use fidelity::{Fidelity, FidelityRow, PolicyOrder, QuantileError, fidelity};
pub use files::FileDifference;
pub use judge::{Effect, FEWEST, Judged, LEVEL, Measured, Verdict, measure};
pub use margins::{Better, Margin, Margins, MarginsError, Tolerance, Tolerated, default_margins};
pub use print::Layout;
pub use scenario::Setting;
pub use table::table;
