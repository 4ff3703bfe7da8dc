//! Ranks, with equal values sharing the mean of theirs.

/// Twice the rank of each value, from 2 on, so that the mean of two ranks is whole; and the sum of t³ − t over the sizes t
/// of groups of equal values, by which ties make rank sums vary less.
pub(super) fn doubled_ranks(values: &[f64]) -> (Vec<usize>, f64) {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; values.len()];
    let mut ties = 0.0;
    let mut from = 0;
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let to = from + group.len();
        // Ranks from + 1 to `to`: twice their mean.
        group.iter().for_each(|at| ranks[*at] = from + 1 + to);
        let size = group.len() as f64;
        ties += size * size * size - size;
        from = to;
    }
    (ranks, ties)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_their_ranks() {
        let inf = f64::INFINITY;
        assert_eq!(doubled_ranks(&[3.0, 1.0, 3.0, inf, inf]), (vec![5, 2, 5, 9, 9], 12.0));
        // The two zeros are equal, though one sorts before the other.
        assert_eq!(doubled_ranks(&[0.0, -0.0]), (vec![3, 3], 6.0));
    }
}
