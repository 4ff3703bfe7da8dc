//! How bytes get to another node: TCP, QUIC, or a channel within the process.

use super::muxer::{OTHER_STREAMS, Yamux};
use crate::config::{Limits, Network, Timeouts};
use crate::experiment::{Connection, Links};
use crate::handle::StartError;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::{Boxed, MemoryTransport, OrTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::pnet::{PnetConfig, PreSharedKey};
use libp2p::{Multiaddr, PeerId, Transport, dns, noise, quic, tcp};
use std::sync::Arc;

/// The transport that the settings ask for: TCP without Nagle, QUIC, and the memory transport, names resolved. TCP and
/// memory are shaped where an experiment says how.
pub(super) fn build(
    identity: &Keypair,
    network: &Network,
    limits: &Limits,
    timeouts: &Timeouts,
    shape: Option<Arc<Links>>,
) -> Result<Boxed<(PeerId, StreamMuxerBox)>, StartError> {
    check(network)?;
    let noise = noise::Config::new(identity)
        .map_err(|error| StartError::Config(format!("the identity cannot be used: {error}")))?;
    let yamux = Yamux::new(limits.streams);

    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let links = shape.clone();
    let tcp = tcp.and_then(move |socket, endpoint| Connection::open(socket, endpoint, links.clone()));
    let key = network.pre_shared_key.map(PreSharedKey::new);
    let tcp = tcp.and_then(move |socket, _| async move {
        use futures::future::Either;
        match key {
            Some(key) => match PnetConfig::new(key).handshake(socket).await {
                Ok(socket) => Ok(Either::Left(socket)),
                Err(error) => Err(std::io::Error::other(error)),
            },
            None => Ok(Either::Right(socket)),
        }
    });
    let tcp = tcp
        .upgrade(Version::V1Lazy)
        .authenticate(noise.clone())
        .multiplex(yamux.clone())
        .timeout(timeouts.dial)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let memory = MemoryTransport::default()
        .and_then(move |socket, endpoint| Connection::open(socket, endpoint, shape.clone()))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux)
        .timeout(timeouts.dial)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let streams = OrTransport::new(tcp, memory).map(|either, _| either.into_inner());

    let resolve = |what| move |source| StartError::Io { what, source };
    if network.pre_shared_key.is_some() {
        // QUIC's own handshake has no place for the key.
        let transport =
            dns::tokio::Transport::system(streams).map_err(resolve("read the resolver's settings"))?;
        return Ok(transport.boxed());
    }
    let mut quic = quic::Config::new(identity);
    quic.max_concurrent_stream_limit = u32::try_from(limits.streams + OTHER_STREAMS).unwrap_or(u32::MAX);
    let quic = quic::tokio::Transport::new(quic).map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let all = OrTransport::new(streams, quic).map(|either, _| either.into_inner());
    let transport = dns::tokio::Transport::system(all).map_err(resolve("read the resolver's settings"))?;
    Ok(transport.boxed())
}

/// Refuses settings that would fail later, or silently do nothing.
fn check(network: &Network) -> Result<(), StartError> {
    let quic =
        |address: &&Multiaddr| address.iter().any(|part| matches!(part, Protocol::QuicV1 | Protocol::Quic));
    if network.pre_shared_key.is_some()
        && let Some(address) = network.listen.iter().find(quic)
    {
        return Err(StartError::Config(format!(
            "{address} is QUIC, and a pre-shared key works over TCP only: listen on /ip4/…/tcp/… instead"
        )));
    }
    Ok(())
}
