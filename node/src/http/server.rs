//! Accepts connections: so many at once, and none for ever.

use super::settings::Settings;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;

/// How long to wait when the system has no descriptors left for another connection.
const PAUSE: Duration = Duration::from_millis(50);

/// The HTTP API on an address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    settings: Settings,
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on http://{address}: {source}")]
pub struct ServeError {
    address: SocketAddr,
    source: io::Error,
}

impl Server {
    /// Listens on an address; port 0 takes any free one.
    ///
    /// # Errors
    /// The address is taken, or not this machine's.
    pub async fn bind(address: SocketAddr, settings: Settings) -> Result<Self, ServeError> {
        match TcpListener::bind(address).await {
            Ok(listener) => Ok(Server { listener, settings }),
            Err(source) => Err(ServeError { address, source }),
        }
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` ends, then lets requests that are under way end, for as long as the settings say.
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) {
        let Server { listener, settings } = self;
        let slots = Arc::new(Semaphore::new(settings.connections.clamp(1, Semaphore::MAX_PERMITS)));
        let builder = builder(settings.head_timeout);
        let graceful = GracefulShutdown::new();
        tokio::pin!(stop);
        loop {
            let accept = async {
                // Who comes when all are taken waits in the system's queue.
                let slot = Arc::clone(&slots).acquire_owned().await;
                (slot, listener.accept().await)
            };
            let (slot, accepted) = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = accept => accepted,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            // Small answers must not wait for the acknowledgement of others.
            let _ = stream.set_nodelay(true);
            let router = router.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(ConnectInfo(address));
                router.clone().oneshot(request)
            });
            let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%address, %error, "a connection ended early");
                }
                drop(slot);
            });
        }
        drop(listener);
        if tokio::time::timeout(settings.drain, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests were still under way when the node stopped");
        }
    }
}

fn builder(head_timeout: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(1_024)
        .keep_alive_interval(head_timeout)
        .keep_alive_timeout(head_timeout);
    builder
}
