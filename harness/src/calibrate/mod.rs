//! Calibration: what real nodes take for what costs nothing in the simulator, told from one scenario played in both.
//!
//! Both play the same calls, so they are compared call by call: what the simulator already charges (links, the processor's
//! time for passing calls on) drops out, and what is left is the real nodes'.

mod law;
mod rows;

pub use law::Law;
pub use rows::{Call, Lookup, Rows};

use crate::failure::Failure;
use edge_faas_core::results::{
    MemoryFolder, MemoryScratch, RepetitionOutput, RepetitionPlan, RepetitionWriter, RunContext, RunWriter,
    Source,
};
use edge_faas_core::scenario::{Loaded, Loader, Scenario, Variant};
use edge_faas_core::time::Duration;
use edge_faas_sim::engine::{Engine, Inputs};
use std::collections::BTreeMap;
use std::io;

/// Events of the simulator between two looks at whether it is done.
const CHUNK: u64 = 1 << 16;

/// The scenario that is played.
///
/// # Errors
/// Those of its author.
pub fn scenario() -> Result<Loaded, Failure> {
    struct Own;
    impl Loader for Own {
        fn load(&self, _: &str) -> io::Result<Vec<u8>> {
            Ok(include_bytes!("scenario.toml").to_vec())
        }
    }
    Scenario::load("calibration.toml", &Own, &[]).map_err(Failure::other)
}

/// A writer of the rows of a variant's one repetition, into memory.
///
/// # Errors
/// If it cannot be made.
pub fn writer(variant: &Variant, source: Source) -> Result<RepetitionWriter, Failure> {
    let scenario = &variant.scenario;
    let context = RunContext {
        run: scenario.name.clone(),
        source,
        scenario: scenario.name.clone(),
        variant: variant.label.clone(),
        repetition: Some(0),
        seed: scenario.seed,
    };
    RepetitionWriter::new(&context, &RepetitionPlan::of(scenario), &mut MemoryScratch).map_err(Failure::other)
}

/// The rows that a [`writer`] was given.
///
/// # Errors
/// If they cannot be put together.
pub fn rows(writer: RepetitionWriter, source: Source) -> Result<Rows, Failure> {
    Rows::read(&folder(writer.finish().map_err(Failure::other)?, source)?)
}

fn folder(output: RepetitionOutput, source: Source) -> Result<MemoryFolder, Failure> {
    let mut run = RunWriter::new(MemoryFolder::default(), source).map_err(Failure::other)?;
    run.append(output).map_err(Failure::other)?;
    Ok(run.finish().map_err(Failure::other)?.0)
}

/// What the simulator makes of a variant.
///
/// # Errors
/// If it cannot play it.
pub fn simulate(variant: &Variant, inputs: &Inputs) -> Result<Rows, Failure> {
    Rows::read(&simulated(variant, inputs)?)
}

/// The files that the simulator makes of a variant's first repetition.
///
/// # Errors
/// If it cannot play it.
pub fn simulated(variant: &Variant, inputs: &Inputs) -> Result<MemoryFolder, Failure> {
    let writer = writer(variant, Source::Sim)?;
    let mut engine = Engine::new(&variant.scenario, inputs, 0, writer, None).map_err(Failure::other)?;
    while engine.run(CHUNK).map_err(Failure::other)? {}
    folder(engine.finish().map_err(Failure::other)?, Source::Sim)
}

/// A variant as both played it.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The round trip of its links.
    pub round_trip: Duration,
    /// By real nodes.
    pub real: Rows,
    /// By the simulator.
    pub simulated: Rows,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Round trips that opening a connection takes.
    pub handshake_round_trips: u32,
    /// The keys of `[calibration]`, each with its law.
    pub laws: Vec<(&'static str, Law)>,
}

/// Tells from pairs of links of different lengths what real nodes take.
///
/// # Errors
/// If too little was measured.
pub fn measure(pairs: &[Pair]) -> Result<Measured, Failure> {
    let trips = handshake_round_trips(pairs)?;
    let of = |phase: &'static str, part: fn(&Call) -> Option<i64>| {
        pairs.iter().flat_map(move |pair| differences(pair, phase, part)).collect::<Vec<i64>>()
    };
    let phases = |names: &[&'static str], part: fn(&Call) -> Option<i64>| {
        names.iter().flat_map(|name| of(name, part)).collect::<Vec<i64>>()
    };
    let requests = pairs.iter().flat_map(requests).collect();
    let handshakes = pairs.iter().flat_map(|pair| {
        let trips = (pair.round_trip * i64::from(trips)).as_micros();
        dials(pair).map(move |connect| connect - trips)
    });
    let samples = [
        ("entry", phases(&["local", "routed", "cpu", "look-ups"], |call| call.lag)),
        ("direct", of("direct", Call::passage)),
        ("local", of("local", Call::passage)),
        ("routed", phases(&["routed", "cpu"], Call::passage)),
        ("sleep", phases(&["direct", "local", "routed"], |call| call.exec)),
        ("cpu", of("cpu", |call| call.exec)),
        ("handshake", handshakes.collect()),
        ("request", requests),
    ];
    let laws = samples.into_iter().map(|(key, samples)| {
        let count = samples.len();
        let law = Law::of(samples).ok_or_else(|| {
            Failure::Other(format!(
                "{key}: only {count} samples were measured ({} are needed): too many calls failed or were late; a machine \
                 that does less besides may help",
                law::SAMPLES_MIN
            ))
        })?;
        Ok((key, law))
    });
    Ok(Measured { handshake_round_trips: trips, laws: laws.collect::<Result<_, Failure>>()? })
}

/// Of each call of a phase that both played without any detour: how much longer a part of it took with real nodes.
fn differences(pair: &Pair, phase: &str, part: fn(&Call) -> Option<i64>) -> Vec<i64> {
    let simulated: BTreeMap<u64, &Call> = pair
        .simulated
        .calls
        .iter()
        .filter(|call| call.phase == phase)
        .map(|call| (call.number, call))
        .collect();
    let plain = pair.real.calls.iter().filter(|call| call.phase == phase && call.is_plain());
    let difference = |call: &Call| {
        let other = simulated.get(&call.number).filter(|call| call.is_plain())?;
        Some(part(call)? - part(other)?)
    };
    plain.filter_map(difference).collect()
}

/// Of each look-up that needed no new connection: how much longer one of its requests took than the simulator's do.
fn requests(pair: &Pair) -> Vec<i64> {
    let each = |rows: &Rows| -> Vec<i64> { rows.lookups.iter().filter_map(Lookup::per_request).collect() };
    let Some(simulated) = law::median(each(&pair.simulated)) else { return Vec::new() };
    each(&pair.real).into_iter().map(|real| real - simulated).collect()
}

/// What calls waited for whole dials; one that was under way already has less than a round trip left.
fn dials(pair: &Pair) -> impl Iterator<Item = i64> {
    let whole = pair.round_trip.as_micros();
    pair.real.calls.iter().filter_map(Call::dial).filter(move |connect| *connect >= whole)
}

/// The round trips of a dial: what it takes longer on the longest links than on the shortest, in round trips of the
/// difference.
fn handshake_round_trips(pairs: &[Pair]) -> Result<u32, Failure> {
    let dial = |pair: &Pair| law::median(dials(pair).collect());
    let (short, long) =
        (pairs.iter().min_by_key(|pair| pair.round_trip), pairs.iter().max_by_key(|pair| pair.round_trip));
    let slope = short.zip(long).and_then(|(short, long)| {
        let trips = long.round_trip.as_micros() - short.round_trip.as_micros();
        (trips > 0).then_some((dial(long)? - dial(short)?) as f64 / trips as f64)
    });
    match slope.map(libm::round) {
        Some(trips) if (1.0..=100.0).contains(&trips) => Ok(trips as u32),
        found => Err(Failure::Other(format!(
            "the round trips of a dial cannot be told (found {}): too few calls of a cold entry succeeded",
            found.map_or("no dial".to_owned(), |trips| trips.to_string())
        ))),
    }
}

impl Measured {
    /// As a scenario file that others include, after these comments.
    pub fn to_toml(&self, comments: &[String]) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        // Writing to a string cannot fail.
        for comment in comments {
            let _ = writeln!(text, "# {comment}");
        }
        let _ = write!(
            text,
            "\n[network]\nhandshake_round_trips = {}\n\n[calibration]\n",
            self.handshake_round_trips
        );
        for (key, law) in &self.laws {
            let _ = writeln!(text, "# {} samples", law.samples);
            let _ = writeln!(text, "{key} = {{ empirical = [{}] }}", law.points());
        }
        text
    }

    /// What was measured, for people.
    pub fn describe(&self) -> String {
        use std::fmt::Write;
        let ms = |micros: i64| micros as f64 / 1e3;
        let mut text = String::from("in ms      p50      p95  samples\n");
        for (key, law) in &self.laws {
            let _ = writeln!(
                text,
                "{key:<9}{:>5.2} {:>8.2} {:>8}",
                ms(law.quantile(0.5)),
                ms(law.quantile(0.95)),
                law.samples
            );
        }
        let _ = writeln!(text, "a connection takes {} round trips", self.handshake_round_trips);
        text
    }
}

#[cfg(test)]
mod tests;
