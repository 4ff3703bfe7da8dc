//! Links as they are, held against what the scenario asks for.

use crate::failure::Failure;
use crate::network::Network;
use crate::quantile::quantile;
use edge_faas_core::results::LinkMoment;
use edge_faas_core::time::Duration;
use futures::stream::{self, TryStreamExt};

/// How links are shaped here: by the nodes' own transport.
pub const METHOD: &str = "transport";
/// Round trips that are measured on a link.
const SAMPLES: u32 = 20;
/// In a network of no more nodes every link is measured, in one direction.
const ALL_LINKS: u32 = 12;
/// In a larger one, so many of them, spread over the nodes: each to one that is a third of the way around.
const SOME_LINKS: u32 = 48;
/// Links that are measured at once: what is done for them must not make each other's round trips longer.
const AT_ONCE: usize = 4;
/// How often a link that is off is measured before that counts: a machine's hiccup is over by then, a wrong link is not.
const TRIES: u32 = 3;
/// A link may be off by so much, or by this share of what was asked for, whichever is more.
const OFF: Duration = Duration::from_millis(1);
const OFF_SHARE: f64 = 0.05;

/// A link, as asked for and as measured.
#[derive(Clone, Debug)]
pub struct Link {
    /// When.
    pub moment: LinkMoment,
    /// The node that measured.
    pub from: u32,
    /// The one at the other end.
    pub to: u32,
    /// The round trip that the scenario asks for.
    pub asked: Duration,
    /// The loss that it asks for.
    pub asked_loss: f64,
    /// The round trips that were measured, shortest first.
    pub trips: Vec<Duration>,
    /// Of all that the measuring node's links carried so far: the share that was lost.
    pub loss: Option<f64>,
}

impl Link {
    /// The round trip that a share of the measured ones do not exceed.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        quantile(&self.trips, share)
    }

    /// How far it is off, if it is by more than it may.
    pub fn off(&self) -> Option<Duration> {
        // Losses lengthen round trips, as they are asked to: the shorter half tells of the delay.
        let measured = self.quantile(if self.asked_loss > 0.05 { 0.1 } else { 0.5 })?;
        let off = Duration::from_nanos((measured.as_nanos() - self.asked.as_nanos()).abs());
        let allowed = OFF.max(self.asked.mul_f64(OFF_SHARE));
        (off > allowed).then_some(off)
    }
}

/// Measures the links between nodes that are up and not cut off from each other.
///
/// # Errors
/// If a node does not say.
pub async fn measure(network: &Network, moment: LinkMoment) -> Result<Vec<Link>, Failure> {
    let nodes = network.len();
    let pairs: Vec<(u32, u32)> = if nodes <= ALL_LINKS {
        (0..nodes).flat_map(|from| (from + 1..nodes).map(move |to| (from, to))).collect()
    } else {
        let count = nodes.min(SOME_LINKS);
        let from = |number: u32| (u64::from(number) * u64::from(nodes) / u64::from(count)) as u32;
        (0..count).map(|number| (from(number), (from(number) + nodes / 3) % nodes)).collect()
    };
    let usable = |from: &u32, to: &u32| {
        network.is_up(*from) && network.is_up(*to) && network.rules.lock().connected(*from, *to)
    };
    let pairs = pairs.into_iter().filter(|(from, to)| usable(from, to));
    let measured = stream::iter(pairs.map(|(from, to)| Ok(patiently(network, moment, from, to))));
    measured.try_buffered(AT_ONCE).try_collect().await
}

/// Measures a link, and again if it is off. The last measurement counts.
async fn patiently(network: &Network, moment: LinkMoment, from: u32, to: u32) -> Result<Link, Failure> {
    let mut link = one(network, moment, from, to).await?;
    for _ in 1..TRIES {
        if link.off().is_none() {
            break;
        }
        link = one(network, moment, from, to).await?;
    }
    Ok(link)
}

async fn one(network: &Network, moment: LinkMoment, from: u32, to: u32) -> Result<Link, Failure> {
    let pong = network.node(from).ping(network.address(to), SAMPLES).await?;
    let nanos = |nanos: u64| Duration::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
    let mut trips: Vec<Duration> = pong.round_trips.into_iter().map(nanos).collect();
    trips.sort_unstable();
    let (asked, asked_loss) = {
        let rules = network.rules.lock();
        (
            network.plan.one_way(&rules, from, to) + network.plan.one_way(&rules, to, from),
            network.plan.loss(&rules, from, to),
        )
    };
    let loss = (pong.chunks > 0).then(|| pong.lost as f64 / pong.chunks as f64);
    Ok(Link { moment, from, to, asked, asked_loss, trips, loss })
}

/// Refuses a run whose links are not what its scenario asks for.
///
/// # Errors
/// If a link is off by more than it may, or gave no answer.
pub fn check(links: &[Link]) -> Result<(), Failure> {
    if let Some(dead) = links.iter().find(|link| link.trips.is_empty()) {
        return Err(Failure::Other(format!("node {} cannot reach node {}", dead.from, dead.to)));
    }
    let off: Vec<(&Link, Duration)> = links.iter().filter_map(|link| Some((link, link.off()?))).collect();
    let Some((worst, by)) = off.iter().max_by_key(|(_, by)| *by) else { return Ok(()) };
    let measured = worst.quantile(0.5).unwrap_or(Duration::ZERO);
    Err(Failure::Other(format!(
        "{} of {} links are not what the scenario asks for; the worst, node {} to node {}, takes {:.2} ms instead of \
         {:.2} ms (off by {:.2} ms): a machine that does less besides, or fewer nodes, may help; --allow-bad-links runs \
         all the same",
        off.len(),
        links.len(),
        worst.from,
        worst.to,
        measured.as_secs_f64() * 1e3,
        worst.asked.as_secs_f64() * 1e3,
        by.as_secs_f64() * 1e3,
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(asked: i64, measured: &[i64]) -> Link {
        Link {
            moment: LinkMoment::Before,
            from: 0,
            to: 1,
            asked: Duration::from_micros(asked),
            asked_loss: 0.0,
            trips: measured.iter().map(|micros| Duration::from_micros(*micros)).collect(),
            loss: None,
        }
    }

    #[test]
    fn a_link_may_be_off_by_a_millisecond_or_a_twentieth() {
        for (asked, measured, fine) in [
            (200, 1_150, true),
            (200, 1_250, false),
            (20_000, 20_950, true),
            (20_000, 21_100, false),
            (100_000, 104_900, true),
            (100_000, 105_200, false),
            (100_000, 94_000, false),
        ] {
            let link = link(asked, &[measured, measured, measured * 10]);
            assert_eq!(check(&[link]).is_ok(), fine, "{asked} {measured}");
        }
        assert!(check(&[link(200, &[])]).is_err_and(|error| error.to_string().contains("cannot reach")));
    }

    #[test]
    fn quantiles_are_measured_values() {
        let link = link(1, &[1, 2, 3, 4]);
        assert_eq!(link.quantile(0.5), Some(Duration::from_micros(2)));
        assert_eq!(link.quantile(0.95), Some(Duration::from_micros(4)));
    }
}
