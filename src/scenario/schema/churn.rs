//! Nodes that come and go.

use super::{Distribution, FileRef, Selector};
use crate::time::Time;
use serde::{Deserialize, Serialize};

/// Nodes that come and go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// How long nodes stay and stay away.
    pub sessions: Sessions,
    /// The share of departures that say goodbye; the others are crashes.
    pub leave: f64,
    /// A node that returns has a new id and hosts nothing.
    pub fresh: bool,
    /// Which nodes come and go; the others stay.
    pub nodes: Selector,
    /// When it begins.
    pub from: Time,
    /// When it ends; `None`: with the run. Nodes that are away then stay away.
    pub until: Option<Time>,
}

/// How long nodes stay and stay away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Sessions {
    /// Alternating draws, in seconds.
    Drawn {
        /// Time online.
        session: Distribution,
        /// Time away.
        gap: Distribution,
    },
    /// A CSV file with the columns `node,up_s,down_s`: a row a session, in seconds from time 0.
    Trace {
        /// The file.
        file: FileRef,
    },
}
