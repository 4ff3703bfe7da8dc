//! `edge-faas peers` and `edge-faas providers`: a node's view of the network.

use super::args;
use super::client::Client;
use super::failure::Failure;
use super::output::{print, print_json, table};
use crate::http::{Peers, Providers};
use crate::openfaas::FunctionName;

/// Lists the nodes that a node knows.
pub(super) async fn peers(command: &args::Peers) -> Result<(), Failure> {
    let client = Client::new(&command.target)?;
    let peers: Peers = client.get("/api/v1/peers").await?;
    match command.target.json {
        true => print_json(&peers),
        false => print(peers_text(&peers)),
    }
}

fn peers_text(view: &Peers) -> String {
    let rows = view.peers.iter().map(|peer| {
        vec![
            peer.id.clone(),
            if peer.connected { "yes" } else { "no" }.to_owned(),
            if peer.routing { "yes" } else { "no" }.to_owned(),
            peer.addresses.first().cloned().unwrap_or_default(),
        ]
    });
    let joined = if view.joined { "" } else { ", not joined to a network yet" };
    let hosted = match view.hosted.as_slice() {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    };
    format!(
        "node {}{joined}\nhosts {hosted}\n\n{}",
        view.id,
        table(&["peer", "connected", "routing", "address"], &[], rows)
    )
}

/// Looks for the nodes that host a function.
pub(super) async fn providers(command: &args::Providers) -> Result<(), Failure> {
    let client = Client::new(&command.target)?;
    let function = FunctionName::parse(&command.name).map_err(Failure::input)?;
    let providers: Providers = client.get(&format!("/api/v1/providers/{function}")).await?;
    match command.target.json {
        true => print_json(&providers)?,
        false if providers.providers.is_empty() => print(format!("nobody hosts {function}\n"))?,
        false => print(providers_table(&providers))?,
    }
    if providers.providers.is_empty() { Err(Failure::Said) } else { Ok(()) }
}

fn providers_table(found: &Providers) -> String {
    let rows = found.providers.iter().map(|provider| {
        let address = match provider.local {
            true => "the node itself".to_owned(),
            false => provider.addresses.first().cloned().unwrap_or_default(),
        };
        vec![provider.id.clone(), address]
    });
    table(&["provider", "address"], &[], rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Peer, Provider};

    #[test]
    fn peers_are_listed_with_what_the_node_says_of_itself() {
        let peer = |id: &str, connected, routing, addresses: &[&str]| Peer {
            id: id.to_owned(),
            addresses: addresses.iter().map(|&address| address.to_owned()).collect(),
            connected,
            routing,
        };
        let view = Peers {
            id: "12D3KooWMe".to_owned(),
            listening: vec![],
            joined: true,
            hosted: vec!["echo".to_owned(), "pi".to_owned()],
            peers: vec![
                peer("12D3KooWA", true, true, &["/ip4/10.0.0.1/tcp/4001", "/ip4/10.0.0.1/udp/4001/quic-v1"]),
                peer("12D3KooWB", false, true, &[]),
            ],
        };
        insta::assert_snapshot!(peers_text(&view), @r"
        node 12D3KooWMe
        hosts echo, pi

        peer       connected  routing  address
        12D3KooWA  yes        yes      /ip4/10.0.0.1/tcp/4001
        12D3KooWB  no         yes
        ");
    }

    #[test]
    fn providers_are_listed() {
        let provider = |id: &str, local| Provider {
            id: id.to_owned(),
            addresses: vec!["/ip4/10.0.0.1/tcp/4001".to_owned()],
            local,
        };
        let found = Providers {
            function: "f".to_owned(),
            providers: vec![provider("A", false), provider("B", true)],
        };
        insta::assert_snapshot!(providers_table(&found), @r"
        provider  address
        A         /ip4/10.0.0.1/tcp/4001
        B         the node itself
        ");
    }
}
