//! Quantiles that are measured values (nearest rank).

/// The least of sorted values that a share of them (0 to 1) do not exceed; `None` of nothing.
pub(crate) fn quantile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let rank = libm::ceil(share * sorted.len() as f64) as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}
