//! Many tests at once.

/// The p-values as they count when so many were tested: reject those at most α, and the share of wrong rejections is at most α
/// in the mean, also if the tests depend on each other positively, as statistics of the same calls do (Benjamini and
/// Hochberg, "Controlling the False Discovery Rate", Journal of the Royal Statistical Society B 57, 1995; Benjamini and
/// Yekutieli, The Annals of Statistics 29, 2001). If nothing at all differs, any rejection is wrong: its probability is
/// at most α.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let n = p_values.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| p_values[*b].total_cmp(&p_values[*a]));
    let mut adjusted = vec![1.0; n];
    let mut least = 1.0_f64;
    for (from_largest, at) in order.into_iter().enumerate() {
        let rank = (n - from_largest) as f64;
        least = least.min(p_values[at] * n as f64 / rank);
        adjusted[at] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_test_counts_as_it_is_and_many_count_less() {
        assert!(benjamini_hochberg(&[]).is_empty());
        assert_eq!(benjamini_hochberg(&[0.03]), [0.03]);
        assert_eq!(benjamini_hochberg(&[0.04, 0.01, 0.02, 1.0]), [0.04 * 4.0 / 3.0, 0.04, 0.04, 1.0]);
    }
}
