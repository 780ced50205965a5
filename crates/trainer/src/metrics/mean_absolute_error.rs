//! The mean absolute error of a regression.

use crate::Metric;
use crate::metric::{Predictions, counts, numbers};
use kniff_tensor::{Element, Tensor};

/// `mean |prediction - target|` over all numbers, in the target's units; 0 is the best.
#[derive(Clone, Debug, Default)]
pub struct MeanAbsoluteError {
    sum: f64,
    seen: usize,
}

impl MeanAbsoluteError {
    /// No examples yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<E: Element, O: Predictions<E>> Metric<E, O, Tensor<E>> for MeanAbsoluteError {
    fn name(&self) -> &str {
        "mean absolute error"
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    #[track_caller]
    fn update(&mut self, output: &O, target: &Tensor<E>) {
        for_each_pair("MeanAbsoluteError", output, target, |y, t| self.sum += (y - t).abs());
        self.seen += target.len();
    }

    fn state(&self) -> Option<Vec<f64>> {
        Some(vec![self.sum, self.seen as f64])
    }

    fn load_state(&mut self, state: &[f64]) -> Result<(), String> {
        let [sum, seen] = numbers(state)?;
        let [seen] = counts(&[seen])?;
        (self.sum, self.seen) = (sum, seen);
        Ok(())
    }

    fn value(&self) -> f64 {
        self.sum / self.seen as f64
    }

    fn higher_is_better(&self) -> bool {
        false
    }
}

/// Calls `f(prediction, target)` for every number, in row-major order.
#[track_caller]
pub(super) fn for_each_pair<E: Element>(
    metric: &str,
    output: &impl Predictions<E>,
    target: &Tensor<E>,
    mut f: impl FnMut(f64, f64),
) {
    let output = output.numbers().value();
    assert!(
        output.shape() == target.shape(),
        "{metric}: outputs of shape {}, but targets of shape {}",
        output.shape(),
        target.shape()
    );
    let (output, target) = (output.contiguous(), target.contiguous());
    let pairs = output.as_slice().unwrap_or_default().iter().zip(target.as_slice().unwrap_or_default());
    pairs.for_each(|(y, t)| f(y.to_f64(), t.to_f64()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_autograd::Var;
    use kniff_nn::{Head, ValueHead, Values};

    #[test]
    fn batches_add_up_to_the_whole() {
        let mut metric = MeanAbsoluteError::new();
        let values = |x: &[f64]| -> Values<f64> { ValueHead::wrap(Var::constant(Tensor::from_slice(x, [x.len(), 1]))) };
        metric.update(&values(&[1.0, -2.0]), &Tensor::from_slice(&[2.0, 0.0], [2, 1]));
        metric.update(&values(&[4.0]), &Tensor::from_slice(&[4.0], [1, 1]));
        assert_eq!(Metric::<f64, Values<f64>, Tensor<f64>>::value(&metric), 1.0);
    }

    #[test]
    #[should_panic(expected = "outputs of shape [2, 1], but targets of shape [2]")]
    fn shapes_that_would_broadcast_are_refused() {
        let values: Values = ValueHead::wrap(Var::constant(Tensor::zeros([2, 1])));
        MeanAbsoluteError::new().update(&values, &Tensor::zeros([2]));
    }
}
