//! Stories of calls and manycalls in a small world.

mod anycall;
mod chaos;
mod failover;
mod manycall;
