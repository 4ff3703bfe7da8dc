//! How entry nodes find providers without the DHT: baselines that say what the DHT costs and brings.
//!
//! - `central`: a gateway at one node; every provider registers there, every call passes through it;
//! - `full`: every node holds the whole directory, changes spread by gossip;
//! - `flood`: a query floods an overlay of random links;
//! - oracle: the providers that are up, free; none: nothing, so that a node runs only what it hosts itself.
//!
//! Their messages (`letter`) pay what Kademlia's pay: connections, delay, processor time, bytes by class of traffic
//! (upkeep of directories: records; queries: look-ups). With them the nodes keep no routing tables.

mod central;
mod flood;
mod full;
mod letter;
mod overlay;

use crate::engine::{Engine, purpose};
use central::Central;
use edge_faas_core::draws::Draws;
use edge_faas_core::io::Input;
use edge_faas_core::key::{FunctionHandle, PeerHandle};
use edge_faas_core::scenario::schema::{self, Scenario};
use edge_faas_core::time::{Duration, Time};
use flood::Flood;
use full::Full;
use letter::{Due, Letter, Note, Timer};
use slab::Slab;

/// The state of a discovery that is not Kademlia.
#[derive(Debug)]
pub(crate) struct Discovery {
    kind: Kind,
    /// Messages on their way, and deadlines.
    due: Slab<Due>,
    /// A settled network is being set up: what is published has been known for long.
    settling: bool,
}

#[derive(Debug)]
enum Kind {
    Kademlia,
    Central(Central),
    Full(Full),
    Flood(Flood),
    Oracle,
    None,
}

impl Discovery {
    pub(crate) fn new(scenario: &Scenario, draws: &Draws) -> Self {
        let kind = match scenario.discovery {
            schema::Discovery::Kademlia => Kind::Kademlia,
            schema::Discovery::Central { node } => Kind::Central(Central::new(node)),
            schema::Discovery::Full { fanout } => Kind::Full(Full::new(fanout)),
            schema::Discovery::Flood { ttl, degree } => {
                Kind::Flood(Flood::new(draws, scenario.network.nodes, ttl, degree))
            }
            schema::Discovery::Oracle => Kind::Oracle,
            schema::Discovery::None => Kind::None,
        };
        Discovery { kind, due: Slab::new(), settling: false }
    }

    pub(crate) fn is_kademlia(&self) -> bool {
        matches!(self.kind, Kind::Kademlia)
    }
}

impl Engine<'_> {
    /// A node asks who provides a function.
    pub(crate) fn resolve(&mut self, node: u32, function: FunctionHandle) {
        match self.discovery.kind {
            Kind::Central(_) => self.resolve_at_gateway(node, function),
            Kind::Full(_) => self.resolve_in_directory(node, function),
            Kind::Flood(_) => self.flood(node, function),
            Kind::Oracle => {
                let live = |number: &&u32| self.provides(**number);
                let providers = self.hosts.providers(function).iter().filter(live);
                let providers = providers.map(|number| PeerHandle::new(self.population.handle(*number)));
                let providers = providers.collect();
                self.resolved(node, function, providers, true);
            }
            Kind::Kademlia | Kind::None => self.resolved(node, function, Vec::new(), true),
        }
    }

    fn resolved(&mut self, node: u32, function: FunctionHandle, providers: Vec<PeerHandle>, done: bool) {
        self.later(node, Input::Resolved { function, providers, done });
    }

    /// A node hosts a function, or does not any more.
    pub(crate) fn publish(&mut self, node: u32, function: FunctionHandle, hosted: bool) {
        match self.discovery.kind {
            Kind::Central(_) => self.publish_at_gateway(node, function, hosted),
            Kind::Full(_) => self.publish_by_gossip(node, function, hosted),
            // Flooding asks the providers themselves, the oracle knows.
            _ => {}
        }
    }

    /// A settled network is about to be set up.
    pub(crate) fn discovery_settles(&mut self) {
        self.discovery.settling = true;
    }

    /// A settled network has been set up, with these nodes in it.
    pub(crate) fn discovery_settled(&mut self, up: &[u32]) {
        self.discovery.settling = false;
        if let Kind::Full(full) = &mut self.discovery.kind {
            full.settled(up);
        }
    }

    /// A node has come into the network, or come back: it knows nothing yet.
    pub(crate) fn discovery_joined(&mut self, node: u32) {
        let number = self.population.number(node);
        match &mut self.discovery.kind {
            Kind::Central(central) => central.came_up(number),
            Kind::Full(_) => self.join_directory(node),
            _ => {}
        }
    }

    /// A node has lost its connections to a peer.
    pub(crate) fn discovery_disconnected(&mut self, node: u32, peer: u32) {
        if let Kind::Central(central) = &self.discovery.kind
            && central.gateway() == self.population.number(peer)
        {
            self.register_again(node);
        }
    }

    /// The gateway that calls of this machine pass through; `None` for the gateway's own.
    pub(crate) fn gateway_for(&self, entry: u32) -> Option<u32> {
        match &self.discovery.kind {
            Kind::Central(central) if central.gateway() != entry => {
                Some(self.population.handle(central.gateway()))
            }
            _ => None,
        }
    }

    /// A message arrives, or a deadline has come.
    pub(crate) fn discovery_due(&mut self, slot: u32) {
        match self.discovery.due.remove(slot as usize) {
            Due::Letter(letter) => self.letter_due(letter),
            Due::Timer { node, since, timer } => {
                let state = &self.nodes[node as usize];
                if state.is_up() && state.up_since == since {
                    self.timer_due(node, timer);
                } else if let Timer::QueryEnd(query, number) = timer {
                    self.query_abandoned(query, number);
                }
            }
        }
    }

    fn letter_due(&mut self, letter: Letter) {
        let Letter { from, to, sent, bytes, class, note } = letter;
        let reached = self.reaches(from, to, sent);
        if let Note::Query { query, .. } | Note::Found { query, .. } = note {
            self.query_letter_over(query, reached);
        }
        if !reached {
            return;
        }
        self.arrive(from, to, class, u64::from(bytes));
        self.totals.messages += 1;
        match note {
            Note::Register { function, hosted } => self.registered(from, to, function, hosted),
            Note::Registered { function } => self.registration_acknowledged(to, function),
            Note::Rumour(record) => self.heard(to, from, record),
            Note::Copy => self.copy_wanted(to, from),
            Note::Directory(records) => self.copied(to, &records),
            Note::Query { query, hops } => self.asked(to, from, query, hops),
            Note::Found { query, hops } => self.found(from, query, hops),
        }
    }

    fn timer_due(&mut self, node: u32, timer: Timer) {
        match timer {
            Timer::Republish(function) => self.republish(node, function),
            Timer::Unacknowledged(function, serial) => self.unacknowledged(node, function, serial),
            Timer::CopyFailed(tried) => self.copy_failed(node, tried),
            Timer::QueryEnd(query, number) => self.query_end(query, number),
        }
    }

    /// A node announces a function again.
    fn republish(&mut self, node: u32, function: FunctionHandle) {
        if !self.is_hosted(node, function) {
            return;
        }
        match self.discovery.kind {
            Kind::Central(_) => self.register(node, function),
            Kind::Full(_) => self.announce(node, function, false),
            _ => return,
        }
        self.set_republish(node, function, self.now + self.config.kad.republish_interval);
    }

    fn set_republish(&mut self, node: u32, function: FunctionHandle, at: Time) {
        // An interval of no time must not stop the clock.
        let at = at.max(self.now + Duration::from_millis(1));
        self.set_timer(node, at, Timer::Republish(function));
    }

    /// When a provider of a settled network announced a function last: within the last interval.
    fn settled_since(&self, node: u32, function: FunctionHandle) -> Time {
        let entity = self.population.identity(node) ^ self.functions.get(function).key.prefix();
        let share = self.draws.stream(purpose::SETTLED, entity).unit();
        self.now - self.config.kad.republish_interval.mul_f64(share)
    }

    /// True if a node's own word is that it hosts a function.
    fn is_hosted(&self, node: u32, function: FunctionHandle) -> bool {
        let faas = self.nodes[node as usize].peer.faas();
        faas.is_some_and(|faas| faas.hosted().binary_search(&function).is_ok())
    }
}
