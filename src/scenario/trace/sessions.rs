//! When nodes were up: recorded churn.

use super::TraceError;
use super::table::{Table, at};
use crate::time::Time;
use std::io::Read;

/// A time in which a node was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The node's index.
    pub node: u32,
    /// When it came.
    pub up: Time,
    /// When it went; [`Time::MAX`] if it stayed.
    pub down: Time,
}

/// Reads the columns `node` (an index below `nodes`), `up_s` and `down_s` (seconds from time 0, negative before it; an
/// empty `down_s`: the node stays). The sessions are returned by node and time; those of a node must not overlap.
pub fn read_sessions(input: impl Read, nodes: u32) -> Result<Vec<SessionRow>, TraceError> {
    const MAX_SECONDS: f64 = 1e9;
    const VALID: &str = "a number of seconds between -1e9 and 1e9";
    let mut table = Table::open(input, "a trace of sessions")?;
    let [node, up, down] = [table.column("node")?, table.column("up_s")?, table.column("down_s")?];
    let mut rows = Vec::new();
    let time = |seconds: f64| Time::from_nanos(libm::round(seconds * 1e9) as i64);
    while table.advance()? {
        let start = time(table.number(up, -MAX_SECONDS..=MAX_SECONDS, VALID)?);
        let end = if table.text(down).is_empty() {
            Time::MAX
        } else {
            time(table.number(down, -MAX_SECONDS..=MAX_SECONDS, VALID)?)
        };
        if end <= start {
            let problem = format!("`{}` is not after up_s = {}", table.text(down), table.text(up));
            return Err(table.bad(down, problem));
        }
        let row = SessionRow { node: table.whole(node, nodes.saturating_sub(1))?, up: start, down: end };
        // With its line, so that an overlap found after sorting can say where.
        rows.push((row, table.line()));
    }
    rows.sort_by_key(|(row, line)| (row.node, row.up, *line));
    for pair in rows.windows(2) {
        if let [(before, first), (after, line)] = pair
            && before.node == after.node
            && after.up < before.down
        {
            let problem = format!(
                "node {} comes at {:?}, but by line {first} it is up then; its sessions must not overlap",
                after.node, after.up
            );
            return Err(at(*line, Some("up_s"), problem));
        }
    }
    Ok(rows.into_iter().map(|(row, _)| row).collect())
}
