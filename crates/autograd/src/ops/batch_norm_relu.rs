//! Batch normalisation, what is added to it, and the rectifier, in one operation.

use super::batch_norm::{BatchNorm, ChannelMoments, Way, planes_of};
use super::total::dense;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::kernels::planes_relu as kernel;
use kniff_tensor::{Element, Tensor};

/// `max(0, norm + plus)` where norm is the [`BatchNorm`] of a batch of planes; inputs are those of batch norm, then plus.
///
/// With g the cotangent where the output is above 0, and 0 elsewhere, the pull-back to plus is g, and all others are those of
/// batch norm from g. Without plus the sign is found again from x, so that not even the output is kept; with it the output
/// is kept, which the next layer keeps anyway.
#[derive(Clone)]
struct BatchNormRelu<E: Element> {
    norm: BatchNorm<E>,
    plus: bool,
}

impl<E: Element> BatchNormRelu<E> {
    /// The inputs of batch norm, and what is added.
    fn split<'a, T>(&self, x: &'a [T]) -> (&'a [T], Option<&'a T>) {
        match x.split_last() {
            Some((plus, norm)) if self.plus => (norm, Some(plus)),
            _ => (x, None),
        }
    }
}

impl<E: Element> Op<E> for BatchNormRelu<E> {
    fn name(&self) -> &'static str {
        "batch_norm_relu"
    }

    fn keeps(&self) -> Keeps {
        let keeps = Keeps::inputs(0b1111);
        if self.plus { keeps.and_output() } else { keeps }
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        let (norm, plus) = self.split(x);
        let (data, plus) = (norm[0].contiguous(), plus.map(|plus| plus.contiguous()));
        let (gamma, beta) = (norm.get(1).map(|t| t.contiguous()), norm.get(2).map(|t| t.contiguous()));
        let mut out = Tensor::scratch(*data.shape());
        if data.is_empty() {
            return out;
        }
        let (images, _, length) = planes_of(data.shape());
        let rows = self.norm.numbers(gamma.as_ref().map(dense), beta.as_ref().map(dense)).repeat(images);
        kernel::forward(dense(&data), plus.as_ref().map(dense), length, &rows, out.make_mut());
        out
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        let affine = at.arity() == 3 + usize::from(self.plus);
        let mut way = Way::at(&self.norm, g, at, affine);
        if way.x.is_empty() {
            (0..at.arity()).for_each(|i| to.input(i, || Var::constant(Tensor::zeros(*at.shape(i)))));
            return;
        }
        let (images, channels, length) = planes_of(way.x.shape());
        let mut pairs = vec![E::ZERO; 2 * images * channels];
        let (mut dgamma, mut dbeta) = (Tensor::zeros([channels]), Tensor::zeros([channels]));
        if self.plus {
            let (y, mut gated) = (at.output().value().contiguous(), Tensor::scratch(*way.x.shape()));
            let centres = dense(&way.mean).repeat(images);
            let inputs = (dense(&way.dy), dense(&y), dense(&way.x));
            kernel::gated_sums(inputs, length, &centres, gated.make_mut(), &mut pairs);
            way.join_sums(&pairs, dgamma.make_mut(), dbeta.make_mut());
            // From here on batch norm alone is left.
            way.dy = gated;
            to.input(0, || way.input(&dgamma, &dbeta).into());
            to.input(at.arity() - 1, || way.dy.clone().into());
        } else {
            let beta = affine.then(|| at.input(2).into_value().contiguous());
            let rows = self.norm.numbers(way.gamma.as_ref().map(dense), beta.as_ref().map(dense)).repeat(images);
            kernel::sums(dense(&way.dy), dense(&way.x), length, &rows, &mut pairs);
            way.join_sums(&pairs, dgamma.make_mut(), dbeta.make_mut());
            to.input(0, || {
                let back = way.numbers(&dgamma, &dbeta).repeat(images);
                let mut dx = Tensor::scratch(*way.x.shape());
                kernel::combine(dense(&way.dy), dense(&way.x), length, (&rows, &back), dx.make_mut());
                dx.into()
            });
        }
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
        let (norm, plus) = self.split(x);
        let norm = self.norm.parts(norm)?;
        Some(plus.map_or_else(|| norm.relu(), |plus| norm.add(plus).relu()))
    }

    fn own_bytes(&self) -> usize {
        Op::<E>::own_bytes(&self.norm)
    }
}

impl<E: Element> Var<E> {
    /// [`Var::batch_norm`], plus `plus` if it is given, and [`Var::relu`] of that: the same numbers to the bit, in one pass
    /// over a batch with planes.
    ///
    /// What lies between the three is never stored; nothing but the input, what is added and the output is kept.
    ///
    /// # Panics
    /// Unless this has shape [n, channels, ..], `plus` the same, and all others `[channels]`.
    #[track_caller]
    pub fn batch_norm_relu(
        &self,
        moments: &ChannelMoments<E>,
        affine: Option<(&Var<E>, &Var<E>)>,
        plus: Option<&Var<E>>,
        eps: E,
    ) -> Var<E> {
        let (_, _, length) = planes_of(self.shape());
        let fits = plus.is_none_or(|plus| plus.shape() == self.shape());
        assert!(
            fits,
            "batch_norm_relu: a batch of shape {} and what is added, of shape {}, differ",
            self.shape(),
            plus.map_or(*self.shape(), |plus| *plus.shape())
        );
        if length == 1 {
            let norm = self.batch_norm(moments, affine, eps);
            return plus.map_or_else(|| norm.relu(), |plus| norm.add(plus).relu());
        }
        let norm = BatchNorm::new(self, moments, affine, eps, true);
        let op = BatchNormRelu { norm, plus: plus.is_some() };
        match (affine, plus) {
            (Some((gamma, beta)), Some(plus)) => apply(op, &[self, gamma, beta, plus]),
            (Some((gamma, beta)), None) => apply(op, &[self, gamma, beta]),
            (None, Some(plus)) => apply(op, &[self, plus]),
            (None, None) => apply(op, &[self]),
        }
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "batch_norm_relu",
    inputs: |rng| {
        // The output stays away from the corner: a channel has few values, all within 2 of its mean after normalising.
        let shape = kniff_tensor::Shape::from([2, 2, 2, 2]);
        let x = draw(rng, shape, -2.0, 2.0, &[]);
        vec![x, draw(rng, [2], 0.1, 0.4, &[]), draw(rng, [2], 2.5, 3.0, &[]), draw(rng, shape, -1.0, 1.0, &[])]
    },
    f: |x| {
        let moments = ChannelMoments::of(x[0].value());
        let below = x[0].batch_norm_relu(&moments, Some((&x[1], &x[2].neg())), Some(&x[3]), 0.1);
        let above = x[0].batch_norm_relu(&moments, Some((&x[1], &x[2])), Some(&x[3]), 0.1);
        let alone = x[0].batch_norm_relu(&moments, Some((&x[1], &x[2])), None, 0.1);
        below.add(&above).square().add(&alone.square())
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grad;
    use kniff_tensor::Rng;

    /// A batch with gamma, beta and what is added.
    fn point(shape: &[usize], rng: &mut Rng) -> [Var<f32>; 4] {
        let x = Tensor::randn(shape, rng).affine(3.0, 10.0);
        [x, Tensor::randn([5], rng), Tensor::randn([5], rng), Tensor::randn(shape, rng)].map(Var::tracked)
    }

    #[test]
    fn it_is_batch_norm_and_sum_and_rectifier_to_the_bit() {
        let mut rng = Rng::new(2);
        for shape in [&[7, 5][..], &[1, 5, 2], &[3, 5, 7], &[4, 5, 3, 6], &[40, 5, 32, 31], &[0, 5, 2, 2]] {
            let at = point(shape, &mut rng);
            let [x, gamma, beta, plus] = &at;
            let weight = Var::constant(Tensor::randn(shape, &mut rng));
            let moments = ChannelMoments::of(x.value());
            for affine in [Some((gamma, beta)), None] {
                for plus in [Some(plus), None] {
                    let fused = x.batch_norm_relu(&moments, affine, plus, 1e-5);
                    let norm = x.batch_norm(&moments, affine, 1e-5);
                    let parts = plus.map_or(norm.clone(), |plus| norm.add(plus)).relu();
                    assert_eq!(fused.value().to_vec(), parts.value().to_vec());
                    let (fused, parts) =
                        (fused.mul(&weight).sum_all().backward(), parts.mul(&weight).sum_all().backward());
                    for input in &at {
                        let gradient = |of: &crate::Gradients| of.of(input).map(|g| g.to_vec());
                        assert_eq!(gradient(&fused), gradient(&parts), "{shape:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_derivative_of_the_derivative_is_that_of_the_parts() {
        let mut rng = Rng::new(3);
        let x = Var::constant(Tensor::<f64>::randn([3, 2, 4], &mut rng));
        let plus = Var::constant(Tensor::<f64>::randn([3, 2, 4], &mut rng));
        let moments = ChannelMoments::of(x.value());
        let twice = |f: &dyn Fn(&Var<f64>) -> Var<f64>| {
            grad(|x: &Var<f64>| grad(|x: &Var<f64>| f(x).square().sum_all(), x).square().sum_all(), &x)
        };
        for plus in [None, Some(&plus)] {
            let fused = twice(&|x| x.batch_norm_relu(&moments, None, plus, 1e-3));
            let parts = twice(&|x| {
                let norm = x.batch_norm(&moments, None, 1e-3);
                plus.map_or(norm.clone(), |plus| norm.add(plus)).relu()
            });
            let pairs = fused.value().to_vec().into_iter().zip(parts.value().to_vec());
            pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-9, "{a} {b}"));
            assert!(fused.value().to_vec().iter().any(|x| x.abs() > 1e-3));
        }
    }

    #[test]
    #[should_panic(expected = "a batch of shape [2, 5, 3] and what is added, of shape [2, 5, 1], differ")]
    fn what_is_added_is_never_broadcast() {
        let x = Var::<f32>::constant(Tensor::zeros([2, 5, 3]));
        let moments = ChannelMoments::of(x.value());
        let _ = x.batch_norm_relu(&moments, None, Some(&Var::constant(Tensor::zeros([2, 5, 1]))), 1e-5);
    }
}
