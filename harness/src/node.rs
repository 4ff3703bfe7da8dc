//! A node as the harness talks to it: over its HTTP API, whatever backend it runs on.

use crate::failure::Failure;
use edge_faas_node::experiment::{LinkPlan, RuntimePlan};
use edge_faas_node::http::{Join, Peers, Ping, Pong, Providers};
use edge_faas_node::openfaas::{FunctionDeployment, FunctionStatus};
use reqwest::{Client, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// For an answer to a question that a node answers at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// A node's HTTP API.
#[derive(Clone, Debug)]
pub struct NodeClient {
    client: Client,
    url: String,
    /// User and password of its administration.
    credentials: Option<(String, String)>,
}

/// The client that all nodes are talked to with.
///
/// # Errors
/// If there is none to be had.
pub fn client() -> Result<Client, Failure> {
    // Nodes speak plain HTTP: no certificate is trusted, because none is asked for.
    let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .map_err(Failure::other)?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .pool_max_idle_per_host(usize::MAX)
        // An idle connection that the node closes just then would fail a call that it never saw.
        .pool_idle_timeout(Duration::from_secs(10))
        .connect_timeout(Duration::from_secs(5))
        .build()
        .map_err(|error| Failure::Other(format!("no HTTP client: {error}")))
}

impl NodeClient {
    /// The node at `url`.
    pub fn new(client: &Client, url: String) -> Self {
        NodeClient { client: client.clone(), url, credentials: None }
    }

    /// The same, whose administration asks for these.
    #[must_use]
    pub fn with_credentials(self, credentials: Option<(String, String)>) -> Self {
        NodeClient { credentials, ..self }
    }

    /// A POST to `path`.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let request = match &self.credentials {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        };
        let response = request.timeout(PATIENCE).send().await;
        let response = response.map_err(|error| Failure::Other(self.explain(&error)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        Err(Failure::Other(format!("{} answers {status}: {}", self.url, text.trim())))
    }

    /// An error with its causes.
    fn explain(&self, error: &reqwest::Error) -> String {
        let mut text = format!("{}: {error}", self.url);
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let response = self.send(self.client.get(format!("{}{path}", self.url))).await?;
        response.json().await.map_err(|error| Failure::Other(self.explain(&error)))
    }

    async fn tell(&self, request: RequestBuilder, body: &impl Serialize) -> Result<Response, Failure> {
        self.send(request.json(body)).await
    }

    /// Whether it is up.
    pub async fn is_healthy(&self) -> bool {
        let request = self.client.get(format!("{}/healthz", self.url)).timeout(Duration::from_secs(2));
        request.send().await.is_ok_and(|response| response.status().is_success())
    }

    /// Its metrics as text; `None` if it does not answer at once.
    pub async fn metrics(&self) -> Option<String> {
        let request = self.client.get(format!("{}/metrics", self.url)).timeout(Duration::from_secs(2));
        request.send().await.ok()?.error_for_status().ok()?.text().await.ok()
    }

    /// What it says of itself and of those it knows.
    ///
    /// # Errors
    /// If it does not say; so for the others.
    pub async fn peers(&self) -> Result<Peers, Failure> {
        self.get("/api/v1/peers").await
    }

    /// Looks up who hosts a function.
    ///
    /// # Errors
    /// If it does not say.
    pub async fn providers(&self, function: &str) -> Result<Providers, Failure> {
        self.get(&format!("/api/v1/providers/{function}")).await
    }

    /// Its events, from its start on.
    ///
    /// # Errors
    /// If somebody reads them already.
    pub async fn records(&self) -> Result<Response, Failure> {
        // Endless: no limit of time.
        let response = self.client.get(format!("{}/api/v1/experiment/records", self.url)).send().await;
        let response = response.map_err(|error| Failure::Other(self.explain(&error)))?;
        let status = response.status();
        match status.is_success() {
            true => Ok(response),
            false => Err(Failure::Other(format!("{}: its events: {status}", self.url))),
        }
    }

    /// Makes its links what `plan` says.
    ///
    /// # Errors
    /// If it refuses.
    pub async fn set_links(&self, plan: &LinkPlan) -> Result<(), Failure> {
        self.tell(self.client.put(format!("{}/api/v1/experiment/links", self.url)), plan).await.map(drop)
    }

    /// Makes its runtime what `plan` says.
    ///
    /// # Errors
    /// If it refuses.
    pub async fn set_runtime(&self, plan: RuntimePlan) -> Result<(), Failure> {
        self.tell(self.client.put(format!("{}/api/v1/experiment/runtime", self.url)), &plan).await.map(drop)
    }

    /// Lets it enter the network through these addresses.
    ///
    /// # Errors
    /// If it refuses.
    pub async fn join(&self, bootstrap: Vec<String>) -> Result<(), Failure> {
        self.tell(self.post("/api/v1/experiment/join"), &Join { bootstrap }).await.map(drop)
    }

    /// Lets it forget providers and close all connections.
    ///
    /// # Errors
    /// If it refuses.
    pub async fn make_cold(&self) -> Result<(), Failure> {
        self.send(self.post("/api/v1/experiment/cold")).await.map(drop)
    }

    /// Lets it measure round trips to another.
    ///
    /// # Errors
    /// If it refuses.
    pub async fn ping(&self, address: String, samples: u32) -> Result<Pong, Failure> {
        let response = self.tell(self.post("/api/v1/experiment/ping"), &Ping { address, samples }).await?;
        response.json().await.map_err(|error| Failure::Other(self.explain(&error)))
    }

    /// Deploys a function on it.
    ///
    /// # Errors
    /// If it refuses.
    pub async fn deploy(&self, deployment: &FunctionDeployment) -> Result<(), Failure> {
        self.tell(self.post("/system/functions"), deployment).await.map(drop)
    }

    /// The functions that it lists.
    ///
    /// # Errors
    /// If it does not say.
    pub async fn functions(&self) -> Result<Vec<FunctionStatus>, Failure> {
        self.get("/system/functions").await
    }

    /// Removes a function.
    ///
    /// # Errors
    /// If it refuses.
    pub async fn remove(&self, function: &str) -> Result<(), Failure> {
        let request = self.client.delete(format!("{}/system/functions", self.url));
        self.tell(request, &serde_json::json!({ "functionName": function })).await.map(drop)
    }

    /// What it says of itself and of what runs its functions.
    ///
    /// # Errors
    /// If it does not say.
    pub async fn info(&self) -> Result<serde_json::Value, Failure> {
        self.get("/system/info").await
    }
}
