//! `latency.hlog`: the latencies of `ok` calls as histograms, in the log format of HdrHistogram.

use super::summary::LatencyLog;
use super::writer::RunContext;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::io::{self, Write};
use std::time;

/// The file's name in the run folder.
pub const LATENCY_LOG: &str = "latency.hlog";

/// Starts the file. Its times are virtual: seconds since the start of the first phase, so the base is zero.
pub(crate) fn begin(mut file: &mut impl Write) -> io::Result<()> {
    IntervalLogWriterBuilder::new()
        .add_comment("latencies of ok calls in microseconds; tags: [variant/]repetition/phase/policy")
        .with_base_time(time::UNIX_EPOCH)
        .begin_log_with(&mut file, &mut V2DeflateSerializer::new())?;
    Ok(())
}

/// What follows the head that [`begin`] writes.
pub(crate) fn without_head(mut file: &[u8]) -> &[u8] {
    while file.first() == Some(&b'#') {
        let end = file.iter().position(|byte| *byte == b'\n').map_or(file.len(), |at| at + 1);
        file = &file[end..];
    }
    file
}

/// Adds the histograms of a repetition, one for each measured phase and policy.
pub(crate) fn append(mut file: &mut impl Write, context: &RunContext, logs: &[LatencyLog]) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut writer = IntervalLogWriterBuilder::new().begin_log_with(&mut file, &mut serializer)?;
    for log in logs {
        let mut tag =
            if context.variant.is_empty() { String::new() } else { format!("{}/", context.variant) };
        tag += &format!("{}/{}/{}", context.repetition.unwrap_or(0), log.phase, log.policy);
        // The format has no way to quote these.
        let tag = tag.replace([',', ' ', '\r', '\n'], "_");
        let from = log.span.0.max(0) as u64;
        let length = log.span.1.saturating_sub(log.span.0).max(0) as u64;
        writer
            .write_histogram(
                log.latency.histogram(),
                time::Duration::from_micros(from),
                time::Duration::from_micros(length),
                Tag::new(&tag),
            )
            .map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Source;
    use crate::results::summary::Samples;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn the_log_is_read_back() {
        let mut latency = Samples::new();
        (1..=1000).for_each(|value| latency.record(value * 100));
        let log = LatencyLog {
            phase: "steady state".into(),
            policy: "nearest".into(),
            span: (1_000_000, 3_500_000),
            latency,
        };
        let context = RunContext {
            run: "r".into(),
            source: Source::Sim,
            scenario: "s".into(),
            variant: "a=1,b=2".into(),
            repetition: Some(3),
            seed: 1,
        };
        let mut file = Vec::new();
        begin(&mut file).unwrap();
        append(&mut file, &context, &[log]).unwrap();
        let mut intervals = IntervalLogIterator::new(&file).filter_map(|entry| match entry.unwrap() {
            LogEntry::Interval(interval) => Some(interval),
            _ => None,
        });
        let interval = intervals.next().unwrap();
        assert_eq!(interval.tag().unwrap().as_str(), "a=1_b=2/3/steady_state/nearest");
        assert_eq!(interval.start_timestamp(), time::Duration::from_secs(1));
        assert_eq!(interval.duration(), time::Duration::from_millis(2500));
        let bytes = base64_of_log(interval.encoded_histogram());
        let histogram: hdrhistogram::Histogram<u64> =
            Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        assert_eq!(histogram.len(), 1000);
        assert!(histogram.value_at_quantile(0.5).abs_diff(50_000) <= 50);
        assert!(intervals.next().is_none());
    }

    /// Standard base 64, as the log writes it.
    fn base64_of_log(text: &str) -> Vec<u8> {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
        for digit in text.bytes().filter(|digit| *digit != b'=') {
            bits = bits << 6 | DIGITS.iter().position(|d| *d == digit).unwrap() as u32;
            held += 6;
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
                bits &= (1 << held) - 1;
            }
        }
        bytes
    }
}
