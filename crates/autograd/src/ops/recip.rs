//! The reciprocal.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `1/x`; derivative `-y²`.
#[derive(Clone, Copy)]
struct Recip;

impl<E: Element> Elementwise<E> for Recip {
    const NAME: &'static str = "recip";
    const KEEP: Keep = Keep::Output;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        E::ONE / x
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, y: E) -> E {
        -(g * y * y)
    }

    fn slope(self, y: &Var<E>) -> Var<E> {
        y.square().affine(-E::ONE, E::ZERO)
    }
}

impl<E: Element> Var<E> {
    /// `1/x` of every element; derivative `-1/x²`.
    pub fn recip(&self) -> Var<E> {
        self.map_op(Recip)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "recip", inputs: |rng| one(rng, 0.4, 3.0, &[]), f: |x| x[0].recip() };
