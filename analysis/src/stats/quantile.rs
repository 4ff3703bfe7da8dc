//! Medians and quantiles.

/// The median: the middle value, or the mean of the middle two. None without values. `inf` is a value like any other.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let half = sorted.len() / 2;
    let high = *sorted.get(half)?;
    Some(if sorted.len().is_multiple_of(2) { middle(*sorted.get(half - 1)?, high) } else { high })
}

/// The middle of two values.
pub(super) fn middle(low: f64, high: f64) -> f64 {
    // Equal infinities have no difference, but a mean.
    if low == high { low } else { low / 2.0 + high / 2.0 }
}

/// The smallest of the sorted values that at least a share of `per_mille`/1,000 of them do not exceed, as in `summary.csv`
/// (type 1 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50, 1996). None
/// without values.
pub fn quantile_of_sorted(sorted: &[i64], per_mille: u64) -> Option<i64> {
    let rank = (sorted.len() as u128 * u128::from(per_mille)).div_ceil(1000).max(1);
    sorted.get((rank - 1) as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_the_middle() {
        let inf = f64::INFINITY;
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[inf, inf]), Some(inf));
        assert_eq!(median(&[1.0, inf, 2.0, inf]), Some(inf));
        assert_eq!(median(&[inf, 2.0, 1.0]), Some(2.0));
    }
}
