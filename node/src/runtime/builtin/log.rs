//! The log of a function: the last lines, and those to come for who follows.

use crate::openfaas::{FunctionName, LogMessage, LogQuery};
use futures::stream::{self, BoxStream, StreamExt};
use http::{Method, StatusCode};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::broadcast;

/// Lines that are kept of each function.
const LINES: usize = 1_000;

/// The log of one function. Lines are kept as what happened and written out when somebody reads them.
#[derive(Debug)]
pub(super) struct Log {
    lines: Mutex<VecDeque<Line>>,
    followers: broadcast::Sender<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    at: SystemTime,
    event: Event,
}

/// What is logged.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A call was answered.
    Answered { method: Method, status: StatusCode, exec: Duration },
    /// A call broke.
    Broke { method: Method, why: &'static str },
    /// It was deployed, changed or scaled.
    Changed { what: &'static str, replicas: u64 },
}

impl Log {
    pub(super) fn new() -> Self {
        Log { lines: Mutex::default(), followers: broadcast::Sender::new(LINES) }
    }

    pub(super) fn push(&self, event: Event) {
        let line = Line { at: SystemTime::now(), event };
        let mut lines = self.lines.lock();
        // Under the lock, so that a new follower misses nothing and sees nothing twice.
        if self.followers.receiver_count() > 0 {
            let _ = self.followers.send(line.clone());
        }
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    /// The lines that a query asks for.
    ///
    /// # Errors
    /// Says what of the query is wrong.
    pub(super) fn read(
        self: &Arc<Self>,
        name: &FunctionName,
        query: &LogQuery,
    ) -> Result<BoxStream<'static, LogMessage>, String> {
        let since = match &query.since {
            Some(text) => Some(
                OffsetDateTime::parse(text, &Rfc3339)
                    .map_err(|error| format!("since={text:?} is not an RFC 3339 instant: {error}"))?,
            ),
            None => None,
        };
        let lines = self.lines.lock();
        let follower = query.follow.then(|| self.followers.subscribe());
        let wanted = |line: &&Line| since.is_none_or(|since| OffsetDateTime::from(line.at) >= since);
        let mut past: Vec<LogMessage> = lines.iter().filter(wanted).map(|line| message(name, line)).collect();
        drop(lines);
        let tail = query.tail.and_then(|tail| usize::try_from(tail).ok()).filter(|tail| *tail > 0);
        if let Some(tail) = tail {
            past.drain(..past.len().saturating_sub(tail));
        }
        let past = stream::iter(past);
        let Some(follower) = follower else { return Ok(past.boxed()) };
        let name = name.clone();
        // The stream ends with the function: it must not keep the log, and its sender, alive itself.
        let future = stream::unfold((follower, name), |(mut follower, name)| async move {
            loop {
                match follower.recv().await {
                    Ok(line) => return Some((message(&name, &line), (follower, name))),
                    // Too slow for the function: go on with what is still there.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        Ok(past.chain(future).boxed())
    }
}

fn message(name: &FunctionName, line: &Line) -> LogMessage {
    let text = match &line.event {
        Event::Answered { method, status, exec } => {
            format!("{method} - {} - {:.6}s", status, exec.as_secs_f64())
        }
        Event::Broke { method, why } => format!("{method} - no answer: {why}"),
        Event::Changed { what, replicas } => format!("{what}, replicas: {replicas}"),
    };
    LogMessage {
        name: name.service().to_owned(),
        namespace: name.namespace().to_owned(),
        instance: "builtin".to_owned(),
        timestamp: rfc3339(line.at),
        text,
    }
}

/// An instant as RFC 3339 has it, in UTC.
pub(super) fn rfc3339(at: SystemTime) -> String {
    OffsetDateTime::from(at).format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> FunctionName {
        FunctionName::parse("f").unwrap()
    }

    fn answered(status: StatusCode) -> Event {
        Event::Answered { method: Method::POST, status, exec: Duration::from_micros(1_500) }
    }

    #[tokio::test]
    async fn the_last_lines_are_kept_and_a_query_chooses_among_them() {
        let log = Arc::new(Log::new());
        for _ in 0..LINES + 5 {
            log.push(answered(StatusCode::OK));
        }
        log.push(answered(StatusCode::BAD_GATEWAY));
        let lines: Vec<LogMessage> = log.read(&name(), &LogQuery::default()).unwrap().collect().await;
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines[0].text, "POST - 200 OK - 0.001500s");
        assert_eq!((lines[0].name.as_str(), lines[0].namespace.as_str()), ("f", "openfaas-fn"));

        let tail = LogQuery { tail: Some(1), ..LogQuery::default() };
        let lines: Vec<LogMessage> = log.read(&name(), &tail).unwrap().collect().await;
        assert_eq!(lines.len(), 1);
        assert!(lines[0].text.contains("502"), "{}", lines[0].text);

        let later = LogQuery { since: Some("2999-01-01T00:00:00+02:00".to_owned()), ..LogQuery::default() };
        assert_eq!(log.read(&name(), &later).unwrap().count().await, 0);
        let wrong = LogQuery { since: Some("yesterday".to_owned()), ..LogQuery::default() };
        assert!(log.read(&name(), &wrong).is_err_and(|error| error.contains("RFC 3339")));
    }

    #[tokio::test]
    async fn who_follows_gets_what_comes_until_the_function_is_gone() {
        let log = Arc::new(Log::new());
        log.push(answered(StatusCode::OK));
        let follow = LogQuery { follow: true, ..LogQuery::default() };
        let mut lines = log.read(&name(), &follow).unwrap();
        assert!(lines.next().await.is_some());
        log.push(answered(StatusCode::NOT_FOUND));
        assert!(lines.next().await.is_some_and(|line| line.text.contains("404")));
        drop(log);
        assert_eq!(lines.next().await, None);
    }
}
