//! Annotations of a deployment that the node itself heeds, whatever the runtime.

use edge_faas_core::units;
use std::collections::BTreeMap;
use std::time::Duration;

/// `true`: a call that may have started may be run again.
pub const IDEMPOTENT: &str = "edge-faas.idempotent";
/// Calls that one replica runs at once.
pub const CONCURRENCY: &str = "edge-faas.concurrency";
/// Calls that may wait.
pub const QUEUE: &str = "edge-faas.queue";
/// How long a call may run, with its unit (`30s`).
pub const TIMEOUT: &str = "edge-faas.timeout";

/// `elsewhere`, in the description of a function that other nodes host.
pub const HOSTED: &str = "edge-faas.hosted";

/// All of them, for documentation.
pub const ALL: [&str; 5] = [IDEMPOTENT, CONCURRENCY, QUEUE, TIMEOUT, HOSTED];

/// Reads `true` or `false`.
///
/// # Errors
/// Says what the annotation should be.
pub fn flag(annotations: &BTreeMap<String, String>, name: &str) -> Result<Option<bool>, String> {
    match annotations.get(name).map(String::as_str) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(format!("annotation {name}: {other:?} is neither `true` nor `false`")),
    }
}

/// Reads a whole number.
///
/// # Errors
/// Says what the annotation should be.
pub fn number(annotations: &BTreeMap<String, String>, name: &str) -> Result<Option<u32>, String> {
    let read = |text: &String| {
        text.parse().map_err(|_| format!("annotation {name}: {text:?} is not a whole number"))
    };
    annotations.get(name).map(read).transpose()
}

/// Reads a duration with its unit.
///
/// # Errors
/// Says what the annotation should be.
pub fn duration(annotations: &BTreeMap<String, String>, name: &str) -> Result<Option<Duration>, String> {
    let read = |text: &String| match units::duration(text) {
        Ok(duration) => Ok(Duration::from_nanos(duration.as_nanos().unsigned_abs())),
        Err(error) => Err(format!("annotation {name}: {error}")),
    };
    annotations.get(name).map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_said_and_what_is_missing_is_nothing() {
        let of = |value: &str| BTreeMap::from([("edge-faas.x".to_owned(), value.to_owned())]);
        assert_eq!(flag(&of("true"), "edge-faas.x"), Ok(Some(true)));
        assert_eq!(flag(&of("true"), "edge-faas.y"), Ok(None));
        assert!(flag(&of("yes"), "edge-faas.x").is_err_and(|error| error.contains("neither")));
        assert_eq!(number(&of("7"), "edge-faas.x"), Ok(Some(7)));
        assert!(number(&of("-7"), "edge-faas.x").is_err());
        assert_eq!(duration(&of("1.5s"), "edge-faas.x"), Ok(Some(Duration::from_millis(1_500))));
        assert!(duration(&of("1.5"), "edge-faas.x").is_err_and(|error| error.contains("no unit")));
    }
}
