//! What is gathered from a run whose rows are known, and the figures of it.

use super::data::{CallData, CallKey, LookupData, NodeData, SweepData, TimelineData, faults};
use super::selection::Selection;
use super::*;
use edge_faas_core::InputFile;
use edge_faas_core::results::{
    CallParts, CallRecord, Cost, EventKind, EventRecord, Host, LookupOutcome, LookupPurpose, LookupRecord,
    Manifest, MemoryFolder, MemoryScratch, Name, NodeRecord, Outcome, PhasePlan, Program, RepetitionPlan,
    RepetitionWriter, RunContext, RunWriter, SCHEMA, Source, run_hash, run_id,
};
use edge_faas_core::scenario::{Loader, Scenario};
use edge_faas_core::time::{Duration, Time};
use std::io;
use std::path::Path;
use tempfile::TempDir;

const SCENARIO: &str = r#"
name = "known"
seed = 1
repetitions = 2
[network]
nodes = 4
latency = "20ms"
[[function]]
name = "f"
providers = 2
service_time = "20ms"
[[phase]]
name = "warm-up"
duration = "10s"
measure = false
anycall = { rate = "1/s" }
[[phase]]
name = "calls"
duration = "20s"
anycall = { rate = "1/s" }
[sweep]
"network.nodes" = [4, 8]
"#;

struct Text;

impl Loader for Text {
    fn load(&self, _path: &str) -> io::Result<Vec<u8>> {
        Ok(SCENARIO.as_bytes().to_vec())
    }
}

/// A call with a latency of `ms` milliseconds, all of it `exec` but a tenth that is `network`.
fn call(number: u64, due_ms: i64, ms: i64, outcome: Outcome) -> CallRecord<'static> {
    let name = Name::Text;
    let (due, us) = (due_ms * 1000, ms * 1000);
    let mut call = CallRecord::new(
        number,
        name("calls"),
        name("f"),
        name("node-0"),
        name("nearest"),
        outcome,
        &CallParts::default(),
    );
    call.scheduled_us = due;
    call.done_us = Some(due + us);
    call.latency_us = Some(us);
    if outcome == Outcome::Ok {
        call.network_us = Some(us / 10);
        call.exec_us = Some(us - us / 10);
        call.provider = Some(name("node-1"));
    }
    call.messages = 3;
    call
}

/// Writes two variants of two repetitions: 90 `ok` calls of 10 ms to 900 ms and 10 that time out in each, a manycall of
/// four items on two nodes, look-ups of two hops, a partition from second 12 to 18, and two nodes that work.
fn known() -> (TempDir, Run) {
    known_with(|_| {})
}

/// The same with more rows in each repetition.
fn known_with(more: impl Fn(&mut RepetitionWriter)) -> (TempDir, Run) {
    let loaded = Scenario::load("known.toml", &Text, &[]).unwrap_or_else(|error| panic!("{error}"));
    let scenario = serde_json::to_value(loaded.identity()).unwrap();
    let (run, seed) = (run_id(&scenario, 1), 1);
    let context = |variant: &str, repetition| RunContext {
        run: run.clone(),
        source: Source::Sim,
        scenario: "known".into(),
        variant: variant.into(),
        repetition: Some(repetition),
        seed,
    };
    let mut writer = RunWriter::new(MemoryFolder::default(), Source::Sim).unwrap();
    for variant in &loaded.variants {
        for repetition in 0..2 {
            let phase = |name: &str, start: i64, measure| PhasePlan {
                name: name.into(),
                start: Time::from_nanos(start * 1_000_000_000),
                duration: Some(Duration::from_secs_f64(10.0)),
                measure,
            };
            let plan = RepetitionPlan {
                phases: vec![phase("warm-up", 0, false), phase("calls", 10, true)],
                ..RepetitionPlan::default()
            };
            let mut rows =
                RepetitionWriter::new(&context(&variant.label, repetition), &plan, &mut MemoryScratch)
                    .unwrap();
            let mut warm_up = call(1000, 5_000, 5, Outcome::Ok);
            warm_up.phase = Name::Text("warm-up");
            rows.call(&warm_up).unwrap();
            for i in 0..90 {
                rows.call(&call(i, 10_000 + 100 * i as i64, 10 + 10 * i as i64, Outcome::Ok)).unwrap();
            }
            for i in 90..100 {
                rows.call(&call(i, 15_000, 2_000, Outcome::Timeout)).unwrap();
            }
            rows.call(&call(100, 15_000, 0, Outcome::EntryDown)).unwrap();
            for item in 0..4 {
                let mut record = call(200 + item, 12_000, 1_000, Outcome::Ok);
                record.map = Some(7);
                record.item = Some(item);
                record.provider = Some(Name::Numbered("node-", 1 + item as u32 % 2));
                rows.call(&record).unwrap();
            }
            for (number, depth) in [1, 2, 2, 3].into_iter().enumerate() {
                // The first began before time 0.
                let start_us = if number == 0 { -1 } else { 11_000_000 };
                let lookup = lookup(start_us, depth);
                rows.lookup(&lookup).unwrap();
            }
            for (time_us, kind) in [(12_000_000, EventKind::Partition), (18_000_000, EventKind::Heal)] {
                rows.event(&EventRecord { time_us, kind, fault: Some(0), node: None, detail: None }).unwrap();
            }
            for (node, busy_us) in [("node-1", 10_000_000), ("node-2", 5_000_000)] {
                rows.node(&node_record(node, busy_us)).unwrap();
            }
            more(&mut rows);
            writer.append(rows.finish().unwrap()).unwrap();
        }
    }
    let (folder, written) = writer.finish().unwrap();
    let manifest = Manifest {
        stopped: None,
        real: None,
        schema: SCHEMA,
        program: Program { name: "sim".into(), version: "0.1.0".into(), git_commit: None },
        command: vec!["sim".into(), "known.toml; rm <b>".into()],
        name: "known".into(),
        run,
        run_hash: run_hash(&written.files),
        backend: Source::Sim,
        seed,
        repetitions: 2,
        variants: loaded.variants.iter().map(|variant| variant.label.clone()).collect(),
        scenario,
        inputs: vec![InputFile {
            path: "<script>alert(1)</script>".into(),
            sha256: "00".repeat(32),
            bytes: 9,
        }],
        files: written.files,
        host: Host { cores: 2, cpu: Some("\"quoted\" & <i>marked</i>".into()), os: "linux".into() },
        cost: Cost::default(),
    };
    let disk = TempDir::new().unwrap();
    for (name, bytes) in folder.files() {
        std::fs::write(disk.path().join(name), bytes).unwrap();
    }
    manifest.write(std::fs::File::create(disk.path().join("manifest.json")).unwrap()).unwrap();
    let run = Run::open(disk.path()).unwrap_or_else(|error| panic!("{error}"));
    (disk, run)
}

fn lookup(start_us: i64, depth: u32) -> LookupRecord<'static> {
    LookupRecord {
        node: Name::Text("node-0"),
        purpose: LookupPurpose::Call,
        function: Some(Name::Text("f")),
        start_us,
        first_us: None,
        done_us: Some(12_000_000),
        depth,
        requests: 10 * depth,
        timeouts: 0,
        dials: 0,
        bytes: 100,
        found: 2,
        found_live: Some(2),
        closest_correct: Some(true),
        outcome: LookupOutcome::Ok,
    }
}

fn node_record(node: &str, busy_us: i64) -> NodeRecord<'_> {
    NodeRecord {
        node: Name::Text(node),
        class: None,
        region: None,
        uptime_us: 20_000_000,
        functions: 1,
        capacity: 1.0,
        busy_us,
        executions: 50,
        longest_queue: 0,
        table_size: 3,
        stale_share: None,
        upkeep_messages_in: Some(0),
        upkeep_messages_out: Some(0),
        upkeep_bytes_in: Some(0),
        upkeep_bytes_out: Some(10_000),
        lookup_messages_in: Some(0),
        lookup_messages_out: Some(0),
        lookup_bytes_in: Some(0),
        lookup_bytes_out: Some(10_000),
        records_messages_in: Some(0),
        records_messages_out: Some(0),
        records_bytes_in: Some(0),
        records_bytes_out: Some(0),
        calls_messages_in: Some(0),
        calls_messages_out: Some(0),
        calls_bytes_in: Some(0),
        calls_bytes_out: Some(20_000),
    }
}

fn share_at(points: &[(f64, f64)], micros: f64) -> f64 {
    points.iter().take_while(|point| point.0 <= micros * 1.001).last().map_or(0.0, |point| point.1)
}

#[test]
fn what_is_gathered_is_what_was_written() {
    let (_disk, run) = known();
    let runs = [run];
    let selection = Selection::new(&runs, &[("nodes".into(), "8".into())]).unwrap();
    assert_eq!(selection.series.len(), 1);
    assert_eq!(selection.phases, ["calls"]);
    assert_eq!(selection.phase_starts, [(0.0, "warm-up".to_owned()), (10.0, "calls".to_owned())]);

    let calls = CallData::read(&runs, &selection).unwrap();
    let cell = &calls.cells[&CallKey { phase: 0, items: false, series: 0 }];
    assert_eq!((cell.ok(), cell.counted()), (180, 200), "the entry that was down does not count");
    assert!((cell.success() - 0.9).abs() < 1e-12);
    let points = cell.distribution();
    assert!((share_at(&points, 450_000.0) - 0.45).abs() < 1e-9, "45 of 100 calls took up to 450 ms");
    assert!((share_at(&points, 1e9) - 0.9).abs() < 1e-9, "a tenth failed and never comes");
    let sum = 2 * (1..=90).map(|i| i * 10_000_i128).sum::<i128>();
    assert_eq!(cell.parts.iter().sum::<i128>(), sum, "the parts add up");
    assert_eq!((cell.parts[5], cell.parts[8]), (sum / 10, sum - sum / 10));
    assert_eq!(cell.messages.len(), 200);

    let gantt = calls.manycalls.gantt(0).unwrap();
    assert_eq!((gantt.repetition, gantt.map, gantt.bars.len()), (0, 7, 4));
    assert_eq!(gantt.providers, ["node-1", "node-2"]);
    let bar = gantt.bars[1];
    assert_eq!(
        (bar.provider, bar.from, bar.exec_from, bar.exec_until, bar.until),
        (Some(1), 0, 50_000, 950_000, 1_000_000)
    );
    let speed_ups = calls.manycalls.speed_ups(0).unwrap();
    assert_eq!(speed_ups.points, [(2, 3.6), (2, 3.6)], "four items of 0.9 s within 1 s");

    let lookups = LookupData::read(&runs, &selection).unwrap();
    let cell = &lookups.cells[&(LookupPurpose::Call, 0)];
    assert_eq!(
        (cell.count, &cell.depths[..5]),
        (6, &[0, 0, 4, 2, 0][..]),
        "the one before time 0 is left out"
    );

    let nodes = NodeData::read(&runs, &selection).unwrap();
    assert_eq!(
        (nodes.load[0].len(), nodes.load[0].min(), nodes.sent[0].min()),
        (4, 250_000 - 250_000 % 128, 2_000)
    );

    let timeline = TimelineData::read(&runs, &selection).unwrap();
    let spans: Vec<_> = timeline.spans(0).collect();
    assert_eq!((timeline.seconds, timeline.repetitions[0]), (1, 2));
    let failed: u64 = spans.iter().map(|(_, _, bin)| bin.failed()).sum();
    let offered: u64 = spans.iter().map(|(_, _, bin)| bin.offered).sum();
    assert_eq!((failed, offered), (20, 2 * 106));
    let (middle, seconds, bin) = &spans[17];
    assert_eq!(
        (*middle, *seconds, bin.failed()),
        (17.5, 2.0, 20),
        "ten timed out at second 17 in each repetition"
    );

    let faults = faults(&runs, &selection).unwrap();
    assert_eq!((faults.len(), faults[0].from, faults[0].until), (1, 12.0, Some(18.0)));

    let both = Selection::new(&runs, &[]).unwrap();
    let sweep = SweepData::read(&runs, &both).unwrap();
    let success = &sweep.values[&("success".to_owned(), "share".to_owned())];
    assert_eq!(success.keys().copied().collect::<Vec<_>>(), [0, 1]);
    // 94 of 104, the items of the manycall among them.
    assert!(success.values().all(|value| (value.median - 94.0 / 104.0).abs() < 1e-12));
}

#[test]
fn numbers_of_any_size_are_drawn() {
    let (disk, run) = known_with(|rows| {
        rows.lookup(&LookupRecord { requests: u32::MAX, depth: u32::MAX, ..lookup(1, 1) }).unwrap();
        rows.event(&EventRecord {
            time_us: i64::MAX,
            kind: EventKind::SlowNode,
            fault: Some(9),
            node: None,
            detail: None,
        })
        .unwrap();
        rows.node(&NodeRecord {
            upkeep_bytes_out: Some(u64::MAX),
            uptime_us: 1,
            ..node_record("node-3", i64::MAX)
        })
        .unwrap();
        rows.node(&NodeRecord {
            upkeep_bytes_out: Some(u64::MAX),
            capacity: f64::INFINITY,
            ..node_record("node-4", i64::MIN)
        })
        .unwrap();
    });
    // The writer of the simulator has no such calls; another's file may.
    let path = disk.path().join("calls.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    let (low, high) = (i64::MIN.to_string(), i64::MAX.to_string());
    let mut extreme = String::new();
    for (at, line) in text.lines().enumerate() {
        let mut cells: Vec<&str> = line.split(',').collect();
        // From `scheduled_us` to `exec_us`.
        for column in 6 + 8..=6 + 20 {
            if at > 0 && !cells[column].is_empty() && cells[6 + 2] == "7" {
                cells[column] = if (at + column) % 2 == 0 { &low } else { &high };
            }
        }
        extreme.push_str(&cells.join(","));
        extreme.push('\n');
    }
    assert!(extreme.contains(&high));
    std::fs::write(&path, extreme).unwrap();
    let run = Run::open_as_found(run.folder()).unwrap();
    let plots = plot(&[run], &PlotRequest::default()).unwrap();
    assert_eq!(plots.plots.len(), Figure::ALL.len());
    assert!(plots.plots.iter().all(|plot| plot.svg.len() < 300 * 1024));
}

#[test]
fn all_figures_are_drawn_small_and_the_same_every_time() {
    let (_disk, run) = known();
    let runs = [run];
    for width in [Width::Single, Width::Double] {
        let request = PlotRequest { width, ..PlotRequest::default() };
        let plots = plot(&runs, &request).unwrap();
        assert_eq!(plots.left_out, []);
        assert_eq!(plots, plot(&runs, &request).unwrap());
        for plot in &plots.plots {
            assert!(plot.svg.len() < 300 * 1024, "{}: {}", plot.figure, plot.svg.len());
            let document =
                resvg::usvg::roxmltree::Document::parse(&plot.svg).unwrap_or_else(|e| panic!("{e}"));
            let inches = format!("{}in", width.inches());
            assert_eq!(document.root_element().attribute("width"), Some(inches.as_str()));
            assert!(!plot.svg.contains("NaN") && !plot.svg.contains("inf"), "{}", plot.figure);
            let inline = plot.inline_svg();
            assert!(
                !inline.contains("#000000") && !inline.contains("#FFFFFF") && inline.contains("currentColor")
            );
        }
    }
}

#[test]
fn a_png_has_the_size_and_the_resolution_asked_for() {
    let (_disk, run) = known();
    let request = PlotRequest { figures: vec![Figure::Parts], ..PlotRequest::default() };
    let plots = plot(&[run], &request).unwrap();
    let bytes = plots.plots[0].png(200).unwrap();
    assert_eq!(bytes, plots.plots[0].png(200).unwrap());
    let mut reader = ::png::Decoder::new(io::Cursor::new(&bytes)).read_info().unwrap();
    assert_eq!(reader.info().width, 700, "3.5 in at 200 dots per inch");
    assert_eq!(reader.info().pixel_dims.map(|dims| dims.xppu), Some(7874));
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    // Names are drawn with the font that is built in: without one there would be nothing but areas and lines.
    let dark = pixels.chunks(3).filter(|pixel| pixel.iter().all(|channel| *channel < 60)).count();
    assert!(dark > 500, "{dark} dark dots");
}

#[test]
fn what_a_run_does_not_have_is_left_out_and_said() {
    let (_disk, run) = known();
    let runs = [run];
    let plots = plot(
        &runs,
        &PlotRequest { variants: vec![("network.nodes".into(), "4".into())], ..PlotRequest::default() },
    );
    let plots = plots.unwrap();
    assert_eq!(plots.left_out, [(Figure::Sweep, "no factor has more than one level".to_owned())]);
    let wrong = PlotRequest { variants: vec![("nodes".into(), "5".into())], ..PlotRequest::default() };
    let error = plot(&runs, &wrong).unwrap_err().to_string();
    assert_eq!(error, "no variant has nodes=5; there are nodes=4 | nodes=8");
}

#[test]
fn runs_are_called_by_what_they_differ_in() {
    let (_disk, run) = known();
    let selection = Selection::new(&[run.clone(), run], &[("nodes".into(), "4".into())]).unwrap();
    let labels: Vec<&str> = selection.series.iter().map(|series| series.label.as_str()).collect();
    assert_eq!((selection.legend_title.as_str(), labels), ("folder", vec!["1", "2"]));
}

#[test]
fn a_report_is_well_formed_and_nothing_breaks_out_of_it() {
    let (_disk, run) = known();
    let page = crate::report::report(&[run], &[]).unwrap();
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !page.contains("<script"));
    assert!(page.contains("&lt;i&gt;marked&lt;/i&gt;") && page.contains("'known.toml; rm &lt;b&gt;'"));
    assert!(
        !page.contains("http://")
            || page.matches("http://").count()
                == page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
    );
    assert_eq!(page.matches("<svg").count(), Figure::ALL.len());
    well_formed(&page);
}

/// Every element is closed in its order, but for those that HTML says have no end.
fn well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').unwrap_or_else(|| panic!("no > after {}", &rest[start..]));
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !tag.ends_with('/') && name != "meta" {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_documentation_lists_every_figure() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/figures.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut rows = text.lines().filter(|line| line.starts_with("| `"));
    for figure in Figure::ALL {
        let expected = format!("| `{figure}` | {} | {} |", figure.shows(), figure.from());
        assert_eq!(rows.next(), Some(expected.as_str()), "docs/figures.md must have this row here");
    }
    assert_eq!(rows.next(), None);
}
