//! The larger and the smaller of two, element by element.

use super::where_else::WhereVar;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, broadcast_pair};
use kniff_tensor::{Element, Tensor};

impl<E: Element> Var<E> {
    /// The larger of two, element by element, broadcast. A tie gives half of the derivative to each, as in PyTorch.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn maximum(&self, other: &Var<E>) -> Var<E> {
        let share = share_of_first(self, other);
        self.mul_finite(&share).add(&other.mul_finite(&share.affine(-E::ONE, E::ONE)))
    }

    /// The smaller of two, element by element, broadcast. A tie gives half of the derivative to each, as in PyTorch.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn minimum(&self, other: &Var<E>) -> Var<E> {
        let share = share_of_first(self, other).affine(-E::ONE, E::ONE);
        self.mul_finite(&share).add(&other.mul_finite(&share.affine(-E::ONE, E::ONE)))
    }

    /// `x w`, with 0 where w is 0 though x be infinite.
    fn mul_finite(&self, w: &Var<E>) -> Var<E> {
        w.value.where_var(&self.mul(w), &Var::scalar(E::ZERO))
    }
}

/// 1 where a > b, 1/2 where they are equal, 0 elsewhere; NaN where either is.
fn share_of_first<E: Element>(a: &Var<E>, b: &Var<E>) -> Var<E> {
    let half = E::from_f64(0.5);
    let (a, b) = (&a.value, &b.value);
    let share = a.gt(b).add(&a.eq_elements(b).mul_scalar(half));
    let nan = |t: &Tensor<E>| t.ne_elements(t);
    Var::constant(nan(a).add(&nan(b)).where_else(&Tensor::scalar(E::NAN), &share))
}

#[cfg(feature = "cases")]
pub(super) const MAXIMUM: Case =
    Case { name: "maximum", inputs: |rng| apart(broadcast_pair(rng, -2.0, 2.0, &[])), f: |x| x[0].maximum(&x[1]) };
#[cfg(feature = "cases")]
pub(super) const MINIMUM: Case =
    Case { name: "minimum", inputs: |rng| apart(broadcast_pair(rng, -2.0, 2.0, &[])), f: |x| x[0].minimum(&x[1]) };

/// The first on a grid of 0.4, the second 0.2 beside it: never equal.
#[cfg(feature = "cases")]
fn apart(mut pair: Vec<Tensor<f64>>) -> Vec<Tensor<f64>> {
    let grid = |t: &Tensor<f64>, shift: f64| t.mul_scalar(2.5).floor().mul_scalar(0.4).add_scalar(shift);
    pair[0] = grid(&pair[0], 0.0);
    pair[1] = grid(&pair[1], 0.2);
    pair
}
