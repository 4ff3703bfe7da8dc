//! `sim merge SHARD…`: the run's folder from the shares that several machines played.

use super::args::Merge;
use super::play::{self, Identity, repetitions};
use super::sweep::{End, put_together};
use super::{Failure, interrupt, print, target};
use crate::sweep::{Cell, Plan, Shard, Store};
use edge_faas_core::results::Cost;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// `sim merge`.
pub(super) fn merge(args: &Merge) -> Result<(), Failure> {
    target::refuse_parquet(args.parquet)?;
    let stores = args.shards.iter().map(|folder| Store::open(folder.clone()).map_err(Failure::input));
    let stores: Vec<Store> = stores.collect::<Result<_, _>>()?;
    let by_index = all_shards(&stores)?;
    let builds = stores.iter().map(|store| &store.plan().executable).collect::<BTreeSet<_>>().len();
    if builds > 1 && !args.quiet {
        eprintln!(
            "note: the shards were played by {builds} builds of the same version: for other processors, or of other code?"
        );
    }
    let Some(first) = stores.first() else { return Ok(()) };
    let plan = first.plan();
    let loaded = plan.loaded().map_err(|error| {
        Failure::input(format!("{}: the scenario in it cannot be read: {error}", first.folder().display()))
    })?;
    let identity = Identity::of(&loaded, None)?;
    if (&identity.run, identity.seed, &identity.name) != (&plan.run, plan.seed, &plan.name) {
        return Err(Failure::input(format!(
            "{}: run, seed or name are not those of its scenario: it was changed afterwards",
            first.folder().display()
        )));
    }
    let repetitions = repetitions(&loaded);
    let mut cells: Vec<(Cell, &Store)> = Vec::new();
    for (shard, store) in by_index.values() {
        let part: Vec<Cell> = shard.part(Cell::all(&repetitions)).collect();
        let missing = part.iter().filter(|cell| !store.has(**cell)).count();
        if missing > 0 {
            return Err(Failure::input(format!(
                "{}: shard {shard} is not done: {missing} of {} repetitions are missing; `{} --shard {shard}` goes on where it stopped",
                store.folder().display(),
                part.len(),
                plan.command.join(" "),
            )));
        }
        cells.extend(part.into_iter().map(|cell| (cell, *store)));
    }
    cells.sort_by_key(|(cell, _)| *cell);
    let target = match (&args.output, first.folder().parent()) {
        (None, Some(parent)) => parent.join(identity.folder_name()),
        (output, _) => identity.target(&loaded, output.as_deref()),
    };
    target::refuse_existing(&target, args.force)?;
    interrupt::watch()?;
    let folder = target::begin(&target)?;
    let (folder, written) = put_together(folder, &cells)?;
    let costs = cells.iter().filter_map(|(cell, store)| store.cost(*cell));
    let cost = costs.fold(Cost::default(), |sum, cost| play::add(&sum, cost));
    let manifest = play::manifest(&loaded, &identity, plan.command.clone(), &repetitions, &written, cost);
    let end = End { loaded: &loaded, manifest: &manifest, summaries: &written.summaries, target: &target };
    end.write_table(args.table.as_deref())?;
    target::complete(folder, &manifest, &target, args.parquet)?;
    if args.quiet {
        return Ok(());
    }
    print(&end.report(&[]))
}

/// The shares by their number: all of one sweep, each once.
fn all_shards(stores: &[Store]) -> Result<BTreeMap<u32, (Shard, &Store)>, Failure> {
    let mut found: BTreeMap<u32, (Shard, &Store)> = BTreeMap::new();
    let mut first: Option<(&Plan, Shard, &Path)> = None;
    for store in stores {
        let (plan, folder) = (store.plan(), store.folder());
        let refuse = |why: String| Err(Failure::input(format!("{}: {why}", folder.display())));
        let Some(shard) = plan.shard else {
            return refuse(
                "is not a shard's folder but what an unfinished `sim sweep` keeps: run that again".into(),
            );
        };
        let (base, split, beside) = *first.get_or_insert((plan, shard, folder));
        if plan.run != base.run {
            return refuse(format!(
                "is of another run ({}) than {} ({})",
                plan.run,
                beside.display(),
                base.run
            ));
        }
        if plan.program != base.program || plan.schema != base.schema {
            return refuse(format!(
                "was played by {}, but {} by {}: their results may differ",
                crate::sweep::program(&plan.program),
                beside.display(),
                crate::sweep::program(&base.program)
            ));
        }
        if shard.count != split.count {
            return refuse(format!(
                "is shard {shard}, but {} is shard {split} of another split",
                beside.display()
            ));
        }
        if let Some((_, other)) = found.insert(shard.index, (shard, store)) {
            return refuse(format!("is shard {shard}, and so is {}", other.folder().display()));
        }
    }
    if let Some((_, split, _)) = first {
        let missing: Vec<String> = (1..=split.count)
            .filter(|index| !found.contains_key(index))
            .map(|index| Shard { index, ..split }.to_string())
            .collect();
        if !missing.is_empty() {
            return Err(Failure::input(format!(
                "missing: shard {}; give the folders of all {} shards",
                missing.join(", "),
                split.count
            )));
        }
    }
    Ok(found)
}
