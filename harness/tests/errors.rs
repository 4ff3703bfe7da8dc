//! Where something is wrong with the machine: one message that says what to do, an exit code, and nothing left behind.

// A test that cannot do what it set out to do has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod common;

use common::engine::{FakeEngine, Manner};
use common::{Place, complaint, node, processes, script, succeeded};
use edge_faas_harness::backend::{Backend, Memory};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Two nodes and some hundred calls.
const SHORT: &str = r#"
name = "short"
[network]
nodes = 2
settle = "50ms"
latency = "1ms"
[[function]]
name = "task"
providers = { nodes = [1] }
service_time = "1ms"
work = "sleep"
[[phase]]
name = "calls"
duration = "1s"
anycall = { rate = "300/s" }
"#;

/// What holds however a run fails: it says `parts`, its exit code is 1, and neither files nor processes are left.
fn failed(place: &Place, output: &Output, parts: &[&str]) {
    let said = complaint(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    assert_eq!((place.left(), place.run()), (Vec::new(), None), "{said}");
    assert_eq!(processes(place.path().to_str().unwrap()), 0, "{said}");
}

fn short(place: &Place, more: &[&str]) -> Command {
    let scenario = place.file("short.toml", SHORT);
    place.command(&scenario, more)
}

/// A program that the harness takes for one that is linked statically. It is never run.
fn static_program(place: &Place) -> PathBuf {
    let mut elf = vec![0u8; 64];
    elf[..4].copy_from_slice(b"\x7fELF");
    let path = place.path().join("program");
    std::fs::write(&path, elf).unwrap();
    path
}

/// A run with containers, on the engine at this socket.
fn on_engine(place: &Place, socket: &Path) -> Output {
    let program = static_program(place);
    let more = ["--backend", "docker", "--node", program.to_str().unwrap()];
    short(place, &more).env("DOCKER_HOST", format!("unix://{}", socket.display())).output().unwrap()
}

#[test]
fn no_engine() {
    let place = Place::new();
    let output = on_engine(&place, Path::new("/no/such"));
    failed(&place, &output, &["no Docker engine answers", "/no/such", "start it", "--backend process"]);
}

#[test]
fn an_engine_that_is_too_old() {
    let place = Place::new();
    let engine = FakeEngine::start(place.path(), Manner { api: "1.40", ..Manner::default() });
    let output = on_engine(&place, engine.socket());
    failed(&place, &output, &["API 1.40", "20.10", "upgrade it", "--backend process"]);
    assert!(engine.asked("/build").is_empty(), "nothing is built on it");
}

#[test]
fn every_subnet_is_taken() {
    let place = Place::new();
    // In the words of Engine 20.10.
    let taken = (403, "Pool overlaps with other one on this address space");
    let engine = FakeEngine::start(place.path(), Manner { network: Some(taken), ..Manner::default() });
    let output = on_engine(&place, engine.socket());
    failed(&place, &output, &["10.180.0.0/16", "10.239.0.0/16", "Pool overlaps", "harness clean"]);
    assert_eq!(engine.asked("/networks/create").len(), 60, "each is tried");
    assert_eq!(engine.left(), Vec::<String>::new());
}

#[test]
fn the_image_vanishes_while_the_run_begins() {
    let place = Place::new();
    let gone = (404, "No such image: edge-faas-harness:1");
    let engine = FakeEngine::start(place.path(), Manner { container: Some(gone), ..Manner::default() });
    let output = on_engine(&place, engine.socket());
    failed(&place, &output, &["No such image", "docker system prune", "run it again"]);
    assert_eq!(engine.left(), Vec::<String>::new());
}

#[test]
fn the_engine_has_no_room_for_the_image() {
    let place = Place::new();
    let full = (500, "write /edge-faas: no space left on device");
    let engine = FakeEngine::start(place.path(), Manner { build: Some(full), ..Manner::default() });
    let output = on_engine(&place, engine.socket());
    failed(&place, &output, &["image cannot be built", "no space left on device"]);
    assert_eq!(engine.left(), Vec::<String>::new());
}

#[test]
fn a_port_is_in_use() {
    let place = Place::new();
    // The harness chooses the addresses: the first node waits until its own is taken.
    let (address, go) = (place.path().join("address"), place.path().join("go"));
    let program = script(
        &place,
        &format!(
            "case \"$3\" in */node-0) echo \"$5\" > {0}.new; mv {0}.new {0}; until [ -e {1} ]; do sleep 0.1; done;; esac\n\
             exec {2} \"$@\"",
            address.display(),
            go.display(),
            node().display()
        ),
    );
    let more = ["--backend", "process", "--node", program.to_str().unwrap()];
    let run = short(&place, &more).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut waited = 0;
    while !address.exists() {
        waited += 1;
        assert!(waited < 1_200, "the node is never started");
        std::thread::sleep(Duration::from_millis(50));
    }
    let taken = std::fs::read_to_string(&address).unwrap();
    let _taker = TcpListener::bind(taken.trim()).unwrap();
    std::fs::write(&go, "").unwrap();
    let output = run.wait_with_output().unwrap();
    failed(&place, &output, &["node 0 ended", taken.trim(), "port 8080", "ss -ltnp", "--backend docker"]);
}

#[tokio::test]
async fn a_port_is_in_use_within_one_process() {
    let nodes = Memory::new().unwrap();
    let _taker = TcpListener::bind(nodes.http(0).trim_start_matches("http://")).unwrap();
    let said = nodes.start(0, &Vec::new()).await.unwrap_err().to_string();
    assert!(["node 0", "port 8080", "ss -ltnp"].iter().all(|part| said.contains(part)), "{said}");
    nodes.tear_down().await.unwrap();
}

/// The same command, but no file of it may get larger than `blocks` of 512 or 1,024 bytes, as where a disk is full.
fn with_little_room(command: &Command, blocks: u32) -> Output {
    let mut limited = Command::new("sh");
    limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")).arg("sh");
    limited.arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(key, value),
            None => limited.env_remove(key),
        };
    }
    limited.output().unwrap()
}

#[test]
fn the_disk_is_full_where_the_results_go() {
    let place = Place::new();
    let output = with_little_room(&short(&place, &["--backend", "memory"]), 8);
    let folder = place.path().join("results/short");
    failed(&place, &output, &[folder.to_str().unwrap(), "File too large", "nothing was kept", "--output"]);
}

#[test]
fn the_disk_is_full_where_nodes_keep_their_files() {
    let place = Place::new();
    let more = ["--backend", "process", "--node", node().to_str().unwrap()];
    let output = with_little_room(&short(&place, &more), 0);
    let folder = place.path().join("edge-faas-harness");
    failed(&place, &output, &[folder.to_str().unwrap(), "File too large", "TMPDIR"]);
}

#[test]
fn a_node_that_never_gets_ready() {
    let place = Place::new();
    let program = script(&place, "echo waiting for Godot; exec sleep 1000");
    let more = ["--backend", "process", "--node", program.to_str().unwrap(), "--ready-timeout", "2s"];
    let output = short(&place, &more).output().unwrap();
    let parts =
        ["node", "does not answer within 2 s", "waiting for Godot", "--ready-timeout", "network.nodes"];
    failed(&place, &output, &parts);
    for (wrong, part) in [("0s", "above zero"), ("5", "unit")] {
        let output = short(&place, &["--ready-timeout", wrong]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(complaint(&output).contains(part), "{}", complaint(&output));
    }
}

/// What `harness clean` takes away in this place.
fn cleaned(place: &Place) -> String {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("harness"));
    // No engine: containers of other runs are not this test's.
    command.arg("clean").env("TMPDIR", place.path()).env("DOCKER_HOST", "unix:///no/such");
    let output = command.output().unwrap();
    succeeded(&output);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until so many nodes of this place run.
fn await_nodes(place: &Place, wanted: usize) {
    let here = || processes(place.path().to_str().unwrap());
    for _ in 0..600 {
        if here() == wanted {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("there are {} nodes, not {wanted}", here());
}

#[test]
fn nodes_that_are_kept_stay_until_they_are_cleaned_up() {
    let place = Place::new();
    let more = ["--backend", "process", "--node", node().to_str().unwrap()];
    let keep = [&more[..], &["--keep"]].concat();
    let output = short(&place, &keep).output().unwrap();
    succeeded(&output);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("kept: nodes 0 to 1") && said.contains("harness clean"), "{said}");
    await_nodes(&place, 2);
    let urls: Vec<&str> = said.split_whitespace().filter_map(|word| word.strip_prefix("http://")).collect();
    assert_eq!(urls.len(), 2, "{said}");
    for url in urls {
        TcpStream::connect(url.trim_end_matches(';')).expect(url);
    }
    // The next run has other addresses, and takes away its own nodes only.
    succeeded(&short(&place, &[&more[..], &["--force"]].concat()).output().unwrap());
    await_nodes(&place, 2);
    let gone = cleaned(&place);
    assert_eq!(gone.matches("process ").count(), 2, "{gone}");
    await_nodes(&place, 0);
    assert_eq!(place.left(), Vec::<PathBuf>::new());
}

#[test]
fn nodes_of_a_run_that_failed_are_kept_too() {
    let place = Place::new();
    let lines = format!("case \"$3\" in */node-1) sleep 1; exit 1;; esac\nexec {} \"$@\"", node().display());
    let program = script(&place, &lines);
    let more = ["--backend", "process", "--node", program.to_str().unwrap(), "--keep"];
    let output = short(&place, &more).output().unwrap();
    let said = complaint(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("node 1 ended") && said.contains("kept: ") && said.contains("clean"), "{said}");
    assert_eq!(place.run(), None);
    await_nodes(&place, 1);
    let gone = cleaned(&place);
    assert_eq!(gone.matches("process ").count(), 1, "{gone}");
    await_nodes(&place, 0);
    assert_eq!(place.left(), Vec::<PathBuf>::new());
    // Nodes within the process end with it.
    let output = short(&place, &["--backend", "memory", "--keep"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint(&output).contains("--backend process or docker"), "{}", complaint(&output));
}
