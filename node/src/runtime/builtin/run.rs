//! What the built-in functions do.

use super::kind::Kind;
use super::options::Options;
use super::pi;
use crate::body::{self, Body};
use bytes::Bytes;
use futures::stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Bytes that `payload` sends at once.
const CHUNK: usize = 64 * 1024;
/// What they are: not all the same, so that an answer that is cut or shifted shows.
static PATTERN: [u8; CHUNK] = {
    let mut pattern = [0; CHUNK];
    let mut index = 0;
    while index < CHUNK {
        // 251 is prime, so that the pattern does not fit into powers of two.
        pattern[index] = (index % 251) as u8;
        index += 1;
    }
    pattern
};

/// A function's answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// The cores that functions compute on: so many calls compute at once, the others wait.
#[derive(Clone, Debug)]
pub(super) struct Cores(Arc<Semaphore>);

/// True once nobody waits for the answer.
#[derive(Debug)]
struct Abandoned(Arc<AtomicBool>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Cores {
    pub(super) fn new(cores: usize) -> Self {
        Cores(Arc::new(Semaphore::new(cores.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Computes on a thread that may block. The work asks the closure it gets whether to go on; dropping the future
    /// makes it say no. `None`: the work stopped, or panicked.
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Fn() -> bool) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let core = Arc::clone(&self.0).acquire_owned().await.ok()?;
        let flag = Arc::new(AtomicBool::new(false));
        let _abandoned = Abandoned(Arc::clone(&flag));
        let task = tokio::task::spawn_blocking(move || {
            let result = work(&|| !flag.load(Ordering::Relaxed));
            drop(core);
            result
        });
        task.await.ok().flatten()
    }
}

/// Runs a function. `None`: it breaks without an answer.
pub(super) async fn run(
    kind: Kind,
    options: &Options,
    request: (HeaderMap, Body),
    cores: &Cores,
) -> Option<Answer> {
    let (mut headers, request) = request;
    match kind {
        Kind::Echo => {
            wait(options.duration).await;
            let mut echoed = HeaderMap::new();
            for name in [CONTENT_TYPE, CONTENT_LENGTH] {
                echoed.extend(headers.remove(&name).map(|value| (name, value)));
            }
            Some(Answer { status: StatusCode::OK, headers: echoed, body: request })
        }
        Kind::Sleep => {
            wait(options.duration).await;
            Some(bytes(options.bytes))
        }
        Kind::Payload => {
            wait(options.duration).await;
            Some(bytes(options.bytes))
        }
        Kind::Cpu => {
            let duration = options.duration;
            if !duration.is_zero() {
                cores.compute(move |go_on| burn(duration, go_on)).await?;
            }
            Some(bytes(options.bytes))
        }
        Kind::Pi => {
            let digits = usize::try_from(options.digits).ok()?;
            let text = cores.compute(move |go_on| pi::digits(digits, go_on)).await?;
            Some(text_answer(StatusCode::OK, text))
        }
        Kind::Fail => {
            wait(options.duration).await;
            options.status.map(|status| text_answer(status, "this function fails, as it was told to\n"))
        }
    }
}

async fn wait(duration: Duration) {
    // A timer of no length would still cost a turn of the scheduler.
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// Uses a core for so much of its time, by the thread's own clock.
fn burn(duration: Duration, go_on: &dyn Fn() -> bool) -> Option<()> {
    let start = thread_time();
    let mut state = 1_u64;
    while thread_time().saturating_sub(start) < duration {
        if !go_on() {
            return None;
        }
        for _ in 0..1_000 {
            // An xorshift generator: work that the compiler cannot leave out.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
        std::hint::black_box(state);
    }
    Some(())
}

/// Processor time that this thread has used.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn text_answer(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let content_type = (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Answer { status, headers: HeaderMap::from_iter([content_type]), body: body::full(text) }
}

/// An answer of so many bytes.
fn bytes(count: u64) -> Answer {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CONTENT_LENGTH, HeaderValue::from(count)),
    ];
    let chunk = |left: u64| {
        let size = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        (Bytes::from_static(PATTERN.get(..size).unwrap_or(&PATTERN)), left - size as u64)
    };
    let body = if count <= CHUNK as u64 {
        body::full(chunk(count).0)
    } else {
        let chunks = stream::unfold(count, move |left| async move {
            (left > 0).then(|| chunk(left)).map(|(bytes, left)| (Ok(Frame::data(bytes)), left))
        });
        StreamBody::new(chunks).boxed_unsync()
    };
    Answer { status: StatusCode::OK, headers: HeaderMap::from_iter(headers), body }
}
