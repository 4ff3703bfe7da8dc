//! Why two runs cannot be compared.

use super::margins::MarginsError;
use crate::run::RunError;
use edge_faas_core::results::Source;
use std::path::PathBuf;

/// Why two runs cannot be compared, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum Incomparable {
    /// A folder cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The file of margins is wrong.
    #[error(transparent)]
    Margins(#[from] MarginsError),
    /// A manifest's scenario is not one of this version.
    #[error(
        "the scenario in the manifest of {name} cannot be read: {error}; compare with the version of the program that ran it"
    )]
    Scenario {
        /// The scenario's name.
        name: String,
        /// What is wrong with it.
        #[source]
        error: serde_json::Error,
    },
    /// One is simulated, the other measured.
    #[error(
        "base is a run of `{base}`, new one of `{new}`: --fidelity holds simulated runs against those of real nodes"
    )]
    Backends {
        /// Who ran the base.
        base: Source,
        /// Who ran the new one.
        new: Source,
    },
    /// Fidelity asks for one simulated run and one of real nodes.
    #[error(
        "base is a run of `{base}`, new one of `{new}`: --fidelity takes one of `sim` and one of real nodes; leave it out to compare runs of one kind"
    )]
    NotOneOfEach {
        /// Who ran the base.
        base: Source,
        /// Who ran the new one.
        new: Source,
    },
    /// The sweeps are not the same.
    #[error(
        "the runs have other variants: only in base: {base}; only in new: {new}; run both over the same sweep"
    )]
    Variants {
        /// Those that only the base has.
        base: String,
        /// Those that only the new run has.
        new: String,
    },
    /// The functions or phases are not the same.
    #[error(
        "the runs were asked for other work: {differences}; run both with the same functions and phases, then compare what serves them"
    )]
    Workload {
        /// The keys that differ.
        differences: String,
    },
    /// Rows are needed that a folder does not keep.
    #[error("{}: keeps no calls.csv, which --fidelity reads: give the folder of the whole run", folder.display())]
    NoCalls {
        /// The folder.
        folder: PathBuf,
    },
    /// A statistic that was asked for is in neither run.
    #[error("{name} is no statistic of these runs; there are {known}")]
    NoStatistic {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The runs have nothing to judge in common.
    #[error(
        "the runs have no statistic in common that is judged: their scenarios measure no phase, or the margins leave all out"
    )]
    Nothing,
}
