//! Views: other shapes and parts of the same buffer, without copying.

use crate::{Element, Shape, Tensor};
use std::ops::{Bound, RangeBounds};

impl<E: Element> Tensor<E> {
    /// The same elements in row-major order under another shape; copies only where the strides do not allow it.
    ///
    /// # Panics
    /// If the number of elements differs.
    #[track_caller]
    pub fn reshape(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        assert!(
            shape.numel() == self.len(),
            "reshape: {} elements of shape {} do not fill {shape}",
            self.len(),
            self.shape
        );
        let source = self.contiguous();
        Tensor { strides: shape.row_major_strides(), shape, ..source }
    }

    /// All elements along one axis.
    pub fn flatten(&self) -> Self {
        self.reshape([self.len()])
    }

    /// Axis `i` of the result is axis `order[i]` of this tensor.
    ///
    /// # Panics
    /// Unless `order` is a permutation of the axes.
    #[track_caller]
    pub fn permute(&self, order: &[usize]) -> Self {
        let mut seen = [false; crate::MAX_RANK];
        let valid = order.len() == self.rank()
            && order.iter().all(|&a| a < self.rank() && !std::mem::replace(&mut seen[a], true));
        assert!(valid, "permute: {order:?} is not a permutation of the axes of shape {}", self.shape);
        let (mut shape, mut strides) = (self.shape, self.strides);
        for (to, &from) in order.iter().enumerate() {
            shape.axes_mut()[to] = self.shape[from];
            strides.axes_mut()[to] = self.strides[from];
        }
        Tensor { buffer: self.buffer.clone(), shape, strides, offset: self.offset }
    }

    /// Two axes exchanged.
    #[track_caller]
    pub fn swap_axes(&self, a: usize, b: usize) -> Self {
        assert!(a < self.rank() && b < self.rank(), "swap_axes: axes {a} and {b} of shape {}", self.shape);
        let mut out = self.clone();
        out.shape.axes_mut().swap(a, b);
        out.strides.axes_mut().swap(a, b);
        out
    }

    /// The last two axes exchanged: the transpose of a matrix, or of each matrix of a batch.
    #[track_caller]
    pub fn t(&self) -> Self {
        assert!(self.rank() >= 2, "t: shape {} has fewer than two axes", self.shape);
        self.swap_axes(self.rank() - 2, self.rank() - 1)
    }

    /// The part of `axis` inside `range`.
    ///
    /// # Panics
    /// If the axis or the range is outside the shape.
    #[track_caller]
    pub fn slice_axis(&self, axis: usize, range: impl RangeBounds<usize>) -> Self {
        assert!(axis < self.rank(), "slice_axis: axis {axis} of shape {}", self.shape);
        let start = match range.start_bound() {
            Bound::Included(&s) => s,
            Bound::Excluded(&s) => s.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            // Past the last number there is: outside, as it should be, rather than 0.
            Bound::Included(&usize::MAX) => usize::MAX,
            Bound::Included(&e) => e + 1,
            Bound::Excluded(&e) => e,
            Bound::Unbounded => self.shape[axis],
        };
        let fits = start <= end && end <= self.shape[axis];
        assert!(fits, "slice_axis: {start}..{end} is outside axis {axis} of shape {}", self.shape);
        let mut out = self.clone();
        out.shape.axes_mut()[axis] = end - start;
        if !out.is_empty() {
            out.offset += start * self.strides[axis];
        }
        out
    }

    /// The part inside one `start..end` range per leading axis; the axes that follow stay whole.
    #[track_caller]
    pub fn slice(&self, ranges: &[std::ops::Range<usize>]) -> Self {
        assert!(ranges.len() <= self.rank(), "slice: {} ranges for shape {}", ranges.len(), self.shape);
        let mut out = self.clone();
        for (axis, range) in ranges.iter().enumerate() {
            out = out.slice_axis(axis, range.clone());
        }
        out
    }

    /// Every `step`-th position of `axis`, from the first on.
    #[track_caller]
    pub fn step_axis(&self, axis: usize, step: usize) -> Self {
        assert!(axis < self.rank() && step > 0, "step_axis: axis {axis}, step {step} of shape {}", self.shape);
        let mut out = self.clone();
        out.shape.axes_mut()[axis] = self.shape[axis].div_ceil(step);
        // A step past the end leaves one position at most, which is the first.
        out.strides.axes_mut()[axis] = self.strides[axis] * step.min(self.shape[axis].max(1));
        out
    }

    /// Position `at` of `axis`, without that axis.
    #[track_caller]
    pub fn select(&self, axis: usize, at: usize) -> Self {
        let fits = axis < self.rank() && at < self.shape[axis];
        assert!(fits, "select: position {at} of axis {axis} of shape {}", self.shape);
        self.slice_axis(axis, at..at + 1).squeeze(axis)
    }

    /// Without `axis`, whose size must be 1.
    #[track_caller]
    pub fn squeeze(&self, axis: usize) -> Self {
        let one = axis < self.rank() && self.shape[axis] == 1;
        assert!(one, "squeeze: axis {axis} of shape {} is not of size 1", self.shape);
        let mut out = self.clone();
        out.shape = self.shape.without_axis(axis);
        out.strides = self.strides.without_axis(axis);
        out
    }

    /// With an axis of size 1 put in before `axis`.
    #[track_caller]
    pub fn unsqueeze(&self, axis: usize) -> Self {
        let mut out = self.clone();
        out.shape = self.shape.with_axis(axis, 1);
        out.strides = self.strides.with_axis(axis, 1);
        out
    }

    /// Repeated without copying along axes of size 1 and along new leading axes, by NumPy's rule.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        let fits = self.shape.broadcast(&shape) == Some(shape);
        assert!(fits, "broadcast_to: shape {} does not broadcast to {shape}", self.shape);
        let mut strides = shape;
        let lead = shape.len() - self.rank();
        for axis in 0..shape.len() {
            let kept = axis >= lead && self.shape[axis - lead] == shape[axis];
            strides.axes_mut()[axis] = if kept { self.strides[axis - lead] } else { 0 };
        }
        Tensor { buffer: self.buffer.clone(), shape, strides, offset: self.offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn six() -> Tensor {
        Tensor::arange(6).reshape([2, 3])
    }

    #[test]
    fn views_share_and_read_right() {
        let a = six();
        assert!(a.t().shares_buffer(&a));
        assert_eq!(a.t().to_vec(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(a.slice(&[1..2, 0..2]).to_vec(), [3.0, 4.0]);
        assert_eq!(a.select(1, 2).to_vec(), [2.0, 5.0]);
        assert_eq!(a.step_axis(1, 2).to_vec(), [0.0, 2.0, 3.0, 5.0]);
        assert_eq!(a.unsqueeze(1).shape(), &[2, 1, 3]);
        assert_eq!(a.permute(&[1, 0]), a.t());
        assert_eq!(a.slice_axis(0, 1..1).len(), 0);
        assert_eq!(a.slice_axis(1, 3..).to_vec(), Vec::<f32>::new());
    }

    #[test]
    fn broadcasting_repeats_without_copying() {
        let row = Tensor::<f32>::arange(2).broadcast_to([2, 2, 2]);
        assert_eq!(row.to_vec(), [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!(row.t().at(&[1, 1, 0]), 1.0);
        assert_eq!(Tensor::<f32>::zeros([1, 0]).broadcast_to([3, 0]).len(), 0);
    }

    #[test]
    #[should_panic(expected = "reshape: 6 elements of shape [2, 3] do not fill [4]")]
    fn a_wrong_reshape_names_both_shapes() {
        six().reshape([4]);
    }

    #[test]
    #[should_panic(expected = "is outside axis 0 of shape [2, 3]")]
    fn an_endless_slice_is_outside() {
        six().slice_axis(0, 0..=usize::MAX);
    }

    #[test]
    #[should_panic(expected = "slice_axis: 1..4 is outside axis 1")]
    fn a_slice_outside_is_refused() {
        six().slice_axis(1, 1..4);
    }
}
