//! The inputs a driver gives to a [`Peer`](crate::peer::Peer) and the outputs it drains.

use crate::context::{Capacity, Timing};
use crate::faas::{AnycallPolicy, ManycallPolicy};
use crate::kad::{Record, Request, Response, Target};
use crate::key::{FunctionHandle, PeerHandle};
use crate::time::{Duration, Time};

/// A call, by the number the driver gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(pub u64);

/// A manycall, by the number the driver gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MapId(pub u64);

/// One try of a call at one provider, by a number that the entry node's core gives it; never used twice by a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AttemptId(pub u64);

/// A request of the core's that waits for a response. Unique within a node while it is open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Exchange(pub u32);

/// What happened, told to a peer.
#[derive(Debug)]
pub enum Input {
    /// Enter the network through these peers (this node itself is ignored). An empty list starts a network.
    Join {
        /// Peers to begin with. They are remembered and tried again when the table runs empty.
        bootstrap: Vec<PeerHandle>,
    },
    /// A Kademlia request arrived.
    KadRequest {
        /// The authenticated sender.
        from: PeerHandle,
        /// True if the sender answers requests itself (server mode): only then it may enter the routing table.
        server: bool,
        /// The driver's name for where the response goes; comes back in [`Output::KadResponse`].
        reply: u32,
        /// The request.
        request: Request,
    },
    /// A response arrived.
    KadResponse {
        /// Who answered.
        from: PeerHandle,
        /// What it answers. One that is not open any more is ignored.
        exchange: Exchange,
        /// Size of the response on the wire in bytes, for the look-up's account.
        bytes: u32,
        /// True if a connection had to be opened for the exchange, for the look-up's account.
        dialled: bool,
        /// The response.
        response: Response,
    },
    /// A request could not be delivered, or its stream broke. Time-outs are the core's own.
    KadFailed {
        /// Whom it was for.
        peer: PeerHandle,
        /// Which request; for one without response any value.
        exchange: Exchange,
        /// Why.
        failure: Failure,
    },
    /// A peer that is connected said that it answers requests (server mode): it may enter the routing table before it has
    /// sent or answered any.
    Identified {
        /// The peer.
        peer: PeerHandle,
    },
    /// All connections to a peer broke (a reset): what is in flight there is lost.
    Disconnected {
        /// The peer.
        peer: PeerHandle,
    },
    /// Store a value in the DHT.
    PutValue {
        /// The value; its publisher is this node.
        record: Box<Record>,
    },
    /// Look a value up. Ends with [`Output::Value`].
    GetValue {
        /// The key.
        target: Target,
    },
    /// Look for the k closest peers to a key: for experiments. Ends with [`Output::LookupDone`].
    FindClosest {
        /// The key.
        target: Target,
    },
    /// Look for all providers of a function, without the cache: for experiments. Ends with [`Output::LookupDone`].
    FindProviders {
        /// The function.
        function: FunctionHandle,
    },
    /// The local runtime hosts a function from now on: announce it.
    Host {
        /// The function.
        function: FunctionHandle,
    },
    /// The local runtime does not host a function any more: withdraw it.
    Unhost {
        /// The function.
        function: FunctionHandle,
    },
    /// The node is about to leave: withdraw every function.
    Leave,
    /// The answer of a discovery that is not Kademlia to [`Output::Resolve`]; may come in parts.
    Resolved {
        /// The function.
        function: FunctionHandle,
        /// Providers, in any order, repetitions allowed.
        providers: Vec<PeerHandle>,
        /// True for the last part.
        done: bool,
    },
    /// A user's call.
    Call(Box<Call>),
    /// The user went away: cancel the call.
    CancelCall {
        /// The call.
        call: CallId,
    },
    /// A user's manycall. Its items follow as the core asks for them by [`Output::PullItems`].
    Map(Box<Map>),
    /// One item of a manycall.
    Item {
        /// The manycall.
        map: MapId,
        /// The item as a call; its policy is the manycall's.
        call: Box<Call>,
    },
    /// A manycall has no more items.
    ItemsEnd {
        /// The manycall.
        map: MapId,
    },
    /// The user took results of a manycall: that many more may be produced.
    ResultsTaken {
        /// The manycall.
        map: MapId,
        /// How many.
        count: u32,
    },
    /// The user went away: cancel the whole manycall.
    CancelMap {
        /// The manycall.
        map: MapId,
    },
    /// News of an attempt that this node started, at a provider or at its own runtime.
    Attempt {
        /// The attempt. One that is over is ignored.
        attempt: AttemptId,
        /// The news.
        event: AttemptEvent,
    },
    /// A routed call arrived: answered at once by [`Output::Serve`] or [`Output::Refuse`].
    CallArrived {
        /// The entry node.
        from: PeerHandle,
        /// The driver's name for the stream.
        reply: u64,
        /// The function.
        function: FunctionHandle,
    },
    /// A peer answered [`Output::Probe`].
    ProbeReply {
        /// Who.
        peer: PeerHandle,
        /// The function asked about, and how full its runtime is; `None`: not hosted there.
        capacity: Option<(FunctionHandle, Capacity)>,
    },
    /// The deadline that `poll_timeout` named has come (or any later instant).
    Timeout,
}

/// Why a request or a dial failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// No connection came about.
    Dial,
    /// The connection broke.
    Reset,
    /// The peer does not speak the protocol, or answered nonsense.
    Protocol,
    /// No answer in time.
    Timeout,
}

/// One call as its entry node sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The driver's number for it, unique while the call is open.
    pub id: CallId,
    /// The function.
    pub function: FunctionHandle,
    /// The policy; `None`: the node's default.
    pub policy: Option<AnycallPolicy>,
    /// When the user gives up.
    pub deadline: Time,
    /// Overrides the function's own word.
    pub idempotent: Option<bool>,
    /// False when the body is too large to be kept: then nothing is retried once an attempt may have read of it.
    pub replayable: bool,
    /// How full the local runtime is for this function; `None`: not hosted here.
    pub local: Option<Capacity>,
}

/// One manycall as its entry node sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Map {
    /// The driver's number for it, unique while it is open.
    pub id: MapId,
    /// The function.
    pub function: FunctionHandle,
    /// The policy; `None`: the node's default.
    pub policy: Option<ManycallPolicy>,
    /// How many items, where known; `static` needs it.
    pub items: Option<u64>,
    /// How many results may be produced before [`Input::ResultsTaken`] (back-pressure); `None`: no bound.
    pub credit: Option<u32>,
    /// How full the local runtime is for this function; `None`: not hosted here.
    pub local: Option<Capacity>,
}

/// News of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum AttemptEvent {
    /// The connection stands and the call was sent: from here on it may have started.
    Sent,
    /// As `Sent`, but the body waits for the provider's word: until `Sent` follows nothing of it is gone, and the call can
    /// be tried elsewhere even if its body cannot be sent twice.
    Offered,
    /// The provider took the call: it runs or waits there.
    Accepted {
        /// How full the provider is, this call counted.
        capacity: Capacity,
    },
    /// The first bytes of the answer are on their way to the user: nothing is retried from here on.
    Head,
    /// The answer is complete.
    Finished {
        /// The function's status (HTTP). Below 400 is success; others are the function's own error, not retried.
        status: u16,
        /// By the provider's clock.
        timing: Timing,
        /// How full the provider is after it.
        capacity: Capacity,
    },
    /// The attempt failed for a reason of the platform.
    Failed {
        /// Why.
        reason: AttemptFailure,
        /// What is known of whether the function's code ran.
        started: Started,
        /// How full the provider is, if it said so.
        capacity: Option<Capacity>,
    },
}

/// Why an attempt failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptFailure {
    /// No connection came about.
    Dial,
    /// The connection broke, or the provider was found dead.
    Lost,
    /// The provider does not host the function (any more).
    NotHosted,
    /// 429: full. It says when to come back; `None`: the setting's default.
    Full {
        /// Retry-After.
        retry_after: Option<Duration>,
    },
    /// The provider's runtime is down or broke.
    Runtime,
    /// Cancelled at our own word.
    Cancelled,
    /// No answer within the attempt's time (the core's own).
    Timeout,
}

/// Did the function's code run?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Started {
    /// Certainly not: trying again is safe.
    No,
    /// Nobody knows.
    Maybe,
    /// It did, at least in part.
    Yes,
}

/// Why an attempt was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptKind {
    /// The first of its call.
    First,
    /// After another failed.
    Retry,
    /// A copy of a straggler.
    Backup,
    /// One of several at once.
    Race,
}

/// What a peer wants of its driver.
#[derive(Debug)]
pub enum Output {
    /// Send a request; dial if there is no connection. Each that has a response ends in [`Input::KadResponse`],
    /// [`Input::KadFailed`], or the core's own time-out.
    KadRequest {
        /// To whom.
        to: PeerHandle,
        /// Comes back with the response.
        exchange: Exchange,
        /// The request.
        request: Request,
    },
    /// Send a response.
    KadResponse {
        /// To whom.
        to: PeerHandle,
        /// The driver's name from [`Input::KadRequest`].
        reply: u32,
        /// The response.
        response: Response,
    },
    /// The node has joined: its own look-up and the first refreshes are done.
    Joined,
    /// A look-up ended.
    LookupDone(Box<LookupReport>),
    /// The end of [`Input::GetValue`].
    Value {
        /// The key.
        target: Target,
        /// What was found.
        record: Option<Box<Record>>,
    },
    /// Ask the driver's own discovery for a function's providers. Answered by [`Input::Resolved`].
    Resolve {
        /// The function.
        function: FunctionHandle,
    },
    /// Tell the driver's own discovery that this node hosts a function, or does not any more.
    Publish {
        /// The function.
        function: FunctionHandle,
        /// False: withdrawn.
        hosted: bool,
    },
    /// Carry a call to a provider; dial if there is no connection. If `provider` is this node: run it here.
    Attempt(Box<Attempt>),
    /// Stop an attempt as far as possible. The driver answers with [`AttemptEvent::Failed`] (`Cancelled`) or, where
    /// the answer was already on its way, with that.
    CancelAttempt {
        /// The attempt.
        attempt: AttemptId,
        /// True: only if its code has not started; else nothing happens and nothing is answered. A manycall fetches
        /// an item back from a slow provider's queue with it, and must not kill one that has just begun.
        only_queued: bool,
    },
    /// An attempt is over for the core.
    AttemptDone(Box<AttemptReport>),
    /// A call is over: tell the user.
    CallDone(Box<CallReport>),
    /// Give up to `count` more items of a manycall.
    PullItems {
        /// The manycall.
        map: MapId,
        /// How many.
        count: u32,
    },
    /// A manycall is over: every item has had its [`Output::CallDone`].
    MapDone {
        /// The manycall.
        map: MapId,
    },
    /// Run a routed call in the local runtime.
    Serve {
        /// The entry node.
        from: PeerHandle,
        /// The driver's name from [`Input::CallArrived`].
        reply: u64,
        /// The function.
        function: FunctionHandle,
    },
    /// Refuse a routed call: the function is not hosted here.
    Refuse {
        /// The entry node.
        from: PeerHandle,
        /// The driver's name from [`Input::CallArrived`].
        reply: u64,
    },
    /// Ask a peer for a sign of life and, for a function, how full its runtime is.
    Probe {
        /// Whom.
        peer: PeerHandle,
        /// Whose capacity.
        function: Option<FunctionHandle>,
    },
}

/// An attempt to be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The attempt.
    pub id: AttemptId,
    /// Its call.
    pub call: CallId,
    /// The function.
    pub function: FunctionHandle,
    /// Where; this node's own handle: in the local runtime.
    pub provider: PeerHandle,
    /// Why.
    pub kind: AttemptKind,
    /// The call's deadline.
    pub deadline: Time,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptReport {
    /// The attempt.
    pub id: AttemptId,
    /// Its call.
    pub call: CallId,
    /// Its number within the call, from 1.
    pub number: u32,
    /// Why it was made.
    pub kind: AttemptKind,
    /// Where.
    pub provider: PeerHandle,
    /// When it was handed to the driver.
    pub start: Time,
    /// When its end was known here.
    pub end: Time,
    /// By the provider's clock, where it answered.
    pub timing: Option<Timing>,
    /// What is known of whether it ran.
    pub started: Started,
    /// Its answer became the call's.
    pub won: bool,
    /// `Ok`: an answer with this status.
    pub result: Result<u16, AttemptFailure>,
}

/// What the provider cache knew when a call came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CacheResult {
    /// Fresh providers.
    Hit,
    /// Providers past their time: used, and looked up again in the background.
    Stale,
    /// Nothing: the call waited for a look-up.
    Miss,
    /// A recent look-up had found none.
    Negative,
}

/// How a call ended, as its entry node sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallOutcome {
    /// The function answered with a status below 400.
    Ok,
    /// The function answered with its own error.
    FunctionError,
    /// Nobody provides the function.
    NotFound,
    /// Every provider was full, or the entry's own queue.
    Rejected,
    /// The deadline passed.
    Timeout,
    /// No provider could be reached.
    Unreachable,
    /// It may have run, and may not be repeated.
    Unknown,
    /// The answer broke off after its first byte.
    Truncated,
    /// The user went away.
    Cancelled,
}

/// How a call ended, and where its time went.
#[derive(Clone, Debug, PartialEq)]
pub struct CallReport {
    /// The call.
    pub call: CallId,
    /// Its manycall.
    pub map: Option<MapId>,
    /// How it ended.
    pub outcome: CallOutcome,
    /// The function's status, where it answered.
    pub status: Option<u16>,
    /// The attempt whose answer it is.
    pub winner: Option<AttemptId>,
    /// The provider whose answer it is, else the last one tried.
    pub provider: Option<PeerHandle>,
    /// When the core got it.
    pub received: Time,
    /// When it ended.
    pub done: Time,
    /// Time during which no usable provider was known and a look-up was under way, before the first attempt.
    pub lookup: Duration,
    /// Time waiting for a window at a known provider, before the first attempt.
    pub dispatch: Duration,
    /// From the first attempt to the winning one.
    pub retry: Duration,
    /// By the winner's clock.
    pub timing: Option<Timing>,
    /// What the cache knew.
    pub cache: CacheResult,
    /// Attempts made.
    pub attempts: u32,
    /// Kademlia requests and responses of the look-up that this call started.
    pub lookup_messages: u32,
    /// The last failure, in a word, for people.
    pub error: &'static str,
}

/// What a look-up was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookupPurpose {
    /// A call that found no provider in the cache.
    Call,
    /// The first announcement or the withdrawal of a function.
    Announce,
    /// Repeated announcement.
    Republish,
    /// A bucket.
    Refresh,
    /// This node's own key, on joining.
    Join,
    /// Storing or reading a value.
    Value,
    /// Asked for by the driver.
    Experiment,
}

/// How a look-up ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookupOutcome {
    /// The k closest peers that could be reached have answered (or what was looked for was found).
    Ok,
    /// Nobody answered.
    Failed,
    /// It ran out of time; what was found is used.
    Timeout,
}

/// A look-up's account.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupReport {
    /// What for.
    pub purpose: LookupPurpose,
    /// What it looked for.
    pub target: Target,
    /// When it began.
    pub start: Time,
    /// When the first provider (or value) came in; for closest peers, the first response.
    pub first_answer: Option<Time>,
    /// When it ended.
    pub done: Time,
    /// The longest referral chain among the peers that answered: 1 for those from the own table.
    pub depth: u32,
    /// Requests sent.
    pub requests: u32,
    /// Responses received.
    pub responses: u32,
    /// Requests without answer in time.
    pub timeouts: u32,
    /// Requests that failed to connect or broke.
    pub failures: u32,
    /// Connections that had to be opened for requests that were answered.
    pub dials: u32,
    /// Bytes of requests and responses on the wire.
    pub bytes: u64,
    /// The closest peers that answered, closest first, at most k.
    pub closest: Vec<PeerHandle>,
    /// Providers found, by handle.
    pub providers: Vec<PeerHandle>,
    /// How it ended.
    pub outcome: LookupOutcome,
}
