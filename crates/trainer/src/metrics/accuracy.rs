//! Accuracy: the share of examples whose most likely class is the right one.

use crate::Metric;
use kniff_nn::Logits;
use kniff_tensor::{Element, Indices};

/// The number of examples with `argmax(logits) = label`, divided by the number of examples; 1 is the best.
///
/// Of several largest logits the first counts. The classes lie along axis 1.
#[derive(Clone, Debug, Default)]
pub struct Accuracy {
    right: usize,
    seen: usize,
}

impl Accuracy {
    /// No examples yet.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<E: Element> Metric<E, Logits<E>, Indices> for Accuracy {
    fn name(&self) -> &str {
        "accuracy"
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    #[track_caller]
    fn update(&mut self, output: &Logits<E>, target: &Indices) {
        let classes = output.classes();
        let (found, labels) = (classes.as_slice(), target.as_slice());
        assert!(found.len() == labels.len(), "Accuracy: {} outputs, but {} labels", found.len(), labels.len());
        self.right += found.iter().zip(labels).filter(|(a, b)| a == b).count();
        self.seen += labels.len();
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
}
