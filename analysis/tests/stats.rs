//! The statistics against SciPy's, and against what they promise.

// A test that cannot read what it needs has failed: the panic says where.
#![allow(clippy::unwrap_used)]

use edge_faas_analysis::stats::{
    Pairing, RESAMPLES, benjamini_hochberg, bootstrap_medians, kolmogorov_smirnov, mann_whitney, median,
    quantile_of_sorted, wasserstein, wilcoxon,
};
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What `scripts/statistics-fixtures` wrote.
#[derive(Deserialize)]
struct Fixtures {
    mann_whitney: Vec<RankSum>,
    wilcoxon: Vec<SignedRank>,
    distance: Vec<Distance>,
    bootstrap: Vec<Bootstrap>,
    benjamini_hochberg: Vec<Adjusted>,
}

#[derive(Deserialize)]
struct RankSum {
    x: Vec<f64>,
    y: Vec<f64>,
    u: f64,
    p: f64,
}

#[derive(Deserialize)]
struct SignedRank {
    x: Vec<f64>,
    y: Vec<f64>,
    t_plus: f64,
    p: f64,
}

#[derive(Deserialize)]
struct Distance {
    x: Vec<i64>,
    y: Vec<i64>,
    kolmogorov_smirnov: f64,
    wasserstein: f64,
    quantiles: BTreeMap<u64, i64>,
    median: f64,
}

#[derive(Deserialize)]
struct Bootstrap {
    x: Vec<f64>,
    y: Vec<f64>,
    paired: bool,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct Adjusted {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(include_str!("fixtures/scipy.json")).unwrap()
}

#[track_caller]
fn close(ours: f64, scipys: f64, tolerance: f64) {
    assert!((ours - scipys).abs() <= tolerance * scipys.abs().max(1e-12), "{ours}, SciPy says {scipys}");
}

#[test]
fn tests_of_ranks_agree() {
    let fixtures = fixtures();
    assert!(fixtures.mann_whitney.len() >= 8 && fixtures.wilcoxon.len() >= 7);
    for case in &fixtures.mann_whitney {
        let ours = mann_whitney(&case.x, &case.y).unwrap();
        assert_eq!(ours.u, case.u);
        assert_eq!(ours.exact, case.x.len() + case.y.len() <= 40);
        close(ours.p, case.p, 1e-12);
        // It does not matter which sample is called the first.
        close(mann_whitney(&case.y, &case.x).unwrap().p, case.p, 1e-12);
    }
    for case in &fixtures.wilcoxon {
        // SciPy was given differences of three digits, as the values have them.
        let rounded = |x: f64, y: f64| libm::round((y - x) * 1e3) / 1e3;
        let pairs: Vec<(f64, f64)> =
            case.x.iter().zip(&case.y).map(|(x, y)| (0.0, rounded(*x, *y))).collect();
        let ours = wilcoxon(&pairs);
        assert_eq!(ours.t_plus, case.t_plus);
        close(ours.p, case.p, 1e-12);
    }
}

#[test]
fn distances_and_quantiles_agree() {
    for case in &fixtures().distance {
        close(kolmogorov_smirnov(&case.x, &case.y).unwrap(), case.kolmogorov_smirnov, 1e-12);
        close(wasserstein(&case.x, &case.y).unwrap(), case.wasserstein, 1e-12);
        assert_eq!(case.quantiles.len(), 5);
        for (per_mille, value) in &case.quantiles {
            assert_eq!(quantile_of_sorted(&case.x, *per_mille), Some(*value), "{per_mille}");
        }
        let values: Vec<f64> = case.x.iter().map(|value| *value as f64).collect();
        assert_eq!(median(&values), Some(case.median));
    }
}

#[test]
fn adjusted_p_values_agree() {
    for case in &fixtures().benjamini_hochberg {
        for (ours, scipys) in benjamini_hochberg(&case.p).into_iter().zip(&case.adjusted) {
            close(ours, *scipys, 1e-12);
        }
    }
}

/// SciPy's come from 400,000 resamples of its own, ours from fewer and others: the ends differ by chance, by less the more
/// there are.
#[test]
fn bootstrap_intervals_agree() {
    let fixtures = fixtures();
    assert!(fixtures.bootstrap.len() >= 4);
    for case in &fixtures.bootstrap {
        let pairing = if case.paired { Pairing::Paired } else { Pairing::Independent };
        // Many resamples first: the same method, so the same ends but for chance.
        let many = bootstrap_medians(&case.x, &case.y, pairing, 0.95, 99_999, |x, y| y / x).unwrap();
        close(many.low, case.low, 2e-3);
        close(many.high, case.high, 2e-3);
        let ours = bootstrap_medians(&case.x, &case.y, pairing, 0.95, RESAMPLES, |x, y| y / x).unwrap();
        close(ours.low, case.low, 1e-2);
        close(ours.high, case.high, 1e-2);
    }
}

/// The share of values that are at most `limit`.
fn share_up_to(values: &[i64], limit: i64) -> f64 {
    values.iter().filter(|value| **value <= limit).count() as f64 / values.len() as f64
}

proptest! {
    #[test]
    fn distances_are_those_of_the_definitions(
        mut x in prop::collection::vec(-20..20_i64, 1..40),
        mut y in prop::collection::vec(-20..20_i64, 1..40),
    ) {
        x.sort_unstable();
        y.sort_unstable();
        let gap = |limit| (share_up_to(&x, limit) - share_up_to(&y, limit)).abs();
        let largest = (-20..20).map(gap).fold(0.0, f64::max);
        let area: f64 = (-20..20).map(gap).sum();
        prop_assert!((kolmogorov_smirnov(&x, &y).unwrap() - largest).abs() < 1e-12);
        prop_assert!((wasserstein(&x, &y).unwrap() - area).abs() < 1e-9);
        prop_assert_eq!(kolmogorov_smirnov(&x, &y), kolmogorov_smirnov(&y, &x));
    }

    #[test]
    fn tests_of_ranks_know_no_sides_and_no_scale(
        x in prop::collection::vec(0..30_u32, 1..30),
        y in prop::collection::vec(0..30_u32, 1..30),
    ) {
        let (x, y): (Vec<f64>, Vec<f64>) = (x.into_iter().map(f64::from).collect(), y.into_iter().map(f64::from).collect());
        let p = mann_whitney(&x, &y).unwrap().p;
        prop_assert!((0.0..=1.0).contains(&p));
        prop_assert!((mann_whitney(&y, &x).unwrap().p - p).abs() < 1e-12);
        let cubed = |values: &[f64]| values.iter().map(|value| value * value * value).collect::<Vec<_>>();
        prop_assert!((mann_whitney(&cubed(&x), &cubed(&y)).unwrap().p - p).abs() < 1e-12);

        let pairs: Vec<(f64, f64)> = x.iter().copied().zip(y.iter().copied()).collect();
        let turned: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (*y, *x)).collect();
        let p = wilcoxon(&pairs).p;
        prop_assert!((0.0..=1.0).contains(&p));
        prop_assert!((wilcoxon(&turned).p - p).abs() < 1e-12);
    }
}
