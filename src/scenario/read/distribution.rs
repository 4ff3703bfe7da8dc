//! Distributions: `"20ms"`, `{ lognormal = { median = "50ms", sigma = 0.5 } }`.

use super::super::error::ScenarioError;
use super::super::keys::*;
use super::super::reader::{Reader, quantity_of, shown};
use super::super::value::{Data, Sources, Value};
use crate::draws::Distribution;
use crate::units::Quantity;

macro_rules! distributions {
    ($module:ident, $name:literal, $quantity:expr, $one:expr) => {
        /// The sections of one quantity's distributions.
        pub(in crate::scenario) mod $module {
            use super::*;

            const Q: Kind = Kind::Quantity($quantity, Zero::Allowed);
            const ABOVE: Kind = Kind::Quantity($quantity, Zero::Refused);
            const SHAPE: Kind = Kind::Number(0.01, 10_000.0);

            pub(in crate::scenario) static UNIFORM: Section = Section {
                id: concat!($name, "-uniform"),
                title: "uniform",
                doc: "Every value between the bounds alike.",
                keys: &[
                    required("low", Q, "The least value."),
                    required("high", Q, "The greatest value, not below `low`."),
                ],
                choices: &[],
            };
            pub(in crate::scenario) static EXPONENTIAL: Section = Section {
                id: concat!($name, "-exponential"),
                title: "exponential",
                doc: "Memoryless.",
                keys: &[required("mean", Q, "The mean.")],
                choices: &[],
            };
            pub(in crate::scenario) static NORMAL: Section = Section {
                id: concat!($name, "-normal"),
                title: "normal",
                doc: "The normal law, given that it is not negative.",
                keys: &[
                    required("mean", Q, "The mean before truncation at zero."),
                    required("sd", Q, "The standard deviation before truncation."),
                ],
                choices: &[],
            };
            pub(in crate::scenario) static LOGNORMAL: Section = Section {
                id: concat!($name, "-lognormal"),
                title: "lognormal",
                doc: "The exponential of a normal law.",
                keys: &[
                    required("median", ABOVE, "The median."),
                    required("sigma", Kind::Number(0.0, 20.0), "The standard deviation of the logarithm."),
                ],
                choices: &[],
            };
            pub(in crate::scenario) static WEIBULL: Section = Section {
                id: concat!($name, "-weibull"),
                title: "weibull",
                doc: "A shape below 1 has a heavier tail than the exponential.",
                keys: &[
                    required("scale", ABOVE, "The value that 63 % stay below."),
                    required("shape", SHAPE, "The shape."),
                ],
                choices: &[],
            };
            pub(in crate::scenario) static PARETO: Section = Section {
                id: concat!($name, "-pareto"),
                title: "pareto",
                doc: "A tail by a power law. The mean is infinite up to shape 1.",
                keys: &[
                    required("scale", ABOVE, "The least value."),
                    required("shape", SHAPE, "The exponent of the tail."),
                ],
                choices: &[],
            };
            pub(in crate::scenario) static GAMMA: Section = Section {
                id: concat!($name, "-gamma"),
                title: "gamma",
                doc: "The sum of `shape` exponentials where the shape is whole (Erlang).",
                keys: &[
                    required("shape", SHAPE, "The shape."),
                    required("scale", ABOVE, "The scale; the mean is shape times scale."),
                ],
                choices: &[],
            };

            /// One of the laws.
            pub(in crate::scenario) static DISTRIBUTION: Section = Section {
                id: concat!($name, "-distribution"),
                title: concat!("a distribution of ", $one),
                doc: concat!("A law that draws ", $one, "; a plain text is a constant."),
                keys: &[
                    optional("constant", Q, "", "Always this value."),
                    optional("uniform", Kind::Table(&UNIFORM), "", "Between two bounds."),
                    optional("exponential", Kind::Any(&[Q, Kind::Table(&EXPONENTIAL)]), "", "Memoryless: its mean, or a table with `mean`."),
                    optional("normal", Kind::Table(&NORMAL), "", "Normal, given that it is not negative."),
                    optional("lognormal", Kind::Table(&LOGNORMAL), "", "Log-normal."),
                    optional("weibull", Kind::Table(&WEIBULL), "", "Weibull."),
                    optional("pareto", Kind::Table(&PARETO), "", "Pareto (type I)."),
                    optional("gamma", Kind::Table(&GAMMA), "", "Gamma."),
                    optional(
                        "empirical",
                        POINTS,
                        "",
                        "Percentiles, linear between them: `[[\"0%\", …], [\"50%\", …], [\"100%\", …]]`, from 0 % to 100 %.",
                    ),
                ],
                choices: &[Choice { keys: LAWS, required: true }],
            };
            pub(in crate::scenario) const POINTS: Kind = Kind::List(&Kind::List(&Kind::Any(&[SHARE, Q])));

            /// A constant or a law.
            pub(in crate::scenario) const KIND: Kind = Kind::Any(&[Q, Kind::Table(&DISTRIBUTION)]);
        }
    };
}

distributions!(durations, "duration", Quantity::Duration, "durations");
distributions!(sizes, "size", Quantity::Size, "sizes");

/// The keys of a distribution's table.
pub(in crate::scenario) const LAWS: &[&str] =
    &["constant", "uniform", "exponential", "normal", "lognormal", "weibull", "pareto", "gamma", "empirical"];

/// The distribution of a key, given or by default.
pub(super) fn distribution(
    reader: &Reader<'_>,
    key: &str,
    quantity: Quantity,
) -> Result<Distribution, ScenarioError> {
    match optional_distribution(reader, key, quantity)? {
        Some(distribution) => Ok(distribution),
        None => reader.constant(key, quantity),
    }
}

/// The distribution of a key, if the file gives one.
pub(super) fn optional_distribution(
    reader: &Reader<'_>,
    key: &str,
    quantity: Quantity,
) -> Result<Option<Distribution>, ScenarioError> {
    reader.given(key).map(|value| of_value(reader.sources, value, quantity, reader.child(key))).transpose()
}

/// The distribution that a value says.
fn of_value(
    sources: &Sources,
    value: &Value,
    quantity: Quantity,
    path: String,
) -> Result<Distribution, ScenarioError> {
    if let Data::Table(_) = value.data {
        let section = match quantity {
            Quantity::Size => &sizes::DISTRIBUTION,
            _ => &durations::DISTRIBUTION,
        };
        return law(&Reader::open(sources, section, value, path)?, quantity);
    }
    let constant = quantity_of(value, quantity)
        .map_err(|problem| sources.error(value.at, format!("{path}: {problem}")))?;
    Ok(Distribution::Constant(constant))
}

/// The law that a table names. Its section has the keys [`LAWS`] and was checked to hold one of them.
pub(super) fn law(reader: &Reader<'_>, quantity: Quantity) -> Result<Distribution, ScenarioError> {
    let sections = match quantity {
        Quantity::Size => [
            &sizes::UNIFORM,
            &sizes::EXPONENTIAL,
            &sizes::NORMAL,
            &sizes::LOGNORMAL,
            &sizes::WEIBULL,
            &sizes::PARETO,
            &sizes::GAMMA,
        ],
        _ => [
            &durations::UNIFORM,
            &durations::EXPONENTIAL,
            &durations::NORMAL,
            &durations::LOGNORMAL,
            &durations::WEIBULL,
            &durations::PARETO,
            &durations::GAMMA,
        ],
    };
    let [uniform, exponential, normal, lognormal, weibull, pareto, gamma] = sections;
    let mut at = reader.at;
    let mut found = None;
    for key in LAWS {
        let Some(value) = reader.given(key) else { continue };
        at = value.at;
        let open = |section| Reader::open(reader.sources, section, value, reader.child(key));
        found = Some(match *key {
            "constant" => reader.constant(key, quantity)?,
            "uniform" => {
                let table = open(uniform)?;
                Distribution::Uniform {
                    low: table.base("low", quantity)?,
                    high: table.base("high", quantity)?,
                }
            }
            "exponential" if matches!(value.data, Data::Table(_)) => {
                Distribution::Exponential { mean: open(exponential)?.base("mean", quantity)? }
            }
            "exponential" => Distribution::Exponential { mean: reader.base(key, quantity)? },
            "normal" => {
                let table = open(normal)?;
                Distribution::Normal { mean: table.base("mean", quantity)?, sd: table.base("sd", quantity)? }
            }
            "lognormal" => {
                let table = open(lognormal)?;
                Distribution::LogNormal {
                    median: table.base("median", quantity)?,
                    sigma: table.number("sigma")?,
                }
            }
            "weibull" => {
                let table = open(weibull)?;
                Distribution::Weibull { scale: table.base("scale", quantity)?, shape: table.number("shape")? }
            }
            "pareto" => {
                let table = open(pareto)?;
                Distribution::Pareto { scale: table.base("scale", quantity)?, shape: table.number("shape")? }
            }
            "gamma" => {
                let table = open(gamma)?;
                Distribution::Gamma { shape: table.number("shape")?, scale: table.base("scale", quantity)? }
            }
            _ => Distribution::Empirical(points(reader, value, quantity)?.into()),
        });
    }
    let found = found.ok_or_else(|| reader.error("constant", "or another law is needed"))?;
    found.checked().map_err(|error| reader.sources.error(at, error.to_string()))
}

/// The points of an empirical distribution.
fn points(reader: &Reader<'_>, value: &Value, quantity: Quantity) -> Result<Vec<(f64, f64)>, ScenarioError> {
    let wrong = |value: &Value| {
        let problem = format!(
            "{} is no point: an empirical distribution is a list such as [[\"0%\", {example:?}], [\"100%\", {example:?}]]",
            shown(value),
            example = quantity.example()
        );
        reader.sources.error(value.at, problem)
    };
    let Data::List(list) = &value.data else {
        return Err(wrong(value));
    };
    let mut points = Vec::with_capacity(list.len());
    for point in list {
        let Data::List(pair) = &point.data else {
            return Err(wrong(point));
        };
        let [probability, number] = pair.as_slice() else {
            return Err(wrong(point));
        };
        let of = |value: &Value, quantity| {
            quantity_of(value, quantity).map_err(|problem| reader.sources.error(value.at, problem))
        };
        points.push((of(probability, Quantity::Share)?, of(number, quantity)?));
    }
    Ok(points)
}

impl Reader<'_> {
    /// A key's quantity in its base unit.
    fn base(&self, key: &str, quantity: Quantity) -> Result<f64, ScenarioError> {
        self.quantity(key, quantity)?.ok_or_else(|| self.error(key, "is missing"))
    }

    fn constant(&self, key: &str, quantity: Quantity) -> Result<Distribution, ScenarioError> {
        self.base(key, quantity).map(Distribution::Constant)
    }
}
