//! What a deployment on the built-in runtime can set, and what a call can.

use super::kind::Kind;
use crate::openfaas::FunctionDeployment;
use crate::runtime::annotation;
use edge_faas_core::units;
use http::{HeaderMap, HeaderName, StatusCode};
use std::time::Duration;

/// A call's own service time, with its unit (`20ms`): takes the place of the function's `duration`. Every function but
/// `pi` and `fail` then takes that long.
pub const SERVICE_TIME: HeaderName = HeaderName::from_static("x-edge-faas-service-time");

/// The most bytes that `payload` and the others answer with.
const BYTES_MAX: u64 = 1 << 40;
/// The most digits of pi.
const DIGITS_MAX: u32 = 1_000_000;
/// The most calls of one function at once, and the most that wait.
const CALLS_MAX: u32 = 1_000_000;

/// What a deployment has set, or a call changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Options {
    /// Calls that one replica runs at once.
    pub(super) concurrency: u32,
    /// Calls that may wait, all replicas together.
    pub(super) queue: u32,
    /// How long a call may run.
    pub(super) exec_timeout: Option<Duration>,
    /// How long `sleep` sleeps and `cpu` computes.
    pub(super) duration: Duration,
    /// How many bytes `payload`, `sleep` and `cpu` answer with.
    pub(super) bytes: u64,
    /// How many digits `pi` computes.
    pub(super) digits: u32,
    /// What `fail` answers with; `None`: it breaks without an answer, as a runtime does that crashes.
    pub(super) status: Option<StatusCode>,
}

impl Options {
    /// Reads the annotations and environment variables of a deployment.
    pub(super) fn of(kind: Kind, deployment: &FunctionDeployment) -> Result<Self, String> {
        let annotations = &deployment.annotations;
        let mut options = Options {
            concurrency: annotation::number(annotations, annotation::CONCURRENCY)?.unwrap_or(100),
            queue: annotation::number(annotations, annotation::QUEUE)?.unwrap_or(100),
            exec_timeout: annotation::duration(annotations, annotation::TIMEOUT)?,
            duration: Duration::ZERO,
            bytes: if kind == Kind::Payload { 1_024 } else { 0 },
            digits: 1_000,
            status: Some(StatusCode::INTERNAL_SERVER_ERROR),
        };
        if !(1..=CALLS_MAX).contains(&options.concurrency) || options.queue > CALLS_MAX {
            return Err(format!(
                "{} is from 1 and {} from 0, both to {CALLS_MAX}",
                annotation::CONCURRENCY,
                annotation::QUEUE
            ));
        }
        for (name, value) in &deployment.env_vars {
            // Other variables are for programs, and harmless here.
            options.set(name, value).map_err(|error| format!("envVars.{name}: {error}"))?;
        }
        Ok(options)
    }

    /// The options of one call: its query and headers change the function's.
    pub(super) fn of_call(&self, query: Option<&str>, headers: &HeaderMap) -> Result<Self, String> {
        let mut options = self.clone();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            options.set(name, value).map_err(|error| format!("query, {name}: {error}"))?;
        }
        if let Some(value) = headers.get(SERVICE_TIME) {
            let error = |error: String| format!("{SERVICE_TIME}: {error}");
            let text = value.to_str().map_err(|_| error("not text".to_owned()))?;
            options.duration = duration(text).map_err(error)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "duration" => self.duration = duration(value)?,
            "bytes" => self.bytes = bytes(value)?,
            "digits" => {
                let digits = value.parse().ok().filter(|digits| (1..=DIGITS_MAX).contains(digits));
                self.digits =
                    digits.ok_or_else(|| format!("{value:?} is not a number from 1 to {DIGITS_MAX}"))?;
            }
            "status" if value == "crash" => self.status = None,
            "status" => {
                let status = value.parse().ok().filter(|status| (200..=599).contains(status));
                let status = status.and_then(|status| StatusCode::from_u16(status).ok());
                self.status =
                    Some(status.ok_or_else(|| format!("{value:?} is neither 200 to 599 nor `crash`"))?);
            }
            _ => {}
        }
        Ok(())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    units::duration(text).map(|duration| Duration::from_nanos(duration.as_nanos().unsigned_abs()))
}

/// A number of bytes, plain or with a unit.
fn bytes(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(bytes) => Ok(bytes),
        Err(_) => units::size(text),
    }
    .and_then(|bytes| match bytes <= BYTES_MAX {
        true => Ok(bytes),
        false => Err(format!("{text:?} is more than the 1 TiB that a built-in function answers with")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn deployment(env: &[(&str, &str)], annotations: &[(&str, &str)]) -> FunctionDeployment {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        FunctionDeployment {
            env_vars: map(env),
            annotations: map(annotations),
            ..FunctionDeployment::default()
        }
    }

    #[test]
    fn a_deployment_sets_what_its_calls_begin_with() {
        let deployment = deployment(
            &[("duration", "20ms"), ("bytes", "4KiB"), ("PATH", "/bin")],
            &[("edge-faas.concurrency", "2"), ("edge-faas.queue", "0"), ("edge-faas.timeout", "30s")],
        );
        let options = Options::of(Kind::Sleep, &deployment).unwrap();
        assert_eq!((options.concurrency, options.queue), (2, 0));
        assert_eq!(options.exec_timeout, Some(Duration::from_secs(30)));
        assert_eq!((options.duration, options.bytes), (Duration::from_millis(20), 4_096));

        let mut headers = HeaderMap::new();
        let call = options.of_call(Some("bytes=7&x=y"), &headers).unwrap();
        assert_eq!((call.duration, call.bytes), (Duration::from_millis(20), 7));
        headers.insert(SERVICE_TIME, HeaderValue::from_static("1.5ms"));
        let call = options.of_call(None, &headers).unwrap();
        assert_eq!((call.duration, call.bytes), (Duration::from_micros(1_500), 4_096));
    }

    #[test]
    fn mistakes_say_where_and_what_would_be_right() {
        let of = |env: &[(&str, &str)], annotations: &[(&str, &str)]| {
            Options::of(Kind::Fail, &deployment(env, annotations)).expect_err("a mistake")
        };
        assert!(of(&[("duration", "20")], &[]).contains("envVars.duration: \"20\" has no unit"));
        assert!(of(&[("status", "99")], &[]).contains("200 to 599"));
        assert!(of(&[("digits", "0")], &[]).contains("from 1 to"));
        assert!(of(&[("bytes", "-1")], &[]).contains("bytes"));
        assert!(of(&[], &[("edge-faas.concurrency", "many")]).contains("edge-faas.concurrency"));
        assert!(of(&[], &[("edge-faas.concurrency", "0")]).contains("from 1"));
    }
}
