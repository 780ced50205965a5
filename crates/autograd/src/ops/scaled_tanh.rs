//! The recommended sigmoid: tanh, stretched.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `a tanh(b x)`; derivative `b (a - y²/a)`.
#[derive(Clone, Copy)]
struct ScaledTanh<E> {
    a: E,
    b: E,
}

impl<E: Element> Elementwise<E> for ScaledTanh<E> {
    const NAME: &'static str = "scaled_tanh";
    const KEEP: Keep = Keep::Output;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        self.a * (self.b * x).v_tanh::<I>()
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, y: E) -> E {
        g * self.b * (self.a - y * y / self.a)
    }

    fn slope(self, y: &Var<E>) -> Var<E> {
        y.square().affine(-self.b / self.a, self.a * self.b)
    }
}

impl<E: Element> Var<E> {
    /// `1.7159 tanh(2x/3)` of every element: the sigmoid that "Efficient BackProp" recommends.
    ///
    /// f(1) = 1 and f(-1) = -1, and the second derivative is largest there. The slide says that unit-variance input gives
    /// output of variance close to 1; for normal input it is 0.75. Derivative `2/3 (1.7159 - y²/1.7159)`.
    ///
    /// Source: LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998).
    pub fn scaled_tanh(&self) -> Var<E> {
        self.map_op(ScaledTanh { a: E::from_f64(1.7159), b: E::from_f64(2.0 / 3.0) })
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case =
    Case { name: "scaled_tanh", inputs: |rng| one(rng, -3.0, 3.0, &[]), f: |x| x[0].scaled_tanh() };
