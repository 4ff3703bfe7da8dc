//! Whole nodes in this process, with their HTTP APIs on the loopback interface.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(unreachable_pub)]

pub mod gateway;

use edge_faas_node::daemon::Daemon;
use edge_faas_node::http::ItemResult;
use edge_faas_node::openfaas::FunctionDeployment;
use edge_faas_node::settings::Settings;
use libp2p::multiaddr::Protocol;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a streamed manycall is, both ways.
pub const NDJSON: &str = "application/x-ndjson";

/// For what has to happen, but nobody knows when on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Settings of a node that listens on any free ports of the loopback interface.
pub fn settings() -> Settings {
    let mut settings =
        Settings { http_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), ..Settings::default() };
    settings.node.network.listen = vec![libp2p::Multiaddr::from(Ipv4Addr::LOCALHOST).with(Protocol::Tcp(0))];
    settings.node.timeouts.drain = Duration::from_secs(5);
    settings
}

/// A node of its own.
pub async fn lone() -> Daemon {
    start(settings()).await
}

pub async fn start(settings: Settings) -> Daemon {
    Daemon::start(settings).await.expect("a node")
}

/// Makes a node begin with another.
pub fn knows(mut settings: Settings, first: &Daemon) -> Settings {
    let info = first.node.info();
    settings.node.network.bootstrap = info.listening.into_iter().map(|address| (info.id, address)).collect();
    settings
}

/// So many nodes that know each other.
pub async fn network(nodes: usize) -> Vec<Daemon> {
    let mut daemons = vec![lone().await];
    for _ in 1..nodes {
        let daemon = start(knows(settings(), &daemons[0])).await;
        daemons.push(daemon);
    }
    for daemon in &daemons {
        until("a node joins", || async { daemon.node.info().joined }).await;
    }
    daemons
}

/// Waits for something that is true at some time.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("it never happens: {what}"));
}

/// A deployment of a built-in function; names with `edge-faas.` are annotations, the others variables.
pub fn deployment(name: &str, image: &str, pairs: &[(&str, &str)]) -> FunctionDeployment {
    let (annotations, env_vars) = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .partition(|(name, _): &(String, String)| name.starts_with("edge-faas."));
    FunctionDeployment {
        service: name.to_owned(),
        image: format!("builtin/{image}"),
        annotations,
        env_vars,
        ..FunctionDeployment::default()
    }
}

pub async fn deploy(daemon: &Daemon, name: &str, image: &str, pairs: &[(&str, &str)]) {
    daemon.runtime.deploy(deployment(name, image, pairs)).await.expect("deployed");
}

/// Waits until a node finds so many providers.
pub async fn provided(daemon: &Daemon, name: &str, count: usize) {
    until("providers are found", || async { daemon.node.providers(name).await.len() == count }).await;
}

/// How often a node has run a function.
pub async fn runs(daemon: &Daemon, name: &str) -> u64 {
    let list = daemon.runtime.list(None).await.expect("a list");
    let function = list.iter().find(|function| function.name == name);
    function.map_or(0, |function| function.invocation_count as u64)
}

/// A client of one node.
pub struct Http {
    client: Client,
    url: String,
}

impl Http {
    pub fn of(daemon: &Daemon) -> Self {
        Self::at(&format!("http://{}", daemon.http))
    }

    pub fn at(url: &str) -> Self {
        Http { client: client(), url: url.trim_end_matches('/').to_owned() }
    }

    /// Waits until a function has so many providers.
    pub async fn provided(&self, name: &str, count: usize) {
        until("providers are found", || async {
            let found = self.json(&format!("/api/v1/providers/{name}")).await;
            found["providers"].as_array().map(Vec::len) == Some(count)
        })
        .await;
    }

    /// Deploys a built-in function on the node.
    pub async fn deploy(&self, name: &str, image: &str, pairs: &[(&str, &str)]) {
        let deployment = serde_json::to_value(deployment(name, image, pairs)).unwrap();
        assert_eq!(self.send(Method::POST, "/system/functions", deployment).await, 202);
    }

    /// A streamed manycall, whose body is its items.
    pub fn streamed(&self, name: &str) -> RequestBuilder {
        let path = format!("/api/v1/functions/{name}/executions/manycall");
        self.post(&path).header("content-type", NDJSON)
    }

    /// A streamed manycall of lines, its results in the order in which they came.
    pub async fn map(&self, name: &str, lines: String, idempotent: bool) -> Vec<ItemResult> {
        let request = self.streamed(name).header("x-edge-faas-idempotent", idempotent.to_string());
        let answer = request.body(lines).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.unwrap()
    }

    /// Sends JSON and returns the status.
    pub async fn send(&self, method: Method, path: &str, body: Value) -> u16 {
        self.request(method, path).json(&body).send().await.unwrap().status().as_u16()
    }

    /// A manycall as a list.
    pub async fn manycall(&self, name: &str, items: Vec<Value>) -> Vec<Value> {
        let path = format!("/api/v1/functions/{name}/executions/manycall");
        let response = self.post(&path).json(&json!({ "items": items })).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, 200, "{text}");
        let mut answer: Value = serde_json::from_str(&text).unwrap();
        match answer["results"].take() {
            Value::Array(results) => results,
            other => panic!("{other}"),
        }
    }
}

/// A client that speaks plain HTTP only, so that it needs no TLS.
pub fn client() -> Client {
    let roots = rustls::RootCertStore::empty();
    let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap()
}

pub fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// Sends bytes as they are and reads the answer until the other side closes.
pub async fn raw(daemon: &Daemon, request: &str) -> String {
    let mut stream = TcpStream::connect(daemon.http).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(PATIENCE, read).await.expect("an answer").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request with a path as it is.
pub async fn raw_get(daemon: &Daemon, path: &str) -> String {
    raw(daemon, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
}
