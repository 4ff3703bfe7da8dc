//! All nodes in this process, over libp2p's memory transport. Each has a runtime of its own, so that one can die alone.

use super::subnet::Subnet;
use super::{Backend, HTTP_PORT, NodeSettings, Scratch};
use crate::failure::Failure;
use edge_faas_core::results::Source;
use edge_faas_node::daemon::Daemon;
use edge_faas_node::settings::Settings;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::{Builder, Runtime};

/// The first number of the next run's addresses: they are shared by all of a process.
static NEXT: AtomicU64 = AtomicU64::new(1);
/// Numbers that a run has.
const NUMBERS: u64 = 1 << 32;

/// A node that is up. The daemon goes first, then what runs it.
struct Running {
    _daemon: Daemon,
    runtime: Option<Runtime>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // At once, as a process dies.
            runtime.shutdown_background();
        }
    }
}

/// All nodes in this process.
pub struct Memory {
    first: u64,
    subnet: Subnet,
    scratch: Scratch,
    nodes: Mutex<BTreeMap<u32, Running>>,
}

impl Memory {
    /// Nodes in this process.
    ///
    /// # Errors
    /// If there is no place for them.
    pub fn new() -> Result<Self, Failure> {
        let first = NEXT.fetch_add(NUMBERS, Ordering::Relaxed);
        Ok(Memory { first, subnet: Subnet::take()?, scratch: Scratch::new()?, nodes: Mutex::default() })
    }
}

#[async_trait::async_trait]
impl Backend for Memory {
    fn source(&self) -> Source {
        Source::Memory
    }

    fn http(&self, node: u32) -> String {
        format!("http://{}:{HTTP_PORT}", self.subnet.address(node))
    }

    fn address(&self, node: u32) -> String {
        format!("/memory/{}", self.first + u64::from(node))
    }

    async fn start(&self, node: u32, settings: &NodeSettings) -> Result<(), Failure> {
        let mut all = Settings::default();
        for (key, value) in settings {
            all.set(key, value).map_err(|error| Failure::Other(format!("node {node}: {error}")))?;
        }
        all.http_listen = SocketAddr::from((self.subnet.address(node), HTTP_PORT));
        all.node.state_dir = Some(self.scratch.state(node));
        all.set("network.listen", &self.address(node)).map_err(Failure::Other)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(format!("node-{node}"))
            .enable_all()
            .build()
            .map_err(|error| Failure::Other(format!("node {node}: no threads for it: {error}")))?;
        let starting = runtime.spawn(Daemon::start(all));
        let started = starting.await.map_err(Failure::other)?;
        match started {
            Ok(daemon) => {
                let running = Running { _daemon: daemon, runtime: Some(runtime) };
                self.nodes.lock().insert(node, running);
                Ok(())
            }
            Err(error) => {
                runtime.shutdown_background();
                let taken = self.subnet.taken(node).map(|taken| format!("\n{taken}")).unwrap_or_default();
                Err(Failure::Other(format!("node {node}: {error}{taken}")))
            }
        }
    }

    async fn kill(&self, node: u32) -> Result<(), Failure> {
        let running = self.nodes.lock().remove(&node);
        drop(running);
        Ok(())
    }

    async fn power_off(&self, _node: u32) -> Result<(), Failure> {
        Err(Failure::Input(
            "power_off: a node cannot go silent within this process; use --backend process or docker, or `kill`".to_owned(),
        ))
    }

    async fn restart(&self, node: u32, settings: &NodeSettings, fresh: bool) -> Result<(), Failure> {
        self.kill(node).await?;
        if fresh {
            let _ = fs::remove_dir_all(self.scratch.state(node));
        }
        // Its port may take a moment to be free: the runtime's threads end in the background.
        let mut last = Ok(());
        for _ in 0..100 {
            last = self.start(node, settings).await;
            if last.is_ok() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        last
    }

    async fn set_share(&self, _node: u32, _share: f64) -> Result<bool, Failure> {
        Ok(false)
    }

    async fn has_ended(&self, _node: u32) -> bool {
        // One that cannot start says so when it is started.
        false
    }

    async fn last_words(&self, _node: u32) -> String {
        String::new()
    }

    async fn log(&self, _node: u32) -> Vec<u8> {
        Vec::new()
    }

    fn keep(&self) {}

    async fn tear_down(&self) -> Result<(), Failure> {
        self.nodes.lock().clear();
        Ok(())
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("first", &self.first).finish_non_exhaustive()
    }
}
