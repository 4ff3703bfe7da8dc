//! `edge-faas map`: a manycall.

use super::args::Map;
use super::client::Client;
use super::failure::Failure;
use super::invoke::with_options;
use super::output::{self, print, print_json, table};
use crate::http::{ITEMS, ItemResult, POLICY};
use crate::openfaas::FunctionName;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use http::header::CONTENT_TYPE;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::{Body, Method};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWriteExt, BufReader, BufWriter};
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

/// The longest line, in bytes: what a node takes of an item at most, with its JSON around it.
const LINE_MAX: usize = 64 << 20;

/// Calls a function once for each item.
pub(super) async fn map(command: Map) -> Result<(), Failure> {
    let client = Client::new(&command.target)?;
    let function = FunctionName::parse(&command.name).map_err(Failure::input)?;
    let bar = bar(&command);
    let sent = Arc::new(AtomicU64::new(0));
    let items = items(&command, &bar, &sent).await?;
    let mut output = match &command.output {
        Some(path) => Some(BufWriter::new(
            tokio::fs::File::create(path)
                .await
                .map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?,
        )),
        None => None,
    };
    let path = format!("/api/v1/functions/{function}/executions/manycall");
    let request = client.open(Method::POST, &path).header(CONTENT_TYPE, "application/x-ndjson");
    let mut request = with_options(request, &command.options);
    if let Some(policy) = command.policy {
        request = request.header(POLICY, policy.name());
    }
    if let Some(count) = command.count {
        request = request.header(ITEMS, count);
    }
    let begun = Instant::now();
    let response = client.ask(request.body(Body::wrap_stream(items))).await?;
    let bytes = response.bytes_stream().map_err(io::Error::other);
    let mut lines =
        FramedRead::new(StreamReader::new(Box::pin(bytes)), LinesCodec::new_with_max_length(LINE_MAX));
    let mut summary = Summary::default();
    while let Some(line) = lines.next().await {
        let line = line.map_err(|error| Failure::Unreachable(format!("the results broke off: {error}")))?;
        let Ok(result) = serde_json::from_str::<ItemResult>(&line) else {
            // The node's last word: why the items broke off.
            bar.finish_and_clear();
            let said: serde_json::Value = serde_json::from_str(&line).map_err(Failure::other)?;
            let said = said.get("error").and_then(|error| error.as_str()).unwrap_or(&line).to_owned();
            return Err(Failure::Other(format!("{said} ({} items were answered)", summary.items)));
        };
        summary.add(&result);
        bar.inc(1);
        bar.set_message(format!("{} failed", summary.items - summary.ok));
        if command.target.json && output.is_none() {
            print(line.as_str().to_owned() + "\n")?;
        }
        if let Some(output) = &mut output {
            output.write_all(line.as_bytes()).await.map_err(Failure::other)?;
            output.write_all(b"\n").await.map_err(Failure::other)?;
        }
    }
    if let Some(output) = &mut output {
        output.flush().await.map_err(Failure::other)?;
    }
    bar.finish_and_clear();
    summary.seconds = begun.elapsed().as_secs_f64();
    summary.missing = sent.load(Ordering::Relaxed).saturating_sub(summary.items);
    match command.target.json {
        true if command.output.is_some() => print_json(&summary)?,
        true => {}
        false => print(summary.text())?,
    }
    if summary.ok == summary.items && summary.missing == 0 { Ok(()) } else { Err(Failure::Said) }
}

fn bar(command: &Map) -> ProgressBar {
    let visible = !command.quiet && io::stderr().is_terminal();
    let target = if visible { ProgressDrawTarget::stderr_with_hz(5) } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(command.count, target);
    // Templates of our own are right or a test fails.
    let template = match command.count {
        Some(_) => "{bar:30} {pos} of {len}  {per_sec}  {msg}  {eta} left",
        None => "{spinner} {pos} done  {per_sec}  {msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

type Items = BoxStream<'static, Result<Bytes, io::Error>>;

/// The items as they are sent, a line each.
async fn items(command: &Map, bar: &ProgressBar, sent: &Arc<AtomicU64>) -> Result<Items, Failure> {
    let sent = Arc::clone(sent);
    let count = move |line: Bytes| {
        sent.fetch_add(1, Ordering::Relaxed);
        line
    };
    if let Some(number) = command.count {
        let lines = stream::iter(0..number).map(move |_| Ok(count(Bytes::from_static(b"{}\n"))));
        return Ok(lines.boxed());
    }
    let reader: Box<dyn AsyncRead + Send + Unpin> = match &command.file {
        Some(path) => {
            let file = tokio::fs::File::open(path).await;
            Box::new(file.map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?)
        }
        None if io::stdin().is_terminal() => {
            return Err(Failure::input(
                "there are no items: give a line each on standard input, --file, or --count",
            ));
        }
        None => Box::new(tokio::io::stdin()),
    };
    let ndjson = command.ndjson;
    let bar = bar.clone();
    let lines = FramedRead::new(BufReader::new(reader), LinesCodec::new_with_max_length(LINE_MAX));
    let lines = lines.map(move |line| {
        let line = line.map_err(|error| {
            bar.suspend(|| eprintln!("the items broke off: {error}"));
            io::Error::other(error)
        })?;
        let mut line = if ndjson { line } else { serde_json::json!({ "body": line }).to_string() };
        line.push('\n');
        Ok(count(line.into()))
    });
    Ok(lines.boxed())
}

/// What became of a manycall.
#[derive(Debug, Default, Serialize)]
struct Summary {
    items: u64,
    ok: u64,
    /// Items that were sent and have no result.
    missing: u64,
    attempts: u64,
    seconds: f64,
    outcomes: BTreeMap<String, u64>,
    providers: BTreeMap<String, Share>,
}

/// What one provider did of it.
#[derive(Debug, Default, Serialize)]
struct Share {
    items: u64,
    exec_seconds: f64,
}

impl Summary {
    fn add(&mut self, result: &ItemResult) {
        self.items += 1;
        self.ok += u64::from(result.outcome == "ok");
        self.attempts += u64::from(result.attempts);
        *self.outcomes.entry(result.outcome.clone()).or_default() += 1;
        if let Some(provider) = result.provider.as_ref().filter(|_| result.status.is_some()) {
            let share = self.providers.entry(provider.clone()).or_default();
            share.items += 1;
            share.exec_seconds += result.timing.get("exec").copied().unwrap_or_default() / 1e3;
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{} items in {}, {} attempts\n",
            self.items,
            output::duration(Duration::try_from_secs_f64(self.seconds).unwrap_or_default()),
            self.attempts
        );
        if self.missing > 0 {
            text += &format!("{} items have no result: the node stopped\n", self.missing);
        }
        let rows = self.outcomes.iter().map(|(outcome, count)| vec![outcome.clone(), count.to_string()]);
        text += &format!("\n{}", table(&["outcome", "items"], &[1], rows));
        let rows = self.providers.iter().map(|(provider, share)| {
            let mean = share.exec_seconds / share.items as f64;
            let mean = output::duration(Duration::try_from_secs_f64(mean).unwrap_or_default());
            vec![provider.clone(), share.items.to_string(), mean]
        });
        text + &format!("\n{}", table(&["provider", "items", "mean exec"], &[1, 2], rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_how_items_ended_and_who_ran_them() {
        let mut summary = Summary { seconds: 1.234, ..Summary::default() };
        let result = |outcome: &str, status: Option<u16>, provider: &str, exec: f64| {
            serde_json::from_value(serde_json::json!({
                "index": 0, "outcome": outcome, "status": status, "provider": provider, "attempts": 1, "hops": 1,
                "timing": { "exec": exec },
            }))
            .unwrap()
        };
        summary.add(&result("ok", Some(200), "12D3KooWA", 10.0));
        summary.add(&result("ok", Some(200), "12D3KooWB", 30.0));
        summary.add(&result("ok", Some(200), "12D3KooWB", 10.0));
        summary.add(&result("unknown", None, "12D3KooWB", 0.0));
        summary.missing = 1;
        insta::assert_snapshot!(summary.text(), @r"
        4 items in 1.23 s, 4 attempts
        1 items have no result: the node stopped

        outcome  items
        ok           3
        unknown      1

        provider   items  mean exec
        12D3KooWA      1    10.0 ms
        12D3KooWB      2    20.0 ms
        ");
    }

    #[test]
    fn the_bars_templates_are_right() {
        for template in [
            "{bar:30} {pos} of {len}  {per_sec}  {msg}  {eta} left",
            "{spinner} {pos} done  {per_sec}  {msg}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
