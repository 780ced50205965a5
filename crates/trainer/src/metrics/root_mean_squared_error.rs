//! The root of the mean squared error of a regression.

use super::mean_absolute_error::for_each_pair;
use crate::Metric;
use crate::metric::{Predictions, counts, numbers};
use kniff_tensor::{Element, Tensor};

/// `sqrt(mean (prediction - target)^2)` over all numbers, in the target's units; 0 is the best.
#[derive(Clone, Debug, Default)]
pub struct RootMeanSquaredError {
    sum: f64,
    seen: usize,
}

impl RootMeanSquaredError {
    /// No examples yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<E: Element, O: Predictions<E>> Metric<E, O, Tensor<E>> for RootMeanSquaredError {
    fn name(&self) -> &str {
        "root mean squared error"
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    #[track_caller]
    fn update(&mut self, output: &O, target: &Tensor<E>) {
        for_each_pair("RootMeanSquaredError", output, target, |y, t| self.sum += (y - t) * (y - t));
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
        (self.sum / self.seen as f64).sqrt()
    }

    fn higher_is_better(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_autograd::Var;
    use kniff_nn::{Head, ValueHead, Values};

    #[test]
    fn the_root_is_taken_over_all_batches() {
        let mut metric = RootMeanSquaredError::new();
        for (y, t) in [(3.0, 0.0), (4.0, 0.0)] {
            let values: Values<f64> = ValueHead::wrap(Var::constant(Tensor::full([1, 1], y)));
            metric.update(&values, &Tensor::full([1, 1], t));
        }
        assert_eq!(Metric::<f64, Values<f64>, Tensor<f64>>::value(&metric), 12.5_f64.sqrt());
    }
}
