//! `sim SCENARIO`: all repetitions of all variants, in parallel, into one folder.

use super::args::{Choice, Run};
use super::play::{Identity, Player, check as check_all, command, inputs, load, manifest, repetitions};
use super::{Failure, interrupt, print, target};
use crate::cost::{self, Meter};
use edge_faas_core::results::{Cost, Manifest, Summary, terminal_summary};
use edge_faas_core::scenario::schema::Discovery;
use edge_faas_core::scenario::{Loaded, Scenario};
use std::path::Path;

/// `sim check`.
pub(super) fn check(path: &Path, choice: &Choice) -> Result<(), Failure> {
    let loaded = load(path, choice)?;
    check_all(&loaded, &inputs(&loaded)?, true)?;
    let repetitions = repetitions(&loaded).first().copied().unwrap_or(0);
    print(&format!(
        "{} is valid: {}, {} each\n",
        path.display(),
        counted(loaded.variants.len(), "variant"),
        counted(repetitions as usize, "repetition"),
    ))
}

/// `sim SCENARIO`.
pub(super) fn run(args: &Run) -> Result<(), Failure> {
    let path = args.scenario.as_deref().unwrap_or(Path::new(""));
    let loaded = load(path, &args.choice)?;
    let inputs = inputs(&loaded)?;
    let identity = Identity::of(&loaded, None)?;
    let target = identity.target(&loaded, args.making.output.as_deref());
    target::refuse_parquet(args.parquet)?;
    target::refuse_existing(&target, args.making.force)?;
    check_all(&loaded, &inputs, args.making.quiet)?;
    let meter = Meter::start();
    interrupt::watch()?;
    let folder = target::begin(&target)?;
    let repetitions = repetitions(&loaded);
    let player = Player {
        loaded: &loaded,
        inputs: &inputs,
        identity: &identity,
        threads: args.making.threads,
        quiet: args.making.quiet,
    };
    let (folder, written, cost) = player.write(&repetitions, folder)?;
    let cost = Cost {
        wall_seconds: meter.wall(),
        cpu_seconds: meter.cpu(),
        peak_memory_bytes: cost::peak_memory(),
        ..cost
    };
    let manifest = manifest(&loaded, &identity, command(path, &args.choice), &repetitions, &written, cost);
    target::complete(folder, &manifest, &target, args.parquet)?;
    if args.making.quiet {
        return Ok(());
    }
    print(&report(&loaded, &manifest, &written.summaries, &target))
}

/// A count and its noun.
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// What a person wants to know first.
fn report(loaded: &Loaded, manifest: &Manifest, summaries: &[(String, Summary)], target: &Path) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let cost = &manifest.cost;
    let repetitions = manifest.repetitions;
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
    text += &ending(loaded, manifest, per_repetition, target);
    text
}

/// What every report ends with: what upkeep the run was too short to see, where it is, and its hash.
pub(super) fn ending(loaded: &Loaded, manifest: &Manifest, per_repetition: f64, target: &Path) -> String {
    let hash = manifest.run_hash.get(..8).unwrap_or(&manifest.run_hash);
    let upkeep =
        loaded.variants.first().and_then(|variant| upkeep_outside(&variant.scenario, per_repetition));
    let upkeep = upkeep.map(|line| format!("{line}\n")).unwrap_or_default();
    format!("{upkeep}{}/   hash {hash}\n", target.display())
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

pub(super) fn human(seconds: f64) -> String {
    let whole = libm::round(seconds) as u64;
    match (whole / 3_600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
