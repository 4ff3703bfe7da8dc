//! One provider node's runtime: its cores, memory, instances and queues.
//!
//! An [`Executor`] is a state machine without a clock, a queue of events or draws of its own:
//!
//! ```
//! use edge_faas_core::time::{Duration, Time};
//! use edge_faas_sim::executor::{Event, Executor, Hosting, Job, Machine, Submit, Work};
//!
//! let mut node = Executor::new(Machine { cores: 2.0, memory: 1 << 30, speed: 1.0 });
//! node.host(7, Hosting { concurrency: 1, ..Hosting::default() });
//! let job = Job { id: 1, function: 7, work: Work::Cpu(Duration::from_millis(50)), cold: Duration::from_millis(300) };
//! assert_eq!(node.submit(Time::ZERO, job), Submit::Started);
//!
//! // After every call: drain the events, then ask when to come back.
//! while let Some(deadline) = node.next_deadline() {
//!     while let Some(event) = node.poll(deadline) {
//!         let Event::Finished(finished) = event else { continue };
//!         assert_eq!(finished.cold + finished.exec, Duration::from_millis(350));
//!     }
//! }
//! ```
//!
//! What is modelled:
//!
//! - **Cores** are shared by processor sharing: n CPU-bound jobs on c cores each run at speed × min(1, c/n).
//! - **Slots**: a function runs at most `concurrency` calls at once here; up to `queue_limit` more wait first come,
//!   first served; the next one is refused, as OpenFaaS refuses with 429.
//! - **Instances** serve `calls_per_instance` calls at once. A new one costs the image pull (once a node and
//!   function), a start, and memory; idle ones are kept `keep_alive`, and the least recently used are evicted when
//!   another function needs their memory.

mod cores;
mod instances;
mod machine;
mod runtime;
#[cfg(test)]
mod stories;
#[cfg(test)]
mod theory;

pub use edge_faas_core::context::Capacity;
pub use machine::{Cut, Event, Finished, Hosting, Job, Lost, Machine, Stats, Submit, Work};
pub use runtime::Executor;
