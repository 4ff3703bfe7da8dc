//! `harness run SCENARIO`.

use super::args::{BackendKind, Run};
use super::ground::{Ground, source, stopping};
use super::print;
use super::progress::Progress;
use crate::backend::Backend;
use crate::failure::Failure;
use crate::links::METHOD;
use crate::logs::{LOGS, Logs, failed_logs, keep_failed};
use crate::openfaas::Mode;
use crate::plan::Plan;
use crate::run::{Quality, Wishes, end, repeat};
use crate::unsupported::{complaints, misplaced};
use edge_faas_core::results::{
    self, Cost, Folder, MANIFEST, Manifest, Program, RealNodes, RepetitionPlan, RepetitionWriter, RunContext,
    RunWriter, SCHEMA, Summary, terminal_summary,
};
use edge_faas_core::scenario::Loaded;
use edge_faas_core::scenario::schema::FaultAction;
use edge_faas_sim::cost::{self, Meter};
use edge_faas_sim::engine::{self, Inputs};
use edge_faas_sim::folder::{RunFolder, TemporaryScratch};
use edge_faas_sim::overrides::Grid;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What is needed to begin.
struct Prepared {
    loaded: Loaded,
    inputs: Vec<Inputs>,
    repetitions: u32,
    left_out: Vec<String>,
    openfaas: Mode,
    scenario: serde_json::Value,
    run: String,
    target: PathBuf,
}

fn prepare(args: &Run) -> Result<Prepared, Failure> {
    if args.keep && args.backend == BackendKind::Memory {
        return Err(Failure::input(
            "--keep: nodes within this process end with it: use --backend process or docker",
        ));
    }
    let grid = if args.whole_grid { Grid::Whole } else { Grid::Real };
    let loaded = args.overrides.load(&args.scenario, grid).map_err(Failure::input)?;
    let inputs: Result<Vec<Inputs>, Failure> = loaded
        .variants
        .iter()
        .map(|variant| Inputs::read(&variant.scenario).map_err(Failure::input))
        .collect();
    let inputs = inputs?;
    let openfaas = args.openfaas.mode(args.backend)?;
    let left_out = refuse(args, &openfaas, &loaded, &inputs)?;
    let scenario = serde_json::to_value(loaded.identity()).map_err(Failure::other)?;
    let (name, seed, repetitions, directory) =
        loaded.variants.first().map_or_else(Default::default, |variant| {
            let scenario = &variant.scenario;
            (scenario.name.clone(), scenario.seed, scenario.repetitions, scenario.output.directory.clone())
        });
    let run = results::run_id(&scenario, seed);
    let root = args.output.clone().unwrap_or_else(|| PathBuf::from(directory));
    // Beside the simulator's of the same scenario.
    let folder = format!("{}-{}", Manifest::folder_name(&run, seed), source(args.backend));
    let target = root.join(name).join(folder);
    if target.exists() && !args.force {
        return Err(Failure::Input(format!(
            "{}: this scenario has been run with this seed; --force replaces the run, --output DIR puts another beside it",
            target.display()
        )));
    }
    Ok(Prepared { loaded, inputs, repetitions, left_out, openfaas, scenario, run, target })
}

/// Refuses what real nodes cannot honour; at the user's word says what is left out.
fn refuse(args: &Run, openfaas: &Mode, loaded: &Loaded, inputs: &[Inputs]) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for (variant, inputs) in loaded.variants.iter().zip(inputs) {
        let scenario = &variant.scenario;
        engine::check(scenario, inputs).map_err(Failure::input)?;
        found.extend(complaints(scenario));
        found.extend(openfaas.complaints(scenario));
        let plan = Plan::new(Arc::new(scenario.clone()), inputs, 0)?;
        openfaas.check(&plan)?;
        found.extend(misplaced(&plan));
        let off = |action: &FaultAction| matches!(action, FaultAction::PowerOff { .. });
        if args.backend == BackendKind::Memory && scenario.faults.iter().any(|fault| off(&fault.action)) {
            return Err(Failure::input(
                "power_off: a node cannot go silent alone within one process: use --backend process or docker",
            ));
        }
    }
    found.sort();
    found.dedup();
    if found.is_empty() || args.allow_unsupported {
        return Ok(found);
    }
    Err(Failure::Input(format!(
        "{}: real nodes cannot honour all of it:\n  {}\n--allow-unsupported runs it without; --set changes a key",
        args.scenario.display(),
        found.join("\n  ")
    )))
}

/// `harness run`.
pub(super) async fn run(args: &Run) -> Result<(), Failure> {
    let prepared = prepare(args)?;
    let stop = stopping()?;
    let ground = Ground::new(args.backend, args.node.as_deref(), &prepared.openfaas, &stop).await?;
    let mut kept = None;
    let result = play(args, prepared, &ground, &stop, &mut kept).await;
    if let Some(kept) = kept {
        let text = result.map_err(|failure| failure.and(&kept))? + &kept + "\n";
        return if args.quiet { Ok(()) } else { print(&text) };
    }
    let cleared = ground.clear().await;
    let text = result?;
    cleared?;
    if args.quiet { Ok(()) } else { print(&text) }
}

/// Plays all repetitions and writes their folder. Returns what to tell of it; `kept` is what to tell of nodes that stay.
async fn play(
    args: &Run,
    prepared: Prepared,
    ground: &Ground,
    stop: &CancellationToken,
    kept: &mut Option<String>,
) -> Result<String, Failure> {
    let meter = Meter::start();
    let target = &prepared.target;
    let folder = RunFolder::begin(target).map_err(|error| unwritten(target, error))?.ok_or_else(|| {
        Failure::Input(format!("{}: another process makes this run; wait for it", target.display()))
    })?;
    let mut writer =
        RunWriter::new(folder, source(args.backend)).map_err(|error| unwritten(target, error))?;
    let mut real =
        RealNodes { links: METHOD.to_owned(), left_out: prepared.left_out.clone(), ..RealNodes::default() };
    let (mut seconds, mut up_seconds) = (0.0, 0.0f64);
    let mut logs = Logs::default();
    let mut left = prepared.loaded.variants.len() * prepared.repetitions as usize;
    for (variant, inputs) in prepared.loaded.variants.iter().zip(&prepared.inputs) {
        let scenario = Arc::new(variant.scenario.clone());
        for repetition in 0..prepared.repetitions {
            let label = match variant.label.as_str() {
                "" => format!("repetition {repetition}"),
                label => format!("{label} repetition {repetition}"),
            };
            let context = RunContext {
                run: prepared.run.clone(),
                source: source(args.backend),
                scenario: scenario.name.clone(),
                variant: variant.label.clone(),
                repetition: Some(repetition),
                seed: scenario.seed,
            };
            let rows = RepetitionWriter::new(&context, &RepetitionPlan::of(&scenario), &mut TemporaryScratch);
            let rows = rows.map_err(Failure::other)?;
            let plan = Plan::new(scenario.clone(), inputs, repetition)?;
            let plan = Arc::new(plan.with_openfaas(prepared.openfaas.clone()));
            let backend = ground.backend(&plan).await?;
            let progress = Progress::new(&scenario, label.clone(), args.quiet);
            // Once a run is enough: what runs functions is the same for all repetitions.
            let wishes = Wishes {
                bad_links: args.allow_bad_links,
                ready: args.ready_timeout,
                conformance: real.openfaas.is_none(),
            };
            let nodes = plan.nodes();
            let result = repeat(plan.clone(), inputs, backend.clone(), rows, wishes, stop, &progress).await;
            drop(progress);
            let result = match result {
                Ok(done) if !args.no_logs => {
                    // A label has no path's meaning.
                    let folder = label.replace(['/', ' '], "-");
                    logs.collect(&folder, &*backend, nodes).await.map(|()| done)
                }
                Err(failure) if !args.no_logs && failure != Failure::Interrupted => {
                    let mut logs = Logs::default();
                    let collected = logs.collect("failed", &*backend, nodes).await;
                    let told = collected.ok().and_then(|()| keep_failed(logs, target));
                    Err(told.iter().fold(failure, |failure, told| failure.and(told)))
                }
                result => result,
            };
            left -= 1;
            let stays = left == 0 || result.is_err();
            let result = if args.keep && stays && !matches!(result, Err(Failure::Interrupted)) {
                backend.keep();
                *kept = Some(whereabouts(&*backend, nodes));
                result
            } else {
                end(&plan, &*backend, result).await
            };
            let (rows, quality) = result.map_err(|error| error.during(&label))?;
            note(&mut real, &label, &quality);
            seconds += quality.seconds;
            up_seconds = up_seconds.max(quality.up_seconds);
            let rows = rows.finish().map_err(|error| unwritten(&std::env::temp_dir(), error))?;
            writer.append(rows).map_err(|error| unwritten(target, error))?;
        }
    }
    if let Some(openfaas) = &mut real.openfaas {
        openfaas.image_id = ground.gateway_id().await?;
    }
    let (mut folder, written) = writer.finish().map_err(|error| unwritten(target, error))?;
    if !logs.is_empty() {
        let write_logs = || {
            let mut file = folder.create(LOGS)?;
            logs.write(&mut file)?;
            folder.close(LOGS, file)
        };
        write_logs().map_err(|error| unwritten(&target.join(LOGS), error))?;
    }
    let manifest = Manifest {
        schema: SCHEMA,
        stopped: None,
        program: Program {
            name: "harness".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            git_commit: option_env!("EDGE_FAAS_GIT_COMMIT").map(str::to_owned),
        },
        command: command(args),
        name: prepared
            .loaded
            .variants
            .first()
            .map(|variant| variant.scenario.name.clone())
            .unwrap_or_default(),
        run: prepared.run.clone(),
        run_hash: written.run_hash.clone(),
        backend: source(args.backend),
        seed: prepared.loaded.variants.first().map_or(0, |variant| variant.scenario.seed),
        repetitions: prepared.repetitions,
        variants: prepared.loaded.variants.iter().map(|variant| variant.label.clone()).collect(),
        scenario: prepared.scenario,
        inputs: prepared.loaded.inputs.clone(),
        files: written.files.clone(),
        host: cost::host(),
        real: Some(real.clone()),
        cost: Cost {
            simulated_seconds: seconds,
            wall_seconds: meter.wall(),
            cpu_seconds: meter.cpu(),
            peak_memory_bytes: cost::peak_memory(),
            ..Cost::default()
        },
    };
    let mut write_manifest = || {
        let mut file = folder.create(MANIFEST)?;
        manifest.write(&mut file)?;
        folder.close(MANIFEST, file)
    };
    write_manifest().map_err(|error| unwritten(&target.join(MANIFEST), error))?;
    folder.complete().map_err(|error| unwritten(target, error))?;
    // Those of an earlier try are of no use any more.
    let _ = std::fs::remove_file(failed_logs(target));
    Ok(report(&manifest, &real, up_seconds, &written.summaries, target))
}

/// What is said where something cannot be written: most often the disk is full.
fn unwritten(what: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::Other(format!(
        "{}: cannot be written: {error}; nothing was kept. Make room there, or name another place: --output DIR for the run's \
         folder, TMPDIR for what is kept meanwhile",
        what.display()
    ))
}

/// Where nodes are that stay.
fn whereabouts(backend: &dyn Backend, nodes: u32) -> String {
    let last = nodes.saturating_sub(1);
    let (first, end) = (backend.http(0), backend.http(last));
    format!("kept: nodes 0 to {last} at {first} to {end}; `harness clean` takes them away")
}

/// Remembers what a repetition says of the whole run.
fn note(real: &mut RealNodes, label: &str, quality: &Quality) {
    real.busiest = [real.busiest, quality.busy].into_iter().flatten().reduce(f64::max);
    real.latest_us = real.latest_us.max(quality.late_us);
    real.openfaas = real.openfaas.take().or_else(|| quality.openfaas.clone());
    real.doubts.extend(quality.doubts.iter().map(|doubt| format!("{label}: {doubt}")));
}

/// The command that makes such a run again.
fn command(args: &Run) -> Vec<String> {
    let mut words = vec!["harness".to_owned(), "run".to_owned(), args.scenario.display().to_string()];
    words.extend(["--backend".to_owned(), source(args.backend).to_string()]);
    words.extend(args.overrides.words());
    words.extend(args.openfaas.words());
    let flags = [
        ("--whole-grid", args.whole_grid),
        ("--allow-unsupported", args.allow_unsupported),
        ("--allow-bad-links", args.allow_bad_links),
        ("--no-logs", args.no_logs),
    ];
    words.extend(flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag.to_owned()));
    words
}

/// What a person wants to know first.
fn report(
    manifest: &Manifest,
    real: &RealNodes,
    up_seconds: f64,
    summaries: &[(String, Summary)],
    target: &Path,
) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{}  seed {}  {} repetitions  {}   nodes up in {up_seconds:.1} s   {:.1} s in all\n",
        manifest.name, manifest.seed, manifest.repetitions, manifest.backend, manifest.cost.wall_seconds,
    );
    for (label, summary) in summaries {
        if !label.is_empty() {
            let _ = writeln!(text, "{label}");
        }
        let _ = writeln!(text, "{}", terminal_summary(summary));
    }
    let busiest = real.busiest.map_or("unknown".to_owned(), |busy| format!("{:.0} %", busy * 100.0));
    let _ = writeln!(
        text,
        "machine busy {busiest} at most   calls sent {:.2} ms late (p99)   links by {}",
        real.latest_us as f64 / 1e3,
        real.links
    );
    for doubt in &real.doubts {
        let _ = writeln!(text, "doubtful: {doubt}");
    }
    for key in &real.left_out {
        let _ = writeln!(text, "left out: {key}");
    }
    let _ = writeln!(text, "\n{}/", target.display());
    text
}
