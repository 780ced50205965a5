//! The largest eigenvalue by multiplying again and again: slow, simple, and a check on the faster way.

use super::vector::{add_scaled, direction, dot, norm, scale};
use kniff_tensor::Rng;

/// An eigenvalue, how far it may be off, and its direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigenpair {
    /// The eigenvalue.
    pub value: f64,
    /// The matrix has an eigenvalue within this distance, up to rounding of the products.
    pub residual: f64,
    /// The unit eigenvector.
    pub vector: Vec<f64>,
}

/// The algebraically largest eigenvalue by power iteration, at most `steps` products.
///
/// `v <- H v / |H v|` turns towards the eigenvalue of largest magnitude. If that is negative, the iteration starts again on
/// `H - theta I`, whose eigenvalues are none of them negative, so that the largest is now dominant. Stops when the residual
/// `|H v - theta v|` is below `tolerance |theta|`; what is reached at the end of the steps comes with its residual, which
/// tells how far it may be off. Converges like `(lambda_2 / lambda_1)^k`; [`super::Lanczos`] (feature `linalg`) is the tool, this its check.
///
/// # Errors
/// What `product` fails with.
///
/// ```
/// use kniff_tensor::Rng;
/// use kniff_trainer::curvature::power_iteration;
/// use std::convert::Infallible;
/// let product = |v: &[f64]| Ok::<_, Infallible>(vec![v[0], -7.0 * v[1], 3.0 * v[2]]);
/// let found = power_iteration(3, 500, 1e-10, &mut Rng::new(0), product)?;
/// assert!((found.value - 3.0).abs() < 1e-9);
/// # Ok::<(), Infallible>(())
/// ```
pub fn power_iteration<Err>(
    n: usize,
    steps: usize,
    tolerance: f64,
    rng: &mut Rng,
    mut product: impl FnMut(&[f64]) -> Result<Vec<f64>, Err>,
) -> Result<Eigenpair, Err> {
    let mut shift = 0.0;
    let mut v = if n == 0 { Vec::new() } else { direction(n, rng) };
    let mut found = Eigenpair { value: f64::NAN, residual: f64::NAN, vector: v.clone() };
    if n == 0 {
        return Ok(found);
    }
    for _ in 0..steps {
        let mut w = product(&v)?;
        let theta = dot(&v, &w);
        let mut error = w.clone();
        add_scaled(&mut error, -theta, &v);
        found = Eigenpair { value: theta, residual: norm(&error), vector: v.clone() };
        if !found.residual.is_finite() {
            break;
        }
        if found.residual <= tolerance * theta.abs() {
            if theta >= 0.0 || shift != 0.0 {
                break;
            }
            shift = theta;
            v = direction(n, rng);
            continue;
        }
        add_scaled(&mut w, -shift, &v);
        let length = norm(&w);
        if length == 0.0 {
            break;
        }
        scale(&mut w, 1.0 / length);
        v = w;
    }
    Ok(found)
}

#[cfg(all(test, feature = "linalg"))]
mod tests {
    use super::*;
    use crate::curvature::Lanczos;
    use std::convert::Infallible;

    #[test]
    fn it_agrees_with_lanczos_where_the_dominant_eigenvalue_is_negative() {
        let product = |v: &[f64]| -> Result<Vec<f64>, Infallible> {
            Ok(v.iter().enumerate().map(|(i, v)| v * (4.0 - 1.1 * i as f64)).collect())
        };
        let power = power_iteration(10, 20_000, 1e-9, &mut Rng::new(5), product).unwrap();
        let lanczos = Lanczos::default().tolerance(1e-12).run(10, &mut Rng::new(6), product).unwrap();
        assert!((power.value - 4.0).abs() < 1e-7, "{}", power.value);
        assert!((lanczos.largest[0].value - 4.0).abs() < 1e-9);
    }
}
