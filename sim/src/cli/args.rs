//! What can be asked of `sim`.

use crate::overrides::{Grid, Overrides, key_value};
use clap::{Args, Parser, Subcommand, ValueEnum};
use edge_faas_analysis::plot::{Figure, Width};
use std::path::PathBuf;

/// Simulates a network of edge nodes that run functions for each other.
///
/// `sim SCENARIO` runs a scenario and writes a folder of CSV files, the same bytes for the same scenario and seed.
#[derive(Debug, Parser)]
#[command(name = "sim", version, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) run: Run,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Reads a scenario and all files it names, and says what is wrong. Runs and writes nothing.
    Check {
        /// The scenario file.
        scenario: PathBuf,
        #[command(flatten)]
        choice: Choice,
    },
    /// Prints the JSON Schema of scenario files, for editors.
    Schema,
    /// Runs a run again from its manifest and holds every hash against it.
    Verify {
        /// The run's folder.
        run: PathBuf,
        /// Threads; by default one a core.
        #[arg(long)]
        threads: Option<usize>,
        /// No progress bar.
        #[arg(long)]
        quiet: bool,
    },
    /// Prints one line per event of a small run, to see the protocol at work. Writes no files.
    Trace(Trace),
    /// Holds two runs against each other: what moved, by how much, and whether that can be chance.
    ///
    /// Exit code 0: nothing regressed; 1: something did; 2: the runs cannot be compared; 3: with --strict, something is
    /// inconclusive.
    Compare(Compare),
    /// Plays a scenario's sweep so that what is done is not done again, until results are precise enough, or in shares on
    /// several machines. Ends in the same folder as `sim SCENARIO`.
    Sweep(Sweep),
    /// Puts the shares of a sweep together: the same bytes as those of one machine.
    Merge(Merge),
    /// Draws figures of runs, several overlaid, as SVG and PNG.
    Plot(Plot),
    /// Puts runs, their figures and their tables into one HTML page that needs nothing else.
    Report(Report),
}

/// A run.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The scenario file.
    #[arg(required = true)]
    pub(super) scenario: Option<PathBuf>,
    #[command(flatten)]
    pub(super) choice: Choice,
    #[command(flatten)]
    pub(super) making: Making,
    /// Also writes each table as a Parquet file beside its CSV file, if the program was built with that feature.
    #[arg(long)]
    pub(super) parquet: bool,
}

/// How a run is made, and where.
#[derive(Debug, Args)]
pub(super) struct Making {
    /// Where the run's folder goes: DIR/<name>/<seed>-<run>. By default what the scenario says, else `results`. A sweep keeps what is done so far
    /// beside it.
    #[arg(long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
    /// Replaces the folder of an earlier run of the same scenario and seed.
    #[arg(long)]
    pub(super) force: bool,
    /// Threads; by default one a core. Any number gives the same files.
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// Prints nothing but errors.
    #[arg(long)]
    pub(super) quiet: bool,
}

/// What is run of a scenario.
#[derive(Debug, Args)]
pub(super) struct Choice {
    #[command(flatten)]
    pub(super) overrides: Overrides,
    /// Runs the levels and repetitions that the scenario names for real nodes under `[harness]`: a prediction of what
    /// `harness run` runs.
    #[arg(long)]
    pub(super) real_grid: bool,
}

/// A sweep.
#[derive(Debug, Args)]
pub(super) struct Sweep {
    /// The scenario file.
    pub(super) scenario: PathBuf,
    #[command(flatten)]
    pub(super) choice: Choice,
    #[command(flatten)]
    pub(super) making: Making,
    /// Repetitions of each variant until the 95 % interval of a metric's median is this narrow: `--until "latency_p95 ±5%"`,
    /// or of a group, `--until "latency_p95 phase=steady ±5%"`.
    #[arg(long, value_name = "METRIC ±SHARE%", conflicts_with_all = ["repetitions", "shard"])]
    pub(super) until: Option<String>,
    /// With --until: repetitions after which a variant is done however wide its interval.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "until")]
    pub(super) max_repetitions: u32,
    /// Plays share I of N into a folder for `sim merge`; `auto` in a task of a Slurm array or of an indexed Job of Kubernetes.
    #[arg(long, value_name = "I/N")]
    pub(super) shard: Option<String>,
    /// Also writes the statistics as one CSV table with the factors as columns.
    #[arg(long, value_name = "FILE", conflicts_with = "shard")]
    pub(super) table: Option<PathBuf>,
    /// Also writes each table as a Parquet file beside its CSV file, if the program was built with that feature.
    #[arg(long, conflicts_with = "shard")]
    pub(super) parquet: bool,
}

/// A merge.
#[derive(Debug, Args)]
pub(super) struct Merge {
    /// The folders of all shards.
    #[arg(required = true)]
    pub(super) shards: Vec<PathBuf>,
    /// Where the run's folder goes: DIR/<name>/<seed>-<run>. By default beside the first shard.
    #[arg(long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
    /// Replaces the folder of an earlier run of the same scenario and seed.
    #[arg(long)]
    pub(super) force: bool,
    /// Prints nothing but errors.
    #[arg(long)]
    pub(super) quiet: bool,
    /// Also writes the statistics as one CSV table with the factors as columns.
    #[arg(long, value_name = "FILE")]
    pub(super) table: Option<PathBuf>,
    /// Also writes each table as a Parquet file beside its CSV file, if the program was built with that feature.
    #[arg(long)]
    pub(super) parquet: bool,
}

/// A trace.
#[derive(Debug, Args)]
pub(super) struct Trace {
    /// The scenario file.
    pub(super) scenario: PathBuf,
    #[command(flatten)]
    pub(super) choice: Choice,
    /// Begin at this virtual time, in seconds; what came before 0 is joining.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(super) from: Option<f64>,
    /// Print at most so many lines.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub(super) lines: u64,
    /// Only lines about this node, by number.
    #[arg(long, value_name = "NUMBER")]
    pub(super) node: Option<u32>,
}

/// A comparison.
#[derive(Debug, Args)]
pub(super) struct Compare {
    /// The run to compare with: its folder, or what a reference keeps of it.
    pub(super) base: PathBuf,
    /// The run that is judged.
    pub(super) new: PathBuf,
    /// A file that says which metrics are judged, which way is better, and how small a difference does not matter.
    #[arg(long, value_name = "FILE")]
    pub(super) margins: Option<PathBuf>,
    /// Holds simulated calls against those of real nodes; exit code 1 if they are further apart than is tolerated.
    #[arg(long)]
    pub(super) fidelity: bool,
    /// With --fidelity: prints only these statistics of each variant, simulated, real, and the difference:
    /// `--table latency.p50,latency.p95`. Judges nothing.
    #[arg(
        long,
        value_name = "METRIC.STATISTIC,…",
        value_delimiter = ',',
        requires = "fidelity",
        conflicts_with = "json"
    )]
    pub(super) table: Vec<String>,
    /// Exit code 1 unless the runs are identical, byte for byte.
    #[arg(long, conflicts_with = "fidelity")]
    pub(super) identical: bool,
    /// Exit code 3 if nothing regressed and something is inconclusive.
    #[arg(long, conflicts_with_all = ["fidelity", "identical"])]
    pub(super) strict: bool,
    /// Prints every metric, not only what moved.
    #[arg(long)]
    pub(super) all: bool,
    /// Prints Markdown, such as for the summary of a CI job.
    #[arg(long, conflicts_with = "json")]
    pub(super) markdown: bool,
    /// Prints JSON, with every metric and every number.
    #[arg(long)]
    pub(super) json: bool,
}

/// Figures.
#[derive(Debug, Args)]
pub(super) struct Plot {
    /// Folders of runs.
    #[arg(required_unless_present = "list")]
    pub(super) run: Vec<PathBuf>,
    /// Only these figures; `--list` names them.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) only: Vec<Figure>,
    /// Names the figures and draws none.
    #[arg(long)]
    pub(super) list: bool,
    /// Only variants with this level of a factor; several levels of one factor are alternatives.
    #[arg(long, value_name = "FACTOR=LEVEL", value_parser = key_value)]
    pub(super) variant: Vec<(String, String)>,
    /// Where the figures go. By default `figures` in the run's folder, or in this one if there are several runs.
    #[arg(long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
    /// Formats, with a comma between.
    #[arg(long, value_enum, value_name = "FORMAT", value_delimiter = ',', default_value = "svg")]
    pub(super) format: Vec<Format>,
    /// Width: one column of a paper (3.5 in) or both (7.16 in).
    #[arg(long, value_enum, default_value = "single")]
    pub(super) width: PlotWidth,
    /// Dots per inch of a PNG.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(50..=1200))]
    pub(super) dpi: u32,
    /// Prints nothing but errors.
    #[arg(long)]
    pub(super) quiet: bool,
}

/// A report.
#[derive(Debug, Args)]
pub(super) struct Report {
    /// Folders of runs.
    #[arg(required = true)]
    pub(super) run: Vec<PathBuf>,
    /// Only variants with this level of a factor; several levels of one factor are alternatives.
    #[arg(long, value_name = "FACTOR=LEVEL", value_parser = key_value)]
    pub(super) variant: Vec<(String, String)>,
    /// The file. By default `report.html` in the run's folder, or in this one if there are several runs.
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Prints nothing but errors.
    #[arg(long)]
    pub(super) quiet: bool,
}

/// A figure's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Lines and text, of any size.
    Svg,
    /// Dots.
    Png,
}

impl Format {
    pub(super) fn extension(self) -> &'static str {
        match self {
            Format::Svg => "svg",
            Format::Png => "png",
        }
    }
}

/// How wide a figure is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum PlotWidth {
    /// 3.5 in.
    Single,
    /// 7.16 in.
    Double,
}

impl From<PlotWidth> for Width {
    fn from(width: PlotWidth) -> Self {
        match width {
            PlotWidth::Single => Width::Single,
            PlotWidth::Double => Width::Double,
        }
    }
}

impl Choice {
    pub(super) fn grid(&self) -> Grid {
        if self.real_grid { Grid::Real } else { Grid::Whole }
    }
}
