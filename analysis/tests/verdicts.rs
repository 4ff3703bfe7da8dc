//! How often verdicts are right, on data that is known to differ or not to.

// A test that cannot prepare what it needs has failed: the panic says where.
#![allow(clippy::unwrap_used)]

use edge_faas_analysis::compare::{Better, Margin, Measured, Verdict, measure};
use edge_faas_analysis::stats::{Pairing, benjamini_hochberg};
use edge_faas_core::draws::{Distribution, Draws, Purpose, Stream};
use std::collections::BTreeMap;

const TRIALS: u64 = 1_000;
const MARGIN: Margin = Margin { better: Better::Lower, relative: 0.05, absolute: 0.0 };

/// `n` values around `mean` with a coefficient of variation of `cv`, normal by Box and Muller.
fn normal(stream: &mut Stream, n: usize, mean: f64, cv: f64) -> Vec<f64> {
    let one = |stream: &mut Stream| {
        let size = libm::sqrt(-2.0 * libm::log(stream.unit_positive()));
        size * libm::cos(std::f64::consts::TAU * stream.unit())
    };
    (0..n).map(|_| mean * (1.0 + cv * one(stream))).collect()
}

/// The share of trials with each verdict, in the order of [`Verdict::ALL`], when each compares what `sample` gives.
fn shares(
    pairing: Pairing,
    margin: &Margin,
    mut sample: impl FnMut(&mut Stream) -> (Vec<f64>, Vec<f64>),
) -> BTreeMap<Verdict, f64> {
    let draws = Draws::new(4, 0);
    let mut shares: BTreeMap<Verdict, f64> = Verdict::ALL.into_iter().map(|verdict| (verdict, 0.0)).collect();
    for trial in 0..TRIALS {
        let (base, new) = sample(&mut draws.stream(Purpose::CHOICE, trial));
        let measured = measure(&base, &new, pairing).unwrap();
        let verdict = measured.judge(measured.p, margin).verdict;
        *shares.entry(verdict).or_default() += 1.0 / TRIALS as f64;
    }
    shares
}

const BOTH: [Pairing; 2] = [Pairing::Independent, Pairing::Paired];

#[test]
fn equal_distributions_are_seldom_called_different() {
    let none = Margin { relative: 0.0, ..MARGIN };
    for (n, cv, margin) in
        [(6, 0.05, &MARGIN), (6, 0.3, &none), (10, 0.05, &MARGIN), (10, 0.3, &none), (25, 0.3, &none)]
    {
        for pairing in BOTH {
            let wrong = shares(pairing, margin, |stream| {
                (normal(stream, n, 100.0, cv), normal(stream, n, 100.0, cv))
            });
            println!("{n} of cv {cv}, margin {}, {pairing:?}: {wrong:?}", margin.relative);
            assert!(wrong[&Verdict::Regressed] <= 0.05 && wrong[&Verdict::Improved] <= 0.05, "{wrong:?}");
        }
    }
    // Skewed ones too, as latencies are.
    let skewed = Distribution::LogNormal { median: 100.0, sigma: 1.0 };
    let wrong = shares(Pairing::Independent, &none, |stream| {
        let mut ten = || (0..10).map(|_| skewed.sample(stream)).collect();
        (ten(), ten())
    });
    assert!(wrong[&Verdict::Regressed] <= 0.05 && wrong[&Verdict::Improved] <= 0.05, "{wrong:?}");
}

#[test]
fn a_shift_of_ten_per_cent_is_found() {
    for pairing in BOTH {
        let found = |new| {
            shares(pairing, &MARGIN, |stream| {
                (normal(stream, 10, 100.0, 0.05), normal(stream, 10, new, 0.05))
            })
        };
        let (worse, better) = (found(110.0), found(90.0));
        println!("{pairing:?}: {worse:?} {better:?}");
        assert!(worse[&Verdict::Regressed] >= 0.9, "{pairing:?}: {worse:?}");
        assert!(better[&Verdict::Improved] >= 0.9, "{pairing:?}: {better:?}");
        assert_eq!((worse[&Verdict::Improved], better[&Verdict::Regressed]), (0.0, 0.0));
    }
}

#[test]
fn what_pairs_share_does_not_hide_a_change() {
    // Repetitions differ by 30 %, what the change does by 2 %.
    let sample = |shift: f64| {
        move |stream: &mut Stream| {
            let base = normal(stream, 10, 100.0, 0.3);
            let noise = normal(stream, 10, 1.0 + shift, 0.02);
            let new = base.iter().zip(noise).map(|(base, factor)| base * factor).collect();
            (base, new)
        }
    };
    let paired = shares(Pairing::Paired, &MARGIN, sample(0.1))[&Verdict::Regressed];
    let independent = shares(Pairing::Independent, &MARGIN, sample(0.1))[&Verdict::Regressed];
    println!("{paired} in pairs, {independent} without");
    assert!(paired > 0.9 && independent < 0.3, "{paired} {independent}");
    assert!(shares(Pairing::Paired, &MARGIN, sample(0.0))[&Verdict::Equivalent] > 0.9);
}

#[test]
fn what_differs_by_more_than_the_margin_is_seldom_called_equivalent() {
    for pairing in BOTH {
        // Just beyond the margin: the worst case.
        let wrong = shares(pairing, &MARGIN, |stream| {
            (normal(stream, 20, 100.0, 0.05), normal(stream, 20, 105.1, 0.05))
        })[&Verdict::Equivalent];
        println!("{pairing:?}: {wrong} equivalent");
        assert!(wrong <= 0.05, "{pairing:?}: {wrong}");
    }
}

/// Forty metrics at once: if nothing differs, hardly a comparison has any that is called regressed.
#[test]
fn many_metrics_together_are_seldom_called_regressed() {
    let draws = Draws::new(5, 0);
    let none = Margin { relative: 0.0, ..MARGIN };
    let wrong = (0..100_u64)
        .filter(|trial| {
            let mut stream = draws.stream(Purpose::CHOICE, *trial);
            let all: Vec<_> = (0..40)
                .map(|_| {
                    let (base, new) = (normal(&mut stream, 10, 1.0, 0.1), normal(&mut stream, 10, 1.0, 0.1));
                    measure(&base, &new, Pairing::Independent).unwrap()
                })
                .collect();
            let adjusted = benjamini_hochberg(&all.iter().map(|one| one.p.unwrap()).collect::<Vec<_>>());
            let regressed =
                |(one, p): (&Measured, &f64)| one.judge(Some(*p), &none).verdict == Verdict::Regressed;
            all.iter().zip(&adjusted).any(regressed)
        })
        .count();
    println!("{wrong} of 100 comparisons");
    // At a true rate of 2.5 %, more than eight in a hundred have a probability of 0.2 %.
    assert!(wrong <= 8, "{wrong} of 100 comparisons");
}

#[test]
fn fewer_than_six_are_inconclusive_unless_all_are_the_same() {
    let judge = |base: &[f64], new: &[f64], pairing| {
        let measured = measure(base, new, pairing).unwrap();
        measured.judge(measured.p, &MARGIN)
    };
    let (five, twice) = ([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 4.0, 6.0, 8.0, 10.0]);
    for pairing in BOTH {
        let judged = judge(&five, &twice, pairing);
        assert_eq!((judged.verdict, judged.reason), (Verdict::Inconclusive, "fewer than 6 repetitions"));
    }
    assert_eq!(judge(&five, &five, Pairing::Paired).verdict, Verdict::Equivalent);
    assert_eq!(judge(&five, &five, Pairing::Independent).verdict, Verdict::Inconclusive);
    let (six, thrice) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [3.0, 6.0, 9.0, 12.0, 15.0, 18.0]);
    assert_eq!(judge(&six, &thrice, Pairing::Paired).verdict, Verdict::Regressed);
}

#[test]
fn zeros_and_infinities_are_judged() {
    let judge = |base: f64, new: f64, absolute| {
        let margin = Margin { absolute, ..MARGIN };
        let measured = measure(&[base; 8], &[new; 8], Pairing::Independent).unwrap();
        measured.judge(measured.p, &margin).verdict
    };
    let inf = f64::INFINITY;
    // A base of zero has no ratio: the absolute margin alone counts.
    assert_eq!(judge(0.0, 3.0, 0.5), Verdict::Regressed);
    assert_eq!(judge(0.0, 0.4, 0.5), Verdict::Equivalent);
    assert_eq!(judge(3.0, 0.0, 0.5), Verdict::Improved);
    assert_eq!(judge(5.0, inf, 0.0), Verdict::Regressed);
    assert_eq!(judge(inf, 5.0, 0.0), Verdict::Improved);
    assert_eq!(judge(inf, inf, 0.0), Verdict::Equivalent);
}
