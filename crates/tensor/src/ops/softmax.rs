//! Softmax and its relatives along an axis.

use super::reduce::{Axes, axis_last};
use crate::kernels::softmax as k;
use crate::{Element, Tensor};

impl<E: Element> Tensor<E> {
    /// `e^x / sum e^x` along `axis`: positive, and adding up to 1. Large inputs do not overflow.
    ///
    /// ```
    /// use kniff_tensor::Tensor;
    /// let p = Tensor::<f64>::from_slice(&[1000.0, 1000.0], [2]).softmax(0);
    /// assert_eq!(p.to_vec(), [0.5, 0.5]);
    /// ```
    ///
    /// # Panics
    /// If the axis is outside the shape.
    #[track_caller]
    pub fn softmax(&self, axis: usize) -> Tensor<E> {
        self.along("softmax", axis, k::softmax)
    }

    /// `x - ln sum e^x` along `axis`: the logarithm of [`Tensor::softmax`], exact where that is tiny.
    ///
    /// # Panics
    /// If the axis is outside the shape.
    #[track_caller]
    pub fn log_softmax(&self, axis: usize) -> Tensor<E> {
        self.along("log_softmax", axis, k::log_softmax)
    }

    /// `ln sum e^x` over `axes`; -inf where all are -inf.
    ///
    /// # Panics
    /// If an axis is outside the shape or named twice.
    #[track_caller]
    pub fn logsumexp(&self, axes: &[usize], keepdim: bool) -> Tensor<E> {
        let set = Axes::check("logsumexp", &self.shape, axes);
        let mut order: Vec<usize> = (0..self.rank()).filter(|a| !axes.contains(a)).collect();
        order.extend_from_slice(axes);
        let rows = self.permute(&order).contiguous();
        let mut out = Tensor::scratch(set.result(&self.shape, keepdim));
        k::logsumexp(rows.slice_of(), set.count(&self.shape), out.fresh_mut());
        out
    }

    #[track_caller]
    fn along(&self, name: &str, axis: usize, f: fn(&[E], usize, &mut [E])) -> Tensor<E> {
        assert!(axis < self.rank(), "{name}: axis {axis} is outside shape {}", self.shape);
        let rows = axis_last(self, axis);
        let mut out = Tensor::scratch(rows.shape);
        f(rows.slice_of(), self.shape[axis], out.fresh_mut());
        if axis + 1 == self.rank() {
            return out;
        }
        let mut back: Vec<usize> = (0..self.rank() - 1).collect();
        back.insert(axis, self.rank() - 1);
        out.permute(&back).contiguous()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn close(a: &Tensor<f64>, b: &Tensor<f64>) {
        assert_eq!(a.shape(), b.shape());
        for (x, y) in a.to_vec().iter().zip(b.to_vec()) {
            assert!((x - y).abs() <= 1e-13 * y.abs().max(1.0), "{x} instead of {y}");
        }
    }

    #[test]
    fn along_every_axis_they_are_their_formula() {
        let x = Tensor::<f64>::randn([3, 20, 7], &mut Rng::new(1));
        for t in [&x, &x.permute(&[2, 0, 1])] {
            for axis in 0..3 {
                let e = t.exp();
                let sum = e.sum(&[axis], true);
                close(&t.softmax(axis), &e.div(&sum));
                close(&t.log_softmax(axis), &t.sub(&sum.ln()));
                close(&t.logsumexp(&[axis], true), &sum.ln());
            }
            close(&t.logsumexp(&[2, 0], false), &t.exp().sum(&[0, 2], false).ln());
            close(&t.logsumexp(&[], false), t);
        }
    }

    #[test]
    fn extremes_stay_in_range() {
        let inf = f32::INFINITY;
        let lse = |x: &[f32]| Tensor::from_slice(x, [x.len()]).logsumexp(&[0], false).item();
        assert_eq!(lse(&[1e30, 0.0]), 1e30);
        assert_eq!(lse(&[-inf, -inf]), -inf);
        assert_eq!(lse(&[-inf, 3.0]), 3.0);
        assert_eq!(lse(&[inf, -inf, 1.0]), inf);
        assert_eq!(lse(&[]), -inf);
        assert!(lse(&[f32::NAN, inf]).is_nan());
        let p = Tensor::from_slice(&[-1e30, 0.0, -inf], [3]);
        assert_eq!(p.softmax(0).to_vec(), [0.0, 1.0, 0.0]);
        assert_eq!(p.log_softmax(0).to_vec(), [-1e30, 0.0, -inf]);
        assert_eq!(Tensor::<f32>::zeros([2, 0]).softmax(1).shape(), &[2, 0]);
    }

    #[test]
    fn a_row_that_is_lost_leaves_its_neighbours_alone() {
        for n in [1, 3, 10, 64, 65, 300] {
            let mut x = Tensor::<f32>::randn([5, n], &mut Rng::new(1));
            let whole = x.softmax(1);
            x.make_mut()[n..2 * n].fill(f32::NAN);
            x.make_mut()[4 * n - 1] = f32::NAN;
            let (p, lse) = (x.softmax(1), x.logsumexp(&[1], false).to_vec());
            for (r, lse) in lse.iter().enumerate() {
                let lost = r == 1 || r == 3;
                assert_eq!(p.select(0, r).any_nan(), lost);
                assert_eq!(lse.is_nan(), lost);
                assert!(lost || p.select(0, r) == whole.select(0, r));
            }
        }
    }
}
