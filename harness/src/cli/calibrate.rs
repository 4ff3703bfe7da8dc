//! `harness calibrate`.

use super::args::Calibrate;
use super::ground::{Ground, source, stopping};
use super::print;
use super::progress::Progress;
use crate::calibrate::{self, Measured, Pair};
use crate::failure::Failure;
use crate::openfaas::Mode;
use crate::plan::Plan;
use crate::run::{Wishes, end, repeat};
use edge_faas_core::scenario::Loaded;
use edge_faas_sim::cost;
use edge_faas_sim::engine::Inputs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Plays the calibration scenario with real nodes and in the simulator, and writes what the simulator has to add.
pub(super) async fn calibrate(args: &Calibrate) -> Result<(), Failure> {
    let target = &args.output;
    if target.exists() && !args.force {
        return Err(Failure::Input(format!(
            "{}: is there already; --force replaces it, --output FILE writes another",
            target.display()
        )));
    }
    let loaded = calibrate::scenario()?;
    let stop = stopping()?;
    let ground = Ground::new(args.backend, args.node.as_deref(), &Mode::Builtin, &stop).await?;
    let result = play(args, &loaded, &ground, &stop).await;
    let cleared = ground.clear().await;
    let (pairs, doubts) = result?;
    cleared?;
    let measured = calibrate::measure(&pairs)?;
    write(target, &measured.to_toml(&comments(args, &doubts)))?;
    if args.quiet { Ok(()) } else { print(&report(target, &measured, &doubts)) }
}

/// Plays all variants. Returns what both made of them, and what makes it doubtful.
async fn play(
    args: &Calibrate,
    loaded: &Loaded,
    ground: &Ground,
    stop: &CancellationToken,
) -> Result<(Vec<Pair>, Vec<String>), Failure> {
    let (mut pairs, mut doubts) = (Vec::new(), Vec::new());
    for variant in &loaded.variants {
        let inputs = Inputs::read(&variant.scenario).map_err(Failure::other)?;
        let plan = Arc::new(Plan::new(Arc::new(variant.scenario.clone()), &inputs, 0)?);
        let writer = calibrate::writer(variant, source(args.backend))?;
        let backend = ground.backend(&plan).await?;
        let progress = Progress::new(&variant.scenario, variant.label.clone(), args.quiet);
        let wishes = Wishes { bad_links: args.allow_bad_links, ..Wishes::default() };
        let played = repeat(plan.clone(), &inputs, backend.clone(), writer, wishes, stop, &progress).await;
        let played = end(&plan, &*backend, played).await;
        drop(progress);
        let (writer, quality) = played.map_err(|error| error.during(&variant.label))?;
        doubts.extend(quality.doubts.iter().map(|doubt| format!("{}: {doubt}", variant.label)));
        pairs.push(Pair {
            round_trip: plan.fabric.round_trip(0, 1),
            real: calibrate::rows(writer, source(args.backend))?,
            simulated: calibrate::simulate(variant, &inputs)?,
        });
    }
    Ok((pairs, doubts))
}

/// Where and how it was measured.
fn comments(args: &Calibrate, doubts: &[String]) -> Vec<String> {
    let host = cost::host();
    let mut comments = vec![
        "What real nodes take for what costs nothing in the simulator, measured by `harness calibrate`."
            .to_owned(),
        "A scenario takes it by `include = [\"this file\"]`, any run of it by `sim SCENARIO --include FILE`."
            .to_owned(),
        format!(
            "edge-faas {}, nodes as {}, on {} cores of {}",
            env!("CARGO_PKG_VERSION"),
            source(args.backend),
            host.cores,
            host.cpu.as_deref().unwrap_or(&host.os)
        ),
    ];
    comments.extend(doubts.iter().map(|doubt| format!("doubtful: {doubt}")));
    comments
}

/// Writes the file as a whole, or not at all.
fn write(target: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::Other(format!(
            "{}: cannot be written: {error}; --output FILE names another",
            target.display()
        ))
    };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
    file.persist(target).map(drop).map_err(|error| failed(&error))
}

fn report(target: &Path, measured: &Measured, doubts: &[String]) -> String {
    let mut text = measured.describe();
    for doubt in doubts {
        text += &format!("doubtful: {doubt}\n");
    }
    text + &format!("\n{}\n", target.display())
}
