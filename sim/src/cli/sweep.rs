//! `sim sweep SCENARIO`: as `sim SCENARIO`, but what is done is kept, so that it is never done again.

use super::args::Sweep;
use super::play::{self, Identity, Player, inputs, load, repetitions};
use super::run::{counted, ending, human};
use super::{Failure, interrupt, print, target};
use crate::cost::{self, Meter};
use crate::folder::{Lock, RunFolder};
use crate::sweep::{Cell, Plan, Schedule, Shard, Store, StoreError, for_terminal, write_csv};
use edge_faas_core::results::{
    Cost, Manifest, RepetitionSummary, RunWriter, SCHEMA, Source, StoppingRule, Summary, Written, file_entry,
};
use edge_faas_core::scenario::Loaded;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// `sim sweep`.
pub(super) fn sweep(args: &Sweep) -> Result<(), Failure> {
    target::refuse_parquet(args.parquet)?;
    let environment = |name: &str| std::env::var(name).ok();
    let shard = args.shard.as_deref().map(|text| Shard::parse(text, environment)).transpose();
    let shard = shard.map_err(Failure::input)?;
    let rule = args.until.as_deref().map(|text| StoppingRule::parse(text, args.max_repetitions)).transpose();
    let rule = rule.map_err(|error| Failure::input(format!("--until: {error}")))?;
    let mut loaded = load(&args.scenario, &args.choice)?;
    if let Some(rule) = &rule {
        if args.choice.overrides.says_repetitions() {
            return Err(Failure::input(
                "--until says how many repetitions there are: leave out --set repetitions",
            ));
        }
        // Not what the scenario says: the rule alone is part of what is run.
        loaded.variants.iter_mut().for_each(|variant| variant.scenario.repetitions = rule.most);
    }
    let inputs = inputs(&loaded)?;
    let identity = Identity::of(&loaded, rule)?;
    let target = identity.target(&loaded, args.making.output.as_deref());
    target::refuse_existing(&target, args.making.force || shard.is_some())?;
    play::check(&loaded, &inputs, args.making.quiet)?;
    let player = Player {
        loaded: &loaded,
        inputs: &inputs,
        identity: &identity,
        threads: args.making.threads,
        quiet: args.making.quiet,
    };
    interrupt::watch()?;
    let plan = plan(args, &identity, &loaded, shard)?;
    match shard {
        Some(shard) => play_shard(args, &player, plan, &target, shard),
        None => play_all(args, &player, plan, &target),
    }
}

/// All of it, into the run's folder.
fn play_all(args: &Sweep, player: &Player<'_>, plan: Plan, target: &Path) -> Result<(), Failure> {
    let meter = Meter::start();
    let folder = target::begin(target)?;
    let place = beside(target, ".", ".sweep");
    if !args.making.quiet && !place.exists() {
        say_others(&place);
    }
    let mut store = Store::begin(place, plan).map_err(refused)?;
    let before: Vec<Cell> = store.cells().collect();
    let earlier = before
        .iter()
        .filter_map(|cell| store.cost(*cell))
        .fold(Cost::default(), |sum, cost| play::add(&sum, cost));
    say_kept(args.making.quiet, &before, &store);
    let schedule = match &player.identity.rule {
        None => Schedule::fixed(Cell::all(&repetitions(player.loaded)).filter(|cell| !store.has(*cell))),
        Some(rule) => {
            let mut schedule = Schedule::until(rule.clone(), player.loaded.variants.len());
            for cell in &before {
                schedule.played(*cell, &store.summary(*cell).map_err(Failure::other)?);
            }
            schedule
        }
    };
    let schedule = Mutex::new(schedule);
    let played = match fill(player, &schedule, &mut store) {
        Ok(played) => played,
        Err(failure) => {
            if store.cells().next().is_none() {
                store.remove().map_err(Failure::other)?;
            }
            return Err(failure);
        }
    };
    let schedule = schedule.into_inner().unwrap_or_else(PoisonError::into_inner);
    let counts = schedule.repetitions().unwrap_or_else(|| repetitions(player.loaded));
    let stores: Vec<(Cell, &Store)> = Cell::all(&counts).map(|cell| (cell, &store)).collect();
    let (folder, written) = put_together(folder, &stores).map_err(|failure| kept(failure, &store))?;
    let cost = Cost {
        events: earlier.events + played.events,
        messages: earlier.messages + played.messages,
        simulated_seconds: earlier.simulated_seconds + played.simulated_seconds,
        wall_seconds: earlier.wall_seconds + meter.wall(),
        cpu_seconds: meter.cpu().map(|cpu| earlier.cpu_seconds.unwrap_or(0.0) + cpu),
        peak_memory_bytes: cost::peak_memory(),
    };
    let command = store.plan().command.clone();
    let manifest = play::manifest(player.loaded, player.identity, command, &counts, &written, cost);
    let end = End { loaded: player.loaded, manifest: &manifest, summaries: &written.summaries, target };
    end.write_table(args.table.as_deref())?;
    target::complete(folder, &manifest, target, args.parquet)?;
    store.remove().map_err(Failure::other)?;
    if args.making.quiet {
        return Ok(());
    }
    print(&end.report(&schedule.too_wide()))
}

/// One share of it, into a folder for `sim merge`.
fn play_shard(
    args: &Sweep,
    player: &Player<'_>,
    plan: Plan,
    target: &Path,
    shard: Shard,
) -> Result<(), Failure> {
    let suffix = format!(".shard-{}-of-{}", shard.index, shard.count);
    let folder = beside(target, "", &suffix);
    let failed = |error| Failure::other(format!("{}: cannot be made: {error}", folder.display()));
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    let lock = Lock::take(beside(target, ".", &format!("{suffix}.lock"))).map_err(failed)?;
    let _lock = lock.ok_or_else(|| target::in_use(&folder))?;
    let mut store = Store::begin(folder.clone(), plan).map_err(refused)?;
    let before: Vec<Cell> = store.cells().collect();
    say_kept(args.making.quiet, &before, &store);
    let all = repetitions(player.loaded);
    let part: Vec<Cell> = shard.part(Cell::all(&all)).filter(|cell| !store.has(*cell)).collect();
    fill(player, &Mutex::new(Schedule::fixed(part)), &mut store)?;
    if args.making.quiet {
        return Ok(());
    }
    print(&format!(
        "{}/   shard {shard}: {} of {}; `sim merge` puts all shards together\n",
        folder.display(),
        counted(store.cells().count(), "repetition"),
        Cell::all(&all).count(),
    ))
}

/// Plays what the schedule gives out, and keeps it.
fn fill(player: &Player<'_>, schedule: &Mutex<Schedule>, store: &mut Store) -> Result<Cost, Failure> {
    let mut total = Cost::default();
    let mut known = player.identity.rule.is_none();
    let result = player.play(schedule, |cell, output, cost| {
        if let Some(rule) = &player.identity.rule
            && !known
        {
            known = is_known(rule, output.summary())?;
        }
        total = play::add(&total, &cost);
        store.keep(cell, output, cost).map_err(Failure::other)
    });
    result.map(|()| total).map_err(|failure| kept(failure, store))
}

/// The failure; of an interruption, with what is kept all the same.
fn kept(failure: Failure, store: &Store) -> Failure {
    match failure {
        Failure::Interrupted(_) => Failure::Interrupted(format!(
            "{} kept in {}; the same command goes on from there",
            counted(store.cells().count(), "repetition"),
            store.folder().display()
        )),
        other => other,
    }
}

/// Whether a repetition has the rule's metric. That it has none may be because no call went well.
///
/// # Errors
/// If it has not, though calls went well: then the metric's name is wrong.
fn is_known(rule: &StoppingRule, summary: &RepetitionSummary) -> Result<bool, Failure> {
    if rule.value(summary).is_some() {
        return Ok(true);
    }
    if summary.get("latency", "all", "p50").is_none() {
        return Ok(false);
    }
    let of_group = summary.statistics.iter().filter(|statistic| statistic.group == rule.group);
    let names: BTreeSet<String> = of_group.map(|s| format!("{}_{}", s.metric, s.statistic)).collect();
    let right = if names.is_empty() {
        let groups: BTreeSet<&str> = summary.statistics.iter().map(|s| s.group.as_str()).collect();
        format!(
            "there is no group `{}`; there are: {}",
            rule.group,
            groups.into_iter().collect::<Vec<_>>().join(", ")
        )
    } else {
        format!("the group `{}` has: {}", rule.group, names.into_iter().collect::<Vec<_>>().join(", "))
    };
    Err(Failure::input(format!(
        "--until: `{}` is not among the statistics of this run; {right}",
        rule.metric
    )))
}

/// Writes a run's files of kept repetitions, given in order.
pub(super) fn put_together(
    folder: RunFolder,
    cells: &[(Cell, &Store)],
) -> Result<(RunFolder, Written), Failure> {
    let mut writer = RunWriter::new(folder, Source::Sim).map_err(Failure::other)?;
    for (cell, store) in cells {
        let output = store.output(*cell).map_err(Failure::other)?;
        writer.append(output).map_err(|error| match error.kind() {
            std::io::ErrorKind::InvalidData => Failure::other(store.damaged(*cell, error)),
            _ => Failure::other(error),
        })?;
        interrupt::check()?;
    }
    writer.finish().map_err(Failure::other)
}

/// What the end of a sweep is told from.
pub(super) struct End<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) manifest: &'a Manifest,
    pub(super) summaries: &'a [(String, Summary)],
    pub(super) target: &'a Path,
}

impl End<'_> {
    /// Writes the tidy table, if one is asked for.
    pub(super) fn write_table(&self, path: Option<&Path>) -> Result<(), Failure> {
        let Some(path) = path else { return Ok(()) };
        let failed = |error: &dyn std::fmt::Display| Failure::other(format!("{}: {error}", path.display()));
        let mut file = File::create(path).map_err(|error| failed(&error))?;
        write_csv(&self.loaded.variants, self.summaries, &mut file).map_err(|error| failed(&error))?;
        file.flush().map_err(|error| failed(&error))
    }

    /// What a person wants to know: one table of all variants.
    pub(super) fn report(&self, too_wide: &[(usize, Option<f64>)]) -> String {
        let (manifest, cost) = (self.manifest, &self.manifest.cost);
        let rule = manifest.stopped.as_ref().map(|stopped| &stopped.rule);
        let played: usize = self.summaries.iter().map(|(_, summary)| summary.repetitions().len()).sum();
        let per_repetition = cost.simulated_seconds / played.max(1) as f64;
        let mut text = format!(
            "{}  seed {}  {}, {}   {} simulated each in {:.1} s   {:.2} M messages/s\n\n",
            manifest.name,
            manifest.seed,
            counted(self.summaries.len(), "variant"),
            counted(played, "repetition"),
            human(per_repetition),
            cost.wall_seconds,
            cost.messages as f64 / 1e6 / cost.wall_seconds.max(1e-9),
        );
        text += &for_terminal(&self.loaded.variants, self.summaries, rule);
        text += "medians of n repetitions [and what covers the median with 95 %, or the range below 6]; latencies of ok calls\n\n";
        for (variant, width) in too_wide {
            let label = manifest.variants.get(*variant).map_or("", String::as_str);
            let Some(rule) = rule else { break };
            let found = width.map_or_else(
                || "has no interval".into(),
                |width| format!("is within ±{:.1} % only", width * 100.0),
            );
            text += &format!(
                "not reached: {}{} {found} after {} repetitions\n",
                if label.is_empty() { String::new() } else { format!("{label}: ") },
                rule.metric,
                rule.most
            );
        }
        text + &ending(self.loaded, manifest, per_repetition, self.target)
    }
}

/// What the store of this sweep is of.
fn plan(args: &Sweep, identity: &Identity, loaded: &Loaded, shard: Option<Shard>) -> Result<Plan, Failure> {
    let mut command = play::command(&args.scenario, &args.choice);
    command.insert(1, "sweep".to_owned());
    if let Some(until) = &args.until {
        command.extend(["--until".to_owned(), until.clone()]);
        command.extend(["--max-repetitions".to_owned(), args.max_repetitions.to_string()]);
    }
    let executable = std::env::current_exe().and_then(File::open).and_then(|file| file_entry("sim", file));
    let executable =
        executable.map_err(|error| Failure::other(format!("this program's file cannot be read: {error}")))?;
    Ok(Plan {
        schema: SCHEMA,
        program: play::program(),
        executable: executable.sha256,
        command,
        name: identity.name.clone(),
        run: identity.run.clone(),
        seed: identity.seed,
        rule: identity.rule.clone(),
        shard,
        scenario: identity.scenario.clone(),
        inputs: loaded.inputs.clone(),
    })
}

/// A name beside the run's folder.
fn beside(target: &Path, prefix: &str, suffix: &str) -> PathBuf {
    let name = target.file_name().and_then(|name| name.to_str()).unwrap_or("run");
    target.with_file_name(format!("{prefix}{name}{suffix}"))
}

fn refused(error: StoreError) -> Failure {
    match error {
        StoreError::Other { .. } => Failure::input(error),
        other => Failure::other(other),
    }
}

/// Says what of other states of the scenario was begun and not ended: whoever changed a scenario in the middle of a
/// sweep should not take what is played now for the rest of it.
fn say_others(place: &Path) {
    let Some(parent) = place.parent() else { return };
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "sweep")
            && let Ok(other) = Store::open(path)
        {
            eprintln!(
                "note: {} holds {} of the scenario with other settings, seed or rule: not used; delete it if it is of no use",
                other.folder().display(),
                counted(other.cells().count(), "repetition")
            );
        }
    }
}

fn say_kept(quiet: bool, before: &[Cell], store: &Store) {
    if !quiet && !before.is_empty() {
        eprintln!(
            "{} done before, kept in {}",
            counted(before.len(), "repetition"),
            store.folder().display()
        );
    }
}
