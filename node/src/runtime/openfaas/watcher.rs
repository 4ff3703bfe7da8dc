//! Looks again and again at what a gateway hosts.

use super::api::Api;
use super::functions::Functions;
use crate::openfaas::FunctionStatus;
use crate::runtime::RuntimeError;
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// So many looks in a row have to fail before the functions count as not hosted: one may be an accident.
const FAILURES: u32 = 2;

/// The task that looks. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watcher {
    api: Arc<Api>,
    functions: Arc<Functions>,
    wake: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Looks once, then again and again.
    pub(super) async fn start(api: Arc<Api>, functions: Arc<Functions>, interval: Duration) -> Self {
        let wake = Arc::new(Notify::new());
        let mut failures = 0;
        if let Err(error) = look(&api, &functions).await {
            tracing::warn!(%error, "the gateway does not say what it hosts; asking again");
            failures = FAILURES;
        }
        let task = tokio::spawn(watch(
            Arc::clone(&api),
            Arc::clone(&functions),
            Arc::clone(&wake),
            interval,
            failures,
        ));
        Watcher { api, functions, wake, task }
    }

    /// Looks now, and waits for the answer. A failure is left to the next look.
    pub(super) async fn look(&self) {
        if look(&self.api, &self.functions).await.is_err() {
            self.wake();
        }
    }

    /// Makes the next look due now.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(
    api: Arc<Api>,
    functions: Arc<Functions>,
    wake: Arc<Notify>,
    interval: Duration,
    mut failures: u32,
) {
    // However many calls fail, a gateway in trouble is not asked more often than this.
    let shortest = Duration::from_millis(200).min(interval);
    loop {
        tokio::time::sleep(shortest).await;
        let _ = tokio::time::timeout(interval.saturating_sub(shortest), wake.notified()).await;
        match look(&api, &functions).await {
            Ok(()) => {
                if failures >= FAILURES {
                    tracing::info!("the gateway answers again");
                }
                failures = 0;
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                match failures.cmp(&FAILURES) {
                    // The next look is due at once: the sooner it is known, the fewer calls fail.
                    Ordering::Less => wake.notify_one(),
                    Ordering::Equal => {
                        tracing::warn!(%error, "the gateway is down: its functions are withdrawn");
                        functions.replace(&[]);
                    }
                    // It is known to be down, and asked again at the usual pace.
                    Ordering::Greater => {}
                }
            }
        }
    }
}

/// Asks for the functions of all namespaces.
async fn look(api: &Api, functions: &Functions) -> Result<(), RuntimeError> {
    let mut listed = api.list(None).await?;
    // Gateways of the community edition know one namespace, and some do not answer this.
    let namespaces = api.namespaces().await.unwrap_or_default();
    let default: Option<String> = listed.first().map(|function| function.namespace.clone());
    let others = namespaces.iter().filter(|name| Some(*name) != default.as_ref());
    for namespace in others {
        for function in api.list(Some(namespace)).await? {
            let known =
                |known: &FunctionStatus| known.name == function.name && known.namespace == function.namespace;
            if !listed.iter().any(known) {
                listed.push(function);
            }
        }
    }
    functions.replace(&listed);
    Ok(())
}
