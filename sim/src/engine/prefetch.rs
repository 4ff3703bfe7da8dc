//! Has the memory of coming events fetched while the ones before them are handled.
//!
//! In a large network every message goes to another node, and what it touches there lies in no cache: without this,
//! most of a run's time is waiting for memory. The queue knows what comes next, so the memory of the next few messages
//! can be on its way at once. What is behind a pointer can be asked for only when the pointer is there, hence steps.

use super::traffic::{Body, Parcel};
use super::{Engine, Event};
use edge_faas_core::kad::{Request, Response};
use edge_faas_core::key::{Key, PeerHandle};
use edge_faas_core::prefetch::{self, Coming, Step};

/// How many events ahead each step is. An event takes about a microsecond, memory a tenth of that.
const FIRST: usize = 12;
const SECOND: usize = 9;
const THIRD: usize = 6;
const FOURTH: usize = 3;
const LAST: usize = 1;

impl Engine<'_> {
    #[inline]
    pub(crate) fn prefetch(&self) {
        match self.queue.upcoming(FIRST) {
            Some(Event::Parcel { slot, to }) => {
                self.parcels.prefetch(*slot);
                self.nodes[*to as usize].prefetch();
                self.population.keys.prefetch(PeerHandle::new(*to));
            }
            Some(Event::Wake(node)) => self.nodes[*node as usize].prefetch(),
            _ => {}
        }
        self.prefetch_step(SECOND, Step::Second);
        self.prefetch_step(THIRD, Step::Third);
        self.prefetch_step(FOURTH, Step::Fourth);
        self.prefetch_next();
    }

    /// What sending the request needs that a response will probably cause.
    #[inline]
    fn prefetch_next(&self) {
        if let Some(Event::Parcel { slot, to }) = self.queue.upcoming(LAST)
            && let Some(Parcel { body: Body::Response(_), exchange, .. }) = self.parcels.get(*slot)
            && let Some(next) = self.nodes[*to as usize].peer.likely_next(*exchange)
        {
            self.fabric.prefetch(self.population.number(next.get()));
        }
    }

    #[inline]
    fn prefetch_step(&self, ahead: usize, step: Step) {
        let Some(Event::Parcel { slot, to }) = self.queue.upcoming(ahead) else { return };
        let Some(parcel) = self.parcels.get(*slot) else { return };
        let node = &self.nodes[*to as usize];
        match step {
            Step::Second => {
                node.connections.prefetch(parcel.from);
                self.fabric.prefetch(node.number);
                prefetch::line(&parcel.body);
                prefetch::line(&parcel.sent);
            }
            Step::Third => {}
            Step::Fourth => {
                if matches!(parcel.body, Body::Response(_))
                    && let Some(next) = node.peer.likely_next(parcel.exchange)
                {
                    self.nodes[next.index()].prefetch();
                    self.population.prefetch(next.get());
                }
            }
        }
        if let Some(coming) = coming(parcel) {
            node.peer.prefetch(step, coming, &self.population.keys);
        }
    }
}

fn coming(parcel: &Parcel) -> Option<Coming<'_>> {
    let from = PeerHandle::new(parcel.from);
    match &parcel.body {
        Body::Request(request) => Some(Coming::Request { from, target: target_of(request) }),
        Body::Response(response) => {
            let closer: &[PeerHandle] = match response {
                Response::Nodes(closer)
                | Response::Providers { closer, .. }
                | Response::Value { closer, .. } => closer,
                Response::Stored(_) | Response::Pong => &[],
            };
            Some(Coming::Response { from, exchange: parcel.exchange, closer })
        }
        Body::Probe(_) | Body::ProbeReply(_) => None,
    }
}

fn target_of(request: &Request) -> Option<&Key> {
    match request {
        Request::FindNode(target)
        | Request::GetProviders { target, .. }
        | Request::AddProvider(target)
        | Request::RemoveProvider(target)
        | Request::GetValue(target) => Some(&target.key),
        Request::PutValue(_) | Request::Ping => None,
    }
}
