//! What the swarm does on all connections.

use super::links::Links;
use super::stream::{self, Accept, Names};
use crate::config::Config;
use crate::handle::StartError;
use crate::protocol::CALL_PROTOCOL;
use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{StreamProtocol, identify, mdns, ping};
use std::sync::Arc;

/// What nodes say of the protocols they speak.
const IDENTIFY_PROTOCOL: &str = "/edge-faas/1";

/// What the swarm does on all connections. Those that may refuse a connection come first.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    allowed: Toggle<allow_block_list::Behaviour<AllowedPeers>>,
    pub(super) identify: identify::Behaviour,
    ping: ping::Behaviour,
    pub(super) mdns: Toggle<mdns::tokio::Behaviour>,
    streams: stream::Behaviour,
}

impl Behaviour {
    pub(super) fn new(
        config: &Config,
        identity: &Keypair,
        links: Links,
        accept: Arc<dyn Accept>,
    ) -> Result<Self, StartError> {
        let limits = &config.limits;
        let half = limits.connections.div_ceil(2);
        let connection_limits = ConnectionLimits::default()
            .with_max_established(Some(limits.connections))
            // So that connections of others leave room for our own.
            .with_max_established_incoming(Some(half.max(1)))
            .with_max_established_per_peer(Some(limits.connections_per_peer))
            .with_max_pending_incoming(Some(limits.pending_incoming));
        let allowed = config.network.allow.as_ref().map(|peers| {
            let mut allowed = allow_block_list::Behaviour::<AllowedPeers>::default();
            for peer in peers {
                allowed.allow_peer(*peer);
            }
            allowed
        });
        let identify = identify::Config::new(IDENTIFY_PROTOCOL.to_owned(), identity.public())
            .with_agent_version(concat!("edge-faas/", env!("CARGO_PKG_VERSION")).to_owned());
        let me = identity.public().to_peer_id();
        let mdns = match config.network.mdns {
            true => Some(
                mdns::tokio::Behaviour::new(mdns::Config::default(), me)
                    .map_err(|source| StartError::Io { what: "listen to multicast DNS", source })?,
            ),
            false => None,
        };
        let names = Names { call: StreamProtocol::new(CALL_PROTOCOL), kad: kad_protocol(config)? };
        let streams = stream::Behaviour::new(
            links,
            accept,
            names,
            config.core.kad.server,
            limits.clone(),
            config.timeouts.dial,
        );
        Ok(Behaviour {
            limits: connection_limits::Behaviour::new(connection_limits),
            allowed: allowed.into(),
            identify: identify::Behaviour::new(identify),
            ping: ping::Behaviour::default(),
            mdns: mdns.into(),
            streams,
        })
    }
}

/// The name of Kademlia's protocol.
pub(super) fn kad_protocol(config: &Config) -> Result<StreamProtocol, StartError> {
    let name = config.network.kad_protocol.clone();
    StreamProtocol::try_from_owned(name).map_err(|_| {
        StartError::Config(format!(
            "kad_protocol is {:?}; a protocol's name begins with a slash, as /edge-faas/kad/1.0.0 does",
            config.network.kad_protocol
        ))
    })
}
