//! Copies out of arrays whose elements do not lie one after the other.

use crate::{Element, Shape, parallel};

/// `out`, row-major, becomes the array that `strides` describe in `source`.
pub fn copy<E: Element>(source: &[E], strides: &[usize], shape: &Shape, out: &mut [E]) {
    E::strided_copy(source, strides, shape, out);
}

/// [`copy`], where it is compiled.
pub(super) fn copy_here<E: Element>(source: &[E], strides: &[usize], shape: &Shape, out: &mut [E]) {
    if out.is_empty() {
        return;
    }
    let rank = shape.len();
    if rank == 0 {
        out[0] = source[0];
        return;
    }
    if rank >= 2 && strides[rank - 1] != 1 && strides[rank - 2] == 1 && shape[rank - 1] > 1 {
        return transpose_copy(source, strides, shape, out);
    }
    let (n, step) = (shape[rank - 1], strides[rank - 1]);
    let outer = Offsets::new(&shape[..rank - 1], &strides[..rank - 1]);
    parallel::row_blocks(out, n, n, |first, out| {
        for (r, row) in out.chunks_exact_mut(n).enumerate() {
            let from = outer.at(first + r);
            match step {
                1 => row.copy_from_slice(&source[from..from + n]),
                0 => row.fill(source[from]),
                _ => {
                    for (o, &x) in row.iter_mut().zip(source[from..].iter().step_by(step)) {
                        *o = x;
                    }
                }
            }
        }
    });
}

/// Square blocks keep both the rows that are read and the rows that are written in the cache.
const BLOCK: usize = 32;

/// The inner axis strides, the one before it is dense: a (batched) transpose.
fn transpose_copy<E: Element>(source: &[E], strides: &[usize], shape: &Shape, out: &mut [E]) {
    let rank = shape.len();
    let (rows, cols) = (shape[rank - 2], shape[rank - 1]);
    let step = strides[rank - 1];
    let outer = Offsets::new(&shape[..rank - 2], &strides[..rank - 2]);
    for (m, matrix) in out.chunks_exact_mut(rows * cols).enumerate() {
        let base = outer.at(m);
        parallel::row_blocks(matrix, cols * BLOCK.min(rows), cols * BLOCK.min(rows), |first, out| {
            let height = out.len() / cols;
            let r0 = first * BLOCK.min(rows);
            for rb in (0..height).step_by(BLOCK) {
                for cb in (0..cols).step_by(BLOCK) {
                    for r in rb..(rb + BLOCK).min(height) {
                        for c in cb..(cb + BLOCK).min(cols) {
                            out[r * cols + c] = source[base + (r0 + r) + c * step];
                        }
                    }
                }
            }
        });
    }
}

/// Where each row-major position of some axes starts in a strided array.
pub struct Offsets {
    shape: Shape,
    strides: Shape,
}

impl Offsets {
    /// The offsets of positions of `shape` under `strides`.
    pub fn new(shape: &[usize], strides: &[usize]) -> Self {
        Self { shape: Shape::new(shape), strides: Shape::new(strides) }
    }

    /// The offset of the `i`-th position in row-major order.
    #[inline]
    pub fn at(&self, mut i: usize) -> usize {
        let mut offset = 0;
        for axis in (0..self.shape.len()).rev() {
            let size = self.shape[axis];
            offset += i % size * self.strides[axis];
            i /= size;
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use crate::Tensor;

    #[test]
    fn transposes_of_every_size_are_exact() {
        for (r, c) in [(1, 1), (3, 70), (33, 31), (64, 200), (257, 300)] {
            let a = Tensor::<f32>::arange(r * c).reshape([r, c]);
            let t = a.t().contiguous();
            for i in 0..r {
                for j in 0..c {
                    assert_eq!(t.at(&[j, i]), a.at(&[i, j]));
                }
            }
        }
    }

    #[test]
    fn a_batch_of_transposes_and_a_step_are_exact() {
        let a = Tensor::<f64>::arange(2 * 3 * 4).reshape([2, 3, 4]);
        assert_eq!(a.t().contiguous().at(&[1, 3, 2]), a.at(&[1, 2, 3]));
        assert_eq!(a.permute(&[2, 0, 1]).contiguous().at(&[3, 1, 2]), a.at(&[1, 2, 3]));
        assert_eq!(a.step_axis(2, 3).contiguous().at(&[1, 2, 1]), a.at(&[1, 2, 3]));
    }
}
