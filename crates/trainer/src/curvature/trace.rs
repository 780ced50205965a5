//! The sum of the eigenvalues of a large symmetric matrix, from random probes.

use super::vector::{dot, signs};
use kniff_tensor::Rng;

/// A mean over probes and how far it may be off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// Its standard error; NaN for a single probe.
    pub standard_error: f64,
    /// How many probes.
    pub samples: usize,
}

impl Estimate {
    pub(super) fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        Self { value: mean, standard_error: (square / (n - 1.0) / n).sqrt(), samples: values.len() }
    }
}

/// The trace of a matrix, the sum of its eigenvalues, by Hutchinson's estimate: the mean of `v^T H v` over vectors v of random
/// signs.
///
/// Its variance is twice the sum of the squares off the diagonal. Source: Hutchinson (1990).
///
/// # Errors
/// What `product` fails with.
pub fn trace<Err>(
    n: usize,
    probes: usize,
    rng: &mut Rng,
    mut product: impl FnMut(&[f64]) -> Result<Vec<f64>, Err>,
) -> Result<Estimate, Err> {
    let mut values = Vec::with_capacity(probes);
    for _ in 0..probes {
        let v = signs(n, rng);
        values.push(dot(&v, &product(&v)?));
    }
    Ok(Estimate::of(&values))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::convert::Infallible;

    /// A dense symmetric matrix, row by row.
    pub(in crate::curvature) fn matrix(n: usize) -> Vec<f64> {
        let mut rng = Rng::new(7);
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let x = rng.normal();
                (a[i * n + j], a[j * n + i]) = (x, x);
            }
        }
        a
    }

    pub(in crate::curvature) fn times(a: &[f64], v: &[f64]) -> Result<Vec<f64>, Infallible> {
        Ok(a.chunks_exact(v.len()).map(|row| dot(row, v)).collect())
    }

    #[test]
    fn the_trace_is_within_its_errors() {
        let a = matrix(30);
        let exact: f64 = (0..30).map(|i| a[i * 31]).sum();
        let found = trace(30, 400, &mut Rng::new(8), |v| times(&a, v)).unwrap();
        assert!((found.value - exact).abs() < 4.0 * found.standard_error, "{found:?} {exact}");
        // The error that theory foretells: sqrt(2 * squares off the diagonal / probes).
        let off: f64 = (0..900).filter(|k| k / 30 != k % 30).map(|k| a[k] * a[k]).sum();
        assert!((found.standard_error / (2.0 * off / 400.0).sqrt() - 1.0).abs() < 0.2);
    }
}
