//! The list of figures.

use std::fmt;
use std::str::FromStr;

macro_rules! figures {
    ($($(#[$doc:meta])* $variant:ident { name: $name:literal, title: $title:literal, from: $from:literal, shows: $shows:literal })+) => {
        /// A figure that can be drawn from a run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Figure {
            $($(#[$doc])* $variant,)+
        }

        impl Figure {
            /// All figures, in the order in which a report shows them.
            pub const ALL: &'static [Figure] = &[$(Figure::$variant,)+];

            /// The name it is asked for by, and of its file.
            pub const fn name(self) -> &'static str {
                match self { $(Figure::$variant => $name,)+ }
            }

            /// What a reader calls it.
            pub const fn title(self) -> &'static str {
                match self { $(Figure::$variant => $title,)+ }
            }

            /// The files and columns that it is made of.
            pub const fn from(self) -> &'static str {
                match self { $(Figure::$variant => $from,)+ }
            }

            /// What it shows, and how.
            pub const fn shows(self) -> &'static str {
                match self { $(Figure::$variant => $shows,)+ }
            }
        }
    };
}

figures! {
    /// The distribution of latencies.
    Ecdf {
        name: "latency-ecdf",
        title: "Distribution of latency",
        from: "`calls.csv`: `phase`, `map`, `latency_us`, `outcome`",
        shows: "The share of calls that ended `ok` within a latency, on a logarithmic axis. The shares are of all calls that count, so a curve ends below 1 by the share that failed."
    }
    /// Latencies by percentile.
    Percentiles {
        name: "latency-percentiles",
        title: "Latency by percentile",
        from: "`calls.csv`: `phase`, `map`, `latency_us`, `outcome`",
        shows: "The latency at each percentile, both axes logarithmic, as far as ten calls lie beyond. Failed calls count as infinitely long: a curve that meets them rises to the top."
    }
    /// The parts of a call.
    Parts {
        name: "parts",
        title: "Where the time of a call goes",
        from: "`calls.csv`: `lag_us` to `exec_us`, `outcome`",
        shows: "Means of the nine parts of `ok` calls as stacked bars, in the order of the columns, which is that of time; the total and the share of failed calls behind each bar."
    }
    /// The run by time.
    OverTime {
        name: "over-time",
        title: "Calls over time",
        from: "`timeline.csv`: `second`, `offered`, the outcomes, `in_flight`, `p95_us`; `events.csv`: `fault`, `kind`, `time_us`",
        shows: "Calls that were due and that ended `ok` a second, calls that did not end `ok` (by outcome if there is one series), calls in flight, and the 95th percentile. Faults that last are grey, others and the starts of phases are lines."
    }
    /// What look-ups take.
    Lookups {
        name: "lookups",
        title: "Look-ups and messages",
        from: "`lookups.csv`: `purpose`, `start_us`, `depth`, `requests`, `outcome`; `calls.csv`: `messages`",
        shows: "Hops and requests of `ok` look-ups, by purpose if there is one series, and the messages sent for a call."
    }
    /// A manycall.
    Gantt {
        name: "manycall-gantt",
        title: "Who ran which item when",
        from: "`calls.csv`: `map`, `item`, `provider`, `scheduled_us`, `done_us`, the parts",
        shows: "The first manycall of a measured phase in the first repetition: a row for each provider, a bar for each item, dark while its function runs. The instants at the provider are the entry's minus half of `network`."
    }
    /// Speed-up.
    SpeedUp {
        name: "manycall-speed-up",
        title: "Speed-up against providers",
        from: "`calls.csv`: `map`, `provider`, `scheduled_us`, `done_us`, `exec_us`",
        shows: "The time that a manycall's items ran, one after another, over its makespan, against the number of providers that answered: medians and ranges over manycalls."
    }
    /// Load per node.
    Load {
        name: "load",
        title: "Load and traffic of nodes",
        from: "`nodes.csv`: `capacity`, `busy_us`, `uptime_us`, `functions`, `executions`, the `_bytes_out` columns",
        shows: "Busy time over what the cores could have worked, of the nodes that host functions, from the most loaded on; and the bytes that nodes sent a second."
    }
    /// Along a sweep.
    Sweep {
        name: "sweep",
        title: "Along the sweep",
        from: "`summary.csv`: group `all` over all repetitions, `value`, `low`, `high`",
        shows: "Makespan, speed-up, latency, success, messages and traffic, the first four that the run has, against the factor with the most levels (one of numbers, if there is one): medians over the repetitions with their intervals."
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no figure has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no figure; there are {}", Figure::ALL.iter().map(|figure| figure.name()).collect::<Vec<_>>().join(", "))]
pub struct UnknownFigure {
    name: String,
}

impl FromStr for Figure {
    type Err = UnknownFigure;

    fn from_str(text: &str) -> Result<Self, UnknownFigure> {
        let found = Figure::ALL.iter().find(|figure| figure.name() == text);
        found.copied().ok_or_else(|| UnknownFigure { name: text.chars().take(40).collect() })
    }
}
