//! The quotient, element by element.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, broadcast_pair};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// `a / b`; derivatives `1/b` and `-a/b²`.
#[derive(Clone, Copy)]
struct Div;

impl<E: Element> Op<E> for Div {
    fn name(&self) -> &'static str {
        "div"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b11)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].div(x[1])
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.div(&at.input(1)));
        to.input(1, || {
            let b = at.input(1);
            g.mul(&at.input(0)).div(&b).div(&b).neg()
        });
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        let b = at.input(1);
        let from_a = dx[0].map(|da| da.div(&b));
        let from_b = dx[1].map(|db| db.mul(&at.input(0)).div(&b).div(&b).neg());
        match (from_a, from_b) {
            (Some(x), Some(y)) => Some(x.add(&y)),
            (x, y) => x.or(y),
        }
    }
}

impl<E: Element> Var<E> {
    /// `a / b`, element by element, broadcast by NumPy's rule; derivatives `1/b` and `-a/b²`.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn div(&self, other: &Var<E>) -> Var<E> {
        apply(Div, &[self, other])
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case =
    Case { name: "div", inputs: |rng| broadcast_pair(rng, 0.5, 2.0, &[]), f: |x| x[0].div(&x[1]) };
