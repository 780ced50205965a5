//! How large a learning rate may be before steps along the most curved direction grow.
//!
//! Each is exact for a quadratic of largest curvature `lambda` with every gradient taken over all data; for a network it holds
//! near where lambda was measured. Noise of small batches lowers what is stable. With momentum the bound is wider and the
//! best rate is no longer `1 / lambda`.
//!
//! | rule | stable while | source |
//! | --- | --- | --- |
//! | gradient descent | rate < 2 / lambda | slide "Choosing the right learning rate" |
//! | momentum mu | rate < 2 (1 + mu) / lambda | Polyak, 1964; Cohen et al., 2021 |
//! | Nesterov mu | rate < 2 (1 + mu) / ((1 + 2 mu) lambda) | Cohen et al., 2021, appendix B |
//! | Adam beta1 | rate < 2 (1 + beta1) / ((1 - beta1) lambda), 38 / lambda at 0.9, lambda that of P^-1 H | Cohen et al., 2022 |
//!
//! P is Adam's preconditioner, the diagonal of `sqrt(v) + eps` after bias correction: measure with
//! [`Surface::preconditioned_product`](super::Surface::preconditioned_product).
//!
//! Cohen, Kaur, Li, Kolter, Talwalkar, "Gradient descent on neural networks typically occurs at the edge of stability" (2021);
//! Cohen et al., "Adaptive gradient methods at the edge of stability" (2022).

/// Gradient descent: `2 / lambda`.
pub fn gradient_descent(lambda: f64) -> f64 {
    2.0 / lambda
}

/// Heavy-ball momentum, `b <- mu b + g; p <- p - rate b`: `2 (1 + mu) / lambda`.
pub fn momentum(lambda: f64, mu: f64) -> f64 {
    2.0 * (1.0 + mu) / lambda
}

/// Nesterov's momentum: `2 (1 + mu) / ((1 + 2 mu) lambda)`.
pub fn nesterov(lambda: f64, mu: f64) -> f64 {
    2.0 * (1.0 + mu) / ((1.0 + 2.0 * mu) * lambda)
}

/// Adam with a preconditioner that stands still: `2 (1 + beta1) / ((1 - beta1) lambda)`, lambda the largest eigenvalue of the
/// preconditioned Hessian.
///
/// It is the bound of momentum as an average, `m <- beta1 m + (1 - beta1) g`: momentum's with the rate times `1 - beta1`.
///
/// ```
/// assert!((kniff_trainer::curvature::bound::adam(1.0, 0.9) - 38.0).abs() < 1e-9);
/// ```
pub fn adam(preconditioned_lambda: f64, beta1: f64) -> f64 {
    momentum(preconditioned_lambda, beta1) / (1.0 - beta1)
}
