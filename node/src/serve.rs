//! The provider's side: calls of other nodes, run in this node's runtime.

use crate::body::{Body, BodyError, full};
use crate::counted::Counted;
use crate::driver::{Driver, core_duration};
use crate::exchange::capacity_of;
use crate::network::{Admission, NodeStream};
use crate::path;
use crate::protocol::{
    AcceptedMessage, CallMessage, Channel, ChannelError, DoneMessage, FailedMessage, HeadMessage, Kind,
    MessageError, ProbeMessage, ProbeReplyMessage, Reader, TimingMessage, Writer, decode_headers,
    encode_headers,
};
use crate::runtime::{
    DEADLINE_GRACE, ExecuteRequest, ExecuteResponse, RuntimeFailure, RuntimeFailureReason, StartGate,
};
use bytes::Bytes;
use edge_faas_core::context::Timing;
use edge_faas_core::io::{AttemptFailure, Started};
use futures::channel::{mpsc, oneshot};
use futures::{StreamExt, stream};
use http::Method;
use http_body::{Body as _, Frame as BodyFrame};
use http_body_util::{BodyExt, StreamBody};
use libp2p::PeerId;
use prost::Message;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A call that has not been answered after this time is told to be taken. One that is answered sooner saves the frame.
const ACCEPT_AFTER: Duration = Duration::from_millis(1);
/// While a body comes in, a sign of life is due this often: probes may be stuck behind the body.
const ALIVE_EVERY: Duration = Duration::from_millis(200);
/// Bytes of an answer gathered before they are written.
const WRITE_BATCH: usize = 64 * 1024;

/// Serves calls and probes on a stream that `peer` opened, one after the other, until it ends or errs.
pub(crate) async fn serve(driver: Arc<Driver>, peer: PeerId, stream: NodeStream) {
    let admission = stream.admission();
    let mut channel = Channel::new(stream, driver.config.limits.head);
    // The other side closes idle streams; this is for one that does not, or that sends a frame without end.
    let patience = driver.config.timeouts.idle_stream * 2;
    loop {
        let frame = match tokio::time::timeout(patience, channel.reader.frame()).await {
            Ok(Ok(Some(frame))) => frame,
            Ok(Ok(None)) => {
                let _ = channel.writer.close().await;
                return;
            }
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "dropped a stream");
                return;
            }
            Err(_) => return,
        };
        let result = match frame.kind {
            Kind::Call => serve_call(&driver, peer, &admission, &mut channel, frame.payload).await,
            Kind::Probe => answer_probe(&driver, &mut channel.writer, frame.payload).await,
            // It crossed with the answer.
            Kind::Reclaim => Ok(Next::Again),
            kind => Err(MessageError::Unexpected(kind).into()),
        };
        match result {
            Ok(Next::Again) => {
                channel.reader.shrink();
                channel.writer.shrink();
            }
            Ok(Next::Close) => {
                let _ = tokio::time::timeout(patience, channel.writer.close()).await;
                return;
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "dropped a stream");
                return;
            }
        }
    }
}

/// What becomes of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// It waits for the next call.
    Again,
    /// Nothing more can come on it in good order.
    Close,
}

async fn answer_probe(
    driver: &Driver,
    writer: &mut Writer<NodeStream>,
    payload: Bytes,
) -> Result<Next, ChannelError> {
    let probe = ProbeMessage::decode(payload).map_err(MessageError::from)?;
    let hosted = probe.function.as_deref().filter(|_| !driver.is_closing());
    let capacity = hosted.and_then(|function| capacity_of(driver, function));
    writer.message(Kind::ProbeReply, &ProbeReplyMessage { capacity });
    writer.send().await?;
    Ok(Next::Again)
}

/// Runs one call and answers it.
async fn serve_call(
    driver: &Arc<Driver>,
    peer: PeerId,
    admission: &Admission,
    channel: &mut Channel<NodeStream>,
    payload: Bytes,
) -> Result<Next, ChannelError> {
    let message = CallMessage::decode(payload).map_err(MessageError::from)?;
    let Channel { reader, writer } = channel;
    let mut upload = Upload::new();
    upload.take_buffered(reader)?;
    let refusal = |reason, message: String| FailedMessage::new(reason, Started::No, None, message);
    let full = |message: &str| {
        let retry_after = Some(core_duration(Duration::from_secs(1)));
        refusal(AttemptFailure::Full { retry_after }, message.to_owned())
    };
    let place = Counted::within(&driver.served_calls, driver.config.limits.served_calls);
    let failed = if driver.is_closing() || !driver.call_arrived(peer, &message.function) {
        refusal(AttemptFailure::NotHosted, format!("{} is not hosted here", message.function))
    } else if place.is_none() {
        full("the node runs as many calls of others as it may")
    } else if !admission.admits() {
        full("more calls a second than one connection may bring")
    } else {
        let function = message.function.clone();
        match Serving::begin(driver, message, &mut upload) {
            Ok(serving) => {
                return serving.run(driver, &function, upload, reader, writer).await;
            }
            Err(error) => refusal(AttemptFailure::Runtime, error),
        }
    };
    driver.metrics.served("refused");
    writer.message(Kind::Failed, &failed);
    writer.send().await?;
    Ok(if upload.complete { Next::Again } else { Next::Close })
}

/// A request's body on its way from the stream to the runtime.
struct Upload {
    /// What came and was not passed on.
    waiting: VecDeque<Bytes>,
    /// Its end came.
    complete: bool,
    /// Where it goes, while it goes piece by piece.
    sender: Option<mpsc::Sender<Result<BodyFrame<Bytes>, BodyError>>>,
    received: u64,
    /// The body was only offered: the runtime's first question for it comes out here.
    demand: Option<oneshot::Receiver<()>>,
}

/// What happened besides the body's coming.
enum News {
    /// It wants the call back if its code has not begun.
    Reclaim,
    /// Not from the entry: the runtime asks for the body that was offered.
    Wanted,
    /// It is gone, or does not keep to the protocol.
    Gone(ChannelError),
}

impl Upload {
    fn new() -> Self {
        Upload { waiting: VecDeque::new(), complete: false, sender: None, received: 0, demand: None }
    }

    /// Takes what has come already: most requests are complete with their first bytes.
    fn take_buffered(&mut self, reader: &mut Reader<NodeStream>) -> Result<(), ChannelError> {
        while !self.complete
            && let Some(frame) = reader.buffered()?
        {
            self.take(frame.kind, frame.payload)?;
        }
        Ok(())
    }

    fn take(&mut self, kind: Kind, payload: Bytes) -> Result<(), ChannelError> {
        match kind {
            Kind::Data => {
                self.received += payload.len() as u64;
                self.waiting.push_back(payload);
            }
            Kind::End => self.complete = true,
            kind => return Err(MessageError::Unexpected(kind).into()),
        }
        Ok(())
    }

    /// The body for the runtime; `offered`: it comes when the entry hears that it is wanted.
    fn body(&mut self, offered: bool) -> Body {
        if self.complete && self.waiting.len() <= 1 {
            return full(self.waiting.pop_front().unwrap_or_default());
        }
        let (sender, mut receiver) = mpsc::channel(0);
        self.sender = Some(sender);
        let mut ask = None;
        if offered {
            let (asked, demand) = oneshot::channel();
            (ask, self.demand) = (Some(asked), Some(demand));
        }
        let pieces = stream::poll_fn(move |cx| {
            if let Some(ask) = ask.take() {
                let _ = ask.send(());
            }
            receiver.poll_next_unpin(cx)
        });
        StreamBody::new(pieces).boxed_unsync()
    }

    /// Moves the body on, as far as the runtime takes it, and looks for news. Beyond one piece nothing is read that the
    /// runtime does not take.
    fn poll(&mut self, cx: &mut Context<'_>, reader: &mut Reader<NodeStream>, limit: u64) -> Poll<News> {
        if let Some(demand) = &mut self.demand
            && let Poll::Ready(asked) = Pin::new(demand).poll(cx)
        {
            self.demand = None;
            if asked.is_ok() {
                return Poll::Ready(News::Wanted);
            }
        }
        loop {
            if let Some(sender) = &mut self.sender {
                match sender.poll_ready(cx) {
                    Poll::Ready(Ok(())) => match self.waiting.pop_front() {
                        Some(bytes) => {
                            let _ = sender.start_send(Ok(BodyFrame::data(bytes)));
                            continue;
                        }
                        None if self.complete => self.sender = None,
                        None => {}
                    },
                    // The runtime reads no more of it: what comes is dropped.
                    Poll::Ready(Err(_)) => self.sender = None,
                    Poll::Pending if !self.waiting.is_empty() => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            if self.sender.is_none() {
                self.waiting.clear();
            }
            match reader.poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(Some(frame))) if frame.kind == Kind::Reclaim => {
                    return Poll::Ready(News::Reclaim);
                }
                Poll::Ready(Ok(Some(frame))) if !self.complete => {
                    if let Err(error) = self.take(frame.kind, frame.payload) {
                        return Poll::Ready(News::Gone(error));
                    }
                    if self.received > limit {
                        if let Some(sender) = &mut self.sender {
                            // If it is not taken, the runtime sees the body break off.
                            let _ = sender.try_send(Err(BodyError::TooLarge { limit }));
                        }
                        return Poll::Ready(News::Gone(ChannelError::Ended));
                    }
                }
                Poll::Ready(Ok(Some(frame))) => {
                    return Poll::Ready(News::Gone(MessageError::Unexpected(frame.kind).into()));
                }
                Poll::Ready(Ok(None)) => return Poll::Ready(News::Gone(ChannelError::Ended)),
                Poll::Ready(Err(error)) => return Poll::Ready(News::Gone(error)),
            }
        }
    }
}

type Execution = Pin<Box<dyn Future<Output = Result<ExecuteResponse, RuntimeFailure>> + Send>>;

/// A call that the runtime has.
struct Serving {
    execution: Execution,
    gate: StartGate,
    deadline: Instant,
}

/// How a call ended before its answer began.
enum Verdict {
    Answered(Result<ExecuteResponse, RuntimeFailure>),
    Reclaimed,
    Late,
    Gone(ChannelError),
}

impl Serving {
    /// Hands a call to the runtime; the error is for people.
    fn begin(driver: &Arc<Driver>, message: CallMessage, upload: &mut Upload) -> Result<Self, String> {
        path::check(&message.path, message.query.as_deref()).map_err(|error| error.to_string())?;
        let method = Method::from_bytes(message.method.as_bytes())
            .map_err(|_| format!("{:?} is no HTTP method", message.method))?;
        let headers = decode_headers(message.headers).map_err(|error| error.to_string())?;
        let timeout = Duration::from_micros(message.timeout_us).min(driver.config.timeouts.call_max);
        let deadline = Instant::now() + timeout;
        let gate = StartGate::new();
        let request = ExecuteRequest {
            function: message.function,
            method,
            path: message.path,
            query: message.query,
            headers,
            body: upload.body(message.offers_body),
            deadline,
            start: gate.clone(),
        };
        let runtime = driver.runtime.clone();
        let execution = Box::pin(async move { runtime.execute(request).await });
        Ok(Serving { execution, gate, deadline: deadline + DEADLINE_GRACE })
    }

    async fn run(
        mut self,
        driver: &Arc<Driver>,
        function: &str,
        mut upload: Upload,
        reader: &mut Reader<NodeStream>,
        writer: &mut Writer<NodeStream>,
    ) -> Result<Next, ChannelError> {
        let limit = driver.config.limits.request_body;
        let verdict = self.execute(driver, function, &mut upload, reader, writer, limit).await;
        let Serving { execution, gate, .. } = self;
        // Whatever is still running of it ends here.
        drop(execution);
        let ran = if gate.is_started() { Started::Maybe } else { Started::No };
        let failed = match verdict {
            Verdict::Answered(Ok(response)) => {
                let done = answer(driver, function, response, &mut upload, reader, writer, limit).await;
                driver.metrics.served(if done.is_ok() { "answered" } else { "broken" });
                return done;
            }
            Verdict::Answered(Err(failure)) => {
                let reason = match failure.reason {
                    RuntimeFailureReason::Full { retry_after } => {
                        AttemptFailure::Full { retry_after: retry_after.map(core_duration) }
                    }
                    RuntimeFailureReason::NotHosted => AttemptFailure::NotHosted,
                    RuntimeFailureReason::Runtime => AttemptFailure::Runtime,
                    RuntimeFailureReason::Cancelled => AttemptFailure::Cancelled,
                };
                let capacity = capacity_of(driver, function);
                FailedMessage::new(reason, failure.started, capacity, failure.message)
            }
            Verdict::Reclaimed => {
                let capacity = capacity_of(driver, function);
                FailedMessage::new(AttemptFailure::Cancelled, Started::No, capacity, String::new())
            }
            Verdict::Late => {
                let message = "the call's time ran out while it was running".to_owned();
                FailedMessage::new(AttemptFailure::Runtime, ran, capacity_of(driver, function), message)
            }
            Verdict::Gone(error) => {
                driver.metrics.served("cancelled");
                return Err(error);
            }
        };
        driver.metrics.served("failed");
        writer.message(Kind::Failed, &failed);
        writer.send().await?;
        Ok(if upload.complete { Next::Again } else { Next::Close })
    }

    /// Waits for the answer's head, and meanwhile moves the request's body on and listens to the entry.
    async fn execute(
        &mut self,
        driver: &Arc<Driver>,
        function: &str,
        upload: &mut Upload,
        reader: &mut Reader<NodeStream>,
        writer: &mut Writer<NodeStream>,
        limit: u64,
    ) -> Verdict {
        let accepted = |writer: &mut Writer<NodeStream>| {
            let message = AcceptedMessage { capacity: capacity_of(driver, function) };
            writer.message(Kind::Accepted, &message);
        };
        // Made only for calls that are not answered at once.
        let mut timer: Option<Pin<Box<tokio::time::Sleep>>> = None;
        let mut told = false;
        let mut told_bytes = upload.received;
        poll_fn(|cx| {
            if let Poll::Ready(result) = self.execution.as_mut().poll(cx) {
                return Poll::Ready(Verdict::Answered(result));
            }
            loop {
                match upload.poll(cx, reader, limit) {
                    Poll::Ready(News::Reclaim) if self.gate.reclaim() => {
                        return Poll::Ready(Verdict::Reclaimed);
                    }
                    // It has begun: the answer will come.
                    Poll::Ready(News::Reclaim) => {}
                    Poll::Ready(News::Wanted) => writer.mark(Kind::Continue),
                    Poll::Ready(News::Gone(error)) => return Poll::Ready(Verdict::Gone(error)),
                    Poll::Pending => break,
                }
            }
            let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(ACCEPT_AFTER)));
            while timer.as_mut().poll(cx).is_ready() {
                let now = Instant::now();
                if now >= self.deadline {
                    return Poll::Ready(Verdict::Late);
                }
                if !told || upload.received > told_bytes {
                    accepted(writer);
                    told = true;
                    told_bytes = upload.received;
                }
                let rest = self.deadline - now;
                let next = if upload.complete { rest } else { ALIVE_EVERY.min(rest) };
                timer.as_mut().reset(tokio::time::Instant::now() + next);
            }
            match writer.poll_send(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(Verdict::Gone(error.into())),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

/// Sends the answer, and meanwhile moves the rest of the request's body on.
async fn answer(
    driver: &Arc<Driver>,
    function: &str,
    response: ExecuteResponse,
    upload: &mut Upload,
    reader: &mut Reader<NodeStream>,
    writer: &mut Writer<NodeStream>,
    limit: u64,
) -> Result<Next, ChannelError> {
    let ExecuteResponse { status, headers, mut body, timing } = response;
    let head = Instant::now();
    let message = HeadMessage {
        status: u32::from(status.as_u16()),
        headers: encode_headers(&headers),
        timing: Some(TimingMessage::new(timing)),
    };
    writer.message(Kind::Head, &message);
    let (mut ended, mut at_once) = (false, true);
    let result: Result<(), Failure> = poll_fn(|cx| {
        loop {
            // The runtime gives no more at present: who polls is woken when that changes.
            let mut starved = false;
            while !ended && writer.pending() < WRITE_BATCH {
                match Pin::new(&mut body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        // Trailers have no place in the protocol.
                        if let Ok(bytes) = frame.into_data() {
                            writer.data(&bytes);
                        }
                        ended = body.is_end_stream();
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Failure::Runtime(error))),
                    Poll::Ready(None) => ended = true,
                    Poll::Pending => {
                        (starved, at_once) = (true, false);
                        break;
                    }
                }
            }
            if ended {
                return Poll::Ready(Ok(()));
            }
            match upload.poll(cx, reader, limit) {
                Poll::Ready(News::Reclaim) => continue,
                Poll::Ready(News::Wanted) => {
                    writer.mark(Kind::Continue);
                    continue;
                }
                Poll::Ready(News::Gone(error)) => return Poll::Ready(Err(Failure::Entry(error))),
                Poll::Pending => {}
            }
            match writer.poll_send(cx) {
                Poll::Ready(Ok(())) if starved => return Poll::Pending,
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Failure::Entry(error.into()))),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    // Gives its place in the runtime back before that is read.
    drop(body);
    match result {
        Ok(()) => {
            let streamed = if at_once { Duration::ZERO } else { head.elapsed() };
            let timing = Timing { exec: timing.exec + core_duration(streamed), ..timing };
            let timing = Some(TimingMessage::new(timing));
            let capacity = capacity_of(driver, function);
            writer.message(Kind::Done, &DoneMessage { timing, capacity });
            writer.send().await?;
            Ok(if upload.complete { Next::Again } else { Next::Close })
        }
        Err(Failure::Runtime(error)) => {
            let capacity = capacity_of(driver, function);
            let message = error.to_string();
            let failed = FailedMessage::new(AttemptFailure::Runtime, Started::Yes, capacity, message);
            writer.message(Kind::Failed, &failed);
            writer.send().await?;
            Ok(Next::Close)
        }
        Err(Failure::Entry(error)) => Err(error),
    }
}

/// Whose fault it is that an answer broke off.
enum Failure {
    Runtime(BodyError),
    Entry(ChannelError),
}
