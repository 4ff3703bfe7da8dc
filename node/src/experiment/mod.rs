//! What an experiment needs of a node beyond what its users see: links with a scenario's delays, a record of everything
//! that happened, and a runtime that can be slowed down or go down at a word.
//!
//! A node has it only where `experiment.enabled` says so. Then `/api/v1/experiment/…` commands it, and whoever reaches
//! that can do as they like with the node.

mod connection;
mod links;
mod record;
mod records;
mod runtime;
mod timer;

pub use links::{LinkPlan, PathPlan};
pub use record::{Event, Times, Word};
pub use runtime::RuntimePlan;

pub(crate) use connection::Connection;
pub(crate) use links::Links;
pub(crate) use records::Records;
pub(crate) use runtime::Observed;

use crate::openfaas::header::CALL_ID;
use edge_faas_core::io::{AttemptId, CallId};
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// The experiment that a node takes part in.
#[derive(Debug, Default)]
pub struct Experiment {
    pub(crate) links: Arc<Links>,
    pub(crate) records: Records,
    pub(crate) runtime: runtime::Switch,
    /// All connections are to be closed.
    pub(crate) disconnect: Notify,
}

impl Experiment {
    /// An attempt that was answered had to get a stream first, which took so long.
    pub(crate) fn connected(&self, attempt: AttemptId, connect: Duration) {
        let connect = i64::try_from(connect.as_nanos()).unwrap_or(i64::MAX);
        self.records.push(Event::Connected { attempt: attempt.0, connect });
    }

    /// The core's number for the call that its user knows by the id in `headers`.
    pub(crate) fn begun(&self, call: CallId, headers: &HeaderMap) {
        if let Some(reference) = reference(headers) {
            self.records.push(Event::Begun { call: call.0, reference });
        }
    }
}

/// The id that a user gave a call.
fn reference(headers: &HeaderMap) -> Option<String> {
    headers.get(CALL_ID)?.to_str().ok().map(str::to_owned)
}
