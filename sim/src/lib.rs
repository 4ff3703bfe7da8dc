//! The simulator: the core under a virtual clock, in a simulated network.

pub mod cli;
pub mod cost;
mod discovery;
pub mod engine;
pub mod executor;
pub mod folder;
pub mod network;
pub mod overrides;
#[cfg(feature = "parquet")]
mod parquet;
pub mod queue;
mod sweep;
pub mod trace;
