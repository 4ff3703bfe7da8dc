//! Stories of calls and manycalls in a small world.

mod anycall;
mod failover;
