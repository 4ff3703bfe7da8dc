//! Messages and deadlines of the discoveries that are not Kademlia.
//!
//! Sizes are those of protobuf messages like Kademlia's, with the length prefix. A name is the function's, a peer its
//! id and addresses as in Kademlia's messages:
//!
//! | message | bytes |
//! |---|---|
//! | frame | 4: length prefix (2), type (2) |
//! | register, withdraw | frame + name + peer + 6 (time to live) |
//! | registered | frame + name |
//! | rumour | frame + record |
//! | record | 2 + name + peer + 10 (version) + 2 (withdrawn) |
//! | copy | frame |
//! | directory | frame + 2 (longer length) + its records |
//! | query | frame + 18 (query id) + name + peer (who asks) + 2 (links travelled) |
//! | found | frame + 18 (query id) + peer (who provides) + 2 (links travelled) |

use super::full::Record;
use crate::engine::{Engine, Event, Link};
use edge_faas_core::key::FunctionHandle;
use edge_faas_core::results::TrafficClass;
use edge_faas_core::time::Time;

const FRAME: u32 = 4;
const QUERY_ID: u32 = 18;

/// What a message says.
#[derive(Debug)]
pub(super) enum Note {
    /// To the gateway: the sender hosts a function, or does not any more.
    Register { function: FunctionHandle, hosted: bool },
    /// The gateway knows.
    Registered { function: FunctionHandle },
    /// Something new about the directory.
    Rumour(Record),
    /// Give me your directory.
    Copy,
    /// The whole directory.
    Directory(Box<[Record]>),
    /// Who provides it? It has travelled `hops` links.
    Query { query: u32, hops: u32 },
    /// The sender does; the query took `hops` links to it.
    Found { query: u32, hops: u32 },
}

/// A message on its way.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) sent: Time,
    pub(super) bytes: u32,
    pub(super) class: TrafficClass,
    pub(super) note: Note,
}

/// A deadline of a node's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer {
    /// A function is announced again.
    Republish(FunctionHandle),
    /// The gateway has not acknowledged the registration with this number.
    Unacknowledged(FunctionHandle, u32),
    /// The bootstrap node with this index has not sent its directory.
    CopyFailed(u32),
    /// Nobody else will answer the query in this place, with this number.
    QueryEnd(u32, u64),
}

/// What an event of the discovery is about.
#[derive(Debug)]
pub(super) enum Due {
    Letter(Letter),
    /// Void if the node has gone since.
    Timer {
        node: u32,
        /// When the node came up.
        since: Time,
        timer: Timer,
    },
}

/// What became of a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Posted {
    /// It is on its way, after dialling or not, or was lost on it; with its bytes.
    Sent { dialled: bool, bytes: u32 },
    /// There is no connection. The other end may be gone.
    Failed,
}

impl Engine<'_> {
    fn letter_bytes(&self, note: &Note) -> u32 {
        let kad = &self.config.kad;
        let peer = 4 + kad.peer_id_bytes + kad.peer_addrs_bytes;
        let name = |function: FunctionHandle| 2 + u32::from(self.functions.get(function).name_len);
        let record = |record: &Record| 2 + name(record.function) + peer + 10 + 2;
        FRAME
            + match note {
                Note::Register { function, .. } => name(*function) + peer + 6,
                Note::Registered { function } => name(*function),
                Note::Rumour(rumour) => record(rumour),
                Note::Copy => 0,
                Note::Directory(records) => 2 + records.iter().map(record).sum::<u32>(),
                Note::Query { query, .. } => QUERY_ID + name(self.query_function(*query)) + peer + 2,
                Note::Found { .. } => QUERY_ID + peer + 2,
            }
    }

    /// Sends a message, dialling for it if need be. Like any other it is lost if the other end goes or is cut off.
    pub(super) fn send_letter(&mut self, from: u32, to: u32, class: TrafficClass, note: Note) -> Posted {
        let bytes = self.letter_bytes(&note);
        let depart = self.depart(from);
        match self.link(from, to, depart) {
            Link::Ready(at, dialled) => {
                self.count_bytes(from, class, u64::from(bytes), true);
                let Some(delay) = self.message_delay(from, to, u64::from(bytes)) else {
                    return Posted::Failed;
                };
                let letter = Letter { from, to, sent: at, bytes, class, note };
                let slot = self.discovery.due.insert(Due::Letter(letter)) as u32;
                self.queue.push(at + delay, Event::Discovery(slot));
                Posted::Sent { dialled, bytes }
            }
            Link::Reset(at) => {
                self.queue.push(at, Event::Disconnected { node: from, peer: to });
                Posted::Failed
            }
            Link::Refused(_) | Link::Silence => Posted::Failed,
        }
    }

    /// Wakes a node's discovery at an instant, unless the node goes before.
    pub(super) fn set_timer(&mut self, node: u32, at: Time, timer: Timer) {
        let since = self.nodes[node as usize].up_since;
        let slot = self.discovery.due.insert(Due::Timer { node, since, timer }) as u32;
        self.queue.push(at, Event::Discovery(slot));
    }
}
