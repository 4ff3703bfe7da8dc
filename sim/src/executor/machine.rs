//! What an executor is told and what it answers.

use edge_faas_core::time::{Duration, Time};

/// The hardware of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Cores, above 0; fractions are quotas.
    pub cores: f64,
    /// Bytes of memory for instances.
    pub memory: u64,
    /// How fast a core does CPU work, against 1 for the core that base service times are given for; 0 to 65,536.
    pub speed: f64,
}

/// How a node hosts one function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hosting {
    /// Slots: calls that run at once on this node, at least 1.
    pub concurrency: u32,
    /// Calls that may wait for a slot.
    pub queue_limit: u32,
    /// Calls that one instance serves at once, at least 1: `concurrency` for OpenFaaS, where one container serves
    /// all; 1 for platforms with an instance a call.
    pub calls_per_instance: u32,
    /// Bytes of memory that an instance takes.
    pub memory: u64,
    /// How long the image takes to arrive (size over bandwidth), once a node; zero if it is there.
    pub pull: Duration,
    /// How long an idle instance is kept; [`Duration::MAX`] for ever.
    pub keep_alive: Duration,
}

impl Default for Hosting {
    /// One slot, no queue, one instance that stays, no memory, no pull.
    fn default() -> Self {
        Hosting {
            concurrency: 1,
            queue_limit: 0,
            calls_per_instance: 1,
            memory: 0,
            pull: Duration::ZERO,
            keep_alive: Duration::MAX,
        }
    }
}

/// What a call does once it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// So much time of a core of speed 1; shares the node's cores.
    Cpu(Duration),
    /// Waits so long, on any node at any speed and load. Uses no core. (A caller that wants a wait which a slow
    /// node prolongs divides it by the node's speed.)
    Sleep(Duration),
}

/// One call to be executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// The caller's number for it, of no other job that is on this node.
    pub id: u64,
    /// Which function.
    pub function: u32,
    /// What it does.
    pub work: Work,
    /// How long a new instance takes to start, if this call needs one: drawn by the caller, so that what a call
    /// draws does not depend on where it runs.
    pub cold: Duration,
}

/// What becomes of a submitted job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submit {
    /// It has a slot.
    Started,
    /// It waits for one.
    Queued,
    /// Queue (or memory and queue) full: answer 429.
    Rejected,
    /// The function is not hosted here.
    NotHosted,
    /// The runtime is down.
    Down,
}

/// What happened on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A queued job got its slot.
    Started {
        /// The job.
        id: u64,
        /// When.
        at: Time,
    },
    /// A job is done.
    Finished(Finished),
    /// CPU work outside functions ([`Executor::charge`](super::Executor::charge)) is done.
    Charged {
        /// The caller's number for it.
        id: u64,
        /// When.
        at: Time,
    },
}

/// A job that is done. `queue + cold + exec` is exactly the time since it was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// The job.
    pub id: u64,
    /// When.
    pub at: Time,
    /// Submitted → slot.
    pub queue: Duration,
    /// Slot → instance ready.
    pub cold: Duration,
    /// Instance ready → done.
    pub exec: Duration,
}

/// A job that did not get done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Whether the function's code had begun to run: only then may the call have had an effect.
    pub started: bool,
    /// How long it waited.
    pub queue: Duration,
    /// How long it held a slot for its instance to get ready.
    pub cold: Duration,
    /// How long it ran: what is burnt.
    pub burnt: Duration,
}

/// A job that was lost with the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The job.
    pub id: u64,
    /// How far it got.
    pub cut: Cut,
}

/// What a node has done since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Core time spent, whatever the speed (core-seconds: two cores for one second are two seconds).
    pub core_busy: Duration,
    /// Slot time spent: cold and exec of all jobs, also of cancelled ones.
    pub slot_busy: Duration,
    /// Jobs whose code began to run.
    pub executions: u64,
    /// Jobs that were done.
    pub finished: u64,
    /// Jobs that were refused.
    pub rejected: u64,
    /// Jobs that were cancelled or lost.
    pub cut: u64,
    /// Most jobs that waited at once for one function.
    pub longest_queue: u32,
    /// Images pulled.
    pub pulls: u64,
    /// Instances started for a call.
    pub cold_starts: u64,
    /// Idle instances that had to make room.
    pub evictions: u64,
    /// Idle instances that were kept long enough.
    pub expirations: u64,
}
