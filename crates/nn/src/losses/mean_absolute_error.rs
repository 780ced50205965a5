//! The mean absolute error.

use crate::loss::{example_means, regression};
use crate::{Bounded, Loss, LossError, Reduction, Values};
use kniff_autograd::Var;
use kniff_autograd::ops::Reduce;
use kniff_tensor::{Element, Tensor};

/// The absolute error `|x - t|` (L1); derivative the sign of `x - t`, 0 where they are equal.
///
/// Takes [`Values`], or [`Bounded`] with targets from -1 to 1, and nothing else: on the output of a sigmoid it would learn
/// nothing where the sigmoid is saturated. The target has the shape of the output; only a last axis of size 1 may be left
/// out of either. Nothing else is broadcast. The mean is over all elements.
///
/// ```
/// use kniff_nn::{Head, Loss, ValueHead, Values, losses::MeanAbsoluteError};
/// use kniff_tensor::Tensor;
/// let output: Values = ValueHead::wrap(Tensor::from_slice(&[1.0, 2.0], [2]).into());
/// let target = Tensor::from_slice(&[1.0, 4.0], [2]);
/// assert_eq!(MeanAbsoluteError::new().loss(&output, &target).unwrap().item(), 1.0);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeanAbsoluteError {
    reduction: Reduction,
}

const NAME: &str = "mean absolute error";

impl MeanAbsoluteError {
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
        Ok(x.l1(target, reduce))
    }
}

regression!(MeanAbsoluteError, NAME);
