//! Streams of our two protocols: opened at a word, accepted up to a limit. The connection's own task does both; nothing
//! goes through the swarm.

use super::links::{Link, Links};
use crate::config::Limits;
use crate::counted::Counted;
use futures::channel::{mpsc, oneshot};
use futures::{AsyncRead, AsyncWrite, StreamExt};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, upgrade::ReadyUpgrade};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    StreamUpgradeError, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol};
use rustc_hash::FxHashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// Streams of one connection that are being negotiated at once. The other side buffers no more than 256, whatever its
/// settings, and drops what is above.
const NEGOTIATING_MAX: usize = 128;

/// What is spoken on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Calls.
    Call,
    /// Kademlia.
    Kad,
}

/// Who takes streams that others open.
pub(crate) trait Accept: Send + Sync + 'static {
    /// A stream that `peer` opened. Called by the connection's task: it must not wait.
    fn accept(self: Arc<Self>, peer: PeerId, protocol: Protocol, stream: NodeStream);
}

/// A stream that counts among its connection's while it lives.
#[derive(Debug)]
pub(crate) struct NodeStream {
    stream: Stream,
    _count: Counted,
    rate: Option<Arc<Rate>>,
}

/// How many requests a connection may bring in a second.
type Rate = DefaultDirectRateLimiter;

/// Says whether a connection may bring one more request now.
#[derive(Clone, Debug)]
pub(crate) struct Admission(Option<Arc<Rate>>);

impl Admission {
    /// Counts one request of the other side's; false: one too many.
    pub(crate) fn admits(&self) -> bool {
        self.0.as_ref().is_none_or(|rate| rate.check().is_ok())
    }
}

impl NodeStream {
    /// How many requests its connection may bring.
    pub(crate) fn admission(&self) -> Admission {
        Admission(self.rate.clone())
    }
}

/// So many a second, twice that in a burst; `None` for zero, which is no limit.
fn rate(per_second: u32) -> Option<Arc<Rate>> {
    let per_second = NonZeroU32::new(per_second)?;
    let quota = Quota::per_second(per_second).allow_burst(per_second.saturating_mul(TWO));
    Some(Arc::new(RateLimiter::direct(quota)))
}

const TWO: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

impl AsyncRead for NodeStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for NodeStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buffer)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_close(cx)
    }
}

/// Why the other side gave no stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StreamError {
    /// It does not speak the protocol.
    #[error("it does not speak the protocol")]
    Unsupported,
    /// It did not answer in time.
    #[error("it did not open the stream in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(String),
}

/// A word to a connection: open a stream.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) protocol: Protocol,
    pub(super) reply: oneshot::Sender<Result<NodeStream, StreamError>>,
}

/// The names of the two protocols.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) call: StreamProtocol,
    pub(super) kad: StreamProtocol,
}

impl Names {
    fn of(&self, protocol: Protocol) -> StreamProtocol {
        match protocol {
            Protocol::Call => self.call.clone(),
            Protocol::Kad => self.kad.clone(),
        }
    }
}

/// What this node lets others open: both protocols, or as a client only the first.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    names: Names,
    kad: bool,
}

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::iter::Flatten<std::array::IntoIter<Option<StreamProtocol>, 2>>;

    fn protocol_info(&self) -> Self::InfoIter {
        [Some(self.names.call.clone()), self.kad.then(|| self.names.kad.clone())].into_iter().flatten()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (Protocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, name: StreamProtocol) -> Self::Future {
        let protocol = if name == self.names.call { Protocol::Call } else { Protocol::Kad };
        ready(Ok((protocol, stream)))
    }
}

/// One connection's streams.
pub(super) struct Handler {
    peer: PeerId,
    offer: Offer,
    accept: Arc<dyn Accept>,
    opens: mpsc::UnboundedReceiver<Open>,
    negotiating: usize,
    /// Streams that live, whoever opened them.
    streams: Arc<AtomicUsize>,
    max_streams: usize,
    /// Streams for Kademlia that the other side opened.
    kad_streams: Arc<AtomicUsize>,
    max_kad_streams: usize,
    kad_rate: Option<Arc<Rate>>,
    call_rate: Option<Arc<Rate>>,
    open_timeout: Duration,
}

impl Handler {
    fn accepted(&mut self, protocol: Protocol, stream: Stream) {
        // Beyond a limit the stream is dropped: the other side sees it reset.
        if self.streams.load(Ordering::Acquire) >= self.max_streams {
            tracing::debug!(peer = %self.peer, "refused a stream: the connection has as many as are allowed");
            return;
        }
        let (count, rate) = match protocol {
            Protocol::Call => (Counted::new(&self.streams), &self.call_rate),
            Protocol::Kad if self.kad_streams.load(Ordering::Acquire) >= self.max_kad_streams => {
                tracing::debug!(peer = %self.peer, "refused a Kademlia stream: too many at once");
                return;
            }
            Protocol::Kad => (Counted::new(&self.kad_streams), &self.kad_rate),
        };
        self.accept.clone().accept(
            self.peer,
            protocol,
            NodeStream { stream, _count: count, rate: rate.clone() },
        );
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = Offer;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = oneshot::Sender<Result<NodeStream, StreamError>>;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer, ()> {
        SubstreamProtocol::new(self.offer.clone(), ())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Infallible>> {
        while self.negotiating < NEGOTIATING_MAX {
            let Poll::Ready(Some(open)) = self.opens.poll_next_unpin(cx) else {
                break;
            };
            if open.reply.is_canceled() {
                continue;
            }
            self.negotiating += 1;
            let upgrade = ReadyUpgrade::new(self.offer.names.of(open.protocol));
            let protocol = SubstreamProtocol::new(upgrade, open.reply).with_timeout(self.open_timeout);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Offer, Self::OutboundProtocol, (), Self::OutboundOpenInfo>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (protocol, stream),
                ..
            }) => self.accepted(protocol, stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                self.negotiating = self.negotiating.saturating_sub(1);
                let stream = NodeStream { stream: protocol, _count: Counted::new(&self.streams), rate: None };
                // Nobody waits any more: the stream is dropped.
                let _ = info.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                self.negotiating = self.negotiating.saturating_sub(1);
                let error = match error {
                    StreamUpgradeError::Timeout => StreamError::Timeout,
                    StreamUpgradeError::NegotiationFailed => StreamError::Unsupported,
                    StreamUpgradeError::Io(error) => StreamError::Io(error.to_string()),
                    StreamUpgradeError::Apply(never) => match never {},
                };
                let _ = info.send(Err(error));
            }
            _ => {}
        }
    }
}

/// The streams of all connections.
pub(super) struct Behaviour {
    links: Links,
    accept: Arc<dyn Accept>,
    offer: Offer,
    limits: Limits,
    open_timeout: Duration,
    /// Connections that are not established yet, or denied.
    pending: FxHashMap<ConnectionId, Link>,
}

impl Behaviour {
    pub(super) fn new(
        links: Links,
        accept: Arc<dyn Accept>,
        names: Names,
        server: bool,
        limits: Limits,
        open_timeout: Duration,
    ) -> Self {
        Behaviour {
            links,
            accept,
            offer: Offer { names, kad: server },
            limits,
            open_timeout,
            pending: FxHashMap::default(),
        }
    }

    fn handler(&mut self, id: ConnectionId, peer: PeerId) -> Handler {
        let (sender, opens) = mpsc::unbounded();
        let streams = Arc::new(AtomicUsize::new(0));
        self.pending.insert(id, Link::new(id, sender, streams.clone()));
        Handler {
            peer,
            offer: self.offer.clone(),
            accept: self.accept.clone(),
            opens,
            negotiating: 0,
            streams,
            max_streams: self.limits.streams,
            kad_streams: Arc::new(AtomicUsize::new(0)),
            max_kad_streams: self.limits.kad_streams,
            kad_rate: rate(self.limits.kad_rate),
            call_rate: rate(self.limits.call_rate),
            open_timeout: self.open_timeout,
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(id, peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(id, peer))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                if let Some(link) = self.pending.remove(&established.connection_id) {
                    self.links.connected(established.peer_id, link);
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                self.links.closed(closed.peer_id, closed.connection_id);
            }
            // Another behaviour may have denied the connection after this one made its handler.
            FromSwarm::DialFailure(failure) => {
                self.pending.remove(&failure.connection_id);
                if let Some(peer) = failure.peer_id {
                    self.links.dial_failed(peer, &failure.error.to_string());
                }
            }
            FromSwarm::ListenFailure(failure) => {
                self.pending.remove(&failure.connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
