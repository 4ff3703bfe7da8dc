//! What is asked of a gateway apart from calls.

use super::connect::Connection;
use super::unavailable;
use crate::body::{self, Body};
use crate::openfaas::{
    DeleteFunctionRequest, FunctionDeployment, FunctionName, FunctionStatus, LogMessage, LogQuery, Provider,
    ScaleServiceRequest, Secret, SystemInfo,
};
use crate::runtime::{RuntimeError, RuntimeErrorKind, SecretOperation};
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyDataStream, BodyExt, Limited};
use hyper::body::Incoming;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

/// The largest answer that is read whole, in bytes.
const ANSWER_MAX: usize = 64 << 20;
/// The longest line of a log, in bytes.
const LINE_MAX: usize = 1 << 20;
/// How much of an error's text is shown, in characters.
const SHOWN: usize = 500;

/// A gateway's administration.
#[derive(Debug)]
pub(super) struct Api {
    connection: Connection,
}

impl Api {
    pub(super) fn new(connection: Connection) -> Self {
        Api { connection }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) async fn info(&self) -> Result<Provider, RuntimeError> {
        let info: SystemInfo = self.get("/system/info").await?;
        Ok(info.provider)
    }

    pub(super) async fn deploy(&self, deployment: &FunctionDeployment) -> Result<(), RuntimeError> {
        self.send(Method::POST, "/system/functions", Some(deployment)).await.map(drop)
    }

    pub(super) async fn update(&self, deployment: &FunctionDeployment) -> Result<(), RuntimeError> {
        self.send(Method::PUT, "/system/functions", Some(deployment)).await.map(drop)
    }

    pub(super) async fn remove(&self, function: &FunctionName) -> Result<(), RuntimeError> {
        let request = DeleteFunctionRequest {
            function_name: function.service().to_owned(),
            namespace: function.explicit_namespace().to_owned(),
        };
        let below = format!("/system/functions{}", in_namespace(function.explicit_namespace(), '?'));
        self.send(Method::DELETE, &below, Some(&request)).await.map(drop)
    }

    pub(super) async fn list(&self, namespace: Option<&str>) -> Result<Vec<FunctionStatus>, RuntimeError> {
        let below = format!("/system/functions{}", in_namespace(namespace.unwrap_or_default(), '?'));
        // Go writes an empty list as `null`.
        let functions: Option<Vec<FunctionStatus>> = self.get(&below).await?;
        Ok(functions.unwrap_or_default())
    }

    pub(super) async fn describe(
        &self,
        function: &FunctionName,
        usage: bool,
    ) -> Result<FunctionStatus, RuntimeError> {
        let namespace = in_namespace(function.explicit_namespace(), '&');
        self.get(&format!("/system/function/{}?usage={}{namespace}", function.service(), u8::from(usage)))
            .await
    }

    pub(super) async fn scale(&self, function: &FunctionName, replicas: u64) -> Result<(), RuntimeError> {
        let request = ScaleServiceRequest {
            service_name: function.service().to_owned(),
            replicas,
            namespace: function.explicit_namespace().to_owned(),
        };
        let namespace = in_namespace(function.explicit_namespace(), '?');
        let below = format!("/system/scale-function/{}{namespace}", function.service());
        self.send(Method::POST, &below, Some(&request)).await.map(drop)
    }

    pub(super) async fn secrets(&self, operation: SecretOperation) -> Result<Vec<Secret>, RuntimeError> {
        let change =
            |method, secret| async move { self.send(method, "/system/secrets", Some(&secret)).await };
        match operation {
            SecretOperation::List { namespace } => {
                let namespace = in_namespace(namespace.as_deref().unwrap_or_default(), '?');
                let secrets: Option<Vec<Secret>> = self.get(&format!("/system/secrets{namespace}")).await?;
                return Ok(secrets.unwrap_or_default().iter().map(Secret::without_value).collect());
            }
            SecretOperation::Create(secret) => change(Method::POST, secret).await?,
            SecretOperation::Update(secret) => change(Method::PUT, secret).await?,
            SecretOperation::Delete(secret) => change(Method::DELETE, secret).await?,
        };
        Ok(Vec::new())
    }

    pub(super) async fn namespaces(&self) -> Result<Vec<String>, RuntimeError> {
        let names: Option<Vec<String>> = self.get("/system/namespaces").await?;
        Ok(names.unwrap_or_default())
    }

    pub(super) async fn healthy(&self) -> Result<(), RuntimeError> {
        self.send(Method::GET, "/healthz", None::<&()>).await.map(drop)
    }

    pub(super) async fn logs(
        &self,
        query: &LogQuery,
    ) -> Result<BoxStream<'static, Result<LogMessage, RuntimeError>>, RuntimeError> {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut below = format!("/system/logs?name={}&follow={}", encode(&query.name), query.follow);
        below += &in_namespace(&query.namespace, '&');
        if !query.instance.is_empty() {
            below += &format!("&instance={}", encode(&query.instance));
        }
        if let Some(since) = &query.since {
            below += &format!("&since={}", encode(since));
        }
        if let Some(tail) = query.tail {
            below += &format!("&tail={tail}");
        }
        let response = self.ask(Method::GET, &below, None::<&()>).await?;
        let bytes = BodyDataStream::new(response.into_body()).map_err(io::Error::other);
        let lines = FramedRead::new(StreamReader::new(bytes), LinesCodec::new_with_max_length(LINE_MAX));
        let messages = lines.filter_map(|line| async move {
            match line {
                Ok(line) if line.trim().is_empty() => None,
                Ok(line) => Some(
                    serde_json::from_str(&line)
                        .map_err(|error| unavailable(format!("a line of the gateway's log: {error}"))),
                ),
                Err(error) => Some(Err(unavailable(format!("the gateway's log broke off: {error}")))),
            }
        });
        Ok(messages.boxed())
    }

    async fn get<T: DeserializeOwned>(&self, below: &str) -> Result<T, RuntimeError> {
        let text = self.send(Method::GET, below, None::<&()>).await?;
        serde_json::from_slice(&text).map_err(|error| {
            unavailable(format!("{}{below}: the answer is not OpenFaaS' JSON: {error}", self.connection))
        })
    }

    /// Asks, and reads the whole answer.
    async fn send(
        &self,
        method: Method,
        below: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Bytes, RuntimeError> {
        let whole = async {
            let response = self.ask(method, below, body).await?;
            self.collect(below, response).await
        };
        self.in_time(below, whole).await
    }

    /// Asks, and returns an answer of 2xx with its body unread.
    async fn ask(
        &self,
        method: Method,
        below: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Response<Incoming>, RuntimeError> {
        let body: Body = match body.map(serde_json::to_vec).transpose() {
            Ok(None) => body::empty(),
            Ok(Some(json)) => body::full(json),
            Err(error) => return Err(RuntimeError::new(RuntimeErrorKind::Invalid, error.to_string())),
        };
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = self.connection.uri(below)?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.extend(self.connection.authorization.clone().map(|value| (AUTHORIZATION, value)));
        let asked = async {
            self.connection.send(request).await.map_err(|error| {
                let hint = match error.is_connect() {
                    true => "is it up?",
                    // What a gateway does that finds no Prometheus once it has a function.
                    false => "a gateway without Prometheus breaks off when it is asked what it hosts",
                };
                unavailable(format!("{}{below}: {} ({hint})", self.connection, chain(&error)))
            })
        };
        let response = self.in_time(below, asked).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = self.in_time(below, self.collect(below, response)).await.unwrap_or_default();
        Err(self.refused(below, status, &String::from_utf8_lossy(&text)))
    }

    async fn in_time<T>(
        &self,
        below: &str,
        work: impl Future<Output = Result<T, RuntimeError>>,
    ) -> Result<T, RuntimeError> {
        match tokio::time::timeout(self.connection.timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(unavailable(format!(
                "{}{below}: no answer within {:?}",
                self.connection, self.connection.timeout
            ))),
        }
    }

    async fn collect(&self, below: &str, response: Response<Incoming>) -> Result<Bytes, RuntimeError> {
        match Limited::new(response.into_body(), ANSWER_MAX).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) => {
                Err(unavailable(format!("{}{below}: the answer broke off: {error}", self.connection)))
            }
        }
    }

    fn refused(&self, below: &str, status: StatusCode, text: &str) -> RuntimeError {
        let text: String = text.trim().chars().take(SHOWN).collect();
        let (kind, hint) = match status {
            StatusCode::BAD_REQUEST => (RuntimeErrorKind::Invalid, ""),
            StatusCode::NOT_FOUND => (RuntimeErrorKind::NotFound, ""),
            StatusCode::CONFLICT => (RuntimeErrorKind::Exists, ""),
            StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED => {
                (RuntimeErrorKind::Unsupported, "")
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                (RuntimeErrorKind::Unavailable, " (give the node the gateway's user and password)")
            }
            _ => (RuntimeErrorKind::Unavailable, ""),
        };
        RuntimeError::new(kind, format!("{}{below}: {status}{hint} {text}", self.connection).trim_end())
    }
}

/// An error and what it came from.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    text
}

fn in_namespace(namespace: &str, before: char) -> String {
    match namespace {
        "" => String::new(),
        _ => format!("{before}namespace={}", utf8_percent_encode(namespace, NON_ALPHANUMERIC)),
    }
}
