//! A gateway that speaks OpenFaaS' API as far as a node asks for it, and remembers what it was asked.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{any, get};
use edge_faas_node::http::{Server, Settings};
use http::{HeaderMap, Method, StatusCode};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What it was asked: method, raw path and query, headers.
type Asked = Arc<Mutex<Vec<(Method, String, HeaderMap)>>>;

/// A gateway that hosts `f`, which answers with the request's body, and its `x-mine` as `x-yours`, after the milliseconds
/// that `x-sleep` asks for.
pub struct Gateway {
    pub address: SocketAddr,
    pub asked: Asked,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Gateway {
    pub async fn start() -> Self {
        let asked = Asked::default();
        let router = Router::new()
            .route("/function/{*rest}", any(answer))
            .route(
                "/system/functions",
                get(|| async {
                    r#"[{"name":"f","availableReplicas":1,"annotations":{"edge-faas.idempotent":"true"}}]"#
                }),
            )
            .route("/system/namespaces", get(|| async { r#"["openfaas-fn"]"# }))
            .route("/healthz", get(|| async { "OK" }))
            // What the original makes of a provider's 404.
            .route("/system/logs", get(|| async { StatusCode::NOT_IMPLEMENTED }))
            .fallback(|| async { (StatusCode::NOT_FOUND, "404 page not found\n") })
            .layer(axum::middleware::from_fn_with_state(Arc::clone(&asked), remember));
        let server =
            Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Settings::default()).await.unwrap();
        let address = server.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.serve(router, async move {
            let _ = stopped.await;
        }));
        Gateway { address, asked, stop, task }
    }

    /// Goes down and closes its connections.
    pub async fn down(self) {
        drop(self.stop);
        self.task.await.unwrap();
    }

    /// The calls it got.
    pub fn calls(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(_, uri, _)| uri.clone()).filter(|uri| uri.starts_with("/function/")).collect()
    }
}

async fn remember(State(asked): State<Asked>, request: Request, next: Next) -> Response {
    let seen = (request.method().clone(), request.uri().to_string(), request.headers().clone());
    asked.lock().unwrap().push(seen);
    next.run(request).await
}

async fn answer(request: Request) -> Response {
    let asked = request.headers().get("x-sleep").and_then(|value| value.to_str().ok()?.parse().ok());
    if let Some(milliseconds) = asked {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    let mine = request.headers().get("x-mine").cloned();
    let mut response = Response::new(Body::new(request.into_body()));
    response.headers_mut().extend(mine.map(|mine| (http::HeaderName::from_static("x-yours"), mine)));
    response.headers_mut().insert("x-duration-seconds", http::HeaderValue::from_static("0.125000"));
    response
}
