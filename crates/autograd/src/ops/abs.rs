//! The absolute value.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `|x|`; derivative -1, 0 or 1: 0 at the corner, as in PyTorch.
#[derive(Clone, Copy)]
struct Abs;

impl<E: Element> Elementwise<E> for Abs {
    const NAME: &'static str = "abs";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.abs()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        if x > E::ZERO {
            g
        } else if x < E::ZERO {
            -g
        } else {
            g * x
        }
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        x.sign()
    }
}

impl<E: Element> Var<E> {
    /// `|x|` of every element; derivative the sign, 0 at 0 as in PyTorch (JAX has 1 there).
    pub fn abs(&self) -> Var<E> {
        self.map_op(Abs)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "abs", inputs: |rng| one(rng, -3.0, 3.0, &[0.0]), f: |x| x[0].abs() };
