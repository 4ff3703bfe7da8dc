//! Distributions in JSON.

use crate::draws::Distribution;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use std::borrow::Cow;

/// What JSON holds of a [`Distribution`].
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Json<'a> {
    Constant(f64),
    Uniform { low: f64, high: f64 },
    Exponential { mean: f64 },
    Normal { mean: f64, sd: f64 },
    Lognormal { median: f64, sigma: f64 },
    Weibull { scale: f64, shape: f64 },
    Pareto { scale: f64, shape: f64 },
    Gamma { shape: f64, scale: f64 },
    Empirical(Cow<'a, [(f64, f64)]>),
}

impl Serialize for Distribution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = match *self {
            Distribution::Constant(value) => Json::Constant(value),
            Distribution::Uniform { low, high } => Json::Uniform { low, high },
            Distribution::Exponential { mean } => Json::Exponential { mean },
            Distribution::Normal { mean, sd } => Json::Normal { mean, sd },
            Distribution::LogNormal { median, sigma } => Json::Lognormal { median, sigma },
            Distribution::Weibull { scale, shape } => Json::Weibull { scale, shape },
            Distribution::Pareto { scale, shape } => Json::Pareto { scale, shape },
            Distribution::Gamma { shape, scale } => Json::Gamma { shape, scale },
            Distribution::Empirical(ref points) => Json::Empirical(Cow::Borrowed(points)),
        };
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let distribution = match Json::deserialize(deserializer)? {
            Json::Constant(value) => Distribution::Constant(value),
            Json::Uniform { low, high } => Distribution::Uniform { low, high },
            Json::Exponential { mean } => Distribution::Exponential { mean },
            Json::Normal { mean, sd } => Distribution::Normal { mean, sd },
            Json::Lognormal { median, sigma } => Distribution::LogNormal { median, sigma },
            Json::Weibull { scale, shape } => Distribution::Weibull { scale, shape },
            Json::Pareto { scale, shape } => Distribution::Pareto { scale, shape },
            Json::Gamma { shape, scale } => Distribution::Gamma { shape, scale },
            Json::Empirical(points) => Distribution::Empirical(points.into_owned().into()),
        };
        distribution.checked().map_err(D::Error::custom)
    }
}
