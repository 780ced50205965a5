//! Errors that are squared where they are small and absolute where they are large.

use super::residual::{Penalty, residual};
use super::total::Reduce;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use kniff_tensor::Element;
use kniff_tensor::simd::Isa;

/// `scale q (r - q/2)` with q = r cut to -delta..delta; derivative `scale q`.
#[derive(Clone, Copy)]
struct Huber<E> {
    delta: E,
    scale: E,
}

impl<E: Element> Huber<E> {
    #[inline(always)]
    fn cut(self, r: E) -> E {
        if r > self.delta {
            self.delta
        } else if r < -self.delta {
            -self.delta
        } else {
            r
        }
    }
}

impl<E: Element> Penalty<E> for Huber<E> {
    const NAME: &'static str = "huber";
    #[inline(always)]
    fn value<I: Isa>(self, r: E) -> E {
        let q = self.cut(r);
        self.scale * (q * (r - q * E::from_f64(0.5)))
    }
    #[inline(always)]
    fn slope<I: Isa>(self, r: E) -> E {
        self.scale * self.cut(r)
    }
    fn parts(self, r: &Var<E>) -> Var<E> {
        let q = r.clamp(-self.delta, self.delta);
        q.mul(&r.sub(&q.mul_scalar(E::from_f64(0.5)))).mul_scalar(self.scale)
    }
}

impl<E: Element> Var<E> {
    /// The Huber loss of `r = x - t`: `r^2 / 2` for |r| up to delta, `delta (|r| - delta / 2)` beyond; its derivative is r
    /// cut to -delta..delta. Source: Huber, "Robust estimation of a location parameter" (1964).
    ///
    /// # Panics
    /// If the shapes differ, or delta is not above 0.
    #[track_caller]
    pub fn huber(&self, target: &Var<E>, delta: E, reduce: Reduce) -> Var<E> {
        assert!(delta > E::ZERO, "huber: delta is {delta}, not above 0");
        residual(Huber { delta, scale: E::ONE }, self, target, reduce)
    }

    /// The smooth absolute error of `r = x - t`: `r^2 / (2 beta)` for |r| up to beta, `|r| - beta / 2` beyond: the Huber loss
    /// divided by beta.
    ///
    /// # Panics
    /// If the shapes differ, or beta is not above 0 (PyTorch: 0 is the absolute error; use [`Var::l1`]).
    #[track_caller]
    pub fn smooth_l1(&self, target: &Var<E>, beta: E, reduce: Reduce) -> Var<E> {
        assert!(beta > E::ZERO, "smooth_l1: beta is {beta}, not above 0");
        residual(Huber { delta: beta, scale: E::ONE / beta }, self, target, reduce)
    }
}

/// Residuals on both sides of 0.7 and away from it.
#[cfg(feature = "cases")]
fn around(rng: &mut kniff_tensor::Rng) -> Vec<kniff_tensor::Tensor<f64>> {
    let r = draw(rng, [3, 4], -2.0, 2.0, &[-0.7, 0.7]);
    let t = draw(rng, [3, 4], -2.0, 2.0, &[]);
    vec![r.add(&t), t]
}

#[cfg(feature = "cases")]
pub(super) const HUBER: Case = Case { name: "huber", inputs: around, f: |x| x[0].huber(&x[1], 0.7, Reduce::Sum) };
#[cfg(feature = "cases")]
pub(super) const SMOOTH_L1: Case =
    Case { name: "smooth_l1", inputs: around, f: |x| x[0].smooth_l1(&x[1], 0.7, Reduce::None).square() };

#[cfg(test)]
mod tests {
    use super::super::residual::tests::fused_is_its_parts;
    use super::*;

    #[test]
    fn the_fused_errors_are_their_parts() {
        fused_is_its_parts(Huber { delta: 0.7, scale: 1.0 });
        fused_is_its_parts(Huber { delta: 1.3, scale: 1.0 / 1.3 });
    }
}
