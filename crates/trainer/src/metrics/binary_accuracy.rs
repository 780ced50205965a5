//! Binary accuracy: the share of yes-or-no answers that are right.

use crate::Metric;
use crate::metric::counts;
use kniff_nn::BinaryLogits;
use kniff_tensor::{Element, Indices, Tensor};

/// The share of answers with `logit > 0` exactly where the target says yes; 1 is the best.
///
/// With several answers per example, each counts. Targets are 0 or 1; of soft ones, above one half is yes.
#[derive(Clone, Debug, Default)]
pub struct BinaryAccuracy {
    right: usize,
    seen: usize,
}

impl BinaryAccuracy {
    /// No examples yet.
    pub fn new() -> Self {
        Self::default()
    }

    #[track_caller]
    fn count<E: Element>(&mut self, output: &BinaryLogits<E>, answers: usize, yes: impl Iterator<Item = bool>) {
        let logits = output.var().value().contiguous();
        assert!(logits.len() == answers, "BinaryAccuracy: {} outputs, but {answers} targets", logits.len());
        let logits = logits.as_slice().unwrap_or_default();
        // A NaN is neither yes nor no.
        self.right += logits.iter().zip(yes).filter(|&(&z, yes)| if yes { z > E::ZERO } else { z <= E::ZERO }).count();
        self.seen += answers;
    }
}

impl<E: Element> Metric<E, BinaryLogits<E>, Tensor<E>> for BinaryAccuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    #[track_caller]
    fn update(&mut self, output: &BinaryLogits<E>, target: &Tensor<E>) {
        let (target, half) = (target.contiguous(), E::from_f64(0.5));
        self.count(output, target.len(), target.as_slice().unwrap_or_default().iter().map(|&t| t > half));
    }

    fn state(&self) -> Option<Vec<f64>> {
        Some(vec![self.right as f64, self.seen as f64])
    }

    fn load_state(&mut self, state: &[f64]) -> Result<(), String> {
        [self.right, self.seen] = counts(state)?;
        Ok(())
    }

    fn value(&self) -> f64 {
        self.right as f64 / self.seen as f64
    }
}

impl<E: Element> Metric<E, BinaryLogits<E>, Indices> for BinaryAccuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    #[track_caller]
    fn update(&mut self, output: &BinaryLogits<E>, target: &Indices) {
        self.count(output, target.len(), target.as_slice().iter().map(|&t| t > 0));
    }

    fn state(&self) -> Option<Vec<f64>> {
        Some(vec![self.right as f64, self.seen as f64])
    }

    fn load_state(&mut self, state: &[f64]) -> Result<(), String> {
        [self.right, self.seen] = counts(state)?;
        Ok(())
    }

    fn value(&self) -> f64 {
        self.right as f64 / self.seen as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_autograd::Var;
    use kniff_nn::{BinaryHead, Head};

    #[test]
    fn the_sign_decides() {
        let logits: BinaryLogits =
            BinaryHead::wrap(Var::constant(Tensor::from_slice(&[3.0, -1.0, 0.0, f32::NAN], [4, 1])));
        let mut metric = BinaryAccuracy::new();
        metric.update(&logits, &Tensor::from_slice(&[1.0, 1.0, 0.0, 0.0], [4, 1]));
        assert_eq!(Metric::<f32, BinaryLogits, Tensor>::value(&metric), 0.5);
        metric.update(&logits, &Indices::from_vec(vec![1, 0, 0, 1]));
        assert_eq!(Metric::<f32, BinaryLogits, Tensor>::value(&metric), 0.625);
    }
}
