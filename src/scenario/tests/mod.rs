//! Tests of loading as a user sees it: what a scenario means.

mod errors;
mod fuzz;
mod shipped;
mod variants;

use super::schema::*;
use super::*;
use crate::time::{Duration, Time};
use std::collections::BTreeMap;
use std::io;

/// Files in memory.
struct Memory(BTreeMap<String, Vec<u8>>);

impl Loader for Memory {
    fn load(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn memory(files: &[(&str, &str)]) -> Memory {
    Memory(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect())
}

fn load_with(text: &str, overrides: &[(&str, &str)]) -> Result<Loaded, ScenarioError> {
    let overrides: Vec<(String, String)> =
        overrides.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let files = memory(&[("dir/a.toml", text), ("dir/trace.csv", "x"), ("matrix.gz", "y")]);
    Scenario::load("dir/a.toml", &files, &overrides)
}

fn one(text: &str) -> Scenario {
    let loaded = load_with(text, &[]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.variants.len(), 1);
    loaded.variants[0].scenario.clone()
}

/// The least scenario there is, and `more` behind it.
fn least(more: &str) -> String {
    format!(
        "name = \"a\"\n[network]\nnodes = 100\n[[function]]\nname = \"f\"\nproviders = 3\nservice_time = \"1ms\"\n[[phase]]\nname = \"p\"\nduration = \"1min\"\n{more}"
    )
}

const APPENDIX: &str = r#"
# How long does a call take among 1,000 nodes around the world, and who notices when 5 % of them crash at once?
name = "1000-nodes"
seed = 42
repetitions = 3                                  # a first look; 10 for anything that is compared

[network]
nodes = 1000
start = "join"
latency = { regions = "cloud-2024" }            # or { matrix = "planetlab.txt.gz", unit = "ms" }, { euclidean = … }, { lognormal = … }
last_mile = { lognormal = { median = "8ms", sigma = 0.6 } }
loss = "0.1%"
bandwidth = { up = "50Mbit/s", down = "200Mbit/s" }

[[function]]
name = "resize"
copies = 50                                      # resize-0 … resize-49
providers = 3
service_time = { lognormal = { median = "50ms", sigma = 0.5 } }
concurrency = 4
cold_start = "300ms"

[[phase]]
name = "steady"
anycall = { rate = "50/s", popularity = { zipf = 0.9 }, policy = "nearest", request = "4KiB", response = "32KiB" }
duration = "5min"

[[phase]]
name = "map"
manycall = { items = 100, every = "10s", policy = "backup" }
duration = "2min"

[[fault]]
at = "3min"
crash = { share = "5%" }
"#;

#[test]
fn the_example_of_the_design_means_what_it_says() {
    let scenario = one(APPENDIX);
    assert_eq!((scenario.name.as_str(), scenario.seed, scenario.repetitions), ("1000-nodes", 42, 3));
    assert_eq!(scenario.network.loss, 0.001);
    assert_eq!(scenario.network.bandwidth, Bandwidth { up: Some(50_000_000), down: Some(200_000_000) });
    let median = Distribution::LogNormal { median: 0.008, sigma: 0.6 };
    assert_eq!(scenario.network.last_mile, Some(median));
    assert_eq!(scenario.network.join_over, Duration::from_secs(30));
    assert_eq!(scenario.function_count(), 50);
    assert_eq!(scenario.function_name(49).as_deref(), Some("resize-49"));
    assert_eq!(scenario.function_name(50), None);
    assert_eq!(scenario.functions[0].providers.take, Take::Count(3));
    assert_eq!(scenario.functions[0].prewarm, 0);
    assert_eq!(scenario.duration(), Duration::from_secs(420));
    let steady = scenario.phases[0].anycall.clone().expect("anycalls");
    assert_eq!(steady.stream.arrivals, Arrivals::Poisson { rate: 50.0 });
    assert_eq!(steady.stream.popularity, Popularity::Zipf(0.9));
    assert_eq!(steady.policy, Some(AnycallPolicy::Nearest));
    assert_eq!(steady.stream.request, Some(Distribution::Constant(4096.0)));
    assert_eq!(steady.stream.functions, [FunctionRange { first: 0, count: 50 }]);
    let map = scenario.phases[1].manycall.clone().expect("manycalls");
    assert_eq!(map.stream.arrivals, Arrivals::Every { interval: Duration::from_secs(10) });
    assert_eq!((map.items, map.policy), (100, Some(ManycallPolicy::Backup)));
    assert_eq!(scenario.faults[0].at, Time::ZERO + Duration::from_secs(180));
    let nodes = Selector { from: Pool::All, take: Take::Share(0.05) };
    assert_eq!(scenario.faults[0].action, FaultAction::Kill { nodes, fresh: false });
}

#[test]
fn discovery_is_a_word_or_a_table() {
    let with = |text: &str| load_with(&format!("discovery = {text}\n{}", least("")), &[]);
    let kind = |text: &str| with(text).map(|loaded| loaded.variants[0].scenario.discovery.clone());
    assert_eq!(kind("\"central\""), Ok(Discovery::Central { node: 0 }));
    assert_eq!(kind("{ kind = \"central\", node = 7 }"), Ok(Discovery::Central { node: 7 }));
    assert_eq!(kind("\"flood\""), Ok(Discovery::Flood { ttl: 4, degree: 8 }));
    assert_eq!(kind("{ kind = \"full\", fanout = 2 }"), Ok(Discovery::Full { fanout: 2 }));
    assert_eq!(kind("\"oracle\""), Ok(Discovery::Oracle));
    for (text, part) in [
        ("\"orakle\"", "did you mean `oracle`?"),
        ("{ kind = \"central\", node = 100 }", "0 to 99"),
        ("{ kind = \"central\", ttl = 3 }", "only together with kind = \"flood\""),
        ("{ node = 3 }", "discovery needs kind"),
        ("3", "discovery = 3 must be one of"),
    ] {
        let error = kind(text).expect_err(text).to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn classes_divide_the_nodes() {
    let scenario = one(&least(
        "[[node_class]]\nname = \"small\"\nshare = \"10%\"\ncores = 0.5\nregion = \"eu-west\"\n[[node_class]]\nname = \"big\"\ncount = 5\nbandwidth = { up = \"unlimited\" }",
    ));
    let counts: Vec<(&str, u32)> =
        scenario.node_classes.iter().map(|class| (class.name.as_str(), class.count)).collect();
    assert_eq!(counts, [("small", 10), ("big", 5), ("default", 85)]);
    assert_eq!(scenario.node_classes[1].bandwidth, Some(Bandwidth::default()));
    assert_eq!(one(&least("")).node_classes.len(), 1);
}

#[test]
fn functions_are_named_by_patterns_in_their_order() {
    let scenario = one(&least(
        "anycall = { rate = \"1/s\", functions = [\"g-3\", \"f\", \"g-*\", \"h*\"] }\n[[function]]\nname = \"g\"\ncopies = 5\nproviders = \"all\"\nservice_time = \"1s\"\n[[function]]\nname = \"hh\"\ncopies = 2\nproviders = { nodes = [1, \"5-9\"], count = 2 }\nservice_time = { trace = \"trace.csv\" }",
    ));
    let range = |first, count| FunctionRange { first, count };
    let anycall = scenario.phases[0].anycall.clone().expect("anycalls");
    assert_eq!(anycall.stream.functions, [range(4, 1), range(0, 4), range(5, 3)]);
    assert_eq!(scenario.functions[1].providers, Selector::ALL);
    let nodes = vec![NodeRange { first: 1, count: 1 }, NodeRange { first: 5, count: 5 }];
    assert_eq!(scenario.functions[2].providers, Selector { from: Pool::Nodes(nodes), take: Take::Count(2) });
    assert!(
        matches!(&scenario.functions[2].service_time, ServiceTime::Trace { file } if file.path == "dir/trace.csv")
    );
}

#[test]
fn closed_loops_and_traces_are_read() {
    let scenario = one(&least(
        "anycall = { clients = 50, entry = { region = \"eu-west\", zipf = 1 }, calls_per_client = 9, think_time = { exponential = \"2s\" } }\n[[phase]]\nname = \"q\"\nduration = \"1h\"\nanycall = { trace = { azure2019 = { invocations = \"trace.csv\" }, sample = \"10%\", speedup = 60, arrivals = \"constant\" } }",
    ));
    let closed = scenario.phases[0].anycall.clone().expect("anycalls");
    let think = Distribution::Exponential { mean: 2.0 };
    assert_eq!(
        closed.stream.arrivals,
        Arrivals::Clients { clients: 50, think_time: think.clone(), think_after_failure: think }
    );
    assert_eq!(closed.stream.calls_per_client, Some(9));
    assert_eq!(closed.stream.entry.popularity, Popularity::Zipf(1.0));
    let trace = scenario.phases[1].anycall.clone().expect("anycalls");
    let Arrivals::Azure2019 { invocations, durations, sample, speedup, within_minute } =
        trace.stream.arrivals
    else {
        panic!("a trace");
    };
    assert_eq!((durations, sample, speedup, within_minute), (None, 0.1, 60.0, Process::Constant));
    // SHA-256 of "x".
    assert_eq!(invocations.sha256, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881");
}

#[test]
fn a_client_that_fails_at_once_does_not_spin_by_default() {
    let scenario = one(&least("anycall = { clients = 1 }"));
    let anycall = scenario.phases[0].anycall.clone().expect("anycalls");
    let Arrivals::Clients { think_time, think_after_failure, .. } = anycall.stream.arrivals else {
        panic!("clients")
    };
    assert_eq!((think_time, think_after_failure), (Distribution::Constant(0.0), Distribution::Constant(1.0)));
}

#[test]
fn faults_are_sorted_and_complete() {
    let scenario = one(&least(
        "[[fault]]\nat = \"30s\"\nheal = true\n[[fault]]\nat = \"10s\"\npartition = { groups = [{ region = \"eu-west\" }, { nodes = [0] }] }\n[[fault]]\nat = \"5s\"\nfor = \"2s\"\npower_off = { function = \"f\", count = 1, fresh = true }\n[[fault]]\nname = \"liar\"\nat = \"1s\"\nmisbehave = { share = \"1%\", kind = \"slow\" }\n[[fault]]\nat = \"2s\"\nrestart = \"all\"\n[[fault]]\nat = \"3s\"\nruntime_down = { class = \"default\" }\n[[fault]]\nat = \"4s\"\nslow = { count = 1, factor = 4 }\n[[fault]]\nat = \"4s\"\ndegrade = { count = 1, loss = \"5%\", bandwidth = { up = \"1Mbit/s\" } }",
    ));
    let times: Vec<f64> = scenario.faults.iter().map(|fault| fault.at.as_secs_f64()).collect();
    assert_eq!(times, [1.0, 2.0, 3.0, 4.0, 4.0, 5.0, 10.0, 30.0]);
    let Fault { duration, action: FaultAction::PowerOff { nodes, fresh }, .. } = &scenario.faults[5] else {
        panic!("a power-off");
    };
    assert_eq!((*duration, *fresh, nodes.take), (Some(Duration::from_secs(2)), true, Take::Count(1)));
    assert_eq!(nodes.from, Pool::Function(vec![FunctionRange { first: 0, count: 1 }]));
    assert_eq!(scenario.faults[7].action, FaultAction::Heal);
}
