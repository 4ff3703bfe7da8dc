//! Basic authentication of `/system/…`, as OpenFaaS has it.

use super::App;
use crate::runtime::Credentials;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use subtle::ConstantTimeEq;

/// Lets only those pass who know the password.
pub(super) async fn require(State(app): State<App>, request: Request<Body>, next: Next) -> Response {
    match &app.settings.credentials {
        Some(wanted) if !allowed(wanted, request.headers()) => {
            let challenge = [(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Restricted\""))];
            (StatusCode::UNAUTHORIZED, challenge, "invalid credentials\n").into_response()
        }
        _ => next.run(request).await,
    }
}

/// Compares in a time that does not depend on how much is right; the lengths are no secret.
fn allowed(wanted: &Credentials, headers: &HeaderMap) -> bool {
    let Some((user, password)) = given(headers) else { return false };
    let user = user.as_bytes().ct_eq(wanted.user.as_bytes());
    let password = password.as_bytes().ct_eq(wanted.password.as_bytes());
    (user & password).into()
}

fn given(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let token = base64::engine::general_purpose::STANDARD.decode(token.trim()).ok()?;
    let text = String::from_utf8(token).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_user_with_the_right_password_passes() {
        let credentials =
            |user: &str, password: &str| Credentials { user: user.to_owned(), password: password.to_owned() };
        let wanted = credentials("admin", "a:b");
        let check = |value: Option<HeaderValue>| {
            let mut headers = HeaderMap::new();
            headers.extend(value.map(|value| (AUTHORIZATION, value)));
            allowed(&wanted, &headers)
        };
        assert!(check(Some(wanted.header())));
        assert!(check(Some(HeaderValue::from_static("basic YWRtaW46YTpi"))));
        for (user, password) in
            [("admin", "a:c"), ("Admin", "a:b"), ("admin", ""), ("", "a:b"), ("admin", "a:bb")]
        {
            assert!(!check(Some(credentials(user, password).header())), "{user} {password}");
        }
        for text in ["Basic", "Basic ", "Basic !", "Bearer YWRtaW46YTpi", "YWRtaW46YTpi", "Basic /w=="] {
            assert!(!check(Some(HeaderValue::from_static(text))), "{text}");
        }
        assert!(!check(None));
    }
}
