//! Messages through a settled network of a thousand nodes, and events through the queue (PHOLD: each event taken
//! schedules another).
//!
//! `messages.toml` is the network; `sim sim/benches/messages.toml` runs it alone, and its manifest has the processor time.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use edge_faas_core::draws::{Draws, Purpose};
use edge_faas_core::results::{MemoryScratch, RepetitionPlan, RepetitionWriter, RunContext, Source};
use edge_faas_core::scenario::{Loader, Scenario};
use edge_faas_core::time::{Duration, Time};
use edge_faas_sim::engine::{Engine, Inputs};
use edge_faas_sim::queue::EventQueue;
use std::hint::black_box;

struct Text;

impl Loader for Text {
    fn load(&self, _path: &str) -> std::io::Result<Vec<u8>> {
        Ok(include_bytes!("messages.toml").to_vec())
    }
}

fn engine<'s>(scenario: &'s Scenario, inputs: &'s Inputs) -> Engine<'s> {
    let context = RunContext {
        run: String::new(),
        source: Source::Sim,
        scenario: scenario.name.clone(),
        variant: String::new(),
        repetition: Some(0),
        seed: scenario.seed,
    };
    let writer = RepetitionWriter::new(&context, &RepetitionPlan::default(), &mut MemoryScratch);
    let writer = writer.expect("memory takes everything");
    Engine::new(scenario, inputs, 0, writer, None).expect("the scenario is valid")
}

fn messages(criterion: &mut Criterion) {
    const EVENTS: u64 = 100_000;
    let loaded = Scenario::load("messages.toml", &Text, &[]).expect("the scenario is valid");
    let scenario = &loaded.variants[0].scenario;
    let inputs = Inputs::read(scenario).expect("it names no files");
    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(EVENTS));
    group.sample_size(10);
    group.bench_function("1000 nodes, events", |bencher| {
        bencher.iter_batched(
            || engine(scenario, &inputs),
            |mut engine| {
                engine.run(EVENTS).expect("memory takes everything");
                engine
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn phold(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    for pending in [10_000u32, 100_000, 1_000_000] {
        let mut stream = Draws::new(1, 0).stream(Purpose(4_000), 0);
        let mut queue = EventQueue::new(Time::ZERO);
        for event in 0..pending {
            queue.push(Time::from_nanos(stream.below(1_000_000_000) as i64), event);
        }
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("PHOLD, {pending} pending"), |bencher| {
            bencher.iter(|| {
                let (at, event) = queue.pop().expect("as many as at the start");
                queue.push(at + Duration::from_nanos(stream.below(1_000_000_000) as i64), black_box(event));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, messages, phold);
criterion_main!(benches);
