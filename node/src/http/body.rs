//! Bodies of requests: bounded in size and in patience.

use super::App;
use super::error::ApiError;
use crate::body::{Body, BodyError};
use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_http::timeout::TimeoutBody;

/// A request's body as the node takes it: it breaks off when it is larger than the limit, or when nothing of it has come
/// for as long as `patience`.
///
/// # Errors
/// 413 at once, if the request says that it is larger.
pub(super) fn streamed(
    app: &App,
    headers: &HeaderMap,
    body: axum::body::Body,
    patience: Duration,
) -> Result<Body, ApiError> {
    let limit = app.settings.body_limit;
    if announced(headers).is_some_and(|length| length > limit) {
        return Err(ApiError::too_large(limit, "a request"));
    }
    // Most calls have none: nothing needs to be watched then.
    if body.is_end_stream() {
        return Ok(crate::body::empty());
    }
    let patient = TimeoutBody::new(patience, body);
    Ok(Bounded { body: Box::pin(patient), limit, left: limit }.boxed_unsync())
}

/// Reads a whole body that is a JSON object.
///
/// # Errors
/// 413 for one that is too large, 400 for one that is no JSON of this sort.
pub(super) async fn json<T: DeserializeOwned>(app: &App, body: axum::body::Body) -> Result<T, ApiError> {
    let bytes = whole(app, body).await?;
    // A list would be read as an object's values in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::bad_request("the body: it is not a JSON object"));
    }
    serde_json::from_slice(&bytes).map_err(|error| ApiError::bad_request(format!("the body: {error}")))
}

/// Reads a whole body.
///
/// # Errors
/// 413 for one that is too large, 400 for one that broke off.
pub(super) async fn whole(app: &App, body: axum::body::Body) -> Result<Bytes, ApiError> {
    let limit = app.settings.json_limit;
    let patient = TimeoutBody::new(app.settings.stall_timeout, body);
    match Limited::new(patient, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(ApiError::too_large(limit as u64, "a request of this sort"))
        }
        Err(error) => Err(ApiError::bad_request(format!("the body broke off: {error}"))),
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body that breaks off when it is too large.
struct Bounded {
    body: Pin<Box<TimeoutBody<axum::body::Body>>>,
    limit: u64,
    left: u64,
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = self.body.as_mut().poll_frame(cx).map_err(BodyError::Source);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(BodyError::TooLarge { limit: self.limit }))),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
