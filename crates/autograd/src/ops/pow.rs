//! The power of two variables, element by element.

use super::where_else::WhereVar;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, broadcast_pair};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// `a^b`; derivatives `b a^(b-1)` and `a^b ln a`.
#[derive(Clone, Copy)]
struct Pow;

impl<E: Element> Op<E> for Pow {
    fn name(&self) -> &'static str {
        "pow"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b11)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].pow(x[1])
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.mul(&to_base(&at.input(0), &at.input(1))));
        to.input(1, || g.mul(&to_exponent(&at.input(0), &at.input(1))));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        let from_base = dx[0].map(|da| da.mul(&to_base(&at.input(0), &at.input(1))));
        let from_exponent = dx[1].map(|db| db.mul(&to_exponent(&at.input(0), &at.input(1))));
        match (from_base, from_exponent) {
            (Some(x), Some(y)) => Some(x.add(&y)),
            (x, y) => x.or(y),
        }
    }
}

/// `b a^(b-1)`, and 0 where b is 0: there the power is 1 whatever a.
fn to_base<E: Element>(a: &Var<E>, b: &Var<E>) -> Var<E> {
    let zero = b.value.eq_elements(&Tensor::scalar(E::ZERO));
    // An exponent that is 0 is put out of the way, so that no 0 * infinity arises at a = 0.
    let safe = zero.where_var(&Var::scalar(E::ONE), b);
    zero.where_var(&Var::scalar(E::ZERO), &safe.mul(&a.pow(&safe.affine(E::ONE, -E::ONE))))
}

/// `a^b ln a`, and 0 where a is 0 and b is not negative: there the power stays 0, or jumps.
fn to_exponent<E: Element>(a: &Var<E>, b: &Var<E>) -> Var<E> {
    let zero = Tensor::scalar(E::ZERO);
    let flat = a.value.eq_elements(&zero).mul(&b.value.ge(&zero));
    let safe = flat.where_var(&Var::scalar(E::ONE), a);
    flat.where_var(&Var::scalar(E::ZERO), &safe.pow(b).mul(&safe.ln()))
}

impl<E: Element> Var<E> {
    /// `a^b`, element by element, broadcast by NumPy's rule; derivatives `b a^(b-1)` and `a^b ln a`.
    ///
    /// A negative a is NaN unless b is whole, and its derivative to b always is. At a = 0 the derivative to b is 0 for
    /// b of at least 0, and at b = 0 the derivative to a is 0, as in PyTorch.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn pow(&self, other: &Var<E>) -> Var<E> {
        apply(Pow, &[self, other])
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case =
    Case { name: "pow", inputs: |rng| broadcast_pair(rng, 0.5, 2.0, &[]), f: |x| x[0].pow(&x[1]) };
