//! Nodes that come and go under load, for a minute or as many seconds as `EDGE_FAAS_SOAK` says (`scripts/soak` takes ten
//! minutes): no call fails that should not, nobody panics, and those that stay hold no more at the end than before.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod daemons;
mod processes;

use daemons::*;
use processes::Running;
use reqwest::Client;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Nodes that are killed or told to stop, and started again, one after the other.
const UNSTEADY: usize = 3;
/// Functions that nobody hosts.
const UNKNOWN: u64 = 50;
/// What users have under way at once: a manycall, and a call each.
const UNDER_WAY: i64 = 200 + 10;

/// What users saw.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    calls: AtomicU64,
    items: AtomicU64,
    not_found: AtomicU64,
    given_up: AtomicU64,
}

impl Seen {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }
}

/// One user after the other, of each kind, until it is over.
async fn load(url: String, seen: Arc<Seen>) {
    let http = Arc::new(Http::at(&url));
    let mut users = tokio::task::JoinSet::new();
    for user in 0..4usize {
        let (http, seen) = (http.clone(), seen.clone());
        users.spawn(async move {
            let body = vec![b'x'; 1 << (6 * user)];
            while seen.goes_on() {
                let answer = http.post("/function/echo").body(body.clone()).send().await.unwrap();
                let status = answer.status();
                let bytes = answer.bytes().await.unwrap();
                assert!(status == 200 && bytes == body, "{status}: {}", String::from_utf8_lossy(&bytes));
                seen.calls.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }
    let (items_http, items_seen) = (http.clone(), seen.clone());
    users.spawn(async move {
        while items_seen.goes_on() {
            let lines: String = (0..200).map(|item| format!("{{\"body\":\"{item}\"}}\n")).collect();
            let results = items_http.map("echo", lines, true).await;
            assert_eq!(results.len(), 200);
            for result in &results {
                assert_eq!(result.body.as_deref(), Some(result.index.to_string().as_str()), "{result:?}");
            }
            items_seen.items.fetch_add(200, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let (unknown_http, unknown_seen) = (http.clone(), seen.clone());
    users.spawn(async move {
        while unknown_seen.goes_on() {
            let number = unknown_seen.not_found.fetch_add(1, Ordering::SeqCst) % UNKNOWN;
            let answer = unknown_http.post(&format!("/function/nobody-{number}")).send().await.unwrap();
            assert_eq!(answer.status(), 404);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    // Who does not wait for the end: the call is cancelled where it runs.
    users.spawn(async move {
        while seen.goes_on() {
            let call = http.post("/function/sleep?duration=5s").send();
            let answer = tokio::time::timeout(Duration::from_millis(30), call).await;
            assert!(answer.is_err(), "{answer:?}");
            seen.given_up.fetch_add(1, Ordering::SeqCst);
        }
    });
    while let Some(user) = users.join_next().await {
        user.unwrap();
    }
}

/// Starts a node that hosts `echo`; one that keeps its state keeps its id and its function.
async fn provider(entry: &Running, state: Option<&Path>) -> Running {
    let state = state.map(|path| path.display().to_string());
    let more: Vec<&str> = state.iter().flat_map(|path| ["--state", path.as_str()]).collect();
    let node = Running::node(&[entry], &more);
    let http = Http::at(node.url());
    http.deploy("echo", "echo", &[("edge-faas.idempotent", "true"), ("edge-faas.concurrency", "100")]).await;
    node
}

/// Nodes come and go until it is over; returns how many began under an id of their own.
async fn coming_and_going(entry: Arc<Running>, seen: Arc<Seen>) -> u64 {
    let folders: Vec<_> = (0..UNSTEADY).map(|_| tempfile::tempdir().unwrap()).collect();
    // The last one is another node each time.
    let state = |index: usize| (index + 1 < UNSTEADY).then(|| folders[index].path());
    let mut nodes = Vec::new();
    for index in 0..UNSTEADY {
        nodes.push(Some(provider(&entry, state(index)).await));
    }
    let (mut fresh, mut round) = (UNSTEADY as u64, 0);
    while seen.goes_on() {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let index = round % UNSTEADY;
        match nodes[index].take() {
            // Without a word, or with one.
            Some(mut node) if (round / UNSTEADY).is_multiple_of(4) => node.kill(),
            Some(node) => {
                let code = tokio::task::spawn_blocking(|| node.stop()).await.unwrap();
                assert_eq!(code, Some(0));
            }
            None => {
                nodes[index] = Some(provider(&entry, state(index)).await);
                fresh += u64::from(state(index).is_none());
            }
        }
        round += 1;
    }
    fresh
}

/// What a node holds at an instant.
#[derive(Clone, Debug)]
struct Sample {
    counts: BTreeMap<String, i64>,
}

impl Sample {
    async fn of(node: &Running, client: &Client) -> Self {
        let text = client.get(format!("{}/metrics", node.url().trim_end_matches('/'))).send().await.unwrap();
        let text = text.text().await.unwrap();
        let mut counts: BTreeMap<String, i64> = text
            .lines()
            .filter_map(|line| {
                let (kind, count) = line.strip_prefix("edge_faas_held{kind=\"")?.split_once("\"} ")?;
                Some((kind.to_owned(), count.parse().ok()?))
            })
            .collect();
        assert!(counts.contains_key("tasks"), "{text}");
        counts.insert("descriptors".to_owned(), node.descriptors() as i64);
        counts.insert("memory KiB".to_owned(), node.kib("VmRSS") as i64);
        Sample { counts }
    }
}

/// The most that was held of a kind in some samples.
fn most(samples: &[Sample], kind: &str) -> i64 {
    samples.iter().filter_map(|sample| sample.counts.get(kind).copied()).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_grows_while_nodes_come_and_go_under_load() {
    let seconds = std::env::var("EDGE_FAAS_SOAK").ok();
    let seconds: u64 =
        seconds.map_or(60, |text| text.parse().expect("EDGE_FAAS_SOAK is a number of seconds"));
    let entry = Arc::new(Running::node(&[], &[]));
    let stable = [provider(&entry, None).await, provider(&entry, None).await];
    Http::at(stable[0].url()).deploy("sleep", "sleep", &[("edge-faas.concurrency", "1000")]).await;
    let http = Http::at(entry.url());
    http.provided("echo", 2).await;
    http.provided("sleep", 1).await;

    let seen = Arc::new(Seen::default());
    let users = tokio::spawn(load(entry.url().to_owned(), seen.clone()));
    let others = tokio::spawn(coming_and_going(entry.clone(), seen.clone()));
    let begun = Instant::now();
    let nodes: [&Running; 3] = [&entry, &stable[0], &stable[1]];
    let mut samples: [Vec<Sample>; 3] = Default::default();
    let client = client();
    while begun.elapsed() < Duration::from_secs(seconds) {
        assert!(!users.is_finished() && !others.is_finished(), "a user or a node has failed: see above");
        for (node, samples) in nodes.iter().zip(&mut samples) {
            samples.push(Sample::of(node, &client).await);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    seen.stop.store(true, Ordering::SeqCst);
    users.await.unwrap();
    let fresh = others.await.unwrap();
    println!(
        "{seconds} s: {} calls, {} items, {} not found, {} given up; {fresh} nodes came",
        seen.calls.load(Ordering::SeqCst),
        seen.items.load(Ordering::SeqCst),
        seen.not_found.load(Ordering::SeqCst),
        seen.given_up.load(Ordering::SeqCst),
    );

    let mut grown = Vec::new();
    for (name, samples) in ["entry", "first provider", "second provider"].iter().zip(&samples) {
        // The first quarter fills caches and buffers.
        let (before, after) =
            (&samples[samples.len() / 4..samples.len() / 2], &samples[samples.len() * 3 / 4..]);
        for kind in samples[0].counts.keys() {
            let (before, after) = (most(before, kind), most(after, kind));
            println!("{name:15}  {kind:12}  {before:7}  {after:7}");
            let allowed = match kind.as_str() {
                // Whoever came under an id of its own has a handle until there are thousands to sweep.
                "peers" => fresh as i64 + 8,
                "functions" => UNKNOWN as i64 + 8,
                "memory KiB" => before + before / 8 + 4_096,
                // What is under way differs from instant to instant, up to all of it.
                "calls" | "attempts" | "manycalls" | "served_calls" | "lookups" => UNDER_WAY,
                "tasks" => before.max(UNDER_WAY) + before / 4,
                _ => before + before / 4 + 30,
            };
            if after > allowed {
                grown.push(format!("{name}: {kind} from {before} to {after}"));
            }
        }
    }
    assert!(grown.is_empty(), "{grown:?}");

    // Once all is quiet nothing is left under way.
    for (name, node) in ["entry", "first provider", "second provider"].iter().zip(nodes) {
        let mut left = BTreeMap::new();
        for _ in 0..100 {
            left = Sample::of(node, &client).await.counts;
            left.retain(|kind, count| {
                ["calls", "attempts", "manycalls", "served_calls"].contains(&kind.as_str()) && *count > 0
            });
            if left.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}
