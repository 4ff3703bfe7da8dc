//! What OpenFaaS' gateway counts, under its names, so that its dashboards work.

use crate::openfaas::{FunctionName, FunctionStatus};
use http::StatusCode;
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Functions that are counted apart. Names come from callers: beyond this many, unknown ones are counted together.
const FUNCTIONS_MAX: usize = 10_000;
/// The name under which they are.
const OTHERS: &str = "other";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Labels {
    function_name: String,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    function_name: String,
}

/// A gateway's metrics.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    invocations: Family<Labels, Counter>,
    started: Family<Name, Gauge>,
    replicas: Family<Name, Gauge>,
    seconds: Family<Labels, Histogram>,
    /// The same counts, readable; and which names are counted apart.
    counts: Arc<Mutex<BTreeMap<String, BTreeMap<u16, u64>>>>,
}

impl Metrics {
    /// Metrics in `registry`.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Metrics {
            invocations: Family::default(),
            started: Family::default(),
            replicas: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 17))),
            counts: Arc::default(),
        };
        registry.register(
            "gateway_function_invocation",
            "Calls that were answered, by function and status",
            metrics.invocations.clone(),
        );
        // OpenFaaS' name has no `_total` at its end, which is put behind every counter's.
        registry.register("gateway_function_invocation_started", "Calls that began", metrics.started.clone());
        registry.register(
            "gateway_service_count",
            "Replicas of the functions hosted here",
            metrics.replicas.clone(),
        );
        registry.register(
            "gateway_functions_seconds",
            "Time until the head of a call's answer",
            metrics.seconds.clone(),
        );
        metrics
    }

    /// A call begins.
    pub(super) fn started(&self, function: &FunctionName) {
        let function_name = self.label(function);
        self.started.get_or_create(&Name { function_name }).inc();
    }

    /// A call's answer is there.
    pub(super) fn done(&self, function: &FunctionName, status: StatusCode, took: Duration) {
        let function_name = self.label(function);
        let code = status.as_u16();
        if let Some(codes) = self.counts.lock().get_mut(&function_name) {
            *codes.entry(code).or_default() += 1;
        }
        let labels = Labels { function_name, code };
        self.invocations.get_or_create(&labels).inc();
        self.seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// What is hosted here, and how often.
    pub(super) fn hosted(&self, functions: &[FunctionStatus]) {
        self.replicas.clear();
        for function in functions {
            let Ok(name) = FunctionName::new(&function.name, &function.namespace) else { continue };
            let replicas = i64::try_from(function.available_replicas).unwrap_or(i64::MAX);
            self.replicas.get_or_create(&Name { function_name: full(&name) }).set(replicas);
        }
    }

    /// How often each function was answered with each status.
    pub(super) fn counts(&self) -> BTreeMap<String, BTreeMap<u16, u64>> {
        self.counts.lock().clone()
    }

    fn label(&self, function: &FunctionName) -> String {
        let name = full(function);
        let mut counts = self.counts.lock();
        if counts.contains_key(&name) {
            return name;
        }
        let name = if counts.len() < FUNCTIONS_MAX { name } else { OTHERS.to_owned() };
        counts.entry(name.clone()).or_default();
        name
    }
}

/// OpenFaaS names a function with its namespace here, the default one too.
fn full(function: &FunctionName) -> String {
    format!("{}.{}", function.service(), function.namespace())
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn names_and_labels_are_those_of_openfaas() {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let name = FunctionName::parse("resize").unwrap();
        metrics.started(&name);
        metrics.done(&name, StatusCode::OK, Duration::from_millis(3));
        let status =
            FunctionStatus { name: "resize".to_owned(), available_replicas: 2, ..FunctionStatus::default() };
        metrics.hosted(&[status]);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            r#"gateway_function_invocation_total{function_name="resize.openfaas-fn",code="200"} 1"#,
            r#"gateway_function_invocation_started{function_name="resize.openfaas-fn"} 1"#,
            r#"gateway_functions_seconds_count{function_name="resize.openfaas-fn",code="200"} 1"#,
            r#"gateway_service_count{function_name="resize.openfaas-fn"} 2"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
        }
    }

    #[test]
    fn names_from_outside_do_not_fill_the_memory() {
        let metrics = Metrics::new(&mut Registry::default());
        for number in 0..FUNCTIONS_MAX + 50 {
            let name = FunctionName::parse(&format!("f{number}")).unwrap();
            metrics.done(&name, StatusCode::NOT_FOUND, Duration::ZERO);
        }
        let counts = metrics.counts();
        assert_eq!(counts.len(), FUNCTIONS_MAX + 1);
        assert_eq!(counts[OTHERS][&404], 50);
    }
}
