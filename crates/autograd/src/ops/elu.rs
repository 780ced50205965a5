//! The exponential linear unit, and its self-normalising form.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `scale x` for x > 0, `scale alpha (e^x - 1)` otherwise.
#[derive(Clone, Copy)]
struct Elu<E> {
    alpha: E,
    scale: E,
}

impl<E: Element> Elementwise<E> for Elu<E> {
    const NAME: &'static str = "elu";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        // Without the cut, the exponential of a large x that is not even used would overflow.
        let low = if x < E::ZERO { x } else { E::ZERO };
        if x > E::ZERO {
            self.scale * x
        } else if x.is_nan() {
            x
        } else {
            self.scale * self.alpha * low.v_exp_m1::<I>()
        }
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        let low = if x < E::ZERO { x } else { E::ZERO };
        if x > E::ZERO { g * self.scale } else { g * self.scale * self.alpha * low.v_exp::<I>() }
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        let positive = x.positive();
        let low = x.mul(&positive.affine(-E::ONE, E::ONE));
        let below = low.exp().affine(self.scale * self.alpha, E::ZERO);
        let chosen = positive.affine(self.scale, E::ZERO);
        chosen.add(&below.mul(&positive.affine(-E::ONE, E::ONE)))
    }
}

impl<E: Element> Var<E> {
    /// `x` where x > 0, `alpha (e^x - 1)` elsewhere; derivative 1 or `alpha e^x`, the latter at 0 too.
    ///
    /// The slide has the two cases the wrong way round. Source: Clevert, Unterthiner, Hochreiter (2015).
    pub fn elu(&self, alpha: E) -> Var<E> {
        self.map_op(Elu { alpha, scale: E::ONE })
    }

    /// ELU with the scale 1.0507 and alpha 1.6733 that make mean 0 and variance 1 a fixed point of a layer whose
    /// weights have variance 1/fan_in.
    ///
    /// Source: Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks" (2017).
    pub fn selu(&self) -> Var<E> {
        self.map_op(Elu { alpha: E::from_f64(1.673_263_242_354_377_2), scale: E::from_f64(1.050_700_987_355_480_5) })
    }
}

#[cfg(feature = "cases")]
pub(super) const ELU: Case = Case { name: "elu", inputs: |rng| one(rng, -3.0, 3.0, &[0.0]), f: |x| x[0].elu(0.7) };
#[cfg(feature = "cases")]
pub(super) const SELU: Case = Case { name: "selu", inputs: |rng| one(rng, -3.0, 3.0, &[0.0]), f: |x| x[0].selu() };
