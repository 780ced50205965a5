//! The contract of a loss of the residual `x - t`, from which its operation is made.

use super::total::{self, Reduce, dense};
use crate::Var;
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::kernels::elementwise::{Binary, Ternary, zip3};
use kniff_tensor::simd::Isa;
use kniff_tensor::{Element, Tensor};

/// A function of one residual with its derivative. Mark `value` and `slope` `#[inline(always)]`: they become kernels.
pub(super) trait Penalty<E: Element>: Copy + Send + Sync + 'static {
    /// The name for messages.
    const NAME: &'static str;
    /// What a residual costs.
    fn value<I: Isa>(self, r: E) -> E;
    /// The derivative.
    fn slope<I: Isa>(self, r: E) -> E;
    /// The same function made of other operations.
    fn parts(self, r: &Var<E>) -> Var<E>;
}

/// The loss of two tensors of one shape: a pass forward that keeps them, a pass back.
#[derive(Clone, Copy)]
struct Residual<P> {
    penalty: P,
    reduce: Reduce,
}

#[derive(Clone, Copy)]
struct Value<P>(P);
impl<E: Element, P: Penalty<E>> Binary<E> for Value<P> {
    #[inline(always)]
    fn at<I: Isa>(self, x: E, t: E) -> E {
        self.0.value::<I>(x - t)
    }
}

/// The slope times one number.
#[derive(Clone, Copy)]
struct Scaled<P, E>(P, E);
impl<E: Element, P: Penalty<E>> Binary<E> for Scaled<P, E> {
    #[inline(always)]
    fn at<I: Isa>(self, x: E, t: E) -> E {
        self.1 * self.0.slope::<I>(x - t)
    }
}

/// The slope times a cotangent.
#[derive(Clone, Copy)]
struct Pulled<P>(P);
impl<E: Element, P: Penalty<E>> Ternary<E> for Pulled<P> {
    #[inline(always)]
    fn at<I: Isa>(self, g: E, x: E, t: E) -> E {
        g * self.0.slope::<I>(x - t)
    }
}

impl<E: Element, P: Penalty<E>> Op<E> for Residual<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b11)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        if self.reduce == Reduce::None {
            return x[0].zip_with(P::NAME, Value(self.penalty), x[1]);
        }
        Tensor::scalar(self.scale::<E>(x[0].len()) * total::of_two(Value(self.penalty), x[0], x[1]))
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || self.slope(g, at, 0, 1));
        // All penalties are even functions.
        to.input(1, || self.slope(g, at, 1, 0));
    }

    fn push_forward(&self, _: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        // The parts are run instead.
        None
    }

    fn parts(&self, x: &[&Var<E>]) -> Option<Var<E>> {
        let each = self.penalty.parts(&x[0].sub(x[1]));
        Some(match self.reduce {
            Reduce::None => each,
            _ => each.sum_all().mul_scalar(self.scale(x[0].len())),
        })
    }
}

impl<P> Residual<P> {
    fn scale<E: Element>(&self, n: usize) -> E {
        if self.reduce == Reduce::Mean { E::ONE / E::from_usize(n) } else { E::ONE }
    }

    fn slope<E: Element>(&self, g: &Var<E>, at: &At<'_, E>, x: usize, t: usize) -> Var<E>
    where
        P: Penalty<E>,
    {
        let (x, t) = (at.input(x).into_value(), at.input(t).into_value());
        if self.reduce != Reduce::None {
            let g = g.item() * self.scale(x.len());
            return Var::constant(x.zip_with(P::NAME, Scaled(self.penalty, g), &t));
        }
        let (g, x, t) = (g.value().contiguous(), x.contiguous(), t.contiguous());
        let mut out = Tensor::scratch(*x.shape());
        zip3(Pulled(self.penalty), dense(&g), dense(&x), dense(&t), out.make_mut());
        Var::constant(out)
    }
}

/// Runs the loss.
#[track_caller]
pub(super) fn residual<E: Element, P: Penalty<E>>(penalty: P, x: &Var<E>, target: &Var<E>, reduce: Reduce) -> Var<E> {
    assert!(
        x.shape() == target.shape(),
        "{}: an output of shape {} and a target of shape {} differ",
        P::NAME,
        x.shape(),
        target.shape()
    );
    apply(Residual { penalty, reduce }, &[x, target])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::grad;
    use kniff_tensor::Rng;

    /// The fused operation gives the value and the gradients of its parts.
    pub(in crate::ops) fn fused_is_its_parts<P: Penalty<f64>>(penalty: P) {
        let mut rng = Rng::new(5);
        let x = Var::constant(Tensor::<f64>::randn([7, 9], &mut rng));
        let t = Var::constant(Tensor::<f64>::randn([7, 9], &mut rng));
        let u = Var::constant(Tensor::<f64>::randn([7, 9], &mut rng));
        for reduce in [Reduce::None, Reduce::Sum, Reduce::Mean] {
            let weigh = |y: Var<f64>| if reduce == Reduce::None { y.mul(&u).sum_all() } else { y };
            let fused = |x: &[Var<f64>; 2]| weigh(residual(penalty, &x[0], &x[1], reduce));
            let parts = |x: &[Var<f64>; 2]| weigh(Residual { penalty, reduce }.parts(&[&x[0], &x[1]]).unwrap());
            let at = [x.clone(), t.clone()];
            assert!((fused(&at).item() - parts(&at).item()).abs() < 1e-12);
            for (a, b) in grad(fused, &at).iter().zip(&grad(parts, &at)) {
                a.value().to_vec().iter().zip(b.value().to_vec()).for_each(|(a, b)| assert!((a - b).abs() < 1e-12));
            }
        }
    }

    #[test]
    #[should_panic(expected = "an output of shape [2] and a target of shape [2, 1] differ")]
    fn shapes_are_never_broadcast() {
        let _ = Var::<f32>::constant(Tensor::zeros([2])).mse(&Var::constant(Tensor::zeros([2, 1])), Reduce::Mean);
    }
}
