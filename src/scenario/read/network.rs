//! `[network]`.

use super::super::error::ScenarioError;
use super::super::files::Files;
use super::super::keys::*;
use super::super::reader::{Reader, quantity_of, shown};
use super::super::regions::{CLOUD_2024, CLOUD_2024_NAMES, cloud_2024};
use super::super::schema::{
    Bandwidth, Latency, MatrixFormat, Missing, Network, Regions, Start, TimeUnit, Transport,
};
use super::super::units::Quantity;
use super::super::value::{Data, Value};
use super::distribution::{LAWS, distribution, durations, law, optional_distribution};
use super::select::NODES_MAX;
use crate::time::Duration;

const CAPACITY: Kind =
    Kind::Any(&[Kind::Quantity(Quantity::Bandwidth, Zero::Refused), Kind::Word(&["unlimited"])]);

pub(in crate::scenario) static BANDWIDTH: Section = Section {
    id: "bandwidth",
    title: "bandwidth",
    doc: "What a link carries.",
    keys: &[
        optional("up", CAPACITY, "unlimited", "From the node."),
        optional("down", CAPACITY, "unlimited", "To the node."),
    ],
    choices: &[],
};

pub(in crate::scenario) static NETWORK: Section = Section {
    id: "network",
    title: "[network]",
    doc: "The nodes, what lies between them, and how the network starts.",
    keys: &[
        required("nodes", Kind::Integer(2, NODES_MAX), "How many nodes."),
        default(
            "start",
            Kind::Word(&["join", "converged"]),
            "join",
            "`join`: every node joins by the protocol. `converged`: tables and records are filled as a settled network would have them (for scale).",
        ),
        optional(
            "join_over",
            DURATION,
            "10ms a node, between 30s and 10min",
            "The joins are spread over this, uniformly.",
        ),
        default(
            "bootstrap",
            Kind::Integer(1, 1_000),
            "3",
            "Nodes that every other node knows at first; fewer if there are fewer nodes.",
        ),
        default("settle", DURATION, "30s", "The network rests after joins and announcements, before time 0."),
        optional(
            "latency",
            Kind::Any(&[durations::KIND, Kind::Table(&LATENCY)]),
            "`{ regions = \"cloud-2024\" }`",
            "Where delays come from; a text is the round trip of every pair. A one-way delay is half a round trip.",
        ),
        optional(
            "last_mile",
            durations::KIND,
            "none",
            "Added to a one-way delay for each end, drawn once a node.",
        ),
        optional("jitter", durations::KIND, "none", "Added to each message, one way."),
        default(
            "loss",
            SHARE,
            "0%",
            "Share of messages lost; a loss costs a retransmission, not the message. Below 100 %.",
        ),
        optional(
            "bandwidth",
            Kind::Table(&BANDWIDTH),
            "unlimited",
            "What a node's link carries, unless its class says otherwise.",
        ),
        default(
            "transport",
            Kind::Word(&["tcp", "quic"]),
            "tcp",
            "What connections are made of: `tcp` with noise and yamux, or `quic`.",
        ),
        optional(
            "handshake_round_trips",
            Kind::Integer(0, 100),
            "4 for tcp, 1 for quic",
            "Round trips before a new connection carries its first message.",
        ),
        default("idle_timeout", POSITIVE_DURATION, "10s", "A connection without traffic closes after this."),
        default(
            "max_connections",
            Kind::Integer(1, 1_000_000),
            "4096",
            "Connections that a node holds at once.",
        ),
        default(
            "retransmit_timeout",
            POSITIVE_DURATION,
            "200ms",
            "A lost message is sent again after this, or after one and a half round trips if that is longer; doubles each time.",
        ),
    ],
    choices: &[],
};

pub(in crate::scenario) static LATENCY: Section = Section {
    id: "latency",
    title: "latency",
    doc: "Where delays come from: a measured matrix, regions, coordinates, or a law that draws a round trip for each pair of nodes.",
    keys: &[
        optional(
            "matrix",
            Kind::Text("a file's path"),
            "",
            "A file of measured round trips (plain or gzip); each node is drawn onto one of its rows.",
        ),
        optional(
            "unit",
            Kind::Word(&["s", "ms", "us"]),
            "must be given with `matrix`",
            "The unit of the file's numbers.",
        ),
        optional(
            "format",
            Kind::Word(&["auto", "square", "pairs"]),
            "auto",
            "With `matrix`: a square of numbers, or a pair of nodes and its round trip on each line.",
        ),
        optional(
            "missing",
            Kind::Word(&["error", "median", "drop-node"]),
            "error",
            "With `matrix`, what to do about missing and non-positive cells: refuse the file, use the median, or leave out the rows with the most of them.",
        ),
        optional(
            "intra_site",
            DURATION,
            "0.5ms",
            "With `matrix`: the round trip between nodes on the same row.",
        ),
        optional(
            "regions",
            Kind::Any(&[Kind::Word(&[CLOUD_2024]), Kind::Table(&REGIONS)]),
            "",
            "Round trips between regions: the built-in table `cloud-2024`, or a table of your own.",
        ),
        optional(
            "weights",
            Kind::Map(&Kind::Number(0.0, 1e9)),
            "all alike",
            "With `regions`: how many nodes each gets, relative to the others; a region that is not named gets none. Nodes of a class with a region are placed there.",
        ),
        optional("euclidean", Kind::Table(&EUCLIDEAN), "", "Points drawn uniformly in a cube."),
        optional(
            "vivaldi",
            Kind::Table(&VIVALDI),
            "",
            "Points in a cube with a height, as Vivaldi models access links.",
        ),
        optional("constant", DURATION, "", "The round trip of every pair."),
        optional("uniform", Kind::Table(&durations::UNIFORM), "", "A round trip drawn for each pair."),
        optional(
            "exponential",
            Kind::Any(&[DURATION, Kind::Table(&durations::EXPONENTIAL)]),
            "",
            "A round trip drawn for each pair.",
        ),
        optional("normal", Kind::Table(&durations::NORMAL), "", "A round trip drawn for each pair."),
        optional("lognormal", Kind::Table(&durations::LOGNORMAL), "", "A round trip drawn for each pair."),
        optional("weibull", Kind::Table(&durations::WEIBULL), "", "A round trip drawn for each pair."),
        optional("pareto", Kind::Table(&durations::PARETO), "", "A round trip drawn for each pair."),
        optional("gamma", Kind::Table(&durations::GAMMA), "", "A round trip drawn for each pair."),
        optional("empirical", durations::POINTS, "", "A round trip drawn for each pair."),
    ],
    choices: &[Choice {
        keys: &[
            "matrix",
            "regions",
            "euclidean",
            "vivaldi",
            "constant",
            "uniform",
            "exponential",
            "normal",
            "lognormal",
            "weibull",
            "pareto",
            "gamma",
            "empirical",
        ],
        required: true,
    }],
};

pub(in crate::scenario) static REGIONS: Section = Section {
    id: "regions",
    title: "regions",
    doc: "A table of regions of your own.",
    keys: &[
        required("names", Kind::List(&Kind::Text("a region's name")), "Their names."),
        optional("within", DURATION, "0.5ms", "The round trip within a region."),
        optional("between", DURATION, "", "The round trip between any two regions."),
        optional(
            "round_trips",
            Kind::List(&Kind::List(&DURATION)),
            "",
            "All round trips, row by row in the order of `names`; symmetric.",
        ),
    ],
    choices: &[
        Choice { keys: &["between", "round_trips"], required: true },
        Choice { keys: &["within", "round_trips"], required: false },
    ],
};

macro_rules! cube_keys {
    ($($extra:expr),*) => {
        &[
            default("dimensions", Kind::Integer(1, 8), "2", "Dimensions of the cube."),
            required("side", POSITIVE_DURATION, "The length of its edge, as a round trip."),
            default("base", DURATION, "1ms", "What every round trip takes at least."),
            $($extra),*
        ]
    };
}

pub(in crate::scenario) static EUCLIDEAN: Section = Section {
    id: "euclidean",
    title: "euclidean",
    doc: "Points drawn uniformly in a cube: a round trip is `base` plus the distance.",
    keys: cube_keys!(),
    choices: &[],
};

pub(in crate::scenario) static VIVALDI: Section = Section {
    id: "vivaldi",
    title: "vivaldi",
    doc: "As `euclidean`, plus the heights of both nodes.",
    keys: cube_keys!(required("height", durations::KIND, "The height of a node, as a part of a round trip.")),
    choices: &[],
};

/// Reads `[network]`.
pub(super) fn network(reader: &Reader<'_>, files: &mut Files<'_>) -> Result<Network, ScenarioError> {
    let nodes = reader.count("nodes")?;
    let transport = reader.word("transport", &[("tcp", Transport::Tcp), ("quic", Transport::Quic)])?;
    let loss = reader.share("loss")?;
    if loss >= 1.0 {
        return Err(reader.error("loss", "must be below 100%: nothing would ever arrive"));
    }
    let join_over = match reader.optional_duration("join_over")? {
        Some(duration) => duration,
        None => Duration::from_millis(10)
            .saturating_mul(i64::from(nodes))
            .clamp(Duration::from_secs(30), Duration::from_secs(600)),
    };
    let handshake_round_trips = match reader.optional_integer("handshake_round_trips")? {
        Some(round_trips) => round_trips as u32,
        None if transport == Transport::Tcp => 4,
        None => 1,
    };
    Ok(Network {
        nodes,
        start: reader.word("start", &[("join", Start::Join), ("converged", Start::Converged)])?,
        join_over,
        // One node at least must have somebody to bootstrap from.
        bootstrap: reader.count("bootstrap")?.min(nodes.saturating_sub(1)).max(1),
        settle: reader.duration("settle")?,
        latency: latency(reader, files)?,
        last_mile: optional_distribution(reader, "last_mile", Quantity::Duration)?,
        jitter: optional_distribution(reader, "jitter", Quantity::Duration)?,
        loss,
        bandwidth: bandwidth(reader)?.unwrap_or_default(),
        transport,
        handshake_round_trips,
        idle_timeout: reader.duration("idle_timeout")?,
        max_connections: reader.count("max_connections")?,
        retransmit_timeout: reader.duration("retransmit_timeout")?,
    })
}

/// The `bandwidth` of a table, if it has one.
pub(super) fn bandwidth(reader: &Reader<'_>) -> Result<Option<Bandwidth>, ScenarioError> {
    let Some(table) = reader.table("bandwidth", &BANDWIDTH)? else {
        return Ok(None);
    };
    let capacity = |key: &str| -> Result<Option<u64>, ScenarioError> {
        match table.given(key) {
            Some(Value { data: Data::Text(text), .. }) if text == "unlimited" => Ok(None),
            _ => match table.quantity(key, Quantity::Bandwidth)?.map(libm::round) {
                Some(bits) if bits < 1.0 => {
                    Err(table.error(key, "carries nothing: it must be 1bit/s or more"))
                }
                bits => Ok(bits.map(|bits| bits as u64)),
            },
        }
    };
    Ok(Some(Bandwidth { up: capacity("up")?, down: capacity("down")? }))
}

fn latency(network: &Reader<'_>, files: &mut Files<'_>) -> Result<Latency, ScenarioError> {
    let Some(value) = network.given("latency") else {
        return Ok(Latency::Regions(built_in()));
    };
    if !matches!(value.data, Data::Table(_)) {
        let round_trip = distribution(network, "latency", Quantity::Duration)?;
        return Ok(Latency::Pairs { round_trip });
    }
    let reader = Reader::open(network.sources, &LATENCY, value, network.child("latency"))?;
    for (key, with) in [
        ("unit", "matrix"),
        ("format", "matrix"),
        ("missing", "matrix"),
        ("intra_site", "matrix"),
        ("weights", "regions"),
    ] {
        if reader.has(key) && !reader.has(with) {
            return Err(reader.error(key, format!("says something only together with {with}")));
        }
    }
    if let Some(path) = reader.optional_text("matrix")? {
        return matrix(&reader, &path, files);
    }
    if reader.has("regions") {
        return regions(&reader).map(Latency::Regions);
    }
    if let Some(cube) = reader.table("euclidean", &EUCLIDEAN)? {
        let (dimensions, side, base) = edges(&cube)?;
        return Ok(Latency::Euclidean { dimensions, side, base });
    }
    if let Some(cube) = reader.table("vivaldi", &VIVALDI)? {
        let (dimensions, side, base) = edges(&cube)?;
        let height = distribution(&cube, "height", Quantity::Duration)?;
        return Ok(Latency::Vivaldi { dimensions, side, base, height });
    }
    debug_assert!(LAWS.iter().any(|law| reader.has(law)), "the section's choices leave a law");
    Ok(Latency::Pairs { round_trip: law(&reader, Quantity::Duration)? })
}

fn edges(cube: &Reader<'_>) -> Result<(u32, Duration, Duration), ScenarioError> {
    Ok((cube.count("dimensions")?, cube.duration("side")?, cube.duration("base")?))
}

fn matrix(reader: &Reader<'_>, path: &str, files: &mut Files<'_>) -> Result<Latency, ScenarioError> {
    let units = [("s", TimeUnit::S), ("ms", TimeUnit::Ms), ("us", TimeUnit::Us)];
    let Some(unit) = reader.optional_word("unit", &units)? else {
        return Err(reader
            .sources
            .error(reader.at("matrix"), "a matrix needs its unit: unit = \"ms\", \"s\" or \"us\""));
    };
    let formats =
        [("auto", MatrixFormat::Auto), ("square", MatrixFormat::Square), ("pairs", MatrixFormat::Pairs)];
    let missing = [("error", Missing::Error), ("median", Missing::Median), ("drop-node", Missing::DropNode)];
    Ok(Latency::Matrix {
        file: files.named(reader.sources, reader.at("matrix"), path)?,
        unit,
        format: reader.optional_word("format", &formats)?.unwrap_or(MatrixFormat::Auto),
        missing: reader.optional_word("missing", &missing)?.unwrap_or(Missing::Error),
        intra_site: reader.optional_duration("intra_site")?.unwrap_or(Duration::from_micros(500)),
    })
}

fn built_in() -> Regions {
    let names: Vec<String> = CLOUD_2024_NAMES.iter().map(|name| (*name).to_owned()).collect();
    let weights = vec![1.0 / names.len() as f64; names.len()];
    Regions { names, weights, round_trip: cloud_2024() }
}

fn regions(reader: &Reader<'_>) -> Result<Regions, ScenarioError> {
    let mut regions = match reader.given("regions") {
        Some(Value { data: Data::Table(_), .. }) => match reader.table("regions", &REGIONS)? {
            Some(table) => own_regions(&table)?,
            None => built_in(),
        },
        _ => {
            reader.word("regions", &[(CLOUD_2024, ())])?;
            built_in()
        }
    };
    if let Some(value) = reader.given("weights") {
        let Data::Table(table) = &value.data else {
            return Err(
                reader.error("weights", "must be a table of regions and numbers, such as { us-east = 2 }")
            );
        };
        let mut weights = vec![0.0; regions.names.len()];
        for entry in &table.0 {
            let known = regions.names.iter().position(|name| *name == entry.key);
            let Some(weight) = known.and_then(|index| weights.get_mut(index)) else {
                let hint = suggestion(&entry.key, regions.names.iter().map(String::as_str));
                return Err(reader
                    .sources
                    .error(entry.at, format!("there is no region `{}`: {hint}", entry.key)));
            };
            *weight = match entry.value.data {
                Data::Integer(number) if (0..=1_000_000_000).contains(&number) => number as f64,
                Data::Float(number) if (0.0..=1e9).contains(&number) => number,
                _ => {
                    let problem = format!("the weight {} must be a number from 0", shown(&entry.value));
                    return Err(reader.sources.error(entry.value.at, problem));
                }
            };
        }
        let sum: f64 = weights.iter().sum();
        if sum <= 0.0 {
            return Err(reader.error("weights", "leave every region empty: one must be above zero"));
        }
        regions.weights = weights.into_iter().map(|weight| weight / sum).collect();
    }
    Ok(regions)
}

fn own_regions(reader: &Reader<'_>) -> Result<Regions, ScenarioError> {
    const REGIONS_MAX: usize = 1_000;
    let wrong = || reader.error("names", "must be a list of different names such as [\"north\", \"south\"]");
    let Some(Data::List(list)) = reader.given("names").map(|value| &value.data) else {
        return Err(wrong());
    };
    let mut names: Vec<String> = Vec::with_capacity(list.len());
    for value in list {
        match &value.data {
            Data::Text(name) if !name.is_empty() && !names.contains(name) => names.push(name.clone()),
            _ => return Err(wrong()),
        }
        if names.len() > REGIONS_MAX {
            return Err(reader.error("names", format!("are too many: at most {REGIONS_MAX} regions")));
        }
    }
    if names.is_empty() {
        return Err(wrong());
    }
    let round_trip = match reader.given("round_trips") {
        Some(value) => round_trips(reader, value, names.len())?,
        None => {
            let within = reader.optional_duration("within")?.unwrap_or(Duration::from_micros(500));
            let between = reader.duration("between")?;
            let cell = |row: usize, column: usize| if row == column { within } else { between };
            (0..names.len()).map(|row| (0..names.len()).map(|column| cell(row, column)).collect()).collect()
        }
    };
    let weights = vec![1.0 / names.len() as f64; names.len()];
    Ok(Regions { names, weights, round_trip })
}

fn round_trips(reader: &Reader<'_>, value: &Value, size: usize) -> Result<Vec<Vec<Duration>>, ScenarioError> {
    let fail = |value: &Value, problem: String| Err(reader.sources.error(value.at, problem));
    let Data::List(rows) = &value.data else {
        return fail(value, "round_trips must be a list of rows".to_owned());
    };
    if rows.len() != size {
        return fail(value, format!("round_trips has {} rows for {size} regions", rows.len()));
    }
    let mut table: Vec<Vec<Duration>> = Vec::with_capacity(size);
    for (index, row) in rows.iter().enumerate() {
        let Data::List(cells) = &row.data else {
            return fail(row, "a row of round_trips must be a list of durations".to_owned());
        };
        if cells.len() != size {
            return fail(row, format!("this row has {} round trips for {size} regions", cells.len()));
        }
        let mut durations: Vec<Duration> = Vec::with_capacity(size);
        for (column, cell) in cells.iter().enumerate() {
            let duration = match quantity_of(cell, Quantity::Duration) {
                Ok(seconds) => Duration::from_secs_f64(seconds),
                Err(problem) => return fail(cell, problem),
            };
            if let Some(mirror) = table.get(column).and_then(|row| row.get(index))
                && *mirror != duration
            {
                return fail(
                    cell,
                    format!("round_trips must be symmetric: here {duration}, the other way {mirror}"),
                );
            }
            durations.push(duration);
        }
        table.push(durations);
    }
    Ok(table)
}
