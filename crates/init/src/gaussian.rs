//! The normal distribution's density, distribution function and quantiles in f64.

use std::f64::consts::{PI, SQRT_2};

/// phi(x) = exp(-x^2 / 2) / sqrt(2 pi).
pub(crate) fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// Phi(x), exact in the lower tail as well.
pub(crate) fn below(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

/// The x with Phi(x) = p, for p within [0, 1].
///
/// A rough start by the tail's asymptotic form or a logistic one, then Newton's steps on log Phi, which is concave, so
/// that they do not overshoot; upper quantiles are mirrored lower ones.
pub(crate) fn quantile(p: f64) -> f64 {
    if p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return f64::INFINITY;
    }
    if p > 0.5 {
        return -quantile(1.0 - p);
    }
    // The tail: Phi(x) is about phi(x)/|x|; the middle: Phi is close to a logistic function of 1.702 x.
    let mut x = if p < 1e-3 { -(-2.0 * (p * 4.0).ln()).sqrt() } else { (p / (1.0 - p)).ln() / 1.702 };
    for _ in 0..60 {
        let at = below(x);
        let step = (at / p).ln() * at / density(x);
        x -= step;
        if step.abs() <= 1e-15 * x.abs().max(1.0) {
            break;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantile_undoes_below() {
        for k in 1..=370 {
            let x = -f64::from(k) / 10.0;
            assert!((quantile(below(x)) - x).abs() < 1e-12 * -x + 1e-14, "{x}: {}", quantile(below(x)));
        }
        for x in [0.0, 0.5, 1.0, 2.0, 3.0] {
            assert!((quantile(below(x)) - x).abs() < 1e-12);
        }
        assert!((quantile(0.975) - 1.959_963_984_540_054).abs() < 1e-12);
    }
}
