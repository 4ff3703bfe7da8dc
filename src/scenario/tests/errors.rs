//! What is refused, and how the refusal reads.

use super::*;

/// The error of the least scenario with `more` behind it.
fn refused(more: &str) -> String {
    match load_with(&least(more), &[]) {
        Ok(_) => panic!("must be refused: {more}"),
        Err(error) => error.to_string(),
    }
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
        (refused("[kademlia]\nk = 0"), ["dir/a.toml:12:5: k = 0", "a whole number from 1"]),
        (refused("[kademlia]\nalpha = 30"), ["12:9: alpha = 30", "k = 20"]),
        (refused("[kademlia]\nprovider_ttl = \"5min\""), ["12:16", "republish_interval (10min)"]),
        (
            refused("[kademlia]\nrefresh_interval = \"1ms\""),
            ["dir/a.toml:12:20: refresh_interval = \"1ms\" is too short", "1s or more is valid"],
        ),
        (refused("[kademlia]\nrepublish_interval = \"999ms\""), [":12:22: ", "1s or more is valid"]),
        (refused("[kademlia]\nprovider_ttl = \"1ms\""), [":12:16: ", "republish_interval (10min)"]),
        (refused("[faas]\nprobe_interval = \"1us\""), [":12:18: ", "1ms or more is valid"]),
        (
            refused("[kademlia]\nrefresh_intervall = \"1s\""),
            [":12:1: kademlia has no key", "did you mean `refresh_interval`"],
        ),
        (refused("[kademlla]"), [":11:2: the scenario has no key `kademlla`", "did you mean `kademlia`"]),
        (refused("[faas]\nxyz = 1"), ["faas has no key `xyz`", "valid are policy, manycall_policy"]),
        (
            refused("[faas]\npolicy = \"neerest\""),
            ["12:10: policy = \"neerest\" is unknown", "did you mean `nearest`"],
        ),
        (refused("[faas]\ncache_ttl = 60"), ["12:13: cache_ttl: 60 has no unit", "ns, us, ms, s, min, h, d"]),
        (refused("[faas]\ncache_ttl = \"60\""), ["has no unit", "\"20ms\""]),
        (refused("[faas]\ncache_ttl = \"60sec\""), ["unknown unit", "ns, us, ms, s, min, h, d"]),
        (refused("[faas]\ncache_ttl = \"99999999999h\""), ["too large", "at most 3650d"]),
        (refused("[faas]\nprobe_interval = \"0s\""), ["probe_interval = \"0s\"", "above zero"]),
        (refused("[faas]\nbackup_factor = nan"), ["12:17", "finite"]),
        (refused("[faas]\nbackup_factor = 0.5"), ["backup_factor = 0.5", "from 1 to 1000"]),
        (refused("[faas]\nidempotent = \"yes\""), ["idempotent = \"yes\"", "true or false"]),
        (refused("[churn]\nsession = \"1h\""), ["churn needs", "gap, trace"]),
        (refused("[churn]\nsession = \"0s\"\ngap=\"1s\""), ["12:11: session", "too short"]),
        (
            refused("[churn]\nsession = { weibull = { scale = \"1h\" } }\ngap=\"1s\""),
            ["churn.session.weibull needs", "shape"],
        ),
        (
            refused("[churn]\nsession = { weibul = 1 }\ngap=\"1s\""),
            ["churn.session has no key `weibul`", "`weibull`"],
        ),
        (refused("[churn]\ntrace = \"none.csv\""), ["12:9: cannot read dir/none.csv", ""]),
        (
            refused("[churn]\nsession=\"1h\"\ngap=\"1h\"\nfrom=\"1h\"\nuntil=\"1min\""),
            ["until", "after from = 1h"],
        ),
        (any("rate = \"0/s\""), ["rate = \"0/s\"", "above zero"]),
        (any("rate = \"5\""), ["has no unit", "/s, /min, /h, /d"]),
        (any("rate = \"5/s\", clients = 3"), ["exclude each other", "rate, every, clients, trace"]),
        (any("policy = \"race\""), ["phase.p.anycall needs one of", "rate, every, clients, trace"]),
        (any("rate = \"5/s\", functions = \"g\""), ["no function is named `g`", "valid are f"]),
        (any("rate = \"5/s\", functions = []"), ["functions", "a function's name"]),
        (any("rate = \"5/s\", think_time = \"1s\""), ["think_time", "only together with clients"]),
        (any("rate = \"5/s\", entry = { region = \"eu-wst\" }"), ["no region `eu-wst`", "`eu-west`"]),
        (any("rate = \"5/s\", entry = { nodes = [100] }"), ["100 is no node", "0 to 99"]),
        (any("rate = \"5/s\", entry = { nodes = [5, \"3-7\"] }"), ["node 5 is listed twice", ""]),
        (any("rate = \"5/s\", popularity = \"zipf\""), ["popularity", "{ zipf = 0.9 }"]),
        (any("trace = { azure2019 = { durations = \"trace.csv\" } }"), ["azure2019 needs invocations", ""]),
        (any("trace = { azure2021 = \"trace.csv\", arrivals = \"poisson\" }"), ["arrivals", "azure2019"]),
        (fault("kill = { share = \"150%\" }"), ["13:18: share", "at most 100%"]),
        (fault("kill = { share = \"0%\" }"), ["selects nobody", ""]),
        (fault("kill = { count = 200 }"), ["more nodes than the 100", ""]),
        (fault("kill = { share = \"5%\", count = 2 }"), ["exclude each other", ""]),
        (fault("kill = {}"), ["fault.0.kill needs one of share, count", ""]),
        (fault("kill = { function = \"g\" }"), ["no function is named `g`", ""]),
        (fault("kill = { class = \"g\" }"), ["no node class `g`", "valid are default"]),
        (fault("kil = { share = \"5%\" }"), ["fault.0 has no key `kil`", "`kill`"]),
        (fault(""), ["fault.0 needs one of kill, crash", ""]),
        (fault("heal = true\nfor = \"1s\""), ["for", "cannot be undone"]),
        (fault("heal = false"), ["heal", "does nothing"]),
        (fault("degrade = { share = \"5%\" }"), ["needs latency, loss or bandwidth", ""]),
        (fault("partition = { groups = [\"all\"] }"), ["cuts nobody off", ""]),
        (fault("misbehave = { share = \"5%\", kind = \"lie\", delay = \"1s\" }"), ["delay", "slow"]),
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
        (refused("[[function]]\nname = \"g\"\nproviders = 3"), [":11:1: function.g needs service_time", ""]),
        (
            refused(
                "[[node_class]]\nname = \"x\"\nshare = \"60%\"\n[[node_class]]\nname = \"y\"\nshare = \"50%\"",
            ),
            ["16:9", "add up to 110%"],
        ),
        (refused("[[node_class]]\nname = \"x\"\ncount = 101"), ["13:9", "network.nodes = 100"]),
        (
            refused("[[node_class]]\nname = \"x\"\nregion = \"mars\""),
            ["13:10: region = \"mars\"", "not a region"],
        ),
        (refused("[[node_class]]\nname = \"x\"\n[[node_class]]\nname = \"y\""), ["14:8", "the rest"]),
        (refused("[harness]\nx = 1"), ["harness has no key `x`", ""]),
        (refused("[output]\ncalls = 1"), ["calls = 1", "true or false"]),
        (refused("[sweep]\n\"network.nodes\" = 3"), ["a list of values to sweep over", ""]),
        (refused("[sweep]\n\"network.nodes\" = [1]"), ["12:20: nodes = 1", "from 2 to 20000000"]),
        (refused("[sweep]\n\"seed\" = [1]"), ["belongs to the run", ""]),
        (refused("[sweep]\n\"phase.q.duration\" = [\"1s\"]"), ["no [[phase]] is named `q`", "valid are p"]),
        (refused("x = 1\nx = 2"), ["dir/a.toml:12:1: ", "duplicate"]),
        (refused("x = 1979-05-27"), ["no dates", ""]),
        (refused("x = 99999999999999999999999999999999999999999999"), ["too large", ""]),
        (refused("x = [1,"), ["dir/a.toml:11:", ""]),
        (refused(&"a.".repeat(100_000)), ["too many dots", ""]),
        (refused(&format!("x = {}", "[".repeat(100_000))), ["dir/a.toml:11", ""]),
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
        ("nodes = 9\nloss = 0.1", "0.1 has no unit: a share is written with %"),
        ("nodes = 9\nlatency = { matrix = \"trace.csv\" }", "needs its unit"),
        ("nodes = 9\nlatency = { matrix = \"no.csv\", unit = \"ms\" }", "cannot read dir/no.csv"),
        ("nodes = 9\nlatency = { unit = \"ms\" }", "needs one of matrix, regions"),
        ("nodes = 9\nlatency = { regions = \"cloud-2024\", unit = \"ms\" }", "only together with matrix"),
        ("nodes = 9\nlatency = { regions = \"cloud\" }", "cloud-2024"),
        ("nodes = 9\nlatency = { regions = \"cloud-2024\", weights = { mars = 1 } }", "no region `mars`"),
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
        ("nodes = 9\nlatency = { uniform = { low = \"2ms\", high = \"1ms\" } }", "no less than low"),
        ("nodes = 9\nlatency = { empirical = [[\"0%\", \"1ms\"]] }", "two points"),
        ("nodes = 9\nlatency = { empirical = [[\"0%\"]] }", "no point"),
        ("nodes = 9\nlatency = { lognormal = { median = \"0s\", sigma = 1 } }", "above zero"),
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
        ("name = \"A b\"\nnetwork = { nodes = 5 }\nphase = []", "lower-case letters"),
        ("name = \"a\"\nnetwork = { nodes = 5 }\nphase = []", "needs a [[phase]]"),
        ("name = \"a\"\nnetwork = 3\nphase = []", "network must be a table of nodes, start"),
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
    assert!(error.to_string().starts_with("y.toml: cannot read y.toml"), "{error}");
}
