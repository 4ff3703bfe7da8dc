//! One call.

use super::{End, Played, Table};
use crate::unsupported::nearest;
use edge_faas_core::faas::AnycallPolicy;
use edge_faas_core::results::Outcome;
use edge_faas_core::scenario::schedule::ScheduledCall;
use edge_faas_core::scenario::schema::Arrivals;
use edge_faas_core::time::{Duration, Time};
use edge_faas_node::experiment::Times;
use edge_faas_node::http::{IDEMPOTENT, OUTCOME, POLICY, PROVIDER, SERVER_TIMING, TIMEOUT};
use edge_faas_node::runtime::SERVICE_TIME;
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, Response};

/// The header by which a call keeps its number through all nodes.
pub(super) const CALL_ID: &str = "x-call-id";
/// After a call's deadline its node has to say so within this time.
const GRACE: std::time::Duration = std::time::Duration::from_secs(10);
/// For a call that has no deadline: the longest that a node allows.
const NO_DEADLINE: Duration = Duration::from_millis(86_400_000);

/// Plays one call, to its end.
pub(super) async fn play(
    table: &Table,
    mut call: ScheduledCall,
    number: u64,
    policy: AnycallPolicy,
) -> Played {
    let network = &table.network;
    if !network.is_up(call.entry) {
        let end = End::without_answer(Outcome::EntryDown, "the entry node is down");
        return table.played(&call, number, call.demand, None, end);
    }
    if call.cold {
        // Costs no time in the simulator. A client's call is due when its entry is cold; an open loop does not wait.
        let cold = network.node(call.entry).make_cold().await;
        if let Err(error) = cold {
            let end = End::without_answer(Outcome::EntryLost, error.to_string());
            return table.played(&call, number, call.demand, None, end);
        }
        if is_closed(table, &call) {
            call.at = call.at.max(table.clock.now());
        }
    }
    let direct = match policy {
        AnycallPolicy::Direct => match nearest(&network.plan, call.entry, call.function) {
            Some(provider) => Some(provider),
            None => {
                let end = End::without_answer(Outcome::NotFound, "nobody provides the function");
                return table.played(&call, number, call.demand, None, end);
            }
        },
        _ => None,
    };
    let timeout = left(&call, table.clock.now());
    let name = network.plan.function(call.function);
    let request = match direct {
        Some(provider) => network.node(provider).post(&format!("/api/v1/experiment/direct/{name}")),
        None => network
            .node(call.entry)
            .post(&format!("/function/{name}"))
            .header(POLICY, policy.name())
            .header(IDEMPOTENT, call.idempotent.to_string())
            .header(TIMEOUT, format!("{}ns", timeout.as_nanos())),
    };
    let request = request
        .query(&[("bytes", call.demand.response_bytes)])
        .header(CALL_ID, number.to_string())
        .header(SERVICE_TIME, format!("{}ns", call.demand.service_time.as_nanos()))
        .body(table.bodies.of(call.demand.request_bytes));
    let patience = std::time::Duration::from_nanos(timeout.as_nanos().unsigned_abs());
    let patience = if direct.is_some() { patience } else { patience.saturating_add(GRACE) };
    let taker = direct.unwrap_or(call.entry);
    let down = network.goes_down(taker);
    let sent = table.clock.now();
    let end = tokio::select! {
        end = answer(request.timeout(patience), direct) => end,
        () = down => None,
    };
    let mut end = end.unwrap_or_else(|| match direct {
        Some(_) => End::without_answer(Outcome::Unknown, "the connection broke"),
        None => End::lost(),
    });
    end.direct = end.direct.or(direct.map(|provider| (provider, None)));
    table.played(&call, number, call.demand, Some(sent), end)
}

/// Sends a request and reads its answer; `None`: whoever took it is gone.
async fn answer(request: RequestBuilder, direct: Option<u32>) -> Option<End> {
    let response = match request.send().await {
        Ok(response) => response,
        // Nobody has it. Of an entry node, this says that it is down.
        Err(error) if error.is_connect() && direct.is_some() => {
            return Some(End::without_answer(Outcome::Unreachable, "the provider cannot be reached"));
        }
        Err(error) if error.is_timeout() => {
            return Some(End::without_answer(Outcome::Timeout, "no answer in time"));
        }
        Err(_) => return None,
    };
    let mut end = of_head(&response);
    if let (Some(provider), Outcome::Ok | Outcome::FunctionError) = (direct, end.outcome) {
        end.direct = Some((provider, Some(times(response.headers()))));
    }
    match response.bytes().await {
        Ok(bytes) if matches!(end.outcome, Outcome::Ok | Outcome::FunctionError) => {
            end.response_bytes = Some(bytes.len() as u64);
        }
        Ok(bytes) => end.error = String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(error) if error.is_timeout() => end.outcome = Outcome::Timeout,
        Err(error) => {
            end.outcome = Outcome::Truncated;
            end.error = error.to_string();
        }
    }
    Some(end)
}

/// What the head of an answer says.
fn of_head(response: &Response) -> End {
    let headers = response.headers();
    let text = |name: reqwest::header::HeaderName| headers.get(name)?.to_str().ok();
    let status = response.status();
    let outcome = match text(OUTCOME) {
        Some(word) => outcome(word),
        None if status.as_u16() < 400 => Outcome::Ok,
        None => Outcome::FunctionError,
    };
    End {
        outcome,
        status: Some(status.as_u16()),
        response_bytes: None,
        provider: text(PROVIDER).map(str::to_owned),
        direct: None,
        error: String::new(),
    }
}

/// A node's word for how a call ended. What a node refuses at once is no outcome of a run: it counts as taken back.
pub(super) fn outcome(word: &str) -> Outcome {
    match word {
        "shutting_down" => Outcome::EntryLost,
        word => word.parse().unwrap_or(Outcome::Cancelled),
    }
}

/// How long a call still has.
pub(super) fn left(call: &ScheduledCall, now: Time) -> Duration {
    let deadline = call.deadline.map(|deadline| call.at.saturating_add(deadline).since(now));
    deadline.unwrap_or(NO_DEADLINE).clamp(Duration::from_millis(1), NO_DEADLINE)
}

fn is_closed(table: &Table, call: &ScheduledCall) -> bool {
    let phase = table.network.plan.scenario.phases.get(usize::from(call.id.phase));
    let calls = phase.and_then(|phase| phase.anycall.as_ref());
    calls.is_some_and(|calls| matches!(calls.stream.arrivals, Arrivals::Clients { .. }))
}

/// The times of `Server-Timing` that the provider measured.
fn times(headers: &HeaderMap) -> Times {
    let text = headers.get(SERVER_TIMING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let part = |name: &str| {
        let found = text.split(", ").find_map(|part| part.strip_prefix(name)?.strip_prefix(";dur="));
        let milliseconds: f64 = found.and_then(|value| value.parse().ok()).unwrap_or(0.0);
        Duration::from_secs_f64(milliseconds / 1e3).as_nanos()
    };
    Times { queue: part("queue"), cold: part("cold"), exec: part("exec") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_times_are_read_to_the_microsecond() {
        let mut headers = HeaderMap::new();
        headers.insert(SERVER_TIMING, "queue;dur=0.250, cold;dur=0.000, exec;dur=20.117".parse().unwrap());
        assert_eq!(times(&headers), Times { queue: 250_000, cold: 0, exec: 20_117_000 });
        assert_eq!(times(&HeaderMap::new()), Times::default());
    }

    #[test]
    fn every_word_of_a_node_is_an_outcome() {
        assert_eq!(outcome("unknown"), Outcome::Unknown);
        assert_eq!(outcome("not_found"), Outcome::NotFound);
        assert_eq!(outcome("shutting_down"), Outcome::EntryLost);
        assert_eq!(outcome("bad_request"), Outcome::Cancelled);
    }
}
