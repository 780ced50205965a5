//! The exponential function less one.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `e^x - 1`; derivative `y + 1`.
#[derive(Clone, Copy)]
struct ExpM1;

impl<E: Element> Elementwise<E> for ExpM1 {
    const NAME: &'static str = "exp_m1";
    const KEEP: Keep = Keep::Output;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.v_exp_m1::<I>()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, y: E) -> E {
        g * (y + E::ONE)
    }

    fn slope(self, y: &Var<E>) -> Var<E> {
        y.affine(E::ONE, E::ONE)
    }
}

impl<E: Element> Var<E> {
    /// `e^x - 1` of every element, exact near 0; derivative `e^x`.
    pub fn exp_m1(&self) -> Var<E> {
        self.map_op(ExpM1)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "exp_m1", inputs: |rng| one(rng, -3.0, 3.0, &[]), f: |x| x[0].exp_m1() };
