//! The median of repetitions and its interval of confidence.

/// The median of some values with an interval that covers the true median with a stated probability.
#[derive(Clone, Debug, PartialEq)]
pub struct MedianInterval {
    /// The median: the middle value, or the mean of the middle two.
    pub median: f64,
    /// The ends of the interval; none for a single value.
    pub interval: Option<(f64, f64)>,
    /// How the interval was made and how likely it covers the true median.
    pub method: String,
}

/// The probability that an interval should reach.
const CONFIDENCE: f64 = 0.95;

/// The median of `values`, or none if there are none.
///
/// The interval runs between two of the sorted values, x(j) and x(n+1−j), with the largest j that still covers the
/// true median with at least 95 %, whatever the distribution: the number of values below the true median is binomial
/// (n, 1/2), so the cover is 1 − 2·P(B ≤ j − 1) (Le Boudec, "Performance Evaluation of Computer and Communication Systems",
/// EPFL Press 2010, theorem 2.1; Hahn and Meeker, "Statistical Intervals", Wiley 1991, section 5.2). Below six values
/// no such interval reaches 95 %: then it is the whole range, and `method` says how little it covers.
pub fn median_interval(values: &[f64]) -> Option<MedianInterval> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let (low, high) = (*sorted.get(n.checked_sub(1)? / 2)?, *sorted.get(n / 2)?);
    // Equal infinities have no difference, but a mean.
    let median = if low == high { low } else { low / 2.0 + high / 2.0 };
    if n == 1 {
        return Some(MedianInterval { median, interval: None, method: "single repetition".into() });
    }
    let (j, cover) = rank_and_cover(n);
    let name = if cover < CONFIDENCE { "range" } else { "order statistics" };
    let method = format!("median; {name} {j} and {} of {n} cover {:.1} %", n + 1 - j, floor_to_tenths(cover));
    let interval = sorted.get(j - 1).copied().zip(sorted.get(n - j).copied());
    Some(MedianInterval { median, interval, method })
}

/// Per cent, rounded down to a tenth: a statement of confidence must not be rounded up.
fn floor_to_tenths(share: f64) -> f64 {
    libm::floor(share * 1000.0) / 10.0
}

/// The largest j (at least 1) for which x(j) and x(n+1−j) cover the median with [`CONFIDENCE`], and the cover.
fn rank_and_cover(n: usize) -> (usize, f64) {
    let nf = n as f64;
    // P(B = i) for B binomial (n, 1/2), by logarithms: 2^-n alone is zero from n = 1,075 on.
    let mass = |i: f64| {
        let choose = libm::lgamma(nf + 1.0) - libm::lgamma(i + 1.0) - libm::lgamma(nf - i + 1.0);
        libm::exp(choose - nf * std::f64::consts::LN_2)
    };
    let (mut j, mut below) = (1, mass(0.0));
    while j < n / 2 {
        let next = below + mass(j as f64);
        if 1.0 - 2.0 * next < CONFIDENCE {
            break;
        }
        below = next;
        j += 1;
    }
    (j, 1.0 - 2.0 * below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::{Draws, Purpose};

    #[test]
    fn ranks_are_those_of_the_published_table() {
        // Le Boudec 2010, appendix A, table A.1 (95 %): n, j, cover.
        for (n, j, cover) in
            [(6, 1, 0.969), (8, 1, 0.992), (9, 2, 0.961), (10, 2, 0.979), (20, 6, 0.959), (30, 10, 0.957)]
        {
            let (got, covers) = rank_and_cover(n);
            assert_eq!(got, j, "n = {n}");
            assert!((covers - cover).abs() < 6e-4, "n = {n}: {covers}");
        }
        let (j, cover) = rank_and_cover(5000);
        assert!((2400..2500).contains(&j) && (0.95..0.96).contains(&cover), "{j} {cover}");
    }

    #[test]
    fn few_values_say_how_little_they_cover() {
        assert_eq!(median_interval(&[]), None);
        assert_eq!(median_interval(&[3.0]).unwrap().interval, None);
        let three = median_interval(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((three.median, three.interval), (2.0, Some((1.0, 3.0))));
        assert_eq!(three.method, "median; range 1 and 3 of 3 cover 75.0 %");
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        let ten = median_interval(&ten).unwrap();
        assert_eq!((ten.median, ten.interval), (5.5, Some((2.0, 9.0))));
        assert_eq!(ten.method, "median; order statistics 2 and 9 of 10 cover 97.8 %");
    }

    #[test]
    fn infinite_values_keep_their_place() {
        let inf = f64::INFINITY;
        assert_eq!(median_interval(&[inf, 1.0, inf]).unwrap().median, inf);
        assert_eq!(median_interval(&[inf, inf]).unwrap().median, inf);
        assert_eq!(median_interval(&[1.0, 2.0, inf]).unwrap().median, 2.0);
    }

    #[test]
    fn intervals_cover_the_true_median_as_often_as_they_say() {
        // 4,000 samples of ten from a skewed distribution (the cube of a uniform number; median 1/8). The stated cover is
        // 97.85 %; four standard errors of 4,000 trials are 0.92 %.
        let draws = Draws::new(7, 0);
        let covered = (0..4000)
            .filter(|trial| {
                let mut stream = draws.stream(Purpose::CHOICE, *trial);
                let values: Vec<f64> = (0..10).map(|_| stream.unit()).map(|u| u * u * u).collect();
                let (low, high) = median_interval(&values).unwrap().interval.unwrap();
                low <= 0.125 && 0.125 <= high
            })
            .count();
        assert!((covered as f64 / 4000.0 - 0.9785).abs() < 0.0092, "{covered}");
    }
}
