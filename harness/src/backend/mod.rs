//! Bringing nodes up, and down again: all that differs between processes, containers, and one process.

mod docker;
mod memory;
mod process;
mod scratch;
mod subnet;

pub use docker::{Docker, Engine, LABEL, Leftovers, run_name};
pub use memory::Memory;
pub use process::Process;
pub use scratch::Scratch;

use crate::failure::Failure;
use edge_faas_core::results::Source;

/// The port of every node's HTTP API.
pub const HTTP_PORT: u16 = 8_080;
/// The port on which every node listens for others.
pub const NODE_PORT: u16 = 4_001;

/// Settings of a node, as `--set` takes them.
pub type NodeSettings = Vec<(String, String)>;

/// What brings nodes up. Nodes are numbered from 0.
#[async_trait::async_trait]
pub trait Backend: Send + Sync {
    /// What the rows of its runs say.
    fn source(&self) -> Source;

    /// Where a node's HTTP API is, whether or not it is up.
    fn http(&self, node: u32) -> String;

    /// The gateway that this backend brings up beside a node, to run its functions.
    fn gateway(&self, _node: u32) -> Option<String> {
        None
    }

    /// Where other nodes reach it, without its id.
    fn address(&self, node: u32) -> String;

    /// Starts a node for the first time. It may not answer yet.
    async fn start(&self, node: u32, settings: &NodeSettings) -> Result<(), Failure>;

    /// A node dies at once: peers see a reset.
    async fn kill(&self, node: u32) -> Result<(), Failure>;

    /// A node goes silent: peers see nothing.
    async fn power_off(&self, node: u32) -> Result<(), Failure>;

    /// Starts a node again that was killed or powered off; `fresh`: with nothing of what it had kept.
    async fn restart(&self, node: u32, settings: &NodeSettings, fresh: bool) -> Result<(), Failure>;

    /// Gives a node's machine so much of its processor time, of what its class has; false: this backend limits none, the
    /// node's own runtime has to do it.
    async fn set_share(&self, node: u32, share: f64) -> Result<bool, Failure>;

    /// True if a node that was started has ended by itself: waiting for it makes no sense.
    async fn has_ended(&self, node: u32) -> bool;

    /// Why a node is not up any more, in its own last words.
    async fn last_words(&self, node: u32) -> String;

    /// All that a node has written to its output, also before it was started again; nothing where nodes have no output of
    /// their own.
    async fn log(&self, node: u32) -> Vec<u8>;

    /// Leaves the nodes up when this program ends, until [`Scratch::clean`] or [`Engine::clean`] take them away. Nodes within
    /// this process end with it all the same.
    fn keep(&self);

    /// Takes everything away that it made. What is gone already is no failure.
    async fn tear_down(&self) -> Result<(), Failure>;
}
