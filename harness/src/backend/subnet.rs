//! Loopback addresses of nodes: each has one of its own, so that all have the same ports and keep them over restarts.

use super::{HTTP_PORT, NODE_PORT};
use crate::failure::Failure;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// The port that holds a subnet while a run has it.
const HOLD_PORT: u16 = 4_000;
/// The second parts of addresses that runs take.
const SECOND: std::ops::RangeInclusive<u8> = 77..=126;
/// Addresses of the last part, without 0 and 255.
const LAST: u32 = 250;

/// A part of 127.0.0.0/8 that one run has.
#[derive(Debug)]
pub(super) struct Subnet {
    second: u8,
    _hold: TcpListener,
}

impl Subnet {
    /// Takes one that no other run has.
    pub(super) fn take() -> Result<Self, Failure> {
        let mut reason = String::new();
        for second in SECOND {
            let address = SocketAddr::from((Ipv4Addr::new(127, second, 0, 1), HOLD_PORT));
            match TcpListener::bind(address) {
                Ok(hold) => {
                    let subnet = Subnet { second, _hold: hold };
                    match subnet.taken(0) {
                        None => return Ok(subnet),
                        // Nodes that were kept, or left, are no run that holds it.
                        Some(taken) => reason = taken,
                    }
                }
                Err(error) => reason = format!("{address}: {error}"),
            }
        }
        Err(Failure::Other(format!(
            "no loopback addresses are free for the nodes ({reason}). Wait for other runs of the harness to end; `harness clean` \
             takes away nodes that were kept or left; this system must have all of 127.0.0.0/8 (Linux does)"
        )))
    }

    /// The address of a node.
    pub(super) fn address(&self, node: u32) -> Ipv4Addr {
        let third = 1 + node / LAST;
        Ipv4Addr::new(127, self.second, third.min(255) as u8, (1 + node % LAST) as u8)
    }

    /// What to do if another program has one of the ports of a node that is not up; `None` if they are free.
    pub(super) fn taken(&self, node: u32) -> Option<String> {
        let taken = |port: &u16| {
            let bound = TcpListener::bind((self.address(node), *port));
            bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
        };
        let port = [HTTP_PORT, NODE_PORT].into_iter().find(taken)?;
        Some(format!(
            "another program has port {port} of {}, or of all addresses: `ss -ltnp 'sport = :{port}'` says which; end it, or use \
             --backend docker",
            self.address(node)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_of_every_run_has_an_address_of_its_own() {
        let (one, other) = (Subnet::take().unwrap(), Subnet::take().unwrap());
        let addresses: std::collections::BTreeSet<Ipv4Addr> =
            (0..1_000).flat_map(|node| [one.address(node), other.address(node)]).collect();
        assert_eq!(addresses.len(), 2_000);
        assert!(addresses.iter().all(|address| address.is_loopback() && address.octets()[3] != 0));
    }
}
