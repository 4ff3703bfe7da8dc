//! Runs with nodes as containers. Where no engine answers, or no static program of a node is there
//! (`scripts/build-static-node`), they are skipped; with `CI_REQUIRE_DOCKER` set, they fail.

// A test that cannot do what it set out to do has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod common;

use common::deaths::{DEATHS, check_deaths};
use common::{Place, SMALL, check_small, complaint, static_node, succeeded};
use edge_faas_harness::backend::Engine;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_leaves_its_rows_and_nothing_else_however_it_ends() {
    let required = std::env::var_os("CI_REQUIRE_DOCKER").is_some();
    let engine = Engine::connect().await;
    let (engine, node) = match (engine, static_node()) {
        (Ok(engine), Some(node)) => (engine, node),
        (engine, node) => {
            assert!(!required, "{engine:?} {node:?}");
            eprintln!(
                "skipped: {}",
                engine.err().map_or("scripts/build-static-node was not run".into(), |e| e.to_string())
            );
            return;
        }
    };
    let node = node.to_str().unwrap();
    let before = engine.leftovers(None).await.unwrap();

    let place = Place::new();
    let scenario = place.file("small.toml", SMALL);
    succeeded(&place.command(&scenario, &["--backend", "docker", "--node", node]).output().unwrap());
    check_small(&place, &scenario, "docker");
    assert_eq!(engine.leftovers(None).await.unwrap(), before);

    let place = Place::new();
    let scenario = place.file("deaths.toml", DEATHS);
    succeeded(&place.command(&scenario, &["--backend", "docker", "--node", node]).output().unwrap());
    check_deaths(&place, &scenario);
    assert_eq!(engine.leftovers(None).await.unwrap(), before);

    let place = Place::new();
    let long = place.file("long.toml", &SMALL.replace("duration = \"2s\"", "duration = \"10min\""));
    let mut command = place.command(&long, &["--backend", "docker", "--node", node, "--quiet"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let run = format!("-{}", child.id());
    let mut there = 0;
    for _ in 0..1_200 {
        there = engine.runs().await.unwrap().iter().filter(|name| name.ends_with(&run)).count();
        // Of each node, its own and that of its address.
        if there == 8 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(there, 8, "containers come up");
    tokio::time::sleep(Duration::from_secs(2)).await;
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::INT).unwrap();
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", complaint(&output));
    assert_eq!(engine.leftovers(None).await.unwrap(), before);
    assert_eq!(place.run(), None);

    // Less memory than the engine gives anybody: it fails when the network is half up.
    let place = Place::new();
    let tiny = SMALL.replace(
        "[[function]]",
        "[[node_class]]\nname = \"tiny\"\ncount = 1\nmemory = \"1MiB\"\n[[function]]",
    );
    let tiny = place.file("tiny.toml", &tiny);
    let output = place.command(&tiny, &["--backend", "docker", "--node", node]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    assert!(complaint(&output).to_lowercase().contains("memory"), "{}", complaint(&output));
    assert_eq!(engine.leftovers(None).await.unwrap(), before);
    assert_eq!(place.run(), None);

    // A program that needs libraries would end in an empty image without a word.
    let output = place.command(&scenario, &["--backend", "docker", "--node", "/bin/sh"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint(&output).contains("linked dynamically"), "{}", complaint(&output));
}
