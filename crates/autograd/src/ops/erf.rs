//! The error function.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `erf x`; derivative `2/sqrt(pi) e^(-x²)`.
#[derive(Clone, Copy)]
struct Erf;

impl<E: Element> Elementwise<E> for Erf {
    const NAME: &'static str = "erf";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.v_erf::<I>()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        g * E::from_f64(std::f64::consts::FRAC_2_SQRT_PI) * (-(x * x)).v_exp::<I>()
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        x.square().neg().exp().affine(E::from_f64(std::f64::consts::FRAC_2_SQRT_PI), E::ZERO)
    }
}

impl<E: Element> Var<E> {
    /// The error function of every element; derivative `2/sqrt(pi) e^(-x²)`.
    pub fn erf(&self) -> Var<E> {
        self.map_op(Erf)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "erf", inputs: |rng| one(rng, -2.5, 2.5, &[]), f: |x| x[0].erf() };
