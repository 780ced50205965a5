//! The logistic sigmoid.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `1 / (1 + e^-x)`; derivative `y (1 - y)`.
#[derive(Clone, Copy)]
struct Sigmoid;

impl<E: Element> Elementwise<E> for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const KEEP: Keep = Keep::Output;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.v_sigmoid::<I>()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, y: E) -> E {
        g * (y * (E::ONE - y))
    }

    fn slope(self, y: &Var<E>) -> Var<E> {
        y.sub(&y.square())
    }
}

impl<E: Element> Var<E> {
    /// `1 / (1 + e^-x)` of every element; derivative `y (1 - y)`.
    pub fn sigmoid(&self) -> Var<E> {
        self.map_op(Sigmoid)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "sigmoid", inputs: |rng| one(rng, -4.0, 4.0, &[]), f: |x| x[0].sigmoid() };
