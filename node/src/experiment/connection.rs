//! A connection whose bytes take their time.

use super::links::{Direction, Links, Path};
use futures::channel::mpsc;
use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, SinkExt, StreamExt};
use libp2p::core::ConnectedPoint;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// Chunks that are on their way in one direction at once: those of a long fat path.
const UNDER_WAY: usize = 1_024;

/// A connection, as it is or shaped.
pub(crate) enum Connection<S> {
    /// As it is.
    Plain(S),
    /// Shaped.
    Shaped(Box<Shaped>),
}

/// The user's end of a shaped connection. Two tasks carry the bytes between it and the socket.
pub(crate) struct Shaped {
    incoming: mpsc::Receiver<Received>,
    reading: Reading,
    /// Says whether bytes are held up on their way in; with [`Reading::Waiting`] while that has it.
    path: Option<Path>,
    outgoing: mpsc::Sender<Sent>,
    out: Path,
    /// When the last bytes are through: a stream keeps its order, nothing passes what was lost.
    last: Instant,
    sent: u32,
    _reader: AbortOnDropHandle<()>,
}

/// Bytes that came, and when they may be seen; none: the end, or that the connection broke.
struct Received {
    due: Instant,
    bytes: io::Result<Vec<u8>>,
}

/// Bytes that were sent, and when they arrive.
struct Sent {
    due: Instant,
    bytes: Vec<u8>,
}

/// Where the reader is.
enum Reading {
    /// It waits for the next chunk.
    Next,
    /// It waits until this one is through.
    Waiting(BoxFuture<'static, (Path, io::Result<Vec<u8>>)>),
    /// It gives this one out, from here on.
    Giving(Vec<u8>, usize),
    /// There is no more.
    Ended,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Connection<S> {
    /// Shapes a connection as `links` say. One that was dialled first pays the round trip of its opening.
    pub(crate) async fn open(
        socket: S,
        endpoint: ConnectedPoint,
        links: Option<Arc<Links>>,
    ) -> io::Result<Self> {
        let Some(links) = links else { return Ok(Connection::Plain(socket)) };
        match endpoint {
            ConnectedPoint::Dialer { address, .. } => {
                let mut path = links.path(Some(&address));
                path.opened().await;
                path.wait_until(Instant::now() + path.round_trip()).await;
                Ok(Connection::Shaped(Box::new(Shaped::new(socket, path))))
            }
            ConnectedPoint::Listener { .. } if links.has_bandwidth() => {
                Ok(Connection::Shaped(Box::new(Shaped::new(socket, links.path(None)))))
            }
            ConnectedPoint::Listener { .. } => Ok(Connection::Plain(socket)),
        }
    }
}

impl Shaped {
    fn new<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(socket: S, path: Path) -> Self {
        let (read, write) = socket.split();
        let (to, incoming) = mpsc::channel(UNDER_WAY);
        let (outgoing, from) = mpsc::channel(UNDER_WAY);
        let reader = tokio::spawn(carry_in(read, path.another(), to));
        // Not ended with the connection: what was sent still arrives. It ends after that.
        tokio::spawn(carry_out(write, path.another(), from));
        Shaped {
            incoming,
            reading: Reading::Next,
            out: path.another(),
            path: Some(path),
            outgoing,
            last: Instant::now(),
            sent: 0,
            _reader: AbortOnDropHandle::new(reader),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match &mut self.reading {
                Reading::Ended => return Poll::Ready(Ok(0)),
                Reading::Giving(bytes, from) => {
                    let rest = bytes.get(*from..).unwrap_or_default();
                    let length = rest.len().min(buffer.len());
                    buffer[..length].copy_from_slice(&rest[..length]);
                    *from += length;
                    if *from == bytes.len() {
                        self.reading = Reading::Next;
                    }
                    return Poll::Ready(Ok(length));
                }
                Reading::Waiting(waiting) => {
                    let (path, bytes) = ready!(waiting.as_mut().poll(cx));
                    self.path = Some(path);
                    match bytes {
                        Ok(bytes) if bytes.is_empty() => self.reading = Reading::Ended,
                        Ok(bytes) => self.reading = Reading::Giving(bytes, 0),
                        Err(error) => {
                            self.reading = Reading::Ended;
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                Reading::Next => match (ready!(self.incoming.poll_next_unpin(cx)), self.path.take()) {
                    (Some(Received { due, bytes }), Some(mut path)) => {
                        self.reading = Reading::Waiting(Box::pin(async move {
                            path.wait_until(due).await;
                            path.opened().await;
                            (path, bytes)
                        }));
                    }
                    _ => self.reading = Reading::Ended,
                },
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let broken = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        ready!(self.outgoing.poll_ready(cx)).map_err(broken)?;
        let bytes = buffer.get(..CHUNK).unwrap_or(buffer).to_vec();
        let length = bytes.len();
        let due = self.out.through(Instant::now(), Direction::Out, length, self.sent);
        self.last = due.max(self.last);
        self.sent = self.sent.wrapping_add(1);
        self.outgoing.start_send(Sent { due: self.last, bytes }).map_err(broken)?;
        Poll::Ready(Ok(length))
    }
}

/// Reads what comes and says from when on it may be seen.
async fn carry_in(mut socket: impl AsyncRead + Unpin, path: Path, mut to: mpsc::Sender<Received>) {
    let mut last = Instant::now();
    let mut buffer = vec![0; CHUNK];
    let mut count = 0u32;
    loop {
        let read = socket.read(&mut buffer).await;
        let length = read.as_ref().copied().unwrap_or(0);
        let bytes = read.map(|length| buffer.get(..length).unwrap_or_default().to_vec());
        last = path.through(Instant::now(), Direction::In, length, count).max(last);
        count = count.wrapping_add(1);
        if to.send(Received { due: last, bytes }).await.is_err() || length == 0 {
            return;
        }
    }
}

/// Writes what was sent, each when its time has come.
async fn carry_out(mut socket: impl AsyncWrite + Unpin, mut path: Path, mut from: mpsc::Receiver<Sent>) {
    while let Some(Sent { due, bytes }) = from.next().await {
        path.wait_until(due).await;
        path.opened().await;
        if socket.write_all(&bytes).await.is_err() || socket.flush().await.is_err() {
            return;
        }
    }
    let _ = socket.close().await;
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Connection::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Connection::Shaped(shaped) => shaped.poll_read(cx, buffer),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Connection::Plain(socket) => Pin::new(socket).poll_write(cx, buffer),
            Connection::Shaped(shaped) => shaped.poll_write(cx, buffer),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(socket) => Pin::new(socket).poll_flush(cx),
            // On its way is as good as sent, as with a socket.
            Connection::Shaped(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(socket) => Pin::new(socket).poll_close(cx),
            Connection::Shaped(shaped) => {
                shaped.outgoing.close_channel();
                Poll::Ready(Ok(()))
            }
        }
    }
}
