//! Normalisation over a batch, channel by channel.

use super::total::dense;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::kernels::batch_norm::{self as kernel, Saved};
use kniff_tensor::kernels::planes;
use kniff_tensor::kernels::reduce::{self, Sum};
use kniff_tensor::{Element, Shape, Tensor};

/// The mean and the variance of every channel of a batch.
#[derive(Clone, Debug)]
pub struct ChannelMoments<E: Element> {
    /// The means, `[channels]`.
    pub mean: Tensor<E>,
    /// The variances with the sum of squares divided by the number of values of the channel, `[channels]`.
    pub variance: Tensor<E>,
}

impl<E: Element> ChannelMoments<E> {
    /// Of a batch [n, channels, ..] (NaN without values); in two passes, so that a mean that is large beside the
    /// deviation does no harm.
    ///
    /// # Panics
    /// With fewer than two axes.
    #[track_caller]
    pub fn of(x: &Tensor<E>) -> Self {
        let (_, channels, length) = planes_of(x.shape());
        let x = x.contiguous();
        let (mut mean, mut variance) = (Tensor::scratch([channels]), Tensor::scratch([channels]));
        if channels > 0 {
            let (mean, variance) = (mean.make_mut(), variance.make_mut());
            match length {
                1 => kernel::statistics(dense(&x), channels, mean, variance),
                _ => planes::channel_moments(dense(&x), length, mean, variance),
            }
        }
        Self { mean, variance }
    }
}

/// How many images, channels and values in each plane a batch has.
#[track_caller]
pub(super) fn planes_of(shape: &Shape) -> (usize, usize, usize) {
    assert!(shape.len() >= 2, "batch_norm: an input of shape {shape} is not [n, channels, ..]");
    (shape[0], shape[1], shape[2..].iter().product())
}

/// `gamma (x - mean) / sqrt(variance + eps) + beta` for the channels of a batch.
///
/// With `h = (x - mean) / sqrt(variance + eps)`, the pull-back to gamma is `sum g h`, that to beta `sum g`, and that to x is
/// `gamma / sqrt(variance + eps) (g - mean g - h mean(g h))` where the moments are those of x, and without the means where
/// they are given. Matrices are walked by rows, images by planes.
#[derive(Clone)]
pub(super) struct BatchNorm<E: Element> {
    moments: ChannelMoments<E>,
    eps: E,
    /// Whether the moments are those of the input, so that the gradient goes through them.
    of_input: bool,
}

impl<E: Element> Op<E> for BatchNorm<E> {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b111)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        let data = x[0].contiguous();
        let (gamma, beta) = (x.get(1).map(|t| t.contiguous()), x.get(2).map(|t| t.contiguous()));
        let affine = (gamma.as_ref().map(dense), beta.as_ref().map(dense));
        let mut out = Tensor::scratch(*data.shape());
        if data.is_empty() {
            return out;
        }
        let (images, _, length) = planes_of(data.shape());
        if length == 1 {
            let (mean, inverse) = (self.moments.mean.contiguous(), self.inverse_deviation());
            kernel::apply(dense(&data), (dense(&mean), &inverse), affine, out.make_mut());
            return out;
        }
        planes::affine(dense(&data), length, &self.numbers(affine.0, affine.1).repeat(images), out.make_mut());
        out
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        let way = Way::at(self, g, at, at.arity() == 3);
        let channels = way.mean.len();
        let (mut dgamma, mut dbeta) = (Tensor::zeros([channels]), Tensor::zeros([channels]));
        let through = self.of_input && to.needs(0);
        let affine = way.gamma.is_some() && (to.needs(1) || to.needs(2));
        if !way.x.is_empty() && (through || affine) {
            way.sums(dgamma.make_mut(), dbeta.make_mut());
        }
        to.input(0, || {
            if way.x.is_empty() {
                return way.dy.clone().into();
            }
            if self.of_input { way.input(&dgamma, &dbeta).into() } else { way.scaled().into() }
        });
        if affine {
            to.input(1, || dgamma.clone().into());
            to.input(2, || dbeta.clone().into());
        }
    }

    fn push_forward(&self, _: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        // The parts are run instead.
        None
    }

    fn parts(&self, x: &[&Var<E>]) -> Option<Var<E>> {
        let (mut axes, mut per_channel) = (vec![0], vec![1; x[0].rank() - 1]);
        axes.extend(2..x[0].rank());
        per_channel[0] = x[0].shape()[1];
        let (mean, variance) = if self.of_input {
            (x[0].mean(&axes, true), x[0].variance(&axes, 0, true))
        } else {
            let given = |t: &Tensor<E>| Var::constant(t.reshape(&per_channel[..]));
            (given(&self.moments.mean), given(&self.moments.variance))
        };
        let h = x[0].sub(&mean).div(&variance.add_scalar(self.eps).sqrt());
        Some(match x {
            [_, gamma, beta] => h.mul(&gamma.reshape(&per_channel[..])).add(&beta.reshape(&per_channel[..])),
            _ => h,
        })
    }

    fn own_bytes(&self) -> usize {
        self.moments.mean.bytes() + self.moments.variance.bytes()
    }
}

impl<E: Element> BatchNorm<E> {
    /// # Panics
    /// If the shapes do not fit `x`.
    #[track_caller]
    pub(super) fn new(
        x: &Var<E>,
        moments: &ChannelMoments<E>,
        affine: Option<(&Var<E>, &Var<E>)>,
        eps: E,
        of_input: bool,
    ) -> Self {
        let channels = [planes_of(x.shape()).1];
        let fits = *moments.mean.shape() == channels
            && *moments.variance.shape() == channels
            && affine.is_none_or(|(gamma, beta)| *gamma.shape() == channels && *beta.shape() == channels);
        assert!(
            fits,
            "batch_norm: an input of shape {} does not fit moments of shape {}{}",
            x.shape(),
            moments.mean.shape(),
            affine.map(|(g, b)| format!(", gamma {} and beta {}", g.shape(), b.shape())).unwrap_or_default()
        );
        Self { moments: moments.clone(), eps, of_input }
    }

    /// `1 / sqrt(variance + eps)`.
    fn inverse_deviation(&self) -> Vec<E> {
        kernel::inverse_std(dense(&self.moments.variance.contiguous()), self.eps)
    }

    /// The mean, the factor and the shift of every channel.
    pub(super) fn numbers(&self, gamma: Option<&[E]>, beta: Option<&[E]>) -> Vec<[E; 3]> {
        let (mean, inverse) = (self.moments.mean.contiguous(), self.inverse_deviation());
        (0..inverse.len())
            .map(|c| {
                let factor = gamma.map_or(inverse[c], |gamma| gamma[c] * inverse[c]);
                [dense(&mean)[c], factor, beta.map_or(E::ZERO, |beta| beta[c])]
            })
            .collect()
    }
}

/// What the way back works on.
pub(super) struct Way<E: Element> {
    pub(super) x: Tensor<E>,
    pub(super) dy: Tensor<E>,
    pub(super) mean: Tensor<E>,
    inverse: Vec<E>,
    pub(super) gamma: Option<Tensor<E>>,
}

impl<E: Element> Way<E> {
    /// Back from the cotangent `dy`; with `affine` the second input is gamma.
    pub(super) fn at(norm: &BatchNorm<E>, dy: &Var<E>, at: &At<'_, E>, affine: bool) -> Self {
        Self {
            x: at.input(0).into_value().contiguous(),
            dy: dy.value().contiguous(),
            mean: norm.moments.mean.contiguous(),
            inverse: norm.inverse_deviation(),
            gamma: affine.then(|| at.input(1).into_value().contiguous()),
        }
    }

    fn saved(&self) -> Saved<'_, E> {
        let gamma = self.gamma.as_ref().map(dense);
        Saved { x: dense(&self.x), mean: dense(&self.mean), inv_std: &self.inverse, gamma, relu: None }
    }

    /// `gamma / sqrt(variance + eps)` of a channel.
    fn factor(&self, channel: usize) -> E {
        self.gamma.as_ref().map_or(self.inverse[channel], |gamma| dense(gamma)[channel] * self.inverse[channel])
    }

    /// `sum g h` and `sum g` of every channel.
    fn sums(&self, dgamma: &mut [E], dbeta: &mut [E]) {
        let (images, channels, length) = planes_of(self.x.shape());
        if length == 1 {
            return kernel::backward_sums(self.saved(), dense(&self.dy), dgamma, dbeta);
        }
        let mut pairs = vec![E::ZERO; 2 * images * channels];
        planes::sums(dense(&self.dy), dense(&self.x), length, &dense(&self.mean).repeat(images), &mut pairs);
        self.join_sums(&pairs, dgamma, dbeta);
    }

    /// `sum g h` and `sum g` of every channel from `sum g` and `sum g (x - mean)` of every plane.
    pub(super) fn join_sums(&self, pairs: &[E], dgamma: &mut [E], dbeta: &mut [E]) {
        let (images, channels, _) = planes_of(self.x.shape());
        let mut of_channels = vec![E::ZERO; 2 * channels];
        reduce::columns(Sum, pairs, (images, 2 * channels), &mut of_channels);
        for (c, pair) in of_channels.chunks_exact(2).enumerate() {
            (dbeta[c], dgamma[c]) = (pair[0], pair[1] * self.inverse[c]);
        }
    }

    /// The gradient of the input where the moments are its own.
    pub(super) fn input(&self, dgamma: &Tensor<E>, dbeta: &Tensor<E>) -> Tensor<E> {
        let (images, _, length) = planes_of(self.x.shape());
        let mut dx = Tensor::scratch(*self.x.shape());
        if length == 1 {
            let (dgamma, dbeta) = (dense(dgamma), dense(dbeta));
            kernel::backward_input(self.saved(), dense(&self.dy), dgamma, dbeta, dx.make_mut());
            return dx;
        }
        let numbers = self.numbers(dgamma, dbeta).repeat(images);
        planes::combine(dense(&self.dy), dense(&self.x), length, &numbers, dx.make_mut());
        dx
    }

    /// What the gradient and the input of every channel are multiplied by, the mean that is taken off the input first,
    /// and what is added.
    pub(super) fn numbers(&self, dgamma: &Tensor<E>, dbeta: &Tensor<E>) -> Vec<[E; 4]> {
        let (dgamma, dbeta) = (dense(dgamma), dense(dbeta));
        let (images, channels, length) = planes_of(self.x.shape());
        let count = E::from_usize(images * length);
        (0..channels)
            .map(|c| {
                let factor = self.factor(c);
                let of_x = -(factor * self.inverse[c] * (dgamma[c] / count));
                [factor, of_x, dense(&self.mean)[c], -(factor * (dbeta[c] / count))]
            })
            .collect()
    }

    /// The gradient of the input where the moments are given.
    fn scaled(&self) -> Tensor<E> {
        let (images, channels, length) = planes_of(self.x.shape());
        let factors: Vec<E> = (0..channels).map(|c| self.factor(c)).collect();
        if length == 1 {
            return self.dy.mul(&Tensor::from_vec(factors, [channels]));
        }
        let numbers: Vec<[E; 3]> = factors.into_iter().map(|factor| [E::ZERO, factor, E::ZERO]).collect();
        let mut dx = Tensor::scratch(*self.x.shape());
        planes::affine(dense(&self.dy), length, &numbers.repeat(images), dx.make_mut());
        dx
    }
}

impl<E: Element> Var<E> {
    /// Every channel (axis 1), less its mean and divided by `sqrt(variance + eps)`, then times gamma plus beta.
    ///
    /// `moments` are [`ChannelMoments::of`] this batch; the gradient goes through them. The variance is the biased one.
    /// Source: Ioffe, Szegedy, "Batch normalization" (2015).
    ///
    /// # Panics
    /// Unless this has shape [n, channels, ..] and all others `[channels]`.
    #[track_caller]
    pub fn batch_norm(&self, moments: &ChannelMoments<E>, affine: Option<(&Var<E>, &Var<E>)>, eps: E) -> Var<E> {
        self.normalise(moments, affine, eps, true)
    }

    /// [`Var::batch_norm`] with moments that do not belong to this batch, such as running statistics: an affine
    /// function of each channel, in one pass.
    ///
    /// # Panics
    /// Unless this has shape [n, channels, ..] and all others `[channels]`.
    #[track_caller]
    pub fn normalise_channels(
        &self,
        moments: &ChannelMoments<E>,
        affine: Option<(&Var<E>, &Var<E>)>,
        eps: E,
    ) -> Var<E> {
        self.normalise(moments, affine, eps, false)
    }

    #[track_caller]
    fn normalise(
        &self,
        moments: &ChannelMoments<E>,
        affine: Option<(&Var<E>, &Var<E>)>,
        eps: E,
        of_input: bool,
    ) -> Var<E> {
        let op = BatchNorm::new(self, moments, affine, eps, of_input);
        match affine {
            Some((gamma, beta)) => apply(op, &[self, gamma, beta]),
            None => apply(op, &[self]),
        }
    }
}

/// A matrix half of the time, else a batch of images.
#[cfg(feature = "cases")]
fn inputs(rng: &mut kniff_tensor::Rng) -> Vec<Tensor<f64>> {
    let shape = if rng.bernoulli(0.5) { Shape::from([5, 3]) } else { Shape::from([2, 3, 2, 2]) };
    vec![draw(rng, shape, -2.0, 2.0, &[]), draw(rng, [3], 0.5, 2.0, &[]), draw(rng, [3], -1.0, 1.0, &[])]
}

#[cfg(feature = "cases")]
pub(super) const BATCH: Case = Case {
    name: "batch_norm",
    inputs,
    f: |x| x[0].batch_norm(&ChannelMoments::of(x[0].value()), Some((&x[1], &x[2])), 0.1).square(),
};
#[cfg(feature = "cases")]
pub(super) const GIVEN: Case = Case {
    name: "normalise_channels",
    inputs,
    f: |x| {
        let moments = ChannelMoments { mean: Tensor::linspace(-1.0, 1.0, 3), variance: Tensor::linspace(0.5, 2.0, 3) };
        x[0].normalise_channels(&moments, Some((&x[1], &x[2])), 0.1).square()
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;
    use kniff_tensor::Rng;

    #[test]
    fn the_fused_normalisation_is_its_parts() {
        let mut rng = Rng::new(2);
        for shape in [&[2, 5][..], &[7, 5], &[200, 5], &[1, 5, 2], &[3, 5, 7], &[4, 5, 3, 6]] {
            let x = Var::constant(Tensor::<f64>::randn(shape, &mut rng).affine(3.0, 10.0));
            let gamma = Var::constant(Tensor::<f64>::randn([5], &mut rng));
            let beta = Var::constant(Tensor::<f64>::randn([5], &mut rng));
            let u = Var::constant(Tensor::<f64>::randn(shape, &mut rng));
            let point = vec![x.clone(), gamma, beta];
            for of_input in [true, false] {
                for arity in [3, 1] {
                    let op = BatchNorm { moments: ChannelMoments::of(x.value()), eps: 1e-5, of_input };
                    let fused = |x: &Vec<Var<f64>>| {
                        apply(op.clone(), &x.iter().take(arity).collect::<Vec<_>>()).mul(&u).sum_all()
                    };
                    let parts = |x: &Vec<Var<f64>>| {
                        op.parts(&x.iter().take(arity).collect::<Vec<_>>()).unwrap().mul(&u).sum_all()
                    };
                    assert!((fused(&point).item() - parts(&point).item()).abs() < 1e-10);
                    for (a, b) in grad(fused, &point).iter().zip(&grad(parts, &point)) {
                        let close = |(a, b): (&f64, f64)| assert!((a - b).abs() < 1e-9, "{a} {b}");
                        a.value().to_vec().iter().zip(b.value().to_vec()).for_each(close);
                    }
                }
            }
        }
    }

    #[test]
    fn threads_change_nothing() {
        let mut rng = Rng::new(4);
        let (x, g) = (Tensor::<f32>::randn([3000, 40], &mut rng), Tensor::<f32>::randn([3000, 40], &mut rng));
        let run = |threads| {
            kniff_tensor::parallel::with_threads(threads, || {
                let x = Var::tracked(x.clone());
                let y = x.batch_norm(&ChannelMoments::of(x.value()), None, 1e-5);
                let value = y.value().to_vec();
                let gradient = y.mul(&g.clone().into()).sum_all().backward();
                (value, gradient.of(&x).unwrap().to_vec())
            })
        };
        assert_eq!(run(1), run(3));
    }
}
