//! The node of decentralized edge FaaS: `edge-faas-core` driven by libp2p on tokio, with a function runtime behind it.
//!
//! [`handle::Node`] is a running node; [`runtime::Runtime`] is what runs its functions; [`daemon::Daemon`] is both with the
//! HTTP API ([`mod@http`]) around them, as [`cli`] starts it from [`settings`].

pub mod body;
pub mod call;
pub mod cli;
pub mod config;
mod counted;
pub mod daemon;
mod driver;
mod entry;
mod exchange;
pub mod experiment;
pub mod handle;
pub mod http;
pub mod identity;
mod map;
mod metrics;
mod network;
pub mod openfaas;
pub mod path;
pub mod persist;
pub mod protocol;
pub mod runtime;
mod serve;
pub mod settings;
