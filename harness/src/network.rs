//! The nodes that are up.

use crate::backend::{Backend, NodeSettings};
use crate::failure::Failure;
use crate::journal::Journal;
use crate::node::{self, NodeClient};
use crate::plan::Plan;
use edge_faas_core::results::OpenFaas;
use edge_faas_node::experiment::RuntimePlan;
use edge_faas_sim::network::Rules;
use futures::stream::{self, TryStreamExt};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Nodes that are started, or told something, at once: more would only wait for the processor.
const AT_ONCE: usize = 16;
/// How long a node may take to answer after its start, if the user does not say.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long the network may take to be ready, if the user does not say.
const READY_PATIENCE: Duration = Duration::from_secs(120);
/// How often is looked.
const TICK: Duration = Duration::from_millis(20);
/// A node that knows too few by then joins again.
const JOIN_AGAIN: Duration = Duration::from_secs(5);
/// A node is a member once it knows so many others: fewer in a smaller network, or where a bucket has room for fewer.
const PEERS_KNOWN: usize = 3;

/// The nodes of a repetition.
pub struct Network {
    /// What they are to be.
    pub plan: Arc<Plan>,
    /// What brings them up.
    pub backend: Arc<dyn Backend>,
    /// What they tell.
    pub journal: Journal,
    client: reqwest::Client,
    nodes: Vec<State>,
    /// How long is waited for a node to answer, for the nodes to find each other, and for the functions to be found: each
    /// so long, if the user says.
    patience: Option<Duration>,
    /// What faults have changed of their links.
    pub rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct State {
    /// How often it came up or went down: up after an odd number of times.
    turns: watch::Sender<u64>,
    id: Mutex<String>,
    runtime: Mutex<RuntimePlan>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("nodes", &self.nodes.len()).finish_non_exhaustive()
    }
}

impl Network {
    /// Nodes that are not up yet. `patience` is for each step of getting ready: to answer, to find each other, to find
    /// the functions; `None`: 60 s for the first, 120 s for the others.
    ///
    /// # Errors
    /// If there is no HTTP client to be had.
    pub fn new(
        plan: Arc<Plan>,
        backend: Arc<dyn Backend>,
        patience: Option<Duration>,
    ) -> Result<Self, Failure> {
        let nodes = (0..plan.nodes()).map(|_| State::default()).collect();
        let (client, journal, rules) = (node::client()?, Journal::default(), Mutex::default());
        Ok(Network { plan, backend, journal, client, nodes, patience, rules })
    }

    /// Starts all nodes.
    ///
    /// # Errors
    /// If a node does not come up.
    pub async fn start(&self) -> Result<(), Failure> {
        self.each(0..self.plan.nodes(), |node| async move {
            self.backend.start(node, &self.settings(node)?).await?;
            self.await_start(node).await
        })
        .await
    }

    /// Joins the nodes, deploys the functions, and returns when everybody can be called.
    ///
    /// # Errors
    /// If the network does not get ready.
    pub async fn bring_up(&self) -> Result<(), Failure> {
        let all = 0..self.plan.nodes();
        self.node(0).join(Vec::new()).await?;
        self.each(1..self.plan.nodes(), |node| self.join(node)).await?;
        let patience = self.patience.unwrap_or(READY_PATIENCE);
        tokio::time::timeout(patience, self.each(all.clone(), |node| self.await_member(node)))
            .await
            .map_err(|_| self.not_ready("the nodes do not find each other"))??;
        self.each(all, |node| async move {
            for function in self.plan.hosted(node) {
                if let Some(deployment) = self.plan.openfaas.deployment(&self.plan, function) {
                    self.node(node).deploy(&deployment).await?;
                }
            }
            Ok(())
        })
        .await?;
        tokio::time::timeout(patience, self.await_functions())
            .await
            .map_err(|_| self.not_ready("not every function is announced"))?
    }

    /// The settings of a node, as `--set` takes them.
    ///
    /// # Errors
    /// If a password cannot be read.
    pub(crate) fn settings(&self, node: u32) -> Result<NodeSettings, Failure> {
        let mut settings = self.plan.settings(node);
        settings.extend(self.plan.openfaas.settings(&self.plan, node, self.backend.gateway(node))?);
        Ok(settings)
    }

    /// Runs the conformance suite against what runs the functions of the first node that hosts any.
    ///
    /// # Errors
    /// If it does not behave as it should.
    pub async fn conform(&self) -> Result<OpenFaas, Failure> {
        let plan = &self.plan;
        let host = plan.hosts().next().unwrap_or(0);
        let (own, beside) = (self.backend.http(host), self.backend.gateway(host));
        plan.openfaas.conform(&self.client, plan, host, own, beside, self.patience).await
    }

    /// Before nodes come up: what their functions must not replace is not there.
    ///
    /// # Errors
    /// If it is.
    pub async fn prepare(&self) -> Result<(), Failure> {
        self.plan.openfaas.prepare(&self.plan).await
    }

    fn not_ready(&self, what: &str) -> Failure {
        Failure::Other(format!(
            "after {} s {what}: this machine may be too busy for {} nodes; try fewer (--set network.nodes=N) or wait longer \
             (--ready-timeout DURATION)",
            self.patience.unwrap_or(READY_PATIENCE).as_secs_f64(),
            self.plan.nodes()
        ))
    }

    /// What is wrong with a node, with its last words, and what to do about it.
    async fn trouble(&self, node: u32, problem: &str, advice: &str) -> Failure {
        let words = self.backend.last_words(node).await;
        let words = match words.trim_end() {
            "" => " It said nothing: see whether --node (or EDGE_FAAS_NODE) names the program of a node."
                .to_owned(),
            words => format!(" It said:\n{words}"),
        };
        let advice = if advice.is_empty() { String::new() } else { format!("\n{advice}") };
        Failure::Other(format!("node {node} {problem}.{words}{advice}"))
    }

    /// Does something for several nodes, some at once.
    async fn each<F: Future<Output = Result<(), Failure>>>(
        &self,
        nodes: std::ops::Range<u32>,
        work: impl Fn(u32) -> F,
    ) -> Result<(), Failure> {
        stream::iter(nodes.map(|node| Ok(work(node)))).try_buffer_unordered(AT_ONCE).try_collect().await
    }

    /// How many nodes there are.
    pub fn len(&self) -> u32 {
        self.plan.nodes()
    }

    /// True without nodes, which no checked scenario is.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node's HTTP API.
    pub fn node(&self, node: u32) -> NodeClient {
        NodeClient::new(&self.client, self.backend.http(node))
    }

    /// Whether a node is up, as far as the harness knows: it is the one that takes them down.
    pub fn is_up(&self, node: u32) -> bool {
        self.nodes.get(node as usize).is_some_and(|state| *state.turns.borrow() % 2 == 1)
    }

    /// How many nodes are up.
    pub fn up(&self) -> u64 {
        (0..self.len()).filter(|node| self.is_up(*node)).count() as u64
    }

    /// Resolves when a node goes down that is up now.
    pub async fn goes_down(&self, node: u32) {
        let Some(state) = self.nodes.get(node as usize) else { return };
        let mut turns = state.turns.subscribe();
        let now = *turns.borrow_and_update();
        if now % 2 == 1 && turns.wait_for(|turns| *turns != now).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn set_up(&self, node: u32, up: bool) {
        if let Some(state) = self.nodes.get(node as usize) {
            state.turns.send_if_modified(|turns| {
                let changes = (*turns % 2 == 1) != up;
                *turns += u64::from(changes);
                changes
            });
        }
    }

    /// A node's address with its id.
    pub fn address(&self, node: u32) -> String {
        let id = self.nodes.get(node as usize).map(|state| state.id.lock().clone()).unwrap_or_default();
        format!("{}/p2p/{id}", self.backend.address(node))
    }

    /// Waits until a node that was started answers, listens to it, and makes its links.
    pub(crate) async fn await_start(&self, node: u32) -> Result<(), Failure> {
        let client = self.node(node);
        let healthy = async {
            loop {
                if client.is_healthy().await {
                    return true;
                }
                if self.backend.has_ended(node).await {
                    return false;
                }
                tokio::time::sleep(TICK).await;
            }
        };
        let patience = self.patience.unwrap_or(START_PATIENCE);
        match tokio::time::timeout(patience, healthy).await {
            Ok(true) => {}
            Ok(false) => return Err(self.trouble(node, "ended as soon as it was started", "").await),
            Err(_) => {
                let problem = format!("does not answer within {} s", patience.as_secs_f64());
                let advice = "If this machine is busy, --ready-timeout DURATION waits longer and --set network.nodes=N \
                              takes fewer nodes";
                return Err(self.trouble(node, &problem, advice).await);
            }
        }
        let id = self.journal.follow(node, &client).await?;
        let speed = self.plan.speed(node);
        if let Some(state) = self.nodes.get(node as usize) {
            *state.id.lock() = id;
            state.runtime.lock().down = false;
            state.runtime.lock().speed = speed;
        }
        if speed != 1.0 {
            client.set_runtime(RuntimePlan { down: false, speed }).await?;
        }
        self.shape(node).await?;
        self.set_up(node, true);
        Ok(())
    }

    /// Makes a node's links what scenario and faults say.
    pub(crate) async fn shape(&self, node: u32) -> Result<(), Failure> {
        let plan = {
            let rules = self.rules.lock();
            self.plan.links(node, &rules, |other| self.backend.address(other))
        };
        self.node(node).set_links(&plan).await
    }

    /// Makes the links of all nodes that are up what scenario and faults say now.
    pub(crate) async fn shape_all(&self) -> Result<(), Failure> {
        self.each(0..self.len(), |node| async move {
            match self.is_up(node) {
                true => self.shape(node).await,
                false => Ok(()),
            }
        })
        .await
    }

    /// Changes a node's runtime.
    pub(crate) async fn set_runtime(
        &self,
        node: u32,
        change: impl FnOnce(&mut RuntimePlan),
    ) -> Result<(), Failure> {
        let Some(state) = self.nodes.get(node as usize) else { return Ok(()) };
        let plan = {
            let mut plan = state.runtime.lock();
            change(&mut plan);
            *plan
        };
        self.node(node).set_runtime(plan).await
    }

    /// Lets a node join through those that every other one knows at first.
    pub(crate) async fn join(&self, node: u32) -> Result<(), Failure> {
        let first = self.plan.scenario.network.bootstrap.min(self.len());
        let known = (0..first).filter(|other| *other != node && self.is_up(*other));
        let known = known.map(|other| self.address(other)).collect();
        self.node(node).join(known).await
    }

    async fn await_member(&self, node: u32) -> Result<(), Failure> {
        let bucket = self.plan.scenario.kademlia.k as usize;
        let enough = PEERS_KNOWN.min(self.nodes.len().saturating_sub(1)).min(bucket);
        let mut joined = Instant::now();
        loop {
            let peers = match self.node(node).peers().await {
                Ok(peers) => peers,
                Err(error) if !self.backend.has_ended(node).await => return Err(error),
                Err(_) => return Err(self.trouble(node, "ended while it joined the network", "").await),
            };
            let known = peers.peers.iter().filter(|peer| peer.routing).count();
            if peers.joined && known >= enough {
                return Ok(());
            }
            if joined.elapsed() > JOIN_AGAIN {
                // Two that joined in the same moment may have missed each other, and on a busy machine once more when they
                // looked again.
                self.join(node).await?;
                joined = Instant::now();
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Waits until a look-up finds every provider of every function.
    async fn await_functions(&self) -> Result<(), Failure> {
        for (index, name) in (0u32..).zip(&self.plan.functions) {
            let providers = self.plan.population.providers(index);
            let wanted: BTreeSet<String> = providers
                .iter()
                .filter_map(|node| self.nodes.get(*node as usize))
                .map(|state| state.id.lock().clone())
                .collect();
            // Spread over the nodes, so that none is busy with all of it.
            let asked = index % self.len().max(1);
            loop {
                let found = self.node(asked).providers(name).await?;
                let found: BTreeSet<String> =
                    found.providers.into_iter().map(|provider| provider.id).collect();
                if wanted.is_subset(&found) {
                    break;
                }
                tokio::time::sleep(TICK).await;
            }
        }
        Ok(())
    }
}
