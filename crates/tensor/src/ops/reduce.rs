//! Reductions over axes: sums, means, variances, extremes.

use crate::kernels::reduce::{self as k, Joined, Max, MaxAbs, Min, Product, Reduction, Sum, SumSquares};
use crate::{Element, Indices, MAX_RANK, Shape, Tensor};

impl<E: Element> Tensor<E> {
    /// The sum over `axes`; 0 where there is nothing to add.
    ///
    /// No axes means that nothing is reduced: the result is this tensor (PyTorch reduces everything then; that is
    /// [`Tensor::sum_all`] here). With `keepdim` the axes stay, with size 1. The same holds for all reductions that
    /// take axes. Sums are taken in a fixed order with rounding that grows with the logarithm of the count, and do
    /// not depend on the number of threads.
    ///
    /// ```
    /// use kniff_tensor::Tensor;
    /// let a = Tensor::<f32>::arange(6).reshape([2, 3]);
    /// assert_eq!(a.sum(&[0], false).to_vec(), [3.0, 5.0, 7.0]);
    /// assert_eq!(a.sum(&[1], true).shape(), &[2, 1]);
    /// ```
    ///
    /// # Panics
    /// If an axis is outside the shape or named twice.
    #[track_caller]
    pub fn sum(&self, axes: &[usize], keepdim: bool) -> Tensor<E> {
        reduce("sum", Sum, self, axes, keepdim)
    }

    /// The sum of all elements, a scalar.
    pub fn sum_all(&self) -> Tensor<E> {
        reduce_all(Sum, self)
    }

    /// The mean over `axes`; NaN where there is nothing.
    ///
    /// # Panics
    /// If an axis is outside the shape or named twice.
    #[track_caller]
    pub fn mean(&self, axes: &[usize], keepdim: bool) -> Tensor<E> {
        let n = Axes::check("mean", &self.shape, axes).count(&self.shape);
        let mut out = self.sum(axes, keepdim);
        divide(&mut out, n);
        out
    }

    /// The mean of all elements, a scalar; NaN if there are none.
    pub fn mean_all(&self) -> Tensor<E> {
        let mut out = self.sum_all();
        divide(&mut out, self.len());
        out
    }

    /// The variance over `axes`: squared deviations from the mean, added and divided by the count less `ddof`.
    ///
    /// `ddof` 1 is the sample's unbiased estimate (PyTorch's default), 0 the variance of the numbers themselves (what
    /// batch norm divides by; NumPy's default). The mean is taken out first, so that a large one does no harm. NaN
    /// where the count is not above `ddof`.
    ///
    /// # Panics
    /// If an axis is outside the shape or named twice.
    #[track_caller]
    pub fn var(&self, axes: &[usize], ddof: usize, keepdim: bool) -> Tensor<E> {
        let set = Axes::check("var", &self.shape, axes);
        let n = set.count(&self.shape);
        let mut out = match set.trailing(self) {
            Some(_) if n > 0 => {
                let dense = self.contiguous();
                let mut pairs = Tensor::scratch([self.len() / n, 2]);
                k::row_moments(dense.slice_of(), n, pairs.fresh_mut());
                pairs.slice_axis(1, 1..2).reshape(set.result(&self.shape, keepdim))
            }
            _ => {
                let off = self.sub(&self.mean(axes, true));
                let squares = reduce("var", SumSquares, &off, axes, keepdim);
                // The mean is rounded; what is left of the deviations corrects for it.
                let mut left = off.sum(axes, keepdim).square();
                divide(&mut left, n);
                squares.sub(&left)
            }
        };
        let free = n.saturating_sub(ddof);
        divide(&mut out, free);
        if free == 0 {
            return Tensor::full(*out.shape(), E::NAN);
        }
        out
    }

    /// The standard deviation: the square root of [`Tensor::var`].
    ///
    /// # Panics
    /// If an axis is outside the shape or named twice.
    #[track_caller]
    pub fn std(&self, axes: &[usize], ddof: usize, keepdim: bool) -> Tensor<E> {
        self.var(axes, ddof, keepdim).sqrt()
    }

    /// The largest element over `axes`; NaN if there is one.
    ///
    /// # Panics
    /// If an axis is outside the shape or named twice, or there is nothing to choose from.
    #[track_caller]
    pub fn max(&self, axes: &[usize], keepdim: bool) -> Tensor<E> {
        self.assert_some("max", axes);
        reduce("max", Max, self, axes, keepdim)
    }

    /// The smallest element over `axes`; NaN if there is one.
    ///
    /// # Panics
    /// If an axis is outside the shape or named twice, or there is nothing to choose from.
    #[track_caller]
    pub fn min(&self, axes: &[usize], keepdim: bool) -> Tensor<E> {
        self.assert_some("min", axes);
        reduce("min", Min, self, axes, keepdim)
    }

    /// The largest of all elements, a scalar; NaN if there is one.
    ///
    /// # Panics
    /// If there are no elements.
    #[track_caller]
    pub fn max_all(&self) -> Tensor<E> {
        assert!(!self.is_empty(), "max_all: shape {} has no elements", self.shape);
        reduce_all(Max, self)
    }

    /// The smallest of all elements, a scalar; NaN if there is one.
    ///
    /// # Panics
    /// If there are no elements.
    #[track_caller]
    pub fn min_all(&self) -> Tensor<E> {
        assert!(!self.is_empty(), "min_all: shape {} has no elements", self.shape);
        reduce_all(Min, self)
    }

    /// The product over `axes`; 1 where there is nothing to multiply.
    ///
    /// # Panics
    /// If an axis is outside the shape or named twice.
    #[track_caller]
    pub fn prod(&self, axes: &[usize], keepdim: bool) -> Tensor<E> {
        reduce("prod", Product, self, axes, keepdim)
    }

    /// Where along `axis` the largest element is, the first of equal ones; a NaN counts as the largest.
    ///
    /// # Panics
    /// If the axis is outside the shape, or of size 0 while others are not.
    #[track_caller]
    pub fn argmax(&self, axis: usize) -> Indices {
        self.arg("argmax", Max, axis)
    }

    /// Where along `axis` the smallest element is, the first of equal ones; a NaN counts as the smallest.
    ///
    /// # Panics
    /// If the axis is outside the shape, or of size 0 while others are not.
    #[track_caller]
    pub fn argmin(&self, axis: usize) -> Indices {
        self.arg("argmin", Min, axis)
    }

    #[track_caller]
    fn arg<R: Reduction<E>>(&self, name: &str, op: R, axis: usize) -> Indices {
        assert!(axis < self.rank(), "{name}: axis {axis} is outside shape {}", self.shape);
        self.assert_some(name, &[axis]);
        let kept = self.shape.without_axis(axis);
        let mut out = vec![0; kept.numel()];
        if !out.is_empty() {
            k::arg_rows(op, axis_last(self, axis).slice_of(), self.shape[axis], &mut out);
        }
        Indices::new(out, kept)
    }

    /// The Euclidean norm of all elements, a scalar; neither overflows nor underflows on the way.
    pub fn norm(&self) -> Tensor<E> {
        let plain = reduce_all(SumSquares, self);
        let squares = plain.item();
        let safe = squares.is_finite() && squares.to_f64() > E::MIN_POSITIVE.to_f64() / E::EPSILON.to_f64();
        if safe || self.is_empty() {
            return plain.sqrt();
        }
        let largest = reduce_all(MaxAbs, self).item();
        if largest == E::ZERO || !largest.is_finite() {
            return Tensor::scalar(largest);
        }
        let scaled = self.div(&Tensor::scalar(largest));
        reduce_all(SumSquares, &scaled).sqrt().mul_scalar(largest)
    }

    /// Whether any element is not a number.
    pub fn any_nan(&self) -> bool {
        !self.is_empty() && reduce_all(MaxAbs, self).item().is_nan()
    }

    #[track_caller]
    fn assert_some(&self, name: &str, axes: &[usize]) {
        let set = Axes::check(name, &self.shape, axes);
        let nothing = set.count(&self.shape) == 0 && set.result(&self.shape, false).numel() > 0;
        assert!(!nothing, "{name}: there is nothing to choose from along axes {axes:?} of shape {}", self.shape);
    }
}

/// A set of axes of one shape.
#[derive(Clone, Copy)]
pub(super) struct Axes([bool; MAX_RANK]);

impl Axes {
    #[track_caller]
    pub(super) fn check(name: &str, shape: &Shape, axes: &[usize]) -> Self {
        let mut set = [false; MAX_RANK];
        for &axis in axes {
            assert!(axis < shape.len(), "{name}: axis {axis} is outside shape {shape}");
            assert!(!std::mem::replace(&mut set[axis], true), "{name}: axis {axis} is named twice in {axes:?}");
        }
        Axes(set)
    }

    /// How many elements each result is made of.
    pub(super) fn count(&self, shape: &Shape) -> usize {
        shape.iter().zip(self.0).filter(|(_, set)| *set).map(|(n, _)| n).product()
    }

    /// The shape after reducing.
    pub(super) fn result(&self, shape: &Shape, keepdim: bool) -> Shape {
        let mut axes = Vec::with_capacity(shape.len());
        for (&n, set) in shape.iter().zip(self.0) {
            match set {
                false => axes.push(n),
                true if keepdim => axes.push(1),
                true => {}
            }
        }
        Shape::new(&axes)
    }

    /// Whether only the last axes are in the set (axes of size 1 aside), and the tensor is dense.
    fn trailing<E: Element>(&self, t: &Tensor<E>) -> Option<()> {
        let mut flags = t.shape.iter().zip(self.0).filter(|(n, _)| **n != 1).map(|(_, set)| set);
        let dense = t.is_contiguous();
        let in_order = flags.by_ref().skip_while(|set| !set).all(|set| set);
        (dense && in_order).then_some(())
    }
}

#[track_caller]
fn reduce<E: Element, R: Reduction<E>>(name: &str, op: R, t: &Tensor<E>, axes: &[usize], keepdim: bool) -> Tensor<E> {
    let set = Axes::check(name, &t.shape, axes);
    let shape = set.result(&t.shape, keepdim);
    if shape.numel() == 0 {
        return Tensor::zeros(shape);
    }
    if set.count(&t.shape) == 0 {
        return Tensor::full(shape, op.start());
    }
    // In the order of memory, neighbouring axes that share a fate are one.
    let (dense, order) = in_memory_order(t);
    let mut runs = Runs::default();
    for (&n, &axis) in dense.shape.iter().zip(order.iter()) {
        runs.push(n, set.0[axis]);
    }
    let mut now = dense;
    let mut lifted = false;
    while let Some((outer, n, inner)) = runs.take_last() {
        let mut out = Tensor::scratch([outer * inner]);
        let (x, slots) = (now.slice_of(), out.fresh_mut());
        match (inner, lifted) {
            (1, false) => k::rows(op, x, n, slots),
            (1, true) => k::rows(Joined(op), x, n, slots),
            (_, false) => k::columns(op, x, (n, inner), slots),
            (_, true) => k::columns(Joined(op), x, (n, inner), slots),
        }
        (now, lifted) = (out, true);
    }
    if !lifted {
        let mut out = Tensor::scratch(shape);
        k::rows(op, t.contiguous().slice_of(), 1, out.fresh_mut());
        return out;
    }
    // What is left of the axes is in the order of memory still.
    let (mut left, mut rank) = ([0; MAX_RANK], 0);
    for &axis in order.iter().filter(|&&axis| !set.0[axis]) {
        left[rank] = axis;
        rank += 1;
    }
    let left = &left[..rank];
    let (mut sizes, mut back) = ([0; MAX_RANK], [0; MAX_RANK]);
    for (i, &axis) in left.iter().enumerate() {
        (sizes[i], back[i]) = (t.shape[axis], i);
    }
    back[..rank].sort_unstable_by_key(|&i| left[i]);
    now.reshape(&sizes[..rank]).permute(&back[..rank]).reshape(shape)
}

/// Neighbouring axes that are reduced together or kept together, as their joint size and whether they are reduced.
#[derive(Default)]
struct Runs {
    runs: [(usize, bool); MAX_RANK],
    count: usize,
}

impl Runs {
    fn push(&mut self, n: usize, reduced: bool) {
        match self.runs[..self.count].last_mut() {
            Some((size, flag)) if *flag == reduced => *size *= n,
            _ => {
                self.runs[self.count] = (n, reduced);
                self.count += 1;
            }
        }
    }

    /// Takes the last run that is reduced: the product of the sizes before it, its own, and the product of those after it.
    fn take_last(&mut self) -> Option<(usize, usize, usize)> {
        let runs = &mut self.runs[..self.count];
        let at = runs.iter().rposition(|run| run.1)?;
        let n = runs[at].0;
        runs[at..].rotate_left(1);
        self.count -= 1;
        let product = |runs: &[(usize, bool)]| runs.iter().map(|run| run.0).product();
        Some((product(&self.runs[..at]), n, product(&self.runs[at..self.count])))
    }
}

/// A dense tensor with the axes in the order in which they lie in memory, and which axis of `t` each is.
fn in_memory_order<E: Element>(t: &Tensor<E>) -> (Tensor<E>, Shape) {
    // Axes fit into a shape as sizes do, and lie in the value itself.
    let mut order = t.shape;
    let axes = order.axes_mut();
    axes.iter_mut().enumerate().for_each(|(i, axis)| *axis = i);
    if !t.is_contiguous() {
        axes.sort_by_key(|&axis| std::cmp::Reverse(t.strides[axis]));
        let sorted = t.permute(axes);
        if sorted.is_contiguous() {
            return (sorted, order);
        }
        axes.sort_unstable();
    }
    (t.contiguous(), order)
}

fn reduce_all<E: Element, R: Reduction<E>>(op: R, t: &Tensor<E>) -> Tensor<E> {
    let mut out = Tensor::scratch(Shape::SCALAR);
    let (dense, _) = in_memory_order(t);
    k::rows(op, dense.slice_of(), t.len(), out.fresh_mut());
    out
}

/// The tensor with `axis` as the last one, dense.
pub(super) fn axis_last<E: Element>(t: &Tensor<E>, axis: usize) -> Tensor<E> {
    let mut order: Vec<usize> = (0..t.rank()).filter(|&a| a != axis).collect();
    order.push(axis);
    t.permute(&order).contiguous()
}

fn divide<E: Element>(t: &mut Tensor<E>, n: usize) {
    let n = E::from_usize(n);
    for x in t.make_mut() {
        *x /= n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn close(a: &Tensor<f64>, expected: &Tensor<f64>) {
        assert_eq!(a.shape(), expected.shape());
        for (x, y) in a.to_vec().iter().zip(expected.to_vec()) {
            assert!((x - y).abs() <= 1e-12 * y.abs().max(1.0), "{x} instead of {y}");
        }
    }

    /// By walking over every position.
    fn naive(t: &Tensor<f64>, axes: &[usize], start: f64, f: impl Fn(f64, f64) -> f64) -> Tensor<f64> {
        let mut shape = t.shape().to_vec();
        axes.iter().for_each(|&a| shape[a] = 1);
        let mut out = vec![start; shape.iter().product()];
        let strides = Shape::new(&shape).row_major_strides();
        for (position, &x) in t.view().indexed_iter() {
            let at: usize = (0..t.rank()).map(|a| if axes.contains(&a) { 0 } else { position[a] * strides[a] }).sum();
            out[at] = f(out[at], x);
        }
        Tensor::from_vec(out, shape)
    }

    #[test]
    fn every_set_of_axes_in_every_layout() {
        let mut rng = Rng::new(1);
        for shape in [&[3, 1, 4, 5][..], &[2, 3, 2, 2], &[1, 1, 7, 1], &[0, 2, 3, 1]] {
            let base = Tensor::<f64>::randn(shape, &mut rng);
            for t in [&base, &base.permute(&[3, 1, 0, 2]), &base.swap_axes(1, 2), &base.slice_axis(2, 1..)] {
                for bits in 0..16 {
                    let axes: Vec<usize> = (0..4).filter(|a| bits >> a & 1 == 1).collect();
                    let sum = naive(t, &axes, 0.0, |a, x| a + x);
                    close(&t.sum(&axes, true), &sum);
                    let kept = Axes::check("test", t.shape(), &axes).result(t.shape(), false);
                    close(&t.sum(&axes, false), &sum.reshape(kept));
                    close(&t.prod(&axes, true), &naive(t, &axes, 1.0, |a, x| a * x));
                    if t.is_empty() {
                        continue;
                    }
                    close(&t.max(&axes, true), &naive(t, &axes, f64::NEG_INFINITY, f64::max));
                    close(&t.min(&axes, true), &naive(t, &axes, f64::INFINITY, f64::min));
                    let n: usize = axes.iter().map(|&a| t.shape()[a]).product();
                    let mean = sum.mul_scalar(1.0 / n as f64);
                    close(&t.mean(&axes, true), &mean);
                    let off = t.sub(&mean);
                    let squares = naive(&off, &axes, 0.0, |a, x| a + x * x);
                    close(&t.var(&axes, 0, true), &squares.mul_scalar(1.0 / n as f64));
                    if n > 1 {
                        close(&t.std(&axes, 1, true), &squares.mul_scalar(1.0 / (n - 1) as f64).sqrt());
                    }
                }
            }
        }
    }

    #[test]
    fn no_axes_reduce_nothing_and_scalars_reduce_to_themselves() {
        let a = Tensor::<f32>::arange(3);
        assert_eq!(a.sum(&[], false), a);
        assert_eq!(Tensor::<f32>::scalar(3.0).sum(&[], true).item(), 3.0);
        assert_eq!(Tensor::<f32>::scalar(3.0).max_all().item(), 3.0);
        assert_eq!(a.broadcast_to([4, 3]).sum_all().item(), 12.0);
    }

    #[test]
    fn nothing_adds_to_zero_and_has_no_mean() {
        let none = Tensor::<f32>::zeros([2, 0]);
        assert_eq!(none.sum(&[1], false).to_vec(), [0.0; 2]);
        assert!(none.mean(&[1], false).to_vec()[0].is_nan() && none.mean_all().item().is_nan());
        assert_eq!(none.max(&[0], false).shape(), &[0]);
        assert_eq!(none.norm().item(), 0.0);
        assert!(Tensor::<f32>::ones([1]).var(&[0], 1, false).item().is_nan());
    }

    #[test]
    fn a_large_mean_does_not_drown_the_variance() {
        let x = Tensor::<f32>::arange(4000).map(|x| 1e6 + x % 4.0).reshape([1000, 4]);
        assert_eq!(x.reshape([4000]).var(&[0], 0, false).item(), 1.25);
        assert_eq!(x.var(&[0], 0, false).to_vec(), [0.0; 4]);
        assert_eq!(x.t().contiguous().var(&[0], 0, false).to_vec(), [1.25; 1000]);
    }

    #[test]
    fn places_of_extremes() {
        let a = Tensor::<f64>::from_slice(&[1.0, 5.0, 5.0, -2.0, f64::NAN, 9.0], [2, 3]);
        assert_eq!(a.argmax(1).as_slice(), [1, 1]);
        assert_eq!(a.argmax(0).as_slice(), [0, 1, 1]);
        assert_eq!(a.argmin(0).as_slice(), [1, 1, 0]);
        assert!(a.max_all().item().is_nan() && a.any_nan());
        assert!(!a.slice_axis(0, ..1).any_nan());
        assert_eq!(Tensor::<f64>::zeros([0, 3]).argmax(1).len(), 0);
    }

    #[test]
    fn norms_neither_overflow_nor_underflow() {
        let norm = |a: f32, b: f32| Tensor::from_slice(&[a, b], [2]).norm().item();
        assert_eq!(norm(3.0, 4.0), 5.0);
        assert_eq!(norm(3e38, 0.0), 3e38);
        assert!((norm(3e30, 4e30) / 5e30 - 1.0).abs() < 1e-6);
        assert!((norm(3e-30, 4e-30) / 5e-30 - 1.0).abs() < 1e-6);
        assert_eq!(norm(0.0, 0.0), 0.0);
        assert_eq!(norm(f32::NEG_INFINITY, 1.0), f32::INFINITY);
        assert!(norm(f32::NAN, 1.0).is_nan());
    }

    #[test]
    #[should_panic(expected = "max: there is nothing to choose from along axes [0] of shape [0, 2]")]
    fn the_largest_of_nothing_is_refused() {
        Tensor::<f32>::zeros([0, 2]).max(&[0], false);
    }

    #[test]
    #[should_panic(expected = "sum: axis 2 is outside shape [2, 2]")]
    fn an_axis_outside_is_refused() {
        Tensor::<f32>::zeros([2, 2]).sum(&[2], false);
    }
}
