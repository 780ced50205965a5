//! Binary cross-entropy, for yes-or-no answers.

use crate::loss::{example_means, examples, first_bad, fit};
use crate::{BinaryLogits, Loss, LossError, Reduction};
use kniff_autograd::Var;
use kniff_autograd::ops::Reduce;
use kniff_tensor::{Element, Indices, Tensor};

/// The binary cross-entropy of logits z against targets t: `max(z, 0) - z t + ln(1 + e^-|z|)`; derivative `sigmoid(z) - t`.
///
/// The target is a tensor of numbers from 0 to 1, or labels 0 and 1. It has the shape of the logits; only a last axis of
/// size 1 may be left out of either, so that logits [n, 1] take targets `[n]`. Nothing else is broadcast. The mean is over
/// all elements. Exact however far the logits are out.
///
/// ```
/// use kniff_nn::{BinaryHead, BinaryLogits, Head, Loss, losses::BinaryCrossEntropy};
/// use kniff_tensor::{Indices, Tensor};
/// let logits: BinaryLogits = BinaryHead::wrap(Tensor::from_slice(&[1e4, -1e4], [2, 1]).into());
/// let loss = |labels: Vec<usize>| BinaryCrossEntropy::new().loss(&logits, &Indices::from_vec(labels)).unwrap().item();
/// assert_eq!(loss(vec![1, 0]), 0.0);
/// assert_eq!(loss(vec![0, 0]), 5e3);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BinaryCrossEntropy {
    weight: Option<Vec<f64>>,
    pos_weight: Option<Vec<f64>>,
    reduction: Reduction,
}

const NAME: &str = "binary cross-entropy";

impl BinaryCrossEntropy {
    /// Without weights, averaged.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a factor for each question (each position of the last axis), or one for all.
    #[must_use]
    pub fn weight(self, weight: &[f64]) -> Self {
        Self { weight: Some(weight.to_vec()), ..self }
    }

    /// With a factor on the term that says yes, for each question or one for all: above 1 it favours recall, below 1
    /// precision. The number of no over the number of yes balances them.
    #[must_use]
    pub fn pos_weight(self, pos_weight: &[f64]) -> Self {
        Self { pos_weight: Some(pos_weight.to_vec()), ..self }
    }

    /// With another reduction.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        Self { reduction, ..self }
    }

    fn of<E: Element>(&self, z: &Var<E>, target: &Tensor<E>, reduce: Reduce) -> Result<Var<E>, LossError> {
        let target = fit(NAME, z, target)?;
        first_bad(NAME, &target, (0.0, 1.0), "it should be from 0 (no) to 1 (yes)")?;
        let questions = z.shape().last().copied().unwrap_or(1);
        let weight = factors(self.weight.as_deref(), "weights", questions)?;
        let pos_weight = factors(self.pos_weight.as_deref(), "pos_weights", questions)?;
        Ok(z.bce_with_logits(&target, weight.as_ref(), pos_weight.as_ref(), reduce))
    }
}

fn factors<E: Element>(w: Option<&[f64]>, name: &str, questions: usize) -> Result<Option<Tensor<E>>, LossError> {
    let Some(w) = w else { return Ok(None) };
    let setting = |reason: String| Err(LossError::Setting { loss: NAME, reason });
    if w.len() != questions && w.len() != 1 {
        return setting(format!("there are {} {name} for {questions} questions; give one for each, or one", w.len()));
    }
    if let Some(bad) = w.iter().find(|w| !(**w >= 0.0 && w.is_finite())) {
        return setting(format!("{bad} among the {name} is not a number of at least 0"));
    }
    Ok(Some(Tensor::from_fn([w.len()], |i| E::from_f64(w[i]))))
}

/// Labels as numbers; a label above 1 becomes an error of the target.
fn numbers<E: Element>(labels: &Indices) -> Tensor<E> {
    Tensor::from_fn(*labels.shape(), |i| E::from_usize(labels.as_slice()[i]))
}

impl<E: Element> Loss<E, BinaryLogits<E>, Tensor<E>> for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn loss(&self, output: &BinaryLogits<E>, target: &Tensor<E>) -> Result<Var<E>, LossError> {
        self.of(output.var(), target, self.reduction.into())
    }

    fn per_example(&self, output: &BinaryLogits<E>, target: &Tensor<E>) -> Result<Tensor<E>, LossError> {
        self.of(&output.var().detach(), target, Reduce::None).map(example_means)
    }

    fn reduces_by(&self) -> Reduction {
        self.reduction
    }

    fn weight(&self, target: &Tensor<E>) -> f64 {
        examples(target.shape())
    }
}

impl<E: Element> Loss<E, BinaryLogits<E>, Indices> for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn loss(&self, output: &BinaryLogits<E>, target: &Indices) -> Result<Var<E>, LossError> {
        self.of(output.var(), &numbers(target), self.reduction.into())
    }

    fn per_example(&self, output: &BinaryLogits<E>, target: &Indices) -> Result<Tensor<E>, LossError> {
        self.of(&output.var().detach(), &numbers(target), Reduce::None).map(example_means)
    }

    fn reduces_by(&self) -> Reduction {
        self.reduction
    }

    fn weight(&self, target: &Indices) -> f64 {
        examples(target.shape())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BinaryHead, Head};

    fn logits(shape: &[usize]) -> BinaryLogits<f64> {
        BinaryHead::wrap(Var::constant(Tensor::from_fn(shape.to_vec(), |i| i as f64 - 1.0)))
    }

    #[test]
    fn targets_outside_0_to_1_and_shapes_that_would_broadcast_are_errors() {
        let loss = BinaryCrossEntropy::new();
        let error = loss.loss(&logits(&[3]), &Tensor::from_slice(&[0.0, 1.0, 1.5], [3])).unwrap_err();
        assert!(matches!(error, LossError::Target { element: 2, .. }));
        assert!(loss.loss(&logits(&[3]), &Tensor::from_slice(&[0.0, f64::NAN, 1.0], [3])).is_err());
        assert!(loss.loss(&logits(&[3, 2]), &Tensor::zeros([3])).is_err());
        assert!(loss.loss(&logits(&[3, 1]), &Tensor::zeros([1, 3])).is_err());
        assert!(loss.loss(&logits(&[2]), &Indices::from_vec(vec![0, 2])).is_err());
        assert!(loss.pos_weight(&[1.0, 2.0]).loss(&logits(&[2, 3]), &Tensor::zeros([2, 3])).is_err());
    }

    #[test]
    fn a_last_axis_of_one_may_be_left_out() {
        let loss = |z: &[usize], t: &[usize]| {
            BinaryCrossEntropy::new().loss(&logits(z), &Tensor::ones(t.to_vec())).unwrap().item()
        };
        assert_eq!(loss(&[3, 1], &[3]), loss(&[3], &[3]));
        assert_eq!(loss(&[3], &[3, 1]), loss(&[3], &[3]));
    }

    #[test]
    fn weights_go_by_question() {
        let target = Tensor::from_slice(&[1.0, 0.0], [1, 2]);
        let each =
            |loss: BinaryCrossEntropy| loss.reduction(Reduction::Sum).loss(&logits(&[1, 2]), &target).unwrap().item();
        let (first, second) = (1.0_f64.exp().ln_1p(), 2.0_f64.ln());
        assert!((each(BinaryCrossEntropy::new().pos_weight(&[3.0])) - (3.0 * first + second)).abs() < 1e-12);
        assert!((each(BinaryCrossEntropy::new().weight(&[2.0, 5.0])) - (2.0 * first + 5.0 * second)).abs() < 1e-12);
    }
}
