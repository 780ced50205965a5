//! Joining along an axis.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// Tensors end to end along an axis; the pull-back cuts the gradient apart.
#[derive(Clone, Copy)]
struct Concat {
    axis: usize,
}

impl<E: Element> Op<E> for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        Tensor::concat(x, self.axis)
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        let mut start = 0;
        for i in 0..at.arity() {
            let end = start + at.shape(i)[self.axis];
            to.input(i, || g.slice_axis(self.axis, start..end));
            start = end;
        }
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        let parts: Vec<Var<E>> = dx
            .iter()
            .enumerate()
            .map(|(i, dx)| dx.cloned().unwrap_or_else(|| Var::constant(Tensor::zeros(*at.shape(i)))))
            .collect();
        Some(Var::concat(&parts.iter().collect::<Vec<_>>(), self.axis))
    }
}

impl<E: Element> Var<E> {
    /// Tensors end to end along an axis.
    ///
    /// # Panics
    /// If there are none, or their other axes differ.
    #[track_caller]
    pub fn concat(parts: &[&Var<E>], axis: usize) -> Var<E> {
        assert!(!parts.is_empty(), "concat: there is nothing to join");
        apply(Concat { axis }, parts)
    }

    /// Tensors of one shape side by side along a new axis.
    ///
    /// # Panics
    /// If there are none, or their shapes differ.
    #[track_caller]
    pub fn stack(parts: &[&Var<E>], axis: usize) -> Var<E> {
        let parts: Vec<Var<E>> = parts.iter().map(|p| p.unsqueeze(axis)).collect();
        Var::concat(&parts.iter().collect::<Vec<_>>(), axis)
    }
}

#[cfg(feature = "cases")]
pub(super) const CASE: Case = Case {
    name: "concat",
    inputs: |rng| vec![draw(rng, [2, 1, 3], -2.0, 2.0, &[]), draw(rng, [2, 2, 3], -2.0, 2.0, &[])],
    f: |x| Var::concat(&[&x[0], &x[1], &x[0]], 1).square(),
};
