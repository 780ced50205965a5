//! The Huber loss: squared near, absolute far.

use crate::loss::{example_means, regression};
use crate::{Bounded, Loss, LossError, Reduction, Values};
use kniff_autograd::Var;
use kniff_autograd::ops::Reduce;
use kniff_tensor::{Element, Tensor};

/// The Huber loss of `r = x - t`: `r^2 / 2` for |r| up to delta, `delta (|r| - delta / 2)` beyond; derivative r cut to
/// -delta..delta, so that an outlier pulls no harder than delta.
///
/// Source: Huber, "Robust estimation of a location parameter" (1964).
///
/// Takes [`Values`], or [`Bounded`] with targets from -1 to 1, and nothing else: on the output of a sigmoid it would learn
/// nothing where the sigmoid is saturated. The target has the shape of the output; only a last axis of size 1 may be left
/// out of either. Nothing else is broadcast. The mean is over all elements.
///
/// ```
/// use kniff_nn::{Head, Loss, ValueHead, Values, losses::Huber};
/// use kniff_tensor::Tensor;
/// let output: Values = ValueHead::wrap(Tensor::from_slice(&[1.0, 5.0], [2]).into());
/// let each = Huber::new(2.0).per_example(&output, &Tensor::zeros([2])).unwrap();
/// assert_eq!(each.to_vec(), [0.5, 8.0]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Huber {
    delta: f64,
    reduction: Reduction,
}

const NAME: &str = "Huber loss";

impl Huber {
    /// Squared up to a residual of `delta`, averaged.
    pub fn new(delta: f64) -> Self {
        Self { delta, reduction: Reduction::Mean }
    }

    /// With another reduction.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        Self { reduction, ..self }
    }

    fn of<E: Element>(&self, x: &Var<E>, target: &Var<E>, reduce: Reduce) -> Result<Var<E>, LossError> {
        if !(self.delta > 0.0 && self.delta.is_finite()) {
            let reason = format!("delta is {}; it is where the square ends, a number above 0", self.delta);
            return Err(LossError::Setting { loss: NAME, reason });
        }
        Ok(x.huber(target, E::from_f64(self.delta), reduce))
    }
}

regression!(Huber, NAME);

impl Default for Huber {
    /// With `delta` 1, as in PyTorch.
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
        for delta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = Huber::new(delta).loss(&x, &Tensor::zeros([1])).unwrap_err();
            assert!(matches!(error, LossError::Setting { .. }));
        }
    }
}
