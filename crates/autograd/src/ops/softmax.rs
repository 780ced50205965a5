//! Softmax, its logarithm, and the logarithm of a sum of exponentials.

use super::sum::reduced;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// `e^x_i / sum_j e^x_j` along an axis; pull-back `y (g - <g, y>)`.
#[derive(Clone, Copy)]
struct Softmax {
    axis: usize,
}

impl<E: Element> Op<E> for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn keeps(&self) -> Keeps {
        Keeps::OUTPUT
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].softmax(self.axis)
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || self.project(g, at));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        // The Jacobian diag(y) - y y^T is symmetric.
        dx[0].map(|dx| self.project(dx, at))
    }
}

impl Softmax {
    fn project<E: Element>(&self, g: &Var<E>, at: &At<'_, E>) -> Var<E> {
        let y = at.output();
        y.mul(&g.sub(&g.mul(y).sum(&[self.axis], true)))
    }
}

/// `x - ln sum e^x` along an axis; pull-back `g - softmax(x) sum g`.
#[derive(Clone, Copy)]
struct LogSoftmax {
    axis: usize,
}

impl<E: Element> Op<E> for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn keeps(&self) -> Keeps {
        Keeps::OUTPUT
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].log_softmax(self.axis)
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.sub(&at.output().exp().mul(&g.sum(&[self.axis], true))));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| dx.sub(&at.output().exp().mul(dx).sum(&[self.axis], true)))
    }
}

/// `ln sum e^x` over axes; pull-back `g e^(x - y)`.
#[derive(Clone)]
struct LogSumExp {
    axes: Vec<usize>,
    keepdim: bool,
}

impl<E: Element> Op<E> for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(1).and_output()
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].logsumexp(&self.axes, self.keepdim)
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || {
            let kept = reduced(at.shape(0), &self.axes);
            g.reshape(kept).mul(&at.input(0).sub(&at.output().reshape(kept)).exp())
        });
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| {
            let kept = reduced(at.shape(0), &self.axes);
            dx.mul(&at.input(0).sub(&at.output().reshape(kept)).exp()).sum(&self.axes, self.keepdim)
        })
    }
}

impl<E: Element> Var<E> {
    /// `e^x_i / sum_j e^x_j` along an axis, with the largest element subtracted first so that nothing overflows.
    ///
    /// Losses take logits: for training use a cross-entropy on those, not the logarithm of this.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn softmax(&self, axis: usize) -> Var<E> {
        apply(Softmax { axis }, &[self])
    }

    /// The logarithm of the softmax, computed directly: `x - ln sum e^x`.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn log_softmax(&self, axis: usize) -> Var<E> {
        apply(LogSoftmax { axis }, &[self])
    }

    /// `ln sum e^x` over `axes`, without overflow; -inf over nothing.
    ///
    /// # Panics
    /// If an axis is out of range or named twice.
    #[track_caller]
    pub fn logsumexp(&self, axes: &[usize], keepdim: bool) -> Var<E> {
        apply(LogSumExp { axes: axes.to_vec(), keepdim }, &[self])
    }
}

#[cfg(feature = "cases")]
pub(super) const SOFTMAX: Case =
    Case { name: "softmax", inputs: |rng| vec![draw(rng, [2, 3, 4], -2.0, 2.0, &[])], f: |x| x[0].softmax(1) };
#[cfg(feature = "cases")]
pub(super) const LOG_SOFTMAX: Case =
    Case { name: "log_softmax", inputs: |rng| vec![draw(rng, [3, 4], -2.0, 2.0, &[])], f: |x| x[0].log_softmax(1) };
#[cfg(feature = "cases")]
pub(super) const LOGSUMEXP: Case = Case {
    name: "logsumexp",
    inputs: |rng| vec![draw(rng, [2, 3, 2], -2.0, 2.0, &[])],
    f: |x| x[0].logsumexp(&[0, 2], false),
};
