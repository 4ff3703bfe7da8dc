//! Whether a gateway behaves as OpenFaaS' does: one suite for every mode, and for gateways that others run.
//!
//! Status codes differ between the implementations (gateway 0.27, faas-netes 0.18, faasd 0.19), so any 2xx counts as done.

use crate::failure::Failure;
use crate::node;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

const TICK: Duration = Duration::from_millis(100);
/// A body that does not fit into one piece of anything.
const LARGE: usize = 1 << 20;
/// So much of a wrong answer is shown.
const HEAD: usize = 60;
/// For one answer.
const ANSWER: Duration = Duration::from_secs(30);

/// A gateway to be tried.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Its URL.
    pub url: String,
    /// User and password, where it asks for them.
    pub credentials: Option<(String, String)>,
    /// An image whose function answers with the body of its request.
    pub image: String,
    /// The process in it, for images of the classic watchdog (`cat`).
    pub process: Option<String>,
    /// How long a function may take to be ready, and to be gone.
    pub patience: Duration,
}

/// What one check came to; the error says what was expected and what came.
#[derive(Clone, Debug)]
pub struct Check {
    /// What was checked.
    pub name: &'static str,
    /// How it went.
    pub result: Result<(), String>,
}

struct Suite {
    client: Client,
    gateway: Gateway,
    function: String,
}

type Outcome = Result<(), String>;

/// Runs the suite. It deploys a function of a name of its own and removes it, whatever the checks come to.
///
/// # Errors
/// If there is no HTTP client to be had; what the gateway does wrong is in the checks.
pub async fn run(gateway: Gateway) -> Result<Vec<Check>, Failure> {
    let function = format!("conformance-{}", std::process::id());
    let suite = Suite { client: node::client()?, gateway, function };
    let mut checks = Vec::new();
    let mut note = |name: &'static str, result: Outcome| checks.push(Check { name, result });
    note("info names its provider", suite.info().await);
    if suite.gateway.credentials.is_some() {
        note("administration asks for a password", suite.auth().await);
    }
    note("an unknown function is no success", suite.unknown().await);
    let deployed = suite.deploy(Method::POST).await;
    let is_there = deployed.is_ok();
    note("a function is deployed", deployed);
    if is_there {
        note("it gets ready", suite.ready().await);
        note("it is listed", suite.listed(true).await);
        note("it is described", suite.described().await);
        note("a call has its body", suite.echo(b"hello\n".to_vec(), "").await);
        note("a call has its path and query", suite.echo(b"x".to_vec(), "/some/path?a=1&b=%20").await);
        note("a call has its headers", suite.headers().await);
        note("a large body goes through", suite.echo(vec![b'x'; LARGE], "").await);
        note("it is scaled", suite.scale().await);
        note("it is updated", suite.deploy(Method::PUT).await);
        note("it can be called after that", suite.again().await);
        note("its log is lines of JSON", suite.logs().await);
    }
    note("it is removed", suite.remove().await);
    note("it is not listed any more", suite.gone().await);
    Ok(checks)
}

impl Suite {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.gateway.url.trim_end_matches('/'));
        self.client.request(method, url).timeout(ANSWER)
    }

    /// A request to the administration, with the password.
    fn system(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.request(method, path);
        match &self.gateway.credentials {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }

    async fn done(&self, request: RequestBuilder) -> Result<Vec<u8>, String> {
        let (status, body) = self.ask(request).await?;
        match status.is_success() {
            true => Ok(body),
            false => {
                Err(format!("2xx was expected, {status} came: {}", String::from_utf8_lossy(&body).trim()))
            }
        }
    }

    async fn ask(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), String> {
        let response = request.send().await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.bytes().await.map_err(|error| format!("{status}, then {error}"))?;
        Ok((status, body.to_vec()))
    }

    async fn json(&self, request: RequestBuilder) -> Result<Value, String> {
        let body = self.done(request).await?;
        serde_json::from_slice(&body).map_err(|error| format!("JSON was expected: {error}"))
    }

    async fn info(&self) -> Outcome {
        let info = self.json(self.system(Method::GET, "/system/info")).await?;
        match info.get("provider").is_some_and(|provider| !provider.is_null()) {
            true => Ok(()),
            false => Err(format!("`provider` was expected in {info}")),
        }
    }

    async fn auth(&self) -> Outcome {
        let (status, _) = self.ask(self.request(Method::GET, "/system/functions")).await?;
        match status {
            StatusCode::UNAUTHORIZED => Ok(()),
            other => Err(format!("without a password 401 was expected, {other} came")),
        }
    }

    async fn unknown(&self) -> Outcome {
        let (status, _) = self.ask(self.request(Method::POST, "/function/no-such-function")).await?;
        match status.is_client_error() || status.is_server_error() {
            true => Ok(()),
            false => Err(format!("an error was expected, {status} came")),
        }
    }

    async fn deploy(&self, method: Method) -> Outcome {
        let mut deployment = json!({
            "service": self.function,
            "image": self.gateway.image,
            "labels": { "org.edge-faas.harness": "conformance" },
            "annotations": { "edge-faas.idempotent": "true" },
        });
        if let Some(process) = &self.gateway.process {
            deployment["envProcess"] = json!(process);
        }
        self.done(self.system(method, "/system/functions").json(&deployment)).await.map(drop)
    }

    async fn status(&self) -> Result<Value, String> {
        self.json(self.system(Method::GET, &format!("/system/function/{}", self.function))).await
    }

    async fn ready(&self) -> Outcome {
        let mut last = String::new();
        let ready = async {
            loop {
                match self.status().await {
                    Ok(status) if status["availableReplicas"].as_u64() >= Some(1) => return,
                    Ok(status) => last = status.to_string(),
                    Err(error) => last = error,
                }
                tokio::time::sleep(TICK).await;
            }
        };
        let ready = tokio::time::timeout(self.gateway.patience, ready).await;
        ready.map_err(|_| format!("it has no replica after {} s: {last}", self.gateway.patience.as_secs()))
    }

    async fn listed(&self, wanted: bool) -> Outcome {
        let list = self.json(self.system(Method::GET, "/system/functions")).await?;
        let functions = list.as_array().ok_or_else(|| format!("a list was expected, {list} came"))?;
        let there = functions.iter().any(|function| function["name"] == self.function.as_str());
        match there == wanted {
            true => Ok(()),
            false if wanted => Err(format!("{} is not among {} functions", self.function, functions.len())),
            false => Err(format!("{} is still listed", self.function)),
        }
    }

    async fn described(&self) -> Outcome {
        let status = self.status().await?;
        let wrong = |field: &str| format!("`{field}` of {status} is not what was deployed");
        if status["name"] != self.function.as_str() {
            return Err(wrong("name"));
        }
        if !status["image"].as_str().is_some_and(|image| image.contains(&self.gateway.image)) {
            return Err(wrong("image"));
        }
        match status["labels"]["org.edge-faas.harness"] == "conformance" {
            true => Ok(()),
            false => Err(wrong("labels")),
        }
    }

    async fn echo(&self, body: Vec<u8>, rest: &str) -> Outcome {
        let path = format!("/function/{}{rest}", self.function);
        let answer = self.done(self.request(Method::POST, &path).body(body.clone())).await?;
        match answer == body {
            true => Ok(()),
            false => Err(format!(
                "{} bytes were sent, {} others came back: {}",
                body.len(),
                answer.len(),
                String::from_utf8_lossy(answer.get(..HEAD).unwrap_or(&answer)).trim()
            )),
        }
    }

    async fn headers(&self) -> Outcome {
        let request = self.request(Method::POST, &format!("/function/{}", self.function));
        let request =
            request.header("content-type", "text/plain").header("x-call-id", "conformance").body("x");
        let response = request.send().await.map_err(|error| error.to_string())?;
        let (status, start) = (response.status(), response.headers().get("x-start-time"));
        match status.is_success() && start.is_some() {
            true => Ok(()),
            false => Err(format!("2xx and X-Start-Time were expected, {status} and {start:?} came")),
        }
    }

    async fn scale(&self) -> Outcome {
        let path = format!("/system/scale-function/{}", self.function);
        let body = json!({ "serviceName": self.function, "replicas": 2 });
        self.done(self.system(Method::POST, &path).json(&body)).await.map(drop)
    }

    /// An update may take a moment.
    async fn again(&self) -> Outcome {
        let mut last = Ok(());
        let answered = async {
            loop {
                last = self.echo(b"again".to_vec(), "").await;
                if last.is_ok() {
                    return;
                }
                tokio::time::sleep(TICK).await;
            }
        };
        let _ = tokio::time::timeout(self.gateway.patience, answered).await;
        last
    }

    async fn logs(&self) -> Outcome {
        let path = format!("/system/logs?name={}&tail=5&follow=false", self.function);
        let body = self.done(self.system(Method::GET, &path)).await?;
        let text = String::from_utf8_lossy(&body);
        let wrong = text.lines().find(|line| serde_json::from_str::<Value>(line).is_err());
        wrong.map_or(Ok(()), |line| Err(format!("lines of JSON were expected, {line:?} came")))
    }

    async fn remove(&self) -> Outcome {
        let body = json!({ "functionName": self.function });
        self.done(self.system(Method::DELETE, "/system/functions").json(&body)).await.map(drop)
    }

    async fn gone(&self) -> Outcome {
        let mut last = Ok(());
        let gone = async {
            loop {
                last = self.listed(false).await;
                if last.is_ok() {
                    return;
                }
                tokio::time::sleep(TICK).await;
            }
        };
        let _ = tokio::time::timeout(self.gateway.patience, gone).await;
        last
    }
}
