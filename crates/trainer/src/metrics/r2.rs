//! The coefficient of determination of a regression.

use super::mean_absolute_error::for_each_pair;
use crate::Metric;
use crate::metric::{Predictions, numbers};
use kniff_tensor::{Element, Tensor};

/// `1 - sum (prediction - target)^2 / sum (target - mean)^2` over all numbers: the share of the targets' variance that is
/// explained.
///
/// 1 is the best, 0 is what the targets' mean would do; NaN where all targets are equal.
#[derive(Clone, Debug, Default)]
pub struct R2 {
    residuals: f64,
    mean: f64,
    deviations: f64,
    seen: f64,
}

impl R2 {
    /// No examples yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<E: Element, O: Predictions<E>> Metric<E, O, Tensor<E>> for R2 {
    fn name(&self) -> &str {
        "R2"
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    #[track_caller]
    fn update(&mut self, output: &O, target: &Tensor<E>) {
        for_each_pair("R2", output, target, |y, t| {
            self.residuals += (y - t) * (y - t);
            // Welford's update: exact for targets far from 0.
            self.seen += 1.0;
            let before = t - self.mean;
            self.mean += before / self.seen;
            self.deviations += before * (t - self.mean);
        });
    }

    fn state(&self) -> Option<Vec<f64>> {
        Some(vec![self.residuals, self.mean, self.deviations, self.seen])
    }

    fn load_state(&mut self, state: &[f64]) -> Result<(), String> {
        let [residuals, mean, deviations, seen] = numbers(state)?;
        (self.residuals, self.mean, self.deviations, self.seen) = (residuals, mean, deviations, seen);
        Ok(())
    }

    fn value(&self) -> f64 {
        if self.deviations > 0.0 { 1.0 - self.residuals / self.deviations } else { f64::NAN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_autograd::Var;
    use kniff_nn::{Head, ValueHead, Values};

    fn value(predictions: &[f64], targets: &[f64]) -> f64 {
        let mut metric = R2::new();
        for (&y, &t) in predictions.iter().zip(targets) {
            let values: Values<f64> = ValueHead::wrap(Var::constant(Tensor::full([1, 1], y)));
            metric.update(&values, &Tensor::full([1, 1], t));
        }
        Metric::<f64, Values<f64>, Tensor<f64>>::value(&metric)
    }

    #[test]
    fn perfect_mean_and_in_between() {
        assert_eq!(value(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), 1.0);
        assert_eq!(value(&[2.0, 2.0, 2.0], &[1.0, 2.0, 3.0]), 0.0);
        // scikit-learn's own example.
        let r2 = value(&[2.5, 0.0, 2.0, 8.0], &[3.0, -0.5, 2.0, 7.0]);
        assert!((r2 - 0.948_608_137_044_967_9).abs() < 1e-15, "{r2}");
    }

    #[test]
    fn without_variance_there_is_none() {
        assert!(value(&[1.0, 2.0], &[5.0, 5.0]).is_nan());
    }
}
