//! `harness doctor`: what this machine can do.

use super::args::Doctor;
use super::ground::node_program;
use super::print;
use crate::backend::Engine;
use crate::failure::Failure;
use crate::host::{Pause, has_netem};
use edge_faas_sim::cost::host;
use std::fmt::Write;

/// Says what each backend has here, and what it lacks.
pub(super) async fn doctor(args: &Doctor) -> Result<(), Failure> {
    let mut text = String::new();
    let host = host();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "machine   {} cores, {}", host.cores, host.cpu.as_deref().unwrap_or(&host.os));
    let node = node_program(args.node.as_deref());
    let _ = match &node {
        Ok(program) => writeln!(text, "node      {}", program.display()),
        Err(error) => writeln!(text, "node      {error}"),
    };
    let _ = writeln!(text, "memory    runs");
    let _ = writeln!(text, "process   {}", if node.is_ok() { "runs" } else { "needs the program of a node" });
    match Engine::connect().await {
        Err(error) => {
            let _ = writeln!(text, "docker    {error}");
        }
        Ok(engine) => {
            let _ = writeln!(text, "docker    {}", engine.describe().await?);
            let left = engine.leftovers(None).await?;
            if !left.is_empty() {
                let _ = writeln!(
                    text,
                    "          {} containers, {} networks, {} images of runs were left: `harness clean` takes them \
                     away",
                    left.containers.len(),
                    left.networks.len(),
                    left.images.len()
                );
            }
        }
    }
    let netem =
        if has_netem() { "the kernel has netem; not used" } else { "the kernel has no netem; not needed" };
    let _ = writeln!(text, "links     shaped by the nodes' transport ({netem})");
    let pause = tokio::task::spawn_blocking(Pause::measure).await.map_err(Failure::other)?;
    let _ = writeln!(
        text,
        "pauses    8 MiB of memory take {:.2} ms to touch, and {:.2} ms after a second's pause",
        pause.before.as_secs_f64() * 1e3,
        pause.after.as_secs_f64() * 1e3
    );
    if pause.is_costly() {
        let _ = writeln!(
            text,
            "          so calls after a pause are slower than others here, by what is the machine's and not the nodes'"
        );
    }
    print(&text)
}
