//! Runs whose functions are behind OpenFaaS gateways; nodes stand for the gateways.

// A test that cannot do what it set out to do has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod common;

use common::gateways::{Gateway, YesToEverything};
use common::{Place, Row, complaint, simulated, static_node, succeeded};
use edge_faas_core::results::{Manifest, OpenFaas};
use edge_faas_harness::backend::Engine;
use edge_faas_node::openfaas::{FunctionDeployment, FunctionName};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Two of four nodes host the function.
const BEHIND: &str = r#"
name = "behind"
seed = 3
[network]
nodes = 4
settle = "200ms"
latency = "4ms"
[[function]]
name = "task"
providers = { nodes = [1, 2] }
work = "sleep"
service_time = { exponential = "3ms" }
request = "2KiB"
response = "2KiB"
[[phase]]
name = "anycalls"
duration = "2s"
anycall = { rate = "20/s" }
[[phase]]
name = "manycalls"
duration = "2s"
manycall = { items = 20, every = "1s" }
"#;

/// `harness run` with functions behind these gateways.
async fn run(place: &Place, scenario: &Path, gateways: &[String], more: &[&str]) -> Output {
    let mut command = place.command(scenario, &["--backend", "memory", "--openfaas", "external", "--quiet"]);
    for gateway in gateways {
        command.args(["--gateway", gateway]);
    }
    command.args(more);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// What holds of [`BEHIND`], whatever its functions are behind.
fn check_calls(place: &Place, scenario: &Path) {
    let (mut real, mut simulated) = (place.rows("calls.csv"), simulated(scenario).rows("calls.csv"));
    // Rows stand in the order in which calls ended.
    let key = |row: &Row| (row["phase"].clone(), row["call"].parse::<u64>().unwrap());
    real.sort_by_key(key);
    simulated.sort_by_key(key);
    assert_eq!(real.len(), simulated.len(), "every call is accounted for");
    for (row, simulated) in real.iter().zip(&simulated) {
        assert_eq!((&row["phase"], &row["call"]), (&simulated["phase"], &simulated["call"]));
        assert_eq!(row["outcome"], "ok", "{row:?}");
        assert!(row["provider"] == "node-1" || row["provider"] == "node-2", "{row:?}");
        assert_eq!(row["response_bytes"], "2048", "{row:?}");
        // The schedule's service time got through the gateway, and what it took came back, in microseconds.
        let exec = |row: &Row| row["exec_us"].parse::<i64>().unwrap();
        assert!(exec(row) + 2 >= exec(simulated), "{row:?} {simulated:?}");
    }
}

fn openfaas(place: &Place) -> OpenFaas {
    let manifest = std::fs::read(place.run().unwrap().join("manifest.json")).unwrap();
    Manifest::read(manifest.as_slice()).unwrap().real.unwrap().openfaas.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_deployed_at_gateways_that_the_user_names_and_removed_again() {
    let (first, second) = (Gateway::start().await, Gateway::start().await);
    // A password for both.
    let password = first.password.to_str().unwrap();
    let urls = [first.url(), second.url()];
    let place = Place::new();
    let scenario = place.file("behind.toml", BEHIND);
    let output = run(&place, &scenario, &urls, &["--gateway-password-file", password]).await;
    succeeded(&output);
    check_calls(&place, &scenario);
    let openfaas = openfaas(&place);
    assert_eq!((openfaas.mode.as_str(), openfaas.gateways), ("external", urls.to_vec()));
    for gateway in [first, second] {
        assert_eq!(gateway.functions().await, Vec::new());
        gateway.daemon.shutdown().await;
    }
    assert_eq!(place.left(), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_of_somebody_elses_is_not_replaced() {
    let (first, second) = (Gateway::start().await, Gateway::start().await);
    let theirs = FunctionDeployment {
        service: "task".to_owned(),
        image: "builtin/echo".to_owned(),
        ..FunctionDeployment::default()
    };
    second.daemon.runtime.deploy(theirs).await.unwrap();
    let place = Place::new();
    let scenario = place.file("behind.toml", BEHIND);
    let password = first.password.to_str().unwrap();
    let urls = [first.url(), second.url()];
    let output = run(&place, &scenario, &urls, &["--gateway-password-file", password]).await;
    assert_eq!(output.status.code(), Some(2), "{}", complaint(&output));
    assert!(complaint(&output).contains("hosts a function task"), "{}", complaint(&output));
    assert_eq!(second.functions().await, [("task".to_owned(), "builtin/echo".to_owned())]);
    assert_eq!(place.run(), None);
    second.daemon.runtime.remove(&FunctionName::parse("task").unwrap()).await.unwrap();
    for gateway in [first, second] {
        gateway.daemon.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_conform_plays_no_call() {
    let yes = YesToEverything::start().await;
    let place = Place::new();
    let scenario = place.file("behind.toml", &BEHIND.replace("nodes = [1, 2]", "nodes = [1]"));
    let output = run(&place, &scenario, std::slice::from_ref(&yes.url), &["--ready-timeout", "5s"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    let said = complaint(&output);
    assert!(said.contains("does not behave as an OpenFaaS gateway"), "{said}");
    assert!(said.contains("an unknown function is no success"), "{said}");
    assert_eq!((place.run(), place.left()), (None, Vec::new()));
}

#[test]
fn what_does_not_go_together_is_refused_before_anything_is_started() {
    let place = Place::new();
    let scenario = place.file("behind.toml", BEHIND);
    let external = ["--backend", "memory", "--openfaas", "external"];
    let one = ["--gateway", "http://127.0.0.1:9"];
    let cases: [(Vec<&str>, &str); 6] = [
        ([&external[..], &one].concat(), "2 nodes host functions, and 1 gateways are named"),
        ([&external[..], &one, &one].concat(), "is named twice"),
        (
            [&external[..], &one, &["--gateway", "http://127.0.0.1:8", "--function-image", "their/image"]]
                .concat(),
            "function.task.service_time",
        ),
        (vec!["--backend", "memory", "--gateway", "http://127.0.0.1:9"], "--openfaas external"),
        (vec!["--backend", "docker", "--openfaas", "gateway"], "EULA.md"),
        (vec!["--backend", "process", "--openfaas", "gateway", "--accept-openfaas-eula"], "--backend docker"),
    ];
    for (words, expected) in cases {
        let output = place.command(&scenario, &words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {}", complaint(&output));
        assert!(complaint(&output).contains(expected), "{words:?}: {}", complaint(&output));
        assert_eq!(place.run(), None);
    }
}

/// An image that stands for the official gateway's; removed at the end.
struct StandIn(String);

impl StandIn {
    fn build(place: &Place) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_in/gateway.rs");
        let program = place.path().join("gateway");
        let mut compiler = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        compiler.args(["--edition", "2024", "-C", "target-feature=+crt-static", "-o"]).arg(&program);
        succeeded(&compiler.arg(source).output().unwrap());
        let archive = place.file("gateway.tar", "");
        let mut packed = tar::Builder::new(std::fs::File::create(&archive).unwrap());
        packed.append_path_with_name(&program, "gateway").unwrap();
        packed.finish().unwrap();
        let tag = format!("edge-faas-test-gateway:{}", std::process::id());
        let mut import = Command::new("docker");
        import.args(["import", "--change", "ENTRYPOINT [\"/gateway\"]"]).arg(&archive).arg(&tag);
        succeeded(&import.output().unwrap());
        StandIn(tag)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let removed = Command::new("docker").args(["rmi", &self.0]).stdout(Stdio::null()).status();
        if !removed.is_ok_and(|status| status.success()) {
            eprintln!("{}: this image is left", self.0);
        }
    }
}

/// Where no engine answers, or no static program of a node is there, it is skipped; with `CI_REQUIRE_DOCKER` set, it fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_stands_beside_each_node() {
    let required = std::env::var_os("CI_REQUIRE_DOCKER").is_some();
    let (engine, node) = match (Engine::connect().await, static_node()) {
        (Ok(engine), Some(node)) => (engine, node),
        (engine, node) => {
            assert!(!required, "{engine:?} {node:?}");
            eprintln!("skipped: no Docker engine, or scripts/build-static-node was not run");
            return;
        }
    };
    let before = engine.leftovers(None).await.unwrap();
    let place = Place::new();
    let image = StandIn::build(&place);
    let scenario = place.file("behind.toml", BEHIND);
    let node = node.to_str().unwrap();
    let words = ["--backend", "docker", "--node", node, "--openfaas", "gateway", "--accept-openfaas-eula"];
    let run =
        |image: &str| place.command(&scenario, &words).args(["--gateway-image", image]).output().unwrap();

    // Nobody has it, and nobody can be asked for it: said before anything is made.
    let output = run("localhost:1/edge-faas/no-such-image:1");
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    assert!(complaint(&output).contains("--gateway-image"), "{}", complaint(&output));
    assert_eq!(engine.leftovers(None).await.unwrap(), before);

    succeeded(&run(&image.0));
    check_calls(&place, &scenario);
    let openfaas = openfaas(&place);
    assert_eq!((openfaas.mode.as_str(), openfaas.image.as_ref()), ("gateway", Some(&image.0)));
    assert!(openfaas.image_id.is_some_and(|id| id.starts_with("sha256:")));
    assert_eq!(engine.leftovers(None).await.unwrap(), before);
}
