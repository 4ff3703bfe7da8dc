//! `/api/v1/query`: answers as Prometheus would, to what an OpenFaaS gateway in front of this node asks.
//!
//! Such a gateway asks for the number of calls of each function whenever it lists them, and breaks off if nobody
//! answers. So a node can be its Prometheus (`faas_prometheus_host`, `faas_prometheus_port`).

use super::App;
use axum::Json;
use axum::extract::{RawForm, State};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The one metric that is answered for; a question for another has an empty answer.
const METRIC: &str = "gateway_function_invocation_total";

/// Answers a question given as a query or as a form.
pub(super) async fn query(State(app): State<App>, RawForm(form): RawForm) -> Json<Value> {
    let question = String::from_utf8_lossy(&form);
    let question = percent_encoding::percent_decode_str(&question).decode_utf8_lossy();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let by_code = question.rsplit_once("by").is_some_and(|(_, labels)| labels.contains("code"));
    let result = match question.contains(METRIC) {
        true => samples(&app.metrics.counts(), by_code, now),
        false => Vec::new(),
    };
    Json(json!({ "status": "success", "data": { "resultType": "vector", "result": result } }))
}

fn samples(counts: &BTreeMap<String, BTreeMap<u16, u64>>, by_code: bool, now: f64) -> Vec<Value> {
    let mut samples = Vec::new();
    for (function, codes) in counts {
        if by_code {
            samples.extend(codes.iter().map(|(code, count)| {
                let metric = json!({ "function_name": function, "code": code.to_string() });
                json!({ "metric": metric, "value": [now, count.to_string()] })
            }));
        } else {
            let total: u64 = codes.values().sum();
            let metric = json!({ "function_name": function });
            samples.push(json!({ "metric": metric, "value": [now, total.to_string()] }));
        }
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_summed_as_they_are_asked_for() {
        let counts = BTreeMap::from([("f.openfaas-fn".to_owned(), BTreeMap::from([(200, 5), (500, 2)]))]);
        assert_eq!(
            Value::from(samples(&counts, false, 1.5)),
            json!([{ "metric": { "function_name": "f.openfaas-fn" }, "value": [1.5, "7"] }])
        );
        assert_eq!(
            Value::from(samples(&counts, true, 1.5)),
            json!([
                { "metric": { "function_name": "f.openfaas-fn", "code": "200" }, "value": [1.5, "5"] },
                { "metric": { "function_name": "f.openfaas-fn", "code": "500" }, "value": [1.5, "2"] },
            ])
        );
    }
}
