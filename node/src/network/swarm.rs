//! The swarm's task: connections come and go, peers say who they are.

use super::behaviour::{Behaviour, BehaviourEvent, kad_protocol};
use super::links::Links;
use super::transport;
use crate::config::Config;
use crate::driver::Driver;
use crate::handle::StartError;
use futures::StreamExt;
use futures::channel::mpsc;
use libp2p::core::{ConnectedPoint, upgrade};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{self, ConnectionError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, identify, mdns};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

/// How often waiting streams are looked through: every half of what they may wait, within these bounds.
const REAP_MIN: Duration = Duration::from_millis(100);
const REAP_MAX: Duration = Duration::from_secs(5);

/// A swarm that listens.
pub(crate) struct Listening {
    swarm: Swarm<Behaviour>,
    dials: mpsc::UnboundedReceiver<PeerId>,
    kad: StreamProtocol,
}

/// Makes the swarm and waits until it listens on every address.
pub(crate) async fn start(
    config: &Config,
    identity: Keypair,
    driver: Arc<Driver>,
    links: Links,
    dials: mpsc::UnboundedReceiver<PeerId>,
) -> Result<Listening, StartError> {
    let shape = config.experiment.as_ref().map(|experiment| experiment.links.clone());
    let transport = transport::build(&identity, &config.network, &config.limits, &config.timeouts, shape)?;
    let behaviour = Behaviour::new(config, &identity, links, driver.clone())?;
    let settings = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(config.timeouts.idle)
        .with_substream_upgrade_protocol_override(upgrade::Version::V1Lazy)
        .with_max_negotiating_inbound_streams(config.limits.streams)
        .with_dial_concurrency_factor(NonZeroU8::new(4).unwrap_or(NonZeroU8::MIN));
    let mut swarm = Swarm::new(transport, behaviour, identity.public().to_peer_id(), settings);
    let mut waiting = Vec::new();
    for address in &config.network.listen {
        let id = swarm
            .listen_on(address.clone())
            .map_err(|error| StartError::Listen { address: address.clone(), reason: error.to_string() })?;
        waiting.push((id, address.clone()));
    }
    for address in &config.network.external {
        swarm.add_external_address(address.clone());
    }
    let mut listening = Listening { swarm, dials, kad: kad_protocol(config)? };
    while !waiting.is_empty() {
        let event = listening.swarm.select_next_some().await;
        match &event {
            SwarmEvent::NewListenAddr { listener_id, .. } => waiting.retain(|(id, _)| id != listener_id),
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                if let Some((_, address)) = waiting.iter().find(|(id, _)| id == listener_id) {
                    let reason = match reason {
                        Ok(()) => "the listener closed".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    return Err(StartError::Listen { address: address.clone(), reason });
                }
            }
            _ => {}
        }
        listening.on_event(&driver, event);
    }
    Ok(listening)
}

/// Runs the swarm until the node ends.
pub(crate) async fn run(mut listening: Listening, driver: Arc<Driver>) {
    let age = driver.config.timeouts.idle_stream;
    let mut reap = tokio::time::interval((age / 2).clamp(REAP_MIN, REAP_MAX));
    loop {
        let disconnect = async {
            match &driver.config.experiment {
                Some(experiment) => experiment.disconnect.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = listening.swarm.select_next_some() => listening.on_event(&driver, event),
            Some(peer) = listening.dials.next() => listening.dial(&driver, peer),
            () = disconnect => listening.disconnect(),
            _ = reap.tick() => driver.links.reap(age),
            () = driver.stop.cancelled() => return,
        }
    }
}

impl Listening {
    /// Closes every connection.
    fn disconnect(&mut self) {
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            // Fails for one that has gone meanwhile.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    fn dial(&mut self, driver: &Driver, peer: PeerId) {
        let addresses = driver.addresses(&peer);
        if addresses.is_empty() {
            driver.links.dial_failed(peer, "no address of it is known");
            return;
        }
        let options =
            DialOpts::peer_id(peer).condition(PeerCondition::NotDialing).addresses(addresses).build();
        if let Err(error) = self.swarm.dial(options) {
            driver.links.dial_failed(peer, &error.to_string());
        }
    }

    fn on_event(&mut self, driver: &Arc<Driver>, event: SwarmEvent<super::behaviour::BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening");
                self.tell_addresses(driver);
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                tracing::info!(%address, "not listening any more");
                self.tell_addresses(driver);
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener failed"),
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "a listener closed");
                self.tell_addresses(driver);
            }
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                let dialled = match &endpoint {
                    ConnectedPoint::Dialer { address, .. } => Some(address),
                    ConnectedPoint::Listener { .. } => None,
                };
                driver.connected(peer_id, dialled, endpoint.get_remote_address());
                driver.metrics.connections.set(count(self.swarm.connected_peers().count()));
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause, .. } => {
                match cause {
                    None | Some(ConnectionError::KeepAliveTimeout) => {}
                    Some(error) => tracing::debug!(peer = %peer_id, %error, "a connection broke"),
                }
                driver.disconnected(peer_id, driver.links.take_broken(&peer_id));
                driver.metrics.connections.set(count(self.swarm.connected_peers().count()));
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                tracing::debug!(?peer_id, %error, "cannot connect");
                if let Some(peer) = peer_id {
                    driver.unreachable(peer);
                }
            }
            SwarmEvent::IncomingConnectionError { error, send_back_addr, .. } => {
                tracing::debug!(from = %send_back_addr, %error, "a connection did not come about");
            }
            SwarmEvent::Behaviour(event) => self.on_behaviour(driver, event),
            _ => {}
        }
    }

    fn on_behaviour(&mut self, driver: &Arc<Driver>, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                let server = info.protocols.contains(&self.kad);
                driver.identified(peer_id, server, &info.listen_addrs);
            }
            BehaviourEvent::Mdns(mdns::Event::Discovered(peers)) => driver.discovered(&peers),
            _ => {}
        }
    }

    fn tell_addresses(&self, driver: &Driver) {
        let mut addresses: Vec<Multiaddr> = self.swarm.external_addresses().cloned().collect();
        for address in self.swarm.listeners() {
            let unspecified = address.iter().next().is_some_and(|part| match part {
                Protocol::Ip4(ip) => ip.is_unspecified(),
                Protocol::Ip6(ip) => ip.is_unspecified(),
                _ => false,
            });
            if !unspecified && !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        driver.set_own_addresses(addresses);
    }
}

fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
