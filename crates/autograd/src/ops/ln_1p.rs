//! The logarithm of one more.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `ln(1 + x)`; derivative `1/(1 + x)`.
#[derive(Clone, Copy)]
struct Ln1p;

impl<E: Element> Elementwise<E> for Ln1p {
    const NAME: &'static str = "ln_1p";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.ln_1p()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        g / (E::ONE + x)
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        x.affine(E::ONE, E::ONE).recip()
    }
}

impl<E: Element> Var<E> {
    /// `ln(1 + x)` of every element, exact near 0; derivative `1/(1 + x)`.
    pub fn ln_1p(&self) -> Var<E> {
        self.map_op(Ln1p)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "ln_1p", inputs: |rng| one(rng, -0.6, 4.0, &[]), f: |x| x[0].ln_1p() };
