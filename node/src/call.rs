//! One call, and one manycall, as a user gives them to the node and gets them back.

use crate::body::{Body, BodyError};
use bytes::Bytes;
use edge_faas_core::faas::{AnycallPolicy, ManycallPolicy};
use edge_faas_core::io::{CacheResult, CallOutcome};
use futures::stream::BoxStream;
use http::{HeaderMap, Method, StatusCode};
use libp2p::PeerId;
use std::time::Duration;

/// A user's call.
#[derive(Debug)]
pub struct CallRequest {
    /// The function's name.
    pub function: String,
    /// The method, passed to the function.
    pub method: Method,
    /// What follows the function's name in the path, raw as received: empty, or from a `/` on. Whoever takes the call
    /// from the user refuses paths that leave the function (`..`); the provider does it once more.
    pub path: String,
    /// The query without its `?`, raw as received.
    pub query: Option<String>,
    /// The headers, hop-by-hop ones already removed.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// When the user gives up, from now; `None`: the node's setting.
    pub timeout: Option<Duration>,
    /// How to choose the provider; `None`: the node's setting.
    pub policy: Option<AnycallPolicy>,
    /// May the function run more than once for this call? `None`: the function's own word.
    pub idempotent: Option<bool>,
}

/// A function's answer.
#[derive(Debug)]
pub struct CallResponse {
    /// The function's status, whatever it is.
    pub status: StatusCode,
    /// The function's headers, hop-by-hop ones removed.
    pub headers: HeaderMap,
    /// The function's body. Dropping it cancels what is still under way.
    pub body: Body,
    /// Where the call went, and its time.
    pub info: CallInfo,
}

/// Where a call went, and where its time did.
#[derive(Clone, Debug, Default)]
pub struct CallInfo {
    /// The provider whose answer it is, else the last one that was tried.
    pub provider: Option<PeerId>,
    /// Between the entry node and the provider: 0 for the entry node's own runtime, else 1.
    pub hops: u32,
    /// Attempts made.
    pub attempts: u32,
    /// What the entry node's cache of providers knew.
    pub cache: Option<CacheResult>,
    /// Where the time went.
    pub parts: Parts,
}

/// Where a call's time went, as the columns of `calls.csv` say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Looking for a provider.
    pub lookup: Duration,
    /// Waiting for room at a known provider.
    pub dispatch: Duration,
    /// From the first attempt to the one that answered.
    pub retry: Duration,
    /// Connecting to the provider; zero over a connection that stood.
    pub connect: Duration,
    /// The way there and back: what is left of `total`.
    pub network: Duration,
    /// In the provider's queue, by its clock.
    pub queue: Duration,
    /// Waiting for an instance, by the provider's clock.
    pub cold: Duration,
    /// Running, by the provider's clock.
    pub exec: Duration,
    /// From the call's arrival to the answer's end; where the answer is still on its way, to its head.
    pub total: Duration,
}

/// A call that got no answer of its function.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct CallFailure {
    /// Why.
    pub reason: FailureReason,
    /// For people: what happened, and what to do.
    pub message: String,
    /// When trying again makes sense, where that is known.
    pub retry_after: Option<Duration>,
    /// Where the call went, and its time.
    pub info: Box<CallInfo>,
}

/// Why a call got no answer of its function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureReason {
    /// As the core says it; never `Ok` nor `FunctionError`.
    Outcome(CallOutcome),
    /// The user's body is larger than the node takes.
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The user's body broke off.
    BrokenRequest,
    /// The path, a header or the function's name cannot be passed on.
    BadRequest,
    /// The node takes no calls any more.
    ShuttingDown,
}

/// A manycall: many calls of one function, spread over its providers.
pub struct MapRequest {
    /// The function's name.
    pub function: String,
    /// How to spread the items; `None`: the node's setting.
    pub policy: Option<ManycallPolicy>,
    /// May the function run more than once for an item? `None`: the function's own word.
    pub idempotent: Option<bool>,
    /// How many items will come, where known. `static` splits by it.
    pub count: Option<u64>,
    /// When an item is given up, from its being pulled; `None`: the node's setting.
    pub timeout: Option<Duration>,
    /// The items. Pulled as providers have room; an error ends them.
    pub items: BoxStream<'static, Result<MapItem, BodyError>>,
}

/// One item of a manycall.
#[derive(Clone, Debug)]
pub struct MapItem {
    /// The method.
    pub method: Method,
    /// As in [`CallRequest::path`].
    pub path: String,
    /// As in [`CallRequest::query`].
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// The end of one item: exactly one for each that was pulled.
#[derive(Debug)]
pub struct MapResult {
    /// Its place among the items, from 0.
    pub index: u64,
    /// The function's answer, whatever its status, or why there is none.
    pub outcome: Result<MapAnswer, CallFailure>,
}

/// A function's answer to an item.
#[derive(Debug)]
pub struct MapAnswer {
    /// The function's status.
    pub status: StatusCode,
    /// The function's headers.
    pub headers: HeaderMap,
    /// The function's whole body.
    pub body: Bytes,
    /// Where the item went, and its time.
    pub info: CallInfo,
}

/// Results in the order in which they come about. Those that are not taken hold further items back; dropping it cancels
/// the manycall. It ends after the last result, or after `Err` when the items broke off: then the results of all items
/// that were pulled have come before.
pub type MapStream = BoxStream<'static, Result<MapResult, BodyError>>;

/// An outcome as results and metrics name it.
pub fn outcome_name(outcome: CallOutcome) -> &'static str {
    match outcome {
        CallOutcome::Ok => "ok",
        CallOutcome::FunctionError => "function_error",
        CallOutcome::NotFound => "not_found",
        CallOutcome::Rejected => "rejected",
        CallOutcome::Timeout => "timeout",
        CallOutcome::Unreachable => "unreachable",
        CallOutcome::Unknown => "unknown",
        CallOutcome::Truncated => "truncated",
        CallOutcome::Cancelled => "cancelled",
    }
}
