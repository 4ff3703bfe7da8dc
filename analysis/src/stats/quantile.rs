//! Medians and quantiles.

/// The median: the middle value, or the mean of the middle two. None without values. `inf` is a value like any other.
pub fn median(values: &[f64]) -> Option<f64> {
    median_in_place(&mut values.to_vec())
}

/// As [`median`], reordering the values.
pub(super) fn median_in_place(values: &mut [f64]) -> Option<f64> {
    let half = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, high, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let high = *high;
    let low = if even { below.iter().copied().fold(f64::NEG_INFINITY, f64::max) } else { high };
    // Equal infinities have no difference, but a mean.
    Some(if low == high { low } else { low / 2.0 + high / 2.0 })
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
