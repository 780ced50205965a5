//! The natural logarithm.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `ln x`; derivative `1/x`.
#[derive(Clone, Copy)]
struct Ln;

impl<E: Element> Elementwise<E> for Ln {
    const NAME: &'static str = "ln";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.v_ln::<I>()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        g / x
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        x.recip()
    }
}

impl<E: Element> Var<E> {
    /// The natural logarithm of every element; derivative `1/x`.
    pub fn ln(&self) -> Var<E> {
        self.map_op(Ln)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "ln", inputs: |rng| one(rng, 0.3, 4.0, &[]), f: |x| x[0].ln() };
