//! Where a call's time went.

use super::attempt::Answer;
use crate::call::{CallInfo, Parts};
use crate::driver::{Driver, std_duration};
use edge_faas_core::io::CallReport;
use libp2p::PeerId;
use std::time::{Duration, Instant};

/// The entry's own stamps.
pub(super) struct Stamps {
    arrived: Instant,
    first: Option<Instant>,
    last: Option<Instant>,
    attempts: u32,
}

impl Stamps {
    pub(super) fn new(arrived: Instant) -> Self {
        Stamps { arrived, first: None, last: None, attempts: 0 }
    }

    /// An attempt begins.
    pub(super) fn attempt(&mut self) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.attempts += 1;
    }

    /// Of a call that is over.
    pub(super) fn of_report(
        &self,
        driver: &Driver,
        report: &CallReport,
        provider: Option<PeerId>,
        connect: Option<Duration>,
    ) -> CallInfo {
        let timing = report.timing.unwrap_or_default();
        let provider = provider.or_else(|| report.provider.and_then(|peer| driver.peer_id(peer)));
        let parts = Parts {
            lookup: std_duration(report.lookup),
            dispatch: std_duration(report.dispatch),
            retry: std_duration(report.retry),
            connect: connect.unwrap_or_default(),
            network: Duration::ZERO,
            queue: std_duration(timing.queue),
            cold: std_duration(timing.cold),
            exec: std_duration(timing.exec),
            total: self.arrived.elapsed(),
        };
        CallInfo {
            hops: u32::from(provider.is_some_and(|provider| provider != driver.me())),
            provider,
            attempts: report.attempts,
            cache: Some(report.cache),
            parts: settled(parts),
        }
    }

    /// Of a call whose answer is still on its way.
    pub(super) fn so_far(&self, driver: &Driver, answer: &Answer) -> CallInfo {
        let first = self.first.unwrap_or(self.arrived);
        let parts = Parts {
            lookup: first.duration_since(self.arrived),
            dispatch: Duration::ZERO,
            retry: self.last.unwrap_or(first).duration_since(first),
            connect: answer.connect.unwrap_or_default(),
            network: Duration::ZERO,
            queue: std_duration(answer.timing.queue),
            cold: std_duration(answer.timing.cold),
            exec: std_duration(answer.timing.exec),
            total: self.arrived.elapsed(),
        };
        let provider = answer.provider.or(Some(driver.me()));
        CallInfo {
            hops: u32::from(answer.provider.is_some()),
            provider,
            attempts: self.attempts,
            cache: None,
            parts: settled(parts),
        }
    }
}

/// What nothing else accounts for was the network's.
fn settled(mut parts: Parts) -> Parts {
    let others =
        parts.lookup + parts.dispatch + parts.retry + parts.connect + parts.queue + parts.cold + parts.exec;
    parts.network = parts.total.saturating_sub(others);
    parts
}
