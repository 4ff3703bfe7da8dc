//! The core, driven by the real clock: inputs in, outputs carried out.
//!
//! The core lies behind a lock instead of in a task of its own. An input takes microseconds and never waits, so whoever
//! has news (a call's task, a stream's, the swarm's) gives it in and takes what follows from it, without a hop to
//! another task and back. What an output asks for that can wait (dialling, sending, running) is done by tasks.

mod dispatch;
mod functions;
mod mailbox;
mod peers;
mod state;
mod views;

pub(crate) use mailbox::{CallEvent, CallEvents, MapEvent, MapEvents};
pub(crate) use state::KadAnswer;
pub use views::Census;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::network::{Accept, Links, NodeStream, Protocol};
use crate::runtime::Runtime;
use crate::{exchange, serve};
use edge_faas_core::io::{AttemptEvent, AttemptId, Input};
use edge_faas_core::time::{Duration as CoreDuration, Time};
use libp2p::PeerId;
use parking_lot::Mutex;
use state::State;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The core of one node, and what it needs to act.
pub(crate) struct Driver {
    state: Mutex<State>,
    me: PeerId,
    pub(crate) config: Config,
    pub(crate) links: Links,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) metrics: Metrics,
    /// Its tasks run here.
    pub(crate) tasks: tokio::runtime::Handle,
    /// Ends the node.
    pub(crate) stop: CancellationToken,
    start: Instant,
    /// The next deadline came closer.
    sooner: Notify,
    closing: AtomicBool,
    /// Calls of users under way.
    pub(crate) open_calls: Arc<AtomicUsize>,
    /// Calls of others that are run here.
    pub(crate) served_calls: Arc<AtomicUsize>,
}

impl Driver {
    /// A driver for the node `me`; it must be made within a tokio runtime.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub(crate) fn new(
        me: PeerId,
        config: Config,
        links: Links,
        runtime: Arc<dyn Runtime>,
        metrics: Metrics,
    ) -> Result<Arc<Self>, getrandom::Error> {
        let seed = getrandom::u64()?;
        let state = State::new(me, &config, seed);
        let start = Instant::now();
        if let Some(experiment) = &config.experiment {
            experiment.records.begin(start);
        }
        Ok(Arc::new(Driver {
            state: Mutex::new(state),
            me,
            config,
            links,
            runtime,
            metrics,
            tasks: tokio::runtime::Handle::current(),
            stop: CancellationToken::new(),
            start,
            sooner: Notify::new(),
            closing: AtomicBool::new(false),
            open_calls: Arc::default(),
            served_calls: Arc::default(),
        }))
    }

    /// This node.
    pub(crate) fn me(&self) -> PeerId {
        self.me
    }

    /// The core's clock: from the node's start.
    pub(crate) fn now(&self) -> Time {
        self.time(Instant::now())
    }

    /// An instant by the core's clock.
    pub(crate) fn time(&self, at: Instant) -> Time {
        Time::ZERO.saturating_add(core_duration(at.saturating_duration_since(self.start)))
    }

    /// An instant of the core's by the machine's clock.
    pub(crate) fn instant(&self, at: Time) -> Instant {
        let since = Duration::from_nanos(u64::try_from(at.as_nanos()).unwrap_or(0));
        self.start.checked_add(since).unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400))
    }

    /// How long it has been running.
    pub(crate) fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    /// Gives one input in and does what follows from it.
    pub(crate) fn input(self: &Arc<Self>, input: Input) {
        self.with(|state| state.input(self, input));
    }

    /// News of an attempt.
    pub(crate) fn attempt(self: &Arc<Self>, attempt: AttemptId, event: AttemptEvent) {
        self.input(Input::Attempt { attempt, event });
    }

    /// Lends the state; afterwards whoever waits for the next deadline is told if it came closer.
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let value = act(&mut state);
        if state.comes_sooner() {
            self.sooner.notify_one();
        }
        value
    }

    /// No more calls from now on.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// True once no more calls are taken.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Gives the core its deadlines, until the node ends.
    pub(crate) async fn keep_time(self: Arc<Self>) {
        loop {
            let wake = self.state.lock().arm();
            let due = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(self.instant(at).into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.input(Input::Timeout),
                () = self.sooner.notified() => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    /// Announces and withdraws functions as the runtime's set of them changes, until the node ends.
    pub(crate) async fn follow_runtime(self: Arc<Self>) {
        let mut hosted = self.runtime.hosted();
        loop {
            let functions = hosted.borrow_and_update().clone();
            if !self.is_closing() {
                self.with(|state| state.host(&self, &functions));
            }
            tokio::select! {
                changed = hosted.changed() => {
                    if changed.is_err() {
                        tracing::warn!("the runtime does not tell any more what it hosts; announcing what it hosted last");
                        return;
                    }
                }
                () = self.stop.cancelled() => return,
            }
        }
    }
}

impl Accept for Driver {
    fn accept(self: Arc<Self>, peer: PeerId, protocol: Protocol, stream: NodeStream) {
        let tasks = self.tasks.clone();
        match protocol {
            Protocol::Call => tasks.spawn(serve::serve(self, peer, stream)),
            Protocol::Kad => tasks.spawn(exchange::kad_serve(self, peer, stream)),
        };
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("me", &self.me).finish_non_exhaustive()
    }
}

/// A duration as the core counts it.
pub(crate) fn core_duration(duration: Duration) -> CoreDuration {
    CoreDuration::from_nanos(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// A duration of the core's as the machine counts it.
pub(crate) fn std_duration(duration: CoreDuration) -> Duration {
    Duration::from_nanos(u64::try_from(duration.as_nanos()).unwrap_or(0))
}
