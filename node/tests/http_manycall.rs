//! Manycalls over HTTP: streamed both ways, one result for each item.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod daemons;

use daemons::*;
use edge_faas_node::http::ItemResult;
use futures::stream;
use reqwest::{Body, Response};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;

async fn streamed(http: &Http, name: &str, body: impl Into<Body>) -> Response {
    http.streamed(name).body(body).send().await.unwrap()
}

/// The results, and the last word if there is one.
async fn results(response: Response) -> (Vec<ItemResult>, Option<String>) {
    let text = response.text().await.unwrap();
    let mut results = Vec::new();
    let mut last = None;
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        match value.get("index") {
            Some(_) => results.push(serde_json::from_value(value).unwrap()),
            None => last = value["error"].as_str().map(str::to_owned),
        }
    }
    results.sort_by_key(|result: &ItemResult| result.index);
    (results, last)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_has_one_result_that_says_where_it_ran() {
    let nodes = network(3).await;
    for node in &nodes[1..] {
        deploy(node, "echo", "echo", &[]).await;
    }
    provided(&nodes[0], "echo", 2).await;
    let lines: String = (0..300).map(|number| format!("{{\"body\":\"{number}\"}}\n")).collect();
    let response = streamed(&Http::of(&nodes[0]), "echo", lines).await;
    assert_eq!((response.status().as_u16(), header(&response, "content-type")), (200, Some(NDJSON)));
    let (results, last) = results(response).await;
    assert_eq!((results.len(), last), (300, None));
    let ids: BTreeSet<String> = nodes[1..].iter().map(|node| node.node.id().to_string()).collect();
    for (number, result) in results.iter().enumerate() {
        assert_eq!((result.index, result.outcome.as_str()), (number as u64, "ok"));
        assert_eq!(result.body.as_deref(), Some(number.to_string().as_str()));
        assert_eq!((result.status, result.attempts, result.hops), (Some(200), 1, 1));
        assert!(result.provider.as_ref().is_some_and(|id| ids.contains(id)), "{result:?}");
        assert!(result.timing.contains_key("total"), "{result:?}");
    }
    let counts = Http::of(&nodes[0]).get("/metrics").send().await.unwrap().text().await.unwrap();
    let line = "gateway_function_invocation_total{function_name=\"echo.openfaas-fn\",code=\"200\"} 300";
    assert!(counts.contains(line), "{counts}");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_come_while_items_are_still_being_sent() {
    let nodes = network(2).await;
    deploy(&nodes[1], "echo", "echo", &[]).await;
    provided(&nodes[0], "echo", 1).await;
    let (items, taken) = mpsc::channel::<Result<String, io::Error>>(1);
    let send = |text: &'static str| {
        let items = items.clone();
        async move { items.send(Ok(format!("{{\"body\":\"{text}\"}}\n"))).await.unwrap() }
    };
    let http = Http::of(&nodes[0]);
    let response = streamed(
        &http,
        "echo",
        Body::wrap_stream(stream::unfold(taken, |mut taken| async { Some((taken.recv().await?, taken)) })),
    );
    let (mut response, ()) = tokio::join!(response, send("first"));
    let next = |chunk: Option<bytes::Bytes>| {
        let result: ItemResult = serde_json::from_slice(&chunk.unwrap()).unwrap();
        (result.index, result.body)
    };
    assert_eq!(next(response.chunk().await.unwrap()), (0, Some("first".to_owned())));
    send("second").await;
    assert_eq!(next(response.chunk().await.unwrap()), (1, Some("second".to_owned())));
    drop(items);
    assert!(response.chunk().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_may_take_its_time_but_not_for_ever() {
    let mut settings = settings();
    settings.http.stall_timeout = Duration::from_millis(50);
    settings.http.item_timeout = Duration::from_secs(2);
    let node = start(settings).await;
    deploy(&node, "echo", "echo", &[]).await;
    provided(&node, "echo", 1).await;
    let items = stream::unfold(0, |number| async move {
        match number {
            0 => {}
            1 => tokio::time::sleep(Duration::from_millis(500)).await,
            _ => std::future::pending().await,
        }
        Some((Ok::<_, io::Error>(format!("{{\"body\":\"{number}\"}}\n")), number + 1))
    });
    let response = streamed(&Http::of(&node), "echo", Body::wrap_stream(items)).await;
    let (results, last) = results(response).await;
    assert_eq!(results.len(), 2);
    assert!(last.is_some(), "it is said why there are no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_pulled_no_faster_than_results_are_taken() {
    let nodes = network(2).await;
    deploy(&nodes[1], "payload", "payload", &[("bytes", "64KiB")]).await;
    provided(&nodes[0], "payload", 1).await;
    // Far more than what fits into all buffers on the way: 20,000 results of 64 KiB.
    let items = stream::iter((0..20_000).map(|_| Ok::<_, io::Error>("{}\n")));
    let response = streamed(&Http::of(&nodes[0]), "payload", Body::wrap_stream(items)).await;
    let mut before = 0;
    let waits = async {
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = runs(&nodes[1], "payload").await;
            if now > 0 && now == before {
                break;
            }
            before = now;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.expect("the manycall waits for its reader");
    assert!(before < 10_000, "{before} items ran for a reader that took none");
    // Who goes away ends it: what is in buffers on the way is still answered, and no more.
    drop(response);
    let ends = async {
        loop {
            let now = runs(&nodes[1], "payload").await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            if runs(&nodes[1], "payload").await == now {
                break now;
            }
        }
    };
    let after = tokio::time::timeout(PATIENCE, ends).await.expect("the manycall ends");
    assert!(after < 15_000, "{after} items ran for a reader that is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_items_are_theirs_alone() {
    let nodes = network(2).await;
    deploy(&nodes[1], "fail", "fail", &[]).await;
    provided(&nodes[0], "fail", 1).await;
    let http = Http::of(&nodes[0]);
    let items = ["200", "500", "crash", "418"]
        .map(|status| json!({ "path_and_query": format!("/?status={status}") }));
    let lines: String = items.iter().map(|item| format!("{item}\n")).collect();
    let (streamed, last) = results(streamed(&http, "fail", lines).await).await;
    let outcomes: Vec<(&str, Option<u16>)> =
        streamed.iter().map(|result| (result.outcome.as_str(), result.status)).collect();
    assert_eq!(
        outcomes,
        [("ok", Some(200)), ("function_error", Some(500)), ("unknown", None), ("function_error", Some(418))]
    );
    assert_eq!(last, None);
    assert!(streamed[2].error.is_some());

    let list = http.manycall("fail", items.to_vec()).await;
    let statuses: Vec<&Value> = list.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses[1..], [&json!(500), &json!(502), &json!(418)]);
    assert!(list[0].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_no_item_ends_the_manycall_after_those_before_it() {
    let nodes = network(2).await;
    deploy(&nodes[1], "echo", "echo", &[]).await;
    provided(&nodes[0], "echo", 1).await;
    let http = Http::of(&nodes[0]);
    for (line, part) in
        [("{", "line 2"), ("{\"path_and_query\":\"/..\"}", "path_and_query"), ("[]", "line 2")]
    {
        let lines = format!("{{\"body\":\"a\"}}\n{line}\n{{\"body\":\"b\"}}\n");
        let (results, last) = results(streamed(&http, "echo", lines).await).await;
        assert_eq!(results.len(), 1, "{line}");
        assert!(last.as_ref().is_some_and(|last| last.contains(part)), "{line}: {last:?}");
    }
    let list =
        http.post("/api/v1/functions/echo/executions/manycall").json(&json!({ "items": [{ "bodi": 1 }] }));
    let answer = list.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("bodi"));
    assert_eq!(http.manycall("echo", vec![]).await, Vec::<Value>::new());
    let nobody = http.manycall("nothing", vec![json!({})]).await;
    assert_eq!(nobody[0]["status"], 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manycall_may_choose_its_policy() {
    let nodes = network(3).await;
    for node in &nodes[1..] {
        deploy(node, "echo", "echo", &[("edge-faas.idempotent", "true")]).await;
    }
    provided(&nodes[0], "echo", 2).await;
    let http = Http::of(&nodes[0]);
    let path = "/api/v1/functions/echo/executions/manycall";
    // Several times: copies of stragglers are made when the machine has its moments.
    for policy in ["static", "late-binding", "backup", "backup", "backup", "backup"] {
        let items = json!({ "items": vec![json!({ "body": "x" }); 40] });
        let answer = http.post(path).header("x-edge-faas-policy", policy).json(&items).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{policy}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["results"], json!(vec!["x"; 40]), "{policy}");
    }
    let wrong = http.post(path).header("x-edge-faas-policy", "nearest").json(&json!({ "items": [] }));
    let answer = wrong.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("late-binding"));
}

#[test]
fn an_item_s_result_is_one_line() {
    let result: ItemResult = serde_json::from_value(json!({
        "index": 0, "outcome": "ok", "status": 200, "body": "a\nb", "attempts": 1, "hops": 0
    }))
    .unwrap();
    assert!(!serde_json::to_string(&result).unwrap().contains('\n'));
}
