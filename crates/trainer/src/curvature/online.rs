//! The largest curvature from two gradients a batch, while training goes on.

use super::vector::{add_scaled, direction, norm, scale};
use kniff_tensor::Rng;

/// LeCun's online estimate of the largest eigenvalue and its direction.
///
/// `psi <- (1 - gamma) psi + gamma / alpha (g(w + alpha psi / |psi|) - g(w))`; then |psi| approaches the largest
/// eigenvalue and `psi / |psi|` its direction: power iteration whose product is a difference of gradients, averaged over batches.
/// Each batch costs two gradients. gamma trades noise for speed (0.1 to 0.01: start high and lower it), alpha is a small
/// step in weight space.
///
/// The averaging is a shift as well: beside the largest eigenvalue lambda, another one is multiplied by
/// `(1 - gamma) + gamma lambda_i / lambda` a batch, so that a negative one does not win unless it is below
/// `-(2 / gamma - 1) lambda`. The estimate is of the algebraically largest eigenvalue, as long as that
/// is positive; where none is, |psi| means nothing, and [`super::Lanczos`] (feature `linalg`) is the one to ask.
///
/// Source: LeCun, Simard, Pearlmutter, "Automatic learning rate maximization by on-line estimation of the Hessian's
/// eigenvectors" (1993).
///
/// ```
/// use kniff_tensor::Rng;
/// use kniff_trainer::curvature::OnlineEigen;
/// // The loss (5 x^2 + y^2) / 2 at (1, 1).
/// let mut online = OnlineEigen::new(2, 0.1, 0.01, &mut Rng::new(0));
/// for _ in 0..300 {
///     online.update(|shift| Ok::<_, ()>(vec![5.0 * (1.0 + shift[0]), 1.0 + shift[1]]))?;
/// }
/// assert!((online.eigenvalue() - 5.0).abs() < 1e-6 && (online.optimal_rate() - 0.2).abs() < 1e-6);
/// # Ok::<(), ()>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineEigen {
    psi: Vec<f64>,
    gamma: f64,
    alpha: f64,
    updates: usize,
}

impl OnlineEigen {
    /// For `n` parameters, from a random direction.
    ///
    /// # Panics
    /// Unless gamma is within 0..=1 and alpha is positive.
    #[track_caller]
    pub fn new(n: usize, gamma: f64, alpha: f64, rng: &mut Rng) -> Self {
        let fits = (0.0..=1.0).contains(&gamma) && alpha > 0.0;
        assert!(fits, "OnlineEigen: gamma {gamma} is not within 0..=1, or alpha {alpha} is not positive");
        Self { psi: if n == 0 { Vec::new() } else { direction(n, rng) }, gamma, alpha, updates: 0 }
    }

    /// With another weight of the new batch from here on.
    pub fn set_gamma(&mut self, gamma: f64) {
        self.gamma = gamma;
    }

    /// Learns from one batch: `gradient` gives the batch's gradient with the weights shifted by its argument.
    ///
    /// [`Surface::gradient_shifted`](super::Surface::gradient_shifted) is such a function.
    ///
    /// # Errors
    /// What `gradient` fails with.
    pub fn update<Err>(&mut self, mut gradient: impl FnMut(&[f64]) -> Result<Vec<f64>, Err>) -> Result<(), Err> {
        let length = norm(&self.psi);
        if length == 0.0 {
            return Ok(());
        }
        let here = gradient(&vec![0.0; self.psi.len()])?;
        let mut shift = self.psi.clone();
        scale(&mut shift, self.alpha / length);
        let there = gradient(&shift)?;
        scale(&mut self.psi, 1.0 - self.gamma);
        add_scaled(&mut self.psi, self.gamma / self.alpha, &there);
        add_scaled(&mut self.psi, -self.gamma / self.alpha, &here);
        self.updates += 1;
        Ok(())
    }

    /// The estimate of the largest eigenvalue.
    pub fn eigenvalue(&self) -> f64 {
        norm(&self.psi)
    }

    /// `1 / eigenvalue`, the rate that the paper recommends.
    pub fn optimal_rate(&self) -> f64 {
        1.0 / self.eigenvalue()
    }

    /// psi; its direction is that of the eigenvector.
    pub fn psi(&self) -> &[f64] {
        &self.psi
    }

    /// How many batches it has learned from.
    pub fn updates(&self) -> usize {
        self.updates
    }
}
