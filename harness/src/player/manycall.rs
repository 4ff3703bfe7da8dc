//! One manycall: its items go out and its results come in over one streamed request.

use super::anycall::{CALL_ID, left, outcome};
use super::{End, Played, Table};
use bytes::Bytes;
use edge_faas_core::faas::ManycallPolicy;
use edge_faas_core::results::Outcome;
use edge_faas_core::scenario::schedule::{CallNumber, Demand, ScheduledCall};
use edge_faas_core::time::Time;
use edge_faas_node::http::{IDEMPOTENT, ITEMS, ItemResult, POLICY, TIMEOUT};
use edge_faas_node::runtime::SERVICE_TIME;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::json;
use std::convert::Infallible;
use std::io;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

/// Plays a manycall; a row for each of its items, in their order.
pub(super) async fn play(
    table: &Table,
    call: ScheduledCall,
    number: CallNumber,
    policy: ManycallPolicy,
    demands: Vec<Demand>,
) -> Vec<Played> {
    let network = &table.network;
    let mut ends: Vec<Option<(Time, End)>> = demands.iter().map(|_| None).collect();
    let mut sent = None;
    let mut rest = End::without_answer(Outcome::EntryDown, "the entry node is down");
    if network.is_up(call.entry) {
        rest = match cold(table, &call).await {
            Ok(()) => {
                sent = Some(table.clock.now());
                let down = network.goes_down(call.entry);
                tokio::select! {
                    error = exchange(table, &call, number, policy, &demands, &mut ends) => error,
                    () = down => End::lost(),
                }
            }
            Err(error) => End::without_answer(Outcome::EntryLost, error),
        };
    }
    let mut played = Vec::with_capacity(demands.len());
    for ((item, demand), end) in (0u32..).zip(demands).zip(ends) {
        let (done, end) = end.unwrap_or_else(|| (table.clock.now(), rest.clone()));
        let row = table.played(&call, number.first + u64::from(item), demand, sent, end);
        played.push(Played { map: Some((number.call, item)), done, ..row });
    }
    played
}

async fn cold(table: &Table, call: &ScheduledCall) -> Result<(), String> {
    match call.cold {
        true => table.network.node(call.entry).make_cold().await.map_err(|error| error.to_string()),
        false => Ok(()),
    }
}

/// Sends the items and takes the results; what the items end with that have none.
async fn exchange(
    table: &Table,
    call: &ScheduledCall,
    number: CallNumber,
    policy: ManycallPolicy,
    demands: &[Demand],
    ends: &mut [Option<(Time, End)>],
) -> End {
    let name = table.network.plan.function(call.function);
    let (bodies, demands, count) = (table.bodies.clone(), demands.to_vec(), demands.len());
    // Made as the node reads them.
    let items = stream::iter((0u64..).zip(demands)).map(move |(item, demand)| {
        let body = bodies.of(demand.request_bytes);
        let mut line = json!({
            "path_and_query": format!("?bytes={}", demand.response_bytes),
            "headers": {
                CALL_ID: (number.first + item).to_string(),
                SERVICE_TIME.as_str(): format!("{}ns", demand.service_time.as_nanos()),
            },
            "body": String::from_utf8_lossy(&body),
        })
        .to_string();
        line.push('\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    let request = table
        .network
        .node(call.entry)
        .post(&format!("/api/v1/functions/{name}/executions/manycall"))
        .header(reqwest::header::CONTENT_TYPE, "application/x-ndjson")
        .header(POLICY, policy.name())
        .header(IDEMPOTENT, call.idempotent.to_string())
        .header(ITEMS, count.to_string())
        .header(TIMEOUT, format!("{}ns", left(call, table.clock.now()).as_nanos()))
        .body(reqwest::Body::wrap_stream(items));
    let response = match request.send().await {
        Ok(response) if response.status().is_success() => response,
        Ok(response) => {
            let (status, text) = (response.status(), response.text().await.unwrap_or_default());
            return End::without_answer(Outcome::Cancelled, format!("{status}: {}", text.trim()));
        }
        Err(_) => return End::lost(),
    };
    let bytes = response.bytes_stream().map_err(io::Error::other);
    let mut lines = FramedRead::new(StreamReader::new(bytes), LinesCodec::new());
    while let Some(line) = lines.next().await {
        let Ok(line) = line else { return End::lost() };
        match serde_json::from_str::<ItemResult>(&line) {
            Ok(result) => {
                let place = usize::try_from(result.index).ok().and_then(|index| ends.get_mut(index));
                if let Some(place) = place {
                    *place = Some((table.clock.now(), end(result)));
                }
            }
            // What the node says where it cannot go on.
            Err(_) => return End::without_answer(Outcome::Cancelled, line),
        }
    }
    End::without_answer(Outcome::EntryLost, "the node gave no result for it")
}

fn end(result: ItemResult) -> End {
    let bytes = match (&result.body, &result.body_base64) {
        (Some(text), _) => Some(text.len()),
        // Four characters for three bytes, the last ones filled up.
        (None, Some(text)) => {
            Some(text.len() / 4 * 3 - text.bytes().rev().take_while(|byte| *byte == b'=').count())
        }
        (None, None) => None,
    };
    End {
        outcome: outcome(&result.outcome),
        status: result.status,
        response_bytes: bytes.map(|bytes| bytes as u64),
        provider: result.provider,
        direct: None,
        error: result.error.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_an_answer_is_that_of_its_bytes() {
        let size = |text: &str| end(serde_json::from_str(text).unwrap()).response_bytes;
        let item = |rest: &str| format!(r#"{{"index":0,"outcome":"ok","attempts":1,"hops":1{rest}}}"#);
        assert_eq!(size(&item(r#","body":"abc""#)), Some(3));
        assert_eq!(size(&item(r#","body_base64":"AAA=""#)), Some(2));
        assert_eq!(size(&item(r#","body_base64":"AAAA""#)), Some(3));
        assert_eq!(size(&item(r#","body_base64":"""#)), Some(0));
        assert_eq!(size(&item("")), None);
    }
}
