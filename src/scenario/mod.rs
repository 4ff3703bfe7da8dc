//! The scenario file: what an experiment is, read, checked and resolved. Feature `scenario`.
//!
//! [`Scenario::load`](schema::Scenario::load) turns a file into [`Loaded`]: one resolved [`schema::Scenario`] for each
//! variant of its sweep. This module does no I/O of its own: files come through a [`Loader`] that the caller gives.
//! `docs/scenario.md` is the reference of the file; [`json_schema`] describes it to editors.

mod error;
mod files;
mod fuzz;
mod json_schema;
mod keys;
mod levels;
mod load;
mod read;
mod reader;
mod reference;
pub mod regions;
pub mod schedule;
pub mod schema;
mod set;
mod sweep;
pub mod trace;
mod value;

#[cfg(test)]
mod tests;

pub use error::{Location, ScenarioError};
pub use files::Loader;
pub use fuzz::fuzz_scenario;
pub use json_schema::json_schema;
pub use levels::LevelsError;
pub use load::{Loaded, Variant};
pub use reference::reference;
pub use schema::Scenario;
