//! A stream as frames, both ways.

use super::frame::{self, Frame, FrameError, Kind, MAX_DATA_BYTES};
use super::message::MessageError;
use bytes::{BufMut, Bytes, BytesMut};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Bytes asked for by a read at first; doubled while reads fill it, up to [`READ_MAX`]. Most streams carry short frames,
/// and thousands of them are open at once.
const READ_MIN: usize = 2 * 1024;
/// The most bytes asked for by one read.
const READ_MAX: usize = 64 * 1024;

/// Why a stream is of no use any more.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// It broke.
    #[error("the stream broke: {0}")]
    Io(#[from] io::Error),
    /// It ended in the middle of something.
    #[error("the stream ended early")]
    Ended,
    /// What came is not the protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// What came makes no sense.
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// A stream, both ways.
#[derive(Debug)]
pub struct Channel<S> {
    /// What comes.
    pub reader: Reader<S>,
    /// What goes.
    pub writer: Writer<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Channel<S> {
    /// A fresh stream. `max_head` bounds what is read of anything but bodies, in bytes.
    pub fn new(stream: S, max_head: usize) -> Self {
        let (read, write) = stream.split();
        Channel {
            reader: Reader { half: read, buffer: BytesMut::new(), next_read: READ_MIN, max_head },
            writer: Writer { half: write, buffer: BytesMut::new() },
        }
    }
}

/// The frames that come.
#[derive(Debug)]
pub struct Reader<S> {
    half: ReadHalf<S>,
    buffer: BytesMut,
    next_read: usize,
    max_head: usize,
}

impl<S: AsyncRead + Unpin> Reader<S> {
    /// The next frame that has come already.
    ///
    /// # Errors
    /// [`ChannelError::Frame`] for what is no frame.
    pub fn buffered(&mut self) -> Result<Option<Frame>, ChannelError> {
        Ok(frame::split(&mut self.buffer, self.max_head)?)
    }

    /// The next frame; `None` when the other side ended the stream between two frames.
    ///
    /// # Errors
    /// [`ChannelError`]: drop the stream.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, ChannelError>> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Poll::Ready(Ok(Some(frame)));
            }
            let filled = self.buffer.len();
            self.buffer.resize(filled + self.next_read, 0);
            let read = Pin::new(&mut self.half).poll_read(cx, &mut self.buffer[filled..]);
            let count = match &read {
                Poll::Ready(Ok(count)) => *count,
                Poll::Ready(Err(_)) | Poll::Pending => 0,
            };
            self.buffer.truncate(filled + count);
            if ready!(read)? == 0 {
                let clean = filled == 0;
                return Poll::Ready(if clean { Ok(None) } else { Err(ChannelError::Ended) });
            }
            if count == self.next_read {
                self.next_read = (self.next_read * 2).min(READ_MAX);
            }
        }
    }

    /// As [`Reader::poll_frame`]. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// [`ChannelError`]: drop the stream.
    pub async fn frame(&mut self) -> Result<Option<Frame>, ChannelError> {
        poll_fn(|cx| self.poll_frame(cx)).await
    }

    /// True when nothing has come, and the stream is open: it can be used for another call.
    pub fn is_idle(&mut self) -> bool {
        let mut cx = Context::from_waker(futures::task::noop_waker_ref());
        self.poll_frame(&mut cx).is_pending() && self.buffer.is_empty()
    }

    /// Gives memory back that a large body took, while nothing is expected.
    pub fn shrink(&mut self) {
        // Also where little of it is left: the rest of what it is a part of is held with it.
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
            self.next_read = READ_MIN;
        }
    }
}

/// The frames that go: gathered, then written together.
#[derive(Debug)]
pub struct Writer<S> {
    half: WriteHalf<S>,
    buffer: BytesMut,
}

impl<S: AsyncWrite + Unpin> Writer<S> {
    /// Adds a frame with a message.
    pub fn message(&mut self, kind: Kind, message: &impl prost::Message) {
        let len = message.encoded_len();
        frame::put(&mut self.buffer, kind, len, |out| {
            // Cannot fail: there is room.
            let _ = message.encode(out);
        });
    }

    /// Adds a frame without payload.
    pub fn mark(&mut self, kind: Kind) {
        frame::put(&mut self.buffer, kind, 0, |_| {});
    }

    /// Adds a piece of a body, split where it is larger than a frame may be.
    pub fn data(&mut self, bytes: &Bytes) {
        for piece in bytes.chunks(MAX_DATA_BYTES) {
            frame::put(&mut self.buffer, Kind::Data, piece.len(), |out| out.put_slice(piece));
        }
    }

    /// Bytes gathered.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Writes what was gathered, as far as the other side takes it.
    ///
    /// # Errors
    /// The stream broke: drop it.
    pub fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.buffer.is_empty() {
            let written = ready!(Pin::new(&mut self.half).poll_write(cx, &self.buffer))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes::Buf::advance(&mut self.buffer, written);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes all that was gathered.
    ///
    /// # Errors
    /// The stream broke: drop it.
    pub async fn send(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_send(cx)).await
    }

    /// Ends the stream in good order.
    ///
    /// # Errors
    /// The stream broke.
    pub async fn close(&mut self) -> io::Result<()> {
        self.half.close().await
    }

    /// Gives memory back that a large body took, while nothing is to be written.
    pub fn shrink(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }
}
