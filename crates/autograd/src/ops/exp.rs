//! The exponential function.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `e^x`; derivative `e^x`, kept as the output.
#[derive(Clone, Copy)]
struct Exp;

impl<E: Element> Elementwise<E> for Exp {
    const NAME: &'static str = "exp";
    const KEEP: Keep = Keep::Output;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.v_exp::<I>()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, y: E) -> E {
        g * y
    }

    fn slope(self, y: &Var<E>) -> Var<E> {
        y.clone()
    }
}

impl<E: Element> Var<E> {
    /// `e^x` of every element; derivative `e^x`.
    pub fn exp(&self) -> Var<E> {
        self.map_op(Exp)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "exp", inputs: |rng| one(rng, -3.0, 3.0, &[]), f: |x| x[0].exp() };
