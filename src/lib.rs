//! The core of decentralized edge FaaS: Kademlia and the routing of function calls as one state machine.

pub mod draws;
pub mod key;
#[cfg(feature = "results")]
pub mod results;
pub mod time;
