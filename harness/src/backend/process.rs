//! Nodes as processes of this machine.

use super::scratch::no_room;
use super::subnet::Subnet;
use super::{Backend, HTTP_PORT, NODE_PORT, NodeSettings, Scratch};
use crate::failure::Failure;
use edge_faas_core::results::Source;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::{Child, Command};

/// Lines of a node's log that its last words are.
const LAST_WORDS: usize = 5;

/// Nodes as processes of this machine, each with an address of its own on the loopback interface.
#[derive(Debug)]
pub struct Process {
    binary: PathBuf,
    subnet: Subnet,
    scratch: Scratch,
    children: Mutex<BTreeMap<u32, Child>>,
}

impl Process {
    /// Nodes of this program.
    ///
    /// # Errors
    /// If there is no place for them.
    pub fn new(binary: &Path) -> Result<Self, Failure> {
        let subnet = Subnet::take()?;
        let scratch = Scratch::new()?;
        Ok(Process { binary: binary.to_owned(), subnet, scratch, children: Mutex::default() })
    }

    fn spawn(&self, node: u32, settings: &NodeSettings) -> Result<(), Failure> {
        let failed = |error: std::io::Error| {
            Failure::Other(format!("node {node}: {} does not start: {error}", self.binary.display()))
        };
        let path = self.scratch.log(node);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|error| no_room(&path, &error))?;
        let mut command = Command::new(&self.binary);
        command.arg("node").arg("--state").arg(self.scratch.state(node));
        command.arg("--http").arg(format!("{}:{HTTP_PORT}", self.subnet.address(node)));
        command.arg("--listen").arg(self.address(node));
        for (key, value) in settings {
            command.arg("--set").arg(format!("{key}={value}"));
        }
        let errors = log.try_clone().map_err(failed)?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors).kill_on_drop(true);
        let child = command.spawn().map_err(failed)?;
        if let Some(process) = child.id() {
            self.scratch.note(process)?;
        }
        self.children.lock().insert(node, child);
        Ok(())
    }

    fn signal(&self, node: u32, signal: Signal) -> Result<(), Failure> {
        let children = self.children.lock();
        let process = children.get(&node).and_then(Child::id).and_then(|id| i32::try_from(id).ok());
        let Some(pid) = process.and_then(Pid::from_raw) else { return Ok(()) };
        kill_process(pid, signal).map_err(|error| Failure::Other(format!("node {node}: {error}")))
    }
}

#[async_trait::async_trait]
impl Backend for Process {
    fn source(&self) -> Source {
        Source::Process
    }

    fn http(&self, node: u32) -> String {
        format!("http://{}:{HTTP_PORT}", self.subnet.address(node))
    }

    fn address(&self, node: u32) -> String {
        format!("/ip4/{}/tcp/{NODE_PORT}", self.subnet.address(node))
    }

    async fn start(&self, node: u32, settings: &NodeSettings) -> Result<(), Failure> {
        self.spawn(node, settings)
    }

    async fn kill(&self, node: u32) -> Result<(), Failure> {
        let child = self.children.lock().remove(&node);
        if let Some(mut child) = child {
            child.kill().await.map_err(|error| Failure::Other(format!("node {node}: {error}")))?;
        }
        Ok(())
    }

    async fn power_off(&self, node: u32) -> Result<(), Failure> {
        // Its connections stay open, and nothing comes from it any more.
        self.signal(node, Signal::STOP)
    }

    async fn restart(&self, node: u32, settings: &NodeSettings, fresh: bool) -> Result<(), Failure> {
        self.kill(node).await?;
        if fresh {
            let state = self.scratch.state(node);
            match fs::remove_dir_all(&state) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Failure::Other(format!("{}: {error}", state.display())));
                }
                _ => {}
            }
        }
        self.spawn(node, settings)
    }

    async fn set_share(&self, _node: u32, _share: f64) -> Result<bool, Failure> {
        Ok(false)
    }

    async fn has_ended(&self, node: u32) -> bool {
        let mut children = self.children.lock();
        children.get_mut(&node).is_some_and(|child| matches!(child.try_wait(), Ok(Some(_))))
    }

    async fn last_words(&self, node: u32) -> String {
        let text = self.log(node).await;
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let mut words: Vec<String> =
            lines[lines.len().saturating_sub(LAST_WORDS)..].iter().map(|line| (*line).to_owned()).collect();
        if self.has_ended(node).await {
            words.extend(self.subnet.taken(node));
        }
        words.join("\n")
    }

    async fn log(&self, node: u32) -> Vec<u8> {
        fs::read(self.scratch.log(node)).unwrap_or_default()
    }

    fn keep(&self) {
        for child in std::mem::take(&mut *self.children.lock()).into_values() {
            // Dropped, it would be killed.
            std::mem::forget(child);
        }
        self.scratch.keep();
    }

    async fn tear_down(&self) -> Result<(), Failure> {
        let children = std::mem::take(&mut *self.children.lock());
        let mut failed = Ok(());
        for (node, mut child) in children {
            // Also ends one that is stopped.
            if let Err(error) = child.kill().await {
                failed = Err(Failure::Other(format!("node {node}: {error}")));
            }
        }
        failed
    }
}
