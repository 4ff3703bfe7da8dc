//! A runtime for tests, and networks of nodes on this machine.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(unreachable_pub)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use bytes::Bytes;
use edge_faas_core::context::{Capacity, Timing};
use edge_faas_core::io::Started;
use edge_faas_node::body::{self, Body};
use edge_faas_node::call::{CallRequest, CallResponse};
use edge_faas_node::config::Config;
use edge_faas_node::handle::{Node, SharedRegistry};
use edge_faas_node::openfaas::{
    FunctionDeployment, FunctionName, FunctionStatus, LogMessage, LogQuery, Provider, Secret,
};
use edge_faas_node::runtime::*;
use futures::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use libp2p::Multiaddr;
use libp2p::identity::Keypair;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Runs a few functions by name: `echo…` streams the body back, `sink…` counts it, `sleep…` sleeps the milliseconds in
/// the query, `stuck…` never answers, `fail…` breaks, `drip…` sends a byte every 10 ms without end.
pub struct TestRuntime {
    hosted: watch::Sender<HostedFunctions>,
    pub slots: AtomicU32,
    pub running: AtomicU32,
    pub executions: AtomicU64,
    pub cancelled: AtomicU64,
    pub down: AtomicBool,
}

struct Place<'a>(&'a TestRuntime, bool);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
        if !self.1 {
            self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl TestRuntime {
    pub fn hosting(functions: &[&str]) -> Arc<Self> {
        let runtime = TestRuntime {
            hosted: watch::Sender::default(),
            slots: AtomicU32::new(10_000),
            running: AtomicU32::new(0),
            executions: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            down: AtomicBool::new(false),
        };
        for function in functions {
            runtime.host(function, false);
        }
        Arc::new(runtime)
    }

    pub fn host(&self, function: &str, idempotent: bool) {
        self.hosted.send_modify(|hosted| {
            Arc::make_mut(hosted).insert(function.to_owned(), Hosted { idempotent });
        });
    }

    pub fn unhost(&self, function: &str) {
        self.hosted.send_modify(|hosted| {
            Arc::make_mut(hosted).remove(function);
        });
    }
}

fn unsupported<T>() -> Result<T, RuntimeError> {
    Err(RuntimeError { kind: RuntimeErrorKind::Unsupported, message: "not in tests".to_owned() })
}

#[async_trait::async_trait]
impl Runtime for TestRuntime {
    async fn info(&self) -> Result<Provider, RuntimeError> {
        Ok(Provider::default())
    }
    async fn deploy(&self, deployment: FunctionDeployment) -> Result<(), RuntimeError> {
        self.host(&deployment.service, false);
        Ok(())
    }
    async fn update(&self, _: FunctionDeployment) -> Result<(), RuntimeError> {
        unsupported()
    }
    async fn remove(&self, name: &FunctionName) -> Result<(), RuntimeError> {
        self.unhost(name.as_str());
        Ok(())
    }
    async fn list(&self, _: Option<&str>) -> Result<Vec<FunctionStatus>, RuntimeError> {
        unsupported()
    }
    async fn describe(&self, _: &FunctionName, _: bool) -> Result<FunctionStatus, RuntimeError> {
        unsupported()
    }
    async fn scale(&self, _: &FunctionName, _: u64) -> Result<(), RuntimeError> {
        unsupported()
    }
    async fn logs(
        &self,
        _: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogMessage, RuntimeError>>, RuntimeError> {
        unsupported()
    }
    async fn secrets(&self, _: SecretOperation) -> Result<Vec<Secret>, RuntimeError> {
        unsupported()
    }
    async fn namespaces(&self) -> Result<Vec<String>, RuntimeError> {
        unsupported()
    }
    async fn healthy(&self) -> Result<(), RuntimeError> {
        Ok(())
    }
    fn hosted(&self) -> watch::Receiver<HostedFunctions> {
        self.hosted.subscribe()
    }
    fn capacity(&self, function: &str) -> Option<Capacity> {
        self.hosted.borrow().contains_key(function).then(|| Capacity {
            slots: self.slots.load(Ordering::SeqCst),
            running: self.running.load(Ordering::SeqCst),
            queued: 0,
            queue_limit: 0,
        })
    }

    async fn execute(&self, request: ExecuteRequest) -> Result<ExecuteResponse, RuntimeFailure> {
        let failure =
            |reason, started, message: &str| RuntimeFailure { reason, started, message: message.to_owned() };
        if self.down.load(Ordering::SeqCst) {
            return Err(failure(RuntimeFailureReason::Runtime, Started::No, "the runtime is down"));
        }
        if self.running.fetch_add(1, Ordering::SeqCst) >= self.slots.load(Ordering::SeqCst) {
            self.running.fetch_sub(1, Ordering::SeqCst);
            let full = RuntimeFailureReason::Full { retry_after: None };
            return Err(failure(full, Started::No, "no slot is free"));
        }
        let mut place = Place(self, false);
        if !request.start.start() {
            return Err(failure(RuntimeFailureReason::Cancelled, Started::No, "reclaimed"));
        }
        self.executions.fetch_add(1, Ordering::SeqCst);
        let begun = Instant::now();
        let mut headers = HeaderMap::new();
        let ExecuteRequest { function, method, path, query, headers: got, body, .. } = request;
        let kind: String = function.chars().take_while(|c| c.is_ascii_alphabetic()).collect();
        let body: Body = match kind.as_str() {
            "echo" => {
                for (name, value) in &got {
                    headers.append(name, value.clone());
                }
                let heading = format!("{method} {path}?{}", query.unwrap_or_default());
                headers.insert("x-heard", heading.parse().unwrap());
                body
            }
            "sink" => {
                let mut body = body;
                let mut count = 0usize;
                while let Some(frame) = body.frame().await {
                    match frame {
                        Ok(frame) => count += frame.into_data().map_or(0, |bytes| bytes.len()),
                        Err(error) => {
                            let message = error.to_string();
                            return Err(failure(RuntimeFailureReason::Runtime, Started::Yes, &message));
                        }
                    }
                }
                body::full(count.to_string())
            }
            "sleep" => {
                let millis = query.and_then(|query| query.parse().ok()).unwrap_or(0);
                tokio::time::sleep(Duration::from_millis(millis)).await;
                body
            }
            "stuck" => std::future::pending().await,
            "drip" => {
                use futures::StreamExt;
                let drops = futures::stream::unfold((), |()| async {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    Some((Ok(http_body::Frame::data(Bytes::from_static(b"."))), ()))
                });
                http_body_util::StreamBody::new(drops.boxed()).boxed_unsync()
            }
            _ => return Err(failure(RuntimeFailureReason::Runtime, Started::Yes, "it broke")),
        };
        place.1 = true;
        let exec = edge_faas_core::time::Duration::from_nanos(begun.elapsed().as_nanos() as i64);
        Ok(ExecuteResponse {
            status: StatusCode::OK,
            headers,
            body,
            timing: Timing { exec, ..Timing::default() },
        })
    }
}

/// How a test's nodes listen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    Memory,
    Tcp,
    Quic,
}

impl Wire {
    fn address(self) -> Multiaddr {
        match self {
            Wire::Memory => "/memory/0",
            Wire::Tcp => "/ip4/127.0.0.1/tcp/0",
            Wire::Quic => "/ip4/127.0.0.1/udp/0/quic-v1",
        }
        .parse()
        .unwrap()
    }
}

pub fn config(wire: Wire) -> Config {
    let mut config = Config::default();
    config.network.listen = vec![wire.address()];
    config
}

pub async fn start(config: Config, runtime: Arc<TestRuntime>) -> Node {
    start_as(Keypair::generate_ed25519(), config, runtime).await
}

pub async fn start_as(identity: Keypair, config: Config, runtime: Arc<TestRuntime>) -> Node {
    Node::start(config, identity, runtime, SharedRegistry::default()).await.unwrap()
}

/// A node with its runtime.
pub struct Member {
    pub node: Node,
    pub runtime: Arc<TestRuntime>,
}

/// A network: each node joins through the first; node i hosts `functions(i)`.
pub async fn network(
    wire: Wire,
    count: usize,
    functions: impl Fn(usize) -> Vec<&'static str>,
) -> Vec<Member> {
    network_of(|| config(wire), count, functions).await
}

pub async fn network_of(
    config: impl Fn() -> Config,
    count: usize,
    functions: impl Fn(usize) -> Vec<&'static str>,
) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for i in 0..count {
        let mut config = config();
        if let Some(first) = members.first() {
            config.network.bootstrap = vec![(first.node.id(), first.node.info().listening[0].clone())];
        }
        let runtime = TestRuntime::hosting(&functions(i));
        members.push(Member { node: start(config, runtime.clone()).await, runtime });
    }
    for member in &members {
        until("a node joins", Duration::from_secs(30), || member.node.info().joined).await;
    }
    members
}

/// Waits until something holds.
pub async fn until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < patience, "after {patience:?} still not: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the network names this many providers of a function.
pub async fn provided(node: &Node, function: &str, count: usize) {
    let begun = Instant::now();
    loop {
        let found = node.providers(function).await.len();
        if found >= count {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{found} providers of {function} found, not {count}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub fn request(function: &str, body: impl Into<Bytes>) -> CallRequest {
    CallRequest {
        function: function.to_owned(),
        method: Method::POST,
        path: String::new(),
        query: None,
        headers: HeaderMap::new(),
        body: body::full(body),
        timeout: None,
        policy: None,
        idempotent: None,
    }
}

pub async fn bytes(response: CallResponse) -> Bytes {
    response.body.collect().await.unwrap().to_bytes()
}

pub fn log() {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_test_writer()
        .try_init();
}

/// The functions that a node hosts, as the runtime has them.
pub fn names(functions: &[&str]) -> BTreeMap<String, Hosted> {
    functions.iter().map(|name| ((*name).to_owned(), Hosted::default())).collect()
}
