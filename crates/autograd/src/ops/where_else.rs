//! The choice between two by a mask.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw, draw_shape};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// `a` where the mask is not 0, `b` elsewhere.
#[derive(Clone)]
struct Where<E: Element> {
    mask: Tensor<E>,
}

impl<E: Element> Op<E> for Where<E> {
    fn name(&self) -> &'static str {
        "where"
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        self.mask.where_else(x[0], x[1])
    }

    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        let zero = Var::scalar(E::ZERO);
        to.input(0, || self.mask.where_var(g, &zero));
        to.input(1, || self.mask.where_var(&zero, g));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        let zero = Var::scalar(E::ZERO);
        let dy = self.mask.where_var(dx[0].unwrap_or(&zero), dx[1].unwrap_or(&zero));
        let shape = *at.output().shape();
        Some(if *dy.shape() == shape { dy } else { dy.broadcast_to(shape) })
    }

    fn own_bytes(&self) -> usize {
        self.mask.bytes()
    }
}

/// The choice by a tensor of zeros and others between two variables.
pub trait WhereVar<E: Element> {
    /// `a` where this is not 0, `b` elsewhere; all three broadcast. No gradient flows to the mask.
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    fn where_var(&self, a: &Var<E>, b: &Var<E>) -> Var<E>;
}

impl<E: Element> WhereVar<E> for Tensor<E> {
    #[track_caller]
    fn where_var(&self, a: &Var<E>, b: &Var<E>) -> Var<E> {
        apply(Where { mask: self.clone() }, &[a, b])
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "where",
    inputs: |rng| {
        let shape = draw_shape(rng);
        vec![draw(rng, shape, -2.0, 2.0, &[]), draw(rng, shape, -2.0, 2.0, &[])]
    },
    f: |x| {
        let mask = Tensor::from_fn(*x[0].shape(), |i| f64::from(u8::from(i % 3 == 0)));
        mask.where_var(&x[0], &x[1])
    },
};
