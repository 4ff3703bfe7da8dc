//! Nodes that find each other by multicast DNS alone.

// A test that cannot read what it made has failed: the panic says where.
#![allow(clippy::unwrap_used)]

mod daemons;

use daemons::*;
use edge_faas_node::daemon::Daemon;
use edge_faas_node::settings::Settings;
use libp2p::multiaddr::Protocol;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;
use uuid::Uuid;

/// The group of multicast DNS (RFC 6762, section 3).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// How long a datagram may take from one socket of this machine to another.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// Settings of a node on all interfaces of this machine that knows nobody. The key keeps it apart from nodes of other
/// tests that happen to run on the same network.
fn on_all_interfaces(key: [u8; 32], mdns: bool) -> Settings {
    let mut settings = settings();
    let network = &mut settings.node.network;
    network.listen = vec![libp2p::Multiaddr::from(Ipv4Addr::UNSPECIFIED).with(Protocol::Tcp(0))];
    network.pre_shared_key = Some(key);
    network.mdns = mdns;
    settings
}

/// The machine's addresses, but for the loopback interface.
fn interfaces(daemon: &Daemon) -> Vec<Ipv4Addr> {
    let listening = daemon.node.info().listening;
    let addresses = listening.iter().filter_map(|address| match address.iter().next() {
        Some(Protocol::Ip4(ip)) if !ip.is_loopback() => Some(ip),
        _ => None,
    });
    addresses.collect()
}

/// Whether what one socket sends to the group from an interface reaches another on the same machine.
fn multicasts(interface: Ipv4Addr) -> std::io::Result<bool> {
    let reader = UdpSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?;
    reader.join_multicast_v4(&GROUP, &interface)?;
    reader.set_read_timeout(Some(PROBE_PATIENCE))?;
    let writer = UdpSocket::bind(SocketAddr::from((interface, 0)))?;
    writer.set_multicast_loop_v4(true)?;
    let word = Uuid::new_v4();
    writer.send_to(word.as_bytes(), SocketAddr::from((GROUP, reader.local_addr()?.port())))?;
    let mut got = [0; 64];
    loop {
        match reader.recv_from(&mut got) {
            Ok((16, _)) if got[..16] == *word.as_bytes() => return Ok(true),
            Ok(_) => {}
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_on_one_network_find_each_other_without_being_told() {
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    let key: [u8; 32] = [*one.as_bytes(), *two.as_bytes()].concat().try_into().unwrap();
    let first = start(on_all_interfaces(key, true)).await;
    let interfaces = interfaces(&first);
    let probed = tokio::task::spawn_blocking({
        let interfaces = interfaces.clone();
        move || interfaces.into_iter().any(|interface| matches!(multicasts(interface), Ok(true)))
    });
    if !probed.await.unwrap() {
        println!("skipped: no multicast on this machine's interfaces {interfaces:?}");
        return;
    }
    let second = start(on_all_interfaces(key, true)).await;
    // It has the key, and does not look around.
    let deaf = start(on_all_interfaces(key, false)).await;
    deploy(&first, "f", "echo", &[]).await;
    for (node, other) in [(&first, &second), (&second, &first)] {
        until("a node is found", || async {
            node.node.peers().iter().any(|peer| peer.id == other.node.id() && peer.connected)
        })
        .await;
    }
    provided(&second, "f", 1).await;
    let answer = Http::of(&second).post("/function/f").body("x").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "x-edge-faas-hops")), (200, Some("1")));
    assert!(deaf.node.peers().is_empty(), "{:?}", deaf.node.peers());
    assert_eq!(Http::of(&deaf).post("/function/f").body("x").send().await.unwrap().status(), 404);
}
