//! The square root.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `sqrt(x)`; derivative `1/(2 sqrt(x))`, infinite at 0.
#[derive(Clone, Copy)]
struct Sqrt;

impl<E: Element> Elementwise<E> for Sqrt {
    const NAME: &'static str = "sqrt";
    const KEEP: Keep = Keep::Output;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.sqrt()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, y: E) -> E {
        g / (y + y)
    }

    fn slope(self, y: &Var<E>) -> Var<E> {
        y.affine(E::ONE + E::ONE, E::ZERO).recip()
    }
}

impl<E: Element> Var<E> {
    /// `sqrt(x)` of every element; derivative `1/(2 sqrt(x))`, infinite at 0.
    pub fn sqrt(&self) -> Var<E> {
        self.map_op(Sqrt)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "sqrt", inputs: |rng| one(rng, 0.3, 4.0, &[]), f: |x| x[0].sqrt() };
