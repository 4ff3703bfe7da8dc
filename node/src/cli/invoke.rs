//! `edge-faas invoke`: one call.

use super::args::{CallOptions, Invoke};
use super::client::Client;
use super::failure::Failure;
use super::output::{print, print_json};
use crate::http::{ATTEMPTS, HOPS, IDEMPOTENT, OUTCOME, POLICY, PROVIDER, SERVER_TIMING, TIMEOUT};
use crate::openfaas::FunctionName;
use crate::path;
use base64::Engine;
use futures::StreamExt;
use http::{HeaderMap, HeaderName};
use reqwest::{Body, RequestBuilder, Response};
use serde_json::{Value, json};
use std::io::IsTerminal;
use tokio_util::io::ReaderStream;

/// Calls a function and prints its answer.
pub(super) async fn invoke(command: Invoke) -> Result<(), Failure> {
    let client = Client::new(&command.target)?;
    let function = FunctionName::parse(&command.name).map_err(Failure::input)?;
    let (below, query) = match command.path.split_once('?') {
        Some((below, query)) => (below, Some(query)),
        None => (command.path.as_str(), None),
    };
    // The URL's own parser would tidy it up silently, and call something else.
    path::check(below, query).map_err(|error| Failure::Input(format!("--path: {error}")))?;
    let request = client.open(command.method.clone(), &format!("/function/{function}{}", command.path));
    let mut request = with_options(request, &command.options);
    if let Some(policy) = command.policy {
        request = request.header(POLICY, policy.name());
    }
    for (name, value) in command.header.iter().cloned() {
        request = request.header(name, value);
    }
    let response = client.send(request.body(body(&command).await?)).await?;
    let failed = !(response.status().is_success() || response.status().is_redirection());
    if command.verbose {
        eprint!("{}", way(&response));
    }
    match command.target.json {
        true => print_json(&whole(&client, response).await?)?,
        false => stream(&client, response).await?,
    }
    // The answer says itself what went wrong.
    if failed { Err(Failure::Said) } else { Ok(()) }
}

/// Puts what a call may choose into its headers.
pub(super) fn with_options(request: RequestBuilder, options: &CallOptions) -> RequestBuilder {
    let request = match options.idempotent {
        true => request.header(IDEMPOTENT, "true"),
        false => request,
    };
    match &options.timeout {
        Some(timeout) => request.header(TIMEOUT, timeout),
        None => request,
    }
}

async fn body(command: &Invoke) -> Result<Body, Failure> {
    if let Some(text) = &command.data {
        return Ok(Body::from(text.clone()));
    }
    if let Some(path) = &command.file {
        let file = tokio::fs::File::open(path).await;
        let file = file.map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
        return Ok(Body::from(file));
    }
    // Somebody at a terminal would wonder what it waits for.
    if std::io::stdin().is_terminal() {
        return Ok(Body::from(""));
    }
    Ok(Body::wrap_stream(ReaderStream::new(tokio::io::stdin())))
}

/// Where a call went and where its time did, as lines for people.
fn way(response: &Response) -> String {
    let text = |name: &HeaderName| header(response.headers(), name);
    let mut lines = format!("status    {}\n", response.status());
    for (name, value) in [
        ("outcome", text(&OUTCOME)),
        ("provider", text(&PROVIDER)),
        ("attempts", text(&ATTEMPTS)),
        ("hops", text(&HOPS)),
        ("time", text(&SERVER_TIMING).map(|timing| timing.replace(";dur=", " ") + " (ms)")),
    ] {
        if let Some(value) = value {
            lines += &format!("{name:<9} {value}\n");
        }
    }
    lines
}

fn header(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

async fn stream(client: &Client, response: Response) -> Result<(), Failure> {
    let mut bytes = response.bytes_stream();
    while let Some(chunk) = bytes.next().await {
        print(chunk.map_err(|error| client.broken(&error))?)?;
    }
    Ok(())
}

/// The whole answer as JSON.
async fn whole(client: &Client, response: Response) -> Result<Value, Failure> {
    let status = response.status().as_u16();
    let headers: serde_json::Map<String, Value> = response
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), Value::from(value.to_str().ok()?))))
        .collect();
    let bytes = response.bytes().await.map_err(|error| client.broken(&error))?;
    Ok(match String::from_utf8(bytes.to_vec()) {
        Ok(text) => json!({ "status": status, "headers": headers, "body": text }),
        Err(_) => {
            let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
            json!({ "status": status, "headers": headers, "body_base64": text })
        }
    })
}
