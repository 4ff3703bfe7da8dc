use super::*;
use crate::draws::{Draws, Purpose};
use proptest::prelude::*;

const N: usize = 100_000;

fn all() -> Vec<Distribution> {
    vec![
        Distribution::Uniform { low: 2.0, high: 5.0 },
        Distribution::Exponential { mean: 3.0 },
        Distribution::Normal { mean: 10.0, sd: 2.0 },
        Distribution::Normal { mean: 1.0, sd: 1.0 },
        Distribution::LogNormal { median: 0.05, sigma: 0.5 },
        Distribution::Weibull { scale: 3600.0, shape: 0.59 },
        Distribution::Weibull { scale: 2.0, shape: 3.0 },
        Distribution::Pareto { scale: 1.0, shape: 3.5 },
        Distribution::Gamma { shape: 0.5, scale: 2.0 },
        Distribution::Gamma { shape: 4.0, scale: 0.25 },
        Distribution::empirical([(0.0, 1.0), (0.25, 2.0), (0.5, 2.5), (0.99, 10.0), (1.0, 40.0)]).unwrap(),
    ]
}

fn stream(entity: usize) -> Stream {
    Draws::new(2026, 0).stream(Purpose::CHOICE, entity as u64)
}

/// The Kolmogorov-Smirnov distance between samples and a law.
fn distance(mut samples: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let n = samples.len() as f64;
    samples
        .iter()
        .enumerate()
        .map(|(i, x)| {
            let p = cdf(*x);
            (p - i as f64 / n).abs().max(((i + 1) as f64 / n - p).abs())
        })
        .fold(0.0, f64::max)
}

/// The distance that N samples of the law itself exceed with a probability of 0.1 %.
fn critical() -> f64 {
    1.949 / (N as f64).sqrt()
}

#[test]
fn samples_have_the_distribution() {
    for (i, law) in all().iter().enumerate() {
        let mut stream = stream(i);
        let samples: Vec<f64> = (0..N).map(|_| law.sample(&mut stream)).collect();
        let d = distance(samples, |x| law.cdf(x));
        assert!(d < critical(), "{law:?}: distance {d}");
    }
}

#[test]
fn samples_have_the_moments() {
    for (i, law) in all().iter().enumerate() {
        let mut stream = stream(100 + i);
        let (mean, variance) = (law.mean().unwrap(), law.variance().unwrap());
        let samples: Vec<f64> = (0..N).map(|_| law.sample(&mut stream)).collect();
        let found = samples.iter().sum::<f64>() / N as f64;
        let spread = samples.iter().map(|x| (x - found) * (x - found)).sum::<f64>() / N as f64;
        // Four standard errors for the mean; 10 % for the variance, whose error the heavy tails here dominate.
        assert!(
            (found - mean).abs() < 4.0 * (variance / N as f64).sqrt(),
            "{law:?}: mean {found}, not {mean}"
        );
        assert!((spread / variance - 1.0).abs() < 0.1, "{law:?}: variance {spread}, not {variance}");
    }
}

#[test]
fn quantiles_invert_the_cumulative_function() {
    for law in all() {
        for i in 1..200 {
            let p = f64::from(i) / 200.0;
            let back = law.cdf(law.quantile(p));
            assert!((back - p).abs() < 1e-9, "{law:?}: {p} becomes {back}");
        }
    }
}

/// The residual's law by numeric integration of its definition, (1 − F(x)) / E[X], on a grid of quantiles.
fn residual_cdf(law: &Distribution) -> impl Fn(f64) -> f64 {
    let mut grid = vec![(0.0, 0.0)];
    let mean = law.mean().unwrap();
    let mut knots: Vec<f64> = (0..20_000).map(|i| law.quantile(f64::from(i) / 20_000.0)).collect();
    let end = law.quantile(1.0 - 1e-12);
    let mut x = *knots.last().unwrap();
    while x < end {
        x *= 1.01;
        knots.push(x);
    }
    for x in knots {
        let (from, sum): (f64, f64) = grid[grid.len() - 1];
        if x > from {
            let survival = |x: f64| 1.0 - law.cdf(x);
            let area = (x - from) * (survival(from) + 4.0 * survival(0.5 * (from + x)) + survival(x)) / 6.0;
            grid.push((x, sum + area / mean));
        }
    }
    move |x| {
        let after = grid.partition_point(|(at, _)| *at <= x);
        let (x0, p0) = grid[after - 1];
        grid.get(after).map_or(p0, |(x1, p1)| p0 + (p1 - p0) * (x - x0) / (x1 - x0))
    }
}

#[test]
fn residual_lives_have_the_stationary_law() {
    let mut laws = all();
    laws.push(Distribution::Pareto { scale: 2.0, shape: 1.5 });
    for (i, law) in laws.iter().enumerate() {
        let mut stream = stream(200 + i);
        let samples: Vec<f64> = (0..N).map(|_| law.sample_residual(&mut stream).unwrap()).collect();
        let d = distance(samples, residual_cdf(law));
        assert!(d < critical(), "{law:?}: distance {d}");
    }
    let mut stream = stream(299);
    let law = Distribution::Constant(7.0);
    let samples = (0..N).map(|_| law.sample_residual(&mut stream).unwrap()).collect();
    let d = distance(samples, |x| x / 7.0);
    assert!(d < critical(), "constant: distance {d}");
}

#[test]
fn an_infinite_mean_has_no_stationary_law() {
    let law = Distribution::Pareto { scale: 1.0, shape: 1.0 };
    assert_eq!(law.mean(), None);
    assert_eq!(law.sample_residual(&mut stream(0)), None);
    assert_eq!(Distribution::Pareto { scale: 1.0, shape: 2.0 }.variance(), None);
    // Barely finite: the samples are huge, but numbers.
    let law = Distribution::Pareto { scale: 1.0, shape: 1.001 };
    assert!((0..1000).all(|i| law.sample_residual(&mut stream(i)).unwrap().is_finite()));
}

#[test]
fn the_stationary_state_is_what_a_long_run_shows() {
    // Play the process to a late instant and look: the state and the time left must be as `stationary` draws them.
    let up = Distribution::Weibull { scale: 100.0, shape: 0.6 };
    let down = Distribution::LogNormal { median: 30.0, sigma: 1.0 };
    let (mut played, mut drawn) = ([vec![], vec![]], [vec![], vec![]]);
    for i in 0..10_000 {
        let mut stream = stream(10_000 + i);
        let (mut t, mut is_up) = (0.0, true);
        while t < 20_000.0 {
            t += if is_up { &up } else { &down }.sample(&mut stream);
            is_up = !is_up;
        }
        played[usize::from(!is_up)].push(t - 20_000.0);
        let (is_up, left) = stationary(&up, &down, &mut stream).unwrap();
        drawn[usize::from(is_up)].push(left);
    }
    let share = up.mean().unwrap() / (up.mean().unwrap() + down.mean().unwrap());
    for found in [&played, &drawn] {
        // Four standard deviations of a binomial share.
        let miss = found[1].len() as f64 / 10_000.0 - share;
        assert!(miss.abs() < 4.0 * (share * (1.0 - share) / 10_000.0).sqrt(), "{miss}");
        for (law, lives) in [(&down, &found[0]), (&up, &found[1])] {
            let d = distance(lives.clone(), residual_cdf(law));
            assert!(d < 1.949 / (lives.len() as f64).sqrt(), "{law:?}: distance {d}");
        }
    }
    let endless = Distribution::Pareto { scale: 1.0, shape: 0.9 };
    assert_eq!(stationary(&endless, &down, &mut stream(0)), None);
    let never = Distribution::Constant(0.0);
    assert_eq!(stationary(&never, &never, &mut stream(0)), None);
    assert!(!stationary(&never, &down, &mut stream(0)).unwrap().0);
}

#[test]
fn truncation_moves_the_mean_as_documented() {
    for (divisor, percent) in [(3.0, 0.15), (2.0, 2.76), (1.0, 28.8)] {
        let mean = Distribution::Normal { mean: 6.0, sd: 6.0 / divisor }.mean().unwrap();
        assert!(((mean / 6.0 - 1.0) * 100.0 - percent).abs() < 0.1, "{divisor}: {mean}");
    }
}

#[test]
fn degenerate_parameters_are_constants() {
    for law in [
        Distribution::Constant(4.0),
        Distribution::Uniform { low: 4.0, high: 4.0 },
        Distribution::Normal { mean: 4.0, sd: 0.0 },
        Distribution::LogNormal { median: 4.0, sigma: 0.0 },
        Distribution::empirical([(0.0, 4.0), (1.0, 4.0)]).unwrap(),
    ] {
        let law = law.checked().unwrap();
        assert_eq!(law.sample(&mut stream(0)), 4.0, "{law:?}");
        assert_eq!(law.mean(), Some(4.0), "{law:?}");
        assert_eq!(law.variance(), Some(0.0), "{law:?}");
        assert_eq!((law.cdf(3.9), law.cdf(4.0)), (0.0, 1.0), "{law:?}");
        let residual = law.sample_residual(&mut stream(0)).unwrap();
        assert!((0.0..=4.0).contains(&residual), "{law:?}: {residual}");
    }
    assert_eq!(Distribution::Exponential { mean: 0.0 }.sample_residual(&mut stream(0)), Some(0.0));
}

#[test]
fn impossible_parameters_are_refused() {
    let refused = |law: Distribution| law.checked().unwrap_err().to_string();
    assert_eq!(refused(Distribution::Constant(-1.0)), "value = -1 must be a finite number of zero or more");
    assert_eq!(refused(Distribution::Uniform { low: 2.0, high: 1.0 }), "high = 1 must be no less than low");
    assert_eq!(
        refused(Distribution::Weibull { scale: 1.0, shape: 0.0 }),
        "shape = 0 must be between 0.01 and 10000"
    );
    for bad in [f64::NAN, f64::INFINITY, -0.5] {
        for law in [
            Distribution::Constant(bad),
            Distribution::Uniform { low: bad, high: 1.0 },
            Distribution::Exponential { mean: bad },
            Distribution::Normal { mean: 1.0, sd: bad },
            Distribution::LogNormal { median: bad, sigma: 1.0 },
            Distribution::LogNormal { median: 1.0, sigma: bad },
            Distribution::Weibull { scale: 1.0, shape: bad },
            Distribution::Pareto { scale: bad, shape: 1.0 },
            Distribution::Gamma { shape: bad, scale: 1.0 },
            Distribution::Empirical([(0.0, bad), (1.0, 1.0)].into()),
            Distribution::Empirical([(0.0, 0.0), (bad, 1.0)].into()),
        ] {
            assert!(law.clone().checked().is_err(), "{law:?}");
        }
    }
    assert!(Distribution::empirical([(0.0, 1.0)]).is_err());
    assert!(Distribution::empirical([(0.0, 2.0), (1.0, 1.0)]).is_err());
    assert!(Distribution::empirical([(0.1, 1.0), (1.0, 1.0)]).is_err());
    assert!(Distribution::empirical([(0.0, 1.0), (0.9, 1.0)]).is_err());
}

#[test]
fn the_same_draw_gives_the_same_bits_everywhere() {
    let bits: Vec<[u64; 2]> = all()
        .iter()
        .enumerate()
        .map(|(i, law)| {
            let mut stream = stream(300 + i);
            [law.sample(&mut stream).to_bits(), law.sample_residual(&mut stream).unwrap().to_bits()]
        })
        .collect();
    assert_eq!(bits, GOLDEN, "{bits:#x?}");
}

/// A sample and a residual life of each law, by their bits.
const GOLDEN: [[u64; 2]; 11] = [
    [0x4010_dbf3_cd56_2b1a, 0x4001_213a_c905_145e],
    [0x3fd2_bec1_8a12_5c09, 0x3fcc_b69b_7ee1_f522],
    [0x401c_caad_29ab_92bc, 0x4013_9ed4_a82c_7625],
    [0x3fe6_b60d_2ca4_05f6, 0x3ff2_37b7_a5eb_c0aa],
    [0x3f99_5221_31af_9509, 0x3fae_63a9_07f7_afc5],
    [0x40c2_f292_46ff_c74a, 0x40c8_8908_388d_c4a2],
    [0x4001_831e_3d38_33ef, 0x3fe0_c4d4_8b5f_9b28],
    [0x3ff2_0a67_2427_0036, 0x3fe1_3ef6_654d_14e4],
    [0x3faa_ff00_8a90_f319, 0x3fe3_562f_59ab_0765],
    [0x3fe6_7e91_23dc_b278, 0x3feb_2fec_1aa4_569e],
    [0x401d_4fee_9fe4_26b6, 0x3fe0_a716_adef_741a],
];

proptest! {
    #[test]
    fn samples_are_numbers_whatever_the_parameters(a in 0.01f64..20.0, b in 0.01f64..20.0, entity: u64) {
        let laws = [
            Distribution::Uniform { low: a.min(b), high: a.max(b) },
            Distribution::Exponential { mean: a },
            Distribution::Normal { mean: a, sd: b },
            Distribution::LogNormal { median: a, sigma: b },
            Distribution::Weibull { scale: a, shape: b },
            Distribution::Pareto { scale: a, shape: b },
            Distribution::Gamma { shape: a, scale: b },
            Distribution::empirical([(0.0, 0.0), (0.5, a), (1.0, a + b)]).unwrap(),
        ];
        let mut stream = Draws::new(1, 0).stream(Purpose::CHOICE, entity);
        for law in laws {
            let law = law.checked().unwrap();
            let sample = law.sample(&mut stream);
            prop_assert!(sample >= 0.0, "{:?}: {}", law, sample);
            if let Some(residual) = law.sample_residual(&mut stream) {
                prop_assert!(residual >= 0.0 && residual.is_finite(), "{:?}: {}", law, residual);
            }
        }
    }
}
