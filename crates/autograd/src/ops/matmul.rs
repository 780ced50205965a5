//! The matrix product.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// `a b` of matrices or batches of them; pull-backs `g b^T` and `a^T g`.
#[derive(Clone, Copy)]
struct Matmul;

impl<E: Element> Op<E> for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b11)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].matmul(x[1])
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.matmul(&at.input(1).t()));
        to.input(1, || at.input(0).t().matmul(g));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        let a = dx[0].map(|da| da.matmul(&at.input(1)));
        let b = dx[1].map(|db| at.input(0).matmul(db));
        match (a, b) {
            (Some(a), Some(b)) => Some(a.add(&b)),
            (a, b) => a.or(b),
        }
    }
}

impl<E: Element> Var<E> {
    /// The matrix product, by NumPy's rule: matrices, batches of them (leading axes broadcast), and vectors, which
    /// count as a row on the left and as a column on the right.
    ///
    /// Pull-backs `g b^T` and `a^T g`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn matmul(&self, other: &Var<E>) -> Var<E> {
        if self.rank() >= 2 && other.rank() >= 2 {
            return apply(Matmul, &[self, other]);
        }
        assert!(
            self.rank() > 0 && other.rank() > 0,
            "matmul: shapes {} and {} do not fit; a number is multiplied with *",
            self.shape(),
            other.shape()
        );
        let row = self.rank() == 1;
        let column = other.rank() == 1;
        let a = if row { self.unsqueeze(0) } else { self.clone() };
        let b = if column { other.unsqueeze(1) } else { other.clone() };
        let mut y = apply(Matmul, &[&a, &b]);
        if column {
            y = y.squeeze(y.rank() - 1);
        }
        if row { y.squeeze(y.rank() - if column { 1 } else { 2 }) } else { y }
    }
}

#[cfg(feature = "cases")]
pub(super) const MATMUL: Case = Case {
    name: "matmul",
    inputs: |rng| {
        let (m, k, n) = (1 + rng.below(4), 1 + rng.below(4), 1 + rng.below(4));
        vec![draw(rng, [m, k], -2.0, 2.0, &[]), draw(rng, [k, n], -2.0, 2.0, &[])]
    },
    f: |x| x[0].matmul(&x[1]),
};
#[cfg(feature = "cases")]
pub(super) const BATCHED: Case = Case {
    name: "matmul_batched",
    inputs: |rng| vec![draw(rng, [2, 1, 2, 3], -2.0, 2.0, &[]), draw(rng, [3, 3, 2], -2.0, 2.0, &[])],
    f: |x| x[0].matmul(&x[1]),
};
