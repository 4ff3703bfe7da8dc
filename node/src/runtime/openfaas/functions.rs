//! The functions that a gateway lists, and the room that they have.

use crate::openfaas::{FunctionName, FunctionStatus};
use crate::runtime::slots::Slots;
use crate::runtime::{Hosted, HostedFunctions, annotation};
use edge_faas_core::context::Capacity;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// of-watchdog's own limit on calls of one replica at once.
const MAX_INFLIGHT: &str = "max_inflight";

/// The functions as they were last listed.
#[derive(Debug)]
pub(super) struct Functions {
    known: RwLock<BTreeMap<String, Slots>>,
    hosted: watch::Sender<HostedFunctions>,
    concurrency: u32,
    queue: u32,
}

impl Functions {
    pub(super) fn new(concurrency: u32, queue: u32) -> Self {
        Functions { known: RwLock::default(), hosted: watch::Sender::default(), concurrency, queue }
    }

    pub(super) fn hosted(&self) -> watch::Receiver<HostedFunctions> {
        self.hosted.subscribe()
    }

    pub(super) fn slots(&self, function: &str) -> Option<Slots> {
        self.known.read().get(function).cloned()
    }

    pub(super) fn capacity(&self, function: &str) -> Option<Capacity> {
        self.known.read().get(function).map(Slots::capacity)
    }

    /// Takes over what the gateway lists; nothing, when it is down.
    pub(super) fn replace(&self, listed: &[FunctionStatus]) {
        let mut hosted = BTreeMap::new();
        let mut known = BTreeMap::new();
        let old = self.known.read().clone();
        for status in listed {
            // A gateway that lists what cannot be called is no reason to forget the others.
            let Ok(name) = FunctionName::new(&status.name, &status.namespace) else {
                tracing::warn!(
                    name = status.name,
                    namespace = status.namespace,
                    "listed, but no function name"
                );
                continue;
            };
            let name = name.as_str().to_owned();
            let room = self.room(status);
            let slots = old.get(&name).cloned().unwrap_or_else(|| Slots::new(room.0, room.1));
            slots.resize(room.0, room.1);
            known.insert(name.clone(), slots);
            hosted.insert(name, Hosted { idempotent: idempotent(status) });
        }
        *self.known.write() = known;
        self.publish(hosted);
    }

    /// Forgets a function at once.
    pub(super) fn remove(&self, function: &FunctionName) {
        self.known.write().remove(function.as_str());
        let mut hosted = BTreeMap::clone(&self.hosted.borrow());
        hosted.remove(function.as_str());
        self.publish(hosted);
    }

    fn publish(&self, hosted: BTreeMap<String, Hosted>) {
        self.hosted.send_if_modified(|known| {
            let changed = **known != hosted;
            if changed {
                *known = Arc::new(hosted);
            }
            changed
        });
    }

    /// How many calls run at once and how many may wait.
    fn room(&self, status: &FunctionStatus) -> (u32, u32) {
        let number = |name| {
            annotation::number(&status.annotations, name).unwrap_or_else(|error| {
                tracing::warn!(function = status.name, error, "an annotation is left out of account");
                None
            })
        };
        let watchdog = status.env_vars.get(MAX_INFLIGHT).and_then(|text| text.parse().ok());
        let concurrency = number(annotation::CONCURRENCY).or(watchdog).filter(|limit| *limit > 0);
        // One that is scaled to zero is started by the next call.
        let replicas = u32::try_from(status.available_replicas.max(1)).unwrap_or(u32::MAX);
        (
            concurrency.unwrap_or(self.concurrency).saturating_mul(replicas),
            number(annotation::QUEUE).unwrap_or(self.queue),
        )
    }
}

fn idempotent(status: &FunctionStatus) -> bool {
    match annotation::flag(&status.annotations, annotation::IDEMPOTENT) {
        Ok(flag) => flag.unwrap_or(false),
        Err(error) => {
            tracing::warn!(function = status.name, error, "an annotation is left out of account");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: &str) -> FunctionStatus {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn room_is_replicas_times_concurrency() {
        let functions = Functions::new(100, 7);
        functions.replace(&[
            status(r#"{"name":"plain","availableReplicas":2}"#),
            status(r#"{"name":"limited","availableReplicas":3,"envVars":{"max_inflight":"4"}}"#),
            status(
                r#"{"name":"said","namespace":"staging","availableReplicas":0,"envVars":{"max_inflight":"4"},
                "annotations":{"edge-faas.concurrency":"2","edge-faas.queue":"0","edge-faas.idempotent":"true"}}"#,
            ),
            status(r#"{"name":"wrong","annotations":{"edge-faas.concurrency":"x","edge-faas.idempotent":"y"}}"#),
            status(r#"{"name":"../no"}"#),
        ]);
        let room =
            |name: &str| functions.capacity(name).map(|capacity| (capacity.slots, capacity.queue_limit));
        assert_eq!(room("plain"), Some((200, 7)));
        assert_eq!(room("limited"), Some((12, 7)));
        assert_eq!(room("said.staging"), Some((2, 0)));
        assert_eq!(room("wrong"), Some((100, 7)));
        assert_eq!(room("../no"), None);
        let hosted = functions.hosted();
        let idempotent: Vec<_> = hosted
            .borrow()
            .iter()
            .filter(|(_, hosted)| hosted.idempotent)
            .map(|(name, _)| name.clone())
            .collect();
        assert_eq!(idempotent, ["said.staging"]);
    }

    #[test]
    fn the_same_list_again_is_no_news() {
        let functions = Functions::new(1, 1);
        let mut hosted = functions.hosted();
        let list = [status(r#"{"name":"f"}"#)];
        functions.replace(&list);
        assert!(hosted.has_changed().unwrap());
        hosted.mark_unchanged();
        functions.replace(&list);
        assert!(!hosted.has_changed().unwrap());
        functions.remove(&FunctionName::parse("f").unwrap());
        assert!(hosted.has_changed().unwrap());
        assert_eq!(functions.capacity("f"), None);
    }
}
