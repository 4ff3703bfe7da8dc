//! The connections there are, by peer, and the streams that wait on them for their next call.

use super::stream::{NodeStream, Open, Protocol, StreamError};
use crate::protocol::Channel;
use futures::channel::{mpsc, oneshot};
use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Streams that may wait on one connection for their next call.
const IDLE_MAX: usize = 1_024;
/// How often is looked whether a connection has ended.
const TICK: Duration = Duration::from_millis(2);

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    id: ConnectionId,
    opens: mpsc::UnboundedSender<Open>,
    /// Streams that live on it.
    streams: Arc<AtomicUsize>,
}

impl Link {
    pub(super) fn new(
        id: ConnectionId,
        opens: mpsc::UnboundedSender<Open>,
        streams: Arc<AtomicUsize>,
    ) -> Self {
        Link { id, opens, streams }
    }
}

/// A stream for one call, and where to give it back.
#[derive(Debug)]
pub(crate) struct Leased {
    /// The stream.
    pub channel: Channel<NodeStream>,
    peer: PeerId,
    link: ConnectionId,
}

/// Why there is no stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// No connection came about.
    #[error("cannot connect: {0}")]
    Dial(String),
    /// Every connection to it has as many streams as are allowed.
    #[error("as many calls are in flight to it as its connection may carry")]
    Full,
    /// The connection stood and gave no stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

#[derive(Debug)]
struct Idle {
    channel: Channel<NodeStream>,
    link: ConnectionId,
    since: Instant,
}

#[derive(Debug, Default)]
struct Peer {
    links: SmallVec<[Link; 1]>,
    /// The one used last is used first, so that the others age.
    idle: Vec<Idle>,
    dialling: bool,
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
}

/// The connections of a node; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Links(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    // Not Fx: strangers choose their ids.
    peers: Mutex<HashMap<PeerId, Peer>>,
    broken: Mutex<HashSet<PeerId>>,
    dials: mpsc::UnboundedSender<PeerId>,
    max_streams: usize,
    max_head: usize,
}

impl Links {
    /// No connections yet. Peers that are to be dialled come out of the receiver; each once until it is connected or
    /// [`Links::dial_failed`].
    pub(crate) fn new(max_streams: usize, max_head: usize) -> (Self, mpsc::UnboundedReceiver<PeerId>) {
        let (dials, receiver) = mpsc::unbounded();
        let shared =
            Shared { peers: Mutex::default(), broken: Mutex::default(), dials, max_streams, max_head };
        (Links(Arc::new(shared)), receiver)
    }

    pub(super) fn connected(&self, peer: PeerId, link: Link) {
        let mut peers = self.0.peers.lock();
        let entry = peers.entry(peer).or_default();
        entry.links.push(link);
        entry.dialling = false;
        for waiting in entry.waiting.drain(..) {
            let _ = waiting.send(Ok(()));
        }
    }

    pub(super) fn closed(&self, peer: PeerId, link: ConnectionId) {
        let mut peers = self.0.peers.lock();
        let Some(entry) = peers.get_mut(&peer) else { return };
        let in_use = |entry: &Peer| -> usize {
            let live: usize = entry.links.iter().map(|link| link.streams.load(Ordering::Acquire)).sum();
            live.saturating_sub(entry.idle.len())
        };
        let busy = in_use(entry) > 0;
        entry.links.retain(|other| other.id != link);
        let (gone, idle) = std::mem::take(&mut entry.idle).into_iter().partition(|idle| idle.link == link);
        entry.idle = idle;
        if entry.links.is_empty() {
            if busy {
                self.0.broken.lock().insert(peer);
            }
            if !entry.dialling {
                peers.remove(&peer);
            }
        }
        drop(peers);
        // Streams wake others when they are dropped.
        drop::<Vec<Idle>>(gone);
    }

    /// A dial came to nothing: those that wait for it are told.
    pub(crate) fn dial_failed(&self, peer: PeerId, error: &str) {
        let mut peers = self.0.peers.lock();
        let Some(entry) = peers.get_mut(&peer) else { return };
        entry.dialling = false;
        let connected = !entry.links.is_empty();
        for waiting in entry.waiting.drain(..) {
            let _ = waiting.send(if connected { Ok(()) } else { Err(error.to_owned()) });
        }
        if !connected {
            peers.remove(&peer);
        }
    }

    /// True, once, if the last connection to a peer ended with calls on it: it broke. Else it was idle, and the peer may
    /// well live.
    pub(crate) fn take_broken(&self, peer: &PeerId) -> bool {
        self.0.broken.lock().remove(peer)
    }

    /// True while there is a connection.
    pub(crate) fn is_connected(&self, peer: &PeerId) -> bool {
        self.0.peers.lock().get(peer).is_some_and(|entry| !entry.links.is_empty())
    }

    /// True if there is still a connection after `patience`; false as soon as there is none.
    pub(crate) async fn is_connected_after(&self, peer: &PeerId, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while self.is_connected(peer) {
            if Instant::now() >= until {
                return true;
            }
            tokio::time::sleep(TICK).await;
        }
        false
    }

    /// Peers with a connection.
    pub(crate) fn connected_peers(&self) -> Vec<PeerId> {
        let peers = self.0.peers.lock();
        peers.iter().filter(|(_, entry)| !entry.links.is_empty()).map(|(peer, _)| *peer).collect()
    }

    /// Streams that live, and those among them that wait for their next call.
    pub(crate) fn streams(&self) -> (usize, usize) {
        let peers = self.0.peers.lock();
        let live = |entry: &Peer| -> usize {
            entry.links.iter().map(|link| link.streams.load(Ordering::Acquire)).sum()
        };
        (peers.values().map(live).sum(), peers.values().map(|entry| entry.idle.len()).sum())
    }

    /// A stream for a call that waits already, if there is one.
    pub(crate) fn idle(&self, peer: PeerId) -> Option<Leased> {
        let mut peers = self.0.peers.lock();
        let entry = peers.get_mut(&peer)?;
        while let Some(Idle { mut channel, link, .. }) = entry.idle.pop() {
            // The other side may have closed it meanwhile.
            if channel.reader.is_idle() {
                return Some(Leased { channel, peer, link });
            }
        }
        None
    }

    /// A stream for a call: one that waits, or a fresh one, dialling if there is no connection.
    ///
    /// # Errors
    /// [`OpenError`]: the call was not sent.
    pub(crate) async fn lease(&self, peer: PeerId) -> Result<Leased, OpenError> {
        if let Some(leased) = self.idle(peer) {
            return Ok(leased);
        }
        let (stream, link) = self.open(peer, Protocol::Call).await?;
        Ok(Leased { channel: Channel::new(stream, self.0.max_head), peer, link })
    }

    /// Gives a stream back on which a call has ended in good order.
    pub(crate) fn give_back(&self, leased: Leased) {
        let Leased { mut channel, peer, link } = leased;
        channel.reader.shrink();
        channel.writer.shrink();
        let mut peers = self.0.peers.lock();
        if let Some(entry) = peers.get_mut(&peer)
            && entry.idle.len() < IDLE_MAX
            && entry.links.iter().any(|other| other.id == link)
        {
            entry.idle.push(Idle { channel, link, since: Instant::now() });
        }
    }

    /// A fresh stream, dialling if there is no connection.
    ///
    /// # Errors
    /// [`OpenError`]: nothing was sent.
    pub(crate) async fn open(
        &self,
        peer: PeerId,
        protocol: Protocol,
    ) -> Result<(NodeStream, ConnectionId), OpenError> {
        // A connection may break between its coming about and its use; then once more.
        for _ in 0..2 {
            match self.request(peer, protocol)? {
                Request::Opening(stream, link) => {
                    if let Ok(stream) = stream.await {
                        return Ok((stream?, link));
                    }
                    // The connection closed; its end may not have been told yet.
                    self.closed(peer, link);
                }
                Request::Dialling(connected) => match connected.await {
                    Ok(Ok(())) => {
                        if let Request::Opening(stream, link) = self.request(peer, protocol)?
                            && let Ok(stream) = stream.await
                        {
                            return Ok((stream?, link));
                        }
                    }
                    Ok(Err(error)) => return Err(OpenError::Dial(error)),
                    Err(_) => return Err(OpenError::Dial("the node is shutting down".to_owned())),
                },
            }
        }
        Err(OpenError::Stream(StreamError::Io("it closes as soon as it is used".to_owned())))
    }

    fn request(&self, peer: PeerId, protocol: Protocol) -> Result<Request, OpenError> {
        let mut peers = self.0.peers.lock();
        let entry = peers.entry(peer).or_default();
        let count = |link: &Link| link.streams.load(Ordering::Acquire);
        if let Some(link) = entry.links.iter().min_by_key(|link| count(link)) {
            if count(link) >= self.0.max_streams {
                return Err(OpenError::Full);
            }
            let (reply, stream) = oneshot::channel();
            // Fails only if the connection is closing: then the reply is dropped with it.
            let _ = link.opens.unbounded_send(Open { protocol, reply });
            return Ok(Request::Opening(stream, link.id));
        }
        let (waiting, connected) = oneshot::channel();
        entry.waiting.push(waiting);
        if !std::mem::replace(&mut entry.dialling, true) {
            let _ = self.0.dials.unbounded_send(peer);
        }
        Ok(Request::Dialling(connected))
    }

    /// Closes streams that have waited for longer than `age`.
    pub(crate) fn reap(&self, age: Duration) {
        let now = Instant::now();
        let mut old = Vec::new();
        for entry in self.0.peers.lock().values_mut() {
            let fresh = entry.idle.partition_point(|idle| now.duration_since(idle.since) > age);
            old.extend(entry.idle.drain(..fresh));
        }
        drop(old);
    }
}

enum Request {
    Opening(oneshot::Receiver<Result<NodeStream, StreamError>>, ConnectionId),
    Dialling(oneshot::Receiver<Result<(), String>>),
}
