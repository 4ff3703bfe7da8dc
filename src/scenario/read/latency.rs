//! `latency` of `[network]`: where delays come from.

use super::super::error::ScenarioError;
use super::super::files::Files;
use super::super::keys::*;
use super::super::reader::{Reader, quantity_of, shown};
use super::super::regions::{CLOUD_2024, CLOUD_2024_NAMES, cloud_2024};
use super::super::schema::{Latency, MatrixFormat, Missing, Regions, TimeUnit};
use super::super::value::{Data, Value};
use super::distribution::{LAWS, distribution, durations, law};
use crate::time::Duration;
use crate::units::Quantity;

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

/// Reads `latency` of `[network]`.
pub(super) fn latency(network: &Reader<'_>, files: &mut Files<'_>) -> Result<Latency, ScenarioError> {
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
