//! The square.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `x²`; derivative `2x`.
#[derive(Clone, Copy)]
struct Square;

impl<E: Element> Elementwise<E> for Square {
    const NAME: &'static str = "square";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x * x
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        g * (x + x)
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        x.affine(E::ONE + E::ONE, E::ZERO)
    }
}

impl<E: Element> Var<E> {
    /// `x²` of every element; derivative `2x`.
    pub fn square(&self) -> Var<E> {
        self.map_op(Square)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "square", inputs: |rng| one(rng, -3.0, 3.0, &[]), f: |x| x[0].square() };
