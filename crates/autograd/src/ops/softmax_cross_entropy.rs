//! The cross-entropy of logits: softmax and the logarithm in one.

use super::total::{Reduce, dense};
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::kernels::softmax_ce::{Scale, Targets, forward, forward_backward};
use kniff_tensor::{Element, Indices, Shape, Tensor};

/// What a cross-entropy of logits does beside its formula.
#[derive(Clone, Debug)]
pub struct CrossEntropyOptions<E: Element> {
    /// One weight per class.
    pub class_weights: Option<Tensor<E>>,
    /// The share s of the target that is spread over all classes, the true one included.
    pub label_smoothing: E,
    /// Examples with this label count nothing.
    pub ignore_index: Option<usize>,
    /// How the examples' losses become the result.
    pub reduce: Reduce,
}

impl<E: Element> Default for CrossEntropyOptions<E> {
    fn default() -> Self {
        Self { class_weights: None, label_smoothing: E::ZERO, ignore_index: None, reduce: Reduce::Mean }
    }
}

/// With targets `q` that have the smoothing and the class weights in them: `-sum_c q_c ln softmax(z)_c` for each row,
/// which is `sum_c q_c (lse - z_c)`; derivative `softmax(z)_c sum_k q_k - q_c`.
///
/// Where a gradient will be asked for, it is computed with the loss: one exponential per logit serves both.
#[derive(Clone)]
struct SoftmaxCrossEntropy<E: Element> {
    target: Target<E>,
    options: CrossEntropyOptions<E>,
    wants_gradient: bool,
    /// The gradient for a cotangent of 1.
    gradient: Option<Tensor<E>>,
}

#[derive(Clone)]
enum Target<E: Element> {
    /// A class per row.
    Labels(Indices),
    /// A distribution per row, weights and smoothing included.
    Soft(Tensor<E>),
}

impl<E: Element> Op<E> for SoftmaxCrossEntropy<E> {
    fn name(&self) -> &'static str {
        "softmax_cross_entropy"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(1)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        let z = x[0].contiguous();
        let (rows, classes) = (z.shape()[0], z.shape()[1]);
        if classes == 0 {
            return if self.options.reduce == Reduce::None { Tensor::zeros([rows]) } else { Tensor::scalar(E::ZERO) };
        }
        let scale = self.scale(rows);
        let dense_target = self.dense_target();
        let targets = self.targets(&dense_target);
        let mut losses = Tensor::scratch([rows]);
        if self.wants_gradient {
            let mut gradient = Tensor::scratch([rows, classes]);
            let (losses, gradient_slice) = (losses.make_mut(), gradient.make_mut());
            forward_backward(dense(&z), classes, targets, Scale::Same(scale), losses, gradient_slice);
            self.gradient = Some(gradient);
        } else {
            let mut lse = Tensor::scratch([rows]);
            forward(dense(&z), classes, targets, losses.make_mut(), lse.make_mut());
        }
        match self.options.reduce {
            Reduce::None => losses,
            _ => losses.sum_all().mul_scalar(scale),
        }
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || {
            let Some(gradient) = &self.gradient else { return Tensor::zeros(*at.shape(0)).into() };
            let g = g.value();
            Var::constant(match self.options.reduce {
                Reduce::None => gradient.mul(&g.unsqueeze(1)),
                _ if g.item() == E::ONE => gradient.clone(),
                _ => gradient.mul_scalar(g.item()),
            })
        });
    }

    fn push_forward(&self, _: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        // The parts are run instead.
        None
    }

    fn parts(&self, x: &[&Var<E>]) -> Option<Var<E>> {
        let q = match &self.target {
            Target::Soft(q) => q.clone(),
            Target::Labels(labels) => self.distribution(labels, x[0].shape()[1]),
        };
        let each = x[0].log_softmax(1).mul(&q.into()).sum(&[1], false).neg();
        Some(match self.options.reduce {
            Reduce::None => each,
            _ => each.sum_all().mul_scalar(self.scale(x[0].shape()[0])),
        })
    }

    fn keeps_private(&self) -> bool {
        true
    }

    fn own_bytes(&self) -> usize {
        let target = match &self.target {
            Target::Labels(labels) => labels.len() * size_of::<usize>(),
            Target::Soft(q) => q.bytes(),
        };
        target + self.gradient.as_ref().map_or(0, Tensor::bytes)
    }
}

impl<E: Element> SoftmaxCrossEntropy<E> {
    /// One over what a mean divides by: the weights of the labels that count, or the rows of soft targets.
    fn scale(&self, rows: usize) -> E {
        let total = match (&self.target, self.options.reduce) {
            (_, Reduce::None | Reduce::Sum) => return E::ONE,
            (Target::Soft(_), Reduce::Mean) => E::from_usize(rows),
            (Target::Labels(labels), Reduce::Mean) => {
                let counted = labels.as_slice().iter().filter(|&&y| Some(y) != self.options.ignore_index);
                match &self.options.class_weights {
                    None => E::from_usize(counted.count()),
                    Some(w) => {
                        let w = w.to_vec();
                        counted.map(|&y| w[y]).sum()
                    }
                }
            }
        };
        E::ONE / total
    }

    /// What the kernels need in one piece: the distributions, or the class weights if there are any.
    fn dense_target(&self) -> Option<Tensor<E>> {
        match &self.target {
            Target::Soft(q) => Some(q.contiguous()),
            Target::Labels(_) => self.options.class_weights.as_ref().map(Tensor::contiguous),
        }
    }

    fn targets<'a>(&'a self, dense_target: &'a Option<Tensor<E>>) -> Targets<'a, E> {
        match &self.target {
            Target::Soft(_) => Targets::Soft(dense_target.as_ref().map_or(&[], dense)),
            Target::Labels(labels) => Targets::Classes {
                labels: labels.as_slice(),
                weights: dense_target.as_ref().map(dense),
                smoothing: self.options.label_smoothing,
                ignore: self.options.ignore_index,
            },
        }
    }

    /// Labels as distributions, smoothing and class weights included; zeros for what is ignored.
    fn distribution(&self, labels: &Indices, classes: usize) -> Tensor<E> {
        let s = self.options.label_smoothing;
        let mut q = Tensor::zeros([labels.len(), classes]);
        if classes > 0 {
            for (row, &y) in q.make_mut().chunks_exact_mut(classes).zip(labels.as_slice()) {
                if Some(y) != self.options.ignore_index {
                    row.fill(s / E::from_usize(classes));
                    row[y] += E::ONE - s;
                }
            }
        }
        self.options.class_weights.as_ref().map_or(q.clone(), |w| q.mul(w))
    }
}

impl<E: Element> Var<E> {
    /// The cross-entropy of logits z of shape [n, classes, ..] against one label for each place of [n, ..]:
    /// `lse(z) - z_y`, derivative `softmax(z) - onehot(y)`, computed from the logits so that nothing overflows.
    ///
    /// With smoothing s it is `(1-s) loss(y) + s/C sum_c w_c loss(c)`, each class with its own weight; the mean divides by
    /// the sum of the weights of the labels that are not ignored, and is NaN where there are none (all as in PyTorch).
    ///
    /// # Panics
    /// If the shapes do not fit, a label names no class, or there is not one weight per class.
    #[track_caller]
    pub fn softmax_cross_entropy(&self, labels: &Indices, options: &CrossEntropyOptions<E>) -> Var<E> {
        let (rows, kept) = self.class_rows(options);
        assert!(
            *labels.shape() == kept,
            "softmax_cross_entropy: logits of shape {} do not fit labels of shape {}, which should be {kept}",
            self.shape(),
            labels.shape()
        );
        let classes = rows.shape()[1];
        if let Some(y) = labels.as_slice().iter().find(|&&y| y >= classes && Some(y) != options.ignore_index) {
            panic!("softmax_cross_entropy: there is no class {y} among {classes}");
        }
        let target = Target::Labels(labels.reshape([labels.len()]));
        cross_entropy(target, options, &rows, kept)
    }

    /// The cross-entropy of logits of shape [n, classes, ..] against a distribution over the classes for each place,
    /// in a tensor of the logits' shape; the mean divides by the number of places.
    ///
    /// Nothing can be ignored. No gradient flows to the target.
    ///
    /// # Panics
    /// If the shapes do not fit, or there is not one weight per class.
    #[track_caller]
    pub fn soft_cross_entropy(&self, target: &Tensor<E>, options: &CrossEntropyOptions<E>) -> Var<E> {
        let (rows, kept) = self.class_rows(options);
        assert!(
            target.shape() == self.shape(),
            "soft_cross_entropy: logits of shape {} and a target of shape {} differ",
            self.shape(),
            target.shape()
        );
        let s = options.label_smoothing;
        let mut q = Var::constant(target.clone()).class_rows(options).0.into_value();
        if s != E::ZERO {
            q = q.affine(E::ONE - s, s / E::from_usize(rows.shape()[1]));
        }
        if let Some(w) = &options.class_weights {
            q = q.mul(w);
        }
        cross_entropy(Target::Soft(q), options, &rows, kept)
    }

    /// One row of classes for each place, and the shape of the places.
    #[track_caller]
    fn class_rows(&self, options: &CrossEntropyOptions<E>) -> (Var<E>, Shape) {
        assert!(self.rank() >= 2, "cross-entropy: logits of shape {} are not [n, classes, ..]", self.shape());
        let classes = self.shape()[1];
        if let Some(w) = &options.class_weights {
            assert!(*w.shape() == [classes], "cross-entropy: weights of shape {} for {classes} classes", w.shape());
        }
        let places = self.shape().without_axis(1);
        if self.rank() == 2 {
            return (self.clone(), places);
        }
        let mut order: Vec<usize> = (0..self.rank()).filter(|&a| a != 1).collect();
        order.push(1);
        (self.permute(&order).reshape([places.numel(), classes]), places)
    }
}

fn cross_entropy<E: Element>(
    target: Target<E>,
    options: &CrossEntropyOptions<E>,
    rows: &Var<E>,
    places: Shape,
) -> Var<E> {
    let wants_gradient = rows.is_tracked() && !rows.inference;
    let op = SoftmaxCrossEntropy { target, options: options.clone(), wants_gradient, gradient: None };
    let loss = apply(op, &[rows]);
    if options.reduce == Reduce::None { loss.reshape(places) } else { loss }
}

#[cfg(feature = "cases")]
pub(super) const LABELS: Case = Case {
    name: "softmax_cross_entropy",
    inputs: |rng| vec![draw(rng, [4, 3], -2.0, 2.0, &[])],
    f: |x| x[0].softmax_cross_entropy(&Indices::from_vec(vec![2, 0, 1, 1]), &CrossEntropyOptions::default()),
};
#[cfg(feature = "cases")]
pub(super) const ALL_OPTIONS: Case = Case {
    name: "softmax_cross_entropy (all options)",
    inputs: |rng| vec![draw(rng, [2, 3, 2], -2.0, 2.0, &[])],
    f: |x| {
        let options = CrossEntropyOptions {
            class_weights: Some(Tensor::linspace(0.5, 1.5, 3)),
            label_smoothing: 0.2,
            ignore_index: Some(1),
            reduce: Reduce::None,
        };
        x[0].softmax_cross_entropy(&Indices::new(vec![2, 0, 1, 2], [2, 2]), &options).square()
    },
};
#[cfg(feature = "cases")]
pub(super) const SOFT: Case = Case {
    name: "soft_cross_entropy",
    inputs: |rng| vec![draw(rng, [4, 3], -2.0, 2.0, &[])],
    f: |x| x[0].soft_cross_entropy(&Tensor::linspace(0.0, 1.0, 12).reshape([4, 3]), &CrossEntropyOptions::default()),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;
    use kniff_tensor::Rng;

    #[test]
    fn the_fused_loss_is_its_parts() {
        let mut rng = Rng::new(11);
        let z = Var::constant(Tensor::<f64>::randn([9, 37], &mut rng).mul_scalar(3.0));
        let labels = Indices::from_vec((0..9).map(|_| rng.below(37)).collect());
        let soft = Tensor::<f64>::randn([9, 37], &mut rng).square();
        let weights = Tensor::linspace(0.2, 2.0, 37);
        for class_weights in [None, Some(weights)] {
            for label_smoothing in [0.0, 0.3] {
                for reduce in [Reduce::None, Reduce::Sum, Reduce::Mean] {
                    for target in [Target::Labels(labels.clone()), Target::Soft(soft.clone())] {
                        let ignore_index = Some(labels.as_slice()[3]);
                        let class_weights = class_weights.clone();
                        let options = CrossEntropyOptions { class_weights, label_smoothing, ignore_index, reduce };
                        let op = SoftmaxCrossEntropy { target, options, wants_gradient: true, gradient: None };
                        let fused = |z: &Var<f64>| apply(op.clone(), &[z]).square().sum_all();
                        let parts = |z: &Var<f64>| op.parts(&[z]).unwrap().square().sum_all();
                        let (a, b) = (fused(&z).item(), parts(&z).item());
                        assert!((a - b).abs() < 1e-12 * a, "{a} {b}");
                        let (a, b) = (grad(fused, &z).value().to_vec(), grad(parts, &z).value().to_vec());
                        let largest = b.iter().fold(0.0, |m: f64, b| m.max(b.abs()));
                        a.iter().zip(b).for_each(|(a, b)| assert!((a - b).abs() < 1e-12 * largest, "{a} {b}"));
                    }
                }
            }
        }
    }

    #[test]
    fn it_is_exact_far_out() {
        let z = Var::<f32>::tracked(Tensor::from_slice(&[1e4, -1e4, 0.0, 1e4, 1e4, -1e4], [2, 3]));
        let options = CrossEntropyOptions { reduce: Reduce::None, ..Default::default() };
        let loss = z.softmax_cross_entropy(&Indices::from_vec(vec![1, 0]), &options);
        assert_eq!(loss.value().to_vec(), [2e4, std::f32::consts::LN_2]);
        let g = loss.sum_all().backward();
        assert_eq!(g.of(&z).unwrap().to_vec(), [1.0, -1.0, 0.0, -0.5, 0.5, 0.0]);
    }

    #[test]
    fn nothing_sums_to_zero_and_has_no_mean() {
        let z = Var::<f64>::constant(Tensor::zeros([0, 3]));
        let none = Indices::from_vec(Vec::new());
        let loss = |reduce| z.softmax_cross_entropy(&none, &CrossEntropyOptions { reduce, ..Default::default() });
        assert_eq!(loss(Reduce::Sum).item(), 0.0);
        assert!(loss(Reduce::Mean).item().is_nan());
        let one = Var::<f64>::constant(Tensor::zeros([1, 3]));
        let ignored = CrossEntropyOptions { ignore_index: Some(7), ..Default::default() };
        assert!(one.softmax_cross_entropy(&Indices::from_vec(vec![7]), &ignored).item().is_nan());
    }

    #[test]
    #[should_panic(expected = "there is no class 3 among 3")]
    fn a_label_without_a_class_is_refused() {
        let z = Var::<f64>::constant(Tensor::zeros([1, 3]));
        let _ = z.softmax_cross_entropy(&Indices::from_vec(vec![3]), &CrossEntropyOptions::default());
    }
}
