//! `edge-faas devnet`: a network of several nodes on this machine, for a first look and for trying things out.

use super::args;
use super::failure::Failure;
use super::node::{Signals, addresses, failure, raise_descriptors, start_log, url};
use super::output::{print, print_json, table};
use crate::daemon::Daemon;
use crate::openfaas::FunctionDeployment;
use crate::runtime::annotation;
use crate::settings::Settings;
use futures::future;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// How long the nodes may take to find each other.
const JOIN_PATIENCE: Duration = Duration::from_secs(30);
/// How often that is looked at.
const TICK: Duration = Duration::from_millis(20);

/// Runs a network of nodes until SIGINT or SIGTERM.
pub(super) async fn devnet(command: &args::Devnet) -> Result<(), Failure> {
    start_log("warn");
    raise_descriptors(0);
    let mut signals = Signals::new()?;
    let started = tokio::select! {
        started = start(command) => started,
        () = signals.wait() => return Ok(()),
    };
    let nodes = started?;
    match command.json {
        true => print_json(&json!({ "nodes": nodes.iter().map(as_json).collect::<Vec<_>>() }))?,
        false => print(greeting(&nodes))?,
    }
    signals.wait().await;
    tokio::select! {
        _ = future::join_all(nodes.into_iter().map(Daemon::shutdown)) => Ok(()),
        () = signals.wait() => Err(Failure::other("stopped before calls under way had ended")),
    }
}

async fn start(command: &args::Devnet) -> Result<Vec<Daemon>, Failure> {
    let mut nodes: Vec<Daemon> = Vec::new();
    for number in 0..command.nodes {
        let port = match command.port {
            0 => 0,
            first => first
                .checked_add(number)
                .ok_or_else(|| Failure::input("--port: so many nodes need more ports than follow it"))?,
        };
        let mut settings =
            Settings { http_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ..Settings::default() };
        settings.node.network.listen = vec![Multiaddr::from(Ipv4Addr::LOCALHOST).with(Protocol::Tcp(0))];
        if let Some(first) = nodes.first() {
            let info = first.node.info();
            let known = info.listening.into_iter().map(|address| (info.id, address));
            settings.node.network.bootstrap = known.collect();
        }
        nodes.push(Daemon::start(settings).await.map_err(failure)?);
    }
    let joined = async {
        while !nodes.iter().all(|daemon| daemon.node.info().joined) {
            tokio::time::sleep(TICK).await;
        }
    };
    if tokio::time::timeout(JOIN_PATIENCE, joined).await.is_err() {
        return Err(Failure::other("the nodes did not find each other; is the loopback interface filtered?"));
    }
    for (function, hosts) in functions(nodes.len()) {
        for host in hosts {
            if let Some(daemon) = nodes.get(host) {
                daemon.runtime.deploy(function.clone()).await.map_err(Failure::other)?;
            }
        }
    }
    Ok(nodes)
}

/// The functions of the network, and on which nodes they are.
fn functions(nodes: usize) -> Vec<(FunctionDeployment, Vec<usize>)> {
    let function = |name: &str, env: &[(&str, &str)], concurrency: Option<u32>| FunctionDeployment {
        service: name.to_owned(),
        image: format!("builtin/{name}"),
        env_vars: env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        annotations: concurrency
            .map(|limit| (annotation::CONCURRENCY.to_owned(), limit.to_string()))
            .into_iter()
            .chain([(annotation::IDEMPOTENT.to_owned(), "true".to_owned())])
            .collect(),
        ..FunctionDeployment::default()
    };
    // Not on the first node, so that its calls are routed; every second one has the slower functions.
    let last = nodes.saturating_sub(1);
    let others: Vec<usize> = (1.min(last)..nodes).collect();
    let some: Vec<usize> = others.iter().copied().step_by(2).collect();
    vec![
        (function("echo", &[], None), vec![last]),
        (function("sleep", &[("duration", "100ms")], Some(10)), others),
        (function("pi", &[("digits", "1000")], None), some),
    ]
}

fn as_json(daemon: &Daemon) -> serde_json::Value {
    json!({
        "id": daemon.node.id().to_string(),
        "http": url(daemon),
        "addresses": addresses(daemon).iter().map(ToString::to_string).collect::<Vec<_>>(),
        "hosted": hosted(daemon),
    })
}

fn hosted(daemon: &Daemon) -> Vec<String> {
    daemon.runtime.hosted().borrow().keys().cloned().collect()
}

fn greeting(nodes: &[Daemon]) -> String {
    let rows =
        nodes.iter().map(|daemon| vec![url(daemon), daemon.node.id().to_string(), hosted(daemon).join(", ")]);
    let mut text = table(&["http", "node", "hosts"], &[], rows);
    let Some(first) = nodes.first() else { return text };
    let url = url(first);
    text += &format!(
        "\nTry, in another terminal:\n\n\
         export OPENFAAS_URL={url}\n\
         echo hello | edge-faas invoke echo --verbose\n\
         edge-faas map sleep --count 200\n\
         edge-faas providers pi\n\
         curl -i '{url}/function/pi?digits=50'\n\n\
         Ctrl-C stops all of them.\n"
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_a_host_whatever_the_number_of_nodes() {
        for nodes in 1..10 {
            for (function, hosts) in functions(nodes) {
                assert!(!hosts.is_empty(), "{} of {nodes}", function.service);
                assert!(hosts.iter().all(|host| *host < nodes && (nodes == 1 || *host > 0)), "{hosts:?}");
            }
        }
    }
}
