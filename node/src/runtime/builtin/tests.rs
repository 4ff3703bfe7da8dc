//! Stories of the built-in runtime.

use super::*;
use crate::body;
use crate::runtime::{StartGate, annotation};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use std::time::{Duration, Instant};

fn deployment(service: &str, image: &str, pairs: &[(&str, &str)]) -> FunctionDeployment {
    let (annotations, env_vars) = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .partition(|(name, _): &(String, String)| name.starts_with("edge-faas."));
    FunctionDeployment {
        service: service.to_owned(),
        image: format!("builtin/{image}"),
        annotations,
        env_vars,
        ..FunctionDeployment::default()
    }
}

async fn runtime(image: &str, pairs: &[(&str, &str)]) -> Arc<Builtin> {
    let runtime = Builtin::open(&Settings::default()).unwrap();
    runtime.deploy(deployment("f", image, pairs)).await.unwrap();
    Arc::new(runtime)
}

fn name() -> FunctionName {
    FunctionName::parse("f").unwrap()
}

fn request(body: &'static str) -> ExecuteRequest {
    ExecuteRequest {
        function: "f".to_owned(),
        method: Method::POST,
        path: String::new(),
        query: None,
        headers: HeaderMap::new(),
        body: body::full(body),
        deadline: Instant::now() + Duration::from_secs(60),
        start: StartGate::new(),
    }
}

async fn text(response: ExecuteResponse) -> String {
    let bytes = response.body.collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Waits until so many calls run and so many wait.
async fn until(runtime: &Builtin, running: u32, queued: u32) {
    let reached = async {
        loop {
            let capacity = runtime.capacity("f").unwrap();
            if (capacity.running, capacity.queued) == (running, queued) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached).await.expect("the counts are never reached");
}

fn start(
    runtime: &Arc<Builtin>,
    request: ExecuteRequest,
) -> tokio::task::JoinHandle<Result<StatusCode, RuntimeFailure>> {
    let runtime = Arc::clone(runtime);
    tokio::spawn(async move {
        let response = runtime.execute(request).await?;
        let status = response.status;
        response.body.collect().await.expect("the body");
        Ok(status)
    })
}

#[tokio::test]
async fn echo_answers_with_the_same_bytes_and_their_type() {
    let runtime = runtime("echo", &[]).await;
    let mut call = request("007");
    call.headers.insert("content-type", HeaderValue::from_static("application/json"));
    let response = runtime.execute(call).await.unwrap();
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(response.headers["content-type"], "application/json");
    assert_eq!(text(response).await, "007");
    until(&runtime, 0, 0).await;
}

#[tokio::test]
async fn payload_answers_with_as_many_bytes_as_the_call_says() {
    let runtime = runtime("payload", &[("bytes", "10")]).await;
    assert_eq!(text(runtime.execute(request("")).await.unwrap()).await.len(), 10);
    let mut call = request("");
    call.query = Some("bytes=1MiB".to_owned());
    let response = runtime.execute(call).await.unwrap();
    assert_eq!(response.headers["content-length"], "1048576");
    until(&runtime, 1, 0).await;
    let bytes = response.body.collect().await.unwrap().to_bytes();
    assert_eq!(bytes.len(), 1 << 20);
    until(&runtime, 0, 0).await;

    let mut call = request("");
    call.query = Some("bytes=many".to_owned());
    let response = runtime.execute(call).await.unwrap();
    assert_eq!(response.status, StatusCode::BAD_REQUEST);
    assert!(text(response).await.contains("bytes"));
}

#[tokio::test]
async fn pi_is_pi() {
    let runtime = runtime("pi", &[("digits", "20")]).await;
    assert_eq!(text(runtime.execute(request("")).await.unwrap()).await, "3.14159265358979323846");
}

#[tokio::test]
async fn so_many_run_so_many_wait_and_the_next_is_refused() {
    let runtime =
        runtime("sleep", &[("duration", "300ms"), (annotation::CONCURRENCY, "2"), (annotation::QUEUE, "1")])
            .await;
    let calls: Vec<_> = (0..3).map(|_| start(&runtime, request(""))).collect();
    until(&runtime, 2, 1).await;
    let refused = runtime.execute(request("")).await.expect_err("full");
    assert_eq!(refused.reason, RuntimeFailureReason::Full { retry_after: None });
    assert_eq!(refused.started, Started::No);
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(StatusCode::OK));
    }
    until(&runtime, 0, 0).await;
}

#[tokio::test]
async fn waiting_and_running_are_told_apart() {
    let runtime = runtime("sleep", &[("duration", "100ms"), (annotation::CONCURRENCY, "1")]).await;
    let first = start(&runtime, request(""));
    until(&runtime, 1, 0).await;
    let second = runtime.execute(request("")).await.unwrap();
    first.await.unwrap().unwrap();
    assert!(second.timing.exec >= edge_faas_core::time::Duration::from_millis(100), "{:?}", second.timing);
    assert!(!second.timing.queue.is_zero(), "{:?}", second.timing);
}

#[tokio::test]
async fn a_call_that_waits_can_be_fetched_back_and_one_that_runs_cannot() {
    let runtime = runtime("sleep", &[("duration", "200ms"), (annotation::CONCURRENCY, "1")]).await;
    let (running, waiting) = (request(""), request(""));
    let (running_gate, waiting_gate) = (running.start.clone(), waiting.start.clone());
    let running = start(&runtime, running);
    until(&runtime, 1, 0).await;
    let waiting = start(&runtime, waiting);
    until(&runtime, 1, 1).await;
    assert!(!running_gate.reclaim());
    assert!(waiting_gate.reclaim());
    assert_eq!(running.await.unwrap(), Ok(StatusCode::OK));
    let fetched = waiting.await.unwrap().expect_err("fetched back");
    assert_eq!((fetched.reason, fetched.started), (RuntimeFailureReason::Cancelled, Started::No));
}

#[tokio::test]
async fn a_deadline_ends_what_waits_and_what_runs() {
    let runtime = runtime("sleep", &[("duration", "1h"), (annotation::CONCURRENCY, "1")]).await;
    let soon = || {
        let mut call = request("");
        call.deadline = Instant::now() + Duration::from_millis(100);
        call
    };
    let running = start(&runtime, soon());
    until(&runtime, 1, 0).await;
    let mut call = soon();
    call.deadline = Instant::now();
    let waiting = runtime.execute(call).await.expect_err("never its turn");
    assert_eq!(waiting.started, Started::No);
    let running = running.await.unwrap().expect_err("an hour");
    assert_eq!((running.reason, running.started), (RuntimeFailureReason::Runtime, Started::Yes));
    until(&runtime, 0, 0).await;
}

#[tokio::test]
async fn a_function_may_have_a_limit_of_its_own() {
    let runtime = runtime("sleep", &[("duration", "1h"), (annotation::TIMEOUT, "20ms")]).await;
    let response = runtime.execute(request("")).await.unwrap();
    assert_eq!(response.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(text(response).await.contains("edge-faas.timeout"));
}

#[tokio::test]
async fn a_call_that_is_dropped_stops_and_frees_its_slot_and_its_core() {
    let runtime = Builtin::open(&Settings { cores: Some(1), state: None }).unwrap();
    runtime
        .deploy(deployment("f", "cpu", &[("duration", "1h"), (annotation::CONCURRENCY, "2")]))
        .await
        .unwrap();
    let runtime = Arc::new(runtime);
    let endless = start(&runtime, request(""));
    until(&runtime, 1, 0).await;
    endless.abort();
    until(&runtime, 0, 0).await;
    // The one core is free again.
    let mut call = request("");
    call.query = Some("duration=5ms".to_owned());
    let answered =
        tokio::time::timeout(Duration::from_secs(30), runtime.execute(call)).await.unwrap().unwrap();
    assert_eq!(answered.status, StatusCode::OK);
    assert!(answered.timing.exec >= edge_faas_core::time::Duration::from_millis(5));
}

#[tokio::test]
async fn fail_answers_with_an_error_or_breaks() {
    let runtime = runtime("fail", &[]).await;
    let response = runtime.execute(request("")).await.unwrap();
    assert_eq!(response.status, StatusCode::INTERNAL_SERVER_ERROR);
    let mut call = request("");
    call.query = Some("status=crash".to_owned());
    let failure = runtime.execute(call).await.expect_err("a crash");
    assert_eq!((failure.reason, failure.started), (RuntimeFailureReason::Runtime, Started::Yes));
    until(&runtime, 0, 0).await;
}

#[tokio::test]
async fn a_service_time_by_header_counts_for_the_call() {
    let runtime = runtime("echo", &[]).await;
    let mut call = request("x");
    call.headers.insert(SERVICE_TIME, HeaderValue::from_static("50ms"));
    let response = runtime.execute(call).await.unwrap();
    assert!(response.timing.exec >= edge_faas_core::time::Duration::from_millis(50), "{:?}", response.timing);
    let mut call = request("x");
    call.headers.insert(SERVICE_TIME, HeaderValue::from_static("50"));
    assert_eq!(runtime.execute(call).await.unwrap().status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_node_is_told_what_is_hosted() {
    let runtime = Builtin::open(&Settings::default()).unwrap();
    let mut hosted = runtime.hosted();
    assert!(hosted.borrow_and_update().is_empty());
    runtime.deploy(deployment("f", "echo", &[(annotation::IDEMPOTENT, "true")])).await.unwrap();
    assert!(hosted.has_changed().unwrap());
    assert_eq!(hosted.borrow_and_update().get("f"), Some(&Hosted { idempotent: true }));
    runtime.update(deployment("f", "echo", &[])).await.unwrap();
    assert_eq!(hosted.borrow_and_update().get("f"), Some(&Hosted { idempotent: false }));
    runtime.remove(&name()).await.unwrap();
    assert!(hosted.borrow_and_update().is_empty());
    assert_eq!(runtime.capacity("f"), None);
    let gone = runtime.execute(request("")).await.expect_err("gone");
    assert_eq!(gone.reason, RuntimeFailureReason::NotHosted);
}

#[tokio::test]
async fn scaling_multiplies_the_slots_and_a_description_says_so() {
    let runtime = runtime("echo", &[(annotation::CONCURRENCY, "3")]).await;
    runtime.scale(&name(), 4).await.unwrap();
    assert_eq!(runtime.capacity("f").map(|capacity| capacity.slots), Some(12));
    text(runtime.execute(request("x")).await.unwrap()).await;
    let status = runtime.describe(&name(), false).await.unwrap();
    assert_eq!((status.replicas, status.available_replicas, status.invocation_count), (4, 4, 1.0));
    assert_eq!((status.image.as_str(), status.namespace.as_str()), ("builtin/echo", "openfaas-fn"));
    runtime.update(deployment("f", "echo", &[(annotation::CONCURRENCY, "5")])).await.unwrap();
    assert_eq!(runtime.capacity("f").map(|capacity| capacity.slots), Some(20));
    assert_eq!(runtime.describe(&name(), false).await.unwrap().invocation_count, 1.0);
}

#[tokio::test]
async fn a_call_starts_a_function_that_was_scaled_to_zero() {
    let runtime = runtime("echo", &[(annotation::CONCURRENCY, "3")]).await;
    runtime.scale(&name(), 0).await.unwrap();
    let replicas = async || {
        let status = runtime.describe(&name(), false).await.unwrap();
        (status.replicas, status.available_replicas)
    };
    assert_eq!(replicas().await, (0, 0));
    assert!(runtime.hosted().borrow().contains_key("f"), "it can be called");
    assert_eq!(text(runtime.execute(request("x")).await.unwrap()).await, "x");
    assert_eq!(replicas().await, (1, 1));
    assert_eq!(runtime.capacity("f").map(|capacity| capacity.slots), Some(3));
}

#[tokio::test]
async fn mistakes_are_told_by_kind() {
    let runtime = runtime("echo", &[]).await;
    let kind = |result: Result<(), RuntimeError>| result.map_err(|error| error.kind);
    let invalid = Err(RuntimeErrorKind::Invalid);
    assert_eq!(kind(runtime.deploy(deployment("../f", "echo", &[])).await), invalid);
    assert_eq!(kind(runtime.deploy(deployment("g", "nothing", &[])).await), invalid);
    assert_eq!(kind(runtime.deploy(deployment("g", "sleep", &[("duration", "5")])).await), invalid);
    assert_eq!(
        kind(runtime.deploy(deployment("g", "echo", &[(annotation::IDEMPOTENT, "yes")])).await),
        invalid
    );
    assert_eq!(kind(runtime.scale(&name(), u64::MAX).await), invalid);
    let mut with_secret = deployment("g", "echo", &[]);
    with_secret.secrets = vec!["s3".to_owned()];
    assert_eq!(kind(runtime.deploy(with_secret).await), invalid);
    let missing = Err(RuntimeErrorKind::NotFound);
    assert_eq!(kind(runtime.update(deployment("g", "echo", &[])).await), missing);
    let other = FunctionName::parse("g").unwrap();
    assert_eq!(kind(runtime.remove(&other).await), missing);
    assert_eq!(kind(runtime.scale(&other, 1).await), missing);
    assert_eq!(runtime.list(None).await.unwrap().len(), 1, "nothing of it was deployed");
}

#[tokio::test]
async fn deployments_and_secrets_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { cores: None, state: Some(folder.path().join("builtin.json")) };
    let runtime = Builtin::open(&settings).unwrap();
    let secret = Secret { name: "s3".to_owned(), value: "x".to_owned(), ..Secret::default() };
    runtime.secrets(SecretOperation::Create(secret)).await.unwrap();
    let mut kept = deployment("f", "pi", &[("digits", "5"), (annotation::IDEMPOTENT, "true")]);
    kept.secrets = vec!["s3".to_owned()];
    runtime.deploy(kept).await.unwrap();
    runtime.deploy(deployment("g", "echo", &[])).await.unwrap();
    runtime.scale(&name(), 2).await.unwrap();
    runtime.remove(&FunctionName::parse("g").unwrap()).await.unwrap();
    let before = runtime.describe(&name(), false).await.unwrap();
    drop(runtime);

    let runtime = Builtin::open(&settings).unwrap();
    assert_eq!(runtime.hosted().borrow().keys().collect::<Vec<_>>(), ["f"]);
    assert_eq!(runtime.describe(&name(), false).await.unwrap(), before);
    assert_eq!(text(runtime.execute(request("")).await.unwrap()).await, "3.14159");
    assert_eq!(runtime.secrets(SecretOperation::List { namespace: None }).await.unwrap().len(), 1);

    std::fs::write(folder.path().join("builtin.json"), "{").unwrap();
    let error = Builtin::open(&settings).expect_err("damaged");
    assert!(error.message.contains("builtin.json") && error.message.contains("repair"), "{error}");
}

#[tokio::test]
async fn calls_are_logged() {
    let runtime = runtime("fail", &[("status", "418")]).await;
    text(runtime.execute(request("")).await.unwrap()).await;
    let query = LogQuery { name: "f".to_owned(), ..LogQuery::default() };
    let lines: Vec<_> = runtime.logs(query).await.unwrap().map(|line| line.unwrap().text).collect().await;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], "deployed, replicas: 1");
    assert!(lines[1].starts_with("POST - 418"), "{lines:?}");
}
