//! The fused product with a weight matrix and sum with a bias.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// `x W^T + b`; pull-backs `g W`, `g^T x` and the sum of g over rows.
#[derive(Clone, Copy)]
struct Linear;

impl<E: Element> Op<E> for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(0b111)
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].linear(x[1], x.get(2).copied())
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.matmul(&at.input(1)));
        to.input(1, || g.t().matmul(&at.input(0)));
        if at.arity() == 3 {
            to.input(2, || g.sum(&[0], false));
        }
    }

    fn push_forward(&self, _: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        // The parts are run instead.
        None
    }

    fn parts(&self, x: &[&Var<E>]) -> Option<Var<E>> {
        let y = x[0].matmul(&x[1].t());
        Some(match x.get(2) {
            Some(b) => y.add(b),
            None => y,
        })
    }
}

impl<E: Element> Var<E> {
    /// `x W^T + b` for x of shape [.., in], W of shape [out, in] and b of shape `[out]`.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn linear(&self, weight: &Var<E>, bias: Option<&Var<E>>) -> Var<E> {
        let fits = self.rank() >= 1
            && weight.rank() == 2
            && self.shape()[self.rank() - 1] == weight.shape()[1]
            && bias.is_none_or(|b| **b.shape() == weight.shape()[..1]);
        assert!(
            fits,
            "linear: an input of shape {} does not fit a weight of shape {} (out, in){}",
            self.shape(),
            weight.shape(),
            bias.map(|b| format!(" and a bias of shape {}", b.shape())).unwrap_or_default()
        );
        if self.rank() == 2 {
            return self.linear_2d(weight, bias);
        }
        let mut shape = self.shape().to_vec();
        let (last, width) = (shape.len() - 1, self.shape()[self.rank() - 1]);
        shape[last] = weight.shape()[0];
        let rows = self.shape()[..last].iter().product::<usize>();
        self.reshape([rows, width]).linear_2d(weight, bias).reshape(shape)
    }

    fn linear_2d(&self, weight: &Var<E>, bias: Option<&Var<E>>) -> Var<E> {
        match bias {
            Some(b) => apply(Linear, &[self, weight, b]),
            None => apply(Linear, &[self, weight]),
        }
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "linear",
    inputs: |rng| {
        let (n, i, o) = (1 + rng.below(4), 1 + rng.below(4), 1 + rng.below(4));
        vec![draw(rng, [n, i], -2.0, 2.0, &[]), draw(rng, [o, i], -2.0, 2.0, &[]), draw(rng, [o], -2.0, 2.0, &[])]
    },
    f: |x| x[0].linear(&x[1], Some(&x[2])),
};
