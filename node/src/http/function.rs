//! `/function/{name}…`: the anycall, as OpenFaaS' gateway takes it.

use super::App;
use super::answer;
use super::body;
use super::error::ApiError;
use super::header::{self, IDEMPOTENT, POLICY, TIMEOUT};
use crate::call::CallRequest;
use crate::openfaas::FunctionName;
use crate::openfaas::header::{CALL_ID, FORWARDED_FOR, FORWARDED_HOST, START_TIME, remove_hop_by_hop};
use crate::path;
use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use http::header::{EXPECT, HOST};
use http::request;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Carries a call to a provider and the answer back.
pub(super) async fn call(State(app): State<App>, request: Request<axum::body::Body>) -> Response {
    let begun = Instant::now();
    let (mut parts, body) = request.into_parts();
    let marks = Marks::put(&mut parts);
    let (function, call) = match read(&app, parts, body) {
        Ok(read) => read,
        Err(error) => return marks.on(error.into_response()),
    };
    marks.on(carry(&app, &function, call, begun).await)
}

/// Carries a call and counts it.
pub(super) async fn carry(app: &App, function: &FunctionName, call: CallRequest, begun: Instant) -> Response {
    app.metrics.started(function);
    let response = match app.node.call(call).await {
        Ok(response) => answer::answered(response),
        Err(failure) => answer::failed(&failure),
    };
    app.metrics.done(function, response.status(), begun.elapsed());
    response
}

/// `/async-function/…` needs a queue, which OpenFaaS without NATS does not have either.
pub(super) async fn no_queue() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "there is no queue for asynchronous calls here: call /function/…, or POST many items to \
         /api/v1/functions/…/executions/manycall",
    )
}

fn read(
    app: &App,
    parts: request::Parts,
    body: axum::body::Body,
) -> Result<(FunctionName, CallRequest), ApiError> {
    // Raw, as it was received: what follows the name is the function's own, encoded as it is.
    let raw = parts.uri.path().strip_prefix("/function/").unwrap_or_default();
    let (name, rest) = raw.split_at(raw.find('/').unwrap_or(raw.len()));
    let function = FunctionName::parse(name).map_err(|error| ApiError::bad_request(error.to_string()))?;
    path::check(rest, parts.uri.query()).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let body = body::streamed(app, &parts.headers, body, app.settings.stall_timeout)?;
    let mut headers = parts.headers;
    remove_hop_by_hop(&mut headers);
    // Who waits for `100 Continue` has had it by the time that the body is read.
    headers.remove(EXPECT);
    let call = CallRequest {
        function: function.as_str().to_owned(),
        method: parts.method,
        path: rest.to_owned(),
        query: parts.uri.query().map(str::to_owned),
        timeout: header::duration(&headers, TIMEOUT)?,
        policy: header::parsed(&headers, POLICY)?,
        idempotent: header::parsed(&headers, IDEMPOTENT)?,
        headers,
        body,
    };
    Ok((function, call))
}

/// What a gateway puts on a call and its answer: an id, and when it began. Where the caller gave one, as a gateway in
/// front of this node does, that one goes to the function and is not said back.
pub(super) struct Marks {
    id: Option<HeaderValue>,
    start: Option<HeaderValue>,
}

impl Marks {
    /// The headers that are put on a request.
    pub(super) const NAMES: [HeaderName; 4] = [CALL_ID, START_TIME, FORWARDED_HOST, FORWARDED_FOR];

    /// Marks a request.
    pub(super) fn put(parts: &mut request::Parts) -> Self {
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
        let headers = &mut parts.headers;
        let mut mark = |name: HeaderName, value: &dyn Fn() -> String| {
            if headers.contains_key(&name) {
                return None;
            }
            // Digits, or a UUID: always a valid header.
            let value = HeaderValue::try_from(value()).ok()?;
            headers.insert(name, value.clone());
            Some(value)
        };
        let id = mark(CALL_ID, &|| Uuid::new_v4().to_string());
        let since = |since: Duration| since.as_nanos().to_string();
        let start =
            mark(START_TIME, &|| since(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()));
        if !headers.contains_key(FORWARDED_HOST) {
            let host = headers.get(HOST).cloned();
            headers.extend(host.map(|host| (FORWARDED_HOST, host)));
        }
        if !headers.contains_key(FORWARDED_FOR) {
            let from = address.and_then(|address| HeaderValue::try_from(address.to_string()).ok());
            headers.extend(from.map(|from| (FORWARDED_FOR, from)));
        }
        Marks { id, start }
    }

    /// Marks an answer, where the function has not done so itself.
    pub(super) fn on(self, mut response: Response) -> Response {
        let headers: &mut HeaderMap = response.headers_mut();
        for (name, value) in [(CALL_ID, self.id), (START_TIME, self.start)] {
            if let Some(value) = value {
                headers.entry(name).or_insert(value);
            }
        }
        response
    }
}
