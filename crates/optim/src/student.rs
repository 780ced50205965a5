//! Student's t distribution for whole degrees of freedom: what a slope with an estimated error is measured by.

use std::f64::consts::PI;

/// P(|T| <= t) for `t` of at least 0, by the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4.
fn within(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let square = cosine * cosine;
    let odd = freedom % 2 == 1;
    let (mut term, mut sum) = if odd { (cosine, 0.0) } else { (1.0, 0.0) };
    let mut k = if odd { 3 } else { 2 };
    while k <= freedom {
        sum += term;
        term *= square * (k - 1) as f64 / k as f64;
        k += 2;
    }
    if odd { (angle + sine * sum) * 2.0 / PI } else { sine * sum }
}

/// P(T > t).
pub(crate) fn above(t: f64, freedom: usize) -> f64 {
    if t.is_infinite() {
        return if t > 0.0 { 0.0 } else { 1.0 };
    }
    let tail = 0.5 * (1.0 - within(t.abs(), freedom));
    if t >= 0.0 { tail } else { 1.0 - tail }
}

/// The t that is exceeded with probability `tail`, between 0 and one half.
pub(crate) fn quantile(tail: f64, freedom: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while above(high, freedom) > tail && high < 1e12 {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if above(middle, freedom) > tail { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantiles_are_those_of_the_tables() {
        // From any printed table of the t distribution.
        for (tail, freedom, t) in [
            (0.05, 1, 6.314),
            (0.01, 2, 6.965),
            (0.01, 3, 4.541),
            (0.05, 10, 1.812),
            (0.025, 30, 2.042),
            (0.005, 60, 2.660),
            (0.05, 120, 1.658),
        ] {
            assert!((quantile(tail, freedom) - t).abs() < 6e-4, "{tail} {freedom}: {}", quantile(tail, freedom));
            assert!((above(-t, freedom) - (1.0 - tail)).abs() < 1e-4);
        }
    }
}
