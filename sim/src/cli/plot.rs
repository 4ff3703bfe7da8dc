//! `sim plot RUN…`: the figures of runs as files.

use super::args::Plot;
use super::{Failure, print};
use edge_faas_analysis::Run;
use edge_faas_analysis::plot::{Figure, PlotError, PlotRequest, plot as draw};
use std::fmt::Write;
use std::path::{Path, PathBuf};

pub(super) fn plot(args: &Plot) -> Result<(), Failure> {
    if args.list {
        return print(&list());
    }
    let runs = open(&args.run)?;
    let figures = if args.only.is_empty() { Figure::ALL.to_vec() } else { args.only.clone() };
    let request = PlotRequest { figures, width: args.width.into(), variants: args.variant.clone() };
    let plots = draw(&runs, &request).map_err(failure)?;
    if plots.plots.is_empty() {
        let why = plots.left_out.iter().map(|(figure, why)| format!("{figure}: {why}"));
        return Err(Failure::Input(why.collect::<Vec<_>>().join("\n")));
    }
    let folder = match (&args.output, args.run.as_slice()) {
        (Some(folder), _) => folder.clone(),
        (None, [run]) => run.join("figures"),
        (None, _) => PathBuf::from("figures"),
    };
    std::fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, error))?;
    let mut said = String::new();
    for plot in &plots.plots {
        for format in &args.format {
            let path = folder.join(format!("{}.{}", plot.figure, format.extension()));
            let bytes = match format {
                super::args::Format::Svg => plot.svg.clone().into_bytes(),
                super::args::Format::Png => plot.png(args.dpi).map_err(Failure::other)?,
            };
            std::fs::write(&path, bytes).map_err(|error| cannot_write(&path, error))?;
            let _ = writeln!(said, "{}", path.display());
        }
        for note in &plot.notes {
            let _ = writeln!(said, "  {note}");
        }
    }
    for (figure, why) in &plots.left_out {
        let _ = writeln!(said, "left out: {figure}: {why}");
    }
    if let Some(overlay) = &plots.overlay {
        let _ = writeln!(said, "{overlay}");
    }
    if args.quiet { Ok(()) } else { print(&said) }
}

/// Opens the runs; what is wrong with one of them is the user's to mend.
pub(super) fn open(folders: &[PathBuf]) -> Result<Vec<Run>, Failure> {
    folders.iter().map(|folder| Run::open(folder).map_err(Failure::input)).collect()
}

/// A broken run or a variant that is not there is a mistake in what was given, the rest is not.
pub(super) fn failure(error: PlotError) -> Failure {
    match error {
        PlotError::Draw { .. } => Failure::other(error),
        PlotError::Run(_) | PlotError::Scenario { .. } | PlotError::NoVariant { .. } => Failure::input(error),
    }
}

pub(super) fn cannot_write(path: &Path, error: std::io::Error) -> Failure {
    Failure::Other(format!("{}: cannot be written: {error}", path.display()))
}

fn list() -> String {
    let width = Figure::ALL.iter().map(|figure| figure.name().len()).max().unwrap_or(0);
    Figure::ALL.iter().map(|figure| format!("{figure:width$}  {}\n", figure.title())).collect()
}
