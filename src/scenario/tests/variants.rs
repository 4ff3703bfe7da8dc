//! Overrides, sweeps, includes, and what names a run.

use super::*;

#[test]
fn overrides_win_and_are_named_in_errors() {
    let set = |key: &str, value: &str| {
        load_with(&least(""), &[(key, value)]).map(|loaded| loaded.variants[0].scenario.clone())
    };
    assert_eq!(set("network.nodes", "50").expect("nodes").network.nodes, 50);
    assert_eq!(set("seed", "18446744073709551615").expect("seed").seed, u64::MAX);
    assert_eq!(
        set("function.f.providers", "5").expect("providers").functions[0].providers.take,
        Take::Count(5)
    );
    assert_eq!(set("function.0.queue", "5").expect("queue").functions[0].queue, 5);
    assert_eq!(set("faas.policy", "race").expect("policy").faas.policy, AnycallPolicy::Race);
    assert_eq!(set("network.loss", "5%").expect("loss").network.loss, 0.05);
    let calls =
        set("phase.p.anycall.rate", "5/s").expect("rate").phases[0].anycall.clone().expect("anycalls");
    assert_eq!(calls.stream.arrivals, Arrivals::Poisson { rate: 5.0 });
    let latency = set("network.latency", "{ matrix = \"matrix.gz\", unit = \"ms\" }").expect("latency");
    assert!(matches!(latency.network.latency, Latency::Matrix { file, .. } if file.path == "matrix.gz"));
    for (key, value, part) in [
        ("network.nodes", "1", "--set network.nodes=1: nodes = 1 must be"),
        ("network.nods", "10", "--set network.nods=10: network has no key `nods`: did you mean `nodes`?"),
        ("function.g.queue", "5", "no [[function]] is named `g`: valid are f"),
        ("function.queue", "5", "write function.<name>.queue"),
        ("name.x", "5", "name is a text"),
        ("", "5", "is no key"),
        ("a..b", "5", "is no key"),
        ("include", "none.toml", "cannot read none.toml"),
        ("faas.cache_ttl", "5", "has no unit"),
    ] {
        let error = set(key, value).expect_err(key).to_string();
        assert!(error.contains(part), "`{part}` is missing in: {error}");
    }
}

#[test]
fn a_file_that_is_included_by_an_override_goes_on_top_of_the_scenario() {
    let files = memory(&[
        ("dir/a.toml", &least("")),
        ("measured/b.toml", "include = [\"c.toml\"]\nnetwork = { nodes = 7 }"),
        ("measured/c.toml", "[network]\nnodes = 8\n[calibration]\nentry = \"1ms\""),
    ]);
    let load = |overrides: &[(&str, &str)]| {
        let overrides: Vec<(String, String)> =
            overrides.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let loaded = Scenario::load("dir/a.toml", &files, &overrides).expect("a scenario");
        (loaded.variants[0].scenario.clone(), loaded.inputs.len())
    };
    let (scenario, inputs) = load(&[("include", "measured/b.toml")]);
    assert_eq!((scenario.network.nodes, inputs), (7, 3));
    assert_eq!(scenario.calibration.entry, Some(Distribution::Constant(0.001)));
    // The later of two wins.
    assert_eq!(load(&[("include", "measured/b.toml"), ("network.nodes", "9")]).0.network.nodes, 9);
    assert_eq!(load(&[("network.nodes", "9"), ("include", "measured/b.toml")]).0.network.nodes, 7);
    // A scenario that says nothing of it is the same as before there was a calibration.
    assert!(!load(&[]).0.to_json().expect("json").contains("calibration"));
}

#[test]
fn a_sweep_makes_every_combination() {
    let text = least(
        "anycall = { rate = \"1/s\" }\n[sweep]\n\"function.f.providers\" = [1, 2]\n\"phase.p.anycall.policy\" = [\"race\", \"nearest\"]\n[[sweep.factor]]\nname = \"path\"\nlevels = { warm = {}, cold = { \"phase.p.anycall.cold\" = true, \"faas.cache_ttl\" = \"0s\" } }",
    );
    let loaded = load_with(&text, &[]).expect("a sweep");
    let labels: Vec<&str> = loaded.variants.iter().map(|variant| variant.label.as_str()).collect();
    assert_eq!(labels.len(), 8);
    assert_eq!(labels[0], "providers=1,policy=race,path=warm");
    assert_eq!(labels[7], "providers=2,policy=nearest,path=cold");
    let last = &loaded.variants[7].scenario;
    assert_eq!(last.functions[0].providers.take, Take::Count(2));
    assert!(last.phases[0].anycall.clone().expect("anycalls").stream.cold && last.faas.cache_ttl.is_zero());
    assert_eq!(loaded.variants[7].values[0], ("function.f.providers".to_owned(), "2".to_owned()));

    let pinned = load_with(&text, &[("function.f.providers", "3")]).expect("a pinned factor");
    assert_eq!(pinned.variants.len(), 4);
    assert!(pinned.variants.iter().all(|v| v.scenario.functions[0].providers.take == Take::Count(3)));

    let zip = load_with(&text, &[("sweep.mode", "zip")]).expect("zipped");
    let labels: Vec<&str> = zip.variants.iter().map(|variant| variant.label.as_str()).collect();
    assert_eq!(labels, ["providers=1,policy=race,path=warm", "providers=2,policy=nearest,path=cold"]);
    let uneven = text.replace("[1, 2]", "[1, 2, 3]");
    let error = load_with(&uneven, &[("sweep.mode", "zip")]).expect_err("uneven").to_string();
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

    let files = memory(&[("a.toml", "include = [\"b.toml\"]"), ("b.toml", "include = [\"a.toml\"]")]);
    let error = Scenario::load("a.toml", &files, &[]).expect_err("a cycle").to_string();
    assert!(error.starts_with("b.toml:1:12: a.toml includes itself"), "{error}");
    let files = memory(&[("a.toml", "\ninclude = [\"b.toml\"]")]);
    let error = Scenario::load("a.toml", &files, &[]).expect_err("missing").to_string();
    assert!(error.starts_with("a.toml:2:12: cannot read b.toml"), "{error}");
}

#[test]
fn json_holds_everything_and_names_the_run() {
    let text = least(
        "anycall = { trace = { azure2021 = \"trace.csv\" } }\nmanycall = { items = 3, every = \"1.5ms\" }\n[churn]\nsession = { empirical = [[\"0%\", \"1s\"], [\"33.3%\", \"7s\"], [\"100%\", \"1h\"]] }\ngap = { gamma = { shape = 0.1, scale = \"30s\" } }\n[sweep]\n\"network.loss\" = [\"0.1%\", \"0.7%\"]",
    );
    let loaded = load_with(&text, &[]).unwrap_or_else(|error| panic!("{error}"));
    let json = loaded.to_json().expect("JSON");
    assert_eq!(Loaded::from_json(&json).expect("JSON is read back"), loaded);
    let scenario = &loaded.variants[1].scenario;
    let json = scenario.to_json().expect("JSON");
    assert_eq!(&Scenario::from_json(&json).expect("JSON is read back"), scenario);
    assert_eq!(json, scenario.to_json().expect("JSON"));

    let id = |loaded: &Loaded| serde_json::to_string(&loaded.identity()).expect("an id");
    let back = Loaded::from_identity(loaded.identity(), loaded.inputs.clone());
    assert_eq!(id(&back), id(&loaded));
    assert_eq!(
        back.variants[0].scenario.phases, loaded.variants[0].scenario.phases,
        "its files are found by content"
    );
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
    assert_ne!(id(&Scenario::load("b.toml", &files, &[]).expect("changed")), id(&loaded));
}

#[test]
fn a_sweep_can_be_narrowed_to_some_levels() {
    let text = least(
        "anycall = { rate = \"1/s\" }\n[harness]\nonly = { path = [\"cold\"], \"network.nodes\" = [\"200\", \"100\"] }\n[sweep]\n\"network.nodes\" = [100, 200, 300]\n[[sweep.factor]]\nname = \"path\"\nlevels = { warm = {}, cold = { \"faas.cache_ttl\" = \"0s\" } , none = {} }",
    );
    let loaded = load_with(&text, &[]).expect("a sweep");
    let narrowed = |loaded: &Loaded, only: &[(&str, &[&str])]| {
        let mut loaded = loaded.clone();
        let owned = |levels: &[&str]| levels.iter().map(|level| (*level).to_owned()).collect();
        let only: Vec<(String, Vec<String>)> =
            only.iter().map(|(factor, levels)| ((*factor).to_owned(), owned(levels))).collect();
        let result = loaded.restrict(&only).map_err(|error| error.to_string());
        let labels: Vec<String> = loaded.variants.into_iter().map(|variant| variant.label).collect();
        result.map(|()| labels)
    };
    assert_eq!(narrowed(&loaded, &[]).expect("all").len(), 9);
    // The order is the sweep's, not that of the wish; the levels of a factor that is named twice are added up.
    let cold = ["nodes=100,path=cold", "nodes=300,path=cold"];
    assert_eq!(
        narrowed(&loaded, &[("path", &["cold"]), ("network.nodes", &["300", "100"])]).expect("two"),
        cold
    );
    let twice: [(&str, &[&str]); 3] =
        [("network.nodes", &["300"]), ("path", &["cold"]), ("network.nodes", &["100"])];
    assert_eq!(narrowed(&loaded, &twice).expect("two"), cold);

    // What the scenario says of factors that are set has no meaning.
    let real = |overrides: &[(&str, &str)]| load_with(&text, overrides).expect("a sweep").real_levels();
    let factors =
        |levels: Vec<(String, Vec<String>)>| levels.into_iter().map(|(factor, _)| factor).collect::<Vec<_>>();
    assert_eq!(factors(real(&[])), ["network.nodes", "path"]);
    assert_eq!(factors(real(&[("network.nodes", "50")])), ["path"]);

    let refused = |only: &[(&str, &[&str])]| narrowed(&loaded, only).expect_err("a mistake");
    assert_eq!(
        refused(&[("pth", &["cold"])]),
        "pth is no factor of the sweep; its factors are network.nodes, path"
    );
    assert_eq!(refused(&[("path", &["cold", "hot"])]), "path has no level hot; it has warm, cold, none");
    let plain = load_with(&least("anycall = { rate = \"1/s\" }"), &[]).expect("no sweep");
    assert!(
        narrowed(&plain, &[("path", &["cold"])]).expect_err("no factor").ends_with("its factors are none")
    );
    let zip = load_with(&text, &[("sweep.mode", "zip")]).expect("a sweep");
    let apart =
        narrowed(&zip, &[("network.nodes", &["100"]), ("path", &["cold", "none"])]).expect_err("nothing");
    assert_eq!(apart, "no combination of the sweep has all of network.nodes=100, path=cold,none");
}
