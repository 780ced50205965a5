//! Limits from below and above, and hard tanh.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// x limited to `low..=high`; derivative 1 strictly inside and 0 elsewhere.
#[derive(Clone, Copy)]
struct Clamp<E> {
    low: E,
    high: E,
}

impl<E: Element> Elementwise<E> for Clamp<E> {
    const NAME: &'static str = "clamp";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        if x < self.low {
            self.low
        } else if x > self.high {
            self.high
        } else {
            x
        }
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        if x > self.low && x < self.high { g } else { E::ZERO }
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        let above = x.affine(E::ONE, -self.low).positive();
        above.mul(&x.affine(-E::ONE, self.high).positive())
    }
}

impl<E: Element> Var<E> {
    /// Every element limited to `low..=high`; derivative 1 strictly inside, 0 elsewhere. NaN stays NaN.
    ///
    /// Differs from PyTorch's `clamp`: at a bound the derivative is 0 here and 1 there; its `hardtanh` has 0 as well.
    ///
    /// # Panics
    /// If `low > high`.
    #[track_caller]
    pub fn clamp(&self, low: E, high: E) -> Var<E> {
        assert!(low <= high, "clamp: the bounds {low} and {high} are the wrong way round");
        self.map_op(Clamp { low, high })
    }

    /// Every element limited to -1..=1: the piecewise linear tanh.
    pub fn hard_tanh(&self) -> Var<E> {
        self.map_op(Clamp { low: -E::ONE, high: E::ONE })
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case =
    Case { name: "clamp", inputs: |rng| one(rng, -3.0, 3.0, &[-1.0, 2.0]), f: |x| x[0].clamp(-1.0, 2.0) };
