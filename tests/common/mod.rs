//! A small network in memory: an event queue, a delay, and faults where a test asks for them.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

use edge_faas_core::context::{Config, Context, FunctionTable, Outputs};
use edge_faas_core::draws::{Draws, Purpose, Stream};
use edge_faas_core::io::{Exchange, Failure, Input, LookupReport, Output};
use edge_faas_core::kad::{Record, Response, Target, wire};
use edge_faas_core::key::{FunctionHandle, Key, KeyTable, PeerHandle};
use edge_faas_core::peer::Peer;
use edge_faas_core::time::{Duration, Time};
use std::collections::BTreeMap;

/// What the network does to messages.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The least one-way delay.
    pub delay: Duration,
    /// Added to it, drawn uniformly: messages overtake each other.
    pub jitter: Duration,
    /// Share of messages that vanish.
    pub loss: f64,
    /// Share of messages that come twice.
    pub duplication: f64,
    /// A message to a node that is down: told to the sender after the delay, or not at all.
    pub refused: bool,
    /// How long after the first request of another a node knows that it answers requests too (libp2p's identify).
    pub identify: Duration,
}

impl Default for Faults {
    fn default() -> Self {
        Faults {
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(60),
            loss: 0.0,
            duplication: 0.0,
            refused: true,
            identify: Duration::ZERO,
        }
    }
}

enum Event {
    Input(PeerHandle, Input),
    Wake(PeerHandle),
}

pub struct Network {
    pub config: Config,
    pub keys: KeyTable,
    pub functions: FunctionTable,
    pub draws: Draws,
    pub nodes: Vec<Peer>,
    pub up: Vec<bool>,
    pub client: Vec<bool>,
    pub faults: Faults,
    pub now: Time,
    /// Look-ups that ended, with the node.
    pub reports: Vec<(PeerHandle, LookupReport)>,
    pub joined: Vec<PeerHandle>,
    pub values: Vec<(PeerHandle, Option<Box<Record>>)>,
    /// These answer FIND_NODE with each other only.
    pub liars: Vec<PeerHandle>,
    /// Answers to requests nobody made go nowhere.
    pub lenient: bool,
    /// Kademlia messages delivered.
    pub messages: u64,
    out: Outputs,
    noise: Stream,
    queue: BTreeMap<(Time, u64), Event>,
    wakes: Vec<Option<Time>>,
    replies: Vec<Exchange>,
    sequence: u64,
    /// When the second knows what the first is.
    identified: BTreeMap<(PeerHandle, PeerHandle), Time>,
}

impl Network {
    /// `n` nodes with random keys, in handle order by key as in the simulator. Nobody knows anybody.
    pub fn new(n: usize, seed: u64, config: Config) -> Self {
        let mut keys: Vec<Key> = (0..n).map(|i| Key::hash(format!("node {seed} {i}").as_bytes())).collect();
        keys.sort_unstable();
        Self::with_keys(&keys, seed, config)
    }

    /// Nodes with these keys.
    pub fn with_keys(keys: &[Key], seed: u64, config: Config) -> Self {
        let mut table = KeyTable::new();
        for key in keys {
            table.push(*key);
        }
        let draws = Draws::new(seed, 0);
        Network {
            config,
            keys: table,
            functions: FunctionTable::default(),
            draws,
            nodes: (0..keys.len()).map(|i| Peer::new(PeerHandle::new(i as u32))).collect(),
            up: vec![true; keys.len()],
            client: vec![false; keys.len()],
            faults: Faults::default(),
            now: Time::ZERO,
            reports: Vec::new(),
            joined: Vec::new(),
            values: Vec::new(),
            liars: Vec::new(),
            lenient: false,
            messages: 0,
            out: Outputs::default(),
            noise: draws.stream(Purpose(1_000), 0),
            queue: BTreeMap::new(),
            wakes: vec![None; keys.len()],
            replies: Vec::new(),
            sequence: 0,
            identified: BTreeMap::new(),
        }
    }

    pub fn peer(&self, i: usize) -> PeerHandle {
        PeerHandle::new(i as u32)
    }

    /// Every node joins by the protocol, through the first, `gap` apart; then the network settles for `settle`.
    pub fn join_all(&mut self, gap: Duration, settle: Duration) {
        for i in 0..self.nodes.len() {
            let bootstrap = vec![self.peer(0)];
            self.input(self.peer(i), Input::Join { bootstrap });
            self.run_for(gap);
        }
        self.run_for(settle);
    }

    /// The k closest nodes to `key` that are up, `but` left out.
    pub fn closest(&self, key: &Key, but: PeerHandle) -> Vec<PeerHandle> {
        let mut all: Vec<PeerHandle> = (0..self.nodes.len())
            .filter(|i| self.up[*i] && !self.client[*i])
            .map(|i| self.peer(i))
            .filter(|peer| *peer != but)
            .collect();
        all.sort_unstable_by(|a, b| self.keys.cmp_distance(key, *a, *b));
        all.truncate(self.config.kad.k);
        all
    }

    pub fn input(&mut self, node: PeerHandle, input: Input) {
        self.with(node, |peer, cx, now| peer.handle(cx, now, input));
    }

    /// Lets the test do something to a node, then carries out what it asks for.
    pub fn with<R>(
        &mut self,
        node: PeerHandle,
        act: impl FnOnce(&mut Peer, &mut Context<'_>, Time) -> R,
    ) -> R {
        let mut outputs = Vec::new();
        let peer = &mut self.nodes[node.index()];
        let mut cx = Context {
            identity: node.index() as u64,
            config: &self.config,
            peers: &self.keys,
            functions: &self.functions,
            draws: &self.draws,
            out: &mut self.out,
        };
        let result = act(peer, &mut cx, self.now);
        while let Some(output) = peer.poll(&mut cx) {
            outputs.push(output);
        }
        let wakeup = peer.poll_timeout().map(|wakeup| wakeup.at);
        if let Some(at) = wakeup
            && self.wakes[node.index()].is_none_or(|planned| at < planned)
        {
            self.wakes[node.index()] = Some(at);
            self.push(at, Event::Wake(node));
        }
        for output in outputs {
            self.output(node, output);
        }
        result
    }

    fn push(&mut self, at: Time, event: Event) {
        self.sequence += 1;
        self.queue.insert((at.max(self.now), self.sequence), event);
    }

    fn delay(&mut self) -> Duration {
        self.faults.delay + self.faults.jitter.mul_f64(self.noise.unit())
    }

    fn output(&mut self, node: PeerHandle, output: Output) {
        match output {
            Output::KadRequest { to, exchange, request } => {
                assert_ne!(to, node, "a node asks itself");
                if !self.up[to.index()] {
                    if self.faults.refused {
                        let at = self.now + self.delay();
                        let input = Input::KadFailed { peer: to, exchange, failure: Failure::Dial };
                        self.push(at, Event::Input(node, input));
                    }
                    return;
                }
                for _ in 0..self.copies() {
                    let at = self.now + self.delay();
                    let reply = self.replies.len() as u32;
                    self.replies.push(exchange);
                    let input = Input::KadRequest {
                        from: node,
                        server: !self.client[node.index()] && self.identifies(node, to, at),
                        reply,
                        request: request.clone(),
                    };
                    self.push(at, Event::Input(to, input));
                }
            }
            Output::KadResponse { to, reply, response } => {
                if self.lenient && reply as usize >= self.replies.len() {
                    return;
                }
                let response = match response {
                    Response::Nodes(_) if self.liars.contains(&node) => {
                        Response::Nodes(self.liars.iter().copied().filter(|peer| *peer != to).collect())
                    }
                    honest => honest,
                };
                for _ in 0..self.copies() {
                    let at = self.now + self.delay();
                    let input = Input::KadResponse {
                        from: node,
                        exchange: self.replies[reply as usize],
                        dialled: false,
                        bytes: wire::response_len(&response, &self.config),
                        response: response.clone(),
                    };
                    self.push(at, Event::Input(to, input));
                }
            }
            Output::Joined => self.joined.push(node),
            Output::LookupDone(report) => self.reports.push((node, *report)),
            Output::Value { record, .. } => self.values.push((node, record)),
            other => panic!("not Kademlia's: {other:?}"),
        }
    }

    /// True if `to` knows at `at` that `from` answers requests.
    fn identifies(&mut self, from: PeerHandle, to: PeerHandle, at: Time) -> bool {
        if let Some(known) = self.identified.get(&(from, to)) {
            return *known <= at;
        }
        let known = at + self.faults.identify;
        self.identified.insert((from, to), known);
        if known > at {
            self.push(known, Event::Input(to, Input::Identified { peer: from }));
        }
        known <= at
    }

    fn copies(&mut self) -> usize {
        if self.noise.chance(self.faults.loss) {
            0
        } else {
            1 + usize::from(self.noise.chance(self.faults.duplication))
        }
    }

    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(entry) = self.queue.first_entry() {
            let (at, _) = *entry.key();
            if at > end {
                break;
            }
            let event = entry.remove();
            self.now = at;
            match event {
                Event::Wake(node) => {
                    if self.wakes[node.index()] != Some(at) {
                        continue;
                    }
                    self.wakes[node.index()] = None;
                    if self.up[node.index()] {
                        self.input(node, Input::Timeout);
                    }
                }
                Event::Input(node, input) => {
                    if self.up[node.index()] {
                        self.messages += 1;
                        self.input(node, input);
                    }
                }
            }
        }
        self.now = end;
    }

    /// Kills a node: nobody hears of it but by asking.
    pub fn kill(&mut self, i: usize) {
        self.up[i] = false;
    }

    /// Looks for the closest peers to a target and runs until that is done.
    pub fn find_closest(&mut self, node: usize, target: Target) -> LookupReport {
        let before = self.reports.len();
        let key = target.key;
        self.input(self.peer(node), Input::FindClosest { target });
        self.wait_for(before, self.peer(node), key)
    }

    /// Looks for all providers of a function and runs until that is done.
    pub fn find_providers(&mut self, node: usize, function: FunctionHandle) -> LookupReport {
        let before = self.reports.len();
        let key = self.functions.get(function).key;
        self.input(self.peer(node), Input::FindProviders { function });
        self.wait_for(before, self.peer(node), key)
    }

    fn wait_for(&mut self, before: usize, node: PeerHandle, key: Key) -> LookupReport {
        for _ in 0..20_000 {
            let done =
                self.reports[before..].iter().find(|(by, report)| *by == node && report.target.key == key);
            if let Some((_, report)) = done {
                return report.clone();
            }
            self.run_for(Duration::from_millis(10));
        }
        panic!("the look-up does not end");
    }

    /// The routing tables' invariants: no peer twice, each in its bucket, at most k in one, never the node itself.
    pub fn check_tables(&self) {
        for node in &self.nodes {
            let table = node.kad().table();
            let mut all: Vec<PeerHandle> = table.iter().collect();
            assert!(!all.contains(&node.me()), "a node in its own table");
            for bucket in 0..table.buckets() {
                let members: Vec<PeerHandle> = table.bucket(bucket).map(|(peer, _)| peer).collect();
                assert!(members.len() <= self.config.kad.k, "an overfull bucket");
                for peer in members {
                    let shared = self.keys.key(node.me()).common_prefix(&self.keys.key(peer));
                    assert_eq!(shared as usize, bucket, "a peer in a wrong bucket");
                }
            }
            let len = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), len, "a peer twice in a table");
        }
    }
}

/// The median of some counts.
pub fn median(mut counts: Vec<usize>) -> f64 {
    counts.sort_unstable();
    let n = counts.len();
    (counts[(n - 1) / 2] + counts[n / 2]) as f64 / 2.0
}
