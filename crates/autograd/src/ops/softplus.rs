//! The smooth form of ReLU.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `ln(1 + e^x)`; derivative `sigmoid(x)`.
#[derive(Clone, Copy)]
struct Softplus;

impl<E: Element> Elementwise<E> for Softplus {
    const NAME: &'static str = "softplus";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.v_softplus::<I>()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        g * x.v_sigmoid::<I>()
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        x.sigmoid()
    }
}

impl<E: Element> Var<E> {
    /// `ln(1 + e^x)` of every element, without overflow; derivative `sigmoid(x)`.
    ///
    /// Differs from PyTorch: no threshold above which x itself is taken (there up to 2e-9 wrong).
    pub fn softplus(&self) -> Var<E> {
        self.map_op(Softplus)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "softplus", inputs: |rng| one(rng, -4.0, 4.0, &[]), f: |x| x[0].softplus() };
