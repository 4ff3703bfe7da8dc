//! The harness: plays a scenario with real nodes and writes what the simulator writes, row by row.
//!
//! - [`plan`] says what the nodes, their links and their functions are to be; [`unsupported`] what real nodes cannot do;
//! - [`backend`] brings nodes up: as processes, as containers, or all in this process. Only that differs between them;
//! - [`network`] is the nodes that are up: it makes their links, joins them, deploys the functions, and waits;
//! - [`openfaas`]: what runs their functions;
//! - [`player`] plays the schedule of calls that the simulator plays, [`faults`] the timeline of faults;
//! - [`calibrate`] tells from runs of both what the simulator has to add;
//! - [`conformance`] says whether a gateway behaves as OpenFaaS' does;
//! - [`logs`] keeps what nodes said of themselves;
//! - [`journal`] is what the nodes tell of it, [`rows`] makes the run's rows of both.

pub mod backend;
pub mod calibrate;
pub mod cli;
pub mod clock;
pub mod conformance;
pub mod failure;
pub mod faults;
pub mod host;
pub mod journal;
pub mod links;
pub mod logs;
pub mod network;
pub mod node;
pub mod openfaas;
pub mod plan;
pub mod player;
mod quantile;
pub mod rows;
pub mod run;
pub mod unsupported;
