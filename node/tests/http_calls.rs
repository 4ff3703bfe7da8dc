//! Calls over HTTP, through one node or two.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod daemons;

use daemons::*;
use edge_faas_node::daemon::Daemon;
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A node that hosts nothing, and one that hosts some functions.
async fn pair() -> (Daemon, Daemon) {
    let mut nodes = network(2).await;
    let host = nodes.pop().unwrap();
    let entry = nodes.pop().unwrap();
    deploy(&host, "echo", "echo", &[]).await;
    deploy(&host, "sleep", "sleep", &[("edge-faas.concurrency", "1"), ("edge-faas.queue", "0")]).await;
    deploy(&host, "payload", "payload", &[]).await;
    deploy(&host, "fail", "fail", &[]).await;
    for name in ["echo", "sleep", "payload", "fail"] {
        provided(&entry, name, 1).await;
    }
    (entry, host)
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_pass_untouched_whatever_they_are() {
    let (entry, host) = pair().await;
    let bytes: Vec<u8> = (0..=255).cycle().take(1_000_003).collect();
    for node in [&entry, &host] {
        let http = Http::of(node);
        for body in [b"007".to_vec(), b"\0\xff\r\n\r\n".to_vec(), Vec::new(), bytes.clone()] {
            let length = body.len();
            let sent = http.post("/function/echo").header("content-type", "image/png").body(body.clone());
            let response = sent.send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(header(&response, "content-type"), Some("image/png"));
            assert!(response.bytes().await.unwrap() == body, "{length} bytes changed on their way");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_says_where_the_call_went_and_where_its_time_did() {
    let (entry, host) = pair().await;
    for (node, hops) in [(&entry, "1"), (&host, "0")] {
        let http = Http::of(node);
        let response = http.post("/function/sleep?duration=20ms").send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "x-edge-faas-provider"), Some(host.node.id().to_string().as_str()));
        assert_eq!(header(&response, "x-edge-faas-attempts"), Some("1"));
        assert_eq!(header(&response, "x-edge-faas-hops"), Some(hops));
        let seconds: f64 = header(&response, "x-duration-seconds").unwrap().parse().unwrap();
        assert!(seconds >= 0.02, "{seconds}");
        let timing = header(&response, "server-timing").unwrap();
        let part = |name: &str| -> Option<f64> {
            let part = timing.split(", ").find_map(|part| part.strip_prefix(&format!("{name};dur=")))?;
            part.parse().ok()
        };
        assert!(part("exec").is_some_and(|exec| exec >= 20.0), "{timing}");
        assert!(part("total") >= part("exec"), "{timing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_carry_a_gateway_s_marks() {
    let (entry, _host) = pair().await;
    let http = Http::of(&entry);
    let response = http.post("/function/echo").send().await.unwrap();
    assert_eq!(header(&response, "x-call-id").map(str::len), Some(36), "a UUID");
    assert!(header(&response, "x-start-time").unwrap().parse::<u64>().unwrap() > 1_600_000_000_000_000_000);
    // A caller's own goes to the function, and is not said back.
    let marked = http.post("/function/echo").header("x-call-id", "mine").header("x-start-time", "7");
    let response = marked.send().await.unwrap();
    assert_eq!((header(&response, "x-call-id"), header(&response, "x-start-time")), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_one_connection_stays_there() {
    let (entry, _host) = pair().await;
    let answer = raw(
        &entry,
        "POST /function/echo HTTP/1.1\r\nHost: x\r\nConnection: close, X-Private\r\nX-Private: 1\r\nTE: trailers\r\n\
         Transfer-Encoding: chunked\r\n\r\n3\r\n007\r\n0\r\n\r\n",
    )
    .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!head.to_ascii_lowercase().contains("x-private"), "{answer}");
    assert!(body.contains("007"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_s_own_error_is_passed_on() {
    let (entry, _host) = pair().await;
    let http = Http::of(&entry);
    for status in [404, 418, 500, 503] {
        let response = http.get(&format!("/function/fail?status={status}")).send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(header(&response, "x-openfaas-internal"), None);
        assert_eq!(header(&response, "x-edge-faas-attempts"), Some("1"), "not tried again");
    }
    // A crash may have done anything: it is not repeated, and said to be unknown.
    let response = http.get("/function/fail?status=crash").send().await.unwrap();
    assert_eq!(response.status(), 502);
    assert_eq!(header(&response, "x-edge-faas-outcome"), Some("unknown"));
    assert_eq!(header(&response, "x-openfaas-internal"), Some("edge-faas"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_nobody_hosts_is_not_found() {
    let (entry, _host) = pair().await;
    let response = Http::of(&entry).get("/function/nothing").send().await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(header(&response, "x-edge-faas-outcome"), Some("not_found"));
    assert!(response.text().await.unwrap().contains("nothing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_function_answers_429_and_when_to_come_back() {
    let (entry, host) = pair().await;
    let http = Http::of(&entry);
    let busy = tokio::spawn(http.post("/function/sleep?duration=1h").send());
    until("the slot is taken", || async { host.runtime.capacity("sleep").is_some_and(|it| it.running == 1) })
        .await;
    let refused = http.post("/function/sleep").header("x-edge-faas-timeout", "300ms").send().await.unwrap();
    assert!(matches!(refused.status().as_u16(), 429 | 504), "{}", refused.status());
    if refused.status() == 429 {
        assert!(
            header(&refused, "retry-after").and_then(|text| text.parse::<u64>().ok()).is_some_and(|s| s >= 1)
        );
    }
    // Who goes away frees the slot.
    busy.abort();
    until("the slot is free", || async { host.runtime.capacity("sleep").is_some_and(|it| it.running == 0) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_choose_its_policy_its_timeout_and_that_it_may_be_repeated() {
    let (entry, _host) = pair().await;
    let http = Http::of(&entry);
    let with =
        |name: &'static str, value: &'static str| http.post("/function/echo").header(name, value).body("x");
    assert_eq!(with("x-edge-faas-policy", "nearest").send().await.unwrap().status(), 200);
    let local = with("x-edge-faas-policy", "local-only").send().await.unwrap();
    assert_eq!((local.status().as_u16(), header(&local, "x-edge-faas-outcome")), (404, Some("not_found")));
    assert_eq!(with("x-edge-faas-idempotent", "true").send().await.unwrap().status(), 200);
    for (name, value, part) in [
        ("x-edge-faas-policy", "fastest", "power-of-two"),
        ("x-edge-faas-idempotent", "yes", "x-edge-faas-idempotent"),
        ("x-edge-faas-timeout", "5", "unit"),
    ] {
        let response = with(name, value).send().await.unwrap();
        assert_eq!(response.status(), 400, "{name}");
        assert!(response.text().await.unwrap().contains(part), "{name}");
    }
    let late =
        http.post("/function/sleep?duration=1h").header("x-edge-faas-timeout", "100ms").send().await.unwrap();
    assert_eq!((late.status().as_u16(), header(&late, "x-edge-faas-outcome")), (504, Some("timeout")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_thesis_anycall_describes_a_call_by_json() {
    let (entry, _host) = pair().await;
    let http = Http::of(&entry);
    let call =
        |name: &str, body| http.post(&format!("/api/v1/functions/{name}/executions")).json(&body).send();
    let answer = call("echo", json!({ "http_method": "POST", "body": "007" })).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "007"));
    let answer =
        call("fail", json!({ "http_method": "GET", "path_and_query": "/x?status=418" })).await.unwrap();
    assert_eq!(answer.status(), 418);
    assert_eq!(call("nothing", json!({})).await.unwrap().status(), 404);
    assert_eq!(
        call("echo", json!({ "path_and_query": "/../../system/functions" })).await.unwrap().status(),
        400
    );
    assert_eq!(call("echo", json!({ "http_method": "GE T" })).await.unwrap().status(), 400);
    assert_eq!(call("echo", json!([])).await.unwrap().status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_limit_is_refused_whether_it_is_announced_or_not() {
    let mut settings = settings();
    settings.node.limits.request_body = 100_000;
    settings.http.json_limit = 1_000;
    let node = start(settings).await;
    deploy(&node, "echo", "echo", &[]).await;
    deploy(&node, "sleep", "sleep", &[]).await;
    let http = Http::of(&node);
    until("the function answers", || async {
        http.post("/function/sleep").send().await.unwrap().status() == 200
    })
    .await;
    let fits = http.post("/function/sleep").body(vec![b'x'; 100_000]).send().await.unwrap();
    assert_eq!(fits.status(), 200);
    let announced = http.post("/function/sleep").body(vec![b'x'; 100_001]).send().await.unwrap();
    assert_eq!(announced.status(), 413);
    assert!(announced.text().await.unwrap().contains("100000"));
    let chunks = futures::stream::iter((0..11).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 10_000])));
    let streamed =
        http.post("/function/sleep").body(reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
    assert_eq!(streamed.status(), 413);
    let deployment =
        json!({ "service": "f", "image": "builtin/echo", "envVars": { "x": "y".repeat(1_000) } });
    assert_eq!(http.send(Method::POST, "/system/functions", deployment).await, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_is_streamed() {
    let (entry, host) = pair().await;
    let mut response = Http::of(&entry).get("/function/payload?bytes=64MiB").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-length"), Some("67108864"));
    let first = response.chunk().await.unwrap().unwrap();
    // The function is not done while nobody reads: nothing on the way swallows the whole of it.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(host.runtime.capacity("payload").map(|capacity| capacity.running), Some(1));
    let mut read = first.len();
    while let Some(chunk) = response.chunk().await.unwrap() {
        read += chunk.len();
    }
    assert_eq!(read, 64 << 20);
    until("the slot is free", || async {
        host.runtime.capacity("payload").is_some_and(|it| it.running == 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_not_waited_for() {
    let mut settings = settings();
    settings.http.head_timeout = Duration::from_millis(200);
    settings.http.stall_timeout = Duration::from_millis(200);
    let node = start(settings).await;
    deploy(&node, "sleep", "sleep", &[]).await;
    until("the function answers", || async {
        Http::of(&node).post("/function/sleep").send().await.unwrap().status() == 200
    })
    .await;
    // Bytes that come one by one do not help.
    let mut slow = TcpStream::connect(node.http).await.unwrap();
    let closed = async {
        let mut byte = [0; 64];
        loop {
            if slow.write_all(b"X").await.is_err() {
                break;
            }
            let read = tokio::time::timeout(Duration::from_millis(20), slow.read(&mut byte)).await;
            if let Ok(Ok(0) | Err(_)) = read {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the connection is closed");
    // Nor is a body that stops.
    let answer =
        raw(&node, "POST /function/sleep HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").await;
    assert!(answer.starts_with("HTTP/1.1 400") || answer.is_empty(), "{answer}");
    assert_eq!(Http::of(&node).get("/healthz").send().await.unwrap().status(), 200, "and the node lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let mut settings = settings();
    settings.http.connections = 2;
    let node = start(settings).await;
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(node.http).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        idle.push(stream);
    }
    let third = tokio::spawn(async move {
        let answer = raw_get(&node, "/healthz").await;
        (answer, node)
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!third.is_finished());
    drop(idle.pop());
    let (answer, _node) = tokio::time::timeout(PATIENCE, third).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_lets_calls_end_and_takes_no_others() {
    let mut settings = settings();
    settings.node.timeouts.drain = PATIENCE;
    let node = start(settings).await;
    deploy(&node, "sleep", "sleep", &[("duration", "500ms")]).await;
    let http = Http::of(&node);
    let address = node.http;
    until("the function is hosted", || async { node.node.info().hosted.contains(&"sleep".to_owned()) }).await;
    let running = tokio::spawn(http.post("/function/sleep").send());
    until("the call runs", || async { node.runtime.capacity("sleep").is_some_and(|it| it.running == 1) })
        .await;
    // Somebody who would read the log for ever does not hold it up.
    let mut log = http.get("/system/logs?name=sleep&follow=true").send().await.unwrap();
    assert!(log.chunk().await.unwrap().is_some());
    let begun = Instant::now();
    node.shutdown().await;
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    while log.chunk().await.unwrap().is_some() {}
    assert_eq!(running.await.unwrap().unwrap().status(), 200);
    assert!(TcpStream::connect(address).await.is_err());
}
