//! The special functions that samplers need, on `libm` alone: the normal law and the incomplete gamma function.

/// Density of the standard normal law at `z`.
pub(crate) fn normal_density(z: f64) -> f64 {
    /// 1 / sqrt(2 pi).
    const NORM: f64 = 0.398_942_280_401_432_7;
    NORM * libm::exp(-0.5 * z * z)
}

/// Probability that a standard normal value is above `z`.
pub(crate) fn normal_survival(z: f64) -> f64 {
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// The value that a standard normal one stays below with probability `p`, to about 16 digits: algorithm AS 241
/// (Wichura, "The Percentage Points of the Normal Distribution", Applied Statistics 37, 1988). Infinite at 0 and 1.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ];
    const B: [f64; 8] = [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ];
    const C: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    const E: [f64; 8] = [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ];
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(&A, r) / polynomial(&B, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail <= 0.0 {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let r = (-libm::log(tail)).sqrt();
    let z = if r <= 5.0 {
        polynomial(&C, r - 1.6) / polynomial(&D, r - 1.6)
    } else {
        polynomial(&E, r - 5.0) / polynomial(&F, r - 5.0)
    };
    if q < 0.0 { -z } else { z }
}

/// The polynomial with these coefficients, lowest power first, at `x` (Horner).
fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// The regularised incomplete gamma functions P(a, x) and Q(a, x) = 1 − P, each with its own relative precision:
/// the series below a + 1, the continued fraction above (Abramowitz and Stegun 6.5.29 and 6.5.31, the latter
/// by Lentz's method). For 0 < a ≤ 10,000 the loops end by convergence, their bound is a backstop.
pub(crate) fn incomplete_gamma(a: f64, x: f64) -> (f64, f64) {
    const STEPS: u32 = 20_000;
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if x == f64::INFINITY {
        return (1.0, 0.0);
    }
    let front = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let (mut n, mut term) = (a, 1.0 / a);
        let mut sum = term;
        for _ in 0..STEPS {
            n += 1.0;
            term *= x / n;
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        let p = (front * sum).min(1.0);
        (p, 1.0 - p)
    } else {
        const TINY: f64 = 1e-300;
        let mut b = x + 1.0 - a;
        let mut c = 1.0 / TINY;
        let mut d = 1.0 / b;
        let mut h = d;
        for i in 1..STEPS {
            let i = f64::from(i);
            let an = -i * (i - a);
            b += 2.0;
            d = an * d + b;
            d = if d.abs() < TINY { TINY } else { d };
            c = b + an / c;
            c = if c.abs() < TINY { TINY } else { c };
            d = 1.0 / d;
            let delta = d * c;
            h *= delta;
            if (delta - 1.0).abs() < 1e-16 {
                break;
            }
        }
        let q = (front * h).min(1.0);
        (1.0 - q, q)
    }
}

/// The `x` with P(a, x) = `p`, for 0 < a ≤ 10,000: Newton's method on ln x inside a bracket that always holds the
/// answer, so that it ends after at most a hundred steps whatever the arguments.
pub(crate) fn gamma_quantile(a: f64, p: f64) -> f64 {
    if p <= 0.0 {
        return 0.0;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    // P(a, x) ≤ x^a / Γ(a + 1) bounds x from below; Laurent and Massart's tail bound (Annals of Statistics 28, 2000,
    // lemma 1) from above.
    let mut low = (libm::log(p) + libm::lgamma(a + 1.0)) / a;
    let y = -libm::log1p(-p);
    let mut high = libm::log(a + (2.0 * a * y).sqrt() + y).max(low);
    // Wilson and Hilferty's cube, a good start for all but small shapes.
    let cube = 1.0 - 1.0 / (9.0 * a) + normal_quantile(p) / (3.0 * a.sqrt());
    let start = a * cube * cube * cube;
    let mut t = if start > 0.0 { libm::log(start) } else { low };
    if !(low..=high).contains(&t) {
        t = low;
    }
    for _ in 0..100 {
        let x = libm::exp(t);
        let (below, above) = incomplete_gamma(a, x);
        let miss = if p < 0.5 { below - p } else { (1.0 - p) - above };
        if miss == 0.0 {
            break;
        }
        if miss > 0.0 {
            high = t;
        } else {
            low = t;
        }
        let slope = libm::exp(a * t - x - libm::lgamma(a));
        let newton = t - miss / slope;
        let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
        let done = (next - t).abs() <= 1e-15 * t.abs().max(1.0);
        t = next;
        if done {
            break;
        }
    }
    libm::exp(t)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, tolerance: f64) -> bool {
        (a - b).abs() <= tolerance * b.abs().max(1e-300)
    }

    #[test]
    fn normal_quantiles_are_the_published_ones() {
        // Wichura's own check values.
        assert!(close(normal_quantile(0.25), -0.674_489_750_196_081_7, 1e-15));
        assert!(close(normal_quantile(0.001), -3.090_232_306_167_813_5, 1e-15));
        assert!(close(normal_quantile(1e-20), -9.262_340_089_798_409, 1e-15));
    }

    #[test]
    fn normal_quantile_inverts_the_law() {
        for i in 1..1000 {
            let p = f64::from(i) / 1000.0;
            assert!(close(normal_survival(-normal_quantile(p)), p, 1e-13), "{p}");
            let small = libm::exp(-0.2 * f64::from(i));
            assert!(close(normal_survival(-normal_quantile(small)), small, 1e-12), "{small}");
        }
    }

    #[test]
    fn incomplete_gamma_has_its_closed_forms() {
        for i in 1..200 {
            let x = 0.1 * f64::from(i);
            // P(1, x) = 1 − e^−x; Q(2, x) = (1 + x) e^−x; P(1/2, x) = erf(sqrt x).
            assert!(close(incomplete_gamma(1.0, x).0, -libm::expm1(-x), 1e-13));
            assert!(close(incomplete_gamma(2.0, x).1, (1.0 + x) * libm::exp(-x), 1e-11), "{x}");
            assert!(close(incomplete_gamma(0.5, x).0, libm::erf(x.sqrt()), 1e-13), "{x}");
        }
    }

    #[test]
    fn gamma_quantile_inverts_the_law() {
        for a in [0.01, 0.1, 0.5, 1.0, 1.5, 3.0, 20.0, 500.0, 10_000.0] {
            for i in 1..100 {
                let p = f64::from(i) / 100.0;
                let x = gamma_quantile(a, p);
                if x > 0.0 {
                    let back = incomplete_gamma(a, x).0;
                    assert!(close(back, p, 1e-9), "a {a} p {p} x {x} back {back}");
                }
            }
            assert!(gamma_quantile(a, 1.0 - 1e-16).is_finite());
        }
    }
}
