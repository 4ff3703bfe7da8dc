//! The scenario file: what an experiment is, read, checked and resolved. Feature `scenario`.
//!
//! This module does no I/O of its own: files come through a loader that the caller gives.

pub mod schedule;
pub mod schema;
pub mod trace;
