//! A node that takes part in an experiment: what the harness says to it, and hears from it.

// A test that cannot do what it set out to do has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod daemons;

use daemons::{client, deployment, lone, settings, start, until};
use edge_faas_node::daemon::Daemon;
use edge_faas_node::experiment::{Event, LinkPlan, PathPlan, RuntimePlan};
use edge_faas_node::http::{Join, Ping, Pong};
use futures::StreamExt;
use parking_lot::Mutex;
use reqwest::{Response, StatusCode};
use serde::Serialize;
use std::sync::Arc;

struct Node {
    daemon: Daemon,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Node {
    async fn start() -> Node {
        let mut settings = settings();
        settings.set("experiment.enabled", "true").unwrap();
        let daemon = start(settings).await;
        let events = Arc::new(Mutex::new(Vec::new()));
        let response = client().get(url(&daemon, "/api/v1/experiment/records")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let (mut bytes, sink) = (response.bytes_stream(), events.clone());
        tokio::spawn(async move {
            let mut text = Vec::new();
            while let Some(Ok(more)) = bytes.next().await {
                text.extend_from_slice(&more);
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    sink.lock().push(serde_json::from_slice(&line).unwrap());
                }
            }
        });
        Node { daemon, events }
    }

    /// Its address as others name it.
    fn address(&self) -> String {
        let info = self.daemon.node.info();
        format!("{}/p2p/{}", info.listening[0], info.id)
    }

    async fn put(&self, path: &str, body: &impl Serialize) -> Response {
        client()
            .put(url(&self.daemon, &format!("/api/v1/experiment/{path}")))
            .json(body)
            .send()
            .await
            .unwrap()
    }

    async fn post(&self, path: &str, body: &impl Serialize) -> Response {
        client()
            .post(url(&self.daemon, &format!("/api/v1/experiment/{path}")))
            .json(body)
            .send()
            .await
            .unwrap()
    }

    async fn call(&self, function: &str, id: &str, query: &str) -> Response {
        let request = client().post(url(&self.daemon, &format!("/function/{function}?{query}")));
        request.header("x-call-id", id).send().await.unwrap()
    }

    fn find<T>(&self, pick: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        self.events.lock().iter().find_map(pick)
    }
}

fn url(daemon: &Daemon, path: &str) -> String {
    format!("http://{}{path}", daemon.http)
}

/// Two nodes that have joined, 2 × `one_way` apart; the second hosts `task`.
async fn pair(one_way: u64) -> (Node, Node) {
    let (first, second) = (Node::start().await, Node::start().await);
    assert!(!second.daemon.node.info().joined, "not before it is told to");
    for (node, other) in [(&first, &second), (&second, &first)] {
        let address = other.daemon.node.info().listening[0].to_string();
        let path = PathPlan { one_way, ..PathPlan::default() };
        let plan = LinkPlan { paths: [(address, path)].into(), ..LinkPlan::default() };
        assert_eq!(node.put("links", &plan).await.status(), StatusCode::NO_CONTENT);
    }
    first.post("join", &Join { bootstrap: Vec::new() }).await;
    second.post("join", &Join { bootstrap: vec![first.address()] }).await;
    until("both have joined", || async {
        first.daemon.node.info().joined && second.daemon.node.info().joined
    })
    .await;
    second.daemon.runtime.deploy(deployment("task", "payload", &[])).await.unwrap();
    until("the function is found", || async { !first.daemon.node.providers("task").await.is_empty() }).await;
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn links_take_the_time_they_are_told_to() {
    let (first, second) = pair(3_000_000).await;
    let ping = Ping { address: second.address(), samples: 5 };
    let pong: Pong = first.post("ping", &ping).await.json().await.unwrap();
    assert_eq!(pong.round_trips.len(), 5);
    assert!(pong.round_trips.iter().all(|trip| *trip >= 5_800_000), "{pong:?}");
    // The other way round, too, though only one of them dialled.
    let ping = Ping { address: first.address(), samples: 5 };
    let pong: Pong = second.post("ping", &ping).await.json().await.unwrap();
    assert!(pong.round_trips.iter().all(|trip| *trip >= 5_800_000), "{pong:?}");

    let wrong = LinkPlan { up: Some(0), ..LinkPlan::default() };
    let answer = first.put("links", &wrong).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.text().await.unwrap().contains("above zero"));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_about_a_call_is_told() {
    let (first, second) = pair(1_000_000).await;
    // Answers of one piece and of many: the entry hears of their end, though their reader has all bytes before it.
    for (id, bytes) in [("1", 0), ("2", 2_048), ("3", 1 << 20)] {
        let answer = first.call("task", id, &format!("bytes={bytes}")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.bytes().await.unwrap().len(), bytes);
        let number = || {
            first.find(|event| match event {
                Event::Begun { call, reference } if reference == id => Some(*call),
                _ => None,
            })
        };
        until("the call's end is told", || async {
            let number = number();
            first
                .find(|event| match event {
                    Event::Call { call, .. } if Some(*call) == number => Some(()),
                    _ => None,
                })
                .is_some()
        })
        .await;
        let number = number().unwrap();
        let (outcome, status, attempts) = first
            .find(|event| match event {
                Event::Call { call, outcome, status, attempts, .. } if *call == number => {
                    Some((outcome.to_string(), *status, *attempts))
                }
                _ => None,
            })
            .unwrap();
        assert_eq!((outcome.as_str(), status, attempts), ("ok", Some(200), 1), "{bytes} bytes");
        let provider = first.find(|event| match event {
            Event::Attempt { call, provider, won: true, started: Some(true), .. } if *call == number => {
                provider.clone()
            }
            _ => None,
        });
        assert_eq!(provider, Some(second.daemon.node.id().to_string()));
        until("its provider tells of it", || async {
            second
                .find(|event| match event {
                    Event::Execution {
                        reference: Some(reference), started: true, answered: true, ..
                    } if reference == id => Some(()),
                    _ => None,
                })
                .is_some()
        })
        .await;
    }
    let again = client().get(url(&first.daemon, "/api/v1/experiment/records")).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_is_down_and_up_at_a_word() {
    let (first, second) = pair(0).await;
    assert_eq!(first.call("task", "1", "").await.status(), StatusCode::OK);
    second.put("runtime", &RuntimePlan { down: true, speed: 1.0 }).await;
    let answer = first.call("task", "2", "").await;
    assert!(answer.status().is_server_error(), "{}", answer.status());
    second.put("runtime", &RuntimePlan { down: false, speed: 1.0 }).await;
    let direct = second.post("direct/task?bytes=7", &()).await;
    assert_eq!(direct.status(), StatusCode::OK);
    assert!(direct.headers().contains_key("server-timing"));
    assert_eq!(direct.bytes().await.unwrap().len(), 7);
    let answer = second.put("runtime", &RuntimePlan { down: false, speed: 0.0 }).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_node_knows_nobody_who_provides_and_has_no_connections() {
    let (first, _second) = pair(0).await;
    assert_eq!(first.call("task", "1", "").await.status(), StatusCode::OK);
    assert_eq!(first.post("cold", &()).await.status(), StatusCode::NO_CONTENT);
    assert!(first.daemon.node.peers().iter().all(|peer| !peer.connected));
    assert_eq!(first.call("task", "2", "").await.status(), StatusCode::OK);
    let cache = |id: &str| {
        let number = first.find(|event| match event {
            Event::Begun { call, reference } if reference == id => Some(*call),
            _ => None,
        })?;
        first.find(|event| match event {
            Event::Call { call, cache, .. } if *call == number => Some(cache.to_string()),
            _ => None,
        })
    };
    until("it is told", || async { cache("2").is_some() }).await;
    assert_eq!(cache("2").as_deref(), Some("miss"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_commands_a_node_that_takes_part_in_none() {
    let daemon = lone().await;
    for path in ["join", "cold", "ping", "direct/echo"] {
        let answer = client()
            .post(url(&daemon, &format!("/api/v1/experiment/{path}")))
            .json(&Join { bootstrap: Vec::new() })
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let records = client().get(url(&daemon, "/api/v1/experiment/records")).send().await.unwrap();
    assert_eq!(records.status(), StatusCode::NOT_FOUND);
}
