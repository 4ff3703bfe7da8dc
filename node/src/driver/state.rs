//! What lies behind the driver's lock: the core, and the tables that give its handles a meaning.

use super::functions::Functions;
use super::mailbox::{CallEvent, MapEvent};
use super::peers::{Directory, Peers};
use super::{Driver, core_duration};
use crate::config::{Config, IPFS_KAD_PROTOCOL};
use crate::runtime::HostedFunctions;
use edge_faas_core::context::{self, Context, Outputs};
use edge_faas_core::draws::Draws;
use edge_faas_core::io::{AttemptId, CallId, Exchange, Input, LookupReport, MapId, Output};
use edge_faas_core::kad::{Record, wire};
use edge_faas_core::key::{FunctionHandle, Key, PeerHandle};
use edge_faas_core::peer::Peer;
use edge_faas_core::time::{Duration as CoreDuration, Time};
use futures::channel::{mpsc, oneshot};
use libp2p::PeerId;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Bytes of a peer's addresses in messages: room for some six of IPv4.
const PEER_ADDRESSES_BYTES: u32 = 96;

/// The core's answer to something that it answers at once.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Bytes of a Kademlia response.
    Kad(Vec<u8>),
    /// A routed call is run, or refused.
    Serve(bool),
}

/// How a Kademlia request ended.
#[derive(Debug)]
pub(crate) enum KadAnswer {
    /// With this message, its length prefix taken off.
    Response {
        /// The message.
        body: Vec<u8>,
        /// A connection had to be opened for it.
        dialled: bool,
    },
    /// Without one.
    Failed(edge_faas_core::io::Failure),
}

/// What lies behind the driver's lock.
pub(super) struct State {
    pub(super) peer: Peer,
    core: context::Config,
    draws: Draws,
    identity: u64,
    out: Outputs,
    pub(super) peers: Peers,
    pub(super) functions: Functions,
    pub(super) calls: FxHashMap<CallId, mpsc::UnboundedSender<CallEvent>>,
    /// The calls of attempts that are not over for the core.
    pub(super) attempts: FxHashMap<AttemptId, CallId>,
    pub(super) maps: FxHashMap<MapId, mpsc::UnboundedSender<MapEvent>>,
    /// Those who wait for look-ups that were asked for, in the order of asking.
    pub(super) lookups: Vec<(Key, oneshot::Sender<Box<LookupReport>>)>,
    pub(super) values: Vec<(Key, oneshot::Sender<Option<Box<Record>>>)>,
    pub(super) reply: Option<Reply>,
    pub(super) joined: bool,
    next_number: u64,
    /// The deadline that is waited for.
    armed: Option<Time>,
    /// What is announced.
    announced: HostedFunctions,
}

impl State {
    pub(super) fn new(me: PeerId, config: &Config, seed: u64) -> Self {
        let mut core = config.core.clone();
        core.kad.extensions = config.network.kad_protocol != IPFS_KAD_PROTOCOL;
        core.kad.peer_addrs_bytes = PEER_ADDRESSES_BYTES;
        let peers = Peers::new(me);
        let identity = peers.keys.prefix(peers.me());
        State {
            peer: Peer::new(peers.me()),
            core,
            draws: Draws::new(seed, 0),
            identity,
            out: Outputs::default(),
            peers,
            functions: Functions::default(),
            calls: FxHashMap::default(),
            attempts: FxHashMap::default(),
            maps: FxHashMap::default(),
            lookups: Vec::new(),
            values: Vec::new(),
            reply: None,
            joined: false,
            next_number: 0,
            armed: None,
            announced: HostedFunctions::default(),
        }
    }

    /// A number for a call or a manycall.
    pub(super) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    pub(super) fn kad_config(&self) -> &edge_faas_core::kad::Config {
        &self.core.kad
    }

    /// One input, then drain the outputs.
    pub(super) fn input(&mut self, driver: &Arc<Driver>, input: Input) {
        self.reply = None;
        let now = driver.now();
        let (peer, mut cx) = self.lend();
        peer.handle(&mut cx, now, input);
        while let Some(output) = self.next_output() {
            self.carry_out(driver, output);
        }
    }

    fn next_output(&mut self) -> Option<Output> {
        let (peer, mut cx) = self.lend();
        peer.poll(&mut cx)
    }

    /// The state machine, and the context that it is lent.
    fn lend(&mut self) -> (&mut Peer, Context<'_>) {
        let State { peer, core, draws, identity, out, peers, functions, .. } = self;
        let cx = Context {
            identity: *identity,
            config: core,
            peers: &peers.keys,
            functions: &functions.table,
            draws,
            out,
        };
        (peer, cx)
    }

    /// True if the next deadline is before the one that is waited for.
    pub(super) fn comes_sooner(&mut self) -> bool {
        let next = self.peer.poll_timeout().map(|wake| wake.at);
        let sooner = match (next, self.armed) {
            (Some(next), Some(armed)) => next < armed,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if sooner {
            self.armed = next;
        }
        sooner
    }

    /// The deadline to wait for.
    pub(super) fn arm(&mut self) -> Option<Time> {
        self.armed = self.peer.poll_timeout().map(|wake| wake.at);
        self.armed
    }

    /// Announces what is new in `hosted`, and withdraws what is not there any more.
    pub(super) fn host(&mut self, driver: &Arc<Driver>, hosted: &HostedFunctions) {
        let before = std::mem::replace(&mut self.announced, hosted.clone());
        for name in before.keys().filter(|name| !hosted.contains_key(*name)) {
            let function = self.functions.handle(name);
            self.input(driver, Input::Unhost { function });
        }
        for (name, about) in hosted.iter() {
            let function = self.function(name);
            self.functions.set_idempotent(function, about.idempotent);
            if !before.contains_key(name) {
                self.input(driver, Input::Host { function });
            }
        }
    }

    /// What is announced.
    pub(super) fn announced(&self) -> &HostedFunctions {
        &self.announced
    }

    /// The handle of a function; a new one where it has none, after a sweep where there are many.
    pub(super) fn function(&mut self, name: &str) -> FunctionHandle {
        if self.functions.is_crowded() {
            let mut marked = vec![false; self.functions.slots()];
            self.peer.mark_functions(&mut |function| {
                if let Some(mark) = marked.get_mut(function.index()) {
                    *mark = true;
                }
            });
            self.functions.sweep(&marked);
        }
        self.functions.handle(name)
    }

    /// Sweeps the table of peers where there are many. Only between inputs: a handle that a message has just named is
    /// not known to the core yet.
    pub(super) fn sweep_peers(&mut self) {
        if self.peers.is_crowded() {
            let mut marked = vec![false; self.peers.slots()];
            self.peer.mark(&mut |peer| {
                if let Some(mark) = marked.get_mut(peer.index()) {
                    *mark = true;
                }
            });
            self.peers.sweep(&marked);
        }
    }

    /// The handle of a peer; a new one where it has none.
    pub(super) fn peer_handle(&mut self, id: PeerId) -> PeerHandle {
        self.sweep_peers();
        self.peers.handle(id)
    }

    /// A Kademlia request, its length prefix taken off, that came from `from`. The response's bytes, where there is one.
    pub(super) fn kad_request(
        &mut self,
        driver: &Arc<Driver>,
        from: PeerId,
        body: &[u8],
    ) -> Result<Option<Vec<u8>>, wire::DecodeError> {
        let from = self.peer_handle(from);
        let mut directory = Directory { peers: &mut self.peers, functions: &self.functions };
        let request = wire::decode_request(body, from, &mut directory)?;
        let server = self.peers.get(from).is_some_and(|known| known.server);
        self.input(driver, Input::KadRequest { from, server, reply: 0, request });
        Ok(match self.reply.take() {
            Some(Reply::Kad(bytes)) => Some(bytes),
            _ => None,
        })
    }

    /// How a Kademlia request of ours ended.
    pub(super) fn kad_answer(
        &mut self,
        driver: &Arc<Driver>,
        from: PeerId,
        exchange: Exchange,
        answer: KadAnswer,
    ) {
        let from = self.peer_handle(from);
        let input = match answer {
            KadAnswer::Failed(failure) => Input::KadFailed { peer: from, exchange, failure },
            KadAnswer::Response { body, dialled } => {
                let mut directory = Directory { peers: &mut self.peers, functions: &self.functions };
                match wire::decode_response(&body, &mut directory) {
                    Ok(response) => {
                        let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
                        Input::KadResponse { from, exchange, bytes, dialled, response }
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a Kademlia response that makes no sense");
                        let failure = edge_faas_core::io::Failure::Protocol;
                        Input::KadFailed { peer: from, exchange, failure }
                    }
                }
            }
        };
        self.input(driver, input);
    }

    /// A routed call arrived: is it run here?
    pub(super) fn call_arrived(&mut self, driver: &Arc<Driver>, from: PeerId, function: &str) -> bool {
        // A stranger's name makes no handle: a function without one is not hosted.
        let Some(function) = self.functions.find(function) else {
            return false;
        };
        let from = self.peer_handle(from);
        self.input(driver, Input::CallArrived { from, reply: 0, function });
        matches!(self.reply.take(), Some(Reply::Serve(true)))
    }

    /// How long Kademlia's requests may take.
    pub(super) fn kad_request_timeout(&self) -> CoreDuration {
        self.core.kad.request_timeout
    }

    /// How long a sign of life is waited for: after that the core has long given up.
    pub(super) fn probe_patience(&self) -> CoreDuration {
        let faas = &self.core.faas;
        let patience = faas.probe_interval.saturating_mul(4 * i64::from(faas.probe_misses.max(1)));
        patience.max(core_duration(std::time::Duration::from_secs(1)))
    }
}
