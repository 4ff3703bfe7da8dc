//! Wilcoxon's test of pairs: do values tend to grow from one side to the other?

use super::ranks::doubled_ranks;
use super::two_sided;

/// Up to so many pairs that differ, the distribution is exact.
const EXACT: usize = 50;

/// A two-sided signed-rank test of Wilcoxon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wilcoxon {
    /// The sum of the ranks of the pairs whose second value is the larger one.
    pub t_plus: f64,
    /// Pairs that differ.
    pub n: usize,
    /// The probability of a sum at least as far from its mean, if neither side tends to be larger.
    pub p: f64,
    /// Whether `p` is exact, or by the normal approximation.
    pub exact: bool,
}

/// The two-sided test that the differences of pairs are symmetric around zero (Wilcoxon, "Individual Comparisons by Ranking
/// Methods", Biometrics Bulletin 1, 1945). Pairs without a difference are left out, as he did. `p` is 1 if none is left.
///
/// Up to 50 pairs `p` is exact, given the ties; beyond, it is that of the normal distribution with the correction for ties.
pub fn wilcoxon(pairs: &[(f64, f64)]) -> Wilcoxon {
    // Two infinities are equal, though they have no difference.
    let differences: Vec<f64> = pairs.iter().filter(|(a, b)| a != b).map(|(a, b)| b - a).collect();
    let sizes: Vec<f64> = differences.iter().map(|difference| difference.abs()).collect();
    let (ranks, ties) = doubled_ranks(&sizes);
    let sum: usize = ranks
        .iter()
        .zip(&differences)
        .filter(|(_, difference)| **difference > 0.0)
        .map(|(rank, _)| rank)
        .sum();
    let n = differences.len();
    let exact = n <= EXACT;
    let p = if exact {
        exact_p(&ranks, sum)
    } else {
        let n = n as f64;
        let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
        let away = (sum as f64 / 2.0 - n * (n + 1.0) / 4.0).abs();
        two_sided(away / libm::sqrt(variance))
    };
    Wilcoxon { t_plus: sum as f64 / 2.0, n, p, exact }
}

/// Twice the smaller tail, at `sum`, of the sums in which each rank is taken or not with equal probability.
fn exact_p(ranks: &[usize], sum: usize) -> f64 {
    let most: usize = ranks.iter().sum();
    let mut mass = vec![0.0_f64; most + 1];
    mass[0] = 1.0;
    for rank in ranks {
        for s in (0..=most).rev() {
            let taken = if s >= *rank { mass[s - rank] } else { 0.0 };
            mass[s] = (mass[s] + taken) / 2.0;
        }
    }
    let below: f64 = mass[..=sum].iter().sum();
    let above: f64 = mass[sum..].iter().sum();
    (2.0 * below.min(above)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_pairs_are_the_fewest_that_can_tell() {
        let grown = |n: i32| (0..n).map(|i| (0.0, f64::from(i + 1))).collect::<Vec<_>>();
        assert_eq!(wilcoxon(&grown(5)).p, 0.0625);
        assert_eq!(wilcoxon(&grown(6)).p, 0.03125);
    }

    #[test]
    fn pairs_without_a_difference_say_nothing() {
        let inf = f64::INFINITY;
        let none = wilcoxon(&[(1.0, 1.0), (inf, inf)]);
        assert_eq!((none.n, none.p), (0, 1.0));
        let grown = wilcoxon(&[(1.0, inf), (2.0, inf), (3.0, 3.0), (3.0, 2.0)]);
        assert_eq!((grown.n, grown.t_plus), (3, 5.0));
    }
}
