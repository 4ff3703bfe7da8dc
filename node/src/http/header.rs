//! Headers of our own: what a request may choose, and what an answer says of its way.

use super::error::ApiError;
use crate::call::{CallInfo, Parts};
use edge_faas_core::units;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::{Display, Write};
use std::str::FromStr;
use std::time::Duration;

/// Request: how to choose the provider, or how to spread a manycall.
pub const POLICY: HeaderName = HeaderName::from_static("x-edge-faas-policy");
/// Request: `true` allows that the function runs more than once for this call.
pub const IDEMPOTENT: HeaderName = HeaderName::from_static("x-edge-faas-idempotent");
/// Request: when the caller gives up, with its unit (`30s`); for a manycall, each of its items.
pub const TIMEOUT: HeaderName = HeaderName::from_static("x-edge-faas-timeout");
/// Request: how many items a streamed manycall will have. `static` splits by it.
pub const ITEMS: HeaderName = HeaderName::from_static("x-edge-faas-items");
/// Answer: the peer id of the node whose runtime answered, or was tried last.
pub const PROVIDER: HeaderName = HeaderName::from_static("x-edge-faas-provider");
/// Answer: attempts made.
pub const ATTEMPTS: HeaderName = HeaderName::from_static("x-edge-faas-attempts");
/// Answer: 0 where this node's own runtime answered, else 1.
pub const HOPS: HeaderName = HeaderName::from_static("x-edge-faas-hops");
/// Answer without a function's answer: how the call ended.
pub const OUTCOME: HeaderName = HeaderName::from_static("x-edge-faas-outcome");
/// Answer: where the time went, in milliseconds.
pub const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Reads a header by its type's own rules.
pub(super) fn parsed<T>(headers: &HeaderMap, name: HeaderName) -> Result<Option<T>, ApiError>
where
    T: FromStr,
    T::Err: Display,
{
    read(headers, name, |text| text.parse::<T>().map_err(|error| error.to_string()))
}

/// Reads a duration with its unit.
pub(super) fn duration(headers: &HeaderMap, name: HeaderName) -> Result<Option<Duration>, ApiError> {
    read(headers, name, |text| {
        units::duration(text).map(|duration| Duration::from_nanos(duration.as_nanos().unsigned_abs()))
    })
}

fn read<T>(
    headers: &HeaderMap,
    name: HeaderName,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, ApiError> {
    let Some(value) = headers.get(&name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| ApiError::bad_request(format!("{name}: not text")))?;
    parse(text.trim()).map(Some).map_err(|error| ApiError::bad_request(format!("{name}: {error}")))
}

/// Says where a call went, and where its time did. Another node behind the function's gateway may have said so before:
/// who asked this node is told of this node's way.
pub(super) fn describe(info: &CallInfo, headers: &mut HeaderMap) {
    headers.remove(PROVIDER);
    let provider = info.provider.and_then(|id| HeaderValue::try_from(id.to_string()).ok());
    headers.extend(provider.map(|id| (PROVIDER, id)));
    headers.insert(ATTEMPTS, HeaderValue::from(info.attempts));
    headers.insert(HOPS, HeaderValue::from(info.hops));
    // The function's own timing stays, behind ours: readers of one value take the first.
    let before: Vec<HeaderValue> = headers.get_all(SERVER_TIMING).iter().cloned().collect();
    // Numbers and names of our own: always a valid header.
    if let Ok(timing) = HeaderValue::try_from(server_timing(&info.parts)) {
        headers.insert(SERVER_TIMING, timing);
        for value in before {
            headers.append(SERVER_TIMING, value);
        }
    }
}

/// The parts of a call's time by name, in the order in which they come.
pub(super) fn parts(parts: &Parts) -> [(&'static str, Duration); 9] {
    [
        ("lookup", parts.lookup),
        ("dispatch", parts.dispatch),
        ("retry", parts.retry),
        ("connect", parts.connect),
        ("network", parts.network),
        ("queue", parts.queue),
        ("cold", parts.cold),
        ("exec", parts.exec),
        ("total", parts.total),
    ]
}

fn server_timing(of: &Parts) -> String {
    let mut text = String::with_capacity(160);
    for (name, duration) in parts(of) {
        // Parts that took no time would only make it long.
        if duration.is_zero() && !matches!(name, "exec" | "total") {
            continue;
        }
        let separator = if text.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{name};dur={:.3}", duration.as_secs_f64() * 1e3);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge_faas_core::faas::AnycallPolicy;

    #[test]
    fn times_are_in_milliseconds_and_what_took_none_is_left_out() {
        let parts = Parts {
            lookup: Duration::from_millis(21),
            network: Duration::from_micros(96_500),
            exec: Duration::from_micros(55),
            total: Duration::from_micros(117_555),
            ..Parts::default()
        };
        assert_eq!(
            server_timing(&parts),
            "lookup;dur=21.000, network;dur=96.500, exec;dur=0.055, total;dur=117.555"
        );
        assert_eq!(server_timing(&Parts::default()), "exec;dur=0.000, total;dur=0.000");
    }

    #[test]
    fn what_another_node_said_of_its_own_way_is_replaced_and_a_function_s_timing_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (&PROVIDER, "12D3KooWOther"),
            (&ATTEMPTS, "7"),
            (&HOPS, "1"),
            (&SERVER_TIMING, "db;dur=53"),
            (&SERVER_TIMING, "cache;desc=\"hit\""),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        describe(&CallInfo { attempts: 2, ..CallInfo::default() }, &mut headers);
        let all = |name: &HeaderName| -> Vec<&str> {
            headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
        };
        assert_eq!(all(&PROVIDER), Vec::<&str>::new());
        assert_eq!((all(&ATTEMPTS), all(&HOPS)), (vec!["2"], vec!["0"]));
        assert_eq!(
            all(&SERVER_TIMING),
            ["exec;dur=0.000, total;dur=0.000", "db;dur=53", "cache;desc=\"hit\""]
        );
    }

    #[test]
    fn a_wrong_choice_is_told_what_would_be_right() {
        let mut headers = HeaderMap::new();
        assert_eq!(parsed::<AnycallPolicy>(&headers, POLICY).unwrap(), None);
        headers.insert(POLICY, HeaderValue::from_static("nearest"));
        assert_eq!(parsed(&headers, POLICY).unwrap(), Some(AnycallPolicy::Nearest));
        headers.insert(POLICY, HeaderValue::from_static("fastest"));
        let error = parsed::<AnycallPolicy>(&headers, POLICY).expect_err("no policy").to_string();
        assert!(error.contains("x-edge-faas-policy") && error.contains("power-of-two"), "{error}");
        headers.insert(TIMEOUT, HeaderValue::from_static("30"));
        assert!(duration(&headers, TIMEOUT).expect_err("no unit").to_string().contains("unit"));
    }
}
