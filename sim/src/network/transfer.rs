//! Bodies of calls on their way: flows that share links fairly.
//!
//! A flow-level (fluid) model: the flows that leave a node divide its uplink equally, those that arrive divide its
//! downlink equally, and a flow runs at the lower of its two shares. That is the first step of max-min fairness:
//! a share that a flow cannot use, because its other end is slower, is not handed on to the others, so that a start
//! or an end changes only the flows of its two nodes. On a single bottleneck it is exact.

use std::collections::{BTreeSet, VecDeque};

use edge_faas_core::time::{Duration, Time};
use rustc_hash::FxHashMap;

use super::links::{Links, scale};

/// Names a flow until it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId {
    slot: u32,
    generation: u32,
}

/// A flow that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Its name; no longer valid.
    pub flow: FlowId,
    /// What the caller gave to recognise it by.
    pub tag: u64,
    /// Sender.
    pub from: u32,
    /// Receiver.
    pub to: u32,
    /// When its last bit left the sender; it arrives a propagation delay later.
    pub at: Time,
    /// Bytes that were not sent: none unless it was cancelled (then rounded up).
    pub unsent: u64,
}

#[derive(Debug)]
struct Flow {
    sequence: u64,
    tag: u64,
    from: u32,
    to: u32,
    /// What is left at `since`, in bits times 10⁹, so that a rate in bits a second times nanoseconds is exact.
    nanobits: u128,
    /// Bits a second since `since`.
    rate: u64,
    since: Time,
    /// When it ends at this rate; `None` while it stands still.
    end: Option<Time>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    flow: Option<Flow>,
}

/// The flows of one node, by slot.
#[derive(Debug, Default)]
struct Port {
    up: Vec<u32>,
    down: Vec<u32>,
}

/// All transfers of a network. It has no clock: after each call, drain [`Transfers::poll`], then call it again at
/// [`Transfers::next_end`]. Only nodes with flows cost memory.
#[derive(Debug)]
pub struct Transfers {
    links: Links,
    slots: Vec<Slot>,
    free: Vec<u32>,
    ports: FxHashMap<u32, Port>,
    factors: FxHashMap<u32, f64>,
    /// Ends to come: time, order of start, slot.
    ends: BTreeSet<(Time, u64, u32)>,
    done: VecDeque<Transfer>,
    started: u64,
    scratch: Vec<u32>,
}

impl Transfers {
    /// Bodies that a free link passes in less than this need no flow: as messages they cost their serialisation.
    pub const BYPASS: Duration = Duration::from_millis(1);

    /// No transfers yet, over these links.
    pub fn new(links: Links) -> Self {
        Transfers {
            links,
            slots: Vec::new(),
            free: Vec::new(),
            ports: FxHashMap::default(),
            factors: FxHashMap::default(),
            ends: BTreeSet::new(),
            done: VecDeque::new(),
            started: 0,
            scratch: Vec::new(),
        }
    }

    /// Whether a body is too small to be worth a flow ([`Transfers::BYPASS`]).
    pub fn bypasses(&self, from: u32, to: u32, bytes: u64) -> bool {
        self.links.serialisation(from, to, bytes, 1.0) < Self::BYPASS
    }

    /// Starts a flow of `bytes` at `now`. A body within one node ends at once.
    pub fn start(&mut self, now: Time, from: u32, to: u32, bytes: u64, tag: u64) -> FlowId {
        self.advance(now);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let sequence = self.started;
        self.started += 1;
        let nanobits = if from == to { 0 } else { u128::from(bytes) * 8_000_000_000 };
        let flow = Flow { sequence, tag, from, to, nanobits, rate: 0, since: now, end: None };
        let entry = &mut self.slots[slot as usize];
        entry.flow = Some(flow);
        let id = FlowId { slot, generation: entry.generation };
        self.ports.entry(from).or_default().up.push(slot);
        self.ports.entry(to).or_default().down.push(slot);
        self.share(now, from, to);
        id
    }

    /// Ends a flow before its time. `None` if it has ended already.
    pub fn cancel(&mut self, now: Time, flow: FlowId) -> Option<Transfer> {
        self.advance(now);
        let slot = self.slots.get(flow.slot as usize)?;
        if slot.generation != flow.generation || slot.flow.is_none() {
            return None;
        }
        self.remove(now, flow.slot)
    }

    /// Cancels all flows from and to a node that went away, in the order they started.
    pub fn cancel_node(&mut self, now: Time, node: u32) -> Vec<Transfer> {
        self.advance(now);
        let Some(port) = self.ports.get(&node) else {
            return Vec::new();
        };
        let mut slots: Vec<u32> = port.up.iter().chain(&port.down).copied().collect();
        slots.sort_unstable_by_key(|slot| self.slots[*slot as usize].flow.as_ref().map(|flow| flow.sequence));
        slots.dedup();
        slots.into_iter().filter_map(|slot| self.remove(now, slot)).collect()
    }

    /// From `now` on a node's link has its speed times `factor`, from 0 (flows stand still) to 1.
    pub fn set_factor(&mut self, now: Time, node: u32, factor: f64) {
        self.advance(now);
        if factor == 1.0 {
            self.factors.remove(&node);
        } else {
            self.factors.insert(node, factor);
        }
        self.share(now, node, node);
    }

    /// When the next flow ends; `None` if none does. Drain [`Transfers::poll`] first.
    pub fn next_end(&self) -> Option<Time> {
        match self.done.front() {
            Some(transfer) => Some(transfer.at),
            None => self.ends.first().map(|(at, ..)| *at),
        }
    }

    /// The next flow that has ended by `now`, in order of time.
    pub fn poll(&mut self, now: Time) -> Option<Transfer> {
        self.advance(now);
        self.done.pop_front()
    }

    /// Flows in progress.
    pub fn active(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Ends what ends by `now`, each at its own time.
    fn advance(&mut self, now: Time) {
        while let Some((at, _, slot)) = self.ends.first().copied().filter(|(at, ..)| *at <= now) {
            if let Some(transfer) = self.remove(at, slot) {
                self.done.push_back(transfer);
            }
        }
    }

    /// Takes a flow out and shares its links anew.
    fn remove(&mut self, now: Time, slot: u32) -> Option<Transfer> {
        let entry = &mut self.slots[slot as usize];
        let mut flow = entry.flow.take()?;
        let generation = entry.generation;
        entry.generation = generation.wrapping_add(1);
        self.free.push(slot);
        if let Some(end) = flow.end {
            self.ends.remove(&(end, flow.sequence, slot));
        }
        flow.settle(now);
        if let Some(port) = self.ports.get_mut(&flow.from) {
            port.up.retain(|other| *other != slot);
        }
        if let Some(port) = self.ports.get_mut(&flow.to) {
            port.down.retain(|other| *other != slot);
        }
        self.share(now, flow.from, flow.to);
        for node in [flow.from, flow.to] {
            if self.ports.get(&node).is_some_and(|port| port.up.is_empty() && port.down.is_empty()) {
                self.ports.remove(&node);
            }
        }
        let Flow { tag, from, to, nanobits, .. } = flow;
        let unsent = u64::try_from(nanobits.div_ceil(8_000_000_000)).unwrap_or(u64::MAX);
        Some(Transfer { flow: FlowId { slot, generation }, tag, from, to, at: now, unsent })
    }

    /// Recomputes the rates of all flows on the uplink of `from` and the downlink of `to` (and, for a node whose
    /// link changed, on both of its own).
    fn share(&mut self, now: Time, from: u32, to: u32) {
        let mut touched = std::mem::take(&mut self.scratch);
        touched.clear();
        touched.extend(self.ports.get(&from).into_iter().flat_map(|port| &port.up));
        touched.extend(self.ports.get(&to).into_iter().flat_map(|port| &port.down));
        for slot in touched.drain(..) {
            let Some(flow) = &mut self.slots[slot as usize].flow else {
                continue;
            };
            flow.settle(now);
            let factor = |node: u32| self.factors.get(&node).copied().unwrap_or(1.0);
            let part = |speed: u64, node: u32, flows: usize| match scale(speed, factor(node)) {
                0 => 0,
                // Never rounded down to a standstill.
                speed => (speed / flows.max(1) as u64).max(1),
            };
            let up = self.ports.get(&flow.from).map_or(1, |port| port.up.len());
            let down = self.ports.get(&flow.to).map_or(1, |port| port.down.len());
            flow.rate = part(self.links.of(flow.from).up, flow.from, up).min(part(
                self.links.of(flow.to).down,
                flow.to,
                down,
            ));
            let end = flow.end_at_rate();
            if end != flow.end {
                if let Some(end) = flow.end {
                    self.ends.remove(&(end, flow.sequence, slot));
                }
                if let Some(end) = end {
                    self.ends.insert((end, flow.sequence, slot));
                }
                flow.end = end;
            }
        }
        self.scratch = touched;
    }
}

impl Flow {
    /// Takes off what was sent since the last change.
    fn settle(&mut self, now: Time) {
        let sent = u128::from(self.rate) * now.since(self.since).as_nanos().unsigned_abs() as u128;
        self.nanobits = self.nanobits.saturating_sub(sent);
        self.since = now;
    }

    /// When the rest is sent, rounded up to the nanosecond.
    fn end_at_rate(&self) -> Option<Time> {
        if self.nanobits == 0 || self.rate == u64::MAX {
            return Some(self.since);
        }
        if self.rate == 0 {
            return None;
        }
        let nanos = self.nanobits.div_ceil(u128::from(self.rate));
        Some(self.since.saturating_add(Duration::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::links::Bandwidth;
    use super::*;
    use proptest::prelude::*;

    const MBIT: u64 = 1_000_000;

    fn at(nanos: i64) -> Time {
        Time::from_nanos(nanos)
    }

    fn transfers(up: u64, down: u64) -> Transfers {
        Transfers::new(Links::same(Bandwidth { up: up * MBIT, down: down * MBIT }))
    }

    /// Lets everything end and returns (tag, end) in order.
    fn drain(transfers: &mut Transfers) -> Vec<(u64, Time)> {
        let mut ends = Vec::new();
        while let Some(next) = transfers.next_end() {
            let transfer = transfers.poll(next).expect("an end that was announced");
            assert_eq!(transfer.at, next);
            ends.push((transfer.tag, transfer.at));
        }
        ends
    }

    #[test]
    fn a_lone_flow_takes_its_size_over_the_slower_link() {
        let mut lone = transfers(10, 100);
        // 1,250,000 bytes are 10 Mbit: one second up a link of 10 Mbit/s.
        lone.start(at(5), 1, 2, 1_250_000, 7);
        assert_eq!(drain(&mut lone), [(7, at(1_000_000_005))]);
        assert_eq!(lone.active(), 0);
        assert!(lone.ports.is_empty(), "idle nodes cost nothing");
    }

    #[test]
    fn two_equal_flows_take_exactly_twice_as_long_whichever_link_they_share() {
        let mut up = transfers(10, 100);
        up.start(at(0), 1, 2, 1_250_000, 0);
        up.start(at(0), 1, 3, 1_250_000, 1);
        assert_eq!(drain(&mut up), [(0, at(2_000_000_000)), (1, at(2_000_000_000))]);
        let mut down = transfers(100, 10);
        down.start(at(0), 2, 1, 1_250_000, 0);
        down.start(at(0), 3, 1, 1_250_000, 1);
        assert_eq!(drain(&mut down), [(0, at(2_000_000_000)), (1, at(2_000_000_000))]);
    }

    #[test]
    fn a_shared_uplink_conserves_work() {
        let mut shared = transfers(10, 1_000);
        shared.start(at(0), 1, 2, 1_250_000, 0);
        // Half-way through, a flow of half the size: both then need a second at half the speed.
        shared.start(at(500_000_000), 1, 3, 625_000, 1);
        assert_eq!(drain(&mut shared), [(0, at(1_500_000_000)), (1, at(1_500_000_000))]);
        // 15 Mbit left a link of 10 Mbit/s without a pause: 1.5 s.
    }

    #[test]
    fn cancelling_frees_the_link_and_says_what_was_not_sent() {
        let mut shared = transfers(10, 100);
        let first = shared.start(at(0), 1, 2, 1_250_000, 0);
        shared.start(at(0), 1, 3, 1_250_000, 1);
        let cancelled = shared.cancel(at(1_000_000_000), first).expect("still under way");
        assert_eq!(cancelled.unsent, 625_000);
        assert_eq!(shared.cancel(at(1_000_000_000), first), None);
        // The other has half left and the whole link.
        assert_eq!(drain(&mut shared), [(1, at(1_500_000_000))]);
    }

    #[test]
    fn a_dead_link_stops_its_flows_until_it_heals() {
        let mut broken = transfers(10, 100);
        broken.start(at(0), 1, 2, 1_250_000, 0);
        broken.set_factor(at(500_000_000), 2, 0.0);
        assert_eq!(broken.next_end(), None);
        broken.set_factor(at(2_500_000_000), 2, 1.0);
        assert_eq!(drain(&mut broken), [(0, at(3_000_000_000))]);
    }

    #[test]
    fn a_node_that_goes_away_takes_its_flows_along() {
        let mut crash = transfers(10, 10);
        crash.start(at(0), 1, 2, 1_250_000, 0);
        crash.start(at(0), 2, 3, 1_250_000, 1);
        crash.start(at(0), 4, 3, 1_250_000, 2);
        let lost: Vec<u64> = crash.cancel_node(at(500_000_000), 2).iter().map(|lost| lost.tag).collect();
        assert_eq!(lost, [0, 1]);
        // Half a second at half of the downlink, the rest at all of it.
        assert_eq!(drain(&mut crash), [(2, at(1_250_000_000))]);
    }

    #[test]
    fn bodies_within_a_node_and_over_unlimited_links_end_at_once() {
        let mut local = transfers(1, 1);
        local.start(at(3), 1, 1, u64::MAX, 0);
        assert_eq!(drain(&mut local), [(0, at(3))]);
        let mut unlimited = Transfers::new(Links::same(Bandwidth::UNLIMITED));
        unlimited.start(at(3), 1, 2, 1 << 40, 0);
        assert_eq!(drain(&mut unlimited), [(0, at(3))]);
        assert!(unlimited.bypasses(1, 2, 1 << 40));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// All bytes arrive or are reported unsent, no flow beats its links, no link sends faster than it can, and
        /// the node whose uplink is the only bottleneck is busy until its last flow ends.
        #[test]
        fn bytes_are_conserved(
            flows in prop::collection::vec((0i64..2_000_000_000, 0u32..4, 0u32..4, 1u64..2_000_000, any::<bool>()), 1..40),
            up in 1u64..50, down in 1u64..50,
        ) {
            let mut flows = flows;
            flows.sort_unstable_by_key(|flow| flow.0);
            let mut network = transfers(up, down);
            let mut ended: Vec<Transfer> = Vec::new();
            let mut ids = Vec::new();
            for (i, (start, from, to, bytes, cancel)) in flows.iter().enumerate() {
                while let Some(transfer) = network.poll(at(*start)) {
                    ended.push(transfer);
                }
                if *cancel && let Some(id) = ids.pop() {
                    ended.extend(network.cancel(at(*start), id));
                }
                ids.push(network.start(at(*start), *from, *to, *bytes, i as u64));
            }
            while let Some(next) = network.next_end() {
                ended.push(network.poll(next).expect("announced"));
            }
            prop_assert_eq!(ended.len(), flows.len());
            prop_assert_eq!(network.active(), 0);
            let mut sent_up = [0u64; 4];
            let mut last_end = [0i64; 4];
            for transfer in &ended {
                let (start, from, to, bytes, _) = flows[transfer.tag as usize];
                prop_assert!(transfer.unsent <= bytes);
                if from == to {
                    continue;
                }
                let sent = bytes - transfer.unsent;
                let least = (u128::from(sent) * 8_000).div_ceil(u128::from(up.min(down))) as i64;
                prop_assert!(transfer.at.as_nanos() - start >= least, "a flow beat its link");
                sent_up[from as usize] += sent;
                last_end[from as usize] = last_end[from as usize].max(transfer.at.as_nanos());
            }
            for node in 0..4 {
                // Rounding to whole bits a second and nanoseconds costs less than a byte a flow.
                prop_assert!(sent_up[node] as i64 * 8_000 / up as i64 <= last_end[node] + 8_000 * flows.len() as i64);
            }
        }

        /// Where only one uplink binds, it works without a pause: the last of n flows that start together ends when
        /// the sum of all bytes has been sent.
        #[test]
        fn a_single_bottleneck_is_never_idle(sizes in prop::collection::vec(1u64..1_000_000, 1..20)) {
            let mut network = transfers(10, 1_000);
            for (i, bytes) in sizes.iter().enumerate() {
                network.start(at(0), 0, 1 + i as u32, *bytes, i as u64);
            }
            let ends = drain(&mut network);
            let total: u64 = sizes.iter().sum();
            let last = ends.last().expect("flows").1.as_nanos();
            let ideal = (total * 800) as i64;
            // A share is rounded down to whole bits a second: below one part in 10⁵ at 10 Mbit/s and 20 flows.
            prop_assert!(last >= ideal && last - ideal <= ideal / 100_000 + 100, "{last} against {ideal}");
        }
    }
}
