//! Tests of loading as a user sees it: what is accepted, what is refused and how the refusal reads.

use super::schema::*;
use super::*;
use crate::time::{Duration, Time};
use std::collections::BTreeMap;
use std::io;

/// Files in memory.
struct Memory(BTreeMap<String, Vec<u8>>);

impl Loader for Memory {
    fn load(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn memory(files: &[(&str, &str)]) -> Memory {
    Memory(
        files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
            .collect(),
    )
}

fn load_with(text: &str, overrides: &[(&str, &str)]) -> Result<Loaded, ScenarioError> {
    let overrides: Vec<(String, String)> = overrides
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
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

/// The error of the least scenario with `more` behind it.
fn refused(more: &str) -> String {
    match load_with(&least(more), &[]) {
        Ok(_) => panic!("must be refused: {more}"),
        Err(error) => error.to_string(),
    }
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
    assert_eq!(
        (scenario.name.as_str(), scenario.seed, scenario.repetitions),
        ("1000-nodes", 42, 3)
    );
    assert_eq!(scenario.network.loss, 0.001);
    assert_eq!(
        scenario.network.bandwidth,
        Bandwidth {
            up: Some(50_000_000),
            down: Some(200_000_000)
        }
    );
    let median = Distribution::LogNormal {
        median: 0.008,
        sigma: 0.6,
    };
    assert_eq!(scenario.network.last_mile, Some(median));
    assert_eq!(scenario.network.join_over, Duration::from_secs(30));
    assert_eq!(scenario.function_count(), 50);
    assert_eq!(scenario.function_name(49).as_deref(), Some("resize-49"));
    assert_eq!(scenario.function_name(50), None);
    assert_eq!(scenario.functions[0].providers.take, Take::Count(3));
    assert_eq!(scenario.functions[0].prewarm, 0);
    assert_eq!(scenario.duration(), Duration::from_secs(420));
    let steady = scenario.phases[0].anycall.clone().expect("anycalls");
    assert_eq!(steady.arrivals, Arrivals::Poisson { rate: 50.0 });
    assert_eq!(steady.popularity, Popularity::Zipf(0.9));
    assert_eq!(steady.policy, Some(AnycallPolicy::Nearest));
    assert_eq!(steady.request, Some(Distribution::Constant(4096.0)));
    assert_eq!(steady.functions, [FunctionRange { first: 0, count: 50 }]);
    let map = scenario.phases[1].manycall.clone().expect("manycalls");
    assert_eq!(
        map.arrivals,
        Arrivals::Every {
            interval: Duration::from_secs(10)
        }
    );
    assert_eq!((map.items, map.policy), (100, Some(ManycallPolicy::Backup)));
    assert_eq!(scenario.faults[0].at, Time::ZERO + Duration::from_secs(180));
    let nodes = Selector {
        from: Pool::All,
        take: Take::Share(0.05),
    };
    assert_eq!(
        scenario.faults[0].action,
        FaultAction::Kill { nodes, fresh: false }
    );
}

#[test]
fn a_mistake_reads_as_the_design_says() {
    let text = least("").replace("providers = 3", "providers = 2000");
    let error = load_with(&text, &[]).expect_err("too many providers");
    assert_eq!(
        error.to_string(),
        "dir/a.toml:6:13: providers = 2000 asks for more providers than there are nodes (network.nodes = 100)"
    );
}

#[test]
fn every_mistake_has_its_place_and_says_what_would_be_right() {
    let fault = |text: &str| refused(&format!("[[fault]]\nat = \"5s\"\n{text}"));
    let any = |text: &str| refused(&format!("anycall = {{ {text} }}"));
    for (error, parts) in [
        (
            refused("[kademlia]\nk = 0"),
            ["dir/a.toml:12:5: k = 0", "a whole number from 1"],
        ),
        (refused("[kademlia]\nalpha = 30"), ["12:9: alpha = 30", "k = 20"]),
        (
            refused("[kademlia]\nprovider_ttl = \"5min\""),
            ["12:16", "republish_interval (10min)"],
        ),
        (
            refused("[kademlia]\nrefresh_intervall = \"1s\""),
            [":12:1: kademlia has no key", "did you mean `refresh_interval`"],
        ),
        (
            refused("[kademlla]"),
            [
                ":11:2: the scenario has no key `kademlla`",
                "did you mean `kademlia`",
            ],
        ),
        (
            refused("[faas]\nxyz = 1"),
            ["faas has no key `xyz`", "valid are policy, manycall_policy"],
        ),
        (
            refused("[faas]\npolicy = \"neerest\""),
            ["12:10: policy = \"neerest\" is unknown", "did you mean `nearest`"],
        ),
        (
            refused("[faas]\ncache_ttl = 60"),
            ["12:13: cache_ttl: 60 has no unit", "ns, us, ms, s, min, h, d"],
        ),
        (refused("[faas]\ncache_ttl = \"60\""), ["has no unit", "\"20ms\""]),
        (
            refused("[faas]\ncache_ttl = \"60sec\""),
            ["unknown unit", "ns, us, ms, s, min, h, d"],
        ),
        (
            refused("[faas]\ncache_ttl = \"99999999999h\""),
            ["too large", "at most 3650d"],
        ),
        (
            refused("[faas]\nprobe_interval = \"0s\""),
            ["probe_interval = \"0s\"", "above zero"],
        ),
        (refused("[faas]\nbackup_factor = nan"), ["12:17", "finite"]),
        (
            refused("[faas]\nbackup_factor = 0.5"),
            ["backup_factor = 0.5", "from 1 to 1000"],
        ),
        (
            refused("[faas]\nidempotent = \"yes\""),
            ["idempotent = \"yes\"", "true or false"],
        ),
        (
            refused("[churn]\nsession = \"1h\""),
            ["churn needs", "gap, trace"],
        ),
        (
            refused("[churn]\nsession = \"0s\"\ngap=\"1s\""),
            ["12:11: session", "too short"],
        ),
        (
            refused("[churn]\nsession = { weibull = { scale = \"1h\" } }\ngap=\"1s\""),
            ["churn.session.weibull needs", "shape"],
        ),
        (
            refused("[churn]\nsession = { weibul = 1 }\ngap=\"1s\""),
            ["churn.session has no key `weibul`", "`weibull`"],
        ),
        (
            refused("[churn]\ntrace = \"none.csv\""),
            ["12:9: cannot read dir/none.csv", ""],
        ),
        (
            refused("[churn]\nsession=\"1h\"\ngap=\"1h\"\nfrom=\"1h\"\nuntil=\"1min\""),
            ["until", "after from = 1h"],
        ),
        (any("rate = \"0/s\""), ["rate = \"0/s\"", "above zero"]),
        (any("rate = \"5\""), ["has no unit", "/s, /min, /h, /d"]),
        (
            any("rate = \"5/s\", clients = 3"),
            ["exclude each other", "rate, every, clients, trace"],
        ),
        (
            any("policy = \"race\""),
            ["phase.p.anycall needs one of", "rate, every, clients, trace"],
        ),
        (
            any("rate = \"5/s\", functions = \"g\""),
            ["no function is named `g`", "valid are f"],
        ),
        (
            any("rate = \"5/s\", functions = []"),
            ["functions", "a function's name"],
        ),
        (
            any("rate = \"5/s\", think_time = \"1s\""),
            ["think_time", "only together with clients"],
        ),
        (
            any("rate = \"5/s\", entry = { region = \"eu-wst\" }"),
            ["no region `eu-wst`", "`eu-west`"],
        ),
        (
            any("rate = \"5/s\", entry = { nodes = [100] }"),
            ["100 is no node", "0 to 99"],
        ),
        (
            any("rate = \"5/s\", entry = { nodes = [5, \"3-7\"] }"),
            ["node 5 is listed twice", ""],
        ),
        (
            any("rate = \"5/s\", popularity = \"zipf\""),
            ["popularity", "{ zipf = 0.9 }"],
        ),
        (
            any("trace = { azure2019 = { durations = \"trace.csv\" } }"),
            ["azure2019 needs invocations", ""],
        ),
        (
            any("trace = { azure2021 = \"trace.csv\", arrivals = \"poisson\" }"),
            ["arrivals", "azure2019"],
        ),
        (
            fault("kill = { share = \"150%\" }"),
            ["13:18: share", "at most 100%"],
        ),
        (fault("kill = { share = \"0%\" }"), ["selects nobody", ""]),
        (fault("kill = { count = 200 }"), ["more nodes than the 100", ""]),
        (
            fault("kill = { share = \"5%\", count = 2 }"),
            ["exclude each other", ""],
        ),
        (fault("kill = {}"), ["fault.0.kill needs one of share, count", ""]),
        (
            fault("kill = { function = \"g\" }"),
            ["no function is named `g`", ""],
        ),
        (
            fault("kill = { class = \"g\" }"),
            ["no node class `g`", "did you mean `default`"]
                .map(|part| if part.starts_with("did") { "default" } else { part }),
        ),
        (
            fault("kil = { share = \"5%\" }"),
            ["fault.0 has no key `kil`", "`kill`"],
        ),
        (fault(""), ["fault.0 needs one of kill, crash", ""]),
        (fault("heal = true\nfor = \"1s\""), ["for", "cannot be undone"]),
        (fault("heal = false"), ["heal", "does nothing"]),
        (
            fault("degrade = { share = \"5%\" }"),
            ["needs latency, loss or bandwidth", ""],
        ),
        (
            fault("partition = { groups = [\"all\"] }"),
            ["cuts nobody off", ""],
        ),
        (
            fault("misbehave = { share = \"5%\", kind = \"lie\", delay = \"1s\" }"),
            ["delay", "slow"],
        ),
        (
            refused("[[fault]]\nat = \"1h\"\nheal = true"),
            ["at = \"1h\"", "before the end of the last phase, 1min"],
        ),
        (
            refused("[[function]]\nname = \"f\"\nproviders = 1\nservice_time = \"1s\""),
            ["12:8: name = \"f\"", "taken"],
        ),
        (
            refused("[[function]]\nname = \"a b\"\nproviders = 1\nservice_time = \"1s\""),
            ["name = \"a b\"", "letters"],
        ),
        (
            refused("[[function]]\nname = \"g\"\nproviders = \"3\"\nservice_time = \"1s\""),
            ["providers = \"3\"", "a number of nodes"],
        ),
        (
            refused("[[function]]\nname = \"g\"\nproviders = 3\nservice_time = \"1s\"\nmemory = \"1TiB\""),
            ["fits no node", ""],
        ),
        (
            refused("[[function]]\nname = \"g\"\nproviders = 3\nservice_time = \"1s\"\nprewarm = 9"),
            ["prewarm = 9", "concurrency = 4"],
        ),
        (
            refused("[[function]]\nname = \"g\"\nproviders = 3"),
            [":11:3: function.g needs service_time", ""],
        ),
        (
            refused(
                "[[node_class]]\nname = \"x\"\nshare = \"60%\"\n[[node_class]]\nname = \"y\"\nshare = \"50%\"",
            ),
            ["16:9", "add up to 110%"],
        ),
        (
            refused("[[node_class]]\nname = \"x\"\ncount = 101"),
            ["13:9", "network.nodes = 100"],
        ),
        (
            refused("[[node_class]]\nname = \"x\"\nregion = \"mars\""),
            ["13:10: region = \"mars\"", "not a region"],
        ),
        (
            refused("[[node_class]]\nname = \"x\"\n[[node_class]]\nname = \"y\""),
            ["14:8", "the rest"],
        ),
        (refused("[harness]\nx = 1"), ["harness has no key `x`", ""]),
        (refused("[output]\ncalls = 1"), ["calls = 1", "true or false"]),
        (
            refused("[sweep]\n\"network.nodes\" = 3"),
            ["a list of values to sweep over", ""],
        ),
        (
            refused("[sweep]\n\"network.nodes\" = [1]"),
            ["12:20: nodes = 1", "from 2 to 20000000"],
        ),
        (refused("[sweep]\n\"seed\" = [1]"), ["belongs to the run", ""]),
        (
            refused("[sweep]\n\"phase.q.duration\" = [\"1s\"]"),
            ["no [[phase]] is named `q`", "valid are p"],
        ),
        (refused("x = 1\nx = 2"), ["dir/a.toml:12:1: ", "duplicate"]),
        (refused("x = 1979-05-27"), ["no dates", ""]),
        (
            refused("x = 99999999999999999999999999999999999999999999"),
            ["too large", ""],
        ),
        (refused("x = [1,"), ["dir/a.toml:11:", ""]),
        (refused(&"a.".repeat(100_000)), ["too many dots", ""]),
        (
            refused(&format!("x = {}", "[".repeat(100_000))),
            ["dir/a.toml:11", ""],
        ),
    ] {
        for part in parts {
            assert!(error.contains(part), "`{part}` is missing in: {error}");
        }
        assert!(error.starts_with("dir/a.toml:"), "{error}");
    }
}

#[test]
fn mistakes_of_the_network_are_told() {
    for (network, part) in [
        ("nodes = 1", "nodes = 1 must be a whole number from 2 to 20000000"),
        ("nodes = -5", "nodes = -5 must be"),
        ("nodes = 2.5", "nodes = 2.5 must be"),
        ("", "network needs nodes"),
        ("nodes = 9\nloss = \"150%\"", "at most 100%"),
        ("nodes = 9\nloss = \"100%\"", "below 100%"),
        (
            "nodes = 9\nloss = 0.1",
            "0.1 has no unit: a share is written with %",
        ),
        (
            "nodes = 9\nlatency = { matrix = \"trace.csv\" }",
            "needs its unit",
        ),
        (
            "nodes = 9\nlatency = { matrix = \"no.csv\", unit = \"ms\" }",
            "cannot read dir/no.csv",
        ),
        (
            "nodes = 9\nlatency = { unit = \"ms\" }",
            "needs one of matrix, regions",
        ),
        (
            "nodes = 9\nlatency = { regions = \"cloud-2024\", unit = \"ms\" }",
            "only together with matrix",
        ),
        ("nodes = 9\nlatency = { regions = \"cloud\" }", "cloud-2024"),
        (
            "nodes = 9\nlatency = { regions = \"cloud-2024\", weights = { mars = 1 } }",
            "no region `mars`",
        ),
        (
            "nodes = 9\nlatency = { regions = \"cloud-2024\", weights = { us-east = 0 } }",
            "every region empty",
        ),
        (
            "nodes = 9\nlatency = { regions = { names = [\"a\", \"b\"], round_trips = [[\"1ms\"]] } }",
            "1 rows for 2",
        ),
        (
            "nodes = 9\nlatency = { regions = { names = [\"a\", \"b\"], round_trips = [[\"1ms\", \"2ms\"], [\"3ms\", \"1ms\"]] } }",
            "symmetric",
        ),
        (
            "nodes = 9\nlatency = { uniform = { low = \"2ms\", high = \"1ms\" } }",
            "no less than low",
        ),
        (
            "nodes = 9\nlatency = { empirical = [[\"0%\", \"1ms\"]] }",
            "two points",
        ),
        ("nodes = 9\nlatency = { empirical = [[\"0%\"]] }", "no point"),
        (
            "nodes = 9\nlatency = { lognormal = { median = \"0s\", sigma = 1 } }",
            "above zero",
        ),
        ("nodes = 9\nbandwidth = { up = \"0bit/s\" }", "above zero"),
        ("nodes = 9\nbandwidth = { up = \"10MB/s\" }", "kbit/s"),
        ("nodes = 9\nbandwidth = { up = \"0.1bit/s\" }", "carries nothing"),
        ("nodes = 9\nsettle = \"0.1ns\"", "shorter than a nanosecond"),
        ("nodes = 9\nlatency = 5", "has no unit"),
    ] {
        let text = least("").replace("nodes = 100", network);
        let error = load_with(&text, &[]).expect_err(network).to_string();
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}

#[test]
fn the_top_level_is_checked() {
    for (text, part) in [
        ("", "a.toml:1:1: the scenario needs name"),
        (
            "name = \"A b\"\nnetwork = { nodes = 5 }\nphase = []",
            "lower-case letters",
        ),
        (
            "name = \"a\"\nnetwork = { nodes = 5 }\nphase = []",
            "needs a [[phase]]",
        ),
        (
            "name = \"a\"\nnetwork = 3\nphase = []",
            "network must be a table of nodes, start",
        ),
        ("name = \"a\"\nnetwork = { nodes = 5 }\nphase = 5", "[[phase]]"),
        (
            "name = \"a\"\nnetwork = { nodes = 5 }\nphase = [ { name = \"p\", duration = \"1s\", anycall = { rate = \"1/s\" } } ]",
            "no [[function]]",
        ),
    ] {
        let error = load_with(text, &[]).expect_err(text).to_string();
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
    let loader = Memory([("x.toml".to_owned(), vec![b'a', b'\n', 0xff])].into());
    let error = Scenario::load("x.toml", &loader, &[]).expect_err("not UTF-8");
    assert_eq!(error.to_string(), "x.toml:2:1: this line is not UTF-8 text");
    let error = Scenario::load("y.toml", &loader, &[]).expect_err("missing");
    assert!(
        error.to_string().starts_with("y.toml: cannot read y.toml"),
        "{error}"
    );
}

#[test]
fn discovery_is_a_word_or_a_table() {
    let with = |text: &str| load_with(&format!("discovery = {text}\n{}", least("")), &[]);
    let kind = |text: &str| with(text).map(|loaded| loaded.variants[0].scenario.discovery.clone());
    assert_eq!(kind("\"central\""), Ok(Discovery::Central { node: 0 }));
    assert_eq!(
        kind("{ kind = \"central\", node = 7 }"),
        Ok(Discovery::Central { node: 7 })
    );
    assert_eq!(kind("\"flood\""), Ok(Discovery::Flood { ttl: 4, degree: 8 }));
    assert_eq!(
        kind("{ kind = \"full\", fanout = 2 }"),
        Ok(Discovery::Full { fanout: 2 })
    );
    assert_eq!(kind("\"oracle\""), Ok(Discovery::Oracle));
    for (text, part) in [
        ("\"orakle\"", "did you mean `oracle`?"),
        ("{ kind = \"central\", node = 100 }", "0 to 99"),
        (
            "{ kind = \"central\", ttl = 3 }",
            "only together with kind = \"flood\"",
        ),
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
    let counts: Vec<(&str, u32)> = scenario
        .node_classes
        .iter()
        .map(|class| (class.name.as_str(), class.count))
        .collect();
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
    assert_eq!(anycall.functions, [range(4, 1), range(0, 4), range(5, 3)]);
    assert_eq!(scenario.functions[1].providers, Selector::ALL);
    let nodes = vec![NodeRange { first: 1, count: 1 }, NodeRange { first: 5, count: 5 }];
    assert_eq!(
        scenario.functions[2].providers,
        Selector {
            from: Pool::Nodes(nodes),
            take: Take::Count(2)
        }
    );
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
        closed.arrivals,
        Arrivals::Clients {
            clients: 50,
            think_time: think.clone(),
            think_after_failure: think
        }
    );
    assert_eq!(closed.calls_per_client, Some(9));
    assert_eq!(closed.entry.popularity, Popularity::Zipf(1.0));
    let trace = scenario.phases[1].anycall.clone().expect("anycalls");
    let Arrivals::Azure2019 {
        invocations,
        durations,
        sample,
        speedup,
        within_minute,
    } = trace.arrivals
    else {
        panic!("a trace");
    };
    assert_eq!(
        (durations, sample, speedup, within_minute),
        (None, 0.1, 60.0, Process::Constant)
    );
    // SHA-256 of "x".
    assert_eq!(
        invocations.sha256,
        "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    );
}

#[test]
fn a_client_that_fails_at_once_does_not_spin_by_default() {
    let scenario = one(&least("anycall = { clients = 1 }"));
    let anycall = scenario.phases[0].anycall.clone().expect("anycalls");
    let Arrivals::Clients {
        think_time,
        think_after_failure,
        ..
    } = anycall.arrivals
    else {
        panic!("clients")
    };
    assert_eq!(
        (think_time, think_after_failure),
        (Distribution::Constant(0.0), Distribution::Constant(1.0))
    );
}

#[test]
fn overrides_win_and_are_named_in_errors() {
    let set = |key: &str, value: &str| {
        load_with(&least(""), &[(key, value)]).map(|loaded| loaded.variants[0].scenario.clone())
    };
    assert_eq!(set("network.nodes", "50").expect("nodes").network.nodes, 50);
    assert_eq!(set("seed", "18446744073709551615").expect("seed").seed, u64::MAX);
    assert_eq!(
        set("function.f.providers", "5").expect("providers").functions[0]
            .providers
            .take,
        Take::Count(5)
    );
    assert_eq!(set("function.0.queue", "5").expect("queue").functions[0].queue, 5);
    assert_eq!(
        set("faas.policy", "race").expect("policy").faas.policy,
        AnycallPolicy::Race
    );
    assert_eq!(set("network.loss", "5%").expect("loss").network.loss, 0.05);
    let calls = set("phase.p.anycall.rate", "5/s").expect("rate").phases[0]
        .anycall
        .clone()
        .expect("anycalls");
    assert_eq!(calls.arrivals, Arrivals::Poisson { rate: 5.0 });
    let latency = set("network.latency", "{ matrix = \"matrix.gz\", unit = \"ms\" }").expect("latency");
    assert!(matches!(latency.network.latency, Latency::Matrix { file, .. } if file.path == "matrix.gz"));
    for (key, value, part) in [
        ("network.nodes", "1", "--set network.nodes=1: nodes = 1 must be"),
        (
            "network.nods",
            "10",
            "--set network.nods=10: network has no key `nods`: did you mean `nodes`?",
        ),
        (
            "function.g.queue",
            "5",
            "no [[function]] is named `g`: valid are f",
        ),
        ("function.queue", "5", "write function.<name>.queue"),
        ("name.x", "5", "name is a text"),
        ("", "5", "is no key"),
        ("a..b", "5", "is no key"),
        ("include", "[]", "cannot be set"),
        ("faas.cache_ttl", "5", "has no unit"),
    ] {
        let error = set(key, value).expect_err(key).to_string();
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}

#[test]
fn a_sweep_makes_every_combination() {
    let text = least(
        "anycall = { rate = \"1/s\" }\n[sweep]\n\"function.f.providers\" = [1, 2]\n\"phase.p.anycall.policy\" = [\"race\", \"nearest\"]\n[[sweep.factor]]\nname = \"path\"\nlevels = { warm = {}, cold = { \"phase.p.anycall.cold\" = true, \"faas.cache_ttl\" = \"0s\" } }",
    );
    let loaded = load_with(&text, &[]).expect("a sweep");
    let labels: Vec<&str> = loaded
        .variants
        .iter()
        .map(|variant| variant.label.as_str())
        .collect();
    assert_eq!(labels.len(), 8);
    assert_eq!(labels[0], "providers=1,policy=race,path=warm");
    assert_eq!(labels[7], "providers=2,policy=nearest,path=cold");
    let last = &loaded.variants[7].scenario;
    assert_eq!(last.functions[0].providers.take, Take::Count(2));
    assert!(last.phases[0].anycall.clone().expect("anycalls").cold && last.faas.cache_ttl.is_zero());
    assert_eq!(
        loaded.variants[7].values[0],
        ("function.f.providers".to_owned(), "2".to_owned())
    );

    let pinned = load_with(&text, &[("function.f.providers", "3")]).expect("a pinned factor");
    assert_eq!(pinned.variants.len(), 4);
    assert!(
        pinned
            .variants
            .iter()
            .all(|v| v.scenario.functions[0].providers.take == Take::Count(3))
    );

    let zip = load_with(&text, &[("sweep.mode", "zip")]).expect("zipped");
    let labels: Vec<&str> = zip
        .variants
        .iter()
        .map(|variant| variant.label.as_str())
        .collect();
    assert_eq!(
        labels,
        [
            "providers=1,policy=race,path=warm",
            "providers=2,policy=nearest,path=cold"
        ]
    );
    let uneven = text.replace("[1, 2]", "[1, 2, 3]");
    let error = load_with(&uneven, &[("sweep.mode", "zip")])
        .expect_err("uneven")
        .to_string();
    assert!(error.contains("as many levels"), "{error}");
}

#[test]
fn includes_are_merged_below() {
    let base = least("anycall = { rate = \"1/s\" }\n[faas]\ncache_ttl = \"1s\"\navoid = \"2s\"");
    let over = "include = [\"../base.toml\"]\nname = \"b\"\n[faas]\ncache_ttl = \"9s\"\n[[function]]\nname = \"f\"\nqueue = 7\n[[function]]\nname = \"g\"\nproviders = 1\nservice_time = \"1s\"\n[network]\nlatency = \"3ms\"";
    let files = memory(&[("x/y/../base.toml", &base), ("x/y/over.toml", over)]);
    let loaded = Scenario::load("x/y/over.toml", &files, &[]).unwrap_or_else(|error| panic!("{error}"));
    let scenario = &loaded.variants[0].scenario;
    assert_eq!(scenario.name, "b");
    assert_eq!(scenario.faas.cache_ttl, Duration::from_secs(9));
    assert_eq!(scenario.faas.avoid, Duration::from_secs(2));
    assert_eq!((scenario.functions.len(), scenario.functions[0].queue), (2, 7));
    assert_eq!(loaded.inputs.len(), 2);

    let files = memory(&[
        ("a.toml", "include = [\"b.toml\"]"),
        ("b.toml", "include = [\"a.toml\"]"),
    ]);
    let error = Scenario::load("a.toml", &files, &[])
        .expect_err("a cycle")
        .to_string();
    assert!(
        error.starts_with("b.toml:1:12: a.toml includes itself"),
        "{error}"
    );
    let files = memory(&[("a.toml", "\ninclude = [\"b.toml\"]")]);
    let error = Scenario::load("a.toml", &files, &[])
        .expect_err("missing")
        .to_string();
    assert!(error.starts_with("a.toml:2:12: cannot read b.toml"), "{error}");
}

#[test]
fn json_holds_everything_and_names_the_run() {
    let text = least(
        "anycall = { trace = { azure2021 = \"trace.csv\" } }\nmanycall = { items = 3, every = \"1.5ms\" }\n[churn]\nsession = { empirical = [[\"0%\", \"1s\"], [\"33.3%\", \"7s\"], [\"100%\", \"1h\"]] }\ngap = { gamma = { shape = 0.1, scale = \"0.3s\" } }\n[sweep]\n\"network.loss\" = [\"0.1%\", \"0.7%\"]",
    );
    let loaded = load_with(&text, &[]).unwrap_or_else(|error| panic!("{error}"));
    let json = loaded.to_json().expect("JSON");
    assert_eq!(Loaded::from_json(&json).expect("JSON is read back"), loaded);
    let scenario = &loaded.variants[1].scenario;
    let json = scenario.to_json().expect("JSON");
    assert_eq!(&Scenario::from_json(&json).expect("JSON is read back"), scenario);
    assert_eq!(json, scenario.to_json().expect("JSON"));

    let id = |loaded: &Loaded| loaded.run_id().expect("an id");
    assert_eq!(id(&loaded).len(), 64);
    let elsewhere = load_with(&text, &[("output.directory", "/tmp")]).expect("elsewhere");
    assert_eq!(id(&elsewhere), id(&loaded), "where results go is not what runs");
    let seed = load_with(&text, &[("seed", "2")]).expect("another seed");
    assert_ne!(id(&seed), id(&loaded));
    let files = memory(&[("b.toml", &text), ("trace.csv", "x")]);
    assert_eq!(
        id(&Scenario::load("b.toml", &files, &[]).expect("moved")),
        id(&loaded),
        "files count by content"
    );
    let files = memory(&[("b.toml", &text), ("trace.csv", "y")]);
    assert_ne!(
        id(&Scenario::load("b.toml", &files, &[]).expect("changed")),
        id(&loaded)
    );
}

#[test]
fn faults_are_sorted_and_complete() {
    let scenario = one(&least(
        "[[fault]]\nat = \"30s\"\nheal = true\n[[fault]]\nat = \"10s\"\npartition = { groups = [{ region = \"eu-west\" }, { nodes = [0] }] }\n[[fault]]\nat = \"5s\"\nfor = \"2s\"\npower_off = { function = \"f\", count = 1, fresh = true }\n[[fault]]\nname = \"liar\"\nat = \"1s\"\nmisbehave = { share = \"1%\", kind = \"slow\" }\n[[fault]]\nat = \"2s\"\nrestart = \"all\"\n[[fault]]\nat = \"3s\"\nruntime_down = { class = \"default\" }\n[[fault]]\nat = \"4s\"\nslow = { count = 1, factor = 4 }\n[[fault]]\nat = \"4s\"\ndegrade = { count = 1, loss = \"5%\", bandwidth = { up = \"1Mbit/s\" } }",
    ));
    let times: Vec<f64> = scenario
        .faults
        .iter()
        .map(|fault| fault.at.as_secs_f64())
        .collect();
    assert_eq!(times, [1.0, 2.0, 3.0, 4.0, 4.0, 5.0, 10.0, 30.0]);
    let Fault {
        duration,
        action: FaultAction::PowerOff { nodes, fresh },
        ..
    } = &scenario.faults[5]
    else {
        panic!("a power-off");
    };
    assert_eq!(
        (*duration, *fresh, nodes.take),
        (Some(Duration::from_secs(2)), true, Take::Count(1))
    );
    assert_eq!(
        nodes.from,
        Pool::Function(vec![FunctionRange { first: 0, count: 1 }])
    );
    assert_eq!(scenario.faults[7].action, FaultAction::Heal);
}
