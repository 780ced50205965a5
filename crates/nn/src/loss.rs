//! The contract of a loss: from an output of the right kind and its target to one number.

use kniff_autograd::Var;
use kniff_autograd::ops::Reduce;
use kniff_tensor::{Element, Tensor};

/// How the losses of the examples become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Reduction {
    /// Their (weighted) mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

impl From<Reduction> for Reduce {
    fn from(reduction: Reduction) -> Self {
        match reduction {
            Reduction::Mean => Reduce::Mean,
            Reduction::Sum => Reduce::Sum,
        }
    }
}

/// A loss on outputs of type `O` with targets of type `T`.
///
/// Which outputs a loss takes is a matter of types: cross-entropy takes [`crate::Logits`] and nothing else, and there is
/// no squared error for a sigmoid's output.
pub trait Loss<E: Element, O, T>: Send + Sync {
    /// The name for messages.
    fn name(&self) -> &'static str;

    /// One number to minimise.
    ///
    /// # Errors
    /// If the target does not fit the output: shapes, labels out of range, values that are not finite.
    fn loss(&self, output: &O, target: &T) -> Result<Var<E>, LossError>;

    /// One number per example, not recorded.
    ///
    /// # Errors
    /// As [`Loss::loss`].
    fn per_example(&self, output: &O, target: &T) -> Result<Tensor<E>, LossError>;

    /// How [`Loss::loss`] makes one number of the examples' losses; their mean, unless an implementation says otherwise.
    fn reduces_by(&self) -> Reduction {
        Reduction::Mean
    }

    /// What the mean over a batch with these targets divides by, so that batches can be put together: the number of
    /// examples; for a cross-entropy of labels the sum of the class weights of those that count.
    ///
    /// 0 says that nothing in the batch counts, and that its mean is none.
    fn weight(&self, target: &T) -> f64;
}

/// The length of the first axis: how many examples a target is for.
pub(crate) fn examples(shape: &[usize]) -> f64 {
    shape.first().copied().unwrap_or(1) as f64
}

/// A target that does not fit, or a setting that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LossError {
    /// Shapes that do not belong together.
    #[error("{loss}: an output of shape {output:?} does not fit a target of shape {target:?}; {expected}")]
    Shape {
        /// The loss.
        loss: &'static str,
        /// The output's shape.
        output: Vec<usize>,
        /// The target's shape.
        target: Vec<usize>,
        /// What would fit.
        expected: &'static str,
    },
    /// A label that names no class.
    #[error("{loss}: example {example} has the label {label}, but the output has {classes} classes (0 to {})", classes.saturating_sub(1))]
    Label {
        /// The loss.
        loss: &'static str,
        /// Which example of the batch.
        example: usize,
        /// Its label.
        label: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// A setting that cannot be.
    #[error("{loss}: {reason}")]
    Setting {
        /// The loss.
        loss: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// A target outside what the loss is defined for.
    #[error("{loss}: element {element} of the target is {value}; {expected}")]
    Target {
        /// The loss.
        loss: &'static str,
        /// Which element, in row-major order.
        element: usize,
        /// What it is.
        value: f64,
        /// What it should be.
        expected: &'static str,
    },
}

/// The target in the shape of the output; a last axis of size 1 may be missing in either.
pub(crate) fn fit<E: Element>(loss: &'static str, output: &Var<E>, target: &Tensor<E>) -> Result<Tensor<E>, LossError> {
    let (o, t) = (output.shape(), target.shape());
    let without = |long: &[usize], short: &[usize]| matches!(long.split_last(), Some((&1, rest)) if rest == short);
    if o == t {
        Ok(target.clone())
    } else if without(o, t) || without(t, o) {
        Ok(target.reshape(*o))
    } else {
        let expected = "both should have the same shape, or one of them one more axis of size 1 at the end";
        Err(LossError::Shape { loss, output: o.to_vec(), target: t.to_vec(), expected })
    }
}

/// Finds an element of a target that lies outside `low..=high`, or is not a number.
pub(crate) fn first_bad<E: Element>(
    loss: &'static str,
    target: &Tensor<E>,
    (low, high): (f64, f64),
    expected: &'static str,
) -> Result<(), LossError> {
    let (low, high) = (E::from_f64(low).max(-E::MAX), E::from_f64(high).min(E::MAX));
    let target = target.contiguous();
    let fits = |&x: &E| x >= low && x <= high;
    match target.as_slice().unwrap_or(&[]).iter().position(|x| !fits(x)) {
        None => Ok(()),
        Some(element) => {
            let value = target.to_vec()[element].to_f64();
            Err(LossError::Target { loss, element, value, expected })
        }
    }
}

/// The mean over everything but the first axis.
pub(crate) fn example_means<E: Element>(each: Var<E>) -> Tensor<E> {
    let each = each.into_value();
    match each.rank() {
        0 | 1 => each,
        rank => each.mean(&(1..rank).collect::<Vec<_>>(), false),
    }
}

/// [`Loss`] for a regression loss that has `reduction` and `of(x, target, reduce)`: on values, and on bounded values.
macro_rules! regression {
    ($loss:ty, $name:expr) => {
        $crate::loss::regression!($loss, $name, Values, (f64::MIN, f64::MAX), "it should be a finite number");
        $crate::loss::regression!(
            $loss,
            $name,
            Bounded,
            (-1.0, 1.0),
            "the output lies between -1 and 1; scale the targets into that range"
        );
    };
    ($loss:ty, $name:expr, $output:ident, $range:expr, $expected:literal) => {
        impl<E: Element> Loss<E, $output<E>, Tensor<E>> for $loss {
            fn name(&self) -> &'static str {
                $name
            }

            fn loss(&self, output: &$output<E>, target: &Tensor<E>) -> Result<Var<E>, LossError> {
                let target = $crate::loss::fit($name, output.var(), target)?;
                $crate::loss::first_bad($name, &target, $range, $expected)?;
                self.of(output.var(), &target.into(), self.reduction.into())
            }

            fn per_example(&self, output: &$output<E>, target: &Tensor<E>) -> Result<Tensor<E>, LossError> {
                let target = $crate::loss::fit($name, output.var(), target)?;
                $crate::loss::first_bad($name, &target, $range, $expected)?;
                self.of(&output.var().detach(), &target.into(), Reduce::None).map(example_means)
            }

            fn reduces_by(&self) -> $crate::Reduction {
                self.reduction
            }

            fn weight(&self, target: &Tensor<E>) -> f64 {
                $crate::loss::examples(target.shape())
            }
        }
    };
}
pub(crate) use regression;
