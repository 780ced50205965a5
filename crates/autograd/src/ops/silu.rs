//! The sigmoid-weighted linear unit, or swish.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `x sigmoid(x)`; derivative `s (1 + x (1 - s))` with s = sigmoid(x).
#[derive(Clone, Copy)]
struct Silu;

impl<E: Element> Elementwise<E> for Silu {
    const NAME: &'static str = "silu";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x * x.v_sigmoid::<I>()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        let s = x.v_sigmoid::<I>();
        g * (s * (E::ONE + x * (E::ONE - s)))
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        let s = x.sigmoid();
        s.mul(&x.mul(&s.affine(-E::ONE, E::ONE)).affine(E::ONE, E::ONE))
    }
}

impl<E: Element> Var<E> {
    /// `x sigmoid(x)` of every element; derivative `s (1 + x (1 - s))` with s = sigmoid(x).
    ///
    /// Source: Elfwing, Uchibe, Doya (2018); Ramachandran, Zoph, Le (2017), who call it swish.
    pub fn silu(&self) -> Var<E> {
        self.map_op(Silu)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "silu", inputs: |rng| one(rng, -4.0, 4.0, &[]), f: |x| x[0].silu() };
