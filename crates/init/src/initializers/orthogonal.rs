//! Weights whose rows or columns are orthonormal.

use crate::error::require;
use crate::initializer::check_length;
use crate::{InitError, Initializer};
use kniff_tensor::simd::{Isa, Kernel, dispatch};
use kniff_tensor::{Element, Rng};
use serde::{Deserialize, Serialize};

/// A random (semi-)orthogonal matrix times `gain`: `W W^T = gain^2 I` or, for tall matrices, `W^T W = gain^2 I`.
///
/// All singular values are equal, so a linear network keeps lengths and angles exactly at any depth. Every
/// orthogonal matrix is equally likely: Q times the signs of diag R from the QR decomposition of a Gaussian matrix, in
/// f64 whatever the element type; wide matrices are transposed first; a convolution's weight is taken as the matrix
/// `[out, in * kernel]`. As PyTorch's `orthogonal_`.
///
/// Saxe, McClelland, Ganguli: Exact solutions to the nonlinear dynamics of learning in deep linear neural networks, 2014.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Orthogonal {
    /// What the orthonormal rows or columns are multiplied by; [`gain`](crate::gain) gives it for an activation.
    pub gain: f64,
}

impl Default for Orthogonal {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Orthogonal {
    /// The orthogonal matrix that a given row-major Gaussian matrix of `rows` rows is turned into.
    ///
    /// # Panics
    /// If the length is not a multiple of `rows`.
    #[track_caller]
    pub fn from_gaussian(&self, gaussian: &[f64], rows: usize) -> Vec<f64> {
        if gaussian.is_empty() {
            return Vec::new();
        }
        assert!(
            rows > 0 && gaussian.len().is_multiple_of(rows),
            "from_gaussian: {rows} rows of a matrix of {}",
            gaussian.len()
        );
        let columns = gaussian.len() / rows;
        let wide = rows < columns;
        // The QR's tall matrix, column after column: that is the wide matrix's rows, or the tall one's columns.
        let mut tall = if wide { gaussian.to_vec() } else { transposed(gaussian, rows) };
        dispatch(OrthonormalColumns { a: &mut tall, height: rows.max(columns) });
        let mut weight = if wide { tall } else { transposed(&tall, columns) };
        for x in &mut weight {
            *x *= self.gain;
        }
        weight
    }
}

impl Initializer for Orthogonal {
    fn try_fill<E: Element>(&self, shape: &[usize], out: &mut [E], rng: &mut Rng) -> Result<(), InitError> {
        if shape.len() < 2 {
            return Err(InitError::Rank {
                initializer: "Orthogonal",
                expected: "two axes or more",
                shape: shape.to_vec(),
            });
        }
        require(self.gain.is_finite(), "Orthogonal", "gain", self.gain, "finite")?;
        check_length(shape, out)?;
        let mut gaussian = vec![0.0; out.len()];
        rng.fill_normal(&mut gaussian, 0.0, 1.0);
        for (to, from) in out.iter_mut().zip(self.from_gaussian(&gaussian, shape[0])) {
            *to = E::from_f64(from);
        }
        Ok(())
    }
}

/// The transpose of a row-major matrix with `rows` rows.
fn transposed(a: &[f64], rows: usize) -> Vec<f64> {
    let columns = a.len() / rows;
    (0..a.len()).map(|i| a[(i % rows) * columns + i / rows]).collect()
}

/// Replaces the columns (one after the other in `a`) by Q sign(diag R) of the QR decomposition, by Householder
/// reflections; no fewer rows than columns.
struct OrthonormalColumns<'a> {
    a: &'a mut [f64],
    height: usize,
}

impl Kernel for OrthonormalColumns<'_> {
    type Output = ();
    #[inline(always)]
    fn run<I: Isa>(self) {
        let (a, m) = (self.a, self.height);
        let n = a.len() / m;
        let mut diagonal = vec![0.0; n];
        // Reflect column k onto its first element; the reflector (unit length) takes the column's place.
        for k in 0..n {
            let (head, rest) = a.split_at_mut((k + 1) * m);
            let v = &mut head[k * m + k..];
            let norm = dot(v, v).sqrt();
            diagonal[k] = if v[0] > 0.0 { -norm } else { norm };
            v[0] -= diagonal[k];
            let length = dot(v, v).sqrt();
            if length > 0.0 {
                for x in v.iter_mut() {
                    *x /= length;
                }
            }
            for column in rest.chunks_exact_mut(m) {
                reflect(&mut column[k..], v);
            }
        }
        // Q's columns: the reflections, last first, of the unit vectors, in place from the right.
        let mut q = vec![0.0; m];
        for j in (0..n).rev() {
            q.fill(0.0);
            q[j] = if diagonal[j] < 0.0 { -1.0 } else { 1.0 };
            for k in (0..=j).rev() {
                reflect(&mut q[k..], &a[k * m + k..(k + 1) * m]);
            }
            a[j * m..(j + 1) * m].copy_from_slice(&q);
        }
    }
}

/// x -= 2 v (v . x) for a unit vector v.
#[inline(always)]
fn reflect(x: &mut [f64], v: &[f64]) {
    let twice = 2.0 * dot(x, v);
    for (x, v) in x.iter_mut().zip(v) {
        *x -= twice * v;
    }
}

/// In sixteen fixed lanes, so that every instruction set adds in the same order.
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 16;
    let mut lanes = [0.0; LANES];
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f64 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_blocks.zip(b_blocks) {
        for l in 0..LANES {
            lanes[l] += a[l] * b[l];
        }
    }
    lanes.iter().sum::<f64>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::Tensor;

    fn worst<E: Element>(shape: &[usize], gain: f64) -> f64 {
        let w: Tensor<E> = Orthogonal { gain }.init(shape, &mut Rng::new(8));
        let w: Vec<f64> = w.to_vec().into_iter().map(E::to_f64).collect();
        let (rows, columns) = (shape[0], w.len() / shape[0]);
        let by_lines = if rows < columns { w } else { transposed(&w, rows) };
        let lines: Vec<&[f64]> = by_lines.chunks(rows.max(columns)).collect();
        let mut worst = 0.0_f64;
        for (i, a) in lines.iter().enumerate() {
            for (j, b) in lines.iter().enumerate() {
                let want = if i == j { gain * gain } else { 0.0 };
                worst = worst.max((dot(a, b) - want).abs());
            }
        }
        worst
    }

    #[test]
    fn rows_or_columns_are_orthonormal() {
        for shape in [&[1, 1][..], &[64, 64], &[37, 90], &[90, 37], &[5, 1], &[1, 5], &[8, 4, 3, 3]] {
            assert!(worst::<f64>(shape, 1.0) < 1e-12, "{shape:?}");
            assert!(worst::<f32>(shape, 2.0) < 1e-5, "{shape:?}");
        }
    }

    #[test]
    fn degenerate_shapes() {
        assert!(Orthogonal::default().init::<f32>(&[0, 3], &mut Rng::new(0)).is_empty());
        assert!(Orthogonal::default().try_init::<f32>(&[3], &mut Rng::new(0)).is_err());
        assert_eq!(Orthogonal::default().from_gaussian(&[0.0; 4], 2).len(), 4);
    }
}
