//! Short exchanges with a peer, each in a task of its own: Kademlia's requests, both ways, and signs of life.

use crate::driver::{Driver, KadAnswer};
use crate::network::{NodeStream, OpenError, Protocol};
use crate::protocol::{CapacityMessage, Kind, ProbeMessage, ProbeReplyMessage};
use edge_faas_core::io::{Exchange, Failure};
use edge_faas_core::kad::wire;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::PeerId;
use prost::Message;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes asked for by one read; most messages fit.
const READ: usize = 2 * 1024;

/// Why a message did not come.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the stream broke: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Decode(#[from] wire::DecodeError),
    #[error("the stream ended in the middle of a message")]
    Ended,
}

/// Messages after their length, as they come on a stream.
struct Messages {
    buffer: Vec<u8>,
    /// Bytes of the message that was returned last.
    used: usize,
}

impl Messages {
    fn new() -> Self {
        Messages { buffer: Vec::new(), used: 0 }
    }

    /// The next message, its length taken off; `None` at the stream's end.
    async fn next(&mut self, stream: &mut NodeStream) -> Result<Option<&[u8]>, ReadError> {
        self.buffer.drain(..self.used);
        self.used = 0;
        loop {
            if let Some((_, used)) = wire::split_frame(&self.buffer)? {
                self.used = used;
                break;
            }
            let filled = self.buffer.len();
            self.buffer.resize(filled + READ, 0);
            let count = stream.read(&mut self.buffer[filled..]).await?;
            self.buffer.truncate(filled + count);
            if count == 0 {
                return if filled == 0 { Ok(None) } else { Err(ReadError::Ended) };
            }
        }
        Ok(wire::split_frame(&self.buffer)?.map(|(body, _)| body))
    }
}

/// Sends a Kademlia request of ours and gives the core what came of it. The core has a deadline of its own; this ends
/// no later than `timeout`, so that silent peers hold no streams.
pub(crate) async fn kad_request(
    driver: Arc<Driver>,
    peer: PeerId,
    exchange: Exchange,
    bytes: Vec<u8>,
    has_response: bool,
    timeout: Duration,
) {
    let dialled = !driver.links.is_connected(&peer);
    let work = async {
        let (mut stream, _) =
            driver.links.open(peer, Protocol::Kad).await.map_err(|error| open_failure(&error))?;
        let reset = |_| Failure::Reset;
        stream.write_all(&bytes).await.map_err(reset)?;
        stream.flush().await.map_err(reset)?;
        if !has_response {
            stream.close().await.map_err(reset)?;
            return Ok(None);
        }
        let mut messages = Messages::new();
        let body = match messages.next(&mut stream).await {
            Ok(Some(body)) => body.to_vec(),
            Ok(None) | Err(ReadError::Io(_) | ReadError::Ended) => return Err(Failure::Reset),
            Err(ReadError::Decode(_)) => return Err(Failure::Protocol),
        };
        // In good order, where the other side still listens.
        let _ = stream.close().await;
        Ok(Some(body))
    };
    match tokio::time::timeout(timeout, work).await {
        Ok(Ok(Some(body))) => {
            driver.kad_answer(peer, exchange, KadAnswer::Response { body, dialled });
        }
        Ok(Ok(None)) => {}
        Ok(Err(failure)) => driver.kad_answer(peer, exchange, KadAnswer::Failed(failure)),
        Err(_) => driver.kad_answer(peer, exchange, KadAnswer::Failed(Failure::Timeout)),
    }
}

fn open_failure(error: &OpenError) -> Failure {
    match error {
        OpenError::Dial(_) => Failure::Dial,
        OpenError::Full => Failure::Reset,
        OpenError::Stream(crate::network::StreamError::Unsupported) => Failure::Protocol,
        OpenError::Stream(crate::network::StreamError::Timeout) => Failure::Timeout,
        OpenError::Stream(crate::network::StreamError::Io(_)) => Failure::Reset,
    }
}

/// Answers Kademlia requests on a stream that `peer` opened, one after the other, until it ends or errs.
pub(crate) async fn kad_serve(driver: Arc<Driver>, peer: PeerId, mut stream: NodeStream) {
    let patience = driver.config.timeouts.stall;
    let admission = stream.admission();
    let mut messages = Messages::new();
    loop {
        let response = match tokio::time::timeout(patience, messages.next(&mut stream)).await {
            Ok(Ok(Some(body))) => {
                if !admission.admits() {
                    tracing::debug!(%peer, "dropped a Kademlia stream: more requests a second than are allowed");
                    return;
                }
                driver.kad_request(peer, body)
            }
            Ok(Ok(None)) => {
                let _ = stream.close().await;
                return;
            }
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "dropped a Kademlia stream");
                return;
            }
            // Slow or idle: it can open another.
            Err(_) => return,
        };
        match response {
            Ok(Some(bytes)) => {
                let write = async {
                    stream.write_all(&bytes).await?;
                    stream.flush().await
                };
                if !matches!(tokio::time::timeout(patience, write).await, Ok(Ok(()))) {
                    return;
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(%peer, %error, "dropped a Kademlia stream");
                return;
            }
        }
    }
}

/// Asks a peer for a sign of life and, for a function, how full its runtime is. What is not answered within `patience`
/// counts as no answer.
pub(crate) async fn probe(driver: Arc<Driver>, peer: PeerId, function: Option<String>, patience: Duration) {
    let work = async {
        let mut leased = driver.links.lease(peer).await.ok()?;
        leased.channel.writer.message(Kind::Probe, &ProbeMessage { function: function.clone() });
        leased.channel.writer.send().await.ok()?;
        let frame = leased.channel.reader.frame().await.ok()??;
        if frame.kind != Kind::ProbeReply {
            return None;
        }
        let reply = ProbeReplyMessage::decode(frame.payload).ok()?;
        driver.links.give_back(leased);
        Some(reply)
    };
    let Ok(Some(reply)) = tokio::time::timeout(patience, work).await else {
        return;
    };
    let capacity = match (&function, reply.capacity) {
        (Some(function), Some(capacity)) => {
            Some((function.as_str(), capacity.capacity(), capacity.idempotent))
        }
        _ => None,
    };
    driver.probe_reply(peer, capacity);
}

/// How long a peer takes to give a sign of life; `None` if it gives none within ten seconds.
pub(crate) async fn round_trip(driver: &Driver, peer: PeerId) -> Option<Duration> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let work = async {
        let mut leased = driver.links.lease(peer).await.ok()?;
        let begun = Instant::now();
        leased.channel.writer.message(Kind::Probe, &ProbeMessage { function: None });
        leased.channel.writer.send().await.ok()?;
        let frame = leased.channel.reader.frame().await.ok()??;
        let trip = begun.elapsed();
        let answered = frame.kind == Kind::ProbeReply;
        driver.links.give_back(leased);
        answered.then_some(trip)
    };
    tokio::time::timeout(PATIENCE, work).await.ok().flatten()
}

/// How full this node's runtime is for a function, as the wire says it; `None`: not hosted.
pub(crate) fn capacity_of(driver: &Driver, function: &str) -> Option<CapacityMessage> {
    let capacity = driver.runtime.capacity(function)?;
    let idempotent = driver.runtime.hosted().borrow().get(function).is_some_and(|hosted| hosted.idempotent);
    Some(CapacityMessage::new(capacity, idempotent))
}
