//! The eigendecomposition of a symmetric matrix, with everything about it decided.

use crate::DataError;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::traits::RealField;
use faer::{Mat, Par, diag::Diag};
use kniff_tensor::{Element, Tensor};

/// Columns from which several threads are worth it.
pub(crate) const PARALLEL_FROM: usize = 192;

/// Eigenvalues and eigenvectors of a covariance matrix.
pub(crate) struct Eigen {
    /// Descending; what rounding made negative is 0.
    pub(crate) values: Vec<f64>,
    /// `[n, n]`: row i belongs to value i. Its entry of largest magnitude (the first such) is positive.
    pub(crate) vectors: Tensor<f64>,
    /// The variances of the columns: the matrix's diagonal.
    columns: Vec<f64>,
}

impl Eigen {
    /// Other values and vectors of the same matrix.
    pub(crate) fn with(self, values: Vec<f64>, vectors: Tensor<f64>) -> Self {
        Self { values, vectors, ..self }
    }

    /// Up to which eigenvalue a direction v holds nothing but rounding, if the covariance comes from data of type `E`.
    ///
    /// An entry of the matrix is exact to the precision on the scale of its own two columns, which leaves along v about
    /// `sqrt(n) eps sum_j v_j^2 var_j`, however large other columns are; the decomposition itself in f64 adds its own error
    /// on the scale of the largest eigenvalue.
    pub(crate) fn noise_floor<E: Element>(&self, direction: usize) -> f64 {
        let n = self.values.len();
        let v = &self.vectors.as_slice().unwrap_or_default()[direction * n..(direction + 1) * n];
        let own: f64 = v.iter().zip(&self.columns).map(|(v, variance)| v * v * variance).sum();
        let most = self.values.first().copied().unwrap_or(0.0);
        (n as f64).sqrt() * E::EPSILON.to_f64() * own + n as f64 * f64::EPSILON * most
    }
}

/// Numbers of a decomposition in the data's precision.
///
/// # Errors
/// If it cannot hold them.
pub(crate) fn rounded<E: Element>(what: &'static str, x: &Tensor<f64>) -> Result<Tensor<E>, DataError> {
    let x = x.contiguous();
    let all = x.as_slice().unwrap_or_default();
    let out = Tensor::from_fn(*x.shape(), |i| E::from_f64(all[i]));
    if out.all_finite() { Ok(out) } else { Err(DataError::Decomposition { what }) }
}

/// Decomposes a covariance matrix `[n, n]` in f64.
pub(crate) fn decompose(what: &'static str, matrix: &Tensor<f64>) -> Result<Eigen, DataError> {
    decompose_in::<f64>(what, matrix, |x| x, |x| x)
}

/// The same in the precision `T`.
pub(crate) fn decompose_in<T: RealField>(
    what: &'static str,
    matrix: &Tensor<f64>,
    narrow: impl Fn(f64) -> T,
    widen: impl Fn(T) -> f64,
) -> Result<Eigen, DataError> {
    let n = matrix.shape()[0];
    if n == 0 {
        return Ok(Eigen { values: Vec::new(), vectors: Tensor::zeros([0, 0]), columns: Vec::new() });
    }
    let matrix = matrix.contiguous();
    let entries = matrix.as_slice().unwrap_or_default();
    if entries.iter().any(|x| !x.is_finite()) {
        return Err(DataError::Decomposition { what });
    }
    // Over a power of two near the largest, nothing over- or underflows that matters, and no digit is lost.
    let largest = (0..n).map(|i| entries[i * n + i]).fold(0.0, f64::max);
    let scale = if largest.is_normal() { largest.log2().floor().exp2() } else { 1.0 };
    let a = Mat::<T>::from_fn(n, n, |i, j| narrow(entries[i * n + j] / scale));
    let mut values = Diag::<T>::zeros(n);
    let mut vectors = Mat::<T>::zeros(n, n);
    // How faer divides the work depends on this number and on the size, not on the threads that then do it; with the number
    // fixed, the result has the same bits at any number of threads.
    let par = if n >= PARALLEL_FROM { Par::rayon(4) } else { Par::Seq };
    let scratch = self_adjoint_evd_scratch::<T>(n, ComputeEigenvectors::Yes, par, Default::default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(a.as_ref(), values.as_mut(), Some(vectors.as_mut()), par, stack, Default::default())
        .map_err(|_| DataError::Decomposition { what })?;

    let columns = (0..n).map(|i| entries[i * n + i]).collect();
    let mut out = Eigen { values: Vec::with_capacity(n), vectors: Tensor::scratch([n, n]), columns };
    let rows = out.vectors.make_mut();
    for (i, row) in rows.chunks_exact_mut(n).enumerate() {
        // faer's eigenvalues ascend.
        let from = n - 1 - i;
        out.values.push((widen(values[from].clone()) * scale).max(0.0));
        for (j, x) in row.iter_mut().enumerate() {
            *x = widen(vectors[(j, from)].clone());
        }
        orient(row);
    }
    if out.values.iter().any(|v| !v.is_finite()) {
        return Err(DataError::Decomposition { what });
    }
    Ok(out)
}

/// Gives an eigenvector its sign.
pub(crate) fn orient(row: &mut [f64]) {
    let mut largest = 0.0_f64;
    for &x in row.iter() {
        if x.abs() > largest.abs() {
            largest = x;
        }
    }
    if largest < 0.0 {
        row.iter_mut().for_each(|x| *x = -*x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::{Rng, parallel::with_threads};

    #[test]
    fn two_by_two_by_hand() {
        let a = Tensor::from_slice(&[2.0, -1.0, -1.0, 2.0], [2, 2]);
        let e = decompose("a", &a).unwrap();
        assert!((e.values[0] - 3.0).abs() < 1e-14 && (e.values[1] - 1.0).abs() < 1e-14);
        let r = 0.5_f64.sqrt();
        assert!((e.vectors.at(&[1, 0]) - r).abs() < 1e-14 && (e.vectors.at(&[1, 1]) - r).abs() < 1e-14);
        assert!((e.vectors.at(&[0, 0]) + e.vectors.at(&[0, 1])).abs() < 1e-14);
    }

    fn square(n: usize) -> Tensor<f64> {
        let x = Tensor::<f64>::randn([n, 2 * n], &mut Rng::new(0));
        let x = x.view().into_dimensionality::<ndarray::Ix2>().unwrap().to_owned();
        Tensor::from_ndarray(x.dot(&x.t()))
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        for n in [64, 250] {
            let a = square(n);
            let of = |threads| with_threads(threads, || decompose("a", &a).unwrap());
            let (one, four) = (of(1), of(4));
            assert_eq!((&one.values, &one.vectors), (&four.values, &four.vectors));
            let (two, again) = (of(2), of(2));
            assert_eq!((&one.vectors, &one.vectors), (&two.vectors, &again.vectors));
        }
    }

    #[test]
    fn infinity_and_nothing() {
        assert!(decompose("a", &Tensor::full([2, 2], f64::INFINITY)).is_err());
        assert!(decompose("a", &Tensor::full([2, 2], f64::NAN)).is_err());
        assert!(decompose("a", &Tensor::zeros([0, 0])).unwrap().values.is_empty());
        assert_eq!(decompose("a", &Tensor::zeros([2, 2])).unwrap().values, [0.0, 0.0]);
    }
}
