//! Batch normalisation of features and of the channels of images.

use crate::layer::ShapeError;
use crate::{Buffer, Layer, Module, Stage, Then};
use kniff_autograd::ops::ChannelMoments;
use kniff_autograd::{Parameter, Var};
use kniff_tensor::{Element, Rng, Shape, Tensor};

/// Every channel less its mean and divided by `sqrt(variance + eps)`, then times a weight plus a bias.
///
/// [`BatchNorm1d`] takes [n, channels] or [n, channels, length], [`BatchNorm2d`] [n, channels, height, width]; the moments of
/// a channel are taken over all other axes. In training they are those of the batch, and the gradient goes through
/// them; at test time they are running averages, and the layer is one affine pass.
///
/// As in PyTorch, `momentum` is the weight of the NEW batch: `running = (1 - momentum) running + momentum batch` (Keras
/// and the paper mean the weight of the old), batches are normalised by the biased variance, and the unbiased one goes
/// into `running_var` (JAX's libraries and Keras keep the biased). A batch of one value per channel cannot be normalised.
///
/// There are always running statistics. A test-time output that depends on the other examples of its batch (PyTorch's
/// `track_running_stats=False`) is [`Var::batch_norm`] with the moments of that batch.
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
pub struct BatchNorm<const AXES: usize, E: Element = f32> {
    weight: Option<Parameter<E>>,
    bias: Option<Parameter<E>>,
    running_mean: Buffer<E>,
    running_var: Buffer<E>,
    num_batches_tracked: Buffer<E>,
    #[module(skip)]
    eps: f64,
    #[module(skip)]
    momentum: Option<f64>,
    /// How many values of each channel have been seen since the statistics are taken anew.
    #[module(skip)]
    estimated_from: usize,
}

/// Batch normalisation of [n, channels] or [n, channels, length].
pub type BatchNorm1d<E = f32> = BatchNorm<1, E>;

/// Batch normalisation of images [n, channels, height, width].
///
/// ```
/// use kniff_autograd::Var;
/// use kniff_nn::{Layer, layers::BatchNorm2d};
/// use kniff_tensor::{Rng, Tensor};
/// let mut norm = BatchNorm2d::<f64>::new(1).with_eps(0.0);
/// // One image of two pixels will do: its channel has two values.
/// let x = Var::constant(Tensor::from_slice(&[1.0, 3.0], [1, 1, 1, 2]));
/// assert_eq!(norm.forward_train(&x, &mut Rng::new(0)).value().to_vec(), [-1.0, 1.0]);
/// ```
pub type BatchNorm2d<E = f32> = BatchNorm<2, E>;

impl<const AXES: usize, E: Element> BatchNorm<AXES, E> {
    const NAME: &'static str = if AXES == 1 { "BatchNorm1d" } else { "BatchNorm2d" };

    /// With weights of 1, biases of 0, `eps` 1e-5 and `momentum` 0.1.
    pub fn new(channels: usize) -> Self {
        Self {
            weight: Some(Parameter::new(Tensor::ones([channels]))),
            bias: Some(Parameter::new(Tensor::zeros([channels]))),
            ..Self::without_affine(channels)
        }
    }

    /// Without weights and biases.
    pub fn without_affine(channels: usize) -> Self {
        Self {
            weight: None,
            bias: None,
            running_mean: Buffer::new(Tensor::zeros([channels])),
            running_var: Buffer::new(Tensor::ones([channels])),
            num_batches_tracked: Buffer::new(Tensor::scalar(E::ZERO)),
            eps: 1e-5,
            momentum: Some(0.1),
            estimated_from: 0,
        }
    }

    /// With another number added to the variance.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[must_use]
    #[track_caller]
    pub fn with_eps(self, eps: f64) -> Self {
        assert!(eps >= 0.0 && eps.is_finite(), "{}: eps is {eps}, which cannot be added to a variance", Self::NAME);
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
        let name = Self::NAME;
        assert!(fits, "{name}: a momentum of {momentum:?} is not the weight of a batch, which is from 0 to 1");
        Self { momentum, ..self }
    }

    /// The factor after normalising, `[channels]`.
    pub fn weight(&self) -> Option<&Parameter<E>> {
        self.weight.as_ref()
    }

    /// The offset after normalising, `[channels]`.
    pub fn bias(&self) -> Option<&Parameter<E>> {
        self.bias.as_ref()
    }

    /// The mean that test time uses, `[channels]`.
    pub fn running_mean(&self) -> &Tensor<E> {
        self.running_mean.value()
    }

    /// The unbiased variance that test time uses, `[channels]`.
    pub fn running_var(&self) -> &Tensor<E> {
        self.running_var.value()
    }

    /// How many batches the running statistics have seen. A number of the model's precision: in f32 it stays at 2^24, from
    /// where on a further batch would weigh less than 1e-7 in a cumulative average.
    pub fn num_batches_tracked(&self) -> usize {
        self.num_batches_tracked.value().item().to_f64() as usize
    }

    /// Starts the running statistics again, at 0 and 1.
    pub fn reset_running_statistics(&mut self) {
        *self.running_mean.value_mut() = Tensor::zeros(*self.running_mean().shape());
        *self.running_var.value_mut() = Tensor::ones(*self.running_var().shape());
        *self.num_batches_tracked.value_mut() = Tensor::scalar(E::ZERO);
        self.estimated_from = 0;
    }

    fn channels(&self) -> usize {
        self.running_mean().len()
    }

    /// What the layer takes, for messages.
    fn takes(&self) -> String {
        let c = self.channels();
        if AXES == 1 { format!("[n, {c}] or [n, {c}, length]") } else { format!("[n, {c}, height, width]") }
    }

    fn fits(&self, example: &[usize]) -> bool {
        let axes = if AXES == 1 { 1..=2 } else { 3..=3 };
        axes.contains(&example.len()) && example[0] == self.channels()
    }

    #[track_caller]
    fn check(&self, x: &Var<E>) {
        let fits = x.rank() > 0 && self.fits(&x.shape()[1..]);
        assert!(fits, "{}: an input of shape {} is not {}", Self::NAME, x.shape(), self.takes());
    }

    fn affine(&self) -> Option<(Var<E>, Var<E>)> {
        Some((self.weight.as_ref()?.var(), self.bias.as_ref()?.var()))
    }

    /// Normalises by the moments of the batch, and does what follows; gives them, and from how many values of each channel
    /// they are, if there are any.
    #[track_caller]
    fn by_batch(&self, x: &Var<E>, then: Then<'_, E>) -> (Var<E>, Option<(ChannelMoments<E>, usize)>) {
        self.check(x);
        let values = x.len() / self.channels().max(1);
        assert!(
            values != 1,
            "{}: a batch of shape {} has one value per channel, which cannot be normalised; train on batches of at least \
             two examples and drop a last one that is shorter",
            Self::NAME,
            x.shape()
        );
        let moments = ChannelMoments::of(x.value());
        let (affine, eps) = (self.affine(), E::from_f64(self.eps));
        let affine = affine.as_ref().map(|(w, b)| (w, b));
        let same = then.plus().is_none_or(|plus| plus.shape() == x.shape());
        let y = if then.has_relu() && same {
            x.batch_norm_relu(&moments, affine, then.plus(), eps)
        } else {
            then.apply(x.batch_norm(&moments, affine, eps))
        };
        (y, (values > 1).then_some((moments, values)))
    }

    fn track(&mut self, batch: &ChannelMoments<E>, n: usize) {
        let counted = self.num_batches_tracked.value().add_scalar(E::ONE);
        let new = self.momentum.map_or(E::ONE / counted.item(), E::from_f64);
        *self.num_batches_tracked.value_mut() = counted;
        let unbiased = batch.variance.mul_scalar(E::from_usize(n) / E::from_usize(n - 1));
        for (running, batch) in [(&mut self.running_mean, &batch.mean), (&mut self.running_var, &unbiased)] {
            let running = running.value_mut();
            *running = running.mul_scalar(E::ONE - new).add(&batch.mul_scalar(new));
        }
    }

    /// Joins the moments of a batch of `n` values per channel to those of all batches before, by the formula of Chan, Golub
    /// and LeVeque: the statistics are those of all values together.
    fn join(&mut self, batch: &ChannelMoments<E>, n: usize) {
        let seen = self.estimated_from;
        *self.num_batches_tracked.value_mut() = self.num_batches_tracked.value().add_scalar(E::ONE);
        self.estimated_from = seen + n;
        let (a, b) = (E::from_usize(seen), E::from_usize(n));
        let total = a + b;
        let gap = batch.mean.sub(self.running_mean());
        let mean = self.running_mean().add(&gap.mul_scalar(b / total));
        let squares = self.running_var().mul_scalar(E::from_usize(seen.saturating_sub(1)));
        let squares = squares.add(&batch.variance.mul_scalar(b)).add(&gap.square().mul_scalar(a * (b / total)));
        *self.running_var.value_mut() = squares.mul_scalar(E::ONE / (total - E::ONE));
        *self.running_mean.value_mut() = mean;
    }
}

impl<const AXES: usize, E: Element> Layer<E> for BatchNorm<AXES, E> {
    fn forward(&self, x: &Var<E>) -> Var<E> {
        self.check(x);
        let moments = ChannelMoments { mean: self.running_mean().clone(), variance: self.running_var().clone() };
        let affine = self.affine();
        x.normalise_channels(&moments, affine.as_ref().map(|(w, b)| (w, b)), E::from_f64(self.eps))
    }

    /// # Panics
    /// If the batch has one value per channel: its deviation is 0 whatever it is. Drop the last, short batch.
    fn forward_train(&mut self, x: &Var<E>, rng: &mut Rng) -> Var<E> {
        self.forward_train_then(x, Then::nothing(), rng)
    }

    fn forward_train_then(&mut self, x: &Var<E>, then: Then<'_, E>, _: &mut Rng) -> Var<E> {
        let (y, seen) = self.by_batch(x, then);
        if let Some((moments, n)) = seen {
            self.track(&moments, n);
        }
        y
    }

    /// # Panics
    /// If the batch has one value per channel.
    fn forward_estimating(&mut self, x: &Var<E>, first: bool) -> Var<E> {
        if first {
            self.reset_running_statistics();
        }
        let (y, seen) = self.by_batch(x, Then::nothing());
        if let Some((moments, n)) = seen {
            self.join(&moments, n);
        }
        y
    }

    fn stage(&self) -> Stage<'_, E> {
        let wide = |t: &Tensor<E>| t.to_vec().iter().map(|x| x.to_f64()).collect::<Vec<_>>();
        let channels = self.channels();
        let of =
            |p: &Option<Parameter<E>>, none: f64| p.as_ref().map_or_else(|| vec![none; channels], |p| wide(p.value()));
        let (weight, bias) = (of(&self.weight, 1.0), of(&self.bias, 0.0));
        let (mean, variance) = (wide(self.running_mean()), wide(self.running_var()));
        let scale: Vec<f64> = weight.iter().zip(&variance).map(|(w, v)| w / (v + self.eps).sqrt()).collect();
        let shift = bias.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Stage::Scale { scale, shift }
    }

    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn output_shape(&self, input: &[usize]) -> Result<Shape, ShapeError> {
        if self.fits(input) {
            return Ok(Shape::new(input));
        }
        Err(ShapeError::new(Self::NAME, input, format!("it takes batches of shape {}", self.takes())))
    }

    fn smallest_training_batch(&self, input: &[usize]) -> usize {
        // Several positions are several values of a channel.
        if input.get(1..).is_some_and(|positions| positions.iter().product::<usize>() > 1) { 1 } else { 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModuleExt;

    #[test]
    fn the_state_has_the_names_of_pytorch() {
        let norm = BatchNorm2d::<f32>::new(3);
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
    #[should_panic(expected = "BatchNorm1d: a batch of shape [1, 3] has one value per channel")]
    fn a_batch_of_one_is_refused_in_training() {
        let _ = BatchNorm1d::<f64>::new(3).forward_train(&Var::constant(Tensor::zeros([1, 3])), &mut Rng::new(0));
    }

    #[test]
    #[should_panic(expected = "BatchNorm2d: a batch of shape [1, 3, 1, 1] has one value per channel")]
    fn one_image_of_one_pixel_is_refused_in_training() {
        let _ = BatchNorm2d::<f64>::new(3).forward_train(&Var::constant(Tensor::zeros([1, 3, 1, 1])), &mut Rng::new(0));
    }

    #[test]
    #[should_panic(expected = "BatchNorm2d: an input of shape [2, 3] is not [n, 3, height, width]")]
    fn a_matrix_is_no_batch_of_images() {
        let _ = BatchNorm2d::<f64>::new(3).forward(&Var::constant(Tensor::zeros([2, 3])));
    }

    #[test]
    fn how_many_examples_it_takes_depends_on_their_size() {
        let smallest = |shape: &[usize]| Layer::smallest_training_batch(&BatchNorm2d::<f32>::new(3), shape);
        assert_eq!((smallest(&[3, 1, 1]), smallest(&[3, 1, 2])), (2, 1));
        let smallest = |shape: &[usize]| Layer::smallest_training_batch(&BatchNorm1d::<f32>::new(3), shape);
        assert_eq!((smallest(&[3]), smallest(&[3, 1]), smallest(&[3, 4])), (2, 2, 1));
        let error = BatchNorm2d::<f32>::new(3).output_shape(&[4, 2, 2]).unwrap_err();
        assert!(error.to_string().contains("BatchNorm2d"), "{error}");
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

    #[test]
    fn statistics_taken_anew_are_those_of_all_values() {
        let mut norm = BatchNorm2d::<f64>::new(3).with_momentum(Some(0.7));
        let x = Tensor::randn([9, 3, 2, 5], &mut Rng::new(1)).affine(2.0, 5.0);
        norm.forward_train(&Var::constant(Tensor::randn([2, 3, 4, 4], &mut Rng::new(2))), &mut Rng::new(0));
        for (i, range) in [0..4, 4..8, 8..9].into_iter().enumerate() {
            norm.forward_estimating(&Var::constant(x.slice_axis(0, range)), i == 0);
        }
        let close = |a: &Tensor<f64>, b: &Tensor<f64>| {
            a.to_vec().iter().zip(b.to_vec()).for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{a} {b}"));
        };
        close(norm.running_mean(), &x.mean(&[0, 2, 3], false));
        close(norm.running_var(), &x.var(&[0, 2, 3], 1, false));
        assert_eq!(norm.num_batches_tracked(), 3);
    }
}
