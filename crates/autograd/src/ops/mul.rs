//! The product, element by element.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, broadcast_pair};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// `a b`; derivatives b and a.
#[derive(Clone, Copy)]
struct Mul;

impl<E: Element> Op<E> for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b11)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].mul(x[1])
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.mul(&at.input(1)));
        to.input(1, || g.mul(&at.input(0)));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        let a = dx[0].map(|da| da.mul(&at.input(1)));
        let b = dx[1].map(|db| db.mul(&at.input(0)));
        match (a, b) {
            (Some(a), Some(b)) => Some(a.add(&b)),
            (a, b) => a.or(b),
        }
    }
}

impl<E: Element> Var<E> {
    /// `a b`, element by element, broadcast by NumPy's rule; derivatives b and a.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn mul(&self, other: &Var<E>) -> Var<E> {
        apply(Mul, &[self, other])
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case =
    Case { name: "mul", inputs: |rng| broadcast_pair(rng, -2.0, 2.0, &[]), f: |x| x[0].mul(&x[1]) };
