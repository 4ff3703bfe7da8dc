//! What can be asked of `harness`.

use super::openfaas::OpenFaas;
use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_faas_sim::overrides::Overrides;
use std::path::PathBuf;
use std::time::Duration;

/// Plays scenarios of decentralized edge FaaS with real nodes, and writes what the simulator writes.
#[derive(Debug, Parser)]
#[command(name = "harness", version)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Plays a scenario with real nodes and writes a run folder.
    Run(Box<Run>),
    /// Measures what real nodes take on this machine, for the simulator: writes a file that scenarios include.
    Calibrate(Calibrate),
    /// Takes away what runs left that were killed: containers, networks, images, processes, folders.
    Clean,
    /// Says what this machine can do.
    Doctor(Doctor),
    /// Says whether a gateway behaves as OpenFaaS' does: deploys a function on it, tries everything, removes it.
    Conformance(Conformance),
}

/// A run.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The scenario file.
    pub(super) scenario: PathBuf,
    /// What nodes run as.
    #[arg(long, value_enum, default_value_t = BackendKind::Docker)]
    pub(super) backend: BackendKind,
    /// The program of a node. By default `edge-faas` beside this program, or on the path, or what EDGE_FAAS_NODE names; containers need one that is
    /// linked statically.
    #[arg(long, value_name = "FILE")]
    pub(super) node: Option<PathBuf>,
    #[command(flatten)]
    pub(super) overrides: Overrides,
    /// Runs the whole sweep, as often as the scenario says, and not only what it names under `[harness]`.
    #[arg(long)]
    pub(super) whole_grid: bool,
    #[command(flatten)]
    pub(super) openfaas: OpenFaas,
    /// Where the run's folder goes: DIR/<name>/<seed>-<run>-<backend>. By default what the scenario says, else `results`.
    #[arg(long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
    /// Replaces the folder of an earlier run of the same scenario and seed.
    #[arg(long)]
    pub(super) force: bool,
    /// Leaves out what real nodes cannot honour, instead of refusing the scenario. The manifest says what.
    #[arg(long)]
    pub(super) allow_unsupported: bool,
    /// Runs although links are not what the scenario asks for. The manifest says so.
    #[arg(long)]
    pub(super) allow_bad_links: bool,
    /// How long a node may take to answer, then the nodes to find each other, then the functions to be found: `5min`. By
    /// default 60 s, 120 s, 120 s.
    #[arg(long, value_name = "DURATION", value_parser = patience)]
    pub(super) ready_timeout: Option<Duration>,
    /// Keeps no logs and metrics of the nodes.
    #[arg(long)]
    pub(super) no_logs: bool,
    /// Leaves the nodes of the last repetition up, or of the one that failed: `harness clean` takes them away.
    #[arg(long)]
    pub(super) keep: bool,
    /// Prints nothing but errors.
    #[arg(long)]
    pub(super) quiet: bool,
}

/// A calibration.
#[derive(Debug, Args)]
pub(super) struct Calibrate {
    /// What nodes run as: a calibration is of one backend.
    #[arg(long, value_enum, default_value_t = BackendKind::Docker)]
    pub(super) backend: BackendKind,
    /// The program of a node, as for `run`.
    #[arg(long, value_name = "FILE")]
    pub(super) node: Option<PathBuf>,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "calibration.toml")]
    pub(super) output: PathBuf,
    /// Replaces the file.
    #[arg(long)]
    pub(super) force: bool,
    /// Measures although links are not what the scenario asks for: the file says so.
    #[arg(long)]
    pub(super) allow_bad_links: bool,
    /// Prints nothing but errors.
    #[arg(long)]
    pub(super) quiet: bool,
}

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The program of a node.
    #[arg(long, value_name = "FILE")]
    pub(super) node: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Conformance {
    /// The gateway's URL, such as http://127.0.0.1:8080.
    pub(super) url: String,
    /// An image whose function answers with the body of its request.
    #[arg(long, default_value = "builtin/echo")]
    pub(super) image: String,
    /// The process in the image, for the classic watchdog: `cat` answers with the body.
    #[arg(long, value_name = "COMMAND")]
    pub(super) process: Option<String>,
    /// Who may administrate.
    #[arg(long, default_value = "admin")]
    pub(super) user: String,
    /// The file with the password; without, nobody is asked for one.
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
}

/// What nodes run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum BackendKind {
    /// Containers of the local Docker engine.
    Docker,
    /// Processes of this machine.
    Process,
    /// All in one process, over a transport in memory.
    Memory,
}

fn patience(text: &str) -> Result<Duration, String> {
    match edge_faas_core::units::duration(text)? {
        none if none.is_zero() => Err(format!("{text:?} is no time to wait: it must be above zero")),
        some => Ok(Duration::from_nanos(some.as_nanos().unsigned_abs())),
    }
}
