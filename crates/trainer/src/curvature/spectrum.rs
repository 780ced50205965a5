//! How the eigenvalues of a large symmetric matrix are spread, from random probes.

use super::lanczos::Krylov;
use super::vector::{scale, signs};
use kniff_tensor::Rng;
use std::f64::consts::PI;
use std::fmt::Write as _;

/// The eigenvalues of a matrix as a distribution. Needs the feature `linalg`.
///
/// Some points with weights that sum to 1; moments up to twice the steps are those of the spectrum as the probes see it.
#[derive(Clone, Debug, PartialEq)]
pub struct SpectralDensity {
    /// Where (ascending) and how much.
    pub nodes: Vec<(f64, f64)>,
    /// How many eigenvalues there are.
    pub dimension: usize,
}

/// The spectral density by stochastic Lanczos quadrature: `probes` random starts with `steps` steps each.
///
/// From a start v of length 1, the eigenvalues theta_i of Lanczos' small matrix with the squared first components of its
/// eigenvectors as weights are the Gauss quadrature of the spectrum as v weighs it; vectors of random signs weigh all
/// eigenvalues alike on average. Source: Ubaru, Chen, Saad (2017); Ghorbani, Krishnan, Xiao (2019).
///
/// Needs the feature `linalg`.
///
/// ```
/// use kniff_tensor::Rng;
/// use kniff_trainer::curvature::spectral_density;
/// use std::convert::Infallible;
/// // Half of the eigenvalues are 1, half are 3.
/// let product = |v: &[f64]| {
///     Ok::<_, Infallible>(v.iter().enumerate().map(|(i, v)| if i % 2 == 0 { *v } else { 3.0 * v }).collect())
/// };
/// let density = spectral_density(100, 4, 10, &mut Rng::new(0), product)?;
/// assert!((density.share(0.5, 1.5) - 0.5).abs() < 1e-9 && (density.mean() - 2.0).abs() < 1e-9);
/// # Ok::<(), Infallible>(())
/// ```
///
/// # Errors
/// What `product` fails with.
pub fn spectral_density<Err>(
    n: usize,
    probes: usize,
    steps: usize,
    rng: &mut Rng,
    mut product: impl FnMut(&[f64]) -> Result<Vec<f64>, Err>,
) -> Result<SpectralDensity, Err> {
    let mut nodes = Vec::new();
    for _ in 0..probes {
        let mut start = signs(n, rng);
        scale(&mut start, 1.0 / (n.max(1) as f64).sqrt());
        let mut krylov = Krylov::new(start);
        for _ in 0..steps.min(n) {
            if !krylov.step(&mut product, rng)? {
                break;
            }
        }
        let small = krylov.small();
        nodes.extend(small.values.iter().zip(&small.vectors).map(|(v, s)| (*v, s[0] * s[0] / probes as f64)));
    }
    nodes.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(SpectralDensity { nodes, dimension: n })
}

impl SpectralDensity {
    /// The mean eigenvalue; NaN if there is no spectrum, for want of steps or dimensions, or of products that are finite.
    pub fn mean(&self) -> f64 {
        if self.nodes.is_empty() {
            return f64::NAN;
        }
        self.nodes.iter().map(|(v, w)| v * w).sum()
    }

    /// The share of the eigenvalues within `low..high`.
    pub fn share(&self, low: f64, high: f64) -> f64 {
        self.nodes.iter().filter(|(v, _)| (low..high).contains(v)).map(|(_, w)| w).sum()
    }

    /// The density at x, with every point blurred by a normal distribution of deviation `width`.
    pub fn at(&self, x: f64, width: f64) -> f64 {
        let blur = |v: f64| (-0.5 * ((x - v) / width).powi(2)).exp() / (width * (2.0 * PI).sqrt());
        self.nodes.iter().map(|(v, w)| w * blur(*v)).sum()
    }

    /// The density at `points` places from a little below the smallest to a little above the largest, as lines
    /// `eigenvalue,density`; blurred by a hundredth of the range.
    pub fn to_csv(&self, points: usize) -> String {
        let mut text = String::from("eigenvalue,density\n");
        if let (Some((low, _)), Some((high, _))) = (self.nodes.first(), self.nodes.last()) {
            let width = ((high - low) / 100.0).max(1e-6 * high.abs()).max(f64::MIN_POSITIVE);
            let (from, to) = (low - 3.0 * width, high + 3.0 * width);
            for i in 0..points {
                let x = from + (to - from) * i as f64 / (points.max(2) - 1) as f64;
                let _ = writeln!(text, "{x},{}", self.at(x, width));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::super::trace::tests::{matrix, times};
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn the_second_moment_of_the_density_is_the_mean_square_of_the_eigenvalues() {
        let a = matrix(40);
        let exact = a.iter().map(|x| x * x).sum::<f64>() / 40.0;
        let density = spectral_density(40, 60, 12, &mut Rng::new(9), |v| times(&a, v)).unwrap();
        let total: f64 = density.nodes.iter().map(|(_, w)| w).sum();
        let second: f64 = density.nodes.iter().map(|(v, w)| v * v * w).sum();
        assert!((total - 1.0).abs() < 1e-12);
        assert!((second / exact - 1.0).abs() < 0.05, "{second} {exact}");
        let csv = density.to_csv(201);
        assert_eq!(csv.lines().count(), 202);
    }

    #[test]
    fn without_a_spectrum_there_is_no_mean() {
        let nan = |v: &[f64]| Ok::<_, Infallible>(vec![f64::NAN; v.len()]);
        for (n, steps) in [(5, 3), (5, 0), (0, 3)] {
            assert!(spectral_density(n, 2, steps, &mut Rng::new(1), nan).unwrap().mean().is_nan(), "{n} {steps}");
        }
    }
}
