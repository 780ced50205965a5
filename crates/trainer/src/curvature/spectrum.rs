//! How the eigenvalues of a large symmetric matrix are spread, and their sum, from random probes.

use super::lanczos::Krylov;
use super::vector::{dot, scale, signs};
use kniff_tensor::Rng;
use std::f64::consts::PI;
use std::fmt::Write as _;

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

/// The eigenvalues of a matrix as a distribution.
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
    use super::*;
    use std::convert::Infallible;

    /// A dense symmetric matrix, row by row.
    fn matrix(n: usize) -> Vec<f64> {
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

    fn times(a: &[f64], v: &[f64]) -> Result<Vec<f64>, Infallible> {
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
