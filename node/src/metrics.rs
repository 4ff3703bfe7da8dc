//! What a node counts of itself, under names that begin with `edge_faas_`.

use crate::driver::Census;
use edge_faas_core::io::{AttemptReport, CallReport, LookupOutcome, LookupPurpose, LookupReport};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Purpose {
    purpose: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// A node's metrics.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    calls: Family<Outcome, Counter>,
    call_seconds: Histogram,
    attempts: Family<Outcome, Counter>,
    lookups: Family<Purpose, Counter>,
    lookup_seconds: Histogram,
    lookup_requests: Histogram,
    served: Family<Outcome, Counter>,
    held: Family<Kind, Gauge>,
    /// Peers with a connection.
    pub(crate) connections: Gauge,
}

impl Metrics {
    /// Metrics in `registry`.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Metrics {
            calls: Family::default(),
            call_seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 18)),
            attempts: Family::default(),
            lookups: Family::default(),
            lookup_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            lookup_requests: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            served: Family::default(),
            held: Family::default(),
            connections: Gauge::default(),
        };
        let node = registry.sub_registry_with_prefix("edge_faas");
        node.register("calls", "Calls that entered here, by outcome", metrics.calls.clone());
        node.register("call_seconds", "Time from a call's arrival to its end", metrics.call_seconds.clone());
        node.register("attempts", "Attempts at providers, by outcome", metrics.attempts.clone());
        node.register("lookups", "Look-ups in the DHT, by purpose and outcome", metrics.lookups.clone());
        node.register("lookup_seconds", "Time of look-ups in the DHT", metrics.lookup_seconds.clone());
        node.register("lookup_requests", "Requests of look-ups", metrics.lookup_requests.clone());
        node.register("served_calls", "Calls of other nodes run here, by outcome", metrics.served.clone());
        node.register(
            "held",
            "What the node holds now, by kind: what only grows is a leak",
            metrics.held.clone(),
        );
        node.register("connected_peers", "Peers with a connection", metrics.connections.clone());
        metrics
    }

    pub(crate) fn call(&self, report: &CallReport) {
        let outcome = crate::call::outcome_name(report.outcome);
        self.calls.get_or_create(&Outcome { outcome }).inc();
        self.call_seconds.observe(report.done.since(report.received).as_secs_f64());
    }

    pub(crate) fn attempt(&self, report: &AttemptReport) {
        use edge_faas_core::io::AttemptFailure;
        let outcome = match report.result {
            Ok(_) => "answered",
            Err(AttemptFailure::Dial) => "dial",
            Err(AttemptFailure::Lost) => "lost",
            Err(AttemptFailure::NotHosted) => "not-hosted",
            Err(AttemptFailure::Full { .. }) => "full",
            Err(AttemptFailure::Runtime) => "runtime",
            Err(AttemptFailure::Cancelled) => "cancelled",
            Err(AttemptFailure::Timeout) => "timeout",
        };
        self.attempts.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn lookup(&self, report: &LookupReport) {
        let purpose = match report.purpose {
            LookupPurpose::Call => "call",
            LookupPurpose::Announce => "announce",
            LookupPurpose::Republish => "republish",
            LookupPurpose::Refresh => "refresh",
            LookupPurpose::Join => "join",
            LookupPurpose::Value => "value",
            LookupPurpose::Experiment => "asked",
        };
        let outcome = match report.outcome {
            LookupOutcome::Ok => "ok",
            LookupOutcome::Failed => "failed",
            LookupOutcome::Timeout => "timeout",
        };
        self.lookups.get_or_create(&Purpose { purpose, outcome }).inc();
        self.lookup_seconds.observe(report.done.since(report.start).as_secs_f64());
        self.lookup_requests.observe(f64::from(report.requests));
    }

    pub(crate) fn served(&self, outcome: &'static str) {
        self.served.get_or_create(&Outcome { outcome }).inc();
    }

    pub(crate) fn held(&self, census: &Census) {
        let counts = [
            ("calls", census.calls),
            ("attempts", census.attempts),
            ("manycalls", census.maps),
            ("served_calls", census.served),
            ("peers", census.peers),
            ("functions", census.functions),
            ("lookups", census.lookups),
            ("streams", census.streams),
            ("idle_streams", census.idle_streams),
            ("tasks", census.tasks),
        ];
        for (kind, count) in counts {
            self.held.get_or_create(&Kind { kind }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
