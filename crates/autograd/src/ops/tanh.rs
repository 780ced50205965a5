//! The hyperbolic tangent.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `tanh x`; derivative `1 - tanh² x`.
#[derive(Clone, Copy)]
struct Tanh;

impl<E: Element> Elementwise<E> for Tanh {
    const NAME: &'static str = "tanh";
    const KEEP: Keep = Keep::Output;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.v_tanh::<I>()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, y: E) -> E {
        g * (E::ONE - y * y)
    }

    fn slope(self, y: &Var<E>) -> Var<E> {
        y.square().affine(-E::ONE, E::ONE)
    }
}

impl<E: Element> Var<E> {
    /// `tanh x` of every element; derivative `1 - tanh² x`.
    pub fn tanh(&self) -> Var<E> {
        self.map_op(Tanh)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "tanh", inputs: |rng| one(rng, -3.0, 3.0, &[]), f: |x| x[0].tanh() };
