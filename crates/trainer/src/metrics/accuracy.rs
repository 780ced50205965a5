//! Accuracy: the share of examples whose most likely class is the right one.

use crate::Metric;
use crate::metric::counts;
use kniff_nn::Logits;
use kniff_tensor::{Element, Indices};

/// The number of examples with `argmax(logits) = label`, divided by the number of examples; 1 is the best.
///
/// Of several largest logits the first counts. The classes lie along axis 1. Labels that name no class are left out, being
/// those that the loss ignores (it refuses all others); one that names a class is left out by [`Accuracy::ignore_index`].
#[derive(Clone, Debug, Default)]
pub struct Accuracy {
    ignored: Option<usize>,
    right: usize,
    seen: usize,
}

impl Accuracy {
    /// No examples yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Without the examples of this label, as in a loss that ignores it.
    #[must_use]
    pub fn ignore_index(self, label: usize) -> Self {
        Self { ignored: Some(label), ..self }
    }
}

impl<E: Element> Metric<E, Logits<E>, Indices> for Accuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn reset(&mut self) {
        (self.right, self.seen) = (0, 0);
    }

    #[track_caller]
    fn update(&mut self, output: &Logits<E>, target: &Indices) {
        let classes = output.classes();
        let (found, labels) = (classes.as_slice(), target.as_slice());
        assert!(found.len() == labels.len(), "Accuracy: {} outputs, but {} labels", found.len(), labels.len());
        let outputs = output.var().shape()[1];
        for (class, label) in found.iter().zip(labels) {
            if *label < outputs && Some(*label) != self.ignored {
                self.right += usize::from(class == label);
                self.seen += 1;
            }
        }
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
    use kniff_nn::{ClassHead, Head};
    use kniff_tensor::Tensor;

    fn value(metric: &Accuracy) -> f64 {
        Metric::<f64, Logits<f64>, Indices>::value(metric)
    }

    #[test]
    fn batches_add_up_to_the_whole() {
        let mut metric = Accuracy::new();
        let logits = |x: &[f64]| ClassHead::wrap(Var::constant(Tensor::from_slice(x, [x.len() / 2, 2])));
        assert!(value(&metric).is_nan());
        metric.update(&logits(&[1.0, 0.0, 1.0, 0.0, -3.0, -2.0]), &Indices::from_vec(vec![0, 1, 1]));
        metric.update(&logits(&[5.0, 5.0]), &Indices::from_vec(vec![0]));
        assert_eq!(value(&metric), 0.75);
        Metric::<f64, Logits<f64>, Indices>::reset(&mut metric);
        assert!(value(&metric).is_nan());
    }

    #[test]
    fn what_the_loss_ignores_does_not_count() {
        let mut metric = Accuracy::new();
        let logits = || ClassHead::wrap(Var::constant(Tensor::from_slice(&[1.0, 0.0, 1.0, 0.0, 0.0, 1.0], [3, 2])));
        metric.update(&logits(), &Indices::from_vec(vec![0, 255, 0]));
        assert_eq!(value(&metric), 0.5);
        let mut metric = Accuracy::new().ignore_index(0);
        metric.update(&logits(), &Indices::from_vec(vec![0, 1, 1]));
        assert_eq!(value(&metric), 0.5);
    }
}
