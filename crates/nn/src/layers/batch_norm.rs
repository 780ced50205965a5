//! Batch normalisation of features.

use crate::layer::ShapeError;
use crate::{Buffer, Layer, Module};
use kniff_autograd::ops::ColumnMoments;
use kniff_autograd::{Parameter, Var};
use kniff_tensor::{Element, Rng, Shape, Tensor};

/// Every feature less its mean and divided by `sqrt(variance + eps)`, then times a weight plus a bias.
///
/// Takes [n, features] or [n, features, length]. In training the moments are those of the batch, and the gradient goes
/// through them; at test time they are running averages, and the layer is one affine pass.
///
/// As in PyTorch, `momentum` is the weight of the NEW batch: `running = (1 - momentum) running + momentum batch` (Keras
/// and the paper mean the weight of the old), batches are normalised by the biased variance, and the unbiased one goes
/// into `running_var` (JAX's libraries and Keras keep the biased). A batch of one value per feature cannot be normalised.
///
/// Source: Ioffe, Szegedy, "Batch normalization" (2015).
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::BatchNorm1d};
/// use kniff_tensor::{Rng, Tensor};
/// let mut norm = BatchNorm1d::<f64>::new(1).with_eps(0.0);
/// let x = Var::constant(Tensor::from_slice(&[1.0, 3.0], [2, 1]));
/// assert_eq!(norm.forward_train(&x, &mut Rng::new(0)).value().to_vec(), [-1.0, 1.0]);
/// // 0.9 * 0 + 0.1 * 2, and 0.9 * 1 + 0.1 * 2 with the unbiased variance 2.
/// assert!((norm.running_mean().item() - 0.2).abs() < 1e-12);
/// assert!((norm.running_var().item() - 1.1).abs() < 1e-12);
/// ```
#[derive(Clone, Debug, Module)]
#[module(crate = "crate")]
pub struct BatchNorm1d<E: Element = f32> {
    weight: Option<Parameter<E>>,
    bias: Option<Parameter<E>>,
    running_mean: Buffer<E>,
    running_var: Buffer<E>,
    num_batches_tracked: Buffer<E>,
    #[module(skip)]
    eps: f64,
    #[module(skip)]
    momentum: Option<f64>,
}

impl<E: Element> BatchNorm1d<E> {
    /// With weights of 1, biases of 0, `eps` 1e-5 and `momentum` 0.1.
    pub fn new(features: usize) -> Self {
        Self {
            weight: Some(Parameter::new(Tensor::ones([features]))),
            bias: Some(Parameter::new(Tensor::zeros([features]))),
            ..Self::without_affine(features)
        }
    }

    /// Without weights and biases.
    pub fn without_affine(features: usize) -> Self {
        Self {
            weight: None,
            bias: None,
            running_mean: Buffer::new(Tensor::zeros([features])),
            running_var: Buffer::new(Tensor::ones([features])),
            num_batches_tracked: Buffer::new(Tensor::scalar(E::ZERO)),
            eps: 1e-5,
            momentum: Some(0.1),
        }
    }

    /// With another number added to the variance.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn with_eps(self, eps: f64) -> Self {
        assert!(eps >= 0.0 && eps.is_finite(), "BatchNorm1d: eps is {eps}, which cannot be added to a variance");
        Self { eps, ..self }
    }

    /// With another weight of the new batch in the running statistics; `None` is the plain average of all batches.
    ///
    /// # Panics
    /// Unless it is within 0..=1.
    #[must_use]
    #[track_caller]
    pub fn with_momentum(self, momentum: Option<f64>) -> Self {
        let fits = momentum.is_none_or(|m| (0.0..=1.0).contains(&m));
        assert!(fits, "BatchNorm1d: a momentum of {momentum:?} is not the weight of a batch, which is from 0 to 1");
        Self { momentum, ..self }
    }

    /// The factor after normalising, `[features]`.
    pub fn weight(&self) -> Option<&Parameter<E>> {
        self.weight.as_ref()
    }

    /// The offset after normalising, `[features]`.
    pub fn bias(&self) -> Option<&Parameter<E>> {
        self.bias.as_ref()
    }

    /// The mean that test time uses, `[features]`.
    pub fn running_mean(&self) -> &Tensor<E> {
        self.running_mean.value()
    }

    /// The unbiased variance that test time uses, `[features]`.
    pub fn running_var(&self) -> &Tensor<E> {
        self.running_var.value()
    }

    /// How many batches the running statistics have seen.
    pub fn num_batches_tracked(&self) -> usize {
        self.num_batches_tracked.value().item().to_f64() as usize
    }

    /// Starts the running statistics again, at 0 and 1: before re-estimating them over the training set.
    pub fn reset_running_statistics(&mut self) {
        *self.running_mean.value_mut() = Tensor::zeros(*self.running_mean().shape());
        *self.running_var.value_mut() = Tensor::ones(*self.running_var().shape());
        *self.num_batches_tracked.value_mut() = Tensor::scalar(E::ZERO);
    }

    fn features(&self) -> usize {
        self.running_mean().len()
    }

    /// Applies `f` to one row per example and position.
    #[track_caller]
    fn on_rows(&self, x: &Var<E>, f: impl FnOnce(&Var<E>) -> Var<E>) -> Var<E> {
        let features = self.features();
        match **x.shape() {
            [_, c] if c == features => f(x),
            [n, c, length] if c == features => {
                let rows = x.permute(&[0, 2, 1]).reshape([n * length, c]);
                f(&rows).reshape([n, length, c]).permute(&[0, 2, 1])
            }
            _ => {
                panic!("BatchNorm1d: an input of shape {} is not [n, {features}] or [n, {features}, length]", x.shape())
            }
        }
    }

    fn affine(&self) -> Option<(Var<E>, Var<E>)> {
        Some((self.weight.as_ref()?.var(), self.bias.as_ref()?.var()))
    }

    fn track(&mut self, batch: &ColumnMoments<E>, n: usize) {
        let counted = self.num_batches_tracked.value().add_scalar(E::ONE);
        let new = self.momentum.map_or(E::ONE / counted.item(), E::from_f64);
        *self.num_batches_tracked.value_mut() = counted;
        let unbiased = batch.variance.mul_scalar(E::from_usize(n) / E::from_usize(n - 1));
        for (running, batch) in [(&mut self.running_mean, &batch.mean), (&mut self.running_var, &unbiased)] {
            let running = running.value_mut();
            *running = running.mul_scalar(E::ONE - new).add(&batch.mul_scalar(new));
        }
    }
}

impl<E: Element> Layer<E> for BatchNorm1d<E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        let moments = ColumnMoments { mean: self.running_mean().clone(), variance: self.running_var().clone() };
        let affine = self.affine();
        let affine = affine.as_ref().map(|(w, b)| (w, b));
        self.on_rows(x, |rows| rows.normalise_columns(&moments, affine, E::from_f64(self.eps)))
    }

    /// # Panics
    /// If the batch has one value per feature: its deviation is 0 whatever it is. Drop the last, short batch.
    fn forward_train(&mut self, x: &Var<E>, _: &mut Rng) -> Var<E> {
        let mut seen = None;
        let affine = self.affine();
        let affine = affine.as_ref().map(|(w, b)| (w, b));
        let y = self.on_rows(x, |rows| {
            let n = rows.shape()[0];
            assert!(
                n != 1,
                "BatchNorm1d: a batch of shape {} has one value per feature, which cannot be normalised; train on batches \
                 of at least two examples and drop a last one that is shorter",
                x.shape()
            );
            let moments = ColumnMoments::of(rows.value());
            let y = rows.batch_norm(&moments, affine, E::from_f64(self.eps));
            seen = (n > 1).then_some((moments, n));
            y
        });
        if let Some((moments, n)) = seen {
            self.track(&moments, n);
        }
        y
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        match input {
            [c] | [c, _] if *c == self.features() => Ok(Shape::new(input)),
            _ => {
                let reason = format!("it normalises {} features along the first axis", self.features());
                Err(ShapeError::new(self.name(), input, reason))
            }
        }
    }

    fn smallest_training_batch(&self) -> usize {
        2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModuleExt;

    #[test]
    fn the_state_has_the_names_of_pytorch() {
        let norm = BatchNorm1d::<f32>::new(3);
        let names: Vec<String> = norm.state().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]);
        assert_eq!(norm.parameter_count(), 6);
    }

    #[test]
    fn a_batch_of_none_leaves_the_statistics() {
        let mut norm = BatchNorm1d::<f64>::new(3);
        let y = norm.forward_train(&Var::constant(Tensor::zeros([0, 3])), &mut Rng::new(0));
        assert_eq!(*y.shape(), [0, 3]);
        assert_eq!(norm.num_batches_tracked(), 0);
        assert_eq!(norm.running_var().to_vec(), [1.0; 3]);
    }

    #[test]
    #[should_panic(expected = "BatchNorm1d: a batch of shape [1, 3] has one value per feature")]
    fn a_batch_of_one_is_refused_in_training() {
        let _ = BatchNorm1d::<f64>::new(3).forward_train(&Var::constant(Tensor::zeros([1, 3])), &mut Rng::new(0));
    }

    #[test]
    fn the_statistics_can_start_again() {
        let mut norm = BatchNorm1d::<f64>::new(2);
        let x = Var::constant(Tensor::randn([5, 2], &mut Rng::new(1)));
        norm.forward_train(&x, &mut Rng::new(0));
        assert_ne!(norm.running_mean().to_vec(), [0.0; 2]);
        norm.reset_running_statistics();
        assert_eq!((norm.running_mean().to_vec(), norm.num_batches_tracked()), (vec![0.0; 2], 0));
    }
}
