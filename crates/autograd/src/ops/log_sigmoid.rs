//! The logarithm of the sigmoid.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `-ln(1 + e^-x)`; derivative `sigmoid(-x)`.
#[derive(Clone, Copy)]
struct LogSigmoid;

impl<E: Element> Elementwise<E> for LogSigmoid {
    const NAME: &'static str = "log_sigmoid";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        -(-x).v_softplus::<I>()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        g * (-x).v_sigmoid::<I>()
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        x.neg().sigmoid()
    }
}

impl<E: Element> Var<E> {
    /// `ln sigmoid(x)` of every element, computed as `-ln(1 + e^-x)` so that it is exact in both tails; derivative
    /// `sigmoid(-x)`.
    pub fn log_sigmoid(&self) -> Var<E> {
        self.map_op(LogSigmoid)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case =
    Case { name: "log_sigmoid", inputs: |rng| one(rng, -4.0, 4.0, &[]), f: |x| x[0].log_sigmoid() };
