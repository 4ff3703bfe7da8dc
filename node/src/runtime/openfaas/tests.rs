//! The runtime before a gateway that a test makes: what the originals answer, and what a broken one does.

use super::*;
use crate::body;
use crate::runtime::StartGate;
use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::{Request as AxumRequest, State};
use axum::response::{IntoResponse, Response as AxumResponse};
use axum::routing::{any, get, post};
use futures::StreamExt;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use std::net::SocketAddr;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What the gateway answers to calls: made anew for each.
type Answer = Arc<dyn Fn() -> AxumResponse + Send + Sync>;

#[derive(Clone)]
struct Gateway {
    answer: Arc<Mutex<Answer>>,
    /// What it was asked: method, raw path and query, headers.
    asked: Arc<Mutex<Vec<(Method, String, HeaderMap)>>>,
    functions: Arc<Mutex<&'static str>>,
}

/// A gateway that is up until it is dropped or stopped.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    /// Takes no connections any more and closes those there are.
    async fn down(self) {
        drop(self.stop);
        self.task.await.unwrap();
    }
}

impl Gateway {
    fn new() -> Self {
        let answer: Answer = Arc::new(|| "fine".into_response());
        Gateway {
            answer: Arc::new(Mutex::new(answer)),
            asked: Arc::default(),
            functions: Arc::new(Mutex::new(r#"[{"name":"f","availableReplicas":1}]"#)),
        }
    }

    fn answers(&self, answer: impl Fn() -> AxumResponse + Send + Sync + 'static) {
        *self.answer.lock() = Arc::new(answer);
    }

    async fn serve(&self, address: SocketAddr) -> (SocketAddr, Running) {
        let router = Router::new()
            .route("/function/{*rest}", any(answer_call))
            .route("/healthz", get(|| async { "OK" }))
            .route(
                "/system/functions",
                get(list)
                    .post(|| async { StatusCode::OK })
                    .put(|| async { StatusCode::ACCEPTED })
                    .delete(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "the cluster is on fire") }),
            )
            .route("/system/namespaces", get(|| async { r#"["openfaas-fn"]"# }))
            .route("/system/scale-function/{name}", post(|| async { StatusCode::ACCEPTED }))
            .route(
                "/system/secrets",
                get(|| async { r#"[{"name":"s3","value":"leaked"}]"# })
                    .post(|| async { StatusCode::CREATED })
                    .put(|| async { StatusCode::UNAUTHORIZED })
                    .delete(|| async { StatusCode::NO_CONTENT }),
            )
            .route(
                "/system/info",
                get(|| async { r#"{"provider":{"provider":"faas-netes","orchestration":"kubernetes"}}"# }),
            )
            .route("/system/function/{name}", get(|| async { (StatusCode::NOT_FOUND, "no such") }))
            .route(
                "/system/logs",
                get(|| async { "{\"name\":\"f\",\"text\":\"a\"}\n\n{\"name\":\"f\",\"text\":\"b\"}" }),
            )
            .layer(axum::middleware::from_fn_with_state(self.clone(), remember))
            .with_state(self.clone());
        let settings =
            crate::http::Settings { drain: Duration::from_secs(5), ..crate::http::Settings::default() };
        let server = crate::http::Server::bind(address, settings).await.unwrap();
        let address = server.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.serve(router, async move {
            let _ = stopped.await;
        }));
        (address, Running { stop, task })
    }
}

async fn remember(
    State(gateway): State<Gateway>,
    request: AxumRequest,
    next: axum::middleware::Next,
) -> AxumResponse {
    let whole = request.uri().to_string();
    gateway.asked.lock().push((request.method().clone(), whole, request.headers().clone()));
    next.run(request).await
}

async fn list(State(gateway): State<Gateway>) -> String {
    (*gateway.functions.lock()).to_owned()
}

async fn answer_call(State(gateway): State<Gateway>, request: AxumRequest) -> AxumResponse {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    if body == "slow" {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
    }
    if body.is_empty() {
        let answer = Arc::clone(&gateway.answer.lock());
        return answer();
    }
    AxumResponse::new(AxumBody::from(body))
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn start() -> (Gateway, OpenFaas, Running) {
    let gateway = Gateway::new();
    let (address, running) = gateway.serve(ANY).await;
    let runtime = OpenFaas::open(settings(address)).await.unwrap();
    (gateway, runtime, running)
}

fn settings(address: SocketAddr) -> Settings {
    let url = format!("http://{address}").parse().unwrap();
    let credentials = Credentials { user: "admin".to_owned(), password: "secret".to_owned() };
    let poll_interval = Duration::from_millis(100);
    Settings { credentials: Some(credentials), poll_interval, ..Settings::new(url) }
}

fn request(path: &str, body: &'static str) -> ExecuteRequest {
    ExecuteRequest {
        function: "f".to_owned(),
        method: Method::POST,
        path: path.to_owned(),
        query: None,
        headers: HeaderMap::new(),
        body: body::full(body),
        deadline: Instant::now() + Duration::from_secs(60),
        start: StartGate::new(),
    }
}

async fn bytes(response: ExecuteResponse) -> bytes::Bytes {
    response.body.collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn a_call_goes_through_untouched_both_ways() {
    let (gateway, runtime, _running) = start().await;
    let mut call = request("/a%2Fb//c%5Cd", "007\u{0}ÿ");
    call.query = Some("x=%20&y".to_owned());
    call.headers.insert("x-mine", HeaderValue::from_static("1"));
    call.headers.insert("host", HeaderValue::from_static("edge.example"));
    call.headers.insert("x-edge-faas-policy", HeaderValue::from_static("nearest"));
    let response = runtime.execute(call).await.unwrap();
    assert_eq!(response.status, StatusCode::OK);
    assert_eq!(bytes(response).await, "007\u{0}ÿ");
    let asked = gateway.asked.lock();
    let (method, uri, headers) = asked.last().unwrap();
    assert_eq!((method, uri.as_str()), (&Method::POST, "/function/f/a%2Fb//c%5Cd?x=%20&y"));
    assert_eq!(headers["x-mine"], "1");
    assert_ne!(headers["host"], "edge.example");
    // Or a node behind the gateway would choose once more.
    assert_eq!(headers["x-edge-faas-policy"], "local-only");
    assert!(!headers.contains_key("authorization"), "the gateway's password is not the function's");
}

#[tokio::test]
async fn the_administration_is_asked_with_the_password() {
    let (gateway, runtime, _running) = start().await;
    runtime
        .deploy(FunctionDeployment { service: "g".to_owned(), ..FunctionDeployment::default() })
        .await
        .unwrap();
    let asked = gateway.asked.lock();
    let system = asked.iter().filter(|(_, uri, _)| uri.starts_with("/system/"));
    let passwords: Vec<_> = system.map(|(_, _, headers)| headers.get("authorization").cloned()).collect();
    assert!(passwords.len() > 1);
    assert!(
        passwords.iter().all(|value| value.as_ref().is_some_and(|value| value == "Basic YWRtaW46c2VjcmV0"))
    );
}

#[tokio::test]
async fn paths_that_leave_the_function_never_reach_the_gateway() {
    let (gateway, runtime, _running) = start().await;
    for path in ["/../../system/functions", "/%2e%2e/%2e%2e/system/functions", "/..%2fx", "/..\\x", "x"] {
        let refused = runtime.execute(request(path, "")).await.expect_err(path);
        assert_eq!(refused.started, Started::No);
    }
    assert!(gateway.asked.lock().iter().all(|(_, uri, _)| !uri.starts_with("/function/")));
}

/// The status-code table of OpenFaaS' parts, and whose answer each is.
#[tokio::test]
async fn the_platform_s_errors_are_told_from_the_function_s() {
    let (gateway, runtime, _running) = start().await;
    let answer = |status: u16, headers: &'static [(&'static str, &'static str)], text: &'static str| {
        gateway.answers(move || {
            let mut response = AxumResponse::new(AxumBody::from(text));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                response.headers_mut().insert(*name, HeaderValue::from_static(value));
            }
            response
        });
    };
    const PLAIN: (&str, &str) = ("content-type", "text/plain; charset=utf-8");
    const WATCHDOG: (&str, &str) = ("x-duration-seconds", "0.250000");
    const PROXY: (&str, &str) = ("x-openfaas-internal", "proxy");
    const OF_WATCHDOG: (&str, &str) = ("x-openfaas-internal", "of-watchdog");
    const NODE: (&str, &str) = ("x-openfaas-internal", "edge-faas");
    use RuntimeFailureReason::{Full, NotHosted, Runtime as Broken};

    // The function's own, whatever the status.
    for (status, headers, text) in [
        (200, &[WATCHDOG][..], "fine"),
        // A node that was told 429 may call again: this one has run.
        (429, &[WATCHDOG], "not so fast"),
        (404, &[WATCHDOG, PLAIN], "error finding function, says the function"),
        (404, &[PLAIN], "no such page"),
        (404, &[], "error finding function"),
        (500, &[WATCHDOG], "my own"),
        (500, &[], "my own"),
        (502, &[WATCHDOG], ""),
        (503, &[], "busy"),
        (504, &[], "too late, says the function"),
    ] {
        answer(status, headers, text);
        let response =
            runtime.execute(request("", "")).await.unwrap_or_else(|error| panic!("{status}: {error}"));
        assert_eq!(response.status.as_u16(), status);
        if headers.contains(&WATCHDOG) {
            assert_eq!(response.timing.exec, edge_faas_core::time::Duration::from_millis(250));
        }
        assert_eq!(bytes(response).await, text, "{status}");
    }
    // The platform's.
    for (status, headers, text, reason, started) in [
        (429, &[][..], "", Full { retry_after: None }, Started::No),
        (
            429,
            &[("retry-after", "7"), OF_WATCHDOG],
            "",
            Full { retry_after: Some(Duration::from_secs(7)) },
            Started::No,
        ),
        (404, &[PLAIN], "error finding function f.openfaas-fn", NotHosted, Started::No),
        (404, &[PLAIN, NODE], "no node provides \"f\"", NotHosted, Started::No),
        (429, &[PLAIN, NODE], "every provider of \"f\" is full", Full { retry_after: None }, Started::No),
        (503, &[PROXY], "No endpoints available for: f.", Broken, Started::No),
        (500, &[PROXY], "Can't reach service for: f.", Broken, Started::Maybe),
        (500, &[OF_WATCHDOG, WATCHDOG], "", Broken, Started::Maybe),
        (502, &[], "", Broken, Started::Maybe),
        (504, &[], "", Broken, Started::Maybe),
    ] {
        answer(status, headers, text);
        let failure = runtime.execute(request("", "")).await.expect_err("not the function's");
        assert_eq!((failure.reason, failure.started), (reason, started), "{status} {headers:?}");
    }
    assert_eq!(runtime.capacity("f").map(|capacity| capacity.running), Some(0));
}

#[tokio::test]
async fn a_gateway_that_goes_down_is_noticed_and_so_is_its_return() {
    let gateway = Gateway::new();
    let (address, running) = gateway.serve(ANY).await;
    let runtime = OpenFaas::open(settings(address)).await.unwrap();
    let mut hosted = runtime.hosted();
    assert!(hosted.borrow_and_update().contains_key("f"));
    runtime.healthy().await.unwrap();

    running.down().await;
    hosted.wait_for(|hosted| hosted.is_empty()).await.unwrap();
    assert_eq!(runtime.capacity("f"), None);
    let error = runtime.healthy().await.expect_err("down");
    assert_eq!(error.kind, RuntimeErrorKind::Unavailable);
    assert!(error.message.contains(&address.to_string()), "{error}");

    let (_, _running) = gateway.serve(address).await;
    hosted.wait_for(|hosted| hosted.contains_key("f")).await.unwrap();
    assert_eq!(runtime.execute(request("", "x")).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_gateway_in_trouble_is_not_asked_more_often_than_another() {
    let gateway = Gateway::new();
    *gateway.functions.lock() = "the provider is down";
    let (address, _running) = gateway.serve(ANY).await;
    let poll_interval = Duration::from_secs(1);
    let begun = Instant::now();
    let _runtime = OpenFaas::open(Settings { poll_interval, ..settings(address) }).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let asked = gateway.asked.lock().len() as u64;
    // Once at the start, and once in each interval.
    assert!((2..=1 + begun.elapsed().as_secs()).contains(&asked), "{asked} times");
}

#[tokio::test]
async fn a_gateway_that_is_down_when_a_call_comes_has_not_started_it() {
    let gateway = Gateway::new();
    let (address, running) = gateway.serve(ANY).await;
    let slow = Settings { poll_interval: Duration::from_secs(3_600), ..settings(address) };
    let runtime = OpenFaas::open(slow).await.unwrap();
    running.down().await;
    // The first call may meet a connection from before, and then nobody knows; a new one is refused.
    let failure = loop {
        let failure = runtime.execute(request("", "x")).await.expect_err("down");
        assert_eq!(failure.reason, RuntimeFailureReason::Runtime);
        if failure.started == Started::No {
            break failure;
        }
    };
    assert!(failure.message.contains("cannot be reached"), "{failure}");
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_given_up_at_the_deadline() {
    let (_gateway, runtime, _running) = start().await;
    let mut call = request("", "slow");
    call.deadline = Instant::now() + Duration::from_millis(100);
    let failure = runtime.execute(call).await.expect_err("slow");
    assert_eq!((failure.reason, failure.started), (RuntimeFailureReason::Runtime, Started::Maybe));
    assert_eq!(runtime.capacity("f").map(|capacity| capacity.running), Some(0));
}

#[tokio::test]
async fn a_call_that_was_fetched_back_is_not_sent() {
    let (gateway, runtime, _running) = start().await;
    let call = request("", "x");
    assert!(call.start.reclaim());
    let failure = runtime.execute(call).await.expect_err("fetched back");
    assert_eq!((failure.reason, failure.started), (RuntimeFailureReason::Cancelled, Started::No));
    assert!(gateway.asked.lock().iter().all(|(_, uri, _)| !uri.starts_with("/function/")));
}

#[tokio::test]
async fn what_the_gateway_lists_is_what_is_hosted() {
    let (gateway, runtime, _running) = start().await;
    let mut hosted = runtime.hosted();
    *gateway.functions.lock() =
        r#"[{"name":"g","availableReplicas":1,"annotations":{"edge-faas.idempotent":"true"}}]"#;
    hosted.wait_for(|hosted| hosted.get("g").is_some_and(|g| g.idempotent)).await.unwrap();
    assert_eq!(runtime.capacity("f"), None);
    let failure = runtime.execute(request("", "x")).await.expect_err("f is gone");
    assert_eq!(failure.reason, RuntimeFailureReason::NotHosted);
    *gateway.functions.lock() = "null";
    hosted.wait_for(|hosted| hosted.is_empty()).await.unwrap();
}

#[tokio::test]
async fn any_success_is_one_and_errors_carry_the_gateway_s_words() {
    let (_gateway, runtime, _running) = start().await;
    let deployment = FunctionDeployment { service: "g".to_owned(), ..FunctionDeployment::default() };
    runtime.deploy(deployment.clone()).await.unwrap();
    runtime.update(deployment).await.unwrap();
    let name = FunctionName::parse("g").unwrap();
    let error = runtime.remove(&name).await.expect_err("500");
    assert_eq!(error.kind, RuntimeErrorKind::Unavailable);
    assert!(error.message.contains("the cluster is on fire"), "{error}");
    assert_eq!(
        runtime.describe(&name, true).await.map_err(|error| error.kind),
        Err(RuntimeErrorKind::NotFound)
    );
    runtime.scale(&FunctionName::parse("f").unwrap(), 3).await.unwrap();
    assert_eq!(runtime.namespaces().await.unwrap(), ["openfaas-fn"]);
    assert_eq!(runtime.info().await.unwrap().orchestration, "kubernetes");
    let secret = Secret { name: "s3".to_owned(), value: "x".to_owned(), ..Secret::default() };
    let listed = runtime.secrets(SecretOperation::List { namespace: None }).await.unwrap();
    assert_eq!(listed, [secret.without_value()], "whatever a gateway says");
    runtime.secrets(SecretOperation::Create(secret.clone())).await.unwrap();
    runtime.secrets(SecretOperation::Delete(secret.clone())).await.unwrap();
    let error = runtime.secrets(SecretOperation::Update(secret)).await.expect_err("401");
    assert!(error.message.contains("user and password"), "{error}");
    let query = LogQuery { name: "f".to_owned(), ..LogQuery::default() };
    let lines: Vec<String> =
        runtime.logs(query).await.unwrap().map(|line| line.unwrap().text).collect().await;
    assert_eq!(lines, ["a", "b"]);
}
