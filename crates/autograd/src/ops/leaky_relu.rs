//! The rectified linear unit with a slope below 0.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `x` for x > 0, `slope x` otherwise.
#[derive(Clone, Copy)]
struct LeakyRelu<E>(E);

impl<E: Element> Elementwise<E> for LeakyRelu<E> {
    const NAME: &'static str = "leaky_relu";
    // The output would do for positive slopes only.
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        if x > E::ZERO { x } else { self.0 * x }
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        if x > E::ZERO { g } else { self.0 * g }
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        x.positive().affine(E::ONE - self.0, self.0)
    }
}

impl<E: Element> Var<E> {
    /// `x` where x > 0, `slope x` elsewhere; derivative 1 or `slope`, the latter at 0 too (JAX has 1 there).
    ///
    /// The slide's `max(slope x, x)` is the same for slopes up to 1. Avoids units that are stuck at zero.
    pub fn leaky_relu(&self, slope: E) -> Var<E> {
        self.map_op(LeakyRelu(slope))
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case =
    Case { name: "leaky_relu", inputs: |rng| one(rng, -3.0, 3.0, &[0.0]), f: |x| x[0].leaky_relu(0.1) };
