//! Instants and durations in whole nanoseconds.
//!
//! The core reads no clock: every instant is an argument. A [`Time`] counts from an origin that the driver
//! chooses (the simulator: the start of the first phase, so that what came before is negative). What would be later
//! than the latest instant, in 292 years, is that instant: it never comes.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// An instant: nanoseconds since the driver's origin; negative before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

/// A length of time in nanoseconds, never negative; up to 292 years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(i64);

impl Time {
    /// The driver's origin.
    pub const ZERO: Time = Time(0);
    /// The latest instant there is; for comparisons, never a deadline.
    pub const MAX: Time = Time(i64::MAX);
    /// The earliest instant there is.
    pub const MIN: Time = Time(i64::MIN);

    /// The instant `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: i64) -> Self {
        Time(nanos)
    }

    /// The instant `micros` microseconds after the origin.
    pub const fn from_micros(micros: i64) -> Self {
        Time(micros * 1_000)
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Microseconds since the origin, rounded down (towards the past).
    pub const fn as_micros(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Seconds since the origin.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Time) -> Duration {
        Duration(self.0.saturating_sub(earlier.0).max(0))
    }

    /// This instant plus `duration`, or the latest instant there is.
    pub const fn saturating_add(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(duration.0))
    }
}

impl Duration {
    /// No time at all.
    pub const ZERO: Duration = Duration(0);
    /// The longest duration there is.
    pub const MAX: Duration = Duration(i64::MAX);

    /// A duration of `nanos` nanoseconds; a negative number is zero.
    pub const fn from_nanos(nanos: i64) -> Self {
        Duration(if nanos < 0 { 0 } else { nanos })
    }

    /// A duration of `micros` microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self::from_nanos(micros * 1_000)
    }

    /// A duration of `millis` milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self::from_nanos(millis * 1_000_000)
    }

    /// A duration of `secs` seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self::from_nanos(secs * 1_000_000_000)
    }

    /// A duration of `secs` seconds, rounded to the nanosecond. Negative and NaN are zero, too large is [`Duration::MAX`].
    pub fn from_secs_f64(secs: f64) -> Self {
        // The cast saturates and sends NaN to zero, by the language's definition.
        Self::from_nanos(libm::round(secs * 1e9) as i64)
    }

    /// Nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Microseconds, rounded down.
    pub const fn as_micros(self) -> i64 {
        self.0 / 1_000
    }

    /// Seconds.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// True for no time at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This duration times `factor`, rounded to the nanosecond; negative and NaN give zero.
    pub fn mul_f64(self, factor: f64) -> Self {
        Self::from_nanos(libm::round(self.0 as f64 * factor) as i64)
    }

    /// The difference, or zero.
    pub fn saturating_sub(self, other: Duration) -> Self {
        Duration((self.0 - other.0).max(0))
    }

    /// This duration times `factor`, or the longest there is.
    pub const fn saturating_mul(self, factor: i64) -> Self {
        Duration(self.0.saturating_mul(factor))
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, rhs: Duration) -> Time {
        self.saturating_add(rhs)
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, rhs: Duration) -> Time {
        Time(self.0.saturating_sub(rhs.0))
    }
}

impl Add for Duration {
    type Output = Duration;
    fn add(self, rhs: Duration) -> Duration {
        Duration(self.0.saturating_add(rhs.0))
    }
}

impl AddAssign for Duration {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Mul<i64> for Duration {
    type Output = Duration;
    fn mul(self, rhs: i64) -> Duration {
        Duration::from_nanos(self.0.saturating_mul(rhs))
    }
}

impl Div<i64> for Duration {
    type Output = Duration;
    fn div(self, rhs: i64) -> Duration {
        Duration::from_nanos(self.0 / rhs)
    }
}

impl Sum for Duration {
    fn sum<I: Iterator<Item = Duration>>(iter: I) -> Duration {
        iter.fold(Duration::ZERO, Add::add)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}s", self.as_secs_f64())
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Duration {
    /// The largest unit that divides the duration, as a scenario file writes it: `250ms`, `90s`, `10min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(i64, &str); 7] = [
            (86_400_000_000_000, "d"),
            (3_600_000_000_000, "h"),
            (60_000_000_000, "min"),
            (1_000_000_000, "s"),
            (1_000_000, "ms"),
            (1_000, "us"),
            (1, "ns"),
        ];
        for (nanos, unit) in UNITS {
            if self.0 != 0 && self.0 % nanos == 0 {
                return write!(f, "{}{unit}", self.0 / nanos);
            }
        }
        f.write_str("0s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_floored_before_the_origin_too() {
        assert_eq!(Time::from_nanos(-1).as_micros(), -1);
        assert_eq!(Time::from_nanos(1_999).as_micros(), 1);
    }

    #[test]
    fn durations_are_written_in_their_largest_whole_unit() {
        assert_eq!(Duration::from_millis(1500).to_string(), "1500ms");
        assert_eq!(Duration::from_secs(600).to_string(), "10min");
        assert_eq!(Duration::ZERO.to_string(), "0s");
    }

    #[test]
    fn odd_floats_do_not_overflow() {
        assert_eq!(Duration::from_secs_f64(f64::NAN), Duration::ZERO);
        assert_eq!(Duration::from_secs_f64(-3.0), Duration::ZERO);
        assert_eq!(Duration::from_secs_f64(1e300), Duration::MAX);
    }
}
