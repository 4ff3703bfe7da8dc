#[path = "../../../fuzz/bodies/traces.rs"]
mod body;

use super::*;
use crate::draws::{Draws, Purpose};
use crate::time::{Duration, Time};

const INVOCATIONS: &str = "HashOwner,HashApp,HashFunction,Trigger,1,2,3\n\
                           o,a,f,http,0,2,1\n\
                           o,a,g,timer,1,0,0\n\
                           o,a,f,queue,4,0,1\n";
const DURATIONS: &str = "HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_0,\
                         percentile_Average_1,percentile_Average_25,percentile_Average_50,percentile_Average_75,\
                         percentile_Average_99,percentile_Average_100\n\
                         o,a,f,100,5,1,900,1,2,50,100,200,800,900\n\
                         o,a,f,100,9,1,900,1,2,50,110,200,800,900\n\
                         o,a,f,100,7,1,900,1,2,50,120,200,800,900\n";
const MEMORY: &str = "HashOwner,HashApp,SampleCount,AverageAllocatedMb,AverageAllocatedMb_pct1,AverageAllocatedMb_pct5,\
                      AverageAllocatedMb_pct25,AverageAllocatedMb_pct50,AverageAllocatedMb_pct75,\
                      AverageAllocatedMb_pct95,AverageAllocatedMb_pct99,AverageAllocatedMb_pct100\n\
                      o,a,10,120,100,102,114,123,127,136,143,152\n";
const RECORDED: &str = "app,func,end_timestamp,duration\n\
                        a,f,10.0,9.0\n\
                        a,g,10.5,0.25\n\
                        a,f,10.125,9.5\n";
const SESSIONS: &str = "node,up_s,down_s\n1,100,200.5\n0,-5,20\n1,300,\n";

/// A file of the shared data sets, or a line that says that the test is skipped.
fn data(name: &str) -> Option<std::fs::File> {
    let path = format!("{}/../shared/data/traces/{name}", env!("CARGO_MANIFEST_DIR"));
    match std::fs::File::open(&path) {
        Ok(file) => Some(file),
        Err(error) => {
            eprintln!("skipped: {path}: {error}; scenario/trace needs the data sets that the README names");
            None
        }
    }
}

#[test]
fn invocations_add_up_over_the_rows_of_a_function() {
    let trace = read_invocations(INVOCATIONS.as_bytes(), 1.0).unwrap();
    assert_eq!(trace.minutes, 3);
    assert_eq!(trace.functions.len(), 2);
    assert_eq!(
        trace.functions[0],
        FunctionCounts { id: "o/a/f".into(), counts: vec![(0, 4), (1, 2), (2, 2)] }
    );
    assert_eq!(trace.functions[1].counts, [(0, 1)]);
}

#[test]
fn durations_are_seconds_and_linear_between_percentiles() {
    let durations = read_durations(DURATIONS.as_bytes()).unwrap();
    assert_eq!(durations.rows.len(), 3);
    // The row with the most samples speaks for a function.
    let law = &durations.of("o/a/f").unwrap().law;
    assert!((law.quantile(0.5) - 0.110).abs() < 1e-12);
    assert!((law.quantile(0.375) - 0.080).abs() < 1e-12);
    assert!((law.quantile(1.0) - 0.9).abs() < 1e-12);
    assert_eq!(durations.of("o/a/g"), None);
}

#[test]
fn memory_is_constant_below_its_first_percentile() {
    let memory = read_memory(MEMORY.as_bytes()).unwrap();
    assert_eq!(memory.rows[0].id, "o/a");
    assert_eq!(memory.rows[0].average_mib, 120.0);
    assert_eq!(memory.rows[0].law.quantile(0.0), 100.0);
    assert_eq!(memory.rows[0].law.quantile(0.5), 123.0);
}

#[test]
fn recorded_calls_start_before_they_end_and_come_by_start() {
    let trace = read_recorded(RECORDED.as_bytes(), 1.0).unwrap();
    assert_eq!(trace.functions, ["a/f", "a/g"]);
    let found: Vec<(i64, u32, u32)> =
        trace.calls.iter().map(|c| (c.start.as_micros(), c.function, c.number)).collect();
    // Starts 1.0, 10.25 and 0.625 s, counted from the earliest.
    assert_eq!(found, [(0, 0, 0), (375_000, 0, 1), (9_625_000, 1, 0)]);
    assert_eq!(trace.calls[0].duration, Duration::from_millis(9_500));
}

#[test]
fn a_sample_moves_no_start() {
    let share = 0.5;
    let kept: Vec<&str> = ["a/f", "a/g"].into_iter().filter(|id| sampled(id, share)).collect();
    let all = read_recorded(RECORDED.as_bytes(), 1.0).unwrap();
    let some = read_recorded(RECORDED.as_bytes(), share).unwrap();
    assert_eq!(some.functions, kept);
    assert!(some.calls.iter().all(|call| all.calls.iter().any(|other| other.start == call.start)));
    assert!(read_recorded(RECORDED.as_bytes(), 0.0).unwrap().calls.is_empty());
}

#[test]
fn a_sample_is_its_share_and_contains_the_smaller_ones() {
    let ids: Vec<String> = (0..10_000).map(|i| format!("o/a/{i}")).collect();
    let count = |share| ids.iter().filter(|id| sampled(id, share)).count();
    // Four standard deviations of a binomial (10,000, 0.1) are 120.
    assert!((880..=1120).contains(&count(0.1)), "{}", count(0.1));
    assert_eq!((count(0.0), count(1.0)), (0, 10_000));
    assert!(ids.iter().all(|id| !sampled(id, 0.1) || sampled(id, 0.2)));
}

#[test]
fn sessions_come_by_node_and_time() {
    let rows = read_sessions(SESSIONS.as_bytes(), 2).unwrap();
    let second = |s: f64| Time::from_nanos((s * 1e9) as i64);
    assert_eq!(rows[0], SessionRow { node: 0, up: second(-5.0), down: second(20.0) });
    assert_eq!(rows[1], SessionRow { node: 1, up: second(100.0), down: second(200.5) });
    assert_eq!(rows[2].down, Time::MAX);
}

#[test]
fn errors_say_where_and_what_would_be_valid() {
    fn shown<T: std::fmt::Debug>(result: Result<T, TraceError>) -> String {
        result.unwrap_err().to_string()
    }
    let invocations = |text: &str| shown(read_invocations(text.as_bytes(), 1.0));
    assert_eq!(
        invocations(""),
        "line 1: the file is empty; an invocations file of the Azure 2019 format starts with a header line"
    );
    assert_eq!(
        invocations("HashOwner,HashApp,HashFunction,Trigger,1\n"),
        "line 2: the file ends after its header; at least one row is needed"
    );
    assert_eq!(
        invocations("HashOwner,HashApp,HashFunction,Trigger\no,a,f,http\n"),
        "line 1: no column `1` after `Trigger`; a column for each minute is needed"
    );
    assert_eq!(
        invocations("HashOwner,HashApp,HashFunction,Trigger,1,3\no,a,f,http,1,1\n"),
        "line 1, column `3`: the columns after `Trigger` are the minutes 1, 2 …; `2` should be here"
    );
    assert_eq!(
        invocations(&INVOCATIONS.replace("1,0,0", "1,-2,0")),
        "line 3, column `2`: `-2` is not a whole number between 0 and 1000000000"
    );
    assert_eq!(
        invocations(INVOCATIONS.trim_end().trim_end_matches(",0,1")),
        "line 4: 5 columns where the header has 7: the row is cut off or damaged"
    );
    assert_eq!(
        shown(read_durations(DURATIONS.replace("50,110", "50,40").as_bytes())),
        "line 3, column `percentile_Average_50`: `40` is below the percentile before it; percentiles must not fall"
    );
    assert_eq!(
        shown(read_durations(DURATIONS.replace("900\n", "NaN\n").as_bytes())),
        "line 2, column `percentile_Average_100`: `NaN` is not a number between 0 and 1e12"
    );
    assert_eq!(
        shown(read_recorded("app,func,duration\na,f,1\n".as_bytes(), 1.0)),
        "line 1: no column `end_timestamp`; the header has `app`, `func`, `duration`"
    );
    assert_eq!(
        shown(read_recorded(RECORDED.replace("0.25", "-1").as_bytes(), 1.0)),
        "line 3, column `duration`: `-1` is not a number of seconds between 0 and 2e9"
    );
    assert_eq!(
        shown(read_recorded(&b"app,func,end_timestamp,duration\n\xff,f,1,1\n"[..], 1.0)),
        "line 2: not UTF-8 text; a CSV file is expected (unpack it if it is compressed)"
    );
    assert_eq!(
        shown(read_sessions(SESSIONS.as_bytes(), 1)),
        "line 2, column `node`: `1` is not a whole number between 0 and 0"
    );
    assert_eq!(
        shown(read_sessions("node,up_s,down_s\n1,5,5\n".as_bytes(), 2)),
        "line 2, column `down_s`: `5` is not after up_s = 5"
    );
    assert_eq!(
        shown(read_sessions("node,up_s,down_s\n1,8,12\n1,0,9\n".as_bytes(), 2)),
        "line 2, column `up_s`: node 1 comes at 8.000000s, but by line 3 it is up then; its sessions must not overlap"
    );
}

#[test]
fn the_published_examples_are_read() {
    if let Some(file) = data("azure2019-example-invocations.csv") {
        let trace = read_invocations(file, 1.0).unwrap();
        assert_eq!(trace.minutes, 1440);
        let totals: Vec<u32> =
            trace.functions.iter().map(|f| f.counts.iter().map(|(_, n)| n).sum()).collect();
        assert_eq!(totals, [1150, 1125, 1125, 1125]);
        let durations = read_durations(data("azure2019-example-durations.csv").unwrap()).unwrap();
        let memory = read_memory(data("azure2019-example-memory.csv").unwrap()).unwrap();
        assert_eq!((durations.rows.len(), memory.rows.len()), (4, 4));
        let medians: Vec<f64> =
            trace.functions.iter().map(|f| durations.of(&f.id).unwrap().law.quantile(0.5)).collect();
        assert_eq!(medians, [0.1, 0.5, 0.25, 0.125]);
    }
    if let Some(file) = data("azure2021-30.csv") {
        let trace = read_recorded(file, 1.0).unwrap();
        assert_eq!(trace.calls.len(), 29);
        assert!(trace.calls.iter().all(|call| call.duration == Duration::from_secs(9)));
        assert_eq!(trace.calls.last().unwrap().start, Duration::from_millis(122_500));
    }
}

#[test]
fn damaged_traces_never_panic() {
    let seeds = [INVOCATIONS, DURATIONS, MEMORY, RECORDED, SESSIONS];
    let words: [&[u8]; 10] = [
        b"",
        b",",
        b"\n",
        b"\"",
        b"-1",
        b"1e400",
        b"99999999999999999999",
        b"NaN",
        b"\xff\x00",
        b"\r\n,,,\n",
    ];
    for round in 0..4_000u64 {
        let mut stream = Draws::new(1, 0).stream(Purpose::CHOICE, round);
        let mut bytes = seeds[stream.below(5) as usize].as_bytes().to_vec();
        for _ in 0..=stream.below(4) {
            let at = stream.below(bytes.len() as u64 + 1) as usize;
            let end = (at + stream.below(6) as usize).min(bytes.len());
            let word = words[stream.below(words.len() as u64) as usize];
            bytes.splice(at..end, word.iter().copied());
        }
        if stream.chance(0.2) {
            bytes.truncate(stream.below(bytes.len() as u64 + 1) as usize);
        }
        body::traces(&bytes);
    }
}
