//! The eigendecomposition of a symmetric matrix, with everything about it decided.

use crate::DataError;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::traits::RealField;
use faer::{Mat, Par, diag::Diag};
use kniff_tensor::{Element, Tensor};

/// Columns from which several threads are worth it.
const PARALLEL_FROM: usize = 192;

/// Eigenvalues and eigenvectors of a symmetric matrix.
pub(crate) struct Eigen<E: Element> {
    /// Descending; what rounding made negative is 0.
    pub(crate) values: Vec<E>,
    /// `[n, n]`: row i belongs to value i. Its entry of largest magnitude (the first such) is positive.
    pub(crate) vectors: Tensor<E>,
}

/// Decomposes a positive semi-definite matrix `[n, n]` in the precision of `E`.
pub(crate) fn decompose<E: Element>(what: &'static str, matrix: &Tensor<f64>) -> Result<Eigen<E>, DataError> {
    // faer needs the type itself; both ways of rounding are exact for what comes out of it.
    match E::NAME {
        "f32" => with::<E, f32>(what, matrix, |x| x as f32, f64::from),
        _ => with::<E, f64>(what, matrix, |x| x, |x| x),
    }
}

fn with<E: Element, T: RealField>(
    what: &'static str,
    matrix: &Tensor<f64>,
    narrow: impl Fn(f64) -> T,
    widen: impl Fn(T) -> f64,
) -> Result<Eigen<E>, DataError> {
    let n = matrix.shape()[0];
    if n == 0 {
        return Ok(Eigen { values: Vec::new(), vectors: Tensor::zeros([0, 0]) });
    }
    let matrix = matrix.contiguous();
    let entries = matrix.as_slice().unwrap_or_default();
    if entries.iter().any(|x| !E::from_f64(*x).is_finite()) {
        return Err(DataError::Decomposition { what });
    }
    let a = Mat::<T>::from_fn(n, n, |i, j| narrow(entries[i * n + j]));
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

    let mut out = Eigen { values: Vec::with_capacity(n), vectors: Tensor::scratch([n, n]) };
    let rows = out.vectors.make_mut();
    for (i, row) in rows.chunks_exact_mut(n).enumerate() {
        // faer's eigenvalues ascend.
        let from = n - 1 - i;
        out.values.push(E::from_f64(widen(values[from].clone()).max(0.0)));
        for (j, x) in row.iter_mut().enumerate() {
            *x = E::from_f64(widen(vectors[(j, from)].clone()));
        }
        let mut largest = E::ZERO;
        for &x in row.iter() {
            if x.abs() > largest.abs() {
                largest = x;
            }
        }
        if largest < E::ZERO {
            row.iter_mut().for_each(|x| *x = -*x);
        }
    }
    if out.values.iter().any(|v| !v.is_finite()) {
        return Err(DataError::Decomposition { what });
    }
    Ok(out)
}

/// The eigenvalue up to which a direction holds nothing but rounding: the largest, times n, times the precision.
pub(crate) fn noise_floor<E: Element>(values: &[E]) -> E {
    values.first().map_or(E::ZERO, |&most| most * E::from_usize(values.len()) * E::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::{Rng, parallel::with_threads};

    #[test]
    fn two_by_two_by_hand() {
        let a = Tensor::from_slice(&[2.0, -1.0, -1.0, 2.0], [2, 2]);
        let e: Eigen<f64> = decompose("a", &a).unwrap();
        assert!((e.values[0] - 3.0).abs() < 1e-14 && (e.values[1] - 1.0).abs() < 1e-14);
        let r = 0.5_f64.sqrt();
        assert!((e.vectors.at(&[1, 0]) - r).abs() < 1e-14 && (e.vectors.at(&[1, 1]) - r).abs() < 1e-14);
        assert!((e.vectors.at(&[0, 0]) + e.vectors.at(&[0, 1])).abs() < 1e-14);
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        for n in [64, 250] {
            let x = Tensor::<f64>::randn([n, n], &mut Rng::new(0));
            let x = x.view().into_dimensionality::<ndarray::Ix2>().unwrap().to_owned();
            let a = Tensor::from_ndarray(x.dot(&x.t()));
            let of = |threads| with_threads(threads, || decompose::<f32>("a", &a).unwrap());
            let (one, four) = (of(1), of(4));
            assert_eq!((&one.values, &one.vectors), (&four.values, &four.vectors));
            let (two, again) = (of(2), of(2));
            assert_eq!((&one.vectors, &one.vectors), (&two.vectors, &again.vectors));
        }
    }

    #[test]
    fn infinity_and_nothing() {
        assert!(decompose::<f64>("a", &Tensor::full([2, 2], f64::INFINITY)).is_err());
        assert!(decompose::<f32>("a", &Tensor::full([2, 2], 1e300)).is_err());
        assert!(decompose::<f32>("a", &Tensor::zeros([0, 0])).unwrap().values.is_empty());
        assert_eq!(decompose::<f32>("a", &Tensor::zeros([2, 2])).unwrap().values, [0.0, 0.0]);
    }
}
