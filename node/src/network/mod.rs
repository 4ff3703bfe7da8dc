//! The way to other nodes: transports, connections, streams. What is said on the streams is elsewhere.

mod behaviour;
mod links;
mod muxer;
mod stream;
mod swarm;
mod transport;

pub(crate) use links::{Leased, Links, OpenError};
pub(crate) use stream::{Accept, Admission, NodeStream, Protocol, StreamError};
pub(crate) use swarm::{run, start};
