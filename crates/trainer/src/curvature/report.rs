//! What was measured, beside the rate in use, in a sentence.

use super::vector::norm;
use super::{Extremes, Lanczos, Surface, bound};
use crate::TrainError;
use kniff_nn::{Head, Layer};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The curvature of a loss and what it says about the learning rate.
///
/// It informs and refuses nothing: above `2 / largest` a step along the most curved direction overshoots and grows as far as
/// the loss is quadratic, but networks go on training there, at the edge of stability.
///
/// Needs the feature `linalg`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvatureReport {
    /// The loss.
    pub loss: f64,
    /// The length of its gradient.
    pub gradient_norm: f64,
    /// The algebraically largest eigenvalue of the Hessian.
    pub largest: f64,
    /// How far it may be off.
    pub largest_residual: f64,
    /// The smallest eigenvalue; negative near saddles, and its magnitude may exceed that of the largest.
    pub smallest: f64,
    /// How far it may be off; only the largest is driven to the tolerance.
    pub smallest_residual: f64,
    /// Whether the end that was asked for is within the tolerance.
    pub converged: bool,
    /// How many Hessian-vector products it took.
    pub products: usize,
    /// The learning rate in use, if one was given.
    pub rate: Option<f64>,
}

impl CurvatureReport {
    /// `1 / largest`: the rate that takes a quadratic loss to its minimum along the most curved direction in one step. `None`
    /// where no direction curves upwards.
    pub fn optimal_rate(&self) -> Option<f64> {
        (self.largest > 0.0).then(|| 1.0 / self.largest)
    }

    /// `2 / largest`: beyond it, plain gradient descent grows along that direction; see [`bound`] for other rules.
    pub fn bound(&self) -> Option<f64> {
        (self.largest > 0.0).then(|| bound::gradient_descent(self.largest))
    }

    /// Whether the rate in use exceeds [`CurvatureReport::bound`].
    pub fn exceeds_bound(&self) -> bool {
        self.rate.zip(self.bound()).is_some_and(|(rate, bound)| rate > bound)
    }
}

impl fmt::Display for CurvatureReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let off = if self.converged { "" } else { ", not converged" };
        write!(
            f,
            "largest curvature {:.4e} (+- {:.1e}{off}), smallest {:.4e} (+- {:.1e})",
            self.largest, self.largest_residual, self.smallest, self.smallest_residual
        )?;
        let (Some(best), Some(bound)) = (self.optimal_rate(), self.bound()) else {
            return write!(f, "; the loss curves upwards in no direction, so that it names no rate");
        };
        write!(f, "; best rate {best:.2e}, bound {bound:.2e}")?;
        match self.rate {
            None => Ok(()),
            Some(rate) if rate > bound => write!(
                f,
                "; the rate in use, {rate:.2e}, is {:.1} times the bound of plain gradient descent: steps along the most curved \
                 direction overshoot and grow until the curvature gives way; networks can train there, a quadratic cannot",
                rate / bound
            ),
            Some(rate) if rate > best => {
                write!(
                    f,
                    "; the rate in use, {rate:.2e}, is between the two: it oscillates across the valley, and settles"
                )
            }
            Some(rate) => write!(
                f,
                "; the rate in use, {rate:.2e}, is {:.2} of the best: it is stable, and slower than it need be along the most \
                 curved direction",
                rate / best
            ),
        }
    }
}

impl<L: Layer<E>, H: Head<E>, T, E: Element> Surface<'_, L, H, T, E> {
    /// The eigenvalues of the Hessian at both ends. Needs the feature `linalg`.
    ///
    /// # Errors
    /// As [`Surface::value_and_gradient`].
    pub fn extremes(&self, lanczos: &Lanczos, rng: &mut Rng) -> Result<Extremes, TrainError> {
        lanczos.run(self.dimension(), rng, |v| self.hessian_product(v))
    }

    /// Loss, gradient and the ends of the spectrum, beside the rate in use. Needs the feature `linalg`.
    ///
    /// # Errors
    /// As [`Surface::value_and_gradient`], and if there are no trainable parameters.
    pub fn report(&self, lanczos: &Lanczos, rate: Option<f64>, rng: &mut Rng) -> Result<CurvatureReport, TrainError> {
        let (loss, gradient) = self.value_and_gradient()?;
        let found = self.extremes(lanczos, rng)?;
        let (Some(largest), Some(smallest)) = (found.largest.first(), found.smallest.first()) else {
            return Err(TrainError::Curvature { reason: "the model has no trainable parameters".to_owned() });
        };
        Ok(CurvatureReport {
            loss,
            gradient_norm: norm(&gradient),
            largest: largest.value,
            largest_residual: largest.residual,
            smallest: smallest.value,
            smallest_residual: smallest.residual,
            converged: found.converged,
            products: found.steps,
            rate,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(largest: f64, rate: f64) -> CurvatureReport {
        CurvatureReport {
            loss: 1.0,
            gradient_norm: 1.0,
            largest,
            largest_residual: 0.0,
            smallest: -1.0,
            smallest_residual: 0.0,
            converged: true,
            products: 3,
            rate: Some(rate),
        }
    }

    #[test]
    fn the_sentence_tells_where_the_rate_is() {
        for (rate, words) in [(0.05, "is 0.50 of the best"), (0.15, "oscillates"), (0.3, "1.5 times the bound")] {
            let text = report(10.0, rate).to_string();
            assert!(text.contains(words), "{text}");
            assert_eq!(report(10.0, rate).exceeds_bound(), rate > 0.2);
        }
        let saddle = report(-0.5, 0.1);
        assert!(saddle.optimal_rate().is_none() && !saddle.exceeds_bound());
        assert!(saddle.to_string().contains("names no rate"));
    }
}
