//! An item of a manycall and its result, as JSON.

use super::header;
use crate::call::{CallFailure, CallInfo, MapAnswer, MapItem, MapResult};
use crate::openfaas::header::remove_hop_by_hop;
use crate::path;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;

/// A call as the thesis' interface writes it: the body of `…/executions`, and an item of `…/manycall`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    /// `POST` if it is left out.
    #[serde(default)]
    http_method: Option<String>,
    /// What follows the function's name, from a `/` on, with its query.
    #[serde(default)]
    path_and_query: Option<String>,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    /// A text as its characters, anything else as the JSON that it is.
    #[serde(default)]
    body: Option<Box<RawValue>>,
    /// The body in base64, where it is not text.
    #[serde(default)]
    body_base64: Option<String>,
}

/// Reads an item, and checks that it cannot leave its function.
///
/// # Errors
/// Says what is wrong.
pub fn read(text: &str) -> Result<MapItem, String> {
    // A list would be read as an object's values in their order.
    if !text.trim_start().starts_with('{') {
        return Err("an item is a JSON object, such as {\"body\": \"…\"}".to_owned());
    }
    serde_json::from_str::<Item>(text).map_err(|error| error.to_string())?.read()
}

impl Item {
    fn read(self) -> Result<MapItem, String> {
        let invalid = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
        let method = match self.http_method {
            None => Method::POST,
            Some(text) => text
                .to_ascii_uppercase()
                .parse()
                .map_err(|_| invalid("http_method", &format!("{text:?} is no HTTP method")))?,
        };
        let (path, query) = match self.path_and_query.as_deref() {
            None | Some("") => (String::new(), None),
            Some(text) => {
                // Before anything else reads it: parsers drop what follows a `#`, for instance.
                let (path, query) = match text.split_once('?') {
                    Some((path, query)) => (path, Some(query)),
                    None => (text, None),
                };
                path::check(path, query).map_err(|error| invalid("path_and_query", &error))?;
                (path.to_owned(), query.map(str::to_owned))
            }
        };
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers.unwrap_or_default() {
            let error = |error: &dyn std::fmt::Display| invalid(&format!("headers, {name:?}"), error);
            let value = HeaderValue::try_from(value).map_err(|wrong| error(&wrong))?;
            headers.append(HeaderName::try_from(name.as_str()).map_err(|wrong| error(&wrong))?, value);
        }
        remove_hop_by_hop(&mut headers);
        let body = match (self.body, self.body_base64) {
            (None, None) => Bytes::new(),
            (Some(_), Some(_)) => {
                return Err("an item has either `body` or `body_base64`, not both".to_owned());
            }
            (None, Some(text)) => {
                STANDARD.decode(text).map_err(|error| invalid("body_base64", &error))?.into()
            }
            (Some(value), None) => match serde_json::from_str::<String>(value.get()) {
                Ok(text) => text.into(),
                Err(_) => {
                    // Not parsed and written again: numbers, order and blanks stay as they are.
                    if !headers.contains_key(CONTENT_TYPE) {
                        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                    }
                    value.get().to_owned().into()
                }
            },
        };
        Ok(MapItem { method, path, query, headers, body })
    }
}

/// A result of a streamed manycall: one line.
#[derive(Debug, Serialize, Deserialize)]
pub struct ItemResult {
    /// The item's place, from 0.
    pub index: u64,
    /// How it ended: `ok`, `function_error`, or why there is no answer.
    pub outcome: String,
    /// The function's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The function's answer, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The function's answer in base64, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Why there is no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The peer id of the node whose runtime answered, or was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Attempts made.
    pub attempts: u32,
    /// 0 where the entry node's own runtime answered, else 1.
    pub hops: u32,
    /// Where the time went, in milliseconds, by part.
    #[serde(default)]
    pub timing: BTreeMap<String, f64>,
}

impl ItemResult {
    /// A result as it is streamed.
    pub(super) fn of(result: MapResult) -> Self {
        let mut line = match result.outcome {
            Ok(answer) => {
                let outcome = if answer.status.as_u16() < 400 { "ok" } else { "function_error" };
                let mut line = Self::with(result.index, outcome, &answer.info);
                line.status = Some(answer.status.as_u16());
                match text(answer.body) {
                    Ok(text) => line.body = Some(text),
                    Err(bytes) => line.body_base64 = Some(STANDARD.encode(bytes)),
                }
                line
            }
            Err(failure) => {
                let (_, outcome) = super::answer::status(failure.reason);
                let mut line = Self::with(result.index, outcome, &failure.info);
                line.error = Some(failure.message);
                line
            }
        };
        line.timing.retain(|_, milliseconds| *milliseconds > 0.0);
        line
    }

    fn with(index: u64, outcome: &str, info: &CallInfo) -> Self {
        let timing = header::parts(&info.parts);
        ItemResult {
            index,
            outcome: outcome.to_owned(),
            status: None,
            body: None,
            body_base64: None,
            error: None,
            provider: info.provider.map(|id| id.to_string()),
            attempts: info.attempts,
            hops: info.hops,
            timing: timing.map(|(name, part)| (name.to_owned(), milliseconds(part))).into(),
        }
    }
}

/// Milliseconds, to the microsecond.
fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

/// The bytes as text, if they are.
fn text(bytes: Bytes) -> Result<String, Bytes> {
    String::from_utf8(bytes.into()).map_err(|error| error.into_bytes().into())
}

/// A result in the thesis' list: the body of an answer of 200, else an object with status and body.
pub(super) fn thesis(outcome: Result<MapAnswer, CallFailure>) -> Box<RawValue> {
    match outcome {
        Ok(answer) if answer.status.as_u16() == 200 => value(&answer.headers, answer.body),
        Ok(answer) => object(answer.status.as_u16(), value(&answer.headers, answer.body)),
        Err(failure) => {
            let (status, _) = super::answer::status(failure.reason);
            object(status.as_u16(), raw(&failure.message))
        }
    }
}

#[derive(Serialize)]
struct Other {
    status: u16,
    body: Box<RawValue>,
}

fn object(status: u16, body: Box<RawValue>) -> Box<RawValue> {
    raw(&Other { status, body })
}

/// A body as a JSON value: what says that it is JSON, and is, as it stands; text as text; the rest in base64.
fn value(headers: &HeaderMap, body: Bytes) -> Box<RawValue> {
    let json =
        headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    match text(body) {
        Ok(text) if json => match serde_json::from_str::<Box<RawValue>>(&text) {
            Ok(raw) => raw,
            Err(_) => raw(&text),
        },
        Ok(text) => raw(&text),
        Err(bytes) => raw(&BTreeMap::from([("body_base64", STANDARD.encode(bytes))])),
    }
}

/// Texts, numbers and maps with texts as keys have a JSON; `null` stands for what has none.
fn raw(value: &(impl Serialize + ?Sized)) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<MapItem, String> {
        super::read(text)
    }

    #[test]
    fn bodies_go_through_as_they_are() {
        let body = |text: &str| read(text).unwrap().body;
        assert_eq!(body(r#"{"body":"007"}"#), "007");
        assert_eq!(body(r#"{"body":"\"7\""}"#), "\"7\"");
        assert_eq!(body(r#"{"body":"ä\n\u0000"}"#), "ä\n\0");
        assert_eq!(body(r#"{"body":{"b":1.50, "a":[1e2]}}"#), r#"{"b":1.50, "a":[1e2]}"#);
        assert_eq!(body(r#"{"body_base64":"/wA="}"#), &b"\xff\0"[..]);
        assert_eq!(body("{}"), "");
        assert_eq!(read(r#"{"body":[1]}"#).unwrap().headers["content-type"], "application/json");
    }

    #[test]
    fn method_path_and_query_are_the_function_s() {
        let item = read(r#"{"http_method":"get","path_and_query":"/a%2Fb?x=1&y"}"#).unwrap();
        assert_eq!(
            (item.method, item.path.as_str(), item.query.as_deref()),
            (Method::GET, "/a%2Fb", Some("x=1&y"))
        );
        let item = read(r#"{"headers":{"X-A":"1","Connection":"close"}}"#).unwrap();
        assert_eq!(item.method, Method::POST);
        assert_eq!(item.headers.len(), 1);
    }

    proptest! {
        /// Whatever comes, it is refused or stays in its function.
        #[test]
        fn nothing_that_is_read_leaves_the_function(text in ".{0,60}", path in "[/.%2eE5cf\\\\?#a ]{0,12}") {
            let _ = read(&text);
            let item = read(&serde_json::json!({ "path_and_query": path, "body": text }).to_string());
            if let Ok(item) = item {
                prop_assert_eq!(crate::path::check(&item.path, item.query.as_deref()), Ok(()));
                prop_assert_eq!(item.body, text.as_bytes());
            }
        }
    }

    #[test]
    fn items_that_would_leave_the_function_are_refused() {
        for path in
            ["/../../system/functions", "/%2e%2e/x", "/..%2fx", "http://127.0.0.1/", "x", "/a#b", "/a?b#c"]
        {
            let text = serde_json::json!({ "path_and_query": path }).to_string();
            assert!(read(&text).is_err_and(|error| error.contains("path_and_query")), "{path}");
        }
        for (text, part) in [
            (r#"{"http_method":"GE T"}"#, "HTTP method"),
            (r#"{"body":"a","body_base64":"YQ=="}"#, "not both"),
            (r#"{"body_base64":"?"}"#, "body_base64"),
            (r#"{"headers":{"a b":"c"}}"#, "a b"),
            (r#"{"bodi":"a"}"#, "bodi"),
            ("[]", "object"),
            ("7", "object"),
            ("{", "EOF"),
        ] {
            assert!(read(text).is_err_and(|error| error.contains(part)), "{text}");
        }
    }

    #[test]
    fn the_thesis_list_has_bodies_and_what_went_wrong() {
        let answer = |status, content_type: &'static str, body: &'static [u8]| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            let status = StatusCode::from_u16(status).unwrap();
            thesis(Ok(MapAnswer {
                status,
                headers,
                body: Bytes::from_static(body),
                info: CallInfo::default(),
            }))
            .get()
            .to_owned()
        };
        assert_eq!(answer(200, "text/plain", b"007"), r#""007""#);
        assert_eq!(answer(200, "application/json", b"007"), r#""007""#);
        assert_eq!(answer(200, "application/json", b"{\"a\": 1.0}"), r#"{"a": 1.0}"#);
        assert_eq!(answer(200, "image/png", b"\xff"), r#"{"body_base64":"/w=="}"#);
        assert_eq!(answer(503, "text/plain", b"no"), r#"{"status":503,"body":"no"}"#);
    }
}
