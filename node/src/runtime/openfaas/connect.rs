//! The connections to a gateway.

use super::{Settings, unavailable};
use crate::body::Body;
use crate::runtime::{RuntimeError, RuntimeErrorKind};
use base64::Engine;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection that nobody uses is kept. Below the 60 s after which gateways close theirs.
const IDLE: Duration = Duration::from_secs(30);

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Credentials {
    /// The value of an `Authorization` header.
    pub fn header(&self) -> HeaderValue {
        let token = format!("{}:{}", self.user, self.password);
        let token = base64::engine::general_purpose::STANDARD.encode(token);
        // Base64 has only characters that a header may have.
        let mut value =
            HeaderValue::from_str(&format!("Basic {token}")).unwrap_or(HeaderValue::from_static("Basic"));
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A gateway's address, and a pool of connections to it. Paths are sent as they are: nothing on the way normalises
/// them.
pub(super) struct Connection {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    scheme: Scheme,
    authority: Authority,
    /// The path below which its API lies, without a slash at its end.
    prefix: String,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) timeout: Duration,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("gateway", &self.to_string()).finish_non_exhaustive()
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.prefix)
    }
}

impl Connection {
    pub(super) fn new(settings: &Settings) -> Result<Self, RuntimeError> {
        let invalid = |message: &str| {
            RuntimeError::new(RuntimeErrorKind::Invalid, format!("{}: {message}", settings.url))
        };
        let parts = settings.url.clone().into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err(invalid("a gateway's URL is written as http://HOST:PORT"));
        };
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(invalid("a gateway is reached over http or https"));
        }
        if authority.as_str().contains('@') {
            return Err(invalid("give the gateway's user and password apart from its URL"));
        }
        let path = parts.path_and_query.as_ref().map_or("", |path| path.path());
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.set_connect_timeout(Some(settings.timeout));
        http.enforce_http(false);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let https = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .map_err(|error| unavailable(format!("TLS: {error}")))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(https);
        Ok(Connection {
            client,
            scheme,
            authority,
            prefix: path.trim_end_matches('/').to_owned(),
            authorization: settings.credentials.as_ref().map(Credentials::header),
            timeout: settings.timeout,
        })
    }

    /// The address of something below the gateway, `below` being its raw path and query.
    pub(super) fn uri(&self, below: &str) -> Result<Uri, RuntimeError> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(format!("{}{below}", self.prefix))
            .build()
            .map_err(|error| RuntimeError::new(RuntimeErrorKind::Invalid, format!("{below}: {error}")))
    }

    /// Sends a request, over a connection that stands or another.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Error> {
        self.client.request(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(url: &'static str) -> Result<Connection, RuntimeError> {
        Connection::new(&Settings::new(Uri::from_static(url)))
    }

    #[test]
    fn paths_are_put_below_the_url_and_not_touched() {
        for (url, whole) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/function/f//a%2Fb/c\\d?x=%20&y"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/function/f//a%2Fb/c\\d?x=%20&y"),
            ("https://edge.example/faas/", "https://edge.example/faas/function/f//a%2Fb/c\\d?x=%20&y"),
        ] {
            let uri = connection(url).unwrap().uri("/function/f//a%2Fb/c\\d?x=%20&y").unwrap();
            assert_eq!(uri.to_string(), whole);
        }
    }

    #[test]
    fn urls_that_cannot_be_called_are_refused() {
        for url in ["127.0.0.1:8080", "/gateway", "ftp://host/", "http://admin:secret@host/"] {
            let error = connection(url).expect_err(url);
            assert_eq!(error.kind, RuntimeErrorKind::Invalid, "{error}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let credentials = Credentials { user: "admin".to_owned(), password: "hunter2".to_owned() };
        assert_eq!(credentials.header(), "Basic YWRtaW46aHVudGVyMg==");
        assert!(!format!("{credentials:?} {:?}", credentials.header()).contains("hunter2"));
    }
}
