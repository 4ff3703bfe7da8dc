//! Quantities with their units: `20ms`, `4KiB`, `50Mbit/s`, `50/s`, `5%`, as scenario files, settings and headers
//! write them.
//!
//! Each function says in its error what would be right.

use crate::time::Duration;

/// The longest duration a scenario may name: ten years. Sums of a few stay far from the limit of 292 years.
pub const DURATION_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);
/// The largest size a scenario may name: 1 PiB.
pub const SIZE_MAX: u64 = 1 << 50;
/// The largest bandwidth: 1 Pbit/s.
pub const BANDWIDTH_MAX: u64 = 1_000_000_000_000_000;
/// The largest rate: 10^9 a second.
pub const RATE_MAX: f64 = 1e9;

const DURATIONS: Units = Units {
    what: "a duration",
    example: "20ms",
    units: &[
        ("ns", 1e-9),
        ("us", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("min", 60.0),
        ("h", 3_600.0),
        ("d", 86_400.0),
    ],
};
const SIZES: Units = Units {
    what: "a size",
    example: "4KiB",
    units: &[
        ("B", 1.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("TiB", 1_099_511_627_776.0),
    ],
};
const BANDWIDTHS: Units = Units {
    what: "a bandwidth",
    example: "50Mbit/s",
    units: &[("bit/s", 1.0), ("kbit/s", 1e3), ("Mbit/s", 1e6), ("Gbit/s", 1e9), ("Tbit/s", 1e12)],
};
const RATES: Units = Units {
    what: "a rate",
    example: "50/s",
    units: &[("/s", 1.0), ("/min", 1.0 / 60.0), ("/h", 1.0 / 3_600.0), ("/d", 1.0 / 86_400.0)],
};
const SHARES: Units = Units { what: "a share", example: "5%", units: &[("%", 0.01)] };

struct Units {
    what: &'static str,
    example: &'static str,
    units: &'static [(&'static str, f64)],
}

impl Units {
    /// What would be right.
    fn expected(&self) -> String {
        let units: Vec<&str> = self.units.iter().map(|(unit, _)| *unit).collect();
        let units = match units.as_slice() {
            [one] => format!("with {one}"),
            _ => format!("with one of the units {}", units.join(", ")),
        };
        format!("{} is written {units}, such as \"{}\"", self.what, self.example)
    }

    /// The number and the index of its unit.
    fn parse(&self, text: &str) -> Result<(f64, usize), String> {
        let trimmed = text.trim();
        let end = trimmed
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '+')))
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(end);
        let unit = unit.trim();
        let value: f64 = match number.replace('_', "").parse() {
            Ok(value) if unit.is_empty() => {
                let _: f64 = value;
                return Err(format!("{text:?} has no unit: {}", self.expected()));
            }
            Ok(value) => value,
            Err(_) => return Err(format!("{text:?} is not {}: {}", self.what, self.expected())),
        };
        let Some(index) = self.units.iter().position(|(name, _)| *name == unit) else {
            return Err(format!("{text:?} has an unknown unit: {}", self.expected()));
        };
        if value < 0.0 {
            return Err(format!("{text:?} is negative: {} cannot be", self.what));
        }
        if !value.is_finite() {
            return Err(format!("{text:?} is too large for {}", self.what));
        }
        Ok((value, index))
    }

    /// The number in the base unit.
    fn value(&self, text: &str) -> Result<f64, String> {
        let (value, index) = self.parse(text)?;
        let factor = self.units.get(index).map_or(1.0, |(_, factor)| *factor);
        // Division by the inverse keeps decimal fractions exact: 5 / 100 is the double nearest to 0.05, 5 × 0.01 is not.
        Ok(if factor < 1.0 { value / libm::round(1.0 / factor) } else { value * factor })
    }
}

/// What is wrong with a bare number where a quantity belongs.
pub fn bare(quantity: Quantity, shown: &str) -> String {
    format!("{shown} has no unit: {}", quantity.units().expected())
}

/// What would be right.
pub fn expected(quantity: Quantity) -> String {
    quantity.units().expected()
}

/// What a number with a unit measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Seconds.
    Duration,
    /// Bytes.
    Size,
    /// Bits per second.
    Bandwidth,
    /// Events per second.
    Rate,
    /// 0 to 1.
    Share,
}

impl Quantity {
    fn units(self) -> &'static Units {
        match self {
            Quantity::Duration => &DURATIONS,
            Quantity::Size => &SIZES,
            Quantity::Bandwidth => &BANDWIDTHS,
            Quantity::Rate => &RATES,
            Quantity::Share => &SHARES,
        }
    }

    /// "a duration", "a size" ….
    pub fn what(self) -> &'static str {
        self.units().what
    }

    /// An example.
    pub fn example(self) -> &'static str {
        self.units().example
    }

    /// The names of the units.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.units().units.iter().map(|(name, _)| *name)
    }

    /// The number in the base unit, within the limits of the quantity; the error says what would be right.
    pub fn parse(self, text: &str) -> Result<f64, String> {
        let value = self.units().value(text)?;
        let (max, shown) = match self {
            Quantity::Duration => (DURATION_MAX.as_secs_f64(), "3650d"),
            Quantity::Size => (SIZE_MAX as f64, "1024TiB"),
            Quantity::Bandwidth => (BANDWIDTH_MAX as f64, "1000Tbit/s"),
            Quantity::Rate => (RATE_MAX, "1000000000/s"),
            Quantity::Share => (1.0, "100%"),
        };
        if value > max {
            return Err(format!("{text:?} is too large: {} is at most {shown}", self.what()));
        }
        Ok(value)
    }
}

/// Reads a duration such as `20ms`; the error says what would be right.
pub fn duration(text: &str) -> Result<Duration, String> {
    Quantity::Duration.parse(text).map(Duration::from_secs_f64)
}

/// Reads a size such as `4KiB`, in bytes; the error says what would be right.
pub fn size(text: &str) -> Result<u64, String> {
    // At most 1 PiB, so the cast is exact.
    Quantity::Size.parse(text).map(|bytes| bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact() {
        assert_eq!(duration("20ms"), Ok(Duration::from_millis(20)));
        assert_eq!(duration("0.5 ms"), Ok(Duration::from_micros(500)));
        assert_eq!(duration("5min"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1ns"), Ok(Duration::from_nanos(1)));
        assert_eq!(duration("1_000s"), Ok(Duration::from_secs(1_000)));
        assert_eq!(Quantity::Size.parse("4KiB"), Ok(4_096.0));
        assert_eq!(Quantity::Size.parse("1.5MB"), Ok(1_500_000.0));
        assert_eq!(Quantity::Bandwidth.parse("50Mbit/s"), Ok(50_000_000.0));
        assert_eq!(Quantity::Rate.parse("30/min"), Ok(0.5));
        assert_eq!(Quantity::Share.parse("5%"), Ok(0.05));
        assert_eq!(Quantity::Share.parse("0.1%"), Ok(0.001));
    }

    #[test]
    fn every_duration_that_is_written_is_read_back() {
        for nanos in [1, 999, 1_000, 1_500_000, 60_000_000_000, 86_400_000_000_000, 123_456_789_012] {
            let duration_in = Duration::from_nanos(nanos);
            assert_eq!(duration(&duration_in.to_string()), Ok(duration_in));
        }
    }

    #[test]
    fn mistakes_name_what_would_be_right() {
        for (text, part) in [
            (
                "20",
                "\"20\" has no unit: a duration is written with one of the units ns, us, ms, s, min, h, d",
            ),
            ("20m", "unknown unit"),
            ("20 MS", "unknown unit"),
            ("ms", "is not a duration"),
            ("", "is not a duration"),
            ("-1s", "negative"),
            ("1e5s", "unknown unit"),
            ("9999999d", "too large"),
            ("nan", "is not a duration"),
        ] {
            let error = duration(text).expect_err(text);
            assert!(error.contains(part), "{error}");
        }
        assert!(Quantity::Size.parse("4KB").expect_err("KB").contains("kB, MB"));
        assert!(Quantity::Share.parse("150%").expect_err("share").contains("at most 100%"));
    }
}
