//! The simulator: the core under a virtual clock, in a simulated network.

pub mod network;
