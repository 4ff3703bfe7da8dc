//! Talks to a node.

use super::args::Target;
use super::failure::Failure;
use super::login;
use crate::runtime::Credentials;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::env;
use std::time::Duration;

/// A node when nobody says which.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// What an OpenFaaS gateway says of a path that it does not have.
const NO_ROUTE: &str = "404 page not found";
/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one node.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    credentials: Option<Credentials>,
}

impl Client {
    /// A client of the node that the arguments, else the environment, name.
    pub(super) fn new(target: &Target) -> Result<Self, Failure> {
        let url = match &target.gateway {
            Some(url) => url.clone(),
            None => {
                env::var("OPENFAAS_URL").ok().filter(|url| !url.is_empty()).unwrap_or(DEFAULT_URL.to_owned())
            }
        };
        let url = url.trim_end_matches('/').to_owned();
        let parsed = reqwest::Url::parse(&url);
        if !parsed.is_ok_and(|parsed| matches!(parsed.scheme(), "http" | "https")) {
            return Err(Failure::Input(format!("{url:?} is no node's URL: write it as http://HOST:PORT")));
        }
        let credentials = match login::path(|name| env::var_os(name)) {
            Some(path) => login::read(&path, &url)?,
            None => None,
        };
        let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let tls =
            rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
                .with_safe_default_protocol_versions()
                .map_err(Failure::other)?
                .with_root_certificates(roots)
                .with_no_client_auth();
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .user_agent(concat!("edge-faas/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Failure::other)?;
        Ok(Client { http, url, credentials })
    }

    /// The node's URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// A call of a function, or anything else that needs no password.
    pub(super) fn open(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A request to the administration, with the password if there is one.
    pub(super) fn system(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.open(method, path);
        match &self.credentials {
            Some(credentials) => request.basic_auth(&credentials.user, Some(&credentials.password)),
            None => request,
        }
    }

    /// Sends a request, and returns the answer whatever its status.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        request.send().await.map_err(|error| self.broken(&error))
    }

    /// What a request that got no answer, or half of one, means.
    pub(super) fn broken(&self, error: &reqwest::Error) -> Failure {
        let mut causes = String::new();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            causes = cause.to_string();
            source = cause.source();
        }
        if error.is_connect() {
            return Failure::Unreachable(format!(
                "no node answers at {}: {causes}. Start one with `edge-faas node` or `edge-faas devnet`, or name one with \
                 --gateway or OPENFAAS_URL",
                self.url
            ));
        }
        Failure::Unreachable(format!("{}: the answer broke off: {error}: {causes}", self.url))
    }

    /// Sends a request, and returns an answer of 2xx; another one is a failure with the node's words.
    pub(super) async fn ask(&self, request: RequestBuilder) -> Result<Response, Failure> {
        self.accept(self.send(request).await?).await
    }

    /// Returns an answer of 2xx; another one is a failure with the node's words.
    pub(super) async fn accept(&self, response: Response) -> Result<Response, Failure> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let path = response.url().path().to_owned();
        let text = response.text().await.unwrap_or_default();
        Err(self.refused(status, &path, text.trim()))
    }

    fn refused(&self, status: StatusCode, path: &str, text: &str) -> Failure {
        if status == StatusCode::UNAUTHORIZED {
            return Failure::Other(format!(
                "{} asks for a password: `faas-cli login --gateway {}` stores one",
                self.url, self.url
            ));
        }
        let text = match status {
            StatusCode::NOT_FOUND if path.contains("/api/v1/") && text == NO_ROUTE => {
                "it is an OpenFaaS gateway; this command needs a node (--gateway, OPENFAAS_URL)"
            }
            // A gateway keeps its provider's words on logs to itself.
            StatusCode::NOT_IMPLEMENTED if path.ends_with("/system/logs") && text.is_empty() => {
                "there is no such function, or its provider keeps no logs"
            }
            _ if text.is_empty() => return Failure::Other(format!("{} answers {status}", self.url)),
            _ => text,
        };
        Failure::Other(format!("{} answers {status}: {text}", self.url))
    }

    /// Asks for something that is JSON.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let response = self.ask(self.system(Method::GET, path)).await?;
        let bytes = response.bytes().await.map_err(|error| self.broken(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::Other(format!("{}{path}: the answer is none of a node: {error}", self.url))
        })
    }

    /// Sends something that is JSON.
    pub(super) async fn send_json(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Response, Failure> {
        self.send(self.system(method, path).json(body)).await
    }
}
