//! What the nodes tell: the events of each, of all its lives.

use crate::clock::Clock;
use crate::failure::Failure;
use crate::node::NodeClient;
use edge_faas_core::time::Time;
use edge_faas_node::experiment::Event;
use futures::{StreamExt, TryStreamExt};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

/// How long a node may take to say who it is.
const HELLO_PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked whether all has come.
const TICK: Duration = Duration::from_millis(10);

/// One life of a node: from its start to its end.
#[derive(Clone, Debug)]
pub struct Life {
    /// The node's number.
    pub node: u32,
    /// Instant 0 of its events, in nanoseconds of Unix time.
    pub zero_unix: i64,
    /// Its events after the first.
    pub events: Vec<Event>,
}

impl Life {
    /// An instant of its events as the run's time.
    pub fn time(&self, clock: &Clock, at: i64) -> Time {
        clock.of_unix(self.zero_unix.saturating_add(at))
    }
}

/// What all nodes tell.
#[derive(Debug, Default)]
pub struct Journal {
    lives: Mutex<Vec<Arc<Mutex<Life>>>>,
    /// Which number a peer id stands for.
    ids: Mutex<BTreeMap<String, u32>>,
    /// Calls whose end was told.
    ended: Arc<Mutex<BTreeSet<u64>>>,
}

impl Journal {
    /// Begins to read what a node tells in this life of it. Returns its peer id.
    ///
    /// # Errors
    /// If it tells nothing.
    pub async fn follow(&self, node: u32, client: &NodeClient) -> Result<String, Failure> {
        let response = client.records().await?;
        let bytes = response.bytes_stream().map_err(io::Error::other);
        let mut lines = FramedRead::new(StreamReader::new(bytes), LinesCodec::new());
        let mut hello = async || lines.next().await.and_then(Result::ok);
        let first = tokio::time::timeout(HELLO_PATIENCE, hello()).await.ok().flatten();
        let first = first.and_then(|line| serde_json::from_str(&line).ok());
        let Some(Event::Hello { node: id, zero_unix }) = first else {
            return Err(Failure::Other(format!("node {node} does not say who it is")));
        };
        self.ids.lock().insert(id.clone(), node);
        let life = Arc::new(Mutex::new(Life { node, zero_unix, events: Vec::new() }));
        self.lives.lock().push(life.clone());
        let ended = self.ended.clone();
        tokio::spawn(async move {
            // The numbers that the calls of the run have in the node.
            let mut references = BTreeMap::new();
            // Ends with the node.
            while let Some(Ok(line)) = lines.next().await {
                let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
                match &event {
                    Event::Begun { call, reference } => {
                        if let Ok(number) = reference.parse::<u64>() {
                            references.insert(*call, number);
                        }
                    }
                    Event::Call { call, .. } => {
                        ended.lock().extend(references.remove(call));
                    }
                    _ => {}
                }
                life.lock().events.push(event);
            }
        });
        Ok(id)
    }

    /// Waits until the end of each of these calls was told; no longer than `patience`.
    pub async fn settle(&self, calls: &[u64], patience: Duration) {
        let told = async {
            loop {
                {
                    let ended = self.ended.lock();
                    if calls.iter().all(|call| ended.contains(call)) {
                        return;
                    }
                }
                tokio::time::sleep(TICK).await;
            }
        };
        let _ = tokio::time::timeout(patience, told).await;
    }

    /// The number of the node with this peer id.
    pub fn number(&self, id: &str) -> Option<u32> {
        self.ids.lock().get(id).copied()
    }

    /// Everything that was told so far, in the order of lives.
    pub fn take(&self) -> Vec<Life> {
        let lives = std::mem::take(&mut *self.lives.lock());
        lives
            .into_iter()
            .map(|life| {
                let mut life = life.lock();
                Life { node: life.node, zero_unix: life.zero_unix, events: std::mem::take(&mut life.events) }
            })
            .collect()
    }
}
