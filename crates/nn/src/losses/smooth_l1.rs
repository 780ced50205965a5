//! The smooth absolute error.

use crate::loss::{example_means, regression};
use crate::{Bounded, Loss, LossError, Reduction, Values};
use kniff_autograd::Var;
use kniff_autograd::ops::Reduce;
use kniff_tensor::{Element, Tensor};

/// The smooth L1 loss of `r = x - t`: `r^2 / (2 beta)` for |r| up to beta, `|r| - beta / 2` beyond: the Huber loss divided
/// by beta; derivative `r / beta` cut to -1..1.
///
/// Differs from PyTorch: beta must be above 0; its 0 is [`super::MeanAbsoluteError`].
///
/// Takes [`Values`], or [`Bounded`] with targets from -1 to 1, and nothing else: on the output of a sigmoid it would learn
/// nothing where the sigmoid is saturated. The target has the shape of the output; only a last axis of size 1 may be left
/// out of either. Nothing else is broadcast. The mean is over all elements.
///
/// ```
/// use kniff_nn::{Head, Loss, ValueHead, Values, losses::SmoothL1};
/// use kniff_tensor::Tensor;
/// let output: Values = ValueHead::wrap(Tensor::from_slice(&[1.0, 5.0], [2]).into());
/// let each = SmoothL1::new(2.0).per_example(&output, &Tensor::zeros([2])).unwrap();
/// assert_eq!(each.to_vec(), [0.25, 4.0]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SmoothL1 {
    beta: f64,
    reduction: Reduction,
}

const NAME: &str = "smooth L1";

impl SmoothL1 {
    /// Squared up to a residual of `beta`, averaged.
    pub fn new(beta: f64) -> Self {
        Self { beta, reduction: Reduction::Mean }
    }

    /// With another reduction.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        Self { reduction, ..self }
    }

    fn of<E: Element>(&self, x: &Var<E>, target: &Var<E>, reduce: Reduce) -> Result<Var<E>, LossError> {
        if !(self.beta > 0.0 && self.beta.is_finite()) {
            let reason = format!("beta is {}; it is where the square ends, a number above 0", self.beta);
            return Err(LossError::Setting { loss: NAME, reason });
        }
        Ok(x.smooth_l1(target, E::from_f64(self.beta), reduce))
    }
}

regression!(SmoothL1, NAME);

impl Default for SmoothL1 {
    /// With `beta` 1, as in PyTorch.
    fn default() -> Self {
        Self::new(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Head, ValueHead};

    #[test]
    fn a_knee_at_0_is_an_error() {
        let x: Values<f64> = ValueHead::wrap(Tensor::zeros([1]).into());
        for beta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = SmoothL1::new(beta).loss(&x, &Tensor::zeros([1])).unwrap_err();
            assert!(matches!(error, LossError::Setting { .. }));
        }
    }
}
