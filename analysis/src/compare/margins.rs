//! Which metrics are judged, which way is better, and how small a difference does not matter.

use edge_faas_core::units::{self, Quantity};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::Spanned;

/// Which way a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

/// How a metric is judged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Margin {
    /// Which way is better.
    pub better: Better,
    /// A difference up to this share of the base's median does not matter; 0 or more.
    pub relative: f64,
    /// Nor does one up to this, in the metric's unit; 0 or more. The larger of the two counts.
    pub absolute: f64,
}

impl Margin {
    /// The largest difference from `base` that does not matter, in its unit.
    pub fn from(&self, base: f64) -> f64 {
        tolerated(self.relative, self.absolute, base)
    }
}

/// The larger of a share of `base` and an absolute number.
fn tolerated(relative: f64, absolute: f64, base: f64) -> f64 {
    (relative * base.abs()).max(absolute)
}

/// How far a simulated quantile may be from that of real nodes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tolerance {
    /// A share of the real value; 0 or more.
    pub relative: f64,
    /// Microseconds; 0 or more. The larger of the two counts.
    pub absolute_us: f64,
}

impl Tolerance {
    /// The largest error that is tolerated, in microseconds.
    pub fn from(&self, real_us: f64) -> f64 {
        tolerated(self.relative, self.absolute_us, real_us)
    }
}

/// What is judged without a file of margins: metric, statistics, which way is better, relative and absolute margin (the
/// latter in the unit of `summary.csv`).
const DEFAULTS: &[(&str, &[&str], Better, f64, f64)] = &[
    ("success", &["share"], Better::Higher, 0.0, 0.001),
    // Rows are whole microseconds, and histograms of three digits round by 0.1 %.
    ("latency", &["p50", "p95", "p99", "mean"], Better::Lower, 0.05, 10.0),
    ("latency_with_failures", &["p95"], Better::Lower, 0.05, 10.0),
    ("lookup", &["mean"], Better::Lower, 0.05, 10.0),
    ("goodput", &["rate"], Better::Higher, 0.02, 0.0),
    ("attempts", &["mean"], Better::Lower, 0.02, 0.0),
    ("messages", &["mean"], Better::Lower, 0.05, 0.0),
    ("wasted_exec", &["share"], Better::Lower, 0.0, 0.01),
    ("makespan", &["p50", "p95"], Better::Lower, 0.05, 10.0),
    ("speed_up", &["p50"], Better::Higher, 0.05, 0.0),
    ("items_not_ok", &["count"], Better::Lower, 0.0, 0.5),
    ("lookup_time", &["p50", "p95"], Better::Lower, 0.05, 10.0),
    ("lookup_requests", &["mean"], Better::Lower, 0.05, 0.0),
    ("lookups_failed", &["count"], Better::Lower, 0.05, 0.5),
    ("lookup_correct", &["share"], Better::Higher, 0.0, 0.005),
    ("traffic", &["bytes"], Better::Lower, 0.05, 0.0),
    ("load", &["jain"], Better::Higher, 0.05, 0.0),
    // Read off a timeline of seconds.
    ("recovery", &["time"], Better::Lower, 0.1, 1_000_000.0),
];

/// The relative margin of what a file adds, if it says none.
const RELATIVE: f64 = 0.05;

/// A quantile that fidelity looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerated {
    /// Its name: `p50`.
    pub quantile: &'static str,
    /// In thousandths.
    pub per_mille: u64,
    /// How far it may be off; none if it is only told.
    pub tolerance: Option<Tolerance>,
}

impl Tolerated {
    /// The quantiles, with the tolerances that hold without a file of margins.
    pub const DEFAULTS: [Tolerated; 4] = [
        Tolerated {
            quantile: "p50",
            per_mille: 500,
            tolerance: Some(Tolerance { relative: 0.15, absolute_us: 1_000.0 }),
        },
        Tolerated { quantile: "p90", per_mille: 900, tolerance: None },
        Tolerated {
            quantile: "p95",
            per_mille: 950,
            tolerance: Some(Tolerance { relative: 0.3, absolute_us: 3_000.0 }),
        },
        Tolerated { quantile: "p99", per_mille: 990, tolerance: None },
    ];
}

/// The default margins: metric, statistic, margin (its absolute part in the unit of `summary.csv`).
pub fn default_margins() -> impl Iterator<Item = (&'static str, &'static str, Margin)> {
    DEFAULTS.iter().flat_map(|(metric, statistics, better, relative, absolute)| {
        let margin = Margin { better: *better, relative: *relative, absolute: *absolute };
        statistics.iter().map(move |statistic| (*metric, *statistic, margin))
    })
}

/// What is wrong with a file of margins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {what}")]
pub struct MarginsError {
    file: String,
    line: usize,
    column: usize,
    what: String,
}

/// The margins: the code's, and what a file changes of them.
#[derive(Debug, Default)]
pub struct Margins {
    name: String,
    text: String,
    changes: Changes,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    #[serde(default)]
    metric: BTreeMap<Spanned<String>, Change>,
    #[serde(default)]
    fidelity: BTreeMap<Spanned<String>, ToleranceChange>,
}

/// What a file says of a metric, or of one of its statistics.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    judge: Option<bool>,
    better: Option<Better>,
    relative: Option<Spanned<String>>,
    absolute: Option<Spanned<Amount>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToleranceChange {
    relative: Spanned<String>,
    absolute: Spanned<String>,
}

/// A number in the unit of a metric: with a unit where it has one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Amount {
    Text(String),
    Number(f64),
}

impl Margins {
    /// Reads a file of margins; `name` is what errors call it.
    ///
    /// # Errors
    /// If it is no TOML, or has a key that margins do not have. Its values are looked at when they are used.
    pub fn read(name: &str, text: &str) -> Result<Self, MarginsError> {
        let changes = toml::from_str(text).map_err(|error: toml::de::Error| {
            let (line, column) = place(text, error.span().unwrap_or(0..0));
            // The cause may have lines of its own.
            let what = error.message().replace('\n', " ");
            MarginsError { file: name.into(), line, column, what }
        })?;
        let margins = Margins { name: name.into(), text: text.into(), changes };
        margins.tolerances()?;
        Ok(margins)
    }

    /// The margin of a statistic whose values have this unit; none if it is not to be judged.
    ///
    /// # Errors
    /// If the file says something about it that cannot be.
    pub fn of(&self, metric: &str, statistic: &str, unit: &str) -> Result<Option<Margin>, MarginsError> {
        let mut margin = default_margins()
            .find(|(name, of, _)| *name == metric && *of == statistic)
            .map(|(_, _, margin)| margin);
        let exact = format!("{metric}.{statistic}");
        // An entry for a whole metric changes the statistics that are judged anyway, and adds all of a metric that never is.
        let adds = !default_margins().any(|(known, ..)| known == metric);
        for (name, adds) in [(metric, adds), (exact.as_str(), true)] {
            let Some((key, change)) = self.changes.metric.iter().find(|(key, _)| key.get_ref() == name)
            else {
                continue;
            };
            if change.judge == Some(false) {
                margin = None;
                continue;
            }
            if margin.is_none() && !adds {
                continue;
            }
            let Some(better) = change.better.or(margin.map(|margin| margin.better)) else {
                let what = format!(
                    "`{name}` is not judged by default: say which way is better, better = \"lower\" or \"higher\""
                );
                return Err(self.error(key.span(), what));
            };
            let before = margin.unwrap_or(Margin { better, relative: RELATIVE, absolute: 0.0 });
            let relative = match &change.relative {
                None => before.relative,
                Some(text) => self.quantity(Quantity::Share, text)?,
            };
            let absolute = match &change.absolute {
                None => before.absolute,
                Some(amount) => self.amount(amount, unit)?,
            };
            margin = Some(Margin { better, relative, absolute });
        }
        Ok(margin)
    }

    /// The quantiles that fidelity looks at, with their tolerances.
    ///
    /// # Errors
    /// If the file names another quantile, or a tolerance is no quantity.
    pub fn tolerances(&self) -> Result<Vec<Tolerated>, MarginsError> {
        let known = Tolerated::DEFAULTS.map(|one| one.quantile);
        let changes = &self.changes.fidelity;
        if let Some((key, _)) = changes.iter().find(|(key, _)| !known.contains(&key.get_ref().as_str())) {
            let what = format!("`{}` is none of the quantiles {}", key.get_ref(), known.join(", "));
            return Err(self.error(key.span(), what));
        }
        let changed = |one: Tolerated| {
            let Some((_, change)) = changes.iter().find(|(key, _)| key.get_ref() == one.quantile) else {
                return Ok(one);
            };
            let relative = self.quantity(Quantity::Share, &change.relative)?;
            let absolute_us = 1e6 * self.quantity(Quantity::Duration, &change.absolute)?;
            Ok(Tolerated { tolerance: Some(Tolerance { relative, absolute_us }), ..one })
        };
        Tolerated::DEFAULTS.into_iter().map(changed).collect()
    }

    /// Makes sure that every name in the file is one of the metrics there are, given with their statistics.
    ///
    /// # Errors
    /// If one is not, with the most similar name.
    pub fn check_names(&self, there_are: &BTreeSet<(&str, &str)>) -> Result<(), MarginsError> {
        let whole = there_are.iter().map(|(metric, _)| (*metric).to_owned());
        let names: BTreeSet<String> = whole
            .chain(there_are.iter().map(|(metric, statistic)| format!("{metric}.{statistic}")))
            .collect();
        for key in self.changes.metric.keys() {
            // A metric that neither of two runs has may well be one of others.
            let known = default_margins().any(|(metric, statistic, _)| {
                key.get_ref() == metric || *key.get_ref() == format!("{metric}.{statistic}")
            });
            if !known && !names.contains(key.get_ref()) {
                let similar = names.iter().max_by(|a, b| {
                    let like = |name: &str| strsim::jaro_winkler(name, key.get_ref());
                    like(a).total_cmp(&like(b))
                });
                let hint = similar.map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
                let what = format!("no run has a metric or statistic `{}`{hint}", key.get_ref());
                return Err(self.error(key.span(), what));
            }
        }
        Ok(())
    }

    fn amount(&self, amount: &Spanned<Amount>, unit: &str) -> Result<f64, MarginsError> {
        let quantity = match unit {
            "us" => Some(Quantity::Duration),
            "share" => Some(Quantity::Share),
            _ if unit.starts_with("bytes") => Some(Quantity::Size),
            _ => None,
        };
        let parsed = match (amount.get_ref(), quantity) {
            (Amount::Text(text), Some(quantity)) => {
                let base = if quantity == Quantity::Duration { 1e6 } else { 1.0 };
                quantity.parse(text).map(|value| base * value)
            }
            (Amount::Number(number), None) if *number >= 0.0 && number.is_finite() => Ok(*number),
            (Amount::Number(number), None) => Err(format!("{number} is no margin: it must be 0 or more")),
            (Amount::Number(number), Some(quantity)) => Err(units::bare(quantity, &number.to_string())),
            (Amount::Text(text), None) => {
                Err(format!("\"{text}\" must be a bare number: the unit of the values is {unit}"))
            }
        };
        parsed.map_err(|what| self.error(amount.span(), what))
    }

    fn quantity(&self, quantity: Quantity, text: &Spanned<String>) -> Result<f64, MarginsError> {
        quantity.parse(text.get_ref()).map_err(|what| self.error(text.span(), what))
    }

    fn error(&self, span: Range<usize>, what: String) -> MarginsError {
        let (line, column) = place(&self.text, span);
        MarginsError { file: self.name.clone(), line, column, what }
    }
}

/// Line and column, from 1, of the start of `span`.
fn place(text: &str, span: Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    (line, column)
}
