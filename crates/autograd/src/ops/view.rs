//! Other shapes of the same elements: reshape, permute, broadcast, slice, pad.

use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use crate::op::{At, Cotangents, Keeps, Op, apply};
use kniff_tensor::{Element, Shape, Tensor};

/// Another shape; the pull-back takes it back.
#[derive(Clone, Copy)]
struct Reshape(Shape);

impl<E: Element> Op<E> for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].reshape(self.0)
    }
    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.reshape(*at.shape(0)));
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| dx.reshape(self.0))
    }
}

/// Axes in another order; the pull-back takes them back.
#[derive(Clone)]
struct Permute(Vec<usize>);

impl<E: Element> Op<E> for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].permute(&self.0)
    }
    fn pull_back(&self, g: &Var<E>, _: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || {
            let mut back = vec![0; self.0.len()];
            for (to, &from) in self.0.iter().enumerate() {
                back[from] = to;
            }
            g.permute(&back)
        });
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| dx.permute(&self.0))
    }
}

/// Repetition along axes; the pull-back sums.
#[derive(Clone, Copy)]
struct Broadcast(Shape);

impl<E: Element> Op<E> for Broadcast {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].broadcast_to(self.0)
    }
    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || g.sum_to(*at.shape(0)));
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| dx.broadcast_to(self.0))
    }
}

/// A part of one axis; the pull-back pads with zeros.
#[derive(Clone, Copy)]
struct Slice {
    axis: usize,
    start: usize,
    end: usize,
}

impl<E: Element> Op<E> for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].slice_axis(self.axis, self.start..self.end)
    }
    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || {
            let mut widths = vec![(0, 0); at.shape(0).len()];
            widths[self.axis] = (self.start, at.shape(0)[self.axis] - self.end);
            g.pad(&widths, E::ZERO)
        });
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| dx.slice_axis(self.axis, self.start..self.end))
    }
}

/// A border of one value; the pull-back cuts it off.
#[derive(Clone)]
struct Pad<E> {
    widths: Vec<(usize, usize)>,
    fill: E,
}

impl<E: Element> Op<E> for Pad<E> {
    fn name(&self) -> &'static str {
        "pad"
    }
    fn keeps(&self) -> Keeps {
        Keeps::NOTHING
    }
    fn value(&mut self, x: &[&Tensor<E>]) -> Tensor<E> {
        x[0].pad(&self.widths, self.fill)
    }
    fn pull_back(&self, g: &Var<E>, at: &At<'_, E>, to: &mut Cotangents<'_, E>) {
        to.input(0, || {
            let mut g = g.clone();
            for (axis, &(before, _)) in self.widths.iter().enumerate() {
                g = g.slice_axis(axis, before..before + at.shape(0)[axis]);
            }
            g
        });
    }
    fn push_forward(&self, dx: &[Option<&Var<E>>], _: &At<'_, E>) -> Option<Var<E>> {
        dx[0].map(|dx| dx.pad(&self.widths, E::ZERO))
    }
}

impl<E: Element> Var<E> {
    /// The same elements in row-major order under another shape.
    ///
    /// # Panics
    /// If the number of elements differs.
    #[track_caller]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Var<E> {
        let shape = shape.into();
        if shape == *self.shape() { self.clone() } else { apply(Reshape(shape), &[self]) }
    }

    /// Axis `i` of the result is axis `order[i]`.
    ///
    /// # Panics
    /// Unless `order` is a permutation of the axes.
    #[track_caller]
    pub fn permute(&self, order: &[usize]) -> Var<E> {
        apply(Permute(order.to_vec()), &[self])
    }

    /// The last two axes exchanged.
    ///
    /// # Panics
    /// With fewer than two axes.
    #[track_caller]
    pub fn t(&self) -> Var<E> {
        assert!(self.rank() >= 2, "t: shape {} has fewer than two axes", self.shape());
        if self.is_plain() {
            return Var { value: self.value.t(), ..self.clone() };
        }
        let mut order: Vec<usize> = (0..self.rank()).collect();
        order.swap(self.rank() - 2, self.rank() - 1);
        self.permute(&order)
    }

    /// Repeated along axes of size 1 and new leading axes, by NumPy's rule.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Var<E> {
        let shape = shape.into();
        if shape == *self.shape() { self.clone() } else { apply(Broadcast(shape), &[self]) }
    }

    /// The part of `axis` inside `range`.
    ///
    /// # Panics
    /// If the axis or the range is outside the shape.
    #[track_caller]
    pub fn slice_axis(&self, axis: usize, range: std::ops::Range<usize>) -> Var<E> {
        apply(Slice { axis, start: range.start, end: range.end }, &[self])
    }

    /// Position `at` of `axis`, without that axis.
    ///
    /// # Panics
    /// If the axis or the position is outside the shape.
    #[track_caller]
    pub fn select(&self, axis: usize, at: usize) -> Var<E> {
        self.slice_axis(axis, at..at + 1).squeeze(axis)
    }

    /// With `(before, after)` elements of value `fill` added to each axis.
    ///
    /// # Panics
    /// Unless there is one pair per axis.
    #[track_caller]
    pub fn pad(&self, widths: &[(usize, usize)], fill: E) -> Var<E> {
        apply(Pad { widths: widths.to_vec(), fill }, &[self])
    }

    /// Without `axis`, whose size must be 1.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn squeeze(&self, axis: usize) -> Var<E> {
        let one = axis < self.rank() && self.shape()[axis] == 1;
        assert!(one, "squeeze: axis {axis} of shape {} is not of size 1", self.shape());
        self.reshape(self.shape().without_axis(axis))
    }

    /// With an axis of size 1 put in before `axis`.
    ///
    /// # Panics
    /// If there are fewer axes than `axis`.
    #[track_caller]
    pub fn unsqueeze(&self, axis: usize) -> Var<E> {
        self.reshape(self.shape().with_axis(axis, 1))
    }

    /// All axes from `start` on become one.
    ///
    /// # Panics
    /// If `start` is past the last axis.
    #[track_caller]
    pub fn flatten_from(&self, start: usize) -> Var<E> {
        assert!(start < self.rank(), "flatten_from: axis {start} of shape {}", self.shape());
        let mut shape = self.shape()[..start].to_vec();
        shape.push(self.shape()[start..].iter().product());
        self.reshape(shape)
    }
}

#[cfg(feature = "cases")]
fn block(rng: &mut kniff_tensor::Rng) -> Vec<Tensor<f64>> {
    vec![draw(rng, [2, 3, 4], -2.0, 2.0, &[])]
}

#[cfg(feature = "cases")]
pub(super) const RESHAPE: Case = Case { name: "reshape", inputs: block, f: |x| x[0].reshape([4, 6]).square() };
#[cfg(feature = "cases")]
pub(super) const PERMUTE: Case = Case { name: "permute", inputs: block, f: |x| x[0].permute(&[2, 0, 1]).square() };
#[cfg(feature = "cases")]
pub(super) const BROADCAST: Case = Case {
    name: "broadcast_to",
    inputs: |rng| vec![draw(rng, [3, 1], -2.0, 2.0, &[])],
    f: |x| x[0].broadcast_to([2, 3, 4]).square(),
};
#[cfg(feature = "cases")]
pub(super) const SLICE: Case = Case { name: "slice", inputs: block, f: |x| x[0].slice_axis(1, 1..3).square() };
#[cfg(feature = "cases")]
pub(super) const PAD: Case =
    Case { name: "pad", inputs: block, f: |x| x[0].pad(&[(0, 1), (2, 0), (1, 1)], 0.5).square() };
