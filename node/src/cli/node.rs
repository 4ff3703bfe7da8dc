//! `edge-faas node`: a node until it is told to stop.

use super::args;
use super::failure::Failure;
use super::output::{print, print_json};
use crate::daemon::{Daemon, DaemonError};
use crate::settings::{RuntimeKind, Settings};
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use std::io::{self, IsTerminal};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Where a node listens that is not told.
const LISTEN: &str = "/ip4/0.0.0.0/tcp/4001,/ip4/0.0.0.0/udp/4001/quic-v1";
/// The same for a network with a pre-shared key, which QUIC does not know.
const LISTEN_PRIVATE: &str = "/ip4/0.0.0.0/tcp/4001";

/// Runs a node until SIGINT or SIGTERM.
pub(super) async fn node(command: &args::Node) -> Result<(), Failure> {
    start_log("warn,edge_faas_node=info");
    let settings = settings(command)?;
    raise_descriptors(settings.http.connections as u64 + u64::from(settings.node.limits.connections));
    let mut signals = Signals::new()?;
    let daemon = tokio::select! {
        daemon = Daemon::start(settings) => daemon.map_err(failure)?,
        () = signals.wait() => return Ok(()),
    };
    if command.json {
        print_json(&json!({
            "id": daemon.node.id().to_string(),
            "addresses": addresses(&daemon).iter().map(ToString::to_string).collect::<Vec<_>>(),
            "http": url(&daemon),
        }))?;
    } else {
        print(greeting(&daemon))?;
    }
    signals.wait().await;
    tracing::info!("stopping: calls under way are let end, functions are withdrawn");
    tokio::select! {
        () = daemon.shutdown() => Ok(()),
        // Who asks twice does not want to wait.
        () = signals.wait() => Err(Failure::other("stopped before calls under way had ended")),
    }
}

/// Does nothing until SIGINT or SIGTERM.
pub(super) async fn pause() -> Result<(), Failure> {
    Signals::new()?.wait().await;
    Ok(())
}

/// Logs to standard error what RUST_LOG asks for, else the default.
pub(super) fn start_log(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    // It fails where there is one already, which is as good.
    let _ = log.with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).try_init();
}

/// Asks the system for as many file descriptors as it gives: a connection is one, and the usual limit is low.
pub(super) fn raise_descriptors(connections: u64) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    if let Some(files) = getrlimit(Resource::Nofile).current.filter(|files| *files < connections) {
        tracing::warn!(
            files,
            connections,
            "fewer open files are allowed than connections are: raise `ulimit -Hn`"
        );
    }
}

pub(super) fn failure(error: DaemonError) -> Failure {
    match error {
        DaemonError::Settings(message) => Failure::Input(message),
        DaemonError::Other(message) => Failure::Other(message),
    }
}

fn settings(command: &args::Node) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    if let Some(path) = &command.config {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
        settings.read(&text).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
    }
    for (key, value) in &command.set {
        settings.set(key, value).map_err(Failure::Input)?;
    }
    let list =
        |addresses: &[Multiaddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mut set = |key: &str, value: Option<String>| match value {
        Some(value) => settings.set(key, &value).map_err(Failure::Input),
        None => Ok(()),
    };
    set("network.listen", Some(list(&command.listen)).filter(|list| !list.is_empty()))?;
    set("network.bootstrap", Some(list(&command.bootstrap)).filter(|list| !list.is_empty()))?;
    set("http.listen", command.http.map(|address| address.to_string()))?;
    set("runtime.gateway", command.openfaas.clone())?;
    set(
        "runtime.kind",
        command.runtime.clone().or(command.openfaas.as_ref().map(|_| "openfaas".to_owned())),
    )?;
    if settings.node.network.listen.is_empty() {
        let listen = match settings.node.network.pre_shared_key {
            Some(_) => LISTEN_PRIVATE,
            None => LISTEN,
        };
        settings.set("network.listen", listen).map_err(Failure::Input)?;
    }
    settings.node.state_dir.clone_from(&command.state);
    if command.state.is_none() && settings.runtime.kind == RuntimeKind::Builtin {
        tracing::warn!("without --state the node's identity and its functions are lost when it stops");
    }
    Ok(settings)
}

/// The addresses of a node as others name it: with its id.
pub(super) fn addresses(daemon: &Daemon) -> Vec<Multiaddr> {
    let info = daemon.node.info();
    info.listening.into_iter().map(|address| address.with(Protocol::P2p(info.id))).collect()
}

/// Where a node's HTTP API is reached.
pub(super) fn url(daemon: &Daemon) -> String {
    format!("http://{}", daemon.http)
}

fn greeting(daemon: &Daemon) -> String {
    let mut text = format!("node {}\n", daemon.node.id());
    for address in addresses(daemon) {
        text += &format!("     {address}\n");
    }
    text + &format!("http {}\n", url(daemon))
}

/// The signals by which a program is told to stop.
pub(super) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, Failure> {
        let interrupt = signal(SignalKind::interrupt()).map_err(Failure::other)?;
        let terminate = signal(SignalKind::terminate()).map_err(Failure::other)?;
        Ok(Signals { interrupt, terminate })
    }

    /// Waits for the next of them.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
