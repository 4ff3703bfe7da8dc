//! Sweeps: which repetitions of which variants are played, by whom, and where they are kept until all are there.
//!
//! A [`Store`] is a folder of finished repetitions. `sim sweep` fills one and makes the run's folder of it; with a
//! [`Shard`], each of several processes fills its own, and `sim merge` makes the same folder of all of them.

mod schedule;
mod shard;
mod store;
mod table;

pub(crate) use schedule::{Cell, Schedule};
pub(crate) use shard::Shard;
pub(crate) use store::{Plan, Store, StoreError, program};
pub(crate) use table::{for_terminal, write_csv};
