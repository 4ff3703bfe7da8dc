//! The core of decentralized edge FaaS: Kademlia and the routing of function calls as one state machine.
//!
//! It contains no networking code, reads no clock and draws no ambient randomness: a driver gives it inputs and
//! the time, and carries out what it asks for. The simulator and the node are such drivers.
//!
//! **The rule**: one input, then drain the outputs, then read the timeout.
//!
//! # A driver
//!
//! Two nodes, and a network in which a message takes 10 ms. Ada hosts a function; bob joins and looks for it.
//!
//! ```
//! use edge_faas_core::context::{Config, Context, FunctionTable, Outputs};
//! use edge_faas_core::draws::Draws;
//! use edge_faas_core::io::{Exchange, Input, LookupPurpose, Output};
//! use edge_faas_core::key::{Key, KeyTable};
//! use edge_faas_core::peer::Peer;
//! use edge_faas_core::time::{Duration, Time};
//! use std::collections::BTreeMap;
//!
//! // What the driver owns, and lends with each input, so that no node needs its own.
//! let (config, draws, mut out) = (Config::default(), Draws::new(42, 0), Outputs::default());
//! let (mut keys, mut functions) = (KeyTable::new(), FunctionTable::default());
//! let resize = functions.push("resize", true);
//! let mut peers = ["ada", "bob"].map(|id| Peer::new(keys.push(Key::hash(id.as_bytes()))));
//! let (ada, bob) = (peers[0].me(), peers[1].me());
//!
//! // The inputs to come, by time and in the order of their making.
//! let (latency, end) = (Duration::from_millis(10), Time::ZERO + Duration::from_secs(60));
//! let mut due = BTreeMap::new();
//! due.insert((Time::ZERO, 0), (ada, Input::Join { bootstrap: vec![] }));
//! due.insert((Time::ZERO, 1), (ada, Input::Host { function: resize }));
//! due.insert((Time::ZERO, 2), (bob, Input::Join { bootstrap: vec![ada] }));
//! due.insert((Time::ZERO + Duration::from_secs(30), 3), (bob, Input::FindProviders { function: resize }));
//!
//! let (mut now, mut order, mut found) = (Time::ZERO, 4, Vec::new());
//! while now < end {
//!     // What comes first: an input, or a node's own deadline?
//!     let wake = peers.iter().filter_map(|peer| Some((peer.poll_timeout()?.at, peer.me()))).min();
//!     let next = due.first_key_value().map(|((at, _), _)| *at);
//!     let (node, input) = match (wake, next) {
//!         (Some((at, node)), next) if next.is_none_or(|next| at < next) => {
//!             now = at;
//!             (node, Input::Timeout)
//!         }
//!         _ => {
//!             let Some(((at, _), event)) = due.pop_first() else { break };
//!             now = at;
//!             event
//!         }
//!     };
//!
//!     let mut cx = Context {
//!         identity: node.index() as u64,
//!         config: &config,
//!         peers: &keys,
//!         functions: &functions,
//!         draws: &draws,
//!         out: &mut out,
//!     };
//!     let peer = &mut peers[node.index()];
//!     // One input …
//!     peer.handle(&mut cx, now, input);
//!     // … then drain the outputs …
//!     while let Some(output) = peer.poll(&mut cx) {
//!         let (to, input) = match output {
//!             Output::KadRequest { to, exchange, request } => {
//!                 (to, Input::KadRequest { from: node, server: true, reply: exchange.0, request })
//!             }
//!             Output::KadResponse { to, reply, response } => {
//!                 let exchange = Exchange(reply);
//!                 (to, Input::KadResponse { from: node, exchange, bytes: 0, dialled: false, response })
//!             }
//!             Output::LookupDone(report) if report.purpose == LookupPurpose::Experiment => {
//!                 found = report.providers;
//!                 continue;
//!             }
//!             _ => continue,
//!         };
//!         due.insert((now + latency, order), (to, input));
//!         order += 1;
//!     }
//!     // … then read the timeout: at the top of the loop.
//! }
//! assert_eq!(found, [ada]);
//! ```
//!
//! A driver may wake a node too early or too late; it must not skip the drain, nor give a second input before it.
//! [`io`] lists all inputs and outputs, `docs/architecture.md` says why the core has this shape.
//!
//! # Features
//!
//! - `scenario`: scenario files and the schedule of calls that they stand for;
//! - `results`: writing and reading the folder of a run.
//!
//! Neither does I/O of its own, and the node needs neither.

// Fuzz bodies name this crate, also where its own tests run them.
#[cfg(test)]
extern crate self as edge_faas_core;

pub mod context;
pub mod draws;
pub mod faas;
#[cfg(any(feature = "results", feature = "scenario"))]
mod input_file;
pub mod io;
pub mod kad;
pub mod key;
pub mod peer;
pub mod prefetch;
#[cfg(feature = "results")]
pub mod results;
#[cfg(feature = "scenario")]
pub mod scenario;
pub mod time;
pub mod units;

#[cfg(any(feature = "results", feature = "scenario"))]
pub use input_file::InputFile;
