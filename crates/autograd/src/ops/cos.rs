//! The cosine.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `cos x`; derivative `-sin x`.
#[derive(Clone, Copy)]
struct Cos;

impl<E: Element> Elementwise<E> for Cos {
    const NAME: &'static str = "cos";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.cos()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        -(g * x.sin())
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        x.sin().affine(-E::ONE, E::ZERO)
    }
}

impl<E: Element> Var<E> {
    /// `cos x` of every element; derivative `-sin x`.
    pub fn cos(&self) -> Var<E> {
        self.map_op(Cos)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "cos", inputs: |rng| one(rng, -3.0, 3.0, &[]), f: |x| x[0].cos() };
