//! `…/executions/manycall`: a list of items as the thesis has it, or a stream of them (NDJSON).

use super::App;
use super::body;
use super::error::ApiError;
use super::header::{self, IDEMPOTENT, ITEMS, POLICY, TIMEOUT};
use super::item::{self, ItemResult};
use crate::body::BodyError;
use crate::call::{MapItem, MapRequest, MapStream};
use crate::openfaas::FunctionName;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyDataStream;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::io;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

/// The type of a stream of items.
const NDJSON: &str = "application/x-ndjson";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    items: Vec<Box<RawValue>>,
}

#[derive(Serialize)]
struct Results {
    results: Vec<Box<RawValue>>,
}

/// Spreads a manycall over the function's providers.
pub(super) async fn call(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let function = FunctionName::parse(&name).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let (parts, body) = request.into_parts();
    let streamed =
        parts.headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(NDJSON.as_bytes()));
    if streamed {
        let count = header::parsed(&parts.headers, ITEMS)?;
        let items = items(&app, &parts.headers, body)?;
        let results = app.node.map(map(&function, &parts.headers, count, items)?);
        return Ok(answer_lines(counted(app, function, results)));
    }
    let list: List = body::json(&app, body).await?;
    let mut items = Vec::with_capacity(list.items.len());
    for (index, item) in list.items.into_iter().enumerate() {
        // All of them before the first one runs.
        items.push(
            item::read(item.get())
                .map_err(|error| ApiError::bad_request(format!("items[{index}]: {error}")))?,
        );
    }
    let count = items.len();
    let items = stream::iter(items.into_iter().map(Ok)).boxed();
    let results = app.node.map(map(&function, &parts.headers, Some(count as u64), items)?);
    answer_list(counted(app, function, results), count).await
}

/// Counts each item as the call that it is.
fn counted(app: App, function: FunctionName, results: MapStream) -> MapStream {
    let results = results.inspect_ok(move |result| {
        let (status, info) = match &result.outcome {
            Ok(answer) => (answer.status, &answer.info),
            Err(failure) => (super::answer::status(failure.reason).0, failure.info.as_ref()),
        };
        app.metrics.started(&function);
        app.metrics.done(&function, status, info.parts.total);
    });
    results.boxed()
}

fn map(
    function: &FunctionName,
    headers: &HeaderMap,
    count: Option<u64>,
    items: BoxStream<'static, Result<MapItem, BodyError>>,
) -> Result<MapRequest, ApiError> {
    Ok(MapRequest {
        function: function.as_str().to_owned(),
        policy: header::parsed(headers, POLICY)?,
        idempotent: header::parsed(headers, IDEMPOTENT)?,
        count,
        timeout: header::duration(headers, TIMEOUT)?,
        items,
    })
}

/// The items of a stream, a line each, read as they are asked for.
fn items(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<BoxStream<'static, Result<MapItem, BodyError>>, ApiError> {
    let limit = app.settings.item_limit;
    let body = body::streamed(app, headers, body, app.settings.item_timeout)?;
    let bytes = BodyDataStream::new(body).map_err(io::Error::other);
    let lines = FramedRead::new(StreamReader::new(bytes), LinesCodec::new_with_max_length(limit));
    let items = lines.enumerate().filter_map(move |(number, line)| async move {
        let wrong = |error: String| BodyError::Source(format!("line {}: {error}", number + 1).into());
        match line {
            Ok(line) if line.trim().is_empty() => None,
            Ok(line) => Some(item::read(&line).map_err(wrong)),
            Err(LinesCodecError::MaxLineLengthExceeded) => {
                Some(Err(wrong(format!("it is longer than the {limit} bytes that an item may have"))))
            }
            Err(LinesCodecError::Io(error)) => Some(Err(BodyError::Broken(error.to_string()))),
        }
    });
    Ok(items.boxed())
}

/// The results as they come about, a line each.
fn answer_lines(results: MapStream) -> Response {
    let lines = results.map(|result| match result {
        Ok(result) => line(&ItemResult::of(result)),
        // Those that were read have been answered: who reads the stream sees why there are no more.
        Err(error) => line(&serde_json::json!({ "error": error.to_string() })),
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response
}

fn line(value: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line.into())
}

/// All results, in the order of the items.
async fn answer_list(mut results: MapStream, count: usize) -> Result<Response, ApiError> {
    let mut list: Vec<Option<Box<RawValue>>> = vec![None; count];
    while let Some(result) = results.next().await {
        let result = result.map_err(|error| ApiError::new(StatusCode::BAD_GATEWAY, error.to_string()))?;
        let place = usize::try_from(result.index).ok().and_then(|index| list.get_mut(index));
        if let Some(place) = place {
            *place = Some(item::thesis(result.outcome));
        }
    }
    let results: Option<Vec<_>> = list.into_iter().collect();
    match results {
        Some(results) => Ok(axum::Json(Results { results }).into_response()),
        None => Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the node was told to stop")),
    }
}
