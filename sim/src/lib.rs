//! The simulator: the core under a virtual clock, in a simulated network.

pub mod executor;
pub mod network;
