//! Answers that are not what was asked for: a status, and a sentence that says what to do.

use crate::runtime::{RuntimeError, RuntimeErrorKind};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use std::fmt;

/// A refusal, as plain text with a status.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    message: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        ApiError { status, message: message.into() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn too_large(limit: u64, what: &str) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than the {limit} bytes that {what} may have"),
        )
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<RuntimeError> for ApiError {
    fn from(error: RuntimeError) -> Self {
        let status = match error.kind {
            RuntimeErrorKind::Invalid => StatusCode::BAD_REQUEST,
            RuntimeErrorKind::NotFound => StatusCode::NOT_FOUND,
            RuntimeErrorKind::Exists => StatusCode::CONFLICT,
            RuntimeErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
            RuntimeErrorKind::Unavailable => StatusCode::BAD_GATEWAY,
        };
        Self::new(status, error.message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, self.message + "\n").into_response()
    }
}
