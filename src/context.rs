//! What a driver lends to a peer for one input: all that a node must not own, so that a million of them fit.

use crate::draws::Draws;
use crate::faas;
use crate::io::Output;
use crate::kad;
use crate::key::{FunctionHandle, Key, KeyTable};
use crate::time::Duration;
use std::collections::VecDeque;

/// Settings shared by all nodes of a driver.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Kademlia.
    pub kad: kad::Config,
    /// The routing of calls.
    pub faas: faas::Config,
}

/// What a driver knows of a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// SHA-256 of the name.
    pub key: Key,
    /// Length of the name in bytes: the size of its requests.
    pub name_len: u16,
    /// May a call that may have started be run again? The deploy annotation; a call can override it.
    pub idempotent: bool,
}

impl Function {
    fn new(name: &str, idempotent: bool) -> Self {
        Function {
            key: Key::hash(name.as_bytes()),
            name_len: name.len().min(usize::from(u16::MAX)) as u16,
            idempotent,
        }
    }
}

/// The functions a driver has given handles to, indexed by handle.
#[derive(Clone, Debug, Default)]
pub struct FunctionTable {
    functions: Vec<Function>,
}

impl FunctionTable {
    /// Adds a function by name and returns its handle, the next free number.
    pub fn push(&mut self, name: &str, idempotent: bool) -> FunctionHandle {
        let handle = FunctionHandle(self.functions.len() as u32);
        self.functions.push(Function::new(name, idempotent));
        handle
    }

    /// Gives `handle`, which must be in the table, another name: how a driver reuses a swept handle. With the same name
    /// it changes only whether the function is idempotent.
    pub fn set(&mut self, handle: FunctionHandle, name: &str, idempotent: bool) {
        self.functions[handle.index()] = Function::new(name, idempotent);
    }

    /// What is known of a function. Panics for a handle that the driver never gave out.
    pub fn get(&self, handle: FunctionHandle) -> &Function {
        &self.functions[handle.index()]
    }

    /// Number of handles given out.
    pub fn len(&self) -> usize {
        self.functions.len()
    }

    /// True before the first function.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }
}

/// The output buffer, and a scratch list for what the parts of a peer tell each other within one input.
#[derive(Debug, Default)]
pub struct Outputs {
    pub(crate) queue: VecDeque<Output>,
    pub(crate) kad_events: VecDeque<kad::Event>,
    pub(crate) kad_pool: kad::Pool,
}

/// Lent by the driver with each input.
#[derive(Debug)]
pub struct Context<'a> {
    /// The number under which this node's draws are made. Stable: it must not depend on which other nodes exist.
    pub identity: u64,
    /// Settings.
    pub config: &'a Config,
    /// Peer handle → key.
    pub peers: &'a KeyTable,
    /// Function handle → key and annotations.
    pub functions: &'a FunctionTable,
    /// The draws of this run.
    pub draws: &'a Draws,
    /// Where outputs go.
    pub out: &'a mut Outputs,
}

impl Context<'_> {
    /// Queues an output.
    pub(crate) fn emit(&mut self, output: Output) {
        self.out.queue.push_back(output);
    }
}

/// How full a function's runtime at one provider is. Every answer and the call protocol's hello carries it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Calls that can run at once.
    pub slots: u32,
    /// Calls that run.
    pub running: u32,
    /// Calls that wait.
    pub queued: u32,
    /// Calls that may wait.
    pub queue_limit: u32,
}

impl Capacity {
    /// Slots that are free.
    pub fn free(&self) -> u32 {
        self.slots.saturating_sub(self.running + self.queued)
    }

    /// True when one call more would be refused.
    pub fn is_full(&self) -> bool {
        self.running.saturating_add(self.queued) >= self.slots.saturating_add(self.queue_limit)
    }
}

/// What a provider says of a call's execution, by its own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Waiting in the provider's queue.
    pub queue: Duration,
    /// Waiting for an instance: image pull and start.
    pub cold: Duration,
    /// Running.
    pub exec: Duration,
}
