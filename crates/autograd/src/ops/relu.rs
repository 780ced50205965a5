//! The rectified linear unit.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `max(0, x)`; derivative 1 for x > 0, else 0, also at 0. Kept as the output, which the next layer keeps anyway.
#[derive(Clone, Copy)]
struct Relu;

impl<E: Element> Elementwise<E> for Relu {
    const NAME: &'static str = "relu";
    const KEEP: Keep = Keep::Output;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        if x < E::ZERO { E::ZERO } else { x }
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, y: E) -> E {
        if y > E::ZERO { g } else { E::ZERO }
    }

    fn slope(self, y: &Var<E>) -> Var<E> {
        y.positive()
    }
}

impl<E: Element> Var<E> {
    /// `max(0, x)` of every element; derivative 1 for x > 0 and 0 elsewhere, at 0 too. NaN stays NaN.
    ///
    /// Source: Glorot, Bordes, Bengio, "Deep sparse rectifier neural networks" (2011). What backward needs is the output,
    /// which the next layer keeps as its input: ReLU adds no memory.
    pub fn relu(&self) -> Var<E> {
        self.map_op(Relu)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case { name: "relu", inputs: |rng| one(rng, -3.0, 3.0, &[0.0]), f: |x| x[0].relu() };
