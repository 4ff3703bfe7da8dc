//! The traces that a scenario names, read once and shared by its repetitions.

use super::{
    Durations, Invocations, Recorded, SessionRow, TraceError, read_durations, read_invocations,
    read_recorded, read_sessions,
};
use crate::scenario::schema::{Arrivals, FileRef, Scenario, ServiceTime, Sessions};
use std::collections::BTreeMap;
use std::io::{self, Read};

/// Every trace that a scenario names, parsed; by path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traces {
    invocations: BTreeMap<String, Invocations>,
    durations: BTreeMap<String, Durations>,
    recorded: BTreeMap<String, Recorded>,
    sessions: Vec<SessionRow>,
}

/// A trace that a scenario names and that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceFileError {
    /// It cannot be opened.
    #[error("{path}: cannot be opened: {source}")]
    Open {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Its content is not valid.
    #[error("{path}: {source}")]
    Content {
        /// The file.
        path: String,
        /// Where and why.
        source: TraceError,
    },
}

impl Traces {
    /// Reads all traces that `scenario` names; `open` gives a file's (unpacked) bytes. Of a workload trace only the
    /// functions of the largest sample are kept.
    pub fn read<R: Read>(
        scenario: &Scenario,
        mut open: impl FnMut(&FileRef) -> io::Result<R>,
    ) -> Result<Self, TraceFileError> {
        let mut invocations: BTreeMap<&str, (&FileRef, f64)> = BTreeMap::new();
        let mut recorded: BTreeMap<&str, (&FileRef, f64)> = BTreeMap::new();
        let mut durations: BTreeMap<&str, &FileRef> = BTreeMap::new();
        for arrivals in
            scenario.phases.iter().filter_map(|phase| Some(&phase.anycall.as_ref()?.stream.arrivals))
        {
            let (uses, file, sample) = match arrivals {
                Arrivals::Azure2019 { invocations: file, durations: other, sample, .. } => {
                    durations.extend(other.iter().map(|file| (file.path.as_str(), file)));
                    (&mut invocations, file, *sample)
                }
                Arrivals::Azure2021 { file, sample, .. } => (&mut recorded, file, *sample),
                Arrivals::Poisson { .. } | Arrivals::Every { .. } | Arrivals::Clients { .. } => continue,
            };
            let share = &mut uses.entry(&file.path).or_insert((file, 0.0)).1;
            *share = share.max(sample);
        }
        for function in &scenario.functions {
            if let ServiceTime::Trace { file } = &function.service_time {
                durations.insert(&file.path, file);
            }
        }
        let mut traces = Traces::default();
        let mut load = |file: &FileRef| {
            open(file).map_err(|source| TraceFileError::Open { path: file.path.clone(), source })
        };
        let content = |file: &FileRef| {
            let path = file.path.clone();
            move |source| TraceFileError::Content { path, source }
        };
        for (file, share) in invocations.into_values() {
            let trace = read_invocations(load(file)?, share).map_err(content(file))?;
            traces.invocations.insert(file.path.clone(), trace);
        }
        for (file, share) in recorded.into_values() {
            let trace = read_recorded(load(file)?, share).map_err(content(file))?;
            traces.recorded.insert(file.path.clone(), trace);
        }
        for file in durations.into_values() {
            let trace = read_durations(load(file)?).map_err(content(file))?;
            traces.durations.insert(file.path.clone(), trace);
        }
        if let Some(Sessions::Trace { file }) = scenario.churn.as_ref().map(|churn| &churn.sessions) {
            traces.sessions = read_sessions(load(file)?, scenario.network.nodes).map_err(content(file))?;
        }
        Ok(traces)
    }

    /// The invocations of this file.
    pub fn invocations(&self, file: &FileRef) -> Option<&Invocations> {
        self.invocations.get(&file.path)
    }

    /// The durations of this file.
    pub fn durations(&self, file: &FileRef) -> Option<&Durations> {
        self.durations.get(&file.path)
    }

    /// The recorded calls of this file.
    pub fn recorded(&self, file: &FileRef) -> Option<&Recorded> {
        self.recorded.get(&file.path)
    }

    /// The sessions of the churn trace, by node and time; empty without one.
    pub fn sessions(&self) -> &[SessionRow] {
        &self.sessions
    }
}
