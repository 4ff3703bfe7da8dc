//! The test of Mann and Whitney: does one sample tend to be larger than another?

use super::ranks::doubled_ranks;
use super::two_sided;

/// Up to so many values in both samples together, the distribution is exact.
const EXACT: usize = 40;

/// A two-sided test of Mann and Whitney.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MannWhitney {
    /// U of the first sample: the pairs in which its value is the larger one, equal ones counting half.
    pub u: f64,
    /// The probability of a U at least as far from its mean, if both samples are of one distribution.
    pub p: f64,
    /// Whether `p` is exact, or by the normal approximation.
    pub exact: bool,
}

/// The two-sided test that `x` and `y` are of one distribution (Mann and Whitney, "On a Test of Whether one of Two Random
/// Variables is Stochastically Larger than the Other", The Annals of Mathematical Statistics 18, 1947). None if either is
/// empty.
///
/// Up to 40 values `p` is exact, given the ties (the permutation distribution of the rank sum); beyond, it is that of the normal
/// distribution with the corrections for ties and for continuity.
pub fn mann_whitney(x: &[f64], y: &[f64]) -> Option<MannWhitney> {
    if x.is_empty() || y.is_empty() {
        return None;
    }
    let all: Vec<f64> = x.iter().chain(y).copied().collect();
    let (ranks, ties) = doubled_ranks(&all);
    let (nx, ny, n) = (x.len() as f64, y.len() as f64, all.len() as f64);
    let sum: usize = ranks[..x.len()].iter().sum();
    let u = sum as f64 / 2.0 - nx * (nx + 1.0) / 2.0;
    let exact = all.len() <= EXACT;
    let p = if exact {
        exact_p(&ranks, x.len(), sum)
    } else {
        let variance = nx * ny / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)));
        let away = (u - nx * ny / 2.0).abs() - 0.5;
        if variance > 0.0 { two_sided(away / libm::sqrt(variance)) } else { 1.0 }
    };
    Some(MannWhitney { u, p, exact })
}

/// Twice the smaller tail of the sums of `take` of the ranks, at `sum`.
fn exact_p(ranks: &[usize], take: usize, sum: usize) -> f64 {
    let most: usize = ranks.iter().sum();
    // ways[k][s]: choices of k ranks that add up to s. Exact: C(40, 20) has 38 bits.
    let mut ways = vec![vec![0.0_f64; most + 1]; take + 1];
    ways[0][0] = 1.0;
    let mut reached = 0;
    for (seen, rank) in ranks.iter().enumerate() {
        reached += rank;
        for k in (1..=take.min(seen + 1)).rev() {
            let (fewer, more) = ways.split_at_mut(k);
            for s in (*rank..=reached).rev() {
                more[0][s] += fewer[k - 1][s - rank];
            }
        }
    }
    let total: f64 = ways[take].iter().sum();
    let below: f64 = ways[take][..=sum].iter().sum();
    let above: f64 = ways[take][sum..].iter().sum();
    (2.0 * below.min(above) / total).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_the_tail_that_can_be_counted() {
        // Of the C(6, 3) = 20 ways to choose three of six ranks, one has the least sum.
        let least = mann_whitney(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]).unwrap();
        assert_eq!(least, MannWhitney { u: 0.0, p: 0.1, exact: true });
        assert_eq!(mann_whitney(&[1.0, 1.0], &[1.0, 1.0]).unwrap().p, 1.0);
        assert_eq!(mann_whitney(&[], &[1.0]), None);
    }

    #[test]
    fn infinite_values_are_the_largest() {
        let inf = f64::INFINITY;
        assert_eq!(mann_whitney(&[inf, inf, inf], &[1.0, 2.0, 3.0]).unwrap().u, 9.0);
    }
}
