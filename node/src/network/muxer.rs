//! Many streams on one connection: yamux, with limits from the settings.
//!
//! `libp2p::yamux` fixes the sum of all streams' windows at 1 GiB. That allows 4,096 streams and then leaves nothing for
//! windows to grow, so that one stream over 20 ms carries 13 MB/s at most; and one stream above the limit, whichever side
//! opens it, ends the connection. Here the limit lies above what both sides may open together.

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::io;
use std::iter;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use yamux::{ConnectionError, Mode, Stream};

/// Streams beside those for calls: Kademlia's, identify, ping, and those that are being opened while the count is taken.
pub(super) const OTHER_STREAMS: usize = 1_024;
/// What all windows of a connection together may grow by, in bytes.
const WINDOW_GROWTH: usize = 64 * 1024 * 1024;
/// Streams that the other side has opened and that wait to be negotiated. Beyond: dropped.
const WAITING_MAX: usize = 1_024;

/// Yamux, to be negotiated on a connection.
#[derive(Clone, Debug)]
pub(super) struct Yamux(yamux::Config);

impl Yamux {
    /// For connections on which each side opens at most so many streams for calls.
    pub(super) fn new(streams: usize) -> Self {
        let most = 2 * streams + OTHER_STREAMS;
        let mut config = yamux::Config::default();
        // In this order: the number of streams is checked against the windows.
        config.set_max_connection_receive_window(Some(most * yamux::DEFAULT_CREDIT as usize + WINDOW_GROWTH));
        config.set_max_num_streams(most);
        Yamux(config)
    }
}

impl UpgradeInfo for Yamux {
    type Info = &'static str;
    type InfoIter = iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        iter::once("/yamux/1.0.0")
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> InboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_inbound(self, connection: C, _: Self::Info) -> Self::Future {
        ready(Ok(Muxer::new(connection, self.0, Mode::Server)))
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> OutboundConnectionUpgrade<C> for Yamux {
    type Output = Muxer<C>;
    type Error = io::Error;
    type Future = Ready<io::Result<Muxer<C>>>;

    fn upgrade_outbound(self, connection: C, _: Self::Info) -> Self::Future {
        ready(Ok(Muxer::new(connection, self.0, Mode::Client)))
    }
}

/// The streams of one connection.
#[derive(Debug)]
pub(super) struct Muxer<C> {
    connection: yamux::Connection<C>,
    /// Streams of the other side's that came while nobody asked for them: yamux moves on only by asking for the next.
    waiting: VecDeque<Stream>,
    /// Who asked for one when there was none.
    asking: Option<Waker>,
}

impl<C: AsyncRead + AsyncWrite + Unpin> Muxer<C> {
    fn new(connection: C, config: yamux::Config, mode: Mode) -> Self {
        Muxer {
            connection: yamux::Connection::new(connection, config, mode),
            waiting: VecDeque::new(),
            asking: None,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        self.connection.poll_next_inbound(cx).map(|next| match next {
            Some(stream) => stream.map_err(error),
            None => Err(error(ConnectionError::Closed)),
        })
    }
}

fn error(error: ConnectionError) -> io::Error {
    match error {
        ConnectionError::Io(error) => error,
        other => io::Error::other(other),
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin> StreamMuxer for Muxer<C> {
    type Substream = Stream;
    type Error = io::Error;

    fn poll_inbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        let this = self.get_mut();
        if let Some(stream) = this.waiting.pop_front() {
            return Poll::Ready(Ok(stream));
        }
        let next = this.poll_next(cx);
        if next.is_pending() {
            this.asking = Some(cx.waker().clone());
        }
        next
    }

    fn poll_outbound(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        self.get_mut().connection.poll_new_outbound(cx).map_err(error)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().connection.poll_close(cx).map_err(error)
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        let this = self.get_mut();
        match this.poll_next(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Ready(Ok(stream)) if this.waiting.len() < WAITING_MAX => {
                this.waiting.push_back(stream);
                if let Some(asking) = this.asking.take() {
                    asking.wake();
                }
            }
            Poll::Ready(Ok(_)) => tracing::debug!("dropped a stream: too many wait to be negotiated"),
        }
        // There may be more; others have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
