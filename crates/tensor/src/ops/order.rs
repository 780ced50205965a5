//! Order along an axis: sorting, the largest few, running sums.

use super::index::around;
use super::reduce::axis_last;
use crate::{Element, Indices, Shape, Tensor};
use std::cmp::Ordering;

/// Ascending, NaN after everything else.
fn ascending<E: Element>(a: E, b: E) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

impl<E: Element> Tensor<E> {
    /// The elements in ascending order along `axis`; NaN comes last, as in NumPy and PyTorch.
    ///
    /// # Panics
    /// If the axis is outside the shape.
    #[track_caller]
    pub fn sort(&self, axis: usize) -> Tensor<E> {
        self.gather(axis, &self.argsort(axis))
    }

    /// Where the elements of [`Tensor::sort`] come from; equal ones keep their order.
    ///
    /// # Panics
    /// If the axis is outside the shape.
    #[track_caller]
    pub fn argsort(&self, axis: usize) -> Indices {
        assert!(axis < self.rank(), "argsort: axis {axis} is outside shape {}", self.shape);
        let n = self.shape[axis];
        self.ranked(axis, n, |row, order| order.sort_by(|&a, &b| ascending(row[a], row[b])))
    }

    /// The `k` largest elements along `axis` in descending order, and where they are; a NaN counts as the largest, and
    /// of equal elements the first is taken.
    ///
    /// # Panics
    /// If the axis is outside the shape or shorter than `k`.
    #[track_caller]
    pub fn topk(&self, k: usize, axis: usize) -> (Tensor<E>, Indices) {
        let fits = axis < self.rank() && k <= self.shape[axis];
        assert!(fits, "topk: there are no {k} elements along axis {axis} of shape {}", self.shape);
        let places = self.ranked(axis, k, |row, order| {
            let best = |a: &usize, b: &usize| ascending(row[*b], row[*a]).then(a.cmp(b));
            if k > 0 && k < order.len() {
                order.select_nth_unstable_by(k - 1, best);
            }
            order[..k].sort_unstable_by(best);
        });
        (self.gather(axis, &places), places)
    }

    /// For each row along `axis` the first `k` places of an order.
    fn ranked(&self, axis: usize, k: usize, order_by: impl Fn(&[E], &mut [usize])) -> Indices {
        let rows = axis_last(self, axis);
        let n = self.shape[axis];
        let (outer, _, inner) = around(&self.shape, axis);
        let mut shape = self.shape;
        shape.axes_mut()[axis] = k;
        let mut out = vec![0; shape.numel()];
        let mut order: Vec<usize> = Vec::with_capacity(n);
        if !out.is_empty() {
            for (r, row) in rows.slice_of().chunks_exact(n).enumerate() {
                order.clear();
                order.extend(0..n);
                order_by(row, &mut order);
                let (o, i) = (r / inner, r % inner);
                for (j, &place) in order[..k].iter().enumerate() {
                    out[(o * k + j) * inner + i] = place;
                }
            }
        }
        debug_assert_eq!(outer * k * inner, out.len());
        Indices::new(out, shape)
    }

    /// The running sum along `axis`: entry i is the sum of entries 0 to i.
    ///
    /// # Panics
    /// If the axis is outside the shape.
    #[track_caller]
    pub fn cumsum(&self, axis: usize) -> Tensor<E> {
        assert!(axis < self.rank(), "cumsum: axis {axis} is outside shape {}", self.shape);
        let (_, n, inner) = around(&self.shape, axis);
        let mut out = Tensor::scratch(Shape::new(&self.shape));
        let dense = self.contiguous();
        let slots = out.fresh_mut();
        slots.copy_from_slice(dense.slice_of());
        if !slots.is_empty() {
            for block in slots.chunks_exact_mut(n * inner) {
                if inner == 1 {
                    let mut sum = E::ZERO;
                    for x in block {
                        sum += *x;
                        *x = sum;
                    }
                    continue;
                }
                for i in 1..n {
                    let (before, now) = block[(i - 1) * inner..(i + 1) * inner].split_at_mut(inner);
                    for (x, &sum) in now.iter_mut().zip(&*before) {
                        *x += sum;
                    }
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn sorting_along_every_axis() {
        let x = Tensor::<f64>::randn([3, 5, 4], &mut Rng::new(1));
        for t in [&x, &x.permute(&[1, 2, 0])] {
            for axis in 0..3 {
                let sorted = t.sort(axis);
                let n = t.shape()[axis];
                let steps = sorted.slice_axis(axis, 1..).sub(&sorted.slice_axis(axis, ..n - 1));
                assert!(steps.min_all().item() >= 0.0);
                assert!((sorted.sum_all().item() - t.sum_all().item()).abs() < 1e-12);
                let (top, places) = t.topk(2, axis);
                assert_eq!(top.select(axis, 0), t.max(&[axis], false));
                assert_eq!(top.select(axis, 1), sorted.select(axis, n - 2));
                assert_eq!(t.gather(axis, &places), top);
            }
        }
    }

    #[test]
    fn ties_keep_their_order_and_nan_is_the_largest() {
        let x = Tensor::<f32>::from_slice(&[1.0, f32::NAN, 0.0, 1.0], [4]);
        assert_eq!(x.argsort(0).as_slice(), [2, 0, 3, 1]);
        assert_eq!(x.topk(3, 0).1.as_slice(), [1, 0, 3]);
        assert_eq!(x.topk(0, 0).0.len(), 0);
        assert_eq!(Tensor::<f32>::zeros([0, 2]).sort(0).len(), 0);
    }

    #[test]
    fn running_sums() {
        let x = Tensor::<f32>::arange(6).reshape([2, 3]);
        assert_eq!(x.cumsum(1).to_vec(), [0.0, 1.0, 3.0, 3.0, 7.0, 12.0]);
        assert_eq!(x.cumsum(0).to_vec(), [0.0, 1.0, 2.0, 3.0, 5.0, 7.0]);
        assert_eq!(x.t().cumsum(1).to_vec(), [0.0, 3.0, 1.0, 5.0, 2.0, 7.0]);
        assert_eq!(Tensor::<f32>::zeros([2, 0]).cumsum(1).len(), 0);
    }

    #[test]
    #[should_panic(expected = "topk: there are no 4 elements along axis 1 of shape [2, 3]")]
    fn more_than_there_are_is_refused() {
        Tensor::<f32>::zeros([2, 3]).topk(4, 1);
    }
}
