//! What becomes of a call: the function's answer as it is, or a refusal with its reason.

use super::header;
use crate::call::{CallFailure, CallResponse, FailureReason};
use crate::openfaas::header::{DURATION_SECONDS, INTERNAL, remove_hop_by_hop};
use axum::body::Body;
use axum::response::Response;
use edge_faas_core::io::CallOutcome;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use std::time::Duration;

/// The function's answer.
pub(super) fn answered(response: CallResponse) -> Response {
    let mut answer = Response::new(Body::new(response.body));
    *answer.status_mut() = response.status;
    *answer.headers_mut() = response.headers;
    let headers = answer.headers_mut();
    remove_hop_by_hop(headers);
    header::describe(&response.info, headers);
    if !headers.contains_key(DURATION_SECONDS) {
        let seconds = format!("{:.6}", response.info.parts.exec.as_secs_f64());
        headers.extend(HeaderValue::try_from(seconds).ok().map(|value| (DURATION_SECONDS, value)));
    }
    answer
}

/// A call that no function answered.
pub(super) fn failed(failure: &CallFailure) -> Response {
    let (status, outcome) = status(failure.reason);
    let mut answer = Response::new(Body::from(format!("{}\n", failure.message)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // For who tells the platform's errors from the function's, as OpenFaaS does.
    headers.insert(INTERNAL, HeaderValue::from_static("edge-faas"));
    headers.insert(header::OUTCOME, HeaderValue::from_static(outcome));
    header::describe(&failure.info, headers);
    let retry_after = match failure.retry_after {
        None if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
            Some(Duration::from_secs(1))
        }
        given => given,
    };
    headers.extend(retry_after.map(|after| (RETRY_AFTER, HeaderValue::from(whole_seconds(after)))));
    answer
}

/// The status that stands for a failure, and its name.
pub(super) fn status(reason: FailureReason) -> (StatusCode, &'static str) {
    match reason {
        FailureReason::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        FailureReason::BrokenRequest => (StatusCode::BAD_REQUEST, "broken_request"),
        FailureReason::BadRequest => (StatusCode::BAD_REQUEST, "bad_request"),
        FailureReason::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting_down"),
        FailureReason::Outcome(outcome) => match outcome {
            CallOutcome::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            CallOutcome::Rejected => (StatusCode::TOO_MANY_REQUESTS, "rejected"),
            CallOutcome::Timeout => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
            CallOutcome::Unreachable => (StatusCode::BAD_GATEWAY, "unreachable"),
            CallOutcome::Unknown => (StatusCode::BAD_GATEWAY, "unknown"),
            CallOutcome::Truncated => (StatusCode::BAD_GATEWAY, "truncated"),
            // Nobody is there to read it.
            CallOutcome::Cancelled => (StatusCode::BAD_GATEWAY, "cancelled"),
            CallOutcome::Ok => (StatusCode::OK, "ok"),
            CallOutcome::FunctionError => (StatusCode::INTERNAL_SERVER_ERROR, "function_error"),
        },
    }
}

/// Seconds as `Retry-After` has them: whole ones, and not too soon.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::CallInfo;

    fn failure(outcome: CallOutcome, retry_after: Option<Duration>) -> Response {
        failed(&CallFailure {
            reason: FailureReason::Outcome(outcome),
            message: "because".to_owned(),
            retry_after,
            info: Box::new(CallInfo { attempts: 3, ..CallInfo::default() }),
        })
    }

    #[test]
    fn a_failure_has_a_status_a_reason_and_the_number_of_attempts() {
        for (outcome, status) in [
            (CallOutcome::NotFound, 404),
            (CallOutcome::Rejected, 429),
            (CallOutcome::Timeout, 504),
            (CallOutcome::Unreachable, 502),
            (CallOutcome::Unknown, 502),
        ] {
            let answer = failure(outcome, None);
            assert_eq!(answer.status(), status, "{outcome:?}");
            assert_eq!(answer.headers()["x-openfaas-internal"], "edge-faas");
            assert_eq!(answer.headers()["x-edge-faas-attempts"], "3");
        }
        assert_eq!(failure(CallOutcome::Unknown, None).headers()["x-edge-faas-outcome"], "unknown");
    }

    #[test]
    fn a_refusal_says_when_to_come_back_in_whole_seconds() {
        let after = |outcome, given: Option<Duration>| {
            failure(outcome, given)
                .headers()
                .get(RETRY_AFTER)
                .and_then(|value| value.to_str().ok()?.parse().ok())
        };
        assert_eq!(after(CallOutcome::Rejected, None), Some(1));
        assert_eq!(after(CallOutcome::Rejected, Some(Duration::from_millis(2_001))), Some(3));
        assert_eq!(after(CallOutcome::Rejected, Some(Duration::from_secs(2))), Some(2));
        assert_eq!(after(CallOutcome::NotFound, None), None);
    }
}
