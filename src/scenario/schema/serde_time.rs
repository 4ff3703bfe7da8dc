//! Durations and instants as text: `250ms`, `-3s`. Exact: a whole number of the largest unit that fits.

use crate::time::{Duration, Time};
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

const UNITS: [(&str, i64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Nanoseconds of a whole number with a unit; `None` if it is no such thing or too large.
fn parse(text: &str) -> Option<i64> {
    let (number, factor) =
        UNITS.iter().find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)))?;
    number.parse::<i64>().ok()?.checked_mul(factor)
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match parse(&text) {
            Some(nanos) if nanos >= 0 => Ok(Duration::from_nanos(nanos)),
            _ => Err(D::Error::custom(format_args!("`{text}` is no duration such as `250ms`"))),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nanos = self.as_nanos().max(-i64::MAX);
        let sign = if nanos < 0 { "-" } else { "" };
        serializer.collect_str(&format_args!("{sign}{}", Duration::from_nanos(nanos.abs())))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let nanos = parse(&text).ok_or_else(|| {
            D::Error::custom(format_args!("`{text}` is no instant such as `3min` or `-250ms`"))
        })?;
        Ok(Time::from_nanos(nanos))
    }
}
