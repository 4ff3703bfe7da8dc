//! The HTTP API of a node: OpenFaaS' gateway and provider, the thesis' interface, and the node's own view.

mod answer;
mod auth;
mod body;
mod error;
mod experiment;
mod function;
mod header;
mod item;
mod manycall;
mod metrics;
mod query;
mod server;
mod settings;
mod system;
mod thesis;
mod view;

pub use experiment::{Join, Ping, Pong};
pub use header::{ATTEMPTS, HOPS, IDEMPOTENT, ITEMS, OUTCOME, POLICY, PROVIDER, SERVER_TIMING, TIMEOUT};
pub use item::{ItemResult, read as read_item};
pub use server::{ServeError, Server};
pub use settings::Settings;
pub use view::{Peer, Peers, Provider, Providers};

use crate::handle::{Node, SharedRegistry};
use crate::runtime::Runtime;
use axum::Router;
use axum::routing::{MethodRouter, any, get, post, put};
use metrics::Metrics;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What every handler has at hand.
#[derive(Clone)]
struct App(Arc<Parts>);

struct Parts {
    node: Node,
    runtime: Arc<dyn Runtime>,
    settings: Settings,
    metrics: Metrics,
    registry: SharedRegistry,
    stopping: CancellationToken,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The routes of a node. `registry` is the one that the node counts in; it is what `/metrics` shows. When `stopping` is
/// cancelled, answers that would never end do.
pub fn router(
    node: Node,
    runtime: Arc<dyn Runtime>,
    settings: Settings,
    registry: SharedRegistry,
    stopping: CancellationToken,
) -> Router {
    let metrics = Metrics::new(&mut registry.lock());
    let app = App(Arc::new(Parts { node, runtime, settings, metrics, registry, stopping }));
    Router::new()
        .nest(PROVIDER_PREFIX, openfaas(&app, get(system::provider_info)))
        .merge(openfaas(&app, get(system::info)))
        .merge(own(&app))
        .fallback(view::not_found)
        .with_state(app)
}

/// Where a gateway in front of this node finds its provider.
const PROVIDER_PREFIX: &str = "/provider";

/// What gateways and providers have in common: all but what they say of themselves.
fn openfaas(app: &App, info: MethodRouter<App>) -> Router<App> {
    let protected = Router::new()
        .route(
            "/system/functions",
            get(system::list).post(system::deploy).put(system::update).delete(system::remove),
        )
        .route("/system/function/{name}", get(system::describe))
        .route("/system/scale-function/{name}", post(system::scale))
        .route("/system/info", info)
        .route("/system/namespaces", get(system::namespaces))
        .route("/system/namespace/{name}", get(system::namespace).fallback(system::change_namespace))
        // faas-cli makes one without naming it in the path.
        .route("/system/namespace/", any(system::change_namespace))
        .route(
            "/system/secrets",
            get(system::list_secrets)
                .post(system::create_secret)
                .put(system::update_secret)
                .delete(system::delete_secret),
        )
        .route("/system/logs", get(system::logs))
        .route("/system/{*rest}", any(view::not_found))
        .route_layer(axum::middleware::from_fn_with_state(app.clone(), auth::require));
    Router::new()
        .merge(protected)
        .route("/function/{*rest}", any(function::call))
        .route("/async-function/{*rest}", any(function::no_queue))
        .route("/healthz", get(view::healthz))
        .route("/metrics", get(view::metrics))
}

/// What no gateway has.
fn own(app: &App) -> Router<App> {
    let protected = Router::new()
        .route("/api/v1/peers", get(view::peers))
        .route("/api/v1/providers/{name}", get(view::providers))
        .route("/api/v1/functions/deployments", post(thesis::deploy))
        .route("/api/v1/functions/deployments/{name}", any(thesis::deploy))
        .route("/api/v1/experiment/records", get(experiment::records))
        .route("/api/v1/experiment/links", put(experiment::links))
        .route("/api/v1/experiment/runtime", put(experiment::runtime))
        .route("/api/v1/experiment/join", post(experiment::join))
        .route("/api/v1/experiment/cold", post(experiment::cold))
        .route("/api/v1/experiment/ping", post(experiment::ping))
        .route("/api/v1/experiment/direct/{name}", post(experiment::direct))
        .route_layer(axum::middleware::from_fn_with_state(app.clone(), auth::require));
    Router::new()
        .merge(protected)
        .route("/api/v1/functions/{name}/executions", post(thesis::anycall))
        .route("/api/v1/functions/{name}/executions/manycall", post(manycall::call))
        .route("/api/v1/query", get(query::query).post(query::query))
}
