//! What a call of each function costs.

use super::{Demand, ScheduleError, seconds};
use crate::draws::{Distribution, Stream};
use crate::scenario::schema::{self, AnycallPolicy, Scenario, ServiceTime};
use crate::scenario::trace::{Durations, Traces};
use crate::time::Duration;

/// The functions of a scenario with their laws.
#[derive(Debug)]
pub(super) struct Functions<'a> {
    definitions: Vec<Definition<'a>>,
}

#[derive(Debug)]
struct Definition<'a> {
    schema: &'a schema::Function,
    /// The index of its first copy.
    first: u32,
    service: Service<'a>,
    policy: AnycallPolicy,
    idempotent: bool,
}

#[derive(Debug)]
enum Service<'a> {
    Drawn(&'a Distribution),
    Trace(&'a Durations),
}

/// Laws that a phase puts in the place of its functions'.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes<'a> {
    pub(super) request: Option<&'a Distribution>,
    pub(super) response: Option<&'a Distribution>,
}

impl<'a> Functions<'a> {
    pub(super) fn new(scenario: &'a Scenario, traces: &'a Traces) -> Result<Self, ScheduleError> {
        let mut first = 0u32;
        let mut definitions = Vec::with_capacity(scenario.functions.len());
        for schema in &scenario.functions {
            let service = match &schema.service_time {
                ServiceTime::Drawn(distribution) => Service::Drawn(distribution),
                ServiceTime::Trace { file } => match traces.durations(file) {
                    Some(durations) => Service::Trace(durations),
                    None => {
                        return Err(ScheduleError::NoTrace { path: file.path.clone() });
                    }
                },
            };
            definitions.push(Definition {
                schema,
                first,
                service,
                policy: schema.policy.unwrap_or(scenario.faas.policy),
                idempotent: schema.idempotent.unwrap_or(scenario.faas.idempotent),
            });
            first = first.saturating_add(schema.copies);
        }
        Ok(Functions { definitions })
    }

    /// The definition of function `index`, which exists: flows check theirs when they are made.
    fn definition(&self, index: u32) -> &Definition<'a> {
        let after = self.definitions.partition_point(|definition| definition.first <= index);
        &self.definitions[after - 1]
    }

    /// Who runs the function's anycalls, unless the phase says.
    pub(super) fn policy(&self, function: u32) -> AnycallPolicy {
        self.definition(function).policy
    }

    /// The function's own deadline.
    pub(super) fn timeout(&self, function: u32) -> Duration {
        self.definition(function).schema.timeout
    }

    /// Whether a call that may have started may be repeated, unless the phase says.
    pub(super) fn idempotent(&self, function: u32) -> bool {
        self.definition(function).idempotent
    }

    /// One call's demand. `draw` gives the stream of attribute 0 to 3; `traced` is the law of its service time, where a trace gives it.
    pub(super) fn demand(
        &self,
        sizes: Sizes<'_>,
        function: u32,
        traced: Option<&Distribution>,
        draw: impl Fn(u32) -> Stream,
    ) -> Demand {
        let definition = self.definition(function);
        let service = traced.or(match &definition.service {
            Service::Drawn(law) => Some(*law),
            Service::Trace(durations) => {
                // A trace that was read has a row.
                let row = (function - definition.first) as usize % durations.rows.len().max(1);
                durations.rows.get(row).map(|row| &row.law)
            }
        });
        Demand {
            service_time: service.map_or(Duration::ZERO, |law| seconds(law.sample(&mut draw(0)))),
            request_bytes: bytes(sizes.request.unwrap_or(&definition.schema.request), &mut draw(1)),
            response_bytes: bytes(sizes.response.unwrap_or(&definition.schema.response), &mut draw(2)),
            fails: definition.schema.failure_share > 0.0 && draw(3).chance(definition.schema.failure_share),
        }
    }
}

/// A drawn size, rounded to the byte; at most a pebibyte, so that sums stay far from overflow.
fn bytes(law: &Distribution, stream: &mut Stream) -> u64 {
    // The cast saturates.
    (libm::round(law.sample(stream)) as u64).min(1 << 50)
}
