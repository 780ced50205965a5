//! The negative log-likelihood of log-probabilities.

use super::softmax_cross_entropy::CrossEntropyOptions;
use super::total::Reduce;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use kniff_tensor::{Element, Indices, Tensor};

impl<E: Element> Var<E> {
    /// The negative log-likelihood `-w_y l_y` of log-probabilities l of shape [n, classes, ..] against one label for each
    /// place of [n, ..]; derivative `-w_y` at the label.
    ///
    /// For a network's outputs use [`Var::softmax_cross_entropy`], which takes logits; this is for those who have
    /// log-probabilities already. Weights, ignored labels and the mean are as there; label smoothing is not offered here.
    ///
    /// # Panics
    /// If the shapes do not fit, a label names no class, there is not one weight per class, or smoothing is asked for.
    #[track_caller]
    pub fn nll(&self, labels: &Indices, options: &CrossEntropyOptions<E>) -> Var<E> {
        let (shape, target) = (self.shape(), labels.shape());
        let fits = self.rank() >= 2 && shape.without_axis(1) == *target;
        assert!(fits, "nll: log-probabilities of shape {shape} do not fit labels of shape {target}");
        assert!(options.label_smoothing == E::ZERO, "nll: smoothing is a matter of cross-entropy");
        let classes = shape[1];
        if let Some(w) = &options.class_weights {
            assert!(*w.shape() == [classes], "nll: weights of shape {} for {classes} classes", w.shape());
        }
        let counts = |y: usize| Some(y) != options.ignore_index;
        let weight = |&y: &usize| match &options.class_weights {
            _ if !counts(y) => E::ZERO,
            Some(w) => w.select(0, y).item(),
            None => E::ONE,
        };
        let class = |&y: &usize| {
            assert!(y < classes || !counts(y), "nll: there is no class {y} among {classes}");
            if counts(y) { y } else { 0 }
        };
        let places: Vec<usize> = labels.as_slice().iter().map(class).collect();
        let weights = Tensor::from_vec(labels.as_slice().iter().map(weight).collect(), *target);
        if labels.is_empty() && options.reduce == Reduce::None {
            return self.reshape(*target);
        }
        let chosen = self.gather(1, &Indices::new(places, target.with_axis(1, 1))).squeeze(1);
        let each = chosen.mul(&Var::constant(weights.clone())).neg();
        match options.reduce {
            Reduce::None => each,
            Reduce::Sum => each.sum_all(),
            Reduce::Mean => each.sum_all().mul_scalar(E::ONE / weights.sum_all().item()),
        }
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "nll",
    inputs: |rng| vec![draw(rng, [2, 3, 2], -2.0, 2.0, &[])],
    f: |x| {
        let labels = Indices::new(vec![0, 2, 7, 1], [2, 2]);
        let class_weights = Some(Tensor::from_slice(&[0.5, 1.0, 2.0], [3]));
        let options = CrossEntropyOptions { class_weights, ignore_index: Some(7), ..Default::default() };
        x[0].nll(&labels, &options).square()
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_log_softmax_it_is_the_cross_entropy() {
        let z = Var::constant(Tensor::<f64>::from_fn([4, 3], |i| (i % 5) as f64));
        let labels = Indices::from_vec(vec![2, 0, 9, 1]);
        for reduce in [Reduce::None, Reduce::Sum, Reduce::Mean] {
            let class_weights = Some(Tensor::from_slice(&[1.0, 2.0, 0.5], [3]));
            let options = CrossEntropyOptions { class_weights, ignore_index: Some(9), reduce, ..Default::default() };
            let apart = z.log_softmax(1).nll(&labels, &options);
            let off = apart.sub(&z.softmax_cross_entropy(&labels, &options)).value().abs().max_all().item();
            assert!(off < 1e-14, "{reduce:?}: {off}");
        }
    }
}
