//! Load and traffic of nodes.

use super::{NodeRows, each_row, histogram, record};
use crate::plot::selection::Selection;
use crate::{Run, RunError};
use edge_faas_core::results::{NodeRecord, Table};
use hdrhistogram::Histogram;

/// Utilisation is kept in millionths.
pub(crate) const MILLION: f64 = 1e6;

/// The nodes of each series, all repetitions together.
pub(crate) struct NodeData {
    /// Busy time over what the cores could have worked while up, in millionths; of nodes that host or hosted a function.
    pub(crate) load: Vec<Histogram<u64>>,
    /// Bytes sent for each second up, of every node that was up.
    pub(crate) sent: Vec<Histogram<u64>>,
}

impl NodeData {
    /// Reads `nodes.csv` of each run.
    pub(crate) fn read(runs: &[Run], selection: &Selection) -> Result<Self, RunError> {
        let empty = || (0..selection.series.len()).map(|_| histogram()).collect::<Vec<_>>();
        let mut data = NodeData { load: empty(), sent: empty() };
        each_row::<NodeRows>(runs, selection, Table::Nodes, |series, _, node: NodeRecord<'_>| {
            let seconds = node.uptime_us as f64 / 1e6;
            if seconds <= 0.0 {
                return;
            }
            if (node.functions > 0 || node.executions > 0) && node.capacity > 0.0 {
                let load = node.busy_us as f64 / (node.capacity * node.uptime_us as f64);
                record(&mut data.load[series], libm::round(load * MILLION) as i64);
            }
            let classes =
                [node.upkeep_bytes_out, node.lookup_bytes_out, node.records_bytes_out, node.calls_bytes_out];
            // Real nodes do not count them.
            if let Some(bytes) =
                classes.into_iter().map(|bytes| bytes.map(|bytes| bytes as f64)).sum::<Option<f64>>()
            {
                record(&mut data.sent[series], libm::round(bytes / seconds) as i64);
            }
        })?;
        Ok(data)
    }
}
