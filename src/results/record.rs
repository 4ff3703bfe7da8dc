//! One struct for each kind of row. A record holds what changes from row to row; the columns that a whole
//! repetition shares are in [`RunContext`](super::RunContext).
//!
//! Times are whole microseconds: instants (`i64`) since the start of the first phase, negative before it;
//! durations (`i64`) as differences of such instants. `None` is an empty cell.

use super::cell::{Cell, Name, OfKind, Row};
use super::column::{Column, Table};
use super::parts::CallParts;
use super::word::{
    AttemptKind, AttemptOutcome, CacheState, EventKind, LinkMoment, LookupOutcome, LookupPurpose, Outcome,
};

/// A row of one of the files.
pub trait Record<'a>: Sized {
    /// The file the row belongs to.
    const TABLE: Table;

    /// Adds the row's cells, each with a separator before it.
    fn put(&self, row: &mut Row);

    /// Reads the row from its cells, in the order of [`Table::columns`].
    ///
    /// # Errors
    /// The column that is wrong, and why.
    fn take(cells: &mut dyn Iterator<Item = &'a str>) -> Result<Self, (&'static str, String)>;
}

macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(<$life:lifetime>)? in $table:ident {
            $($(#[doc = $doc:literal])+ $field:ident: $type:ty [$unit:literal],)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name $(<$life>)? {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl $(<$life>)? $name $(<$life>)? {
            /// The file's columns after the shared ones.
            pub const COLUMNS: &'static [Column] = &[$(Column {
                name: stringify!($field),
                unit: $unit,
                kind: <$type as OfKind>::KIND,
                description: concat!($($doc),+).trim_ascii(),
            },)+];
        }

        impl<'a> Record<'a> for $name $(<$life>)? {
            const TABLE: Table = Table::$table;

            fn put(&self, row: &mut Row) {
                $(row.cell(&self.$field);)+
            }

            fn take(cells: &mut dyn Iterator<Item = &'a str>) -> Result<Self, (&'static str, String)> {
                Ok(Self {
                    $($field: Cell::take(cells.next().unwrap_or("")).map_err(|why| (stringify!($field), why))?,)+
                })
            }
        }
    };
}

record! {
    /// A call, or an item of a manycall.
    pub struct CallRecord<'a> in Calls {
        /// The phase of the scheduled time.
        phase: Name<'a> ["text"],
        /// The call's number, unique in its repetition.
        call: u64 ["index"],
        /// The manycall that the call is an item of, a number unique in its repetition; empty for an anycall.
        map: Option<u64> ["index"],
        /// The position in the manycall, from 0; empty for an anycall.
        item: Option<u64> ["index"],
        /// The function.
        function: Name<'a> ["text"],
        /// The node the call entered at.
        entry: Name<'a> ["text"],
        /// The node whose answer was taken; of a call that failed, the last one asked; empty if none was.
        provider: Option<Name<'a>> ["text"],
        /// How the provider was chosen.
        policy: Name<'a> ["text"],
        /// When the call was due; the phase and the latency count from here.
        scheduled_us: i64 ["us"],
        /// When the entry took the call; empty if it never did.
        sent_us: Option<i64> ["us"],
        /// When the last byte of the answer, or the failure, was known at the entry.
        done_us: Option<i64> ["us"],
        /// `done_us - scheduled_us`.
        latency_us: Option<i64> ["us"],
        /// Part: from due to taken.
        lag_us: Option<i64> ["us"],
        /// Part: no usable provider was known before the first attempt; 0 from the cache.
        lookup_us: Option<i64> ["us"],
        /// Part: waiting for a provider's window before the first attempt.
        dispatch_us: Option<i64> ["us"],
        /// Part: from the first attempt to the winning one, back-off included.
        retry_us: Option<i64> ["us"],
        /// Part: the winning attempt's dial, or its wait for a dial that was under way.
        connect_us: Option<i64> ["us"],
        /// Part: what remains of the winning attempt; what could not be measured counts here.
        network_us: Option<i64> ["us"],
        /// Part: waiting for a slot at the provider, by the provider's clock.
        queue_us: Option<i64> ["us"],
        /// Part: starting an instance, by the provider's clock.
        cold_us: Option<i64> ["us"],
        /// Part: running the function, by the provider's clock.
        exec_us: Option<i64> ["us"],
        /// What the entry's provider cache knew: `hit`, `stale`, `miss`, `negative`; empty if it was not asked.
        cache: Option<CacheState> ["word"],
        /// Hops between nodes that the winning attempt took: 0 at the entry itself, 1 routed.
        forwards: u32 ["count"],
        /// Messages sent for this call by anyone: the look-up's requests and replies, and the call's own.
        messages: u32 ["count"],
        /// Attempts made.
        attempts: u32 ["count"],
        /// Attempts that started the function.
        executions: u32 ["count"],
        /// Time that functions ran for attempts that did not win.
        wasted_exec_us: i64 ["us"],
        /// Size of the request's body.
        request_bytes: u64 ["bytes"],
        /// Size of the answer's body; empty without an answer.
        response_bytes: Option<u64> ["bytes"],
        /// The answer's HTTP status; empty without an answer.
        status: Option<u16> ["code"],
        /// How the call ended.
        outcome: Outcome ["word"],
        /// What went wrong, for a person to read; empty if nothing did.
        error: Option<Name<'a>> ["text"],
    }
}

record! {
    /// An attempt of a call at one provider.
    pub struct AttemptRecord<'a> in Attempts {
        /// The phase of the call.
        phase: Name<'a> ["text"],
        /// The call's number.
        call: u64 ["index"],
        /// The attempt's number within the call, from 1.
        attempt: u32 ["index"],
        /// Why it was made: `first`, `retry`, `backup`, `race`.
        kind: AttemptKind ["word"],
        /// The node asked.
        provider: Name<'a> ["text"],
        /// When the entry began it, its dial included.
        start_us: i64 ["us"],
        /// When the entry knew its end; empty if it never did.
        end_us: Option<i64> ["us"],
        /// Waiting for a slot, by the provider's clock.
        queue_us: Option<i64> ["us"],
        /// Starting an instance, by the provider's clock.
        cold_us: Option<i64> ["us"],
        /// Running the function, by the provider's clock; of a loser, as long as it ran.
        exec_us: Option<i64> ["us"],
        /// Whether the function started; empty if nobody knows.
        started: Option<bool> ["bool"],
        /// Whether its answer became the call's.
        won: bool ["bool"],
        /// How it ended.
        outcome: AttemptOutcome ["word"],
    }
}

record! {
    /// A look-up in the DHT.
    pub struct LookupRecord<'a> in Lookups {
        /// The node that looked.
        node: Name<'a> ["text"],
        /// What for: `call`, `announce`, `refresh`, `republish`, `join`, `value`, `experiment`.
        purpose: LookupPurpose ["word"],
        /// The function looked for; empty if the look-up was not for one.
        function: Option<Name<'a>> ["text"],
        /// When it began.
        start_us: i64 ["us"],
        /// When the first provider or value was known; empty if none was.
        first_us: Option<i64> ["us"],
        /// When it ended.
        done_us: Option<i64> ["us"],
        /// The longest chain of referrals among the peers that answered: 1 for one from the node's own table.
        depth: u32 ["hops"],
        /// Requests sent.
        requests: u32 ["count"],
        /// Requests without an answer in time.
        timeouts: u32 ["count"],
        /// Connections that had to be opened.
        dials: u32 ["count"],
        /// Bytes sent and received for it.
        bytes: u64 ["bytes"],
        /// Providers found, or closest peers for a look-up of peers.
        found: u32 ["count"],
        /// How many of those were alive (only the simulator knows).
        found_live: Option<u32> ["count"],
        /// Whether the closest peers found were the true closest among the live servers (only the simulator knows).
        closest_correct: Option<bool> ["bool"],
        /// How it ended.
        outcome: LookupOutcome ["word"],
    }
}

record! {
    /// A node, over the whole repetition from time 0 on.
    pub struct NodeRecord<'a> in Nodes {
        /// The node.
        node: Name<'a> ["text"],
        /// Its class in the scenario; empty without classes.
        class: Option<Name<'a>> ["text"],
        /// Its region, or its row in the matrix; empty if the network has none.
        region: Option<Name<'a>> ["text"],
        /// Time it was up, from time 0 on.
        uptime_us: i64 ["us"],
        /// Functions it hosted at the end.
        functions: u32 ["count"],
        /// Work it can do: cores times speed, in cores of speed 1.
        capacity: f64 ["cores"],
        /// Time its cores worked on functions, summed over the cores.
        busy_us: i64 ["us"],
        /// Functions it started.
        executions: u64 ["count"],
        /// The longest queue it had.
        longest_queue: u32 ["count"],
        /// Entries in its routing table at the end.
        table_size: u32 ["count"],
        /// Share of those entries whose peer was not alive (only the simulator knows).
        stale_share: Option<f64> ["share"],
        /// Messages it received for upkeep.
        upkeep_messages_in: Option<u64> ["count"],
        /// Messages it sent for upkeep.
        upkeep_messages_out: Option<u64> ["count"],
        /// Bytes it received for upkeep.
        upkeep_bytes_in: Option<u64> ["bytes"],
        /// Bytes it sent for upkeep.
        upkeep_bytes_out: Option<u64> ["bytes"],
        /// Messages it received for look-ups of calls.
        lookup_messages_in: Option<u64> ["count"],
        /// Messages it sent for look-ups of calls.
        lookup_messages_out: Option<u64> ["count"],
        /// Bytes it received for look-ups of calls.
        lookup_bytes_in: Option<u64> ["bytes"],
        /// Bytes it sent for look-ups of calls.
        lookup_bytes_out: Option<u64> ["bytes"],
        /// Messages it received for records.
        records_messages_in: Option<u64> ["count"],
        /// Messages it sent for records.
        records_messages_out: Option<u64> ["count"],
        /// Bytes it received for records.
        records_bytes_in: Option<u64> ["bytes"],
        /// Bytes it sent for records.
        records_bytes_out: Option<u64> ["bytes"],
        /// Messages it received for calls.
        calls_messages_in: Option<u64> ["count"],
        /// Messages it sent for calls.
        calls_messages_out: Option<u64> ["count"],
        /// Bytes it received for calls.
        calls_bytes_in: Option<u64> ["bytes"],
        /// Bytes it sent for calls.
        calls_bytes_out: Option<u64> ["bytes"],
    }
}

record! {
    /// A second of the run.
    pub struct TimelineRecord in Timeline {
        /// The start of the second, in whole seconds since the start of the first phase.
        second: i64 ["s"],
        /// Calls that were due in it.
        offered: u64 ["count"],
        /// Calls that ended in it as `ok`; so for each outcome.
        ok: u64 ["count"],
        /// Calls that ended in it as `function_error`.
        function_error: u64 ["count"],
        /// Calls that ended in it as `not_found`.
        not_found: u64 ["count"],
        /// Calls that ended in it as `unavailable`.
        unavailable: u64 ["count"],
        /// Calls that ended in it as `rejected`.
        rejected: u64 ["count"],
        /// Calls that ended in it as `timeout`.
        timeout: u64 ["count"],
        /// Calls that ended in it as `unreachable`.
        unreachable: u64 ["count"],
        /// Calls that ended in it as `unknown`.
        unknown: u64 ["count"],
        /// Calls that ended in it as `truncated`.
        truncated: u64 ["count"],
        /// Calls that ended in it as `entry_down`.
        entry_down: u64 ["count"],
        /// Calls that ended in it as `entry_lost`.
        entry_lost: u64 ["count"],
        /// Calls that ended in it as `cancelled`.
        cancelled: u64 ["count"],
        /// Calls that ended in it as `unfinished`.
        unfinished: u64 ["count"],
        /// Median latency of the `ok` calls that ended in it, within 0.4 %; empty if there were none.
        p50_us: Option<i64> ["us"],
        /// Their 95th percentile, within 0.4 %.
        p95_us: Option<i64> ["us"],
        /// Calls that were due and had not ended when the second ended.
        in_flight: u64 ["count"],
        /// Nodes that were up when the second ended; empty if nobody counted.
        nodes_up: Option<u64> ["count"],
        /// Attempts sent in it to a node that was dead (only the simulator knows).
        calls_to_dead: Option<u64> ["count"],
        /// Bytes sent in it for upkeep (only the simulator knows).
        upkeep_bytes: Option<u64> ["bytes"],
        /// Bytes sent in it for look-ups of calls (only the simulator knows).
        lookup_bytes: Option<u64> ["bytes"],
        /// Bytes sent in it for records (only the simulator knows).
        records_bytes: Option<u64> ["bytes"],
        /// Bytes sent in it for calls (only the simulator knows).
        calls_bytes: Option<u64> ["bytes"],
    }
}

record! {
    /// A fault, or a change of a node's state.
    pub struct EventRecord<'a> in Events {
        /// When it happened.
        time_us: i64 ["us"],
        /// What happened.
        kind: EventKind ["word"],
        /// The fault of the scenario it belongs to, from 0; empty if it was none (churn).
        fault: Option<u32> ["index"],
        /// The node it happened to; empty if it is about more than one.
        node: Option<Name<'a>> ["text"],
        /// More, for a person to read.
        detail: Option<Name<'a>> ["text"],
    }
}

record! {
    /// A link between two real nodes, as asked for and as measured.
    pub struct LinkRecord<'a> in Links {
        /// When it was measured: `before` or `after` the run.
        moment: LinkMoment ["word"],
        /// The node that measured.
        from: Name<'a> ["text"],
        /// The node at the other end.
        to: Name<'a> ["text"],
        /// How the link was shaped: `netem`, `transport`, `none`.
        method: Name<'a> ["text"],
        /// Round trips measured.
        samples: u32 ["count"],
        /// The round trip that the scenario asked for; empty if it asked for none.
        asked_rtt_us: Option<i64> ["us"],
        /// The median of the measured ones; empty if none came back.
        rtt_p50_us: Option<i64> ["us"],
        /// Their 95th percentile.
        rtt_p95_us: Option<i64> ["us"],
        /// The loss asked for.
        asked_loss: Option<f64> ["share"],
        /// The loss measured.
        loss: Option<f64> ["share"],
        /// The bandwidth asked for.
        asked_bytes_per_second: Option<u64> ["bytes/s"],
        /// The bandwidth measured.
        bytes_per_second: Option<u64> ["bytes/s"],
    }
}

record! {
    /// A statistic.
    pub struct SummaryRecord<'a> in Summary {
        /// What was measured.
        metric: Name<'a> ["text"],
        /// The rows it was measured over: `all`, or `key=value` pairs with a space between (`phase=steady policy=nearest`).
        group: Name<'a> ["text"],
        /// The statistic: `p50`, `mean`, `count`, …
        statistic: Name<'a> ["text"],
        /// Its value; `inf` for a quantile that falls among failures.
        value: f64 ["unit"],
        /// The unit of `value`, `low` and `high`.
        unit: Name<'a> ["text"],
        /// In the rows of a repetition, observations; over all repetitions, the repetitions that had a value.
        n: u64 ["count"],
        /// Lower end of the interval; empty for a repetition's row and for a single repetition.
        low: Option<f64> ["unit"],
        /// Upper end of the interval.
        high: Option<f64> ["unit"],
        /// How `value`, `low` and `high` were made.
        method: Name<'a> ["text"],
    }
}

/// The names of the parts of a latency, in the order of [`CallRecord::latency_parts`].
pub const PART_NAMES: [&str; 9] =
    ["lag", "lookup", "dispatch", "retry", "connect", "network", "queue", "cold", "exec"];

impl<'a> CallRecord<'a> {
    /// The parts of the latency in microseconds, in the order of their columns; none where it could not be measured.
    pub fn latency_parts(&self) -> [Option<i64>; PART_NAMES.len()] {
        [
            self.lag_us,
            self.lookup_us,
            self.dispatch_us,
            self.retry_us,
            self.connect_us,
            self.network_us,
            self.queue_us,
            self.cold_us,
            self.exec_us,
        ]
    }

    /// The record of a call with these times; what is not given is zero or empty, to be filled by
    /// `CallRecord { attempts: 1, ..CallRecord::new(…) }`.
    pub fn new(
        call: u64,
        phase: Name<'a>,
        function: Name<'a>,
        entry: Name<'a>,
        policy: Name<'a>,
        outcome: Outcome,
        parts: &CallParts,
    ) -> Self {
        CallRecord {
            phase,
            call,
            map: None,
            item: None,
            function,
            entry,
            provider: None,
            policy,
            scheduled_us: parts.scheduled_us,
            sent_us: parts.sent_us,
            done_us: parts.done_us,
            latency_us: parts.latency_us,
            lag_us: parts.lag_us,
            lookup_us: parts.lookup_us,
            dispatch_us: parts.dispatch_us,
            retry_us: parts.retry_us,
            connect_us: parts.connect_us,
            network_us: parts.network_us,
            queue_us: parts.queue_us,
            cold_us: parts.cold_us,
            exec_us: parts.exec_us,
            cache: None,
            forwards: 0,
            messages: 0,
            attempts: 0,
            executions: 0,
            wasted_exec_us: 0,
            request_bytes: 0,
            response_bytes: None,
            status: None,
            outcome,
            error: None,
        }
    }

    /// The time columns.
    pub fn parts(&self) -> CallParts {
        CallParts {
            scheduled_us: self.scheduled_us,
            sent_us: self.sent_us,
            done_us: self.done_us,
            latency_us: self.latency_us,
            lag_us: self.lag_us,
            lookup_us: self.lookup_us,
            dispatch_us: self.dispatch_us,
            retry_us: self.retry_us,
            connect_us: self.connect_us,
            network_us: self.network_us,
            queue_us: self.queue_us,
            cold_us: self.cold_us,
            exec_us: self.exec_us,
        }
    }
}
