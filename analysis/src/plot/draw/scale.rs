//! An axis' scale: where a value lies, and which values get a tick.

/// A tick.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
}

/// From a range of values to the share 0 to 1 of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    log: bool,
    /// Ticks that are given rather than found.
    fixed: Option<Vec<Tick>>,
}

impl Scale {
    /// A linear scale over exactly this range.
    pub(crate) fn linear(low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Scale { low, high, log: false, fixed: None }
    }

    /// A linear scale from 0 that has a little room above `high`.
    pub(crate) fn from_zero(high: f64) -> Self {
        Self::linear(0.0, if high > 0.0 { high * 1.06 } else { 1.0 })
    }

    /// A logarithmic scale over a range; what is not above 0 lies at its low end.
    pub(crate) fn log(low: f64, high: f64) -> Self {
        let low = if low > 0.0 { low } else { 1e-3 };
        let high = if high > low * 1.05 { high } else { low * 10.0 };
        Scale { low, high, log: true, fixed: None }
    }

    /// Gives the ticks.
    pub(crate) fn with_ticks(mut self, ticks: Vec<Tick>) -> Self {
        self.fixed = Some(ticks);
        self
    }

    /// Where the value lies, 0 to 1; what is outside the range lies at its end.
    pub(crate) fn position(&self, value: f64) -> f64 {
        let share = if self.log {
            let (low, high) = (libm::log10(self.low), libm::log10(self.high));
            (libm::log10(value.max(self.low)) - low) / (high - low)
        } else {
            (value - self.low) / (self.high - self.low)
        };
        // A NaN, too, gets a place: the comparison is false for it.
        if share > 0.0 { share.min(1.0) } else { 0.0 }
    }

    /// True if the ticks were given: names, which all are to be seen if there is room.
    pub(crate) fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// At most `most` ticks, at round values.
    pub(crate) fn ticks(&self, most: usize) -> Vec<Tick> {
        let most = most.max(2);
        if let Some(fixed) = &self.fixed {
            let step = fixed.len().div_ceil(most).max(1);
            return fixed.iter().step_by(step).cloned().collect();
        }
        if self.log { self.log_ticks(most) } else { self.linear_ticks(most) }
    }

    fn linear_ticks(&self, most: usize) -> Vec<Tick> {
        let span = self.high - self.low;
        let mut exponent = libm::floor(libm::log10(span / most as f64)) as i32;
        loop {
            for factor in [1.0, 2.0, 5.0] {
                let step = factor * power_of_ten(exponent);
                let (first, last) =
                    (libm::ceil(self.low / step - 1e-9), libm::floor(self.high / step + 1e-9));
                if last - first < most as f64 {
                    let count = (last - first).max(0.0) as i64 + 1;
                    let decimals = (-exponent).max(0) as usize;
                    let tick = |i: i64| (first + i as f64) * step;
                    return (0..count)
                        .map(|i| Tick { value: tick(i), label: number(tick(i), decimals) })
                        .collect();
                }
            }
            exponent += 1;
        }
    }

    fn log_ticks(&self, most: usize) -> Vec<Tick> {
        let (low, high) = (libm::log10(self.low), libm::log10(self.high));
        let candidates = |factors: &[f64], every: i32| {
            let mut ticks = Vec::new();
            for exponent in libm::floor(low) as i32..=libm::ceil(high) as i32 {
                if exponent.rem_euclid(every) != 0 {
                    continue;
                }
                for factor in factors {
                    let value = factor * power_of_ten(exponent);
                    if value >= self.low * (1.0 - 1e-9) && value <= self.high * (1.0 + 1e-9) {
                        ticks.push(Tick { value, label: number(value, (-exponent).max(0) as usize) });
                    }
                }
            }
            ticks
        };
        for factors in [&[1.0, 2.0, 3.0, 5.0, 7.0][..], &[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]] {
            let ticks = candidates(factors, 1);
            if ticks.len() <= most && ticks.len() >= 2 {
                return ticks;
            }
        }
        for every in 2..20 {
            let ticks = candidates(&[1.0], every);
            if ticks.len() <= most && !ticks.is_empty() {
                return ticks;
            }
        }
        self.linear_ticks(most)
    }
}

fn power_of_ten(exponent: i32) -> f64 {
    libm::pow(10.0, f64::from(exponent))
}

/// A number with so many decimals, its thousands apart: `12 000`.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), edge_faas_core::results::text::count);
    // Thousands are kept together by a space that does not break.
    let whole = whole.replace(' ', "\u{a0}").replace('-', "−");
    if rest.is_empty() { whole } else { format!("{whole}.{rest}") }
}

/// The unit in which times are best read, by the largest of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TimeUnit {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its length in microseconds.
    pub(crate) micros: f64,
}

impl TimeUnit {
    /// For times up to `largest` microseconds.
    pub(crate) fn of(largest: f64) -> Self {
        if largest < 2e3 {
            TimeUnit { name: "µs", micros: 1.0 }
        } else if largest < 20e6 {
            TimeUnit { name: "ms", micros: 1e3 }
        } else {
            TimeUnit { name: "s", micros: 1e6 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(scale: &Scale, most: usize) -> String {
        scale.ticks(most).iter().map(|tick| tick.label.replace('\u{a0}', "_")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(&Scale::linear(0.0, 1.0), 6), "0.0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(labels(&Scale::from_zero(47.0), 6), "0 10 20 30 40");
        assert_eq!(labels(&Scale::linear(-60.0, 500.0), 4), "0 200 400");
        assert_eq!(labels(&Scale::log(0.5, 20_000.0), 6), "1 10 100 1_000 10_000");
        assert_eq!(labels(&Scale::log(40.0, 400.0), 8), "50 70 100 200 300");
        assert_eq!(labels(&Scale::log(1.0, 1e9), 4), "1 1_000 1_000_000 1_000_000_000");
        assert_eq!(labels(&Scale::log(41.0, 48.0), 4), "42 44 46 48");
    }

    #[test]
    fn a_time_is_read_in_the_unit_that_fits() {
        let names = [900.0, 850e3, 15e6, 90e6].map(|largest| TimeUnit::of(largest).name);
        assert_eq!(names, ["µs", "ms", "ms", "s"]);
    }

    proptest! {
        #[test]
        fn every_scale_has_ticks_in_its_range(low in -1e9..1e9f64, span in 1e-6..1e12f64, log: bool, most in 2usize..12) {
            let scale = if log { Scale::log(low.abs(), low.abs() + span) } else { Scale::linear(low, low + span) };
            let ticks = scale.ticks(most);
            prop_assert!(ticks.len() <= most + 1);
            for tick in ticks {
                let at = scale.position(tick.value);
                prop_assert!((0.0..=1.0).contains(&at));
            }
        }
    }
}
