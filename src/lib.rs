//! The core of decentralized edge FaaS: Kademlia and the routing of function calls as one state machine.
//!
//! It contains no networking code, reads no clock and draws no ambient randomness: a driver gives it inputs and
//! the time, and carries out what it asks for. The simulator and the node are such drivers.
//!
//! **The rule**: one input, then drain the outputs, then read the timeout.

pub mod context;
pub mod draws;
pub mod faas;
pub mod io;
pub mod kad;
pub mod key;
pub mod peer;
#[cfg(feature = "results")]
pub mod results;
#[cfg(feature = "scenario")]
pub mod scenario;
pub mod time;
