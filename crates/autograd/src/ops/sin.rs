//! The sine.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `sin x`; derivative `cos x`.
#[derive(Clone, Copy)]
struct Sin;

impl<E: Element> Elementwise<E> for Sin {
    const NAME: &'static str = "sin";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.sin()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        g * x.cos()
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        x.cos()
    }
}

impl<E: Element> Var<E> {
    /// `sin x` of every element; derivative `cos x`.
    pub fn sin(&self) -> Var<E> {
        self.map_op(Sin)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "sin", inputs: |rng| one(rng, -3.0, 3.0, &[]), f: |x| x[0].sin() };
