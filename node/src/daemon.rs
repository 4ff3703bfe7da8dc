//! A whole node: its runtime, its place in the network, and its HTTP API.

use crate::experiment::{Experiment, Observed};
use crate::handle::{Node, SharedRegistry};
use crate::http::{Server, router};
use crate::identity;
use crate::runtime::{Builtin, BuiltinSettings, OpenFaas, OpenFaasSettings, Runtime};
use crate::settings::{RuntimeKind, Settings};
use http::Uri;
use libp2p::identity::Keypair;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The file in the state folder in which the built-in runtime keeps its functions.
const BUILTIN_STATE: &str = "builtin.json";

/// A node that is up, with everything around it.
pub struct Daemon {
    /// The node.
    pub node: Node,
    /// What runs its functions.
    pub runtime: Arc<dyn Runtime>,
    /// Where its HTTP API listens.
    pub http: SocketAddr,
    /// Also stops the HTTP API when the daemon is dropped.
    stop: DropGuard,
    serving: JoinHandle<()>,
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daemon").field("http", &self.http).finish_non_exhaustive()
    }
}

/// Why a node is not up.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Something that was set is wrong: a sentence for people.
    #[error("{0}")]
    Settings(String),
    /// Something that was needed is not to be had.
    #[error("{0}")]
    Other(String),
}

impl Daemon {
    /// Starts a node. Returns when it listens, for nodes and for HTTP.
    ///
    /// # Errors
    /// Says what to change.
    pub async fn start(settings: Settings) -> Result<Self, DaemonError> {
        let mut http_settings = settings.http.clone();
        http_settings.credentials = settings.credentials().map_err(DaemonError::Settings)?;
        // One limit and one patience for both sides of the node.
        http_settings.body_limit = settings.node.limits.request_body;
        http_settings.drain = settings.node.timeouts.drain;
        let mut runtime = runtime(&settings).await?;
        let mut config = settings.node;
        if settings.experiment {
            let experiment = Arc::new(Experiment::default());
            runtime = Arc::new(Observed::new(runtime, Arc::clone(&experiment)));
            config.experiment = Some(experiment);
        }
        let server = Server::bind(settings.http_listen, http_settings.clone()).await;
        let server = server.map_err(|error| DaemonError::Other(error.to_string()))?;
        let http = server.address().map_err(|error: io::Error| DaemonError::Other(error.to_string()))?;
        let identity = match &config.state_dir {
            Some(folder) => {
                identity::load_or_create(folder).map_err(|error| DaemonError::Other(error.to_string()))?
            }
            None => Keypair::generate_ed25519(),
        };
        let registry = SharedRegistry::default();
        let node = Node::start(config, identity, Arc::clone(&runtime), Arc::clone(&registry))
            .await
            .map_err(|error| DaemonError::Settings(error.to_string()))?;
        let stop = CancellationToken::new();
        let router = router(node.clone(), Arc::clone(&runtime), http_settings, registry, stop.clone());
        let serving = tokio::spawn(server.serve(router, stop.clone().cancelled_owned()));
        Ok(Daemon { node, runtime, http, stop: stop.drop_guard(), serving })
    }

    /// Takes no more calls, lets those under way end, withdraws the functions, and disconnects.
    pub async fn shutdown(self) {
        drop(self.stop);
        // Both at once: others hear early that its functions are gone, and all have the same time to end.
        let _ = tokio::join!(self.serving, self.node.shutdown());
    }
}

async fn runtime(settings: &Settings) -> Result<Arc<dyn Runtime>, DaemonError> {
    let failed = |error: crate::runtime::RuntimeError| DaemonError::Settings(error.to_string());
    match settings.runtime.kind {
        RuntimeKind::Builtin => {
            let builtin = BuiltinSettings {
                cores: Some(settings.runtime.cores).filter(|cores| *cores > 0),
                state: settings.node.state_dir.as_ref().map(|folder| folder.join(BUILTIN_STATE)),
            };
            Ok(Arc::new(Builtin::open(&builtin).map_err(failed)?))
        }
        RuntimeKind::OpenFaas => {
            let of = &settings.runtime;
            let url = of.gateway.parse().map_err(|error| {
                DaemonError::Settings(format!("runtime.gateway: {:?} is no URL: {error}", of.gateway))
            })?;
            refuse_itself(&url, settings.http_listen)?;
            let openfaas = OpenFaasSettings {
                credentials: settings.gateway_credentials().map_err(DaemonError::Settings)?,
                poll_interval: of.poll_interval,
                timeout: of.timeout,
                concurrency: of.concurrency,
                queue: of.queue,
                ..OpenFaasSettings::new(url)
            };
            Ok(Arc::new(OpenFaas::open(openfaas).await.map_err(failed)?))
        }
    }
}

/// A node that is its own gateway would pass each call on to itself for ever.
fn refuse_itself(gateway: &Uri, http: SocketAddr) -> Result<(), DaemonError> {
    let host = gateway.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = gateway.port_u16().unwrap_or(if gateway.scheme_str() == Some("https") { 443 } else { 80 });
    let same_host = match host.parse::<IpAddr>() {
        Ok(ip) => {
            ip == http.ip() || (ip.is_loopback() && (http.ip().is_loopback() || http.ip().is_unspecified()))
        }
        Err(_) => host == "localhost" && (http.ip().is_loopback() || http.ip().is_unspecified()),
    };
    if same_host && port == http.port() {
        return Err(DaemonError::Settings(format!(
            "runtime.gateway ({gateway}) is this node's own HTTP API: set runtime.gateway to the gateway's URL, and \
             http.listen to another port"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_not_its_own_gateway() {
        let check = |gateway: &'static str, http: &str| {
            refuse_itself(&Uri::from_static(gateway), http.parse().unwrap()).is_ok()
        };
        for (gateway, http) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://localhost:8080/", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080", "0.0.0.0:8080"),
            ("http://10.0.0.1:8080", "10.0.0.1:8080"),
            ("http://[::1]:8080", "[::]:8080"),
            ("http://127.0.0.1", "127.0.0.1:80"),
        ] {
            assert!(!check(gateway, http), "{gateway} {http}");
        }
        for (gateway, http) in [
            ("http://127.0.0.1:8080", "127.0.0.1:9090"),
            ("http://10.0.0.2:8080", "10.0.0.1:8080"),
            ("http://gateway:8080", "0.0.0.0:8080"),
        ] {
            assert!(check(gateway, http), "{gateway} {http}");
        }
    }
}
