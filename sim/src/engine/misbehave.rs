//! Nodes that break the protocol.

use super::node::Node;
use super::traffic::class_of;
use super::{Engine, purpose};
use edge_faas_core::draws::Stream;
use edge_faas_core::io::Exchange;
use edge_faas_core::kad::{Peers, Request, Response};
use edge_faas_core::key::PeerHandle;
use edge_faas_core::results::TrafficClass;
use edge_faas_core::scenario::schema::Misbehaviour;
use edge_faas_core::time::Duration;
use rustc_hash::FxHashMap;

/// Identities that a liar names and nobody has.
const PHANTOMS: u16 = 256;

/// Which machines misbehave, and how.
#[derive(Debug, Default)]
pub(crate) struct Misbehaving {
    machines: FxHashMap<u32, Misbehaviour>,
    phantoms: Vec<u32>,
}

impl Misbehaving {
    pub(crate) fn set(&mut self, number: u32, how: Option<Misbehaviour>) {
        match how {
            Some(how) => self.machines.insert(number, how),
            None => self.machines.remove(&number),
        };
    }

    fn of(&self, number: u32) -> Option<Misbehaviour> {
        if self.machines.is_empty() { None } else { self.machines.get(&number).copied() }
    }
}

impl Engine<'_> {
    /// Makes up the identities that liars name.
    pub(crate) fn make_phantoms(&mut self) {
        for n in self.misbehaving.phantoms.len() as u16..PHANTOMS {
            let handle = self.population.phantom(&self.draws, n);
            self.misbehaving.phantoms.push(handle);
            self.nodes.push(Node::new(handle, self.population.number(handle), false, self.now));
        }
    }

    /// What a node does with a request before its core sees it. False: nothing more.
    pub(crate) fn behaves(
        &mut self,
        node: u32,
        request: &Request,
        from: u32,
        exchange: Exchange,
        class: TrafficClass,
    ) -> bool {
        debug_assert_eq!(class, class_of(request));
        match self.misbehaving.of(self.population.number(node)) {
            None | Some(Misbehaviour::Slow { .. }) => true,
            Some(Misbehaviour::BlackHole) => false,
            Some(Misbehaviour::Lie) => {
                if request.has_response() {
                    let lie = self.lie(node, request);
                    self.answering = (class, false);
                    self.send_response(node, from, exchange.0, lie);
                }
                false
            }
        }
    }

    /// Sends an honest response, later if the node is a slow one.
    pub(crate) fn answer(&mut self, node: u32, to: u32, reply: u32, response: Response) {
        let delay = match self.misbehaving.of(self.population.number(node)) {
            Some(Misbehaviour::Slow { delay }) => delay,
            _ => Duration::ZERO,
        };
        let class_and_dial = self.answering;
        self.send_response_after(node, to, reply, class_and_dial, response, delay);
    }

    /// Peers that do not exist and providers that are none.
    fn lie(&mut self, node: u32, request: &Request) -> Response {
        let sent = self.nodes[node as usize].sent;
        let mut stream =
            self.draws.stream_at(purpose::LIE, self.population.identity(node), sent.wrapping_mul(32));
        let k = self.config.kad.k;
        let closer: Peers = (0..k).filter_map(|_| self.phantom(&mut stream)).collect();
        match request {
            Request::FindNode(_) => Response::Nodes(closer),
            Request::GetProviders { .. } => {
                let providers: Vec<PeerHandle> = (0..3).filter_map(|_| self.phantom(&mut stream)).collect();
                let total = providers.len() as u32;
                Response::Providers { closer, providers, total }
            }
            Request::GetValue(_) => Response::Value { record: None, closer },
            Request::PutValue(record) => Response::Stored(record.clone()),
            _ => Response::Pong,
        }
    }

    fn phantom(&self, stream: &mut Stream) -> Option<PeerHandle> {
        let phantoms = &self.misbehaving.phantoms;
        phantoms.get(stream.below(phantoms.len() as u64) as usize).map(|handle| PeerHandle::new(*handle))
    }
}
