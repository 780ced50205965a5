//! Tensors put together and taken apart: concat, stack, pad, split, tile, flip, roll.

use super::index::around;
use crate::{Element, Tensor};

impl<E: Element> Tensor<E> {
    /// The tensors one after the other along `axis`, which exists (PyTorch's `cat`). The adjoint is slicing.
    ///
    /// ```
    /// use kniff_tensor::Tensor;
    /// let (a, b) = (Tensor::<f32>::zeros([2, 1]), Tensor::ones([2, 2]));
    /// assert_eq!(Tensor::concat(&[&a, &b], 1).to_vec(), [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
    /// ```
    ///
    /// # Panics
    /// If there are none, or their shapes differ elsewhere than along `axis`.
    #[track_caller]
    pub fn concat(tensors: &[&Tensor<E>], axis: usize) -> Tensor<E> {
        let Some(first) = tensors.first() else { panic!("concat: there is nothing to put together") };
        assert!(axis < first.rank(), "concat: axis {axis} is outside shape {}", first.shape);
        let mut shape = first.shape;
        for t in &tensors[1..] {
            let fits = t.rank() == first.rank() && (0..t.rank()).all(|a| a == axis || t.shape[a] == first.shape[a]);
            assert!(fits, "concat: shapes {} and {} differ elsewhere than along axis {axis}", first.shape, t.shape);
            shape.axes_mut()[axis] = shape[axis].saturating_add(t.shape[axis]);
        }
        let mut out = Tensor::scratch(shape);
        let (outer, size, inner) = around(&shape, axis);
        let slots = out.fresh_mut();
        let mut at = 0;
        for t in tensors {
            let dense = t.contiguous();
            let part = t.shape[axis] * inner;
            if part > 0 {
                let rows = slots.chunks_exact_mut(size * inner).zip(dense.slice_of().chunks_exact(part));
                rows.take(outer).for_each(|(to, from)| to[at..at + part].copy_from_slice(from));
            }
            at += part;
        }
        out
    }

    /// The tensors along a new axis, put in before `axis`.
    ///
    /// # Panics
    /// If there are none, or their shapes differ.
    #[track_caller]
    pub fn stack(tensors: &[&Tensor<E>], axis: usize) -> Tensor<E> {
        let Some(first) = tensors.first() else { panic!("stack: there is nothing to put together") };
        for t in tensors {
            assert!(t.shape == first.shape, "stack: shapes {} and {} differ", first.shape, t.shape);
        }
        let wide: Vec<Tensor<E>> = tensors.iter().map(|t| t.unsqueeze(axis)).collect();
        Tensor::concat(&wide.iter().collect::<Vec<_>>(), axis)
    }

    /// With `value` put around: `widths[axis]` says how many entries before and after. The adjoint is slicing.
    ///
    /// # Panics
    /// Unless there is a pair of widths per axis.
    #[track_caller]
    pub fn pad(&self, widths: &[(usize, usize)], value: E) -> Tensor<E> {
        let fits = widths.len() == self.rank();
        assert!(fits, "pad: {} pairs of widths for shape {}", widths.len(), self.shape);
        let mut shape = self.shape;
        for (n, (before, after)) in shape.axes_mut().iter_mut().zip(widths) {
            *n = n.saturating_add(*before).saturating_add(*after);
        }
        let mut out = Tensor::full(shape, value);
        if self.is_empty() {
            return out;
        }
        if self.rank() == 0 {
            return self.clone();
        }
        let dense = self.contiguous();
        let last = self.rank() - 1;
        let (row, wide) = (self.shape[last], out.strides);
        let lead = crate::kernels::strided::Offsets::new(&self.shape[..last], &wide[..last]);
        let corner: usize = widths.iter().zip(wide.iter()).map(|((before, _), stride)| before * stride).sum();
        let slots = out.fresh_mut();
        for (r, from) in dense.slice_of().chunks_exact(row).enumerate() {
            let to = corner + lead.at(r);
            slots[to..to + row].copy_from_slice(from);
        }
        out
    }

    /// The whole tensor `times[axis]` times along each axis (NumPy's `tile`, PyTorch's `repeat`).
    ///
    /// # Panics
    /// Unless there is a number per axis.
    #[track_caller]
    pub fn tile(&self, times: &[usize]) -> Tensor<E> {
        assert!(times.len() == self.rank(), "tile: {} numbers for shape {}", times.len(), self.shape);
        let mut out = self.clone();
        for (axis, &n) in times.iter().enumerate() {
            let positions: Vec<usize> = (0..n).flat_map(|_| 0..self.shape[axis]).collect();
            if n != 1 {
                out = out.index_select(axis, &positions);
            }
        }
        out
    }

    /// Every entry of `axis` `times` times in a row (NumPy's `repeat`, PyTorch's `repeat_interleave`).
    ///
    /// # Panics
    /// If the axis is outside the shape.
    #[track_caller]
    pub fn repeat_interleave(&self, times: usize, axis: usize) -> Tensor<E> {
        assert!(axis < self.rank(), "repeat_interleave: axis {axis} is outside shape {}", self.shape);
        let positions: Vec<usize> = (0..self.shape[axis]).flat_map(|i| std::iter::repeat_n(i, times)).collect();
        self.index_select(axis, &positions)
    }

    /// The entries of `axis` in the opposite order.
    ///
    /// # Panics
    /// If the axis is outside the shape.
    #[track_caller]
    pub fn flip(&self, axis: usize) -> Tensor<E> {
        assert!(axis < self.rank(), "flip: axis {axis} is outside shape {}", self.shape);
        let positions: Vec<usize> = (0..self.shape[axis]).rev().collect();
        self.index_select(axis, &positions)
    }

    /// The entries of `axis` moved on by `shift` positions; what falls off the end comes in at the start.
    ///
    /// # Panics
    /// If the axis is outside the shape.
    #[track_caller]
    pub fn roll(&self, axis: usize, shift: isize) -> Tensor<E> {
        assert!(axis < self.rank(), "roll: axis {axis} is outside shape {}", self.shape);
        let n = self.shape[axis];
        if n == 0 {
            return self.clone();
        }
        let start = (-shift).rem_euclid(n as isize) as usize;
        let positions: Vec<usize> = (0..n).map(|i| (start + i) % n).collect();
        self.index_select(axis, &positions)
    }

    /// Parts of the given sizes along `axis`, as views. The adjoint is [`Tensor::concat`].
    ///
    /// # Panics
    /// If the sizes do not add up to the axis.
    #[track_caller]
    pub fn split(&self, axis: usize, sizes: &[usize]) -> Vec<Tensor<E>> {
        let fits = axis < self.rank() && sizes.iter().sum::<usize>() == self.shape[axis];
        assert!(fits, "split: sizes {sizes:?} do not add up to axis {axis} of shape {}", self.shape);
        let mut start = 0;
        sizes
            .iter()
            .map(|&n| {
                start += n;
                self.slice_axis(axis, start - n..start)
            })
            .collect()
    }

    /// `parts` views along `axis`, as even as can be: the first ones are longer by one where it does not divide.
    ///
    /// Differs from PyTorch, whose `chunk` may give fewer parts, all but the last of one size.
    ///
    /// # Panics
    /// If `parts` is 0 or the axis is outside the shape.
    #[track_caller]
    pub fn chunk(&self, axis: usize, parts: usize) -> Vec<Tensor<E>> {
        assert!(axis < self.rank() && parts > 0, "chunk: {parts} parts along axis {axis} of shape {}", self.shape);
        let (each, longer) = (self.shape[axis] / parts, self.shape[axis] % parts);
        let sizes: Vec<usize> = (0..parts).map(|i| each + usize::from(i < longer)).collect();
        self.split(axis, &sizes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn six() -> Tensor {
        Tensor::arange(6).reshape([2, 3])
    }

    #[test]
    fn concat_agrees_with_ndarray_and_split_undoes_it() {
        let mut rng = Rng::new(1);
        for axis in 0..3 {
            let parts: Vec<Tensor<f64>> = [1, 0, 3]
                .iter()
                .map(|&n| {
                    let mut shape = [2, 3, 2];
                    shape[axis] = n;
                    Tensor::randn(shape, &mut rng)
                })
                .collect();
            let joined = Tensor::concat(&parts.iter().collect::<Vec<_>>(), axis);
            let views: Vec<_> = parts.iter().map(Tensor::view).collect();
            assert_eq!(joined.view(), ndarray::concatenate(ndarray::Axis(axis), &views).unwrap());
            assert_eq!(joined.split(axis, &[1, 0, 3]), parts);
        }
        let joined = Tensor::concat(&[&six().t(), &six().t()], 1);
        assert_eq!(joined.select(0, 1).to_vec(), [1.0, 4.0, 1.0, 4.0]);
    }

    #[test]
    fn stacks_have_a_new_axis() {
        let (a, b) = (six(), six().add_scalar(10.0));
        for axis in 0..3 {
            let stacked = Tensor::stack(&[&a, &b], axis);
            assert_eq!((stacked.select(axis, 0), stacked.select(axis, 1)), (a.clone(), b.clone()));
        }
        assert_eq!(Tensor::stack(&[&Tensor::<f32>::scalar(1.0), &Tensor::scalar(2.0)], 0).to_vec(), [1.0, 2.0]);
    }

    #[test]
    fn padding_is_undone_by_slicing() {
        for t in [six(), six().t()] {
            let padded = t.pad(&[(1, 0), (2, 1)], 9.0);
            assert_eq!(padded.len(), (t.shape()[0] + 1) * (t.shape()[1] + 3));
            assert_eq!(padded.slice(&[1..1 + t.shape()[0], 2..2 + t.shape()[1]]), t);
            assert_eq!(padded.sum_all().item(), 15.0 + 9.0 * (padded.len() - 6) as f32);
        }
        assert_eq!(Tensor::<f32>::zeros([0]).pad(&[(1, 1)], 4.0).to_vec(), [4.0, 4.0]);
        assert_eq!(Tensor::<f32>::scalar(2.0).pad(&[], 4.0).item(), 2.0);
    }

    #[test]
    fn repetitions_and_reversals() {
        let a = six();
        assert_eq!(a.tile(&[1, 2]).select(0, 0).to_vec(), [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
        assert_eq!(a.tile(&[2, 1]).shape(), &[4, 3]);
        assert_eq!(a.repeat_interleave(2, 1).select(0, 0).to_vec(), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
        assert_eq!(a.flip(1).to_vec(), [2.0, 1.0, 0.0, 5.0, 4.0, 3.0]);
        assert_eq!(a.roll(1, 1).to_vec(), [2.0, 0.0, 1.0, 5.0, 3.0, 4.0]);
        assert_eq!(a.roll(1, -4).to_vec(), a.roll(1, 2).to_vec());
        let sizes: Vec<usize> = Tensor::<f32>::zeros([7]).chunk(0, 3).iter().map(Tensor::len).collect();
        assert_eq!(sizes, [3, 2, 2]);
    }

    #[test]
    #[should_panic(expected = "concat: shapes [2, 3] and [3, 3] differ elsewhere than along axis 1")]
    fn shapes_that_do_not_fit_are_named() {
        Tensor::concat(&[&six(), &Tensor::zeros([3, 3])], 1);
    }
}
