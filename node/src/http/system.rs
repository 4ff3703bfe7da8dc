//! `/system/…`: OpenFaaS' administration of the functions on this node.

use super::App;
use super::body::json;
use super::error::ApiError;
use crate::openfaas::{
    DeleteFunctionRequest, FunctionDeployment, FunctionName, FunctionStatus, LogQuery, Provider,
    ScaleServiceRequest, Secret, SystemInfo, Version,
};
use crate::runtime::{RuntimeErrorKind, SecretOperation, annotation};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, StatusCode};
use serde::Deserialize;

/// A namespace in the query.
#[derive(Debug, Default, Deserialize)]
pub(super) struct InNamespace {
    namespace: Option<String>,
    /// Any value but 0 and false asks for what the function uses.
    usage: Option<String>,
}

impl InNamespace {
    fn name(&self, service: &str) -> Result<FunctionName, ApiError> {
        self.or(service, "")
    }

    /// The body's namespace, else the query's.
    fn or(&self, service: &str, namespace: &str) -> Result<FunctionName, ApiError> {
        let namespace = match namespace {
            "" => self.namespace.as_deref().unwrap_or_default(),
            given => given,
        };
        FunctionName::new(service, namespace).map_err(|error| ApiError::bad_request(error.to_string()))
    }
}

pub(super) async fn info(State(app): State<App>) -> Result<Json<SystemInfo>, ApiError> {
    let provider = app.runtime.info().await?;
    let version = Version { release: env!("CARGO_PKG_VERSION").to_owned(), ..Version::default() };
    Ok(Json(SystemInfo { provider, version: Some(version), arch: std::env::consts::ARCH.to_owned() }))
}

/// As a provider says it to the gateway in front of it: what a gateway says of its provider, and nothing around it.
pub(super) async fn provider_info(State(app): State<App>) -> Result<Json<Provider>, ApiError> {
    Ok(Json(app.runtime.info().await?))
}

pub(super) async fn list(
    State(app): State<App>,
    Query(query): Query<InNamespace>,
) -> Result<Json<Vec<FunctionStatus>>, ApiError> {
    let mut functions = app.runtime.list(query.namespace.as_deref()).await?;
    functions.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Json(functions))
}

pub(super) async fn deploy(State(app): State<App>, request: Request<Body>) -> Result<StatusCode, ApiError> {
    let deployment: FunctionDeployment = json(&app, request.into_body()).await?;
    app.runtime.deploy(deployment).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn update(State(app): State<App>, request: Request<Body>) -> Result<StatusCode, ApiError> {
    let deployment: FunctionDeployment = json(&app, request.into_body()).await?;
    app.runtime.update(deployment).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn remove(
    State(app): State<App>,
    Query(query): Query<InNamespace>,
    request: Request<Body>,
) -> Result<StatusCode, ApiError> {
    let delete: DeleteFunctionRequest = json(&app, request.into_body()).await?;
    app.runtime.remove(&query.or(&delete.function_name, &delete.namespace)?).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn describe(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<InNamespace>,
) -> Result<Json<FunctionStatus>, ApiError> {
    let usage = query.usage.as_deref().is_some_and(|usage| !matches!(usage, "0" | "false"));
    let function = query.name(&name)?;
    match app.runtime.describe(&function, usage).await {
        Err(error) if error.kind == RuntimeErrorKind::NotFound => match elsewhere(&app, &function).await {
            Some(status) => Ok(Json(status)),
            None => Err(error.into()),
        },
        described => Ok(Json(described?)),
    }
}

/// A function that other nodes host. A gateway in front of this node asks before it calls, and any node can be called
/// for any function.
async fn elsewhere(app: &App, function: &FunctionName) -> Option<FunctionStatus> {
    // This node itself is one until it has withdrawn what was removed.
    let providers = app.node.providers(function.as_str()).await;
    let providers = providers.iter().filter(|provider| !provider.local).count() as u64;
    (providers > 0).then(|| FunctionStatus {
        name: function.service().to_owned(),
        namespace: function.namespace().to_owned(),
        annotations: [(annotation::HOSTED.to_owned(), "elsewhere".to_owned())].into(),
        replicas: providers,
        available_replicas: providers,
        ..FunctionStatus::default()
    })
}

pub(super) async fn scale(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(query): Query<InNamespace>,
    request: Request<Body>,
) -> Result<StatusCode, ApiError> {
    let scale: ScaleServiceRequest = json(&app, request.into_body()).await?;
    app.runtime.scale(&query.or(&name, &scale.namespace)?, scale.replicas).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn namespaces(State(app): State<App>) -> Result<Json<Vec<String>>, ApiError> {
    Ok(Json(app.runtime.namespaces().await?))
}

pub(super) async fn namespace(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<serde_json::Value>, ApiError> {
    match app.runtime.namespaces().await?.contains(&name) {
        true => Ok(Json(serde_json::json!({ "name": name }))),
        false => Err(ApiError::new(StatusCode::NOT_FOUND, format!("there is no namespace {name:?}"))),
    }
}

/// A namespace here is what functions name; none has to be made.
pub(super) async fn change_namespace() -> ApiError {
    ApiError::new(
        StatusCode::NOT_IMPLEMENTED,
        "namespaces are not made or removed here: one exists while a function names it",
    )
}

pub(super) async fn list_secrets(
    State(app): State<App>,
    Query(query): Query<InNamespace>,
) -> Result<Json<Vec<Secret>>, ApiError> {
    Ok(Json(app.runtime.secrets(SecretOperation::List { namespace: query.namespace }).await?))
}

pub(super) async fn create_secret(
    State(app): State<App>,
    request: Request<Body>,
) -> Result<StatusCode, ApiError> {
    let secret = json(&app, request.into_body()).await?;
    app.runtime.secrets(SecretOperation::Create(secret)).await?;
    Ok(StatusCode::CREATED)
}

pub(super) async fn update_secret(
    State(app): State<App>,
    request: Request<Body>,
) -> Result<StatusCode, ApiError> {
    let secret = json(&app, request.into_body()).await?;
    app.runtime.secrets(SecretOperation::Update(secret)).await?;
    Ok(StatusCode::OK)
}

pub(super) async fn delete_secret(
    State(app): State<App>,
    request: Request<Body>,
) -> Result<StatusCode, ApiError> {
    let secret = json(&app, request.into_body()).await?;
    app.runtime.secrets(SecretOperation::Delete(secret)).await?;
    Ok(StatusCode::OK)
}

/// A function's log, a line of JSON each; it goes on while `follow` is asked for.
pub(super) async fn logs(
    State(app): State<App>,
    Query(query): Query<LogQuery>,
) -> Result<Response, ApiError> {
    let messages = app.runtime.logs(query).await?.take_until(app.stopping.clone().cancelled_owned());
    let lines = messages.map(|message| {
        let mut line = serde_json::to_vec(&message?)?;
        line.push(b'\n');
        Ok::<Bytes, Box<dyn std::error::Error + Send + Sync>>(line.into())
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}
