//! What can be asked of `edge-faas`.

use super::failure::EXIT_CODES;
use clap::{Args, Parser, Subcommand};
use edge_faas_core::faas::{AnycallPolicy, ManycallPolicy};
use edge_faas_core::units;
use http::{HeaderName, HeaderValue, Method};
use libp2p::Multiaddr;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A network of edge nodes that run functions for each other.
///
/// `edge-faas node` is a node; the other commands talk to one over HTTP: the one that --gateway or OPENFAAS_URL names,
/// with the login that `faas-cli login` stored.
#[derive(Debug, Parser)]
#[command(name = "edge-faas", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Runs a node until it is told to stop.
    Node(Node),
    /// Runs a network of several nodes on this machine.
    Devnet(Devnet),
    /// Deploys a function on a node, or changes one that is there.
    Deploy(Deploy),
    /// Calls a function, wherever it is hosted. The body comes from standard input.
    Invoke(Invoke),
    /// Calls a function once for each line of standard input, spread over all nodes that host it.
    Map(Map),
    /// Lists the functions of a node.
    List(List),
    /// Shows a function of a node.
    Describe(Function),
    /// Removes a function from a node.
    #[command(visible_alias = "rm")]
    Remove(Function),
    /// Shows the log of a function of a node.
    Logs(Logs),
    /// Lists the nodes that a node knows.
    Peers(Peers),
    /// Looks for the nodes that host a function.
    Providers(Providers),
    /// Waits until it is told to stop: what holds a network address for a node in another container.
    #[command(hide = true)]
    Pause,
}

/// Which node is talked to.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The node's URL. By default OPENFAAS_URL, else http://127.0.0.1:8080.
    #[arg(short, long, value_name = "URL")]
    pub(super) gateway: Option<String>,
    /// Prints JSON, for programs.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Node {
    /// Settings (TOML). See docs/node.md.
    #[arg(short, long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Sets any setting: `--set timeouts.call=30s`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(super) set: Vec<(String, String)>,
    /// The folder of the node's identity and of what must survive a restart. Without it nothing does.
    #[arg(long, value_name = "DIR")]
    pub(super) state: Option<PathBuf>,
    /// Where other nodes reach this one; the same as `--set network.listen=…`. By default TCP and QUIC on port 4001.
    #[arg(long, value_name = "MULTIADDR")]
    pub(super) listen: Vec<Multiaddr>,
    /// A peer to begin with, with its id at the end; the same as `--set network.bootstrap=…`.
    #[arg(long, value_name = "MULTIADDR")]
    pub(super) bootstrap: Vec<Multiaddr>,
    /// Where the HTTP API listens; the same as `--set http.listen=…`.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) http: Option<SocketAddr>,
    /// What runs functions, `builtin` or `openfaas`; the same as `--set runtime.kind=…`.
    #[arg(long, value_name = "KIND")]
    pub(super) runtime: Option<String>,
    /// The OpenFaaS gateway behind the node; the same as `--set runtime.gateway=…`, with `--runtime openfaas`.
    #[arg(long, value_name = "URL")]
    pub(super) openfaas: Option<String>,
    /// Prints what the node says of itself when it is up as JSON, for programs.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Devnet {
    /// How many nodes.
    #[arg(short, long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(super) nodes: u16,
    /// The first node's HTTP port; the others have those that follow. 0: any free ones.
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    pub(super) port: u16,
    /// Prints the nodes as JSON when they are up, for programs.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Deploy {
    /// The function's name.
    pub(super) name: String,
    /// The image; for the built-in runtime builtin/echo, sleep, cpu, pi, payload or fail.
    #[arg(long)]
    pub(super) image: String,
    /// The namespace.
    #[arg(short, long)]
    pub(super) namespace: Option<String>,
    /// An environment variable.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = key_value)]
    pub(super) env: Vec<(String, String)>,
    /// A label.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = key_value)]
    pub(super) label: Vec<(String, String)>,
    /// An annotation.
    #[arg(long, value_name = "NAME=VALUE", value_parser = key_value)]
    pub(super) annotation: Vec<(String, String)>,
    /// A secret that the function may read.
    #[arg(long, value_name = "NAME")]
    pub(super) secret: Vec<String>,
    /// A call that may have started may be run again: it fails over to another node then.
    #[arg(long)]
    pub(super) idempotent: bool,
    /// Calls that one replica runs at once.
    #[arg(long, value_name = "N")]
    pub(super) concurrency: Option<u32>,
    /// Calls that may wait.
    #[arg(long, value_name = "N")]
    pub(super) queue: Option<u32>,
    /// How long a call may run, with its unit (30s).
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) timeout: Option<String>,
    #[command(flatten)]
    pub(super) target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Invoke {
    /// The function's name.
    pub(super) name: String,
    /// The method.
    #[arg(short = 'X', long, default_value = "POST")]
    pub(super) method: Method,
    /// What follows the function's name, with its query: /thumbnails?size=64.
    #[arg(long, value_name = "PATH", default_value = "")]
    pub(super) path: String,
    /// A header.
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    pub(super) header: Vec<(HeaderName, HeaderValue)>,
    /// The body, in place of standard input.
    #[arg(short, long, value_name = "TEXT", conflicts_with = "file")]
    pub(super) data: Option<String>,
    /// The file that is the body, in place of standard input.
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// How to choose the node: local-first, local-only, nearest, least-outstanding, least-loaded, power-of-two, random,
    /// round-robin, race. By default as the node is set.
    #[arg(long)]
    pub(super) policy: Option<AnycallPolicy>,
    #[command(flatten)]
    pub(super) options: CallOptions,
    /// Prints on standard error where the call went and where its time did.
    #[arg(short, long)]
    pub(super) verbose: bool,
    #[command(flatten)]
    pub(super) target: Target,
}

/// What a call may choose.
#[derive(Debug, Args)]
pub(super) struct CallOptions {
    /// The function may run more than once for a call: it fails over to another node then.
    #[arg(long)]
    pub(super) idempotent: bool,
    /// When to give up, with its unit (30s); for `map`, on each item. By default as the node is set.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) timeout: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Map {
    /// The function's name.
    pub(super) name: String,
    /// The file with the items, in place of standard input. A line is the body of an item.
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// So many calls without a body, in place of items.
    #[arg(long, value_name = "N", conflicts_with = "file")]
    pub(super) count: Option<u64>,
    /// A line is an item as JSON: {"body": …, "http_method": …, "path_and_query": …, "headers": {…}}.
    #[arg(long)]
    pub(super) ndjson: bool,
    /// How to spread the items: static, late-binding, backup. By default as the node is set.
    #[arg(long)]
    pub(super) policy: Option<ManycallPolicy>,
    #[command(flatten)]
    pub(super) options: CallOptions,
    /// Writes the results to a file, a line of JSON each, as they come.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// No progress bar.
    #[arg(long)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) target: Target,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The namespace.
    #[arg(short, long)]
    pub(super) namespace: Option<String>,
    #[command(flatten)]
    pub(super) target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Function {
    /// The function's name.
    pub(super) name: String,
    /// The namespace.
    #[arg(short, long)]
    pub(super) namespace: Option<String>,
    #[command(flatten)]
    pub(super) target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Logs {
    /// The function's name.
    pub(super) name: String,
    /// The namespace.
    #[arg(short, long)]
    pub(super) namespace: Option<String>,
    /// Go on with lines as they come.
    #[arg(long)]
    pub(super) follow: bool,
    /// Only so many of the last lines.
    #[arg(long, value_name = "N")]
    pub(super) tail: Option<i64>,
    /// Only lines of the last so and so long, with its unit (10min).
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) since: Option<String>,
    #[command(flatten)]
    pub(super) target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Peers {
    #[command(flatten)]
    pub(super) target: Target,
}

#[derive(Debug, Args)]
pub(super) struct Providers {
    /// The function's name.
    pub(super) name: String,
    #[command(flatten)]
    pub(super) target: Target,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

/// Checked here, and passed on as it is written.
fn duration(text: &str) -> Result<String, String> {
    units::duration(text).map(|_| text.to_owned())
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| format!("`{text}` is not NAME: VALUE"))?;
    let name = name.trim().parse().map_err(|error| format!("{name}: {error}"))?;
    let value = value.trim().parse().map_err(|error| format!("{value}: {error}"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
