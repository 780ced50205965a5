//! The squared and the absolute error.

use super::residual::{Penalty, residual};
use super::total::Reduce;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `r^2`; derivative `2r`.
#[derive(Clone, Copy)]
struct Squared;

impl<E: Element> Penalty<E> for Squared {
    const NAME: &'static str = "mse";
    #[inline(always)]
    fn value<I: Isa>(self, r: E) -> E {
        r * r
    }
    #[inline(always)]
    fn slope<I: Isa>(self, r: E) -> E {
        r + r
    }
    fn parts(self, r: &Var<E>) -> Var<E> {
        r.square()
    }
}

/// `|r|`; derivative the sign of r, 0 at 0.
#[derive(Clone, Copy)]
struct Absolute;

impl<E: Element> Penalty<E> for Absolute {
    const NAME: &'static str = "l1";
    #[inline(always)]
    fn value<I: Isa>(self, r: E) -> E {
        r.abs()
    }
    #[inline(always)]
    fn slope<I: Isa>(self, r: E) -> E {
        if r > E::ZERO {
            E::ONE
        } else if r < E::ZERO {
            -E::ONE
        } else if r.is_nan() {
            r
        } else {
            E::ZERO
        }
    }
    fn parts(self, r: &Var<E>) -> Var<E> {
        r.abs()
    }
}

impl<E: Element> Var<E> {
    /// The squared error `(x - t)^2`, without a half; derivative `2 (x - t)`. The mean is over all elements.
    ///
    /// # Panics
    /// If the shapes differ: nothing is broadcast.
    #[track_caller]
    pub fn mse(&self, target: &Var<E>, reduce: Reduce) -> Var<E> {
        residual(Squared, self, target, reduce)
    }

    /// The absolute error `|x - t|`; derivative the sign of `x - t`, 0 where they are equal.
    ///
    /// # Panics
    /// If the shapes differ: nothing is broadcast.
    #[track_caller]
    pub fn l1(&self, target: &Var<E>, reduce: Reduce) -> Var<E> {
        residual(Absolute, self, target, reduce)
    }
}

#[cfg(feature = "cases")]
pub(super) const MSE: Case = Case {
    name: "mse",
    inputs: |rng| vec![draw(rng, [3, 4], -2.0, 2.0, &[]), draw(rng, [3, 4], -2.0, 2.0, &[])],
    f: |x| x[0].mse(&x[1], Reduce::Mean),
};
#[cfg(feature = "cases")]
pub(super) const L1: Case = Case {
    name: "l1",
    inputs: |rng| vec![draw(rng, [3, 4], 0.5, 2.0, &[]), draw(rng, [3, 4], -2.0, 0.2, &[])],
    f: |x| x[0].l1(&x[1], Reduce::None).square(),
};

#[cfg(test)]
mod tests {
    use super::super::residual::tests::fused_is_its_parts;
    use super::*;

    #[test]
    fn the_fused_errors_are_their_parts() {
        fused_is_its_parts(Squared);
        fused_is_its_parts(Absolute);
    }
}
