//! What a node says of itself and of those it knows.

use super::App;
use super::error::ApiError;
use crate::openfaas::FunctionName;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The text format that Prometheus reads.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long the runtime may take to list its functions for `/metrics`.
const LIST_PATIENCE: Duration = Duration::from_secs(1);

/// The answer of `/api/v1/peers`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Peers {
    /// This node's id.
    pub id: String,
    /// Where it listens.
    pub listening: Vec<String>,
    /// True once it is a member of a network.
    pub joined: bool,
    /// The functions it announces.
    pub hosted: Vec<String>,
    /// Those it is connected to or has in its routing table.
    pub peers: Vec<Peer>,
}

/// Another node.
#[derive(Debug, Serialize, Deserialize)]
pub struct Peer {
    /// Its id.
    pub id: String,
    /// Where it may be reached.
    pub addresses: Vec<String>,
    /// True while there is a connection.
    pub connected: bool,
    /// True while it is in the routing table.
    pub routing: bool,
}

/// The answer of `/api/v1/providers/{name}`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Providers {
    /// The function's name.
    pub function: String,
    /// Who hosts it.
    pub providers: Vec<Provider>,
}

/// A node that hosts a function.
#[derive(Debug, Serialize, Deserialize)]
pub struct Provider {
    /// Its id.
    pub id: String,
    /// Where it may be reached.
    pub addresses: Vec<String>,
    /// True for the node that was asked.
    pub local: bool,
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(T::to_string).collect()
}

pub(super) async fn peers(State(app): State<App>) -> Json<Peers> {
    let info = app.node.info();
    let peers = app.node.peers().into_iter().map(|peer| Peer {
        id: peer.id.to_string(),
        addresses: texts(&peer.addresses),
        connected: peer.connected,
        routing: peer.routing,
    });
    Json(Peers {
        id: info.id.to_string(),
        listening: texts(&info.listening),
        joined: info.joined,
        hosted: info.hosted,
        peers: peers.collect(),
    })
}

/// Looks the providers up in the network, past the cache.
pub(super) async fn providers(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Providers>, ApiError> {
    let function = FunctionName::parse(&name).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let providers = app.node.providers(function.as_str()).await.into_iter().map(|provider| Provider {
        id: provider.id.to_string(),
        addresses: texts(&provider.addresses),
        local: provider.local,
    });
    Ok(Json(Providers { function: function.to_string(), providers: providers.collect() }))
}

/// 200 while calls can be run here; else why not.
pub(super) async fn healthz(State(app): State<App>) -> Response {
    match app.runtime.healthy().await {
        Ok(()) => (StatusCode::OK, "OK\n").into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// All counts, as Prometheus reads them.
pub(super) async fn metrics(State(app): State<App>) -> Result<Response, ApiError> {
    // A runtime that is down leaves only this one count out, and holds the others up no longer than a scrape can wait.
    let listed = tokio::time::timeout(LIST_PATIENCE, app.runtime.list(None)).await;
    app.metrics.hosted(&listed.ok().and_then(Result::ok).unwrap_or_default());
    // Counted when asked for.
    app.node.census();
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &app.registry.lock())
        .map_err(|error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text).into_response())
}

pub(super) async fn not_found(uri: Uri) -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {}: functions are called at /function/NAME", uri.path()),
    )
}
