//! `sim trace SCENARIO`: one line per event.

use super::args::Trace;
use super::play::{inputs, load};
use super::{Failure, print};
use crate::engine::Engine;
use crate::trace::{Filter, LEGEND};
use edge_faas_core::results::{MemoryScratch, RepetitionPlan, RepetitionWriter, RunContext, Source};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) fn trace(args: &Trace) -> Result<(), Failure> {
    let loaded = load(&args.scenario, &args.choice)?;
    let inputs = inputs(&loaded)?;
    let (Some(variant), Some(inputs)) = (loaded.variants.first(), inputs.first()) else { return Ok(()) };
    let scenario = &variant.scenario;
    let context = RunContext {
        run: String::new(),
        source: Source::Sim,
        scenario: scenario.name.clone(),
        variant: variant.label.clone(),
        repetition: Some(0),
        seed: scenario.seed,
    };
    let writer = RepetitionWriter::new(&context, &RepetitionPlan::of(scenario), &mut MemoryScratch)
        .map_err(Failure::other)?;
    print(LEGEND)?;
    let left = Arc::new(AtomicU64::new(args.lines));
    let counter = left.clone();
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let tracer = Box::new(move |line: &str| {
        if counter.load(Ordering::Relaxed) == 0 {
            return;
        }
        // A reader that has gone away ends the trace.
        let more = writeln!(out, "{line}").and_then(|()| out.flush()).is_ok();
        if more {
            counter.fetch_sub(1, Ordering::Relaxed);
        } else {
            counter.store(0, Ordering::Relaxed);
        }
    });
    let filter = Filter { from: args.from, node: args.node };
    let mut engine =
        Engine::new(scenario, inputs, 0, writer, Some((filter, tracer))).map_err(Failure::input)?;
    while left.load(Ordering::Relaxed) > 0 && engine.run(256).map_err(Failure::other)? {}
    Ok(())
}
