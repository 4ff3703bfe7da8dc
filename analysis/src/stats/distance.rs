//! How far two samples of whole numbers lie apart.

/// The largest difference between the two distribution functions, 0 to 1 (Kolmogorov 1933, Smirnov 1939). Both sorted;
/// none if either is empty.
pub fn kolmogorov_smirnov(x: &[i64], y: &[i64]) -> Option<f64> {
    let mut most = 0.0_f64;
    steps(x, y, |share_x, share_y, _| most = most.max((share_x - share_y).abs()))?;
    Some(most)
}

/// How far values have to be moved, in the mean, to make the one distribution of the other: the area between the two
/// distribution functions, in the unit of the values (Wasserstein's, or the earth mover's, distance of order 1; Vallender,
/// "Calculation of the Wasserstein Distance Between Probability Distributions on the Line", Theory of Probability and
/// its Applications 18, 1974). Both sorted; none if either is empty.
pub fn wasserstein(x: &[i64], y: &[i64]) -> Option<f64> {
    let mut area = 0.0;
    steps(x, y, |share_x, share_y, width| area += (share_x - share_y).abs() * width)?;
    Some(area)
}

/// Calls `step` with the shares of `x` and of `y` up to each of the values there are, and the distance to the next.
fn steps(x: &[i64], y: &[i64], mut step: impl FnMut(f64, f64, f64)) -> Option<()> {
    if x.is_empty() || y.is_empty() {
        return None;
    }
    let (mut i, mut j) = (0, 0);
    while let Some(value) = x.get(i).into_iter().chain(y.get(j)).min() {
        i += x[i..].iter().take_while(|other| *other == value).count();
        j += y[j..].iter().take_while(|other| *other == value).count();
        let next = x.get(i).into_iter().chain(y.get(j)).min().unwrap_or(value);
        let width = i128::from(*next) - i128::from(*value);
        step(i as f64 / x.len() as f64, j as f64 / y.len() as f64, width as f64);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_that_can_be_seen() {
        assert_eq!(kolmogorov_smirnov(&[1, 2, 3], &[1, 2, 3]), Some(0.0));
        assert_eq!(kolmogorov_smirnov(&[1, 2], &[3, 4]), Some(1.0));
        assert_eq!(kolmogorov_smirnov(&[1, 2, 3, 4], &[3, 4, 5, 6]), Some(0.5));
        assert_eq!(wasserstein(&[0, 1, 3], &[5, 6, 8]), Some(5.0));
        assert_eq!(wasserstein(&[0, 0], &[0, 10]), Some(5.0));
        assert_eq!(wasserstein(&[i64::MIN], &[i64::MAX]), Some(u64::MAX as f64));
        assert_eq!((wasserstein(&[], &[1]), kolmogorov_smirnov(&[1], &[])), (None, None));
    }
}
