//! The largest and the smallest over axes.

use super::sum::reduced;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::Case;
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Tensor};

/// The largest (or smallest) over axes; those that tie share the gradient equally.
#[derive(Clone)]
struct Max {
    axes: Vec<usize>,
    keepdim: bool,
    min: bool,
}

impl<E: Element> Op<E> for Max {
    fn name(&self) -> &'static str {
        if self.min { "min" } else { "max" }
    }

    fn keeps(&self) -> Keeps {
        Keeps::inputs(1).and_output()
    }

    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        if self.min { x[0].min(&self.axes, self.keepdim) } else { x[0].max(&self.axes, self.keepdim) }
    }

    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.reshape(reduced(at.shape(0), &self.axes)).mul(&self.shares(at)));
    }

    fn push_forward(&self, dx: &[Option<&Var<E>>], at: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| dx.mul(&self.shares(at)).sum(&self.axes, self.keepdim))
    }
}

impl Max {
    /// What each element has of the gradient of its maximum.
    fn shares<E: Element>(&self, at: &At<'_, E>) -> Var<E> {
        let best = at.output().value().reshape(reduced(at.shape(0), &self.axes));
        let hits = at.input(0).value().eq_elements(&best);
        Var::constant(hits.div(&hits.sum(&self.axes, true)))
    }
}

impl<E: Element> Var<E> {
    /// The largest over `axes`; NaN if there is one. Elements that tie share the gradient equally (as `amax` in PyTorch).
    ///
    /// # Panics
    /// If an axis is out of range or named twice, or there is nothing to choose from.
    #[track_caller]
    pub fn max(&self, axes: &[usize], keepdim: bool) -> Var<E> {
        apply(Max { axes: axes.to_vec(), keepdim, min: false }, &[self])
    }

    /// The smallest over `axes`; NaN if there is one. Elements that tie share the gradient equally.
    ///
    /// # Panics
    /// If an axis is out of range or named twice, or there is nothing to choose from.
    #[track_caller]
    pub fn min(&self, axes: &[usize], keepdim: bool) -> Var<E> {
        apply(Max { axes: axes.to_vec(), keepdim, min: true }, &[self])
    }

    /// Maxout: the largest of each `pieces` neighbours along the last axis, which shrinks by that factor.
    ///
    /// Feature c of the result is the largest of features `c k .. c k + k - 1`. Source: Goodfellow et al. (2013).
    ///
    /// # Panics
    /// If the last axis is not a multiple of `pieces`.
    #[track_caller]
    pub fn maxout(&self, pieces: usize) -> Var<E> {
        assert!(self.rank() > 0, "maxout: a scalar has no features");
        self.maxout_along(self.rank() - 1, pieces)
    }

    /// [`Var::maxout`] along any axis: the channels of images are axis 1.
    ///
    /// # Panics
    /// If the axis is out of range, or no multiple of `pieces`.
    #[track_caller]
    pub fn maxout_along(&self, axis: usize, pieces: usize) -> Var<E> {
        let fits = axis < self.rank() && pieces > 0 && self.shape()[axis].is_multiple_of(pieces);
        assert!(fits, "maxout: axis {axis} of shape {} is not a multiple of {pieces} pieces", self.shape());
        let shape = self.shape();
        let features = shape[axis] / pieces;
        let (outer, inner): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        let mut out = shape.to_vec();
        out[axis] = features;
        self.reshape([outer, features, pieces, inner]).max(&[2], false).reshape(out)
    }
}

/// Distinct numbers, at least 0.1 apart, in a random order.
#[cfg(feature = "cases")]
fn distinct(rng: &mut kniff_tensor::Rng, shape: [usize; 2]) -> Vec<Tensor<f64>> {
    let order = rng.permutation(shape[0] * shape[1]);
    vec![Tensor::from_fn(shape, |i| order[i] as f64 * 0.1 - 0.5)]
}

#[cfg(feature = "cases")]
pub(super) const MAX: Case =
    Case { name: "max", inputs: |rng| distinct(rng, [3, 4]), f: |x| x[0].max(&[1], false).square() };
#[cfg(feature = "cases")]
pub(super) const MIN: Case =
    Case { name: "min", inputs: |rng| distinct(rng, [3, 4]), f: |x| x[0].min(&[0], true).square() };
#[cfg(feature = "cases")]
pub(super) const MAXOUT: Case =
    Case { name: "maxout", inputs: |rng| distinct(rng, [2, 6]), f: |x| x[0].maxout(3).square() };
