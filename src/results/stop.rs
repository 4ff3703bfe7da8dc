//! When there have been enough repetitions: until the interval of a statistic is narrow enough.

use super::summary::{RepetitionSummary, median_interval};
use serde::{Deserialize, Serialize};

/// A rule that says after how many repetitions a variant is known well enough.
///
/// After each repetition, in their order, the interval of [`median_interval`] is taken over all so far. The variant is
/// done at the first repetition after which neither end of the interval is farther from the median than `within` times
/// the median. Such a sequential rule looks many times, so the last interval covers the true median a little less
/// often than its method says (Law, "Simulation Modeling and Analysis", McGraw-Hill 2015, section 9.4.1; Glynn and
/// Whitt, "The Asymptotic Validity of Sequential Stopping Rules", Annals of Applied Probability 2, 1992).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoppingRule {
    /// The metric and the statistic of `summary.csv` with `_` between: `latency_p95`.
    pub metric: String,
    /// The group of rows: `all`, `phase=steady`, …
    pub group: String,
    /// How far from the median an end of the interval may be, as a share of the median.
    pub within: f64,
    /// Repetitions before the first look.
    pub least: u32,
    /// Repetitions after which a variant is done however wide its interval.
    pub most: u32,
}

/// How many repetitions came of a [`StoppingRule`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stopped {
    /// The rule.
    pub rule: StoppingRule,
    /// Repetitions of each variant, in the order of the variants.
    pub repetitions: Vec<u32>,
}

impl StoppingRule {
    /// Below six repetitions no interval of a median reaches 95 %, see [`median_interval`].
    pub const LEAST: u32 = 6;

    /// Reads a rule such as `latency_p95 ±5%` or `latency_p95 phase=steady ±5%`; `+-` stands for `±`.
    ///
    /// # Errors
    /// What is wrong and what would be right; and if `most` is less than [`StoppingRule::LEAST`].
    pub fn parse(text: &str, most: u32) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not METRIC [GROUP] ±SHARE%, for instance `latency_p95 ±5%`");
        let (what, share) = text.split_once('±').or_else(|| text.split_once("+-")).ok_or_else(wrong)?;
        let mut words = what.split_whitespace();
        let metric = words.next().ok_or_else(wrong)?;
        let group = words.collect::<Vec<_>>().join(" ");
        let per_cent = share.trim().strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        let per_cent = per_cent.filter(|share| *share > 0.0 && *share < 1e6).ok_or_else(wrong)?;
        if most < Self::LEAST {
            return Err(format!(
                "at most {most} repetitions are too few: below {} no interval of a median reaches 95 %",
                Self::LEAST
            ));
        }
        Ok(StoppingRule {
            metric: metric.to_owned(),
            group: if group.is_empty() { "all".to_owned() } else { group },
            within: per_cent / 100.0,
            least: Self::LEAST,
            most,
        })
    }

    /// The value that the rule looks at, if the repetition has one.
    pub fn value(&self, repetition: &RepetitionSummary) -> Option<f64> {
        let is = |metric: &str, statistic: &str| {
            self.metric
                .strip_prefix(metric)
                .and_then(|rest| rest.strip_prefix('_'))
                .is_some_and(|rest| rest == statistic)
        };
        let found =
            repetition.statistics.iter().find(|s| s.group == self.group && is(&s.metric, &s.statistic));
        found.map(|statistic| statistic.value)
    }

    /// Whether a variant is done whose repetitions, all that there are in their order, have these values.
    pub fn is_done(&self, values: &[Option<f64>]) -> bool {
        values.len() >= self.most as usize
            || (values.len() >= self.least as usize
                && self.width(values).is_some_and(|width| width <= self.within))
    }

    /// How far the farther end of the interval is from the median, as a share of the median: none before there is an
    /// interval of 95 %, infinite if an end is.
    pub fn width(&self, values: &[Option<f64>]) -> Option<f64> {
        let seen: Vec<f64> = values.iter().copied().flatten().collect();
        if seen.len() < Self::LEAST as usize {
            return None;
        }
        let found = median_interval(&seen)?;
        let (low, high) = found.interval?;
        // Values that are all alike are known, be they zero or infinite.
        if low == high {
            return Some(0.0);
        }
        let far = (found.median - low).max(high - found.median);
        Some(if found.median.is_finite() { far / found.median.abs() } else { f64::INFINITY })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    #[test]
    fn a_rule_is_read_as_it_is_said() {
        let rule = |text| StoppingRule::parse(text, 20);
        let plain = rule("latency_p95 ±5%").unwrap();
        assert_eq!((plain.metric.as_str(), plain.group.as_str(), plain.within), ("latency_p95", "all", 0.05));
        assert_eq!(rule("latency_p95  +- 5 %").unwrap(), plain);
        let phase = rule("success_share phase=steady policy=nearest ±0.5%").unwrap();
        assert_eq!((phase.group.as_str(), phase.within), ("phase=steady policy=nearest", 0.005));
        for wrong in
            ["", "latency_p95", "±5%", "latency_p95 ±5", "latency_p95 ±0%", "latency_p95 ±-5%", "x ±nan%"]
        {
            let error = rule(wrong).unwrap_err();
            assert!(error.contains("latency_p95 ±5%"), "{wrong}: {error}");
        }
        assert!(StoppingRule::parse("latency_p95 ±5%", 5).unwrap_err().contains("below 6"));
    }

    #[test]
    fn a_variant_is_done_when_both_ends_are_near_enough() {
        let rule = StoppingRule::parse("latency_p95 ±5%", 10).unwrap();
        // Of six values the interval is the whole range: 100 ± 5 is within 5 %, and 106 is not.
        let narrow = values(&[95.0, 100.0, 100.0, 100.0, 100.0, 105.0]);
        assert!(rule.is_done(&narrow));
        assert!(!rule.is_done(&narrow[..5]));
        let wide = values(&[95.0, 100.0, 100.0, 100.0, 100.0, 106.0]);
        assert!(!rule.is_done(&wide));
        // Of nine it runs from the second to the eighth: one outlier is left out.
        let mut nine = wide.clone();
        nine.extend(values(&[100.0, 100.0, 100.0]));
        assert!(rule.is_done(&nine));
        let never = values(&[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]);
        assert!(!rule.is_done(&never[..9]) && rule.is_done(&never));
    }

    #[test]
    fn values_that_are_missing_infinite_or_zero_have_their_say() {
        let rule = StoppingRule::parse("latency_p95 ±5%", 20).unwrap();
        let inf = f64::INFINITY;
        assert!(!rule.is_done(&[None; 19]) && rule.is_done(&[None; 20]));
        assert_eq!(rule.width(&values(&[1.0, 1.0, 1.0, 1.0, 1.0, inf])), Some(inf));
        assert_eq!(rule.width(&values(&[1.0, inf, inf, inf, inf, inf])), Some(inf));
        assert_eq!(rule.width(&values(&[inf; 6])), Some(0.0));
        assert_eq!(rule.width(&values(&[0.0; 6])), Some(0.0));
        assert_eq!(rule.width(&values(&[0.0, 0.0, 0.0, 0.0, 0.0, 1.0])), Some(inf));
        let mut five = values(&[1.0; 5]);
        five.push(None);
        assert!(!rule.is_done(&five));
        five.push(Some(1.0));
        assert!(rule.is_done(&five));
    }
}
