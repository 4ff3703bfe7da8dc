//! The node of decentralized edge FaaS: `edge-faas-core` driven by libp2p on tokio, with a function runtime behind it.
//!
//! [`handle::Node`] is a running node; [`runtime::Runtime`] is what runs its functions.

pub mod body;
pub mod call;
pub mod config;
pub mod handle;
pub mod http;
pub mod openfaas;
pub mod persist;
pub mod runtime;
pub mod settings;
