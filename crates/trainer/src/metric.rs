//! The contract of a metric: a number that says how good outputs are, gathered batch by batch.

use kniff_autograd::Var;
use kniff_nn::{Bounded, Values};
use kniff_tensor::Element;

/// A number that says how good outputs of type `O` are for targets of type `T`, gathered batch by batch.
///
/// As with losses, which outputs a metric takes is a matter of types: an accuracy takes [`kniff_nn::Logits`], an error in the
/// target's units takes [`Values`] or [`Bounded`]. The value is that of all examples since the last reset, however they
/// were cut into batches.
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{ClassHead, Head, Logits};
/// use kniff_tensor::{Indices, Tensor};
/// use kniff_trainer::{Metric, metrics::Accuracy};
/// let mut accuracy = Accuracy::new();
/// let logits: Logits = ClassHead::wrap(Var::constant(Tensor::from_slice(&[0.2, 0.9, 3.0, -1.0], [2, 2])));
/// accuracy.update(&logits, &Indices::from_vec(vec![1, 1]));
/// assert_eq!(Metric::<f32, Logits, Indices>::value(&accuracy), 0.5);
/// ```
pub trait Metric<E: Element, O, T>: Send {
    /// The name, for monitors, histories and messages.
    fn name(&self) -> &str;

    /// Forgets all examples.
    fn reset(&mut self);

    /// Whether the metric can be taken of such outputs; asked before a training's first step and an evaluation's updates.
    ///
    /// # Errors
    /// What does not fit, and what would: as many classes as the network has outputs, say.
    fn check(&self, _output: &O, _target: &T) -> Result<(), String> {
        Ok(())
    }

    /// Takes a batch in.
    ///
    /// # Panics
    /// If [`Metric::check`] refuses the two, or the targets do not fit the output; a loss on the same two has said so before, with an error.
    fn update(&mut self, output: &O, target: &T);

    /// The number for all examples since the last reset; NaN if there were none.
    fn value(&self) -> f64;

    /// What was gathered since the last reset, as numbers for a checkpoint within an epoch; none if it cannot be told, and then a
    /// training with checkpoints refuses the metric.
    fn state(&self) -> Option<Vec<f64>> {
        None
    }

    /// Takes back what [`Metric::state`] gave.
    ///
    /// # Errors
    /// What the numbers should be, if they are not such a state.
    fn load_state(&mut self, state: &[f64]) -> Result<(), String> {
        Err(format!("it takes no state, and was given {} numbers", state.len()))
    }

    /// Whether a larger number is a better one.
    fn higher_is_better(&self) -> bool {
        true
    }
}

/// So many numbers of a stored state.
pub(crate) fn numbers<const N: usize>(state: &[f64]) -> Result<[f64; N], String> {
    state.try_into().map_err(|_| format!("its state is {N} numbers, but {} were given", state.len()))
}

/// The most that is counted: as far as every whole number is a number of 64 bits, and far below where a sum overflows.
pub(crate) const MOST: u64 = 1 << 53;

/// So many counts of a stored state.
pub(crate) fn counts<const N: usize>(state: &[f64]) -> Result<[usize; N], String> {
    let whole = numbers::<N>(state)?;
    match whole.iter().find(|&&x| !is_count(x)) {
        Some(x) => Err(format!("{x} is not a number of examples")),
        None => Ok(whole.map(|x| x as usize)),
    }
}

/// Whether a number is a count.
pub(crate) fn is_count(x: f64) -> bool {
    (0.0..=MOST as f64).contains(&x) && x.fract() == 0.0
}

/// Outputs that are predictions as they stand, in the units of the target.
pub trait Predictions<E: Element> {
    /// The numbers.
    fn numbers(&self) -> &Var<E>;
}

impl<E: Element> Predictions<E> for Values<E> {
    fn numbers(&self) -> &Var<E> {
        self.var()
    }
}

impl<E: Element> Predictions<E> for Bounded<E> {
    fn numbers(&self) -> &Var<E> {
        self.var()
    }
}
