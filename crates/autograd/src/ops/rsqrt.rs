//! The reciprocal of the square root.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `1/sqrt(x)`; derivative `-y³/2`, kept as the output.
#[derive(Clone, Copy)]
struct Rsqrt;

impl<E: Element> Elementwise<E> for Rsqrt {
    const NAME: &'static str = "rsqrt";
    const KEEP: Keep = Keep::Output;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        E::ONE / x.sqrt()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, y: E) -> E {
        g * E::from_f64(-0.5) * y * y * y
    }

    fn slope(self, y: &Var<E>) -> Var<E> {
        y.square().mul(y).affine(E::from_f64(-0.5), E::ZERO)
    }
}

impl<E: Element> Var<E> {
    /// `1/sqrt(x)` of every element; derivative `-1/(2 x sqrt(x))`.
    pub fn rsqrt(&self) -> Var<E> {
        self.map_op(Rsqrt)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "rsqrt", inputs: |rng| one(rng, 0.3, 3.0, &[]), f: |x| x[0].rsqrt() };
