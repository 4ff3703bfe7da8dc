//! The protobuf messages of `/ipfs/kad/1.0.0` (libp2p/specs, kad-dht), with our own fields.

/// One message, request or response.
///
/// Fields above 1,000 and the type 64 are ours. A stock peer skips unknown fields, and meets the type only under our own
/// protocol name, where there are no stock peers.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Message {
    #[prost(enumeration = "Type", tag = "1")]
    pub(super) r#type: i32,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) key: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub(super) record: Option<Record>,
    #[prost(message, repeated, tag = "8")]
    pub(super) closer: Vec<Peer>,
    #[prost(message, repeated, tag = "9")]
    pub(super) providers: Vec<Peer>,
    /// Of a GET_PROVIDERS answer: how many providers the holder has, where the answer leaves some out.
    #[prost(uint32, tag = "1001")]
    pub(super) total: u32,
    /// Of a GET_PROVIDERS request: which part of the holder's list, from 0.
    #[prost(uint32, tag = "1002")]
    pub(super) page: u32,
}

/// What a [`Message`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Type {
    PutValue = 0,
    GetValue = 1,
    AddProvider = 2,
    GetProviders = 3,
    FindNode = 4,
    Ping = 5,
    /// Ours: the sender withdraws what it announced by AddProvider. No response.
    RemoveProvider = 64,
}

/// A peer. How the sender is connected to it (field 3) is of no use to us: not written, not read.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Peer {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) id: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) addrs: Vec<Vec<u8>>,
}

/// A value. Publisher and ttl are rust-libp2p's.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Record {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
    #[prost(bytes = "vec", tag = "666")]
    pub(super) publisher: Vec<u8>,
    /// Seconds left; zero for ever.
    #[prost(uint32, tag = "777")]
    pub(super) ttl: u32,
}
