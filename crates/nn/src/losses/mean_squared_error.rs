//! The mean squared error.

use crate::loss::{example_means, regression};
use crate::{Bounded, Loss, LossError, Reduction, Values};
use kniff_autograd::Var;
use kniff_autograd::ops::Reduce;
use kniff_tensor::{Element, Tensor};

/// The squared error `(x - t)^2`, without a half; derivative `2 (x - t)`.
///
/// Takes [`Values`], or [`Bounded`] with targets from -1 to 1, and nothing else: on the output of a sigmoid it would learn
/// nothing where the sigmoid is saturated. The target has the shape of the output; only a last axis of size 1 may be left
/// out of either. Nothing else is broadcast. The mean is over all elements.
///
/// ```
/// use kniff_nn::{Head, Loss, ValueHead, Values, losses::MeanSquaredError};
/// use kniff_tensor::Tensor;
/// let output: Values = ValueHead::wrap(Tensor::from_slice(&[1.0, 2.0], [2, 1]).into());
/// let target = Tensor::from_slice(&[1.0, 4.0], [2]);
/// assert_eq!(MeanSquaredError::new().loss(&output, &target).unwrap().item(), 2.0);
/// ```
///
/// It does not take logits:
///
/// ```compile_fail,E0277
/// use kniff_nn::{BinaryHead, BinaryLogits, Head, Loss, losses::MeanSquaredError};
/// use kniff_tensor::Tensor;
/// let output: BinaryLogits = BinaryHead::wrap(Tensor::zeros([2, 1]).into());
/// let loss = MeanSquaredError::new().loss(&output, &Tensor::zeros([2]));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeanSquaredError {
    reduction: Reduction,
}

const NAME: &str = "mean squared error";

impl MeanSquaredError {
    /// Averaged.
    pub fn new() -> Self {
        Self::default()
    }

    /// With another reduction.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        Self { reduction }
    }

    fn of<E: Element>(&self, x: &Var<E>, target: &Var<E>, reduce: Reduce) -> Result<Var<E>, LossError> {
        Ok(x.mse(target, reduce))
    }
}

regression!(MeanSquaredError, NAME);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BoundedHead, Head, ValueHead};

    #[test]
    fn targets_that_do_not_fit_are_errors() {
        let x: Values<f64> = ValueHead::wrap(Tensor::zeros([3, 2]).into());
        let error = MeanSquaredError::new().loss(&x, &Tensor::zeros([3])).unwrap_err();
        assert!(error.to_string().contains("an output of shape [3, 2] does not fit a target of shape [3]"), "{error}");
        let nan = Tensor::from_fn([3, 2], |i| if i == 4 { f64::NAN } else { 0.0 });
        assert!(matches!(MeanSquaredError::new().loss(&x, &nan), Err(LossError::Target { element: 4, .. })));
        let bounded: Bounded<f64> = BoundedHead::wrap(Tensor::zeros([2]).into());
        assert!(MeanSquaredError::new().loss(&bounded, &Tensor::from_slice(&[1.0, -1.0], [2])).is_ok());
        assert!(MeanSquaredError::new().loss(&bounded, &Tensor::from_slice(&[1.0, 2.0], [2])).is_err());
    }

    #[test]
    fn each_example_has_its_own_mean() {
        let x: Values<f64> = ValueHead::wrap(Tensor::zeros([2, 2]).into());
        let target = Tensor::from_slice(&[1.0, 3.0, 0.0, 2.0], [2, 2]);
        assert_eq!(MeanSquaredError::new().per_example(&x, &target).unwrap().to_vec(), [5.0, 2.0]);
        assert_eq!(MeanSquaredError::new().reduction(Reduction::Sum).loss(&x, &target).unwrap().item(), 14.0);
    }
}
