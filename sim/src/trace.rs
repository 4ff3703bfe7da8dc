//! `sim trace`: one line an event, to see the protocol at work.

use crate::engine::Engine;
use edge_faas_core::io::AttemptFailure;
use edge_faas_core::kad::{Preimage, Request, Response, Target};
use std::fmt;

/// What the lines of a trace mean.
pub const LEGEND: &str = "\
   seconds  node        event
            node-3      > node-7 REQUEST target      a request leaves (FIND closest nodes, PROVIDERS, ADD, REMOVE, GET, PUT, PING)
            node-7      < node-3 REQUEST             it arrives
            node-3      = node-7 RESPONSE            the response arrives
            node-3      look-up, attempt, call …     what the node makes of it
            network     fault, heal …                what happens to the network
";

/// Takes the lines of a trace.
pub type Lines = Box<dyn FnMut(&str)>;

/// Which lines are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// From this virtual time on, in seconds.
    pub from: Option<f64>,
    /// About this node only, by number.
    pub node: Option<u32>,
}

/// A trace under way.
pub type Tracer = (Filter, Lines);

impl Engine<'_> {
    /// A line about a node.
    pub(crate) fn trace(&mut self, node: u32, line: impl FnOnce() -> String) {
        let number = self.population.number(node);
        let now = self.now.as_secs_f64();
        if let Some((filter, lines)) = &mut self.tracer
            && filter.from.is_none_or(|from| now >= from)
            && filter.node.is_none_or(|node| node == number)
        {
            lines(&format!("{now:>11.6}  {:<10}  {}", format!("node-{number}"), line()));
        }
    }

    /// A line about the network.
    pub(crate) fn trace_network(&mut self, line: impl FnOnce() -> String) {
        let now = self.now.as_secs_f64();
        if let Some((filter, lines)) = &mut self.tracer
            && filter.from.is_none_or(|from| now >= from)
        {
            lines(&format!("{now:>11.6}  {:<10}  {}", "network", line()));
        }
    }

    /// A line about a message of Kademlia's.
    pub(crate) fn trace_message(
        &mut self,
        node: u32,
        arrow: char,
        other: u32,
        what: impl FnOnce(&Self) -> String,
    ) {
        if self.tracer.is_some() {
            let other = self.population.number(other);
            let what = what(self);
            self.trace(node, || format!("{arrow} node-{other} {what}"));
        }
    }

    pub(crate) fn show_request(&self, request: &Request) -> String {
        let (verb, target) = match request {
            Request::FindNode(target) => ("FIND", Some(target)),
            Request::GetProviders { target, .. } => ("PROVIDERS", Some(target)),
            Request::AddProvider(target) => ("ADD", Some(target)),
            Request::RemoveProvider(target) => ("REMOVE", Some(target)),
            Request::GetValue(target) => ("GET", Some(target)),
            Request::PutValue(_) => ("PUT", None),
            Request::Ping => ("PING", None),
        };
        match target {
            Some(target) => format!("{verb} {}", self.show_target(target)),
            None => verb.to_owned(),
        }
    }

    fn show_target(&self, target: &Target) -> String {
        match &target.preimage {
            Preimage::Peer(peer) => format!("node-{}", self.population.number(peer.get())),
            Preimage::Function(function) => self.hosts.name(*function).to_owned(),
            Preimage::Random(_) | Preimage::Bytes(_) => format!("{:?}", target.key),
        }
    }
}

/// What a response says, in short.
pub(crate) fn show_response(response: &Response) -> String {
    match response {
        Response::Nodes(closer) => format!("{} nodes", closer.len()),
        Response::Providers { closer, providers, total } => {
            format!("{} of {total} providers, {} nodes", providers.len(), closer.len())
        }
        Response::Value { record, closer } => {
            format!("{} value, {} nodes", if record.is_some() { "a" } else { "no" }, closer.len())
        }
        Response::Stored(_) => "stored".to_owned(),
        Response::Pong => "pong".to_owned(),
    }
}

/// Why an attempt failed, in a word.
pub(crate) fn show_failure(failure: AttemptFailure) -> impl fmt::Display {
    match failure {
        AttemptFailure::Dial => "could not dial",
        AttemptFailure::Lost => "connection lost",
        AttemptFailure::NotHosted => "not hosted",
        AttemptFailure::Full { .. } => "full",
        AttemptFailure::Runtime => "runtime down",
        AttemptFailure::Cancelled => "cancelled",
        AttemptFailure::Timeout => "timed out",
    }
}
