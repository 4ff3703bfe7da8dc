//! `/api/v1/experiment/…`: what the harness says to a node, and hears from it. There only where `experiment.enabled`
//! says so.

use super::App;
use super::body;
use super::error::ApiError;
use crate::experiment::{Event, Experiment, LinkPlan, RuntimePlan};
use crate::openfaas::FunctionName;
use crate::runtime::{ExecuteRequest, RuntimeFailureReason, StartGate};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream::{self, StreamExt};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, StatusCode};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

/// Round trips that one question may ask for.
const SAMPLES_MAX: u32 = 1_000;

/// The body of `join`: peers to enter the network through, each address with its id; none: the first node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// Their addresses.
    pub bootstrap: Vec<String>,
}

/// The body of `ping`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// The other node's address, with its id.
    pub address: String,
    /// Round trips to measure.
    pub samples: u32,
}

/// What `ping` measured, and what the node's links met so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pong {
    /// Round trips over a connection that stood, in nanoseconds; those without an answer are left out.
    pub round_trips: Vec<u64>,
    /// Chunks of bytes that the node's links carried.
    pub chunks: u64,
    /// Losses that they met.
    pub lost: u64,
}

fn experiment(app: &App) -> Result<&Arc<Experiment>, ApiError> {
    app.node.experiment().ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND, "this node takes part in no experiment (experiment.enabled)")
    })
}

/// All events from the node's start on, a line each, without end.
pub(super) async fn records(State(app): State<App>) -> Result<Response, ApiError> {
    let experiment = experiment(&app)?.clone();
    let receiver = experiment.records.take();
    let mut receiver = receiver
        .ok_or_else(|| ApiError::new(StatusCode::CONFLICT, "somebody reads this node's events already"))?;
    let hello = experiment.records.hello(app.node.id().to_string());
    let stopping = app.stopping.clone();
    let events = stream::poll_fn(move |cx| receiver.poll_recv(cx)).take_until(stopping.cancelled_owned());
    // What has come together is sent together.
    let lines = stream::once(async { hello }).chain(events).ready_chunks(256).map(|events| {
        let mut text = Vec::new();
        for event in events {
            line(&event, &mut text);
        }
        Ok::<_, Infallible>(Bytes::from(text))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

fn line(event: &Event, text: &mut Vec<u8>) {
    // Texts and numbers have a JSON, and a vector takes everything.
    if serde_json::to_writer(&mut *text, event).is_ok() {
        text.push(b'\n');
    }
}

/// Makes the node's links what a scenario says.
pub(super) async fn links(State(app): State<App>, request: Request<Body>) -> Result<StatusCode, ApiError> {
    let plan: LinkPlan = body::json(&app, request.into_body()).await?;
    plan.check().map_err(ApiError::bad_request)?;
    experiment(&app)?.links.set(plan);
    Ok(StatusCode::NO_CONTENT)
}

/// Makes the node's runtime what a scenario says.
pub(super) async fn runtime(State(app): State<App>, request: Request<Body>) -> Result<StatusCode, ApiError> {
    let plan: RuntimePlan = body::json(&app, request.into_body()).await?;
    plan.check().map_err(ApiError::bad_request)?;
    experiment(&app)?.runtime.set(plan);
    Ok(StatusCode::NO_CONTENT)
}

/// Enters the network: a node in an experiment does so only at this word.
pub(super) async fn join(State(app): State<App>, request: Request<Body>) -> Result<StatusCode, ApiError> {
    experiment(&app)?;
    let join: Join = body::json(&app, request.into_body()).await?;
    let peers: Result<Vec<_>, _> = join.bootstrap.iter().map(|text| peer(text)).collect();
    app.node.join(&peers?);
    Ok(StatusCode::NO_CONTENT)
}

/// Forgets providers and closes all connections: a cold start.
pub(super) async fn cold(State(app): State<App>) -> Result<StatusCode, ApiError> {
    experiment(&app)?;
    match app.node.make_cold().await {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::new(StatusCode::CONFLICT, "connections come back as fast as they are closed")),
    }
}

/// Measures round trips to another node.
pub(super) async fn ping(State(app): State<App>, request: Request<Body>) -> Result<Json<Pong>, ApiError> {
    let experiment = experiment(&app)?.clone();
    let ping: Ping = body::json(&app, request.into_body()).await?;
    if ping.samples > SAMPLES_MAX {
        return Err(ApiError::bad_request(format!("samples: at most {SAMPLES_MAX}")));
    }
    let (id, address) = peer(&ping.address)?;
    let round_trips = app.node.round_trips(id, &address, ping.samples).await;
    let (chunks, lost) = experiment.links.counts();
    let nanos = |trip: std::time::Duration| u64::try_from(trip.as_nanos()).unwrap_or(u64::MAX);
    Ok(Json(Pong { round_trips: round_trips.into_iter().map(nanos).collect(), chunks, lost }))
}

fn peer(text: &str) -> Result<(PeerId, Multiaddr), ApiError> {
    let wrong =
        || ApiError::bad_request(format!("{text:?} is no address with a peer id (/ip4/…/tcp/…/p2p/…)"));
    let mut address: Multiaddr = text.parse().map_err(|_| wrong())?;
    match address.pop() {
        Some(Protocol::P2p(id)) if !address.is_empty() => Ok((id, address)),
        _ => Err(wrong()),
    }
}

/// Runs a call in the node's own runtime, past all routing: the floor that routed calls are held against.
pub(super) async fn direct(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    experiment(&app)?;
    let function = FunctionName::parse(&name).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let (parts, body) = request.into_parts();
    let body = body::streamed(&app, &parts.headers, body, app.settings.stall_timeout)?;
    let call = ExecuteRequest {
        function: function.as_str().to_owned(),
        method: parts.method,
        path: String::new(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body,
        deadline: Instant::now() + app.node.call_timeout(),
        start: StartGate::new(),
    };
    match app.runtime.execute(call).await {
        Ok(answer) => {
            let mut timing = String::new();
            let times =
                [("queue", answer.timing.queue), ("cold", answer.timing.cold), ("exec", answer.timing.exec)];
            for (name, time) in times {
                let separator = if timing.is_empty() { "" } else { ", " };
                // Writing to a string does not fail.
                let _ = write!(timing, "{separator}{name};dur={:.3}", time.as_secs_f64() * 1e3);
            }
            let mut response = Response::new(Body::new(answer.body));
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            let timing = HeaderValue::try_from(timing).ok();
            response.headers_mut().extend(timing.map(|timing| (super::SERVER_TIMING, timing)));
            Ok(response)
        }
        Err(failure) => {
            let (status, outcome) = match failure.reason {
                RuntimeFailureReason::Full { .. } => (StatusCode::TOO_MANY_REQUESTS, "rejected"),
                RuntimeFailureReason::NotHosted => (StatusCode::NOT_FOUND, "not_found"),
                RuntimeFailureReason::Runtime => (StatusCode::BAD_GATEWAY, "unreachable"),
                RuntimeFailureReason::Cancelled => (StatusCode::BAD_GATEWAY, "cancelled"),
            };
            let mut response = Response::new(Body::from(failure.message));
            *response.status_mut() = status;
            response.headers_mut().insert(super::OUTCOME, HeaderValue::from_static(outcome));
            Ok(response)
        }
    }
}
