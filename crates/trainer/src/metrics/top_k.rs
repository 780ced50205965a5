//! Top-k accuracy: the share of examples whose right class is among the k most likely ones.

use crate::Metric;
use crate::metric::counts;
use kniff_nn::Logits;
use kniff_tensor::{Element, Indices};

/// The share of examples for which fewer than k logits are above that of the label; 1 is the best.
///
/// Ties count against the network where the other class has the smaller number, so that k = 1 is the accuracy.
/// Labels that name no class are left out, as with [`super::Accuracy`].
#[derive(Clone, Debug)]
pub struct TopK {
    k: usize,
    name: String,
    ignored: Option<usize>,
    right: usize,
    seen: usize,
}

impl TopK {
    /// Named `top-k accuracy`, as in `top-5 accuracy`.
    ///
    /// # Panics
    /// If `k` is 0: no class is among the 0 most likely ones.
    #[track_caller]
    pub fn new(k: usize) -> Self {
        assert!(k > 0, "TopK::new: k is 0, at least 1 is needed");
        Self { k, name: format!("top-{k} accuracy"), ignored: None, right: 0, seen: 0 }
    }

    /// Without the examples of this label, as in a loss that ignores it.
    #[must_use]
    pub fn ignore_index(self, label: usize) -> Self {
        Self { ignored: Some(label), ..self }
    }
}

impl<E: Element> Metric<E, Logits<E>, Indices> for TopK {
    fn name(&self) -> &str {
        &self.name
    }

    fn reset(&mut self) {
        (self.right, self.seen) = (0, 0);
    }

    #[track_caller]
    fn update(&mut self, output: &Logits<E>, target: &Indices) {
        let logits = output.var().value();
        // The classes, axis 1, go last.
        let axes: Vec<usize> = [0].into_iter().chain(2..logits.rank()).chain([1]).collect();
        let logits = if logits.rank() > 2 { logits.permute(&axes).contiguous() } else { logits.contiguous() };
        let classes = logits.shape().last().copied().unwrap_or(0);
        let rows = logits.len() / classes.max(1);
        assert!(rows == target.len(), "TopK: {rows} outputs, but {} labels", target.len());
        let logits = logits.as_slice().unwrap_or_default();
        for (row, &label) in logits.chunks_exact(classes.max(1)).zip(target.as_slice()) {
            let Some(&own) = row.get(label).filter(|_| Some(label) != self.ignored) else { continue };
            self.seen += 1;
            let ahead = |(i, &z): (usize, &E)| z > own || (z == own && i < label);
            self.right += usize::from(!own.is_nan() && row.iter().enumerate().filter(|&x| ahead(x)).count() < self.k);
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

    #[test]
    fn the_classes_lie_along_axis_one() {
        // Two places of one example, three classes: [1, 2, 3] and [6, 5, 4].
        let logits = Tensor::from_slice(&[1.0, 6.0, 2.0, 5.0, 3.0, 4.0], [1, 3, 2]);
        let logits = ClassHead::wrap(Var::constant(logits));
        let mut metric = TopK::new(1);
        metric.update(&logits, &Indices::from_vec(vec![2, 0]).reshape([1, 2]));
        assert_eq!(Metric::<f64, _, _>::value(&metric), 1.0);
    }

    fn value(k: usize, logits: &[f64], labels: Vec<usize>) -> f64 {
        let mut metric = TopK::new(k);
        let shape = [labels.len(), logits.len() / labels.len()];
        let logits = ClassHead::wrap(Var::constant(Tensor::from_slice(logits, shape)));
        metric.update(&logits, &Indices::from_vec(labels));
        Metric::<f64, Logits<f64>, Indices>::value(&metric)
    }

    #[test]
    fn the_second_best_counts_for_two() {
        let logits = [0.1, 0.7, 0.5, 0.1, 0.7, 0.5];
        assert_eq!(value(1, &logits, vec![1, 2]), 0.5);
        assert_eq!(value(2, &logits, vec![1, 2]), 1.0);
        assert_eq!(value(2, &logits, vec![0, 2]), 0.5);
    }

    #[test]
    fn what_the_loss_ignores_does_not_count() {
        assert_eq!(value(1, &[1.0, 0.0, 1.0, 0.0], vec![0, 255]), 1.0);
        let mut metric = TopK::new(1).ignore_index(1);
        let logits = ClassHead::wrap(Var::constant(Tensor::from_slice(&[1.0, 0.0, 1.0, 0.0], [2, 2])));
        metric.update(&logits, &Indices::from_vec(vec![0, 1]));
        assert_eq!(Metric::<f64, Logits<f64>, Indices>::value(&metric), 1.0);
    }

    #[test]
    fn of_ties_the_first_counts_and_of_nan_none() {
        assert_eq!(value(1, &[2.0, 2.0], vec![0]), 1.0);
        assert_eq!(value(1, &[2.0, 2.0], vec![1]), 0.0);
        assert_eq!(value(2, &[f64::NAN, 1.0], vec![0]), 0.0);
    }
}
