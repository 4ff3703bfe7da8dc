//! Playing the repetitions of a scenario, in parallel: what running, verifying and sweeping have in common.

use super::args::Choice;
use super::progress::Progress;
use super::{Failure, interrupt};
use crate::cost::{self, Meter};
use crate::engine::{Engine, Inputs};
use crate::folder::TemporaryScratch;
use crate::sweep::{Cell, Schedule};
use edge_faas_core::results::{
    Cost, Folder, Manifest, Program, RepetitionOutput, RepetitionPlan, RepetitionWriter, RunContext,
    RunWriter, SCHEMA, Source, Stopped, StoppingRule, Written, run_id_until,
};
use edge_faas_core::scenario::Loaded;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};

/// Events between two looks at the progress bar.
const CHUNK: u64 = 1 << 16;

/// Reads a scenario.
pub(super) fn load(path: &Path, choice: &Choice) -> Result<Loaded, Failure> {
    choice.overrides.load(path, choice.grid()).map_err(Failure::input)
}

/// Reads what the variants name, and makes sure that each can begin.
pub(super) fn inputs(loaded: &Loaded) -> Result<Vec<Inputs>, Failure> {
    loaded.variants.iter().map(|variant| Inputs::read(&variant.scenario).map_err(Failure::input)).collect()
}

/// What was run, as its identity.
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) scenario: serde_json::Value,
    pub(super) run: String,
    pub(super) seed: u64,
    pub(super) rule: Option<StoppingRule>,
}

impl Identity {
    pub(super) fn of(loaded: &Loaded, rule: Option<StoppingRule>) -> Result<Self, Failure> {
        let Some(first) = loaded.variants.first().map(|variant| &variant.scenario) else {
            return Err(Failure::input("the sweep has no combination"));
        };
        let scenario = serde_json::to_value(loaded.identity()).map_err(Failure::other)?;
        let run = run_id_until(&scenario, first.seed, rule.as_ref());
        Ok(Identity { name: first.name.clone(), scenario, run, seed: first.seed, rule })
    }

    /// The name of the run's folder.
    pub(super) fn folder_name(&self) -> String {
        Manifest::folder_name(&self.run, self.seed)
    }

    /// Where the run's folder goes: below `output`, else below what the scenario says.
    pub(super) fn target(&self, loaded: &Loaded, output: Option<&Path>) -> PathBuf {
        let said =
            || loaded.variants.first().map(|variant| PathBuf::from(&variant.scenario.output.directory));
        let root = output.map(Path::to_owned).or_else(said).unwrap_or_default();
        root.join(&self.name).join(self.folder_name())
    }
}

/// How many repetitions the scenario asks for, of each variant.
pub(super) fn repetitions(loaded: &Loaded) -> Vec<u32> {
    loaded.variants.iter().map(|variant| variant.scenario.repetitions).collect()
}

/// Makes sure that every variant can run, before anything is written.
pub(super) fn check(loaded: &Loaded, inputs: &[Inputs], quiet: bool) -> Result<(), Failure> {
    for (variant, inputs) in loaded.variants.iter().zip(inputs) {
        crate::engine::check(&variant.scenario, inputs).map_err(Failure::input)?;
        if let Some(bad) = inputs.bad_cells().filter(|_| !quiet) {
            eprintln!("{bad}");
        }
    }
    Ok(())
}

/// What is played, and how.
pub(super) struct Player<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) inputs: &'a [Inputs],
    pub(super) identity: &'a Identity,
    pub(super) threads: Option<usize>,
    pub(super) quiet: bool,
}

impl Player<'_> {
    /// Plays these repetitions of each variant and writes their rows into `folder`, in order, however many threads
    /// there are. The cost is the sum of what the repetitions cost, each by itself.
    pub(super) fn write<F: Folder>(
        &self,
        repetitions: &[u32],
        folder: F,
    ) -> Result<(F, Written, Cost), Failure> {
        let mut writer = RunWriter::new(folder, Source::Sim).map_err(Failure::other)?;
        let mut total = Cost::default();
        let mut order = Cell::all(repetitions).peekable();
        // What is done early waits.
        let mut early = BTreeMap::new();
        self.play(&Mutex::new(Schedule::fixed(Cell::all(repetitions))), |cell, output, cost| {
            total = add(&total, &cost);
            early.insert(cell, output);
            while let Some(output) = order.peek().and_then(|next| early.remove(next)) {
                writer.append(output).map_err(Failure::other)?;
                order.next();
            }
            Ok(())
        })?;
        let (folder, written) = writer.finish().map_err(Failure::other)?;
        Ok((folder, written, total))
    }

    /// Plays what the schedule gives out, and gives `take` each repetition when it is done: in no order, one at a time.
    pub(super) fn play(
        &self,
        schedule: &Mutex<Schedule>,
        mut take: impl FnMut(Cell, RepetitionOutput, Cost) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        // Nothing under the lock can panic.
        let lock = || schedule.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = Progress::new(lock().expected(), self.quiet);
        let threads = cost::threads(self.threads);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(Failure::other)?;
        let (sender, receiver) = mpsc::channel();
        let result = pool.in_place_scope(|scope| {
            for _ in 0..threads {
                let (sender, progress) = (sender.clone(), &progress);
                scope.spawn(move |_| {
                    loop {
                        let Some(cell) = lock().next() else { return };
                        let result = self.repeat(cell, progress);
                        // Whoever takes it has stopped after a failure.
                        if sender.send((cell, result)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for (cell, result) in receiver {
                let (output, cost) = result?;
                lock().played(cell, output.summary());
                progress.expect(lock().expected());
                take(cell, output, cost)?;
            }
            Ok(())
        });
        progress.finish();
        result
    }

    /// One repetition.
    fn repeat(&self, cell: Cell, progress: &Progress) -> Result<(RepetitionOutput, Cost), Failure> {
        let (Some(variant), Some(inputs)) =
            (self.loaded.variants.get(cell.variant), self.inputs.get(cell.variant))
        else {
            return Err(Failure::other(format!("the scenario has no variant {}", cell.variant)));
        };
        let scenario = &variant.scenario;
        let meter = Meter::of_thread();
        interrupt::check()?;
        let context = RunContext {
            run: self.identity.run.clone(),
            source: Source::Sim,
            scenario: scenario.name.clone(),
            variant: variant.label.clone(),
            repetition: Some(cell.repetition),
            seed: scenario.seed,
        };
        let writer = RepetitionWriter::new(&context, &RepetitionPlan::of(scenario), &mut TemporaryScratch)
            .map_err(Failure::other)?;
        let mut engine =
            Engine::new(scenario, inputs, cell.repetition, writer, None).map_err(Failure::input)?;
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
        let simulated_seconds = engine.now().as_secs_f64() - begin;
        let output = engine.finish().map_err(Failure::other)?;
        let cost = Cost {
            events: totals.events,
            messages: totals.messages,
            simulated_seconds,
            wall_seconds: meter.wall(),
            cpu_seconds: meter.cpu(),
            peak_memory_bytes: cost::peak_memory(),
        };
        Ok((output, cost))
    }
}

/// What two repetitions cost together, if one is played after the other.
pub(super) fn add(a: &Cost, b: &Cost) -> Cost {
    Cost {
        events: a.events + b.events,
        messages: a.messages + b.messages,
        simulated_seconds: a.simulated_seconds + b.simulated_seconds,
        wall_seconds: a.wall_seconds + b.wall_seconds,
        cpu_seconds: Some(a.cpu_seconds.unwrap_or(0.0) + b.cpu_seconds.unwrap_or(0.0)),
        peak_memory_bytes: a.peak_memory_bytes.max(b.peak_memory_bytes),
    }
}

/// The manifest of a run.
pub(super) fn manifest(
    loaded: &Loaded,
    identity: &Identity,
    command: Vec<String>,
    repetitions: &[u32],
    written: &Written,
    cost: Cost,
) -> Manifest {
    let stopped = |rule: &StoppingRule| Stopped { rule: rule.clone(), repetitions: repetitions.to_vec() };
    Manifest {
        schema: SCHEMA,
        program: program(),
        command,
        name: identity.name.clone(),
        run: identity.run.clone(),
        run_hash: written.run_hash.clone(),
        backend: Source::Sim,
        seed: identity.seed,
        repetitions: repetitions.iter().copied().max().unwrap_or(0),
        stopped: identity.rule.as_ref().map(stopped),
        variants: loaded.variants.iter().map(|variant| variant.label.clone()).collect(),
        scenario: identity.scenario.clone(),
        inputs: loaded.inputs.clone(),
        files: written.files.clone(),
        host: cost::host(),
        real: None,
        cost,
    }
}

/// This program.
pub(super) fn program() -> Program {
    Program {
        name: "sim".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        git_commit: option_env!("EDGE_FAAS_GIT_COMMIT").map(str::to_owned),
    }
}

/// The command that makes the same files again.
pub(super) fn command(path: &Path, choice: &Choice) -> Vec<String> {
    let mut words = vec!["sim".to_owned(), path.display().to_string()];
    words.extend(choice.overrides.words());
    words.extend(choice.real_grid.then(|| "--real-grid".to_owned()));
    words
}
