//! The entry's end of a stream with a call on it: the request goes, the answer comes, both at once.

use super::request::{Head, Payload, Streamed};
use crate::body::{Body, BodyError};
use crate::network::{Leased, Links};
use crate::protocol::{
    AcceptedMessage, CallMessage, ChannelError, DoneMessage, FailedMessage, Frame, HeadMessage, Kind,
    MessageError, decode_headers, encode_headers,
};
use bytes::Bytes;
use edge_faas_core::context::Timing;
use http::{HeaderMap, StatusCode};
use http_body::Body as _;
use prost::Message;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

/// Bytes of a request's body gathered before they are written.
const WRITE_BATCH: usize = 64 * 1024;

/// The entry's end of a stream with a call on it.
#[derive(Debug)]
pub(super) struct Wire {
    leased: Leased,
    /// A body that the provider has not asked for.
    offered: Option<Arc<Streamed>>,
    /// What is to be sent of a streamed body.
    upload: Option<Body>,
    /// All of the request has been written to the stream.
    sent: bool,
    /// The provider does not listen any more.
    deaf: bool,
}

/// What the provider says.
pub(super) enum Event {
    Accepted(AcceptedMessage),
    /// The function wants the body that was offered: from here on it goes.
    Continue,
    Head {
        status: StatusCode,
        headers: HeaderMap,
        timing: Timing,
    },
    Data(Bytes),
    Done(DoneMessage),
    Failed(FailedMessage),
    /// Not from the provider: the user's body broke off, and the call with it.
    UploadBroke(BodyError),
}

impl Event {
    /// The frame that it was.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Event::Accepted(_) => Kind::Accepted,
            Event::Continue => Kind::Continue,
            Event::Head { .. } => Kind::Head,
            Event::Data(_) => Kind::Data,
            Event::Done(_) => Kind::Done,
            Event::Failed(_) | Event::UploadBroke(_) => Kind::Failed,
        }
    }

    fn read(frame: Frame) -> Result<Self, ChannelError> {
        let Frame { kind, payload } = frame;
        Ok(match kind {
            Kind::Accepted => Event::Accepted(message(payload)?),
            Kind::Continue => Event::Continue,
            Kind::Data => Event::Data(payload),
            Kind::Done => Event::Done(message(payload)?),
            Kind::Failed => Event::Failed(message(payload)?),
            Kind::Head => {
                let head: HeadMessage = message(payload)?;
                let status = u16::try_from(head.status).ok().and_then(|code| StatusCode::from_u16(code).ok());
                Event::Head {
                    status: status.ok_or(MessageError::Http("the status"))?,
                    headers: decode_headers(head.headers)?,
                    timing: head.timing.unwrap_or_default().timing(),
                }
            }
            kind => return Err(MessageError::Unexpected(kind).into()),
        })
    }
}

fn message<T: Message + Default>(payload: Bytes) -> Result<T, MessageError> {
    Ok(T::decode(payload)?)
}

impl Wire {
    /// A call on this stream; nothing is written yet. A body that can be sent again goes with it, another waits for the
    /// provider's word.
    pub(super) fn new(mut leased: Leased, head: &Head, payload: &Payload) -> Self {
        let left = head.deadline.saturating_duration_since(Instant::now());
        let call = CallMessage {
            function: head.function.clone(),
            method: head.method.as_str().to_owned(),
            path: head.path.clone(),
            query: head.query.clone(),
            headers: encode_headers(&head.headers),
            timeout_us: u64::try_from(left.as_micros()).unwrap_or(u64::MAX),
            offers_body: matches!(payload, Payload::Once(_)),
        };
        let writer = &mut leased.channel.writer;
        writer.message(Kind::Call, &call);
        let offered = match payload {
            Payload::Whole(bytes) => {
                writer.data(bytes);
                writer.mark(Kind::End);
                None
            }
            Payload::Once(streamed) => Some(streamed.clone()),
        };
        Wire { leased, sent: offered.is_none(), offered, upload: None, deaf: false }
    }

    /// Asks for the call back.
    pub(super) fn reclaim(&mut self) {
        if self.sent {
            self.leased.channel.writer.mark(Kind::Reclaim);
        }
    }

    /// What has come already.
    pub(super) fn buffered(&mut self) -> Result<Option<Event>, ChannelError> {
        match self.leased.channel.reader.buffered()? {
            Some(frame) => self.read(frame).map(Some),
            None => Ok(None),
        }
    }

    /// What comes next; meanwhile the request goes.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, ChannelError>> {
        if let Some(error) = self.poll_send(cx) {
            return Poll::Ready(Ok(Event::UploadBroke(error)));
        }
        match self.leased.channel.reader.poll_frame(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Some(frame))) => Poll::Ready(self.read(frame)),
            Poll::Ready(Ok(None)) => Poll::Ready(Err(ChannelError::Ended)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    fn read(&mut self, frame: Frame) -> Result<Event, ChannelError> {
        let event = Event::read(frame)?;
        if let Event::Continue = event
            && let Some(streamed) = self.offered.take()
        {
            self.upload = streamed.take();
        }
        Ok(event)
    }

    /// Moves the request on; the error, if the user's body broke off.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Option<BodyError> {
        let writer = &mut self.leased.channel.writer;
        while !self.deaf {
            // The user gives no more at present: who polls is woken when that changes.
            let mut starved = false;
            while let Some(body) = &mut self.upload
                && writer.pending() < WRITE_BATCH
            {
                match Pin::new(body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        if let Ok(bytes) = frame.into_data() {
                            writer.data(&bytes);
                        }
                    }
                    Poll::Ready(None) => {
                        writer.mark(Kind::End);
                        self.upload = None;
                        self.sent = true;
                    }
                    // The user is gone, or sends too much: the provider is told by the stream's end.
                    Poll::Ready(Some(Err(error))) => {
                        self.upload = None;
                        self.deaf = true;
                        return Some(error);
                    }
                    Poll::Pending => {
                        starved = true;
                        break;
                    }
                }
            }
            match writer.poll_send(cx) {
                Poll::Ready(Ok(())) if !starved && self.upload.is_some() => {}
                Poll::Ready(Ok(())) | Poll::Pending => return None,
                // It may have said why before: that is still read.
                Poll::Ready(Err(_)) => {
                    self.upload = None;
                    self.deaf = true;
                }
            }
        }
        None
    }

    /// The call is over in good order: the stream can take another.
    pub(super) fn give_back(self, links: &Links) {
        if self.sent && !self.deaf && self.leased.channel.writer.pending() == 0 {
            links.give_back(self.leased);
        }
    }
}
