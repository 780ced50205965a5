//! Triangles and diagonals of matrices.

use crate::{Element, Tensor};

impl<E: Element> Tensor<E> {
    /// The lower triangle of each matrix in the last two axes: zero where column > row + `offset`.
    ///
    /// # Panics
    /// With fewer than two axes.
    #[track_caller]
    pub fn tril(&self, offset: isize) -> Tensor<E> {
        self.keep("tril", |row, col| col <= row + offset)
    }

    /// The upper triangle of each matrix in the last two axes: zero where column < row + `offset`.
    ///
    /// # Panics
    /// With fewer than two axes.
    #[track_caller]
    pub fn triu(&self, offset: isize) -> Tensor<E> {
        self.keep("triu", |row, col| col >= row + offset)
    }

    #[track_caller]
    fn keep(&self, name: &str, keeps: impl Fn(isize, isize) -> bool) -> Tensor<E> {
        assert!(self.rank() >= 2, "{name}: shape {} is not that of a matrix", self.shape);
        let (rows, cols) = (self.shape[self.rank() - 2], self.shape[self.rank() - 1]);
        let mut out = self.contiguous();
        for (i, x) in out.make_mut().iter_mut().enumerate() {
            if !keeps((i / cols % rows) as isize, (i % cols) as isize) {
                *x = E::ZERO;
            }
        }
        out
    }

    /// A vector becomes the diagonal of a square matrix; of a matrix the diagonal is taken, as a view.
    ///
    /// # Panics
    /// With another number of axes.
    #[track_caller]
    pub fn diag(&self) -> Tensor<E> {
        match self.rank() {
            1 => {
                let n = self.len();
                let mut out = Tensor::zeros([n, n]);
                let slots = out.fresh_mut().iter_mut().step_by(n + 1);
                slots.zip(self.contiguous().slice_of()).for_each(|(slot, &x)| *slot = x);
                out
            }
            2 => {
                let mut out = self.clone();
                out.shape = [self.shape[0].min(self.shape[1])].into();
                out.strides = [self.strides[0] + self.strides[1]].into();
                out
            }
            _ => panic!("diag: shape {} is neither that of a vector nor that of a matrix", self.shape),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triangles_keep_their_side() {
        let a = Tensor::<f32>::ones([2, 3, 3]);
        assert_eq!(a.tril(0).sum(&[1, 2], false).to_vec(), [6.0; 2]);
        assert_eq!(a.triu(1).sum(&[1, 2], false).to_vec(), [3.0; 2]);
        assert_eq!(a.tril(-1).add(&a.triu(0)), a);
        let b = Tensor::<f32>::arange(6).reshape([2, 3]);
        assert_eq!(b.tril(0).to_vec(), [0.0, 0.0, 0.0, 3.0, 4.0, 0.0]);
        assert_eq!(b.t().triu(0).to_vec(), b.tril(0).t().to_vec());
    }

    #[test]
    fn diagonals_go_both_ways() {
        let v = Tensor::<f32>::arange(3);
        assert_eq!(v.diag().diag(), v);
        assert_eq!(v.diag().sum_all().item(), 3.0);
        let a = Tensor::<f32>::arange(6).reshape([2, 3]);
        assert_eq!(a.diag().to_vec(), [0.0, 4.0]);
        assert_eq!(a.t().diag().to_vec(), [0.0, 4.0]);
        assert_eq!(Tensor::<f32>::zeros([0, 3]).diag().len(), 0);
    }
}
