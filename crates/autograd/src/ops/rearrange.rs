//! The same elements at other places: flip, roll, tile, steps, mirrored borders, triangles, and sorted order.

use super::where_else::WhereVar;
use crate::Var;
#[cfg(feature = "cases")]
use crate::case::{Case, draw};
use kniff_tensor::{Element, Indices, Tensor};

/// What stands beyond the edge of a padded tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// The elements mirrored at the outermost one, which is not repeated: `c b | a b c | b a`.
    Reflect,
    /// The outermost element: `a a | a b c | c c`.
    Replicate,
}

impl<E: Element> Var<E> {
    /// The entries of each of `axes` in the opposite order.
    ///
    /// # Panics
    /// If an axis is out of range.
    #[track_caller]
    pub fn flip(&self, axes: &[usize]) -> Var<E> {
        axes.iter().fold(self.clone(), |x, &axis| x.taken("flip", axis, |n| (0..n).rev().collect()))
    }

    /// The entries of an axis moved on by `shift` positions; what falls off the end comes in at the start.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn roll(&self, axis: usize, shift: isize) -> Var<E> {
        self.taken("roll", axis, |n| (0..n).map(|i| (i as isize - shift).rem_euclid(n as isize) as usize).collect())
    }

    /// Every `step`th entry of an axis, from the first on.
    ///
    /// # Panics
    /// If the axis is out of range or `step` is 0.
    #[track_caller]
    pub fn step_axis(&self, axis: usize, step: usize) -> Var<E> {
        assert!(step > 0, "step_axis: steps of 0");
        if step == 1 { self.clone() } else { self.taken("step_axis", axis, |n| (0..n).step_by(step).collect()) }
    }

    /// The whole tensor `times[axis]` times along each axis (NumPy's `tile`, PyTorch's `repeat`).
    ///
    /// # Panics
    /// Unless there is a number per axis.
    #[track_caller]
    pub fn tile(&self, times: &[usize]) -> Var<E> {
        assert!(times.len() == self.rank(), "tile: {} numbers for shape {}", times.len(), self.shape());
        let mut out = self.clone();
        for (axis, &t) in times.iter().enumerate().filter(|(_, t)| **t != 1) {
            let mut shape = out.shape().to_vec();
            let n = shape[axis];
            let (outer, inner): (usize, usize) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
            shape[axis] = t * n;
            out = out.reshape([outer, 1, n * inner]).broadcast_to([outer, t, n * inner]).reshape(shape);
        }
        out
    }

    /// With `(before, after)` elements added to each axis, taken from the inside.
    ///
    /// # Panics
    /// Unless there is one pair per axis, and enough elements to take: one to replicate, one more than the border is wide
    /// to reflect.
    #[track_caller]
    pub fn pad_with(&self, widths: &[(usize, usize)], border: Border) -> Var<E> {
        assert!(widths.len() == self.rank(), "pad_with: {} pairs of widths for shape {}", widths.len(), self.shape());
        let mut out = self.clone();
        for (axis, &(before, after)) in widths.iter().enumerate().filter(|(_, w)| **w != (0, 0)) {
            let n = self.shape()[axis] as isize;
            let enough = if border == Border::Reflect { before.max(after) < n as usize } else { n > 0 };
            assert!(enough, "pad_with: axis {axis} of shape {} cannot give {before} and {after}", self.shape());
            let place = |i: isize| match border {
                Border::Replicate => i.clamp(0, n - 1),
                Border::Reflect if i < 0 => -i,
                Border::Reflect if i >= n => 2 * (n - 1) - i,
                Border::Reflect => i,
            };
            let positions: Vec<usize> = (-(before as isize)..n + after as isize).map(|i| place(i) as usize).collect();
            out = out.index_select(axis, &positions);
        }
        out
    }

    /// The lower triangle of each matrix in the last two axes: zero where column > row + `offset`.
    ///
    /// # Panics
    /// With fewer than two axes.
    #[track_caller]
    pub fn tril(&self, offset: isize) -> Var<E> {
        Tensor::ones(*self.shape()).tril(offset).where_var(self, &Var::scalar(E::ZERO))
    }

    /// The upper triangle of each matrix in the last two axes: zero where column < row + `offset`.
    ///
    /// # Panics
    /// With fewer than two axes.
    #[track_caller]
    pub fn triu(&self, offset: isize) -> Var<E> {
        Tensor::ones(*self.shape()).triu(offset).where_var(self, &Var::scalar(E::ZERO))
    }

    /// The elements in ascending order along an axis, and where they come from. Equal ones keep their order, NaN comes
    /// last; the gradient goes back where the element came from.
    ///
    /// # Panics
    /// If the axis is out of range.
    #[track_caller]
    pub fn sort(&self, axis: usize) -> (Var<E>, Indices) {
        let from = self.value.argsort(axis);
        (self.gather(axis, &from), from)
    }

    /// The `k` largest elements along an axis in descending order, and where they come from. Of equal ones the first is
    /// taken, NaN counts as the largest; the gradient goes back where the element came from.
    ///
    /// # Panics
    /// If the axis is out of range or shorter than `k`.
    #[track_caller]
    pub fn topk(&self, k: usize, axis: usize) -> (Var<E>, Indices) {
        let (_, from) = self.value.topk(k, axis);
        (self.gather(axis, &from), from)
    }

    #[track_caller]
    fn taken(&self, name: &str, axis: usize, positions: impl FnOnce(usize) -> Vec<usize>) -> Var<E> {
        assert!(axis < self.rank(), "{name}: axis {axis} of shape {}", self.shape());
        let n = self.shape()[axis];
        if n == 0 { self.clone() } else { self.index_select(axis, &positions(n)) }
    }
}

#[cfg(feature = "cases")]
fn matrix(rng: &mut kniff_tensor::Rng) -> Vec<Tensor<f64>> {
    vec![draw(rng, [3, 4], -2.0, 2.0, &[])]
}

#[cfg(feature = "cases")]
pub(super) const FLIP: Case = Case { name: "flip", inputs: matrix, f: |x| x[0].flip(&[0, 1]).cumsum(1).square() };
#[cfg(feature = "cases")]
pub(super) const ROLL: Case = Case { name: "roll", inputs: matrix, f: |x| x[0].roll(1, -3).cumsum(1).square() };
#[cfg(feature = "cases")]
pub(super) const TILE: Case = Case { name: "tile", inputs: matrix, f: |x| x[0].tile(&[2, 3]).cumsum(1).square() };
#[cfg(feature = "cases")]
pub(super) const REFLECT: Case = Case {
    name: "pad_with (reflect)",
    inputs: matrix,
    f: |x| x[0].pad_with(&[(2, 1), (0, 3)], Border::Reflect).cumsum(1).square(),
};
#[cfg(feature = "cases")]
pub(super) const REPLICATE: Case = Case {
    name: "pad_with (replicate)",
    inputs: matrix,
    f: |x| x[0].pad_with(&[(2, 1), (0, 5)], Border::Replicate).cumsum(1).square(),
};
#[cfg(feature = "cases")]
pub(super) const TRIL: Case = Case { name: "tril", inputs: matrix, f: |x| x[0].tril(-1).square() };
#[cfg(feature = "cases")]
pub(super) const TRIU: Case = Case { name: "triu", inputs: matrix, f: |x| x[0].triu(1).square() };

/// Distinct numbers, so that a small step changes no order.
#[cfg(feature = "cases")]
fn distinct(rng: &mut kniff_tensor::Rng) -> Vec<Tensor<f64>> {
    let order = rng.permutation(12);
    vec![Tensor::from_fn([3, 4], |i| order[i] as f64 * 0.1 - 0.5)]
}

#[cfg(feature = "cases")]
pub(super) const SORT: Case = Case { name: "sort", inputs: distinct, f: |x| x[0].sort(1).0.cumsum(1).square() };
#[cfg(feature = "cases")]
pub(super) const TOPK: Case = Case { name: "topk", inputs: distinct, f: |x| x[0].topk(2, 0).0.cumsum(0).square() };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_numpys() {
        let x = Var::<f32>::constant(Tensor::arange(3));
        let padded = |border| x.pad_with(&[(2, 1)], border).value().to_vec();
        assert_eq!(padded(Border::Reflect), [2.0, 1.0, 0.0, 1.0, 2.0, 1.0]);
        assert_eq!(padded(Border::Replicate), [0.0, 0.0, 0.0, 1.0, 2.0, 2.0]);
    }

    #[test]
    #[should_panic(expected = "pad_with: axis 0 of shape [3] cannot give 3 and 0")]
    fn a_mirror_wider_than_what_it_shows_is_refused() {
        let _ = Var::<f32>::constant(Tensor::arange(3)).pad_with(&[(3, 0)], Border::Reflect);
    }

    #[test]
    fn moves_are_the_tensors_own() {
        let t = Tensor::<f32>::arange(24).reshape([2, 3, 4]);
        let x = Var::constant(t.clone());
        assert_eq!(*x.flip(&[2]).value(), t.flip(2));
        assert_eq!(*x.roll(1, 2).value(), t.roll(1, 2));
        assert_eq!(*x.roll(2, -5).value(), t.roll(2, -5));
        assert_eq!(*x.tile(&[2, 1, 3]).value(), t.tile(&[2, 1, 3]));
        assert_eq!(*x.step_axis(2, 3).value(), t.step_axis(2, 3));
        assert_eq!(x.tile(&[0, 1, 1]).len(), 0);
    }
}
