//! The contract of a function of one number, from which its operation is made.

use crate::Var;
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::kernels::elementwise::{Binary, Unary};
use kniff_tensor::simd::Isa;
use kniff_tensor::{Element, Tensor};

/// Which side of the function its slope is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The argument.
    Input,
    /// The value; where the next operation keeps its argument, this costs no memory.
    Output,
}

/// A function of one number with its derivative; `Var::map_op` applies it to every element.
///
/// Mark [`Elementwise::value`] and [`Elementwise::pull`] `#[inline(always)]`: they become kernels.
pub trait Elementwise<E: Element>: Copy + Send + Sync + 'static {
    /// The name for messages.
    const NAME: &'static str;
    /// What the derivative is computed from.
    const KEEP: Keep;

    /// f(x).
    fn value<I: Isa>(self, x: E) -> E;

    /// `g f'`, from what is kept (x or f(x)).
    fn pull<I: Isa>(self, g: E, kept: E) -> E;

    /// f' as an expression that can be differentiated further, from what is kept.
    fn slope(self, kept: &Var<E>) -> Var<E>;
}

#[derive(Clone, Copy)]
struct Value<F>(F);
impl<E: Element, F: Elementwise<E>> Unary<E> for Value<F> {
    #[inline(always)]
    fn at<I: Isa>(self, x: E) -> E {
        self.0.value::<I>(x)
    }
}

#[derive(Clone, Copy)]
struct Pull<F>(F);
impl<E: Element, F: Elementwise<E>> Binary<E> for Pull<F> {
    #[inline(always)]
    fn at<I: Isa>(self, g: E, kept: E) -> E {
        self.0.pull::<I>(g, kept)
    }
}

/// The operation of an elementwise function.
#[derive(Clone, Copy)]
struct Map<F>(F);

impl<E: Element, F: Elementwise<E>> Op<E> for Map<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn keeps(&self) -> Keeps {
        match F::KEEP {
            Keep::Input => Keeps::inputs(1),
            Keep::Output => Keeps::OUTPUT,
        }
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].map_with(Value(self.0))
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || {
            let kept = self.kept(at);
            if g.is_plain() && kept.is_plain() {
                return Var::constant(g.value.zip_with(F::NAME, Pull(self.0), &kept.value));
            }
            g.mul(&self.0.slope(&kept))
        });
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| {
            let kept = self.kept(at);
            if dx.is_plain() && kept.is_plain() {
                return Var::constant(dx.value.zip_with(F::NAME, Pull(self.0), &kept.value));
            }
            dx.mul(&self.0.slope(&kept))
        })
    }
}

impl<F> Map<F> {
    fn kept<E: Element>(&self, at: &At<'_, E>) -> Var<E>
    where
        F: Elementwise<E>,
    {
        match F::KEEP {
            Keep::Input => at.input(0),
            Keep::Output => at.output().clone(),
        }
    }
}

impl<E: Element> Var<E> {
    /// Applies an elementwise function, recorded.
    pub fn map_op<F: Elementwise<E>>(&self, f: F) -> Var<E> {
        apply(Map(f), &[self])
    }
}
