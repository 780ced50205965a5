//! Powers with a fixed exponent.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `x^n` for a whole n; derivative `n x^(n-1)`.
#[derive(Clone, Copy)]
struct Powi(i32);

impl<E: Element> Elementwise<E> for Powi {
    const NAME: &'static str = "powi";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.powi(self.0)
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        if self.0 == 0 { E::ZERO } else { g * E::from_f64(f64::from(self.0)) * x.powi(self.0 - 1) }
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        if self.0 == 0 {
            return x.affine(E::ZERO, E::ZERO);
        }
        x.powi(self.0 - 1).affine(E::from_f64(f64::from(self.0)), E::ZERO)
    }
}

/// `x^c` for any c; derivative `c x^(c-1)`.
#[derive(Clone, Copy)]
struct Powf<E>(E);

impl<E: Element> Elementwise<E> for Powf<E> {
    const NAME: &'static str = "powf";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        x.powf(self.0)
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        if self.0 == E::ZERO { E::ZERO } else { g * self.0 * x.powf(self.0 - E::ONE) }
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        if self.0 == E::ZERO {
            return x.affine(E::ZERO, E::ZERO);
        }
        x.powf(self.0 - E::ONE).affine(self.0, E::ZERO)
    }
}

impl<E: Element> Var<E> {
    /// `x^n` of every element; derivative `n x^(n-1)`.
    pub fn powi(&self, n: i32) -> Var<E> {
        self.map_op(Powi(n))
    }

    /// `x^c` of every element, NaN for negative x unless c is whole; derivative `c x^(c-1)`.
    pub fn powf(&self, c: E) -> Var<E> {
        self.map_op(Powf(c))
    }
}

#[cfg(feature = "cases")]
pub(super) const POWI: Case = Case { name: "powi", inputs: |rng| one(rng, -2.0, 2.0, &[]), f: |x| x[0].powi(3) };
#[cfg(feature = "cases")]
pub(super) const POWF: Case = Case { name: "powf", inputs: |rng| one(rng, 0.4, 3.0, &[]), f: |x| x[0].powf(2.5) };
