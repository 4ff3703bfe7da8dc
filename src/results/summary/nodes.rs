//! Nodes: traffic, load, routing tables.

use super::samples::{Quantile, Samples};
use super::statistic::{Collector, Statistic};
use crate::results::record::NodeRecord;
use crate::results::word::TrafficClass;

/// What is kept of nodes.
#[derive(Clone, Debug)]
pub(super) struct NodeStats {
    nodes: u64,
    uptime_us: i128,
    messages: [u64; TrafficClass::COUNT],
    bytes: [u64; TrafficClass::COUNT],
    /// Somebody counted it: nobody does for real nodes.
    traffic_known: bool,
    table: Samples,
    stale: Option<(u64, f64)>,
    /// Busy time over capacity of the nodes that host a function: how many, sum, sum of squares, largest.
    load: (u64, f64, f64, f64),
    /// Busy time over what the cores could have worked, of the same nodes.
    worked: (f64, f64),
    longest_queue: u32,
}

impl NodeStats {
    pub(super) fn new() -> Self {
        NodeStats {
            nodes: 0,
            uptime_us: 0,
            messages: [0; TrafficClass::COUNT],
            bytes: [0; TrafficClass::COUNT],
            traffic_known: false,
            table: Samples::new(),
            stale: None,
            load: (0, 0.0, 0.0, 0.0),
            worked: (0.0, 0.0),
            longest_queue: 0,
        }
    }

    pub(super) fn node(&mut self, node: &NodeRecord<'_>) {
        self.nodes += 1;
        self.uptime_us += i128::from(node.uptime_us);
        let messages = [
            node.upkeep_messages_out,
            node.lookup_messages_out,
            node.records_messages_out,
            node.calls_messages_out,
        ];
        let bytes =
            [node.upkeep_bytes_out, node.lookup_bytes_out, node.records_bytes_out, node.calls_bytes_out];
        for class in 0..TrafficClass::COUNT {
            self.traffic_known |= messages[class].is_some();
            self.messages[class] = self.messages[class].saturating_add(messages[class].unwrap_or(0));
            self.bytes[class] = self.bytes[class].saturating_add(bytes[class].unwrap_or(0));
        }
        self.table.record(i64::from(node.table_size));
        if let Some(share) = node.stale_share {
            let (n, sum) = self.stale.unwrap_or_default();
            self.stale = Some((n + 1, sum + share));
        }
        self.longest_queue = self.longest_queue.max(node.longest_queue);
        if node.functions > 0 && node.capacity > 0.0 {
            let load = node.busy_us as f64 / node.capacity;
            let (n, sum, squares, largest) = self.load;
            self.load = (n + 1, sum + load, squares + load * load, largest.max(load));
            self.worked.0 += node.busy_us as f64;
            self.worked.1 += node.capacity * node.uptime_us as f64;
        }
    }

    pub(super) fn collect(&self, out: &mut Vec<Statistic>) {
        let n = self.nodes;
        if n == 0 {
            return;
        }
        let node_seconds = self.uptime_us as f64 / 1e6;
        for class in TrafficClass::ALL.iter().copied().filter(|_| self.traffic_known) {
            let mut out = Collector::new(out, format!("class={class}"));
            let (messages, bytes) = (self.messages[class.index()], self.bytes[class.index()]);
            out.ratio("traffic", "bytes", "bytes/s per node", bytes as f64, node_seconds, n);
            out.ratio("traffic", "messages", "messages/s per node", messages as f64, node_seconds, n);
        }
        let mut out = Collector::new(out, "all");
        out.add("nodes", "count", "count", Some(n as f64), n);
        out.add("table_size", "mean", "count", self.table.mean(), n);
        out.add("table_size", "p50", "count", self.table.quantile(Quantile::MEDIAN), n);
        if let Some((judged, sum)) = self.stale {
            out.ratio("table_stale", "mean", "share", sum, judged as f64, judged);
        }
        // R. Jain, D. Chiu, W. Hawe, "A Quantitative Measure of Fairness and Discrimination", DEC-TR-301, 1984:
        // 1 if all are equally loaded, 1/n if one does all the work.
        let (hosts, sum, squares, largest) = self.load;
        out.ratio("load", "jain", "ratio", sum * sum, hosts as f64 * squares, hosts);
        out.ratio("load", "max_over_mean", "ratio", largest * hosts as f64, sum, hosts);
        out.ratio("load", "mean", "share", self.worked.0, self.worked.1, hosts);
        out.add("longest_queue", "max", "count", Some(f64::from(self.longest_queue)), n);
    }
}
