//! Elements picked by index, and put back: every pick has its adjoint beside it.

use crate::kernels::strided::Offsets;
use crate::{Element, Indices, Shape, Tensor, parallel};

impl<E: Element> Tensor<E> {
    /// For every position of `indices`, the element at that position with the index in place of `axis`.
    ///
    /// `out[i][j] = self[i][indices[i][j]]` for a matrix and axis 1, as PyTorch's `gather`. The adjoint of
    /// [`Tensor::scatter_add`].
    ///
    /// ```
    /// use kniff_tensor::{Indices, Tensor};
    /// let scores = Tensor::<f32>::arange(6).reshape([2, 3]);
    /// let picked = scores.gather(1, &Indices::new(vec![2, 0], [2, 1]));
    /// assert_eq!(picked.to_vec(), [2.0, 3.0]);
    /// ```
    ///
    /// # Panics
    /// If the ranks differ, `indices` is longer than this tensor along another axis, or an index is out of range.
    #[track_caller]
    pub fn gather(&self, axis: usize, indices: &Indices) -> Tensor<E> {
        let walk = Walk::check("gather", &self.shape, &self.strides, axis, indices);
        let mut out = Tensor::scratch(*indices.shape());
        let (slots, source) = (out.fresh_mut(), self.raw());
        walk.each(indices, |i, from| slots[i] = source[from]);
        out
    }

    /// A copy of this tensor with the elements of `source` added where [`Tensor::gather`] would have read them.
    ///
    /// An index that occurs more than once adds more than once, in order.
    ///
    /// # Panics
    /// As `gather`, or if `source` has not the shape of `indices`.
    #[track_caller]
    pub fn scatter_add(&self, axis: usize, indices: &Indices, source: &Tensor<E>) -> Tensor<E> {
        self.put("scatter_add", axis, indices, source, |slot, x| *slot += x)
    }

    /// A copy of this tensor with the elements of `source` written where [`Tensor::gather`] would have read them.
    ///
    /// Where an index occurs more than once, the last one stays.
    ///
    /// # Panics
    /// As `gather`, or if `source` has not the shape of `indices`.
    #[track_caller]
    pub fn scatter(&self, axis: usize, indices: &Indices, source: &Tensor<E>) -> Tensor<E> {
        self.put("scatter", axis, indices, source, |slot, x| *slot = x)
    }

    #[track_caller]
    fn put(&self, name: &str, axis: usize, indices: &Indices, source: &Tensor<E>, f: impl Fn(&mut E, E)) -> Tensor<E> {
        let fits = source.shape == *indices.shape();
        assert!(fits, "{name}: the source's shape {} is not the indices' {}", source.shape, indices.shape());
        let mut out = self.contiguous();
        let (shape, strides) = (out.shape, out.strides);
        let walk = Walk::check(name, &shape, &strides, axis, indices);
        let source = source.contiguous();
        let (slots, source) = (out.make_mut(), source.slice_of());
        walk.each(indices, |i, to| f(&mut slots[to], source[i]));
        out
    }

    /// The entries of `axis` at the given positions, in that order; a position may occur more than once.
    ///
    /// The adjoint of [`Tensor::index_add`].
    ///
    /// # Panics
    /// If the axis or a position is out of range.
    #[track_caller]
    pub fn index_select(&self, axis: usize, positions: &[usize]) -> Tensor<E> {
        assert!(axis < self.rank(), "index_select: axis {axis} is outside shape {}", self.shape);
        check_positions("index_select", &self.shape, axis, positions);
        let dense = self.contiguous();
        let (_, size, inner) = around(&self.shape, axis);
        let mut shape = self.shape;
        shape.axes_mut()[axis] = positions.len();
        let mut out = Tensor::scratch(shape);
        let source = dense.slice_of();
        parallel::row_blocks(out.fresh_mut(), inner, inner, |first, rows| {
            for (r, row) in rows.chunks_exact_mut(inner).enumerate() {
                let (o, i) = ((first + r) / positions.len(), (first + r) % positions.len());
                let from = (o * size + positions[i]) * inner;
                row.copy_from_slice(&source[from..from + inner]);
            }
        });
        out
    }

    /// A copy of this tensor with entry `i` along `axis` of `source` added to entry `positions[i]`.
    ///
    /// # Panics
    /// If the axis or a position is out of range, or `source` is not this tensor's shape with as many entries along
    /// `axis` as there are positions.
    #[track_caller]
    pub fn index_add(&self, axis: usize, positions: &[usize], source: &Tensor<E>) -> Tensor<E> {
        assert!(axis < self.rank(), "index_add: axis {axis} is outside shape {}", self.shape);
        check_positions("index_add", &self.shape, axis, positions);
        let mut expected = self.shape;
        expected.axes_mut()[axis] = positions.len();
        assert!(source.shape == expected, "index_add: the source's shape {} is not {expected}", source.shape);
        let (outer, size, inner) = around(&self.shape, axis);
        let source = source.contiguous();
        let mut out = self.clone();
        let slots = out.make_mut();
        for o in 0..outer {
            for (i, &position) in positions.iter().enumerate() {
                let from = &source.slice_of()[(o * positions.len() + i) * inner..][..inner];
                let to = &mut slots[(o * size + position) * inner..][..inner];
                for (to, &x) in to.iter_mut().zip(from) {
                    *to += x;
                }
            }
        }
        out
    }

    /// For every index a row of `classes` zeros with a 1 at the index: the axis is put last.
    ///
    /// # Panics
    /// If an index is not below `classes`.
    #[track_caller]
    pub fn one_hot(indices: &Indices, classes: usize) -> Tensor<E> {
        let mut out = Tensor::zeros(indices.shape().with_axis(indices.shape().len(), classes));
        let slots = out.fresh_mut();
        for (i, &class) in indices.as_slice().iter().enumerate() {
            assert!(class < classes, "one_hot: index {class} is out of range for {classes} classes");
            slots[i * classes + class] = E::ONE;
        }
        out
    }
}

/// How many entries lie outside an axis, along it, and inside it.
pub(super) fn around(shape: &Shape, axis: usize) -> (usize, usize, usize) {
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

#[track_caller]
fn check_positions(name: &str, shape: &Shape, axis: usize, positions: &[usize]) {
    let size = shape[axis];
    for &position in positions {
        assert!(position < size, "{name}: index {position} is out of range for axis {axis} of size {size}");
    }
}

/// How the positions of an index tensor map to offsets in another tensor.
struct Walk {
    /// Where each row of the indices starts, the indexed axis left out.
    rows: Offsets,
    row: usize,
    /// One step along the last axis; 0 where that is the indexed axis.
    step: usize,
    /// One step along the indexed axis.
    stride: usize,
}

impl Walk {
    #[track_caller]
    fn check(name: &str, shape: &Shape, strides: &[usize], axis: usize, indices: &Indices) -> Walk {
        assert!(axis < shape.len(), "{name}: axis {axis} is outside shape {shape}");
        let within = indices.shape();
        let fits = within.len() == shape.len() && (0..shape.len()).all(|a| a == axis || within[a] <= shape[a]);
        assert!(fits, "{name}: indices of shape {within} do not fit shape {shape} along axis {axis}");
        check_positions(name, shape, axis, indices.as_slice());
        let last = shape.len() - 1;
        let mut others = strides.to_vec();
        others[axis] = 0;
        let rows = Offsets::new(&within[..last], &others[..last]);
        Walk { rows, row: within[last], step: others[last], stride: strides[axis] }
    }

    /// Calls `f(i, offset)` for the `i`-th index.
    fn each(&self, indices: &Indices, mut f: impl FnMut(usize, usize)) {
        if indices.is_empty() {
            return;
        }
        for (r, row) in indices.as_slice().chunks_exact(self.row).enumerate() {
            let start = self.rows.at(r);
            for (j, &index) in row.iter().enumerate() {
                f(r * self.row + j, start + j * self.step + index * self.stride);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn indices(shape: &[usize], below: usize, rng: &mut Rng) -> Indices {
        Indices::new((0..shape.iter().product()).map(|_| rng.below(below)).collect(), shape)
    }

    #[test]
    fn gather_reads_where_its_definition_says() {
        let mut rng = Rng::new(2);
        let base = Tensor::<f64>::randn([3, 4, 5], &mut rng);
        for t in [base.clone(), base.permute(&[2, 0, 1]), base.slice(&[1..3, 1..4, 0..5])] {
            for axis in 0..3 {
                let mut shape = t.shape().to_vec();
                shape[axis] = 7;
                shape[(axis + 1) % 3] -= 1;
                let places = indices(&shape, t.shape()[axis], &mut rng);
                let got = t.gather(axis, &places);
                for (i, (position, &x)) in got.view().indexed_iter().enumerate() {
                    let mut at = [position[0], position[1], position[2]];
                    at[axis] = places.as_slice()[i];
                    assert_eq!(x, t.at(&at));
                }
            }
        }
    }

    /// <gather(x), y> = <x, scatter_add(0, y)> for all x and y.
    #[test]
    fn picks_and_puts_are_adjoint() {
        let mut rng = Rng::new(3);
        let x = Tensor::<f64>::randn([4, 3, 5], &mut rng);
        for axis in 0..3 {
            let mut shape = x.shape().to_vec();
            shape[axis] = 6;
            let places = indices(&shape, x.shape()[axis], &mut rng);
            let y = Tensor::randn(&shape[..], &mut rng);
            let left = x.gather(axis, &places).mul(&y).sum_all().item();
            let right = x.mul(&x.zeros_like().scatter_add(axis, &places, &y)).sum_all().item();
            assert!((left - right).abs() < 1e-12);
            let rows: Vec<usize> = (0..6).map(|_| rng.below(x.shape()[axis])).collect();
            let left = x.index_select(axis, &rows).mul(&y).sum_all().item();
            let right = x.mul(&x.zeros_like().index_add(axis, &rows, &y)).sum_all().item();
            assert!((left - right).abs() < 1e-12);
        }
    }

    #[test]
    fn selecting_rows_agrees_with_ndarray() {
        let a = Tensor::<f32>::arange(24).reshape([2, 3, 4]);
        for t in [a.clone(), a.permute(&[1, 2, 0])] {
            for axis in 0..3 {
                let expected = t.view().select(ndarray::Axis(axis), &[1, 0, 1]);
                assert_eq!(t.index_select(axis, &[1, 0, 1]).view(), expected);
            }
        }
        assert_eq!(a.index_select(1, &[]).shape(), &[2, 0, 4]);
        let wide = Tensor::<f32>::arange(100_000).reshape([100, 1000]);
        let order: Vec<usize> = (0..100).rev().collect();
        assert_eq!(wide.index_select(0, &order).at(&[0, 1]), 99_001.0);
    }

    #[test]
    fn scatter_lets_the_last_one_stay() {
        let places = Indices::new(vec![1, 1, 0], [1, 3]);
        let source = Tensor::<f32>::from_slice(&[1.0, 2.0, 3.0], [1, 3]);
        assert_eq!(Tensor::zeros([1, 4]).scatter(1, &places, &source).to_vec(), [3.0, 2.0, 0.0, 0.0]);
        assert_eq!(Tensor::zeros([1, 4]).scatter_add(1, &places, &source).to_vec(), [3.0, 3.0, 0.0, 0.0]);
    }

    #[test]
    fn one_hot_rows() {
        let hot = Tensor::<f32>::one_hot(&Indices::from_vec(vec![2, 0]), 3);
        assert_eq!(hot.to_vec(), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(hot.argmax(1).as_slice(), [2, 0]);
    }

    #[test]
    #[should_panic(expected = "gather: index 3 is out of range for axis 1 of size 3")]
    fn an_index_out_of_range_is_named() {
        Tensor::<f32>::zeros([2, 3]).gather(1, &Indices::new(vec![0, 3], [2, 1]));
    }

    #[test]
    #[should_panic(expected = "one_hot: index 3 is out of range for 3 classes")]
    fn a_class_out_of_range_is_named() {
        let _ = Tensor::<f32>::one_hot(&Indices::from_vec(vec![3]), 3);
    }
}
