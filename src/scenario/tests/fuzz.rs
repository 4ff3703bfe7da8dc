//! The fuzzer's body over seeded inputs.

use super::*;
use crate::draws::{Draws, Purpose, Stream};

/// Values that tend to break readers.
const NASTY: &[&str] = &[
    "0",
    "-1",
    "1",
    "20000000",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "9223372036854775808",
    "1e308",
    "-0.0",
    "nan",
    "inf",
    "\"\"",
    "\"0s\"",
    "\"1ns\"",
    "\"3650d\"",
    "\"99999999999d\"",
    "\"100%\"",
    "\"0%\"",
    "\"all\"",
    "\"*\"",
    "\"é\\u0000\"",
    "[]",
    "[[]]",
    "{}",
    "true",
    "{ zipf = 100 }",
    "{ exponential = \"1ns\" }",
    "[0, \"0-0\"]",
    "[\"99999999999999-5\"]",
    "{ nodes = [0] }",
    "{ pareto = { scale = \"1ns\", shape = 0.01 } }",
    "\"1e9/s\"",
    "{ function = \"f*\" }",
    "1_000_000",
    "\"1000000000/s\"",
    "\"0.000001/d\"",
];

/// Scenarios to start from: small, and together with every section.
fn corpus() -> Vec<String> {
    let rich = least(
        "manycall = { items = 5, rate = \"1/min\", calls = 3, entry = { class = \"small\", zipf = 0.5 } }\nanycall = { clients = 5, think_time = { uniform = { low = \"0s\", high = \"2s\" } }, functions = [\"g-*\"] }\n[[node_class]]\nname = \"small\"\nshare = \"30%\"\nregion = \"eu-west\"\n[[function]]\nname = \"g\"\ncopies = 4\nproviders = { region = \"eu-west\", share = \"50%\" }\nservice_time = { trace = \"t.csv\" }\ncold_start = \"1s\"\n[churn]\nsession = { weibull = { scale = \"1h\", shape = 0.5 } }\ngap = { empirical = [[\"0%\", \"1s\"], [\"100%\", \"1h\"]] }\nnodes = { share = \"10%\" }\n[[fault]]\nat = \"1s\"\nfor = \"2s\"\npartition = { groups = [{ nodes = [\"0-9\"] }, { region = \"eu-west\" }] }\n[[fault]]\nat = \"2s\"\ndegrade = { function = \"g\", latency = \"5ms\", bandwidth = { up = \"1Mbit/s\" } }\n[faas]\nbackoff = { initial = \"1ms\", max = \"1s\" }\n[sweep]\nmode = \"zip\"\n\"network.nodes\" = [100, 200]\n\"faas.policy\" = [\"race\", \"random\"]\n",
    );
    let matrix = least("").replace(
        "nodes = 100",
        "nodes = 100\nlatency = { matrix = \"m.gz\", unit = \"ms\", missing = \"median\" }\njitter = { gamma = { shape = 2, scale = \"1ms\" } }",
    );
    let set = format!("#set network.nodes=50\ninclude = [\"missing\"]\n{}", least(""));
    vec![APPENDIX.to_owned(), rich, matrix, set]
}

/// One change to a text.
fn mutate(text: &mut Vec<u8>, stream: &mut Stream, others: &[String]) {
    let length = text.len() as u64;
    let at = stream.below(length + 1) as usize;
    match stream.below(7) {
        0 => text.truncate(at),
        1 if at < text.len() => text[at] = stream.next_u64() as u8,
        2 => {
            let end = (at + stream.below(30) as usize).min(text.len());
            text.drain(at..end);
        }
        3 => {
            let end = (at + stream.below(80) as usize).min(text.len());
            let copy = text[at..end].to_vec();
            let to = stream.below(text.len() as u64 + 1) as usize;
            text.splice(to..to, copy);
        }
        4 => {
            let other = others[stream.below(others.len() as u64) as usize].as_bytes();
            let from = stream.below(other.len() as u64) as usize;
            let end = (from + 100).min(other.len());
            text.splice(at..at, other[from..end].iter().copied());
        }
        // Replaces the value behind an equals sign.
        _ => {
            let Some(equals) =
                text.iter().skip(at).position(|byte| *byte == b'=').map(|index| at + index + 1)
            else {
                return;
            };
            let rest = &text[equals..];
            let end = rest.iter().position(|byte| matches!(byte, b',' | b'\n' | b'}')).unwrap_or(rest.len());
            let nasty = NASTY[stream.below(NASTY.len() as u64) as usize];
            text.splice(equals..equals + end, nasty.bytes());
        }
    }
}

#[test]
fn the_corpus_loads() {
    for text in corpus().iter().take(3) {
        let files = memory(&[("a.toml", text), ("t.csv", ""), ("m.gz", "")]);
        Scenario::load("a.toml", &files, &[]).unwrap_or_else(|error| panic!("{error}"));
        fuzz_scenario(text.as_bytes());
    }
}

#[test]
fn no_scenario_panics() {
    let corpus = corpus();
    let draws = Draws::new(1, 0);
    for case in 0..4_000 {
        let mut stream = draws.stream(Purpose::CHOICE, case);
        let mut text = corpus[stream.below(corpus.len() as u64) as usize].clone().into_bytes();
        for _ in 0..1 + stream.below(4) {
            mutate(&mut text, &mut stream, &corpus);
        }
        fuzz_scenario(&text);
    }
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        "a.".repeat(50_000),
        format!("[{}]", vec!["a"; 50_000].join(".")),
        format!("x = {}", "{a=".repeat(50_000)),
        format!("x = {}", "[".repeat(50_000)),
        format!("x = {}1{}", "{a.b.c.d.e.f.g.h.i.j.k.l=".repeat(70), "}".repeat(70)),
        format!("\"\\\"\"{} = 1", ".a".repeat(50_000)),
        "[[a]]\n".repeat(20_000),
        format!("#set {}=1\n", "a.".repeat(50_000)),
        format!("#set a={}\n", "[".repeat(50_000)),
        format!("#set a={{{} = 1}}\n", vec!["a"; 50_000].join(".")),
    ] {
        fuzz_scenario(text.as_bytes());
    }
}
