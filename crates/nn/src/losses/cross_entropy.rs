//! Cross-entropy, for one class out of several.

use crate::loss::{example_means, examples, first_bad};
use crate::{Logits, Loss, LossError, Reduction};
use kniff_autograd::Var;
use kniff_autograd::ops::{CrossEntropyOptions, Reduce};
use kniff_tensor::{Element, Indices, Tensor};

/// The cross-entropy of a classifier's logits: `-ln softmax(z)_y`; derivative `softmax(z) - onehot(y)`.
///
/// Takes logits of shape [n, classes, ..], and either labels of shape [n, ..] or a distribution over the classes in a
/// tensor of the logits' shape. Softmax is inside, computed so that nothing overflows; the head's type keeps it from being
/// applied twice. All options as in PyTorch:
///
/// - class weights multiply each class's term; the mean divides by the sum of the weights of the labels that count (for
///   distributions by the number of places);
/// - label smoothing s: `(1-s) loss(y) + s/C sum_c loss(c)`, over all C classes, each with its own weight;
/// - an ignored label counts nothing, in the mean neither.
///
/// The mean of nothing (an empty batch, or all labels ignored) is NaN, the sum 0.
///
/// A squared error on probabilities is not offered: where a sigmoid or softmax is saturated and wrong, its gradient
/// vanishes, while that of the cross-entropy is 1.
///
/// ```
/// use kniff_nn::{Head, ClassHead, Loss, Logits, losses::CrossEntropy};
/// use kniff_tensor::{Indices, Tensor};
/// let logits: Logits = ClassHead::wrap(Tensor::from_slice(&[1e4, 0.0, 0.0, 0.0], [2, 2]).into());
/// let loss = CrossEntropy::new().loss(&logits, &Indices::from_vec(vec![0, 1])).unwrap();
/// assert_eq!(loss.item(), std::f32::consts::LN_2 / 2.0);
/// let error = CrossEntropy::new().loss(&logits, &Indices::from_vec(vec![0, 2])).unwrap_err();
/// assert!(error.to_string().contains("example 1 has the label 2, but the output has 2 classes"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrossEntropy {
    class_weights: Option<Vec<f64>>,
    label_smoothing: f64,
    ignore_index: Option<usize>,
    reduction: Reduction,
}

const NAME: &str = "cross-entropy";

impl CrossEntropy {
    /// Without weights or smoothing, averaged.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one weight per class, at least 0.
    #[must_use]
    pub fn class_weights(self, weights: &[f64]) -> Self {
        Self { class_weights: Some(weights.to_vec()), ..self }
    }

    /// With this share of every target spread evenly over all classes, from 0 to 1.
    #[must_use]
    pub fn label_smoothing(self, share: f64) -> Self {
        Self { label_smoothing: share, ..self }
    }

    /// With a label whose examples count nothing. It may be one past the classes, or `usize::MAX`.
    #[must_use]
    pub fn ignore_index(self, label: usize) -> Self {
        Self { ignore_index: Some(label), ..self }
    }

    /// With another reduction.
    #[must_use]
    pub fn reduction(self, reduction: Reduction) -> Self {
        Self { reduction, ..self }
    }

    fn options<E: Element>(&self, classes: usize, reduce: Reduce) -> Result<CrossEntropyOptions<E>, LossError> {
        let setting = |reason: String| Err(LossError::Setting { loss: NAME, reason });
        if !(0.0..=1.0).contains(&self.label_smoothing) {
            return setting(format!("a label smoothing of {} is no share from 0 to 1", self.label_smoothing));
        }
        if let Some(w) = &self.class_weights {
            if w.len() != classes {
                return setting(format!(
                    "there are {} class weights for {classes} classes; give one for each",
                    w.len()
                ));
            }
            if let Some(bad) = w.iter().find(|w| !(**w >= 0.0 && w.is_finite())) {
                return setting(format!("a class weight of {bad} is not a number of at least 0"));
            }
        }
        Ok(CrossEntropyOptions {
            class_weights: self.class_weights.as_ref().map(|w| Tensor::from_fn([w.len()], |i| E::from_f64(w[i]))),
            label_smoothing: E::from_f64(self.label_smoothing),
            ignore_index: self.ignore_index,
            reduce,
        })
    }

    fn of_labels<E: Element>(&self, z: &Var<E>, labels: &Indices, reduce: Reduce) -> Result<Var<E>, LossError> {
        if z.rank() < 2 || z.shape().without_axis(1) != *labels.shape() {
            return Err(LossError::Shape {
                loss: NAME,
                output: z.shape().to_vec(),
                target: labels.shape().to_vec(),
                expected: "logits are [n, classes, ..] and labels [n, ..]",
            });
        }
        let classes = z.shape()[1];
        let wrong = |y: &usize| *y >= classes && Some(*y) != self.ignore_index;
        if let Some(at) = labels.as_slice().iter().position(wrong) {
            let example = at / (labels.len() / labels.shape()[0]);
            return Err(LossError::Label { loss: NAME, example, label: labels.as_slice()[at], classes });
        }
        Ok(z.softmax_cross_entropy(labels, &self.options(classes, reduce)?))
    }

    fn of_distributions<E: Element>(&self, z: &Var<E>, q: &Tensor<E>, reduce: Reduce) -> Result<Var<E>, LossError> {
        if z.rank() < 2 || z.shape() != q.shape() {
            return Err(LossError::Shape {
                loss: NAME,
                output: z.shape().to_vec(),
                target: q.shape().to_vec(),
                expected: "logits are [n, classes, ..], and a distribution for each has the same shape",
            });
        }
        if let Some(_label) = self.ignore_index {
            let reason = "there is no label to ignore in a distribution; leave ignore_index out".to_owned();
            return Err(LossError::Setting { loss: NAME, reason });
        }
        first_bad(NAME, q, (0.0, f64::MAX), "a probability is at least 0 and finite")?;
        Ok(z.soft_cross_entropy(q, &self.options(z.shape()[1], reduce)?))
    }
}

impl<E: Element> Loss<E, Logits<E>, Indices> for CrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn loss(&self, output: &Logits<E>, target: &Indices) -> Result<Var<E>, LossError> {
        self.of_labels(output.var(), target, self.reduction.into())
    }

    fn per_example(&self, output: &Logits<E>, target: &Indices) -> Result<Tensor<E>, LossError> {
        self.of_labels(&output.var().detach(), target, Reduce::None).map(example_means)
    }

    fn reduces_by(&self) -> Reduction {
        self.reduction
    }

    fn weight(&self, target: &Indices) -> f64 {
        let counted = target.as_slice().iter().filter(|&&y| Some(y) != self.ignore_index);
        match &self.class_weights {
            None => counted.count() as f64,
            Some(w) => counted.map(|&y| w.get(y).copied().unwrap_or(0.0)).sum(),
        }
    }
}

impl<E: Element> Loss<E, Logits<E>, Tensor<E>> for CrossEntropy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn loss(&self, output: &Logits<E>, target: &Tensor<E>) -> Result<Var<E>, LossError> {
        self.of_distributions(output.var(), target, self.reduction.into())
    }

    fn per_example(&self, output: &Logits<E>, target: &Tensor<E>) -> Result<Tensor<E>, LossError> {
        self.of_distributions(&output.var().detach(), target, Reduce::None).map(example_means)
    }

    fn reduces_by(&self) -> Reduction {
        self.reduction
    }

    fn weight(&self, target: &Tensor<E>) -> f64 {
        examples(target.shape())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClassHead, Head};

    fn logits(shape: &[usize]) -> Logits<f64> {
        ClassHead::wrap(Var::constant(Tensor::from_fn(shape.to_vec(), |i| (i % 5) as f64)))
    }

    #[test]
    fn labels_and_settings_that_cannot_be_are_errors() {
        let z = logits(&[2, 3]);
        let y = Indices::from_vec(vec![0, 2]);
        let error = |loss: CrossEntropy| loss.loss(&z, &y).unwrap_err().to_string();
        assert!(error(CrossEntropy::new().label_smoothing(1.5)).contains("a label smoothing of 1.5"));
        assert!(error(CrossEntropy::new().class_weights(&[1.0])).contains("1 class weights for 3 classes"));
        assert!(error(CrossEntropy::new().class_weights(&[1.0, -1.0, 1.0])).contains("a class weight of -1"));
        let spatial = CrossEntropy::new().loss(&logits(&[2, 3, 2]), &Indices::new(vec![0, 1, 2, 9], [2, 2]));
        assert!(matches!(spatial, Err(LossError::Label { example: 1, label: 9, classes: 3, .. })));
        let shape = CrossEntropy::new().loss(&z, &Indices::from_vec(vec![0]));
        assert!(matches!(shape, Err(LossError::Shape { .. })));
    }

    #[test]
    fn distributions_are_checked() {
        let z = logits(&[1, 2]);
        let error = CrossEntropy::new().loss(&z, &Tensor::from_slice(&[0.5, f64::NAN], [1, 2])).unwrap_err();
        assert!(matches!(error, LossError::Target { element: 1, .. }), "{error}");
        assert!(CrossEntropy::new().loss(&z, &Tensor::from_slice(&[-0.5, 1.5], [1, 2])).is_err());
        let one_hot = Tensor::from_slice(&[0.0, 1.0], [1, 2]);
        let soft = CrossEntropy::new().loss(&z, &one_hot).unwrap().item();
        assert_eq!(soft, CrossEntropy::new().loss(&z, &Indices::from_vec(vec![1])).unwrap().item());
    }

    #[test]
    fn each_example_has_its_own_loss() {
        let (z, y) = (logits(&[2, 3, 2]), Indices::new(vec![0, 1, 2, 0], [2, 2]));
        let each = CrossEntropy::new().per_example(&z, &y).unwrap();
        assert_eq!(*each.shape(), [2]);
        let mean = CrossEntropy::new().loss(&z, &y).unwrap().item();
        assert!((each.mean_all().item() - mean).abs() < 1e-12);
    }
}
