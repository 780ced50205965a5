//! The sum and the difference.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, broadcast_pair};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// `a + b` or `a - b`; derivatives 1 and ±1. Keeps nothing.
#[derive(Clone, Copy)]
struct Add {
    minus: bool,
}

impl<E: Element> Op<E> for Add {
    fn name(&self) -> &'static str {
        if self.minus { "sub" } else { "add" }
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        if self.minus { x[0].sub(x[1]) } else { x[0].add(x[1]) }
    }

    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.clone());
        to.input(1, || if self.minus { g.neg() } else { g.clone() });
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        let shape = *at.output().shape();
        let sum = match (dx[0], dx[1]) {
            (Some(a), Some(b)) if self.minus => a.sub(b),
            (Some(a), Some(b)) => a.add(b),
            (Some(a), None) => a.clone(),
            (None, Some(b)) if self.minus => b.neg(),
            (None, Some(b)) => b.clone(),
            (None, None) => return None,
        };
        Some(if *sum.shape() == shape { sum } else { sum.broadcast_to(shape) })
    }
}

impl<E: Element> Var<E> {
    /// `a + b`, broadcast by NumPy's rule.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn add(&self, other: &Var<E>) -> Var<E> {
        apply(Add { minus: false }, &[self, other])
    }

    /// `a - b`, broadcast by NumPy's rule.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn sub(&self, other: &Var<E>) -> Var<E> {
        apply(Add { minus: true }, &[self, other])
    }
}

#[cfg(feature = "cases")]
pub(super) const ADD: Case =
    Case { name: "add", inputs: |rng| broadcast_pair(rng, -2.0, 2.0, &[]), f: |x| x[0].add(&x[1]) };
#[cfg(feature = "cases")]
pub(super) const SUB: Case =
    Case { name: "sub", inputs: |rng| broadcast_pair(rng, -2.0, 2.0, &[]), f: |x| x[0].sub(&x[1]) };
