//! `[faas]`.

use super::super::error::ScenarioError;
use super::super::keys::*;
use super::super::reader::Reader;
use super::super::schema::Faas;
use crate::faas::{AnycallPolicy, ManycallPolicy};
use crate::time::Duration;

/// The policies of an anycall; a test holds them against [`AnycallPolicy::NAMES`].
pub(in crate::scenario) const ANYCALL_POLICY: Kind = Kind::Word(&[
    "local-first",
    "local-only",
    "direct",
    "nearest",
    "least-outstanding",
    "least-loaded",
    "power-of-two",
    "random",
    "round-robin",
    "race",
]);
/// The policies of a manycall; a test holds them against [`ManycallPolicy::NAMES`].
pub(in crate::scenario) const MANYCALL_POLICY: Kind = Kind::Word(&["static", "late-binding", "backup"]);

pub(in crate::scenario) static BACKOFF: Section = Section {
    id: "backoff",
    title: "backoff",
    doc: "The pause when every provider has failed or is closed.",
    keys: &[
        default("initial", POSITIVE_DURATION, "50ms", "The first pause; doubles each time."),
        default("max", POSITIVE_DURATION, "2s", "The longest pause."),
    ],
    choices: &[],
};

pub(in crate::scenario) static FAAS: Section = Section {
    id: "faas",
    title: "[faas]",
    doc: "The settings of call routing.",
    keys: &[
        default(
            "policy",
            ANYCALL_POLICY,
            "local-first",
            "Who runs an anycall, unless its phase or function says.",
        ),
        default(
            "manycall_policy",
            MANYCALL_POLICY,
            "late-binding",
            "Who runs the items of a manycall, unless its phase says.",
        ),
        default("cache_ttl", DURATION, "60s", "A look-up's answer serves for this long."),
        default("negative_ttl", DURATION, "10s", "\"Nobody provides it\" serves for this long."),
        default(
            "max_attempts",
            Kind::Integer(1, 1_000),
            "5",
            "Attempts of a call, the first one included; refusals by full providers do not count.",
        ),
        optional(
            "backoff",
            Kind::Table(&BACKOFF),
            "`{ initial = \"50ms\", max = \"2s\" }`",
            "The pause when every provider has failed or is closed.",
        ),
        default(
            "retry_after",
            POSITIVE_DURATION,
            "1s",
            "A 429 without Retry-After closes its provider for this long.",
        ),
        default(
            "probe_interval",
            POSITIVE_DURATION,
            "250ms",
            "A peer that is silent while calls are in flight is asked for a sign of life this often; at least 1ms.",
        ),
        default(
            "probe_misses",
            Kind::Integer(1, 1_000),
            "4",
            "After so many unanswered in a row it is dead.",
        ),
        optional(
            "attempt_timeout",
            POSITIVE_DURATION,
            "none",
            "An attempt fails after this; without, only the call's deadline ends it.",
        ),
        default("avoid", DURATION, "5s", "A provider that failed is avoided for this long."),
        default(
            "entry_queue",
            Kind::Integer(0, 1_000_000),
            "1024",
            "Calls that may wait at an entry while every provider is closed.",
        ),
        default(
            "idempotent",
            Kind::Bool,
            "false",
            "Whether a call that may have started may run again, unless the phase or the function says.",
        ),
        default(
            "retry_body_limit",
            SIZE,
            "1MiB",
            "A body up to this size is kept for a retry; a larger one is sent once.",
        ),
        default(
            "probe",
            Kind::Bool,
            "false",
            "`least-loaded` and `power-of-two` ask for the load first, and pay the round trip.",
        ),
        default(
            "manycall_window",
            Kind::Integer(1, 1_000_000),
            "4096",
            "Items of manycalls that an entry has in flight at one provider, at most, however many slots that has.",
        ),
        default(
            "backup_factor",
            Kind::Number(1.0, 1_000.0),
            "2",
            "`backup` copies an item that runs longer than this times the median of what is done.",
        ),
        default(
            "forward_cpu",
            DURATION,
            "60us",
            "CPU time of passing a call on, at its entry and at its provider, and again for its answer.",
        ),
        default("message_cpu", DURATION, "8us", "CPU time of handling a protocol message."),
    ],
    choices: &[],
};

/// Reads `[faas]`.
pub(super) fn faas(reader: &Reader<'_>) -> Result<Faas, ScenarioError> {
    let (backoff_initial, backoff_max) = match reader.table("backoff", &BACKOFF)? {
        Some(table) => {
            let (initial, max) = (table.duration("initial")?, table.duration("max")?);
            if initial > max {
                return Err(table.error("initial", format!("must not be above max = {max}")));
            }
            (initial, max)
        }
        None => (Duration::from_millis(50), Duration::from_secs(2)),
    };
    Ok(Faas {
        policy: reader.word("policy", &anycall_policies())?,
        manycall_policy: reader.word("manycall_policy", &manycall_policies())?,
        cache_ttl: reader.duration("cache_ttl")?,
        negative_ttl: reader.duration("negative_ttl")?,
        max_attempts: reader.count("max_attempts")?,
        backoff_initial,
        backoff_max,
        retry_after: reader.duration("retry_after")?,
        probe_interval: reader.interval("probe_interval", Duration::from_millis(1))?,
        probe_misses: reader.count("probe_misses")?,
        attempt_timeout: reader.optional_duration("attempt_timeout")?,
        avoid: reader.duration("avoid")?,
        entry_queue: reader.count("entry_queue")?,
        idempotent: reader.bool("idempotent")?,
        retry_body_limit: reader.size("retry_body_limit")?,
        probe: reader.bool("probe")?,
        manycall_window: reader.count("manycall_window")?,
        backup_factor: reader.number("backup_factor")?,
        forward_cpu: reader.duration("forward_cpu")?,
        message_cpu: reader.duration("message_cpu")?,
    })
}

/// The anycall policies by name.
pub(super) fn anycall_policies() -> Vec<(&'static str, AnycallPolicy)> {
    AnycallPolicy::NAMES.iter().map(|(policy, name)| (*name, *policy)).collect()
}

/// The manycall policies by name.
pub(super) fn manycall_policies() -> Vec<(&'static str, ManycallPolicy)> {
    ManycallPolicy::NAMES.iter().map(|(policy, name)| (*name, *policy)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_lists_every_policy() {
        let words = |kind: Kind| match kind {
            Kind::Word(words) => words.to_vec(),
            _ => panic!("a policy is a word"),
        };
        let anycall: Vec<&str> = anycall_policies().into_iter().map(|(name, _)| name).collect();
        assert_eq!(words(ANYCALL_POLICY), anycall);
        let manycall: Vec<&str> = manycall_policies().into_iter().map(|(name, _)| name).collect();
        assert_eq!(words(MANYCALL_POLICY), manycall);
    }
}
