//! Whole run folders, written and read back.

use super::*;
use crate::draws::{Draws, Purpose, Stream};
use crate::time::{Duration, Time};
use proptest::prelude::*;

pub(super) fn context(repetition: u32) -> RunContext {
    RunContext {
        run: "5c1f09e2a7b3d840".into(),
        source: Source::Sim,
        scenario: "1000-nodes, \"quoted\"".into(),
        variant: "providers=5,policy=nearest".into(),
        repetition: Some(repetition),
        seed: u64::MAX,
    }
}

/// Draws records of any content; names from a list.
struct Maker<'a> {
    stream: Stream,
    names: &'a [String],
}

impl<'a> Maker<'a> {
    fn name(&mut self) -> Name<'a> {
        let name = &self.names[self.stream.below(self.names.len() as u64) as usize];
        if self.stream.chance(0.3) {
            Name::Numbered(name, self.stream.next_u64() as u32 >> self.stream.below(32))
        } else {
            Name::Text(name)
        }
    }
    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.stream.chance(0.5) { Some(make(self)) } else { None }
    }
    /// Numbers of every length.
    fn any(&mut self) -> u64 {
        self.stream.next_u64() >> self.stream.below(64)
    }
    fn us(&mut self) -> i64 {
        let number = self.any() as i64;
        if self.stream.chance(0.3) { number.wrapping_neg() } else { number }
    }
    fn int(&mut self) -> u32 {
        self.any() as u32
    }
    fn float(&mut self) -> f64 {
        let float = f64::from_bits(self.any());
        if float.is_nan() { f64::INFINITY } else { float }
    }
    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.stream.below(all.len() as u64) as usize]
    }
    fn call(&mut self) -> CallRecord<'a> {
        CallRecord {
            phase: self.name(),
            call: self.any(),
            map: self.maybe(Self::any),
            item: self.maybe(Self::any),
            function: self.name(),
            entry: self.name(),
            provider: self.maybe(Self::name),
            policy: self.name(),
            scheduled_us: self.us(),
            sent_us: self.maybe(Self::us),
            done_us: self.maybe(Self::us),
            latency_us: self.maybe(Self::us),
            lag_us: self.maybe(Self::us),
            lookup_us: self.maybe(Self::us),
            dispatch_us: self.maybe(Self::us),
            retry_us: self.maybe(Self::us),
            connect_us: self.maybe(Self::us),
            network_us: self.maybe(Self::us),
            queue_us: self.maybe(Self::us),
            cold_us: self.maybe(Self::us),
            exec_us: self.maybe(Self::us),
            cache: self.maybe(|m| m.one_of(CacheState::ALL)),
            forwards: self.int(),
            messages: self.int(),
            attempts: self.int(),
            executions: self.int(),
            wasted_exec_us: self.us(),
            request_bytes: self.any(),
            response_bytes: self.maybe(Self::any),
            status: self.maybe(|m| m.any() as u16),
            outcome: self.one_of(Outcome::ALL),
            error: self.maybe(Self::name),
        }
    }
    fn attempt(&mut self) -> AttemptRecord<'a> {
        AttemptRecord {
            phase: self.name(),
            call: self.any(),
            attempt: self.int(),
            kind: self.one_of(AttemptKind::ALL),
            provider: self.name(),
            start_us: self.us(),
            end_us: self.maybe(Self::us),
            queue_us: self.maybe(Self::us),
            cold_us: self.maybe(Self::us),
            exec_us: self.maybe(Self::us),
            started: self.maybe(|m| m.stream.chance(0.5)),
            won: self.stream.chance(0.5),
            outcome: self.one_of(AttemptOutcome::ALL),
        }
    }
    fn lookup(&mut self) -> LookupRecord<'a> {
        LookupRecord {
            node: self.name(),
            purpose: self.one_of(LookupPurpose::ALL),
            function: self.maybe(Self::name),
            start_us: self.us(),
            first_us: self.maybe(Self::us),
            done_us: self.maybe(Self::us),
            depth: self.int(),
            requests: self.int(),
            timeouts: self.int(),
            dials: self.int(),
            bytes: self.any(),
            found: self.int(),
            found_live: self.maybe(Self::int),
            closest_correct: self.maybe(|m| m.stream.chance(0.5)),
            outcome: self.one_of(LookupOutcome::ALL),
        }
    }
    fn node(&mut self) -> NodeRecord<'a> {
        NodeRecord {
            node: self.name(),
            class: self.maybe(Self::name),
            region: self.maybe(Self::name),
            uptime_us: self.us(),
            functions: self.int(),
            capacity: self.float(),
            busy_us: self.us(),
            executions: self.any(),
            longest_queue: self.int(),
            table_size: self.int(),
            stale_share: self.maybe(Self::float),
            upkeep_messages_in: Some(self.any()),
            upkeep_messages_out: Some(self.any()),
            upkeep_bytes_in: Some(self.any()),
            upkeep_bytes_out: Some(self.any()),
            lookup_messages_in: Some(self.any()),
            lookup_messages_out: Some(self.any()),
            lookup_bytes_in: Some(self.any()),
            lookup_bytes_out: Some(self.any()),
            records_messages_in: Some(self.any()),
            records_messages_out: Some(self.any()),
            records_bytes_in: Some(self.any()),
            records_bytes_out: Some(self.any()),
            calls_messages_in: Some(self.any()),
            calls_messages_out: Some(self.any()),
            calls_bytes_in: Some(self.any()),
            calls_bytes_out: Some(self.any()),
        }
    }
    fn event(&mut self) -> EventRecord<'a> {
        EventRecord {
            time_us: self.us(),
            kind: self.one_of(EventKind::ALL),
            fault: self.maybe(Self::int),
            node: self.maybe(Self::name),
            detail: self.maybe(Self::name),
        }
    }
    fn link(&mut self) -> LinkRecord<'a> {
        LinkRecord {
            moment: self.one_of(LinkMoment::ALL),
            from: self.name(),
            to: self.name(),
            method: self.name(),
            samples: self.int(),
            asked_rtt_us: self.maybe(Self::us),
            rtt_p50_us: self.maybe(Self::us),
            rtt_p95_us: self.maybe(Self::us),
            asked_loss: self.maybe(Self::float),
            loss: self.maybe(Self::float),
            asked_bytes_per_second: self.maybe(Self::any),
            bytes_per_second: self.maybe(Self::any),
        }
    }
    fn summary(&mut self) -> SummaryRecord<'a> {
        SummaryRecord {
            metric: self.name(),
            group: self.name(),
            statistic: self.name(),
            value: self.float(),
            unit: self.name(),
            n: self.any(),
            low: self.maybe(Self::float),
            high: self.maybe(Self::float),
            method: self.name(),
        }
    }
}

/// Writes one row and holds what is read from it against the record.
fn round_trip<'a, R: Record<'a>>(record: &R, check: impl FnOnce(&mut Reader<&[u8]>)) {
    let mut row = Row::default();
    row.raw(R::TABLE.header().as_bytes());
    row.end();
    row.raw(&context(7).prefix());
    record.put(&mut row);
    row.end();
    let mut reader = Reader::new(R::TABLE, row.bytes()).unwrap();
    check(&mut reader);
}

macro_rules! assert_round_trip {
    ($record:expr, $type:ty) => {{
        let record = $record;
        round_trip(&record, |reader| {
            let (shared, read) = reader.next::<$type>().unwrap().unwrap();
            assert_eq!(read, record);
            let context = context(7);
            assert_eq!(
                shared,
                RowContext {
                    run: &context.run,
                    source: context.source,
                    scenario: &context.scenario,
                    variant: &context.variant,
                    repetition: context.repetition,
                    seed: context.seed,
                }
            );
            assert!(reader.next::<$type>().unwrap().is_none());
        });
    }};
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(names in prop::collection::vec("[a-z,\"\r\n é]{1,8}", 1..5), seed in any::<u64>()) {
        let mut maker = Maker { stream: Draws::new(seed, 0).stream(Purpose::CHOICE, 0), names: &names };
        assert_round_trip!(maker.call(), CallRecord<'_>);
        assert_round_trip!(maker.attempt(), AttemptRecord<'_>);
        assert_round_trip!(maker.lookup(), LookupRecord<'_>);
        assert_round_trip!(maker.node(), NodeRecord<'_>);
        assert_round_trip!(maker.event(), EventRecord<'_>);
        assert_round_trip!(maker.link(), LinkRecord<'_>);
        assert_round_trip!(maker.summary(), SummaryRecord<'_>);
    }
}

/// A repetition of two phases, one of them a warm-up: 30 calls a second for a minute from time 0, a fault at 40 s after which one
/// call in ten fails for three seconds, a manycall of ten items every ten seconds, look-ups, and eight nodes.
pub(super) fn repetition(number: u32) -> RepetitionOutput {
    let plan = RepetitionPlan {
        phases: vec![
            PhasePlan {
                name: "warm".into(),
                start: Time::ZERO,
                duration: Some(Duration::from_secs(10)),
                measure: false,
            },
            PhasePlan {
                name: "steady".into(),
                start: Time::ZERO + Duration::from_secs(10),
                duration: Some(Duration::from_secs(50)),
                measure: true,
            },
        ],
        without: Vec::new(),
    };
    let mut stream = Draws::new(11, number).stream(Purpose::CHOICE, 0);
    let mut writer = RepetitionWriter::new(&context(number), &plan, &mut MemoryScratch).unwrap();
    writer.nodes_up(Time::from_micros(-1_000_000), 8);
    for call in 0..1800_u64 {
        let scheduled = Time::from_micros(call as i64 * 1_000_000 / 30);
        let second = scheduled.as_micros() / 1_000_000;
        let failed = (40..43).contains(&second) && call % 10 == 0;
        let outcome = if failed { Outcome::Timeout } else { Outcome::Ok };
        let exec = Duration::from_micros(20_000 + stream.below(20_000) as i64);
        let wait = Duration::from_nanos(30_000_000 + stream.below(10_000_000) as i64);
        let times = CallTimes {
            scheduled,
            sent: Some(scheduled),
            lookup: Duration::from_millis(if call % 100 == 0 { 40 } else { 0 }),
            dispatch: Duration::ZERO,
            retry: Duration::ZERO,
            connect: Some(Duration::ZERO),
            queue: Some(Duration::ZERO),
            cold: Some(Duration::ZERO),
            exec: Some(exec),
            done: Some(scheduled + exec + wait + Duration::from_millis(if call % 100 == 0 { 40 } else { 0 })),
        };
        let map = (second % 10 == 5).then_some(second as u64 / 10);
        let (phase, policy) = (if second < 10 { "warm" } else { "steady" }, Name::Text("nearest"));
        let record = CallRecord {
            provider: (!failed).then_some(Name::Numbered("node-", (call % 3) as u32)),
            map,
            item: map.map(|_| call % 30),
            cache: Some(if call % 100 == 0 { CacheState::Miss } else { CacheState::Hit }),
            forwards: 1,
            messages: if call % 100 == 0 { 45 } else { 2 },
            attempts: 1 + u32::from(failed),
            executions: 1,
            request_bytes: 4096,
            response_bytes: (!failed).then_some(32_768),
            status: (!failed).then_some(200),
            error: failed.then_some(Name::Text("deadline, 10 s")),
            ..CallRecord::new(
                call,
                Name::Text(phase),
                Name::Numbered("resize-", (call % 50) as u32),
                Name::Numbered("node-", (call % 8) as u32),
                policy,
                outcome,
                &times.parts(outcome),
            )
        };
        assert!(record.parts().add_up(outcome));
        writer.call(&record).unwrap();
        writer.stretch(Name::Text(phase), policy, Duration::from_millis(36), Duration::from_millis(30));
        writer.bytes_sent(scheduled, TrafficClass::Calls, 36_864);
        if call % 100 == 0 {
            let start_us = scheduled.as_micros();
            writer
                .lookup(&LookupRecord {
                    node: Name::Numbered("node-", (call % 8) as u32),
                    purpose: LookupPurpose::Call,
                    function: Some(Name::Numbered("resize-", (call % 50) as u32)),
                    start_us,
                    first_us: Some(start_us + 25_000),
                    done_us: Some(start_us + 40_000),
                    depth: 2 + (call / 100 % 3) as u32,
                    requests: 43,
                    timeouts: 0,
                    dials: 5,
                    bytes: 21_000,
                    found: 3,
                    found_live: Some(3),
                    closest_correct: Some(true),
                    outcome: if call == 1700 { LookupOutcome::Failed } else { LookupOutcome::Ok },
                })
                .unwrap();
        }
    }
    writer
        .event(&EventRecord {
            time_us: 40_100_000,
            kind: EventKind::Kill,
            fault: Some(0),
            node: None,
            detail: Some(Name::Text("kill 5 % of the nodes")),
        })
        .unwrap();
    for node in 0..8 {
        writer
            .node(&NodeRecord {
                node: Name::Numbered("node-", node),
                class: None,
                region: Some(Name::Text("eu, west")),
                uptime_us: 60_000_000,
                functions: u32::from(node < 3),
                capacity: 4.0,
                busy_us: if node < 3 { 18_000_000 } else { 0 },
                executions: 600,
                longest_queue: 2,
                table_size: 7,
                stale_share: Some(0.0),
                upkeep_messages_in: Some(100),
                upkeep_messages_out: Some(100),
                upkeep_bytes_in: Some(12_000),
                upkeep_bytes_out: Some(12_000),
                lookup_messages_in: Some(97),
                lookup_messages_out: Some(97),
                lookup_bytes_in: Some(48_000),
                lookup_bytes_out: Some(48_000),
                records_messages_in: Some(60),
                records_messages_out: Some(60),
                records_bytes_in: Some(6_000),
                records_bytes_out: Some(6_000),
                calls_messages_in: Some(450),
                calls_messages_out: Some(450),
                calls_bytes_in: Some(8_000_000),
                calls_bytes_out: Some(8_000_000),
            })
            .unwrap();
    }
    writer.finish().unwrap()
}

pub(super) fn run(repetitions: u32) -> (MemoryFolder, Written) {
    let mut run = RunWriter::new(MemoryFolder::default(), Source::Sim).unwrap();
    for number in 0..repetitions {
        run.append(repetition(number)).unwrap();
    }
    run.finish().unwrap()
}

#[test]
fn a_folder_is_the_same_however_its_repetitions_were_made() {
    let (folder, written) = run(3);
    // As threads would: last first.
    let mut outputs: Vec<_> = (0..3).rev().map(repetition).collect();
    outputs.reverse();
    let mut again = RunWriter::new(MemoryFolder::default(), Source::Sim).unwrap();
    outputs.into_iter().for_each(|output| again.append(output).unwrap());
    let (again, same) = again.finish().unwrap();
    assert_eq!((&folder, &written.run_hash), (&again, &same.run_hash));
    assert_ne!(run(2).1.run_hash, written.run_hash);
    for entry in &written.files {
        assert_eq!(*entry, file_entry(&entry.name, folder.get(&entry.name).unwrap()).unwrap());
    }
    let names: Vec<_> = written.files.iter().map(|entry| entry.name.as_str()).collect();
    let all = "attempts.csv calls.csv events.csv latency.hlog lookups.csv nodes.csv summary.csv timeline.csv";
    assert_eq!(names.join(" "), all);
    let calls = written.files.iter().find(|entry| entry.name == "calls.csv").unwrap();
    assert_eq!(calls.rows, Some(5400));
}

#[test]
fn rows_of_repetitions_follow_each_other() {
    let (folder, _) = run(2);
    let mut reader = Reader::new(Table::Calls, folder.get("calls.csv").unwrap()).unwrap();
    let mut last = None;
    while let Some((context, call)) = reader.next::<CallRecord<'_>>().unwrap() {
        assert!(call.parts().add_up(call.outcome));
        let key = (context.repetition, call.call);
        assert!(last < Some(key));
        last = Some(key);
    }
    assert_eq!(last, Some((Some(1), 1799)));
}

#[test]
fn the_summary_says_what_the_rows_say() {
    let (folder, written) = run(6);
    let summary = &written.summaries[0].1;
    let median = |metric, group, statistic| summary.median(metric, group, statistic).unwrap();
    assert_eq!(median("calls", "all", "count"), 1500.0);
    assert_eq!(median("outcome", "phase=steady", "timeout"), 9.0);
    assert_eq!(median("success", "phase=steady", "share"), 1491.0 / 1500.0);
    assert_eq!(median("offered", "phase=steady", "rate"), 30.0);
    // Two of the calls end after the phase.
    assert_eq!(median("goodput", "phase=steady policy=nearest", "rate"), 1489.0 / 50.0);
    assert_eq!(median("stretch", "all", "mean"), 1.2);
    assert_eq!(median("cache", "all", "miss"), 0.01);
    assert_eq!(median("lookups", "all", "count"), 18.0);
    assert_eq!(median("lookups_failed", "purpose=call", "count"), 1.0);
    assert_eq!(median("lookup_correct", "all", "share"), 1.0);
    assert_eq!(median("traffic", "class=upkeep", "bytes"), 200.0);
    assert_eq!(median("load", "all", "jain"), 1.0);
    assert_eq!(median("maps", "all", "count"), 5.0);
    // Nine failures in 1,500 are less than 1 %, and more than 0.1 %.
    assert!(median("latency_with_failures", "all", "p99") < 1e6);
    assert_eq!(median("latency_with_failures", "all", "p99.9"), f64::INFINITY);
    // Struck at 40.1 s; the failures end in the seconds 40, 41, 42; 43 is the first of five without any.
    assert_eq!(median("recovery", "fault=0", "time"), 2_900_000.0);
    assert_eq!(summary.get("calls", "phase=warm", "count"), None);

    // The exact quantile, from the rows.
    let mut exact = Vec::new();
    let mut reader = Reader::new(Table::Calls, folder.get("calls.csv").unwrap()).unwrap();
    while let Some((context, call)) = reader.next::<CallRecord<'_>>().unwrap() {
        if context.repetition == Some(4) && call.phase == *"steady" && call.outcome == Outcome::Ok {
            exact.push(call.latency_us.unwrap());
        }
    }
    exact.sort_unstable();
    let exact = exact[(exact.len() * 99).div_ceil(100) - 1] as f64;
    let got = summary.repetitions()[4].get("latency", "all", "p99").unwrap();
    assert!(got >= exact && got <= exact * 1.001, "{got} for {exact}");

    let mut rows = 0;
    let mut reader = Reader::new(Table::Summary, folder.get("summary.csv").unwrap()).unwrap();
    while let Some((context, row)) = reader.next::<SummaryRecord<'_>>().unwrap() {
        rows += 1;
        if context.repetition.is_none()
            && row.metric == *"latency"
            && row.group == *"all"
            && row.statistic == *"p50"
        {
            assert_eq!(row.n, 6);
            assert_eq!(row.method.to_string(), "median; order statistics 1 and 6 of 6 cover 96.8 %");
            assert!(row.low.unwrap() <= row.value && row.value <= row.high.unwrap());
        }
    }
    assert_eq!(
        rows,
        summary.repetitions().iter().map(|r| r.statistics.len()).sum::<usize>() + summary.overall().len()
    );
}

/// The table that the documentation must hold.
fn documented(columns: &[Column]) -> String {
    let mut text = String::from("| column | unit | meaning |\n|---|---|---|\n");
    for Column { name, unit, description, .. } in columns {
        text += &format!("| `{name}` | {unit} | {description} |\n");
    }
    text
}

const DOCS: &str = include_str!("../../docs/results.md");

/// A part of the documentation, from its heading to the next of the same level.
fn section(heading: &str) -> &'static str {
    let start = DOCS.find(&format!("{heading}\n")).unwrap_or_else(|| panic!("no heading {heading}"));
    let rest = &DOCS[start + heading.len()..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

#[test]
fn every_column_is_documented_and_no_other() {
    let mut sections = vec![("### Shared columns".to_owned(), SHARED_COLUMNS)];
    sections.extend(Table::ALL.map(|table| (format!("## {table}"), table.columns())));
    for (heading, columns) in sections {
        let wanted = documented(columns);
        assert!(section(&heading).contains(&wanted), "{heading} must hold\n{wanted}");
        let tables = section(&heading).matches("| column |").count();
        assert_eq!(tables, 1, "{heading}");
    }
}

#[test]
fn every_outcome_is_documented() {
    let rows: Vec<&str> =
        section("## calls.csv").lines().filter_map(|line| line.strip_prefix("| `")).collect();
    let found: Vec<&str> = rows.iter().filter_map(|row| row.split('`').next()).collect();
    let wanted: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    assert!(found.ends_with(&wanted), "{found:?}");
    let mut words: Vec<&str> = AttemptOutcome::ALL.iter().map(|word| word.as_str()).collect();
    words.extend(AttemptKind::ALL.iter().map(|word| word.as_str()));
    words.extend(LookupOutcome::ALL.iter().map(|word| word.as_str()));
    words.extend(LookupPurpose::ALL.iter().map(|word| word.as_str()));
    words.extend(EventKind::ALL.iter().map(|word| word.as_str()));
    words.extend(CacheState::ALL.iter().map(|word| word.as_str()));
    words.extend(Source::ALL.iter().map(|word| word.as_str()));
    for word in words {
        assert!(DOCS.contains(&format!("`{word}`")), "`{word}` is not documented");
    }
}

#[test]
fn every_metric_is_documented_and_no_other() {
    use std::collections::BTreeSet;
    let (_, written) = run(1);
    let observed: BTreeSet<(String, String, String)> = written.summaries[0]
        .1
        .overall()
        .iter()
        .map(|o| (o.metric.to_string(), o.statistic.to_string(), o.unit.to_string()))
        .collect();
    let rows = section("## summary.csv").split_once("| metric |").unwrap().1;
    let mut documented = BTreeSet::new();
    for row in rows.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for statistic in cells[2].split_whitespace() {
            let bare = |word: &str| word.trim_matches('`').to_owned();
            documented.insert((bare(cells[1]), bare(statistic), cells[3].to_owned()));
        }
    }
    let missing: Vec<_> = observed.symmetric_difference(&documented).collect();
    assert!(missing.is_empty(), "written or documented, but not both: {missing:?}");
}

#[test]
fn every_field_of_the_manifest_is_documented() {
    let mut manifest = manifest::tests::manifest(1, "x".into(), Vec::new());
    let rule = StoppingRule::parse("latency_p95 ±5%", 20).unwrap();
    manifest.stopped = Some(Stopped { rule, repetitions: vec![7] });
    let serde_json::Value::Object(fields) = serde_json::to_value(&manifest).unwrap() else {
        panic!("a manifest is an object");
    };
    let mut wanted: Vec<&str> = fields.keys().map(String::as_str).collect();
    for inner in ["program", "stopped", "host", "cost"] {
        wanted.extend(fields[inner].as_object().unwrap().keys().map(String::as_str));
    }
    for field in wanted {
        assert!(section("## manifest.json").contains(&format!("`{field}`")), "`{field}` is not documented");
    }
}
