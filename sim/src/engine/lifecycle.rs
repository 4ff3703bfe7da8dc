//! Nodes that come, go and come back.

use super::node::{Node, Status};
use super::{Engine, Event};
use edge_faas_core::io::Input;
use edge_faas_core::key::{FunctionHandle, PeerHandle};
use edge_faas_core::time::Time;

/// How a node goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Departure {
    /// Its process is killed: peers see a reset.
    Kill,
    /// Its machine falls silent.
    PowerOff,
}

impl Engine<'_> {
    /// A machine's node enters the network.
    pub(crate) fn join(&mut self, number: u32) {
        let handle = self.population.handle(number);
        if self.nodes[handle as usize].is_up() {
            return;
        }
        self.set_up(handle);
        if self.discovery.is_kademlia() {
            let bootstrap = self.bootstrap(handle).map(PeerHandle::new).collect();
            self.input(handle, Input::Join { bootstrap });
        } else {
            self.discovery_joined(handle);
        }
        self.host_all(number, handle);
    }

    /// The nodes that `handle` knows at first.
    pub(crate) fn bootstrap(&self, handle: u32) -> impl Iterator<Item = u32> {
        (0..self.scenario.network.bootstrap.min(self.population.nodes()))
            .map(|number| self.population.handle(number))
            .filter(move |peer| *peer != handle)
    }

    /// The node announces what its machine hosts.
    fn host_all(&mut self, number: u32, handle: u32) {
        let functions =
            self.machines[number as usize].runtime.as_ref().map(|runtime| runtime.functions.clone());
        for function in functions.unwrap_or_default() {
            self.later(handle, Input::Host { function: FunctionHandle(function) });
        }
    }

    /// Marks a node as up.
    pub(crate) fn set_up(&mut self, handle: u32) {
        let now = self.now;
        let node = &mut self.nodes[handle as usize];
        node.status = Status::Up;
        node.up_since = now;
        node.cpu_free = node.cpu_free.max(now);
        self.up += 1;
        self.rows.writer.nodes_up(now, self.up);
    }

    pub(crate) fn joined(&mut self, node: u32) {
        self.trace(node, || "joined".to_owned());
    }

    /// A node goes without a word.
    pub(crate) fn take_down(&mut self, handle: u32, departure: Departure) {
        if !self.nodes[handle as usize].is_up() {
            return;
        }
        let now = self.now;
        let number = self.population.number(handle);
        let clock = self.clock(now);
        let node = &mut self.nodes[handle as usize];
        let since = node.up_since.max(Time::ZERO);
        node.status = match departure {
            Departure::Kill => Status::Refusing,
            Departure::PowerOff => Status::Silent,
        };
        let peers = node.connections.take_open(clock);
        self.machines[number as usize].uptime += now.since(since);
        self.up -= 1;
        self.rows.writer.nodes_up(now, self.up);
        if departure == Departure::Kill {
            for peer in peers {
                // The reset arrives like any message.
                if let Some(delay) = self.message_delay(handle, peer, 0) {
                    self.queue.push(now + delay, Event::Disconnected { node: peer, peer: handle });
                }
            }
        }
        if let Some(runtime) = self.machines[number as usize].runtime.as_mut() {
            let lost = runtime.executor.stop(now);
            self.count_lost(&lost);
        }
        self.drop_flights_of(handle);
        self.lose_calls_of(handle);
    }

    /// A node says goodbye: it withdraws what it hosts, and is gone once that is on its way.
    pub(crate) fn leave(&mut self, handle: u32) {
        if self.nodes[handle as usize].is_up() {
            self.input(handle, Input::Leave);
        }
    }

    /// A machine's node comes back, as who it was or, `fresh`, with a new identity and nothing hosted.
    pub(crate) fn bring_up(&mut self, number: u32, fresh: bool) {
        let old = self.population.handle(number);
        if self.nodes[old as usize].is_up() {
            return;
        }
        self.restarts = true;
        let server = self.nodes[old as usize].server;
        let handle = if fresh {
            if let Some(runtime) = self.machines[number as usize].runtime.take() {
                self.rows.gone(number, &runtime.executor.stats());
                self.hosts.clear(number);
            }
            self.population.renew(&self.draws, number)
        } else {
            old
        };
        let node = Node::new(handle, number, server, self.now);
        if fresh {
            self.nodes.push(node);
        } else {
            let old = &mut self.nodes[handle as usize];
            // Its messages go on being numbered, and whoever looks still sees how and since when it is away.
            *old = Node { sent: old.sent, status: old.status, up_since: old.up_since, ..node };
        }
        if let Some(runtime) = self.machines[number as usize].runtime.as_mut() {
            runtime.executor.restart(self.now);
        }
        self.join(number);
        self.reset_bereaved(handle);
    }

    /// A node forgets providers and closes its connections: a cold start, for experiments.
    pub(crate) fn make_cold(&mut self, handle: u32) {
        let clock = self.clock(self.now);
        self.nodes[handle as usize].peer.forget_providers();
        for peer in self.nodes[handle as usize].connections.take_open(clock) {
            self.nodes[peer as usize].connections.remove(handle);
        }
    }
}
