//! The interface of the thesis' prototype, `/api/v1/functions/…`.

use super::App;
use super::body;
use super::error::ApiError;
use super::function::{Marks, carry};
use super::header::{self, IDEMPOTENT, POLICY, TIMEOUT};
use super::item;
use crate::call::CallRequest;
use crate::openfaas::FunctionName;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{Request, StatusCode};
use std::time::Instant;

/// `POST …/{name}/executions`: an anycall, described by JSON. Answers with the function's status and body.
pub(super) async fn anycall(
    State(app): State<App>,
    Path(name): Path<String>,
    request: Request<Body>,
) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let function = FunctionName::parse(&name).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let (mut parts, body) = request.into_parts();
    let marks = Marks::put(&mut parts);
    let text = body::whole(&app, body).await?;
    let text =
        std::str::from_utf8(&text).map_err(|error| ApiError::bad_request(format!("the body: {error}")))?;
    let item = item::read(text).map_err(ApiError::bad_request)?;
    let mut headers = item.headers;
    // The envelope's marks are the call's; the rest of its headers describe the envelope.
    for name in Marks::NAMES {
        headers.extend(parts.headers.get(&name).cloned().map(|value| (name, value)));
    }
    let call = CallRequest {
        function: function.as_str().to_owned(),
        method: item.method,
        path: item.path,
        query: item.query,
        headers,
        body: crate::body::full(item.body),
        timeout: header::duration(&parts.headers, TIMEOUT)?,
        policy: header::parsed(&parts.headers, POLICY)?,
        idempotent: header::parsed(&parts.headers, IDEMPOTENT)?,
    };
    Ok(marks.on(carry(&app, &function, call, begun).await))
}

/// `…/functions/deployments`: the prototype built an image from a Python handler. We build none.
pub(super) async fn deploy() -> ApiError {
    ApiError::new(
        StatusCode::NOT_IMPLEMENTED,
        "this node builds no images from handler.py and requirements.txt. Build one with `faas-cli publish` (template \
         python3-http) into a registry of yours, then deploy it on a node with a gateway behind it: POST \
         /system/functions with {\"service\": NAME, \"image\": IMAGE}, `faas-cli deploy`, or `edge-faas deploy`. \
         Deployed on a second node under the same name, it has a second provider",
    )
}
