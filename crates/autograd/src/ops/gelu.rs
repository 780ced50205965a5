//! The Gaussian error linear unit, exact and by tanh.

#[cfg(feature = "cases")]
use crate::case::{Case, one};
use crate::{Elementwise, Keep, Var};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// `x Phi(x)` with the normal distribution function Phi; derivative `Phi(x) + x phi(x)`.
#[derive(Clone, Copy)]
struct Gelu;

fn c<E: Element>(x: f64) -> E {
    E::from_f64(x)
}

impl<E: Element> Elementwise<E> for Gelu {
    const NAME: &'static str = "gelu";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        c::<E>(0.5) * x * (E::ONE + (x * c(FRAC_1_SQRT_2)).v_erf::<I>())
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        let phi = c::<E>(0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2) * (c::<E>(-0.5) * x * x).v_exp::<I>();
        let cdf = c::<E>(0.5) * (E::ONE + (x * c(FRAC_1_SQRT_2)).v_erf::<I>());
        g * (cdf + x * phi)
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        let phi = x.square().affine(c(-0.5), E::ZERO).exp().affine(c(0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2), E::ZERO);
        let cdf = x.affine(c(FRAC_1_SQRT_2), E::ZERO).erf().affine(c(0.5), c(0.5));
        cdf.add(&x.mul(&phi))
    }
}

/// `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x³)))`.
#[derive(Clone, Copy)]
struct GeluTanh;

const ROOT: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
const CUBE: f64 = 0.044_715;

impl<E: Element> Elementwise<E> for GeluTanh {
    const NAME: &'static str = "gelu_tanh";
    const KEEP: Keep = Keep::Input;

    #[inline(always)]
    fn value<I: Isa>(self, x: E) -> E {
        let t = (c::<E>(ROOT) * (x + c::<E>(CUBE) * x * x * x)).v_tanh::<I>();
        c::<E>(0.5) * x * (E::ONE + t)
    }

    #[inline(always)]
    fn pull<I: Isa>(self, g: E, x: E) -> E {
        let t = (c::<E>(ROOT) * (x + c::<E>(CUBE) * x * x * x)).v_tanh::<I>();
        let inner = c::<E>(ROOT) * (E::ONE + c::<E>(3.0 * CUBE) * x * x);
        g * (c::<E>(0.5) * (E::ONE + t) + c::<E>(0.5) * x * (E::ONE - t * t) * inner)
    }

    fn slope(self, x: &Var<E>) -> Var<E> {
        let t = x.add(&x.powi(3).affine(c(CUBE), E::ZERO)).affine(c(ROOT), E::ZERO).tanh();
        let inner = x.square().affine(c(3.0 * CUBE * ROOT), c(ROOT));
        let steep = x.mul(&t.square().affine(-E::ONE, E::ONE)).mul(&inner);
        t.affine(c(0.5), c(0.5)).add(&steep.affine(c(0.5), E::ZERO))
    }
}

impl<E: Element> Var<E> {
    /// `x Phi(x)` of every element, with the normal distribution function Phi; derivative `Phi(x) + x phi(x)`.
    ///
    /// Source: Hendrycks, Gimpel (2016).
    pub fn gelu(&self) -> Var<E> {
        self.map_op(Gelu)
    }

    /// The approximation of [`Var::gelu`] by tanh, within 5e-4 of it: PyTorch's `approximate="tanh"`, JAX's default.
    pub fn gelu_tanh(&self) -> Var<E> {
        self.map_op(GeluTanh)
    }
}

#[cfg(feature = "cases")]
pub(super) const GELU: Case = Case { name: "gelu", inputs: |rng| one(rng, -3.0, 3.0, &[]), f: |x| x[0].gelu() };
#[cfg(feature = "cases")]
pub(super) const GELU_TANH: Case =
    Case { name: "gelu_tanh", inputs: |rng| one(rng, -3.0, 3.0, &[]), f: |x| x[0].gelu_tanh() };
