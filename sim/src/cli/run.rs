//! `sim SCENARIO`: all repetitions of all variants, in parallel, into one folder.

use super::args::{Overrides, Run};
use super::cost::{self, Meter};
use super::folder::{RunFolder, TemporaryScratch};
use super::progress::Progress;
use super::{Failure, interrupt, print};
use crate::engine::{Engine, Inputs, Totals};
use edge_faas_core::results::{
    self, Cost, Folder, MANIFEST, Manifest, PhasePlan, Program, RepetitionOutput, RepetitionPlan,
    RepetitionWriter, RunContext, RunWriter, SCHEMA, Source, Summary, Table, Written, terminal_summary,
};
use edge_faas_core::scenario::schema::Discovery;
use edge_faas_core::scenario::{Loaded, Loader, Scenario, Variant};
use edge_faas_core::time::Time;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

/// Events between two looks at the progress bar.
const CHUNK: u64 = 1 << 16;

/// Files as the operating system has them.
struct Disk;

impl Loader for Disk {
    fn load(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}

/// Reads a scenario.
pub(super) fn load(path: &Path, set: &Overrides) -> Result<Loaded, Failure> {
    let path = path.to_str().ok_or_else(|| Failure::input("the scenario's path is not valid UTF-8"))?;
    Scenario::load(path, &Disk, &set.all()).map_err(Failure::input)
}

/// Reads what the variants name, and makes sure that each can begin.
pub(super) fn inputs(loaded: &Loaded) -> Result<Vec<Inputs>, Failure> {
    loaded.variants.iter().map(|variant| Inputs::read(&variant.scenario).map_err(Failure::input)).collect()
}

/// `sim check`.
pub(super) fn check(path: &Path, set: &Overrides) -> Result<(), Failure> {
    let loaded = load(path, set)?;
    let inputs = inputs(&loaded)?;
    for (variant, inputs) in loaded.variants.iter().zip(&inputs) {
        crate::engine::check(&variant.scenario, inputs).map_err(Failure::input)?;
    }
    let (variants, repetitions) = (loaded.variants.len(), repetitions(&loaded));
    print(&format!(
        "{} is valid: {variants} variant{}, {repetitions} repetition{} each\n",
        path.display(),
        if variants == 1 { "" } else { "s" },
        if repetitions == 1 { "" } else { "s" },
    ))
}

fn repetitions(loaded: &Loaded) -> u32 {
    loaded.variants.first().map_or(0, |variant| variant.scenario.repetitions)
}

/// `sim SCENARIO`.
pub(super) fn run(args: &Run) -> Result<(), Failure> {
    let path = args.scenario.as_deref().unwrap_or(Path::new(""));
    let loaded = load(path, &args.set)?;
    let inputs = inputs(&loaded)?;
    let Some(first) = loaded.variants.first() else {
        return Err(Failure::input(format!("{}: the sweep has no combination", path.display())));
    };
    let identity = Identity::of(&loaded)?;
    let name = first.scenario.name.clone();
    let root = args.output.clone().unwrap_or_else(|| PathBuf::from(&first.scenario.output.directory));
    let target = root.join(&name).join(Manifest::folder_name(&identity.run, identity.seed));
    if target.exists() && !args.force {
        return Err(Failure::input(format!(
            "{}: this scenario has been run with this seed; --force replaces the run, --output DIR puts another beside it, `sim verify` checks it",
            target.display()
        )));
    }
    for (variant, inputs) in loaded.variants.iter().zip(&inputs) {
        crate::engine::check(&variant.scenario, inputs).map_err(Failure::input)?;
        if let Some(bad) = inputs.bad_cells().filter(|_| !args.quiet) {
            eprintln!("{bad}");
        }
    }
    let meter = Meter::start();
    interrupt::watch()?;
    let folder = RunFolder::begin(&target)
        .map_err(|error| Failure::other(format!("{}: cannot be made: {error}", target.display())))?
        .ok_or_else(|| {
            Failure::input(format!(
                "{}: another process is running this scenario with this seed; wait for it, or use --output DIR",
                target.display()
            ))
        })?;
    let (mut folder, written, totals) = play(&loaded, &inputs, &identity, folder, args.threads, args.quiet)?;
    let cost = Cost {
        events: totals.events,
        messages: totals.messages,
        simulated_seconds: totals.simulated,
        wall_seconds: meter.wall(),
        cpu_seconds: meter.cpu(),
        peak_memory_bytes: cost::peak_memory(),
    };
    let manifest = Manifest {
        schema: SCHEMA,
        program: program(),
        command: command(path, &args.set),
        name,
        run: identity.run.clone(),
        run_hash: written.run_hash.clone(),
        backend: Source::Sim,
        seed: identity.seed,
        repetitions: repetitions(&loaded),
        variants: loaded.variants.iter().map(|variant| variant.label.clone()).collect(),
        scenario: identity.scenario.clone(),
        inputs: loaded.inputs.clone(),
        files: written.files.clone(),
        host: cost::host(),
        real: None,
        cost,
    };
    let mut file = folder.create(MANIFEST).map_err(Failure::other)?;
    manifest.write(&mut file).map_err(Failure::other)?;
    folder.close(MANIFEST, file).map_err(Failure::other)?;
    folder.complete().map_err(|error| Failure::other(format!("{}: {error}", target.display())))?;
    if args.quiet {
        return Ok(());
    }
    print(&report(&loaded, &manifest, &written.summaries, &target))
}

/// What was run, as its identity.
pub(super) struct Identity {
    pub(super) scenario: serde_json::Value,
    pub(super) run: String,
    pub(super) seed: u64,
}

impl Identity {
    pub(super) fn of(loaded: &Loaded) -> Result<Self, Failure> {
        let scenario = serde_json::to_value(loaded.identity()).map_err(Failure::other)?;
        let seed = loaded.variants.first().map_or(0, |variant| variant.scenario.seed);
        Ok(Identity { run: results::run_id(&scenario, seed), scenario, seed })
    }
}

/// What all repetitions did.
#[derive(Debug, Default)]
pub(super) struct AllTotals {
    pub(super) events: u64,
    pub(super) messages: u64,
    pub(super) simulated: f64,
}

/// Plays all repetitions and writes their rows into `folder`, in order, however many threads there are.
pub(super) fn play<F: Folder>(
    loaded: &Loaded,
    inputs: &[Inputs],
    identity: &Identity,
    folder: F,
    threads: Option<usize>,
    quiet: bool,
) -> Result<(F, Written, AllTotals), Failure> {
    let tasks: Vec<(&Variant, &Inputs, u32)> = loaded
        .variants
        .iter()
        .zip(inputs)
        .flat_map(|(variant, inputs)| (0..variant.scenario.repetitions).map(move |n| (variant, inputs, n)))
        .collect();
    let progress = Progress::new(tasks.len(), quiet);
    let mut writer = RunWriter::new(folder, Source::Sim).map_err(Failure::other)?;
    let mut totals = AllTotals::default();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(cost::threads(threads))
        .build()
        .map_err(Failure::other)?;
    let (sender, receiver) = mpsc::channel();
    let result = pool.in_place_scope(|scope| {
        for (index, (variant, inputs, repetition)) in tasks.iter().enumerate() {
            let (sender, progress) = (sender.clone(), &progress);
            scope.spawn(move |_| {
                let result = repeat(variant, inputs, *repetition, identity, progress);
                // The receiver is gone only after a failure.
                let _ = sender.send((index, result));
            });
        }
        drop(sender);
        // Parts are written in order; what is done early waits.
        let mut early = BTreeMap::new();
        let mut next = 0;
        for (index, result) in receiver {
            early.insert(index, result?);
            while let Some((output, sums, seconds)) = early.remove(&next) {
                writer.append(output).map_err(Failure::other)?;
                totals.events += sums.events;
                totals.messages += sums.messages;
                totals.simulated += seconds;
                next += 1;
            }
        }
        Ok(())
    });
    progress.finish();
    result?;
    let (folder, written) = writer.finish().map_err(Failure::other)?;
    Ok((folder, written, totals))
}

/// One repetition.
fn repeat(
    variant: &Variant,
    inputs: &Inputs,
    repetition: u32,
    identity: &Identity,
    progress: &Progress,
) -> Result<(RepetitionOutput, Totals, f64), Failure> {
    let scenario = &variant.scenario;
    interrupt::check()?;
    let context = RunContext {
        run: identity.run.clone(),
        source: Source::Sim,
        scenario: scenario.name.clone(),
        variant: variant.label.clone(),
        repetition: Some(repetition),
        seed: scenario.seed,
    };
    let writer =
        RepetitionWriter::new(&context, &plan(scenario), &mut TemporaryScratch).map_err(Failure::other)?;
    let mut engine = Engine::new(scenario, inputs, repetition, writer, None).map_err(Failure::input)?;
    let (begin, end) = (engine.now().as_secs_f64(), engine.end().as_secs_f64());
    let mut share = 0.0;
    let mut messages = 0;
    while engine.run(CHUNK).map_err(Failure::other)? {
        let now = engine.now().as_secs_f64();
        let reached = (now - begin) / (end - begin).max(1e-9);
        progress.advance(share, reached, now, engine.totals().messages - messages);
        (share, messages) = (reached, engine.totals().messages);
        interrupt::check()?;
    }
    progress.advance(share, 1.0, engine.now().as_secs_f64(), engine.totals().messages - messages);
    let totals = engine.totals();
    let seconds = engine.now().as_secs_f64() - begin;
    Ok((engine.finish().map_err(Failure::other)?, totals, seconds))
}

/// What the summary needs to know of a scenario.
pub fn plan(scenario: &Scenario) -> RepetitionPlan {
    let mut start = Time::ZERO;
    let phases = scenario
        .phases
        .iter()
        .map(|phase| {
            let plan = PhasePlan {
                name: phase.name.clone(),
                start,
                duration: Some(phase.duration),
                measure: phase.measure,
            };
            start = start.saturating_add(phase.duration);
            plan
        })
        .collect();
    let output = &scenario.output;
    let tables = [
        (Table::Calls, output.calls),
        (Table::Attempts, output.attempts),
        (Table::Lookups, output.lookups),
        (Table::Nodes, output.nodes),
        (Table::Timeline, output.timeline),
        (Table::Events, output.events),
    ];
    let without = tables.into_iter().filter(|(_, wanted)| !wanted).map(|(table, _)| table).collect();
    RepetitionPlan { phases, without }
}

fn program() -> Program {
    Program {
        name: "sim".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        git_commit: option_env!("EDGE_FAAS_GIT_COMMIT").map(str::to_owned),
    }
}

/// The command that makes the same files again.
fn command(path: &Path, set: &Overrides) -> Vec<String> {
    let mut words = vec!["sim".to_owned(), path.display().to_string()];
    for (key, value) in set.all() {
        words.push("--set".to_owned());
        words.push(format!("{key}={value}"));
    }
    words
}

/// What a person wants to know first.
fn report(loaded: &Loaded, manifest: &Manifest, summaries: &[(String, Summary)], target: &Path) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let cost = &manifest.cost;
    let repetitions = repetitions(loaded);
    let per_repetition =
        cost.simulated_seconds / f64::from(repetitions.max(1)) / loaded.variants.len().max(1) as f64;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{}  seed {}  {} repetition{}   {} simulated in {:.1} s   {:.2} M messages/s\n",
        manifest.name,
        manifest.seed,
        repetitions,
        if repetitions == 1 { "" } else { "s" },
        human(per_repetition),
        cost.wall_seconds,
        cost.messages as f64 / 1e6 / cost.wall_seconds.max(1e-9),
    );
    for (label, summary) in summaries {
        if !label.is_empty() {
            let _ = writeln!(text, "{label}");
        }
        let _ = writeln!(text, "{}", terminal_summary(summary));
    }
    if let Some(line) =
        loaded.variants.first().and_then(|variant| upkeep_outside(&variant.scenario, per_repetition))
    {
        let _ = writeln!(text, "{line}");
    }
    let hash = manifest.run_hash.get(..8).unwrap_or(&manifest.run_hash);
    let _ = writeln!(text, "{}/   hash {hash}", target.display());
    text
}

/// What of the upkeep a run is too short to see: a settled network spreads it evenly over its intervals.
fn upkeep_outside(scenario: &Scenario, seconds: f64) -> Option<String> {
    if scenario.discovery != Discovery::Kademlia {
        return None;
    }
    let kademlia = &scenario.kademlia;
    let outside: Vec<String> = [
        ("refresh", kademlia.refresh_interval),
        ("republish", kademlia.republish_interval),
        ("record life", kademlia.provider_ttl),
    ]
    .into_iter()
    .filter(|(_, interval)| interval.as_secs_f64() > seconds)
    .map(|(what, interval)| {
        format!("{:.1} % of a {what} interval of {interval}", 100.0 * seconds / interval.as_secs_f64())
    })
    .collect();
    (!outside.is_empty())
        .then(|| format!("upkeep: the run saw {}; the rest falls outside\n", outside.join(", ")))
}

fn human(seconds: f64) -> String {
    let whole = libm::round(seconds) as u64;
    match (whole / 3_600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
