//! `sim report RUN…`: one page about runs.

use super::args::Report;
use super::plot::{cannot_write, failure, open};
use super::{Failure, print};
use std::path::{Path, PathBuf};

pub(super) fn report(args: &Report) -> Result<(), Failure> {
    let runs = open(&args.run)?;
    let page = edge_faas_analysis::report::report(&runs, &args.variant).map_err(failure)?;
    let path = match (&args.output, args.run.as_slice()) {
        (Some(path), _) => path.clone(),
        (None, [run]) => run.join("report.html"),
        (None, _) => PathBuf::from("report.html"),
    };
    if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
        std::fs::create_dir_all(folder).map_err(|error| cannot_write(folder, error))?;
    }
    std::fs::write(&path, page).map_err(|error| cannot_write(&path, error))?;
    if args.quiet { Ok(()) } else { print(&format!("{}\n", path.display())) }
}
