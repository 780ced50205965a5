//! The eigendecomposition of a covariance of f32 data: the strong axes in f32, the weak ones in f64.
//!
//! In f32 the error of every eigenvalue is on the scale of the largest one, eps lambda_1, which drowns the axes of small
//! columns and of columns that nearly depend on each other. It is an error of the kind that can be taken back: a weak
//! vector w holds a little of the strong ones v, `(v^T A w) / (lambda_v - lambda_w)` of each. With that taken off in f64,
//! twice, what is left of the weak ones is invariant under A and small enough to be decomposed in f64 on its own.

use crate::DataError;
use crate::eigen::{Eigen, PARALLEL_FROM, decompose, decompose_in, orient};
use crate::normalizer::times;
use kniff_tensor::{Element, Tensor};

/// An eigenvalue below this many times f32's precision on the scale of the largest is weak.
const WEAK: f64 = 1e4;
/// More of the axes than this share, and all are decomposed in f64 at once.
const MOST: f64 = 0.25;

/// Decomposes the covariance matrix of data of type `E`; all of it in f64 for f64 data, and where it is small.
pub(crate) fn decompose_for<E: Element>(what: &'static str, matrix: &Tensor<f64>) -> Result<Eigen, DataError> {
    let n = matrix.shape()[0];
    if E::NAME != "f32" || n < PARALLEL_FROM {
        return decompose(what, matrix);
    }
    let rough = decompose_in::<f32>(what, matrix, |x| x as f32, f64::from)?;
    let bound = WEAK * f64::from(f32::EPSILON) * rough.values[0];
    let strong = rough.values.partition_point(|&v| v > bound);
    match n - strong {
        0 => Ok(rough),
        weak if weak as f64 > MOST * n as f64 => decompose(what, matrix),
        _ => refined(what, matrix, rough, strong),
    }
}

fn refined(what: &'static str, a: &Tensor<f64>, rough: Eigen, strong: usize) -> Result<Eigen, DataError> {
    let Eigen { values, vectors, .. } = &rough;
    let n = values.len();
    let v = vectors.slice_axis(0, ..strong).contiguous();
    let v_t = v.t().contiguous();
    let mut w = vectors.slice_axis(0, strong..).contiguous();
    for _ in 0..2 {
        let mut share = times(&times(&w, a), &v_t);
        for (row, &weak) in share.make_mut().chunks_exact_mut(strong).zip(&values[strong..]) {
            for (x, &value) in row.iter_mut().zip(&values[..strong]) {
                // Where the two are of one size, f32 has told them apart well enough.
                *x = if value > 2.0 * weak { *x / (value - weak) } else { 0.0 };
            }
        }
        w = w.sub(&times(&share, &v));
    }
    // The directions that w spans are right now: what is decomposed is A among them, over an orthonormal basis.
    let w_t = w.t().contiguous();
    let gram = decompose(what, &times(&w, &w_t))?;
    let mut basis = gram.vectors.clone();
    for (row, &value) in basis.make_mut().chunks_exact_mut(gram.values.len()).zip(&gram.values) {
        row.iter_mut().for_each(|x| *x /= value.sqrt());
    }
    let basis = times(&basis, &w);
    let among = times(&times(&basis, a), &basis.t());
    let among = among.add(&among.t()).mul_scalar(0.5);
    let small = decompose(what, &among)?;
    let mut fine = times(&small.vectors, &basis);
    fine.make_mut().chunks_exact_mut(n).for_each(orient);

    let mut order: Vec<(f64, usize)> =
        values[..strong].iter().chain(&small.values).copied().enumerate().map(|(i, value)| (value, i)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let all = Tensor::concat(&[&v, &fine], 0);
    let places: Vec<usize> = order.iter().map(|&(_, i)| i).collect();
    Ok(rough.with(order.iter().map(|&(value, _)| value).collect(), all.index_select(0, &places)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kniff_tensor::{Rng, parallel::with_threads};

    /// A covariance with given eigenvalues and random axes.
    fn with_values(values: &[f64], seed: u64) -> Tensor<f64> {
        let n = values.len();
        let x = Tensor::<f64>::randn([n, n], &mut Rng::new(seed));
        let axes = decompose("a", &times(&x, &x.t().contiguous())).unwrap().vectors;
        let scaled = Tensor::from_fn([n, n], |i| axes.at(&[i / n, i % n]) * values[i / n]);
        let a = times(&axes.t().contiguous(), &scaled);
        a.add(&a.t()).mul_scalar(0.5)
    }

    fn check(values: &[f64], scale: f64, tolerance: f64) {
        let n = values.len();
        let a = with_values(values, 3).mul_scalar(scale);
        let (exact, found) = (decompose("a", &a).unwrap(), decompose_for::<f32>("a", &a).unwrap());
        let white = |e: &Eigen| {
            let b = times(&times(&e.vectors, &a), &e.vectors.t().contiguous());
            let at = |i: usize| b.at(&[i / n, i % n]) / (e.values[i / n] * e.values[i % n]).sqrt();
            (0..n * n).map(|i| (at(i) - f64::from(u8::from(i / n == i % n))).abs()).fold(0.0, f64::max)
        };
        for (i, (x, y)) in found.values.iter().zip(&exact.values).enumerate() {
            assert!((x / y - 1.0).abs() < tolerance, "{i}: {x} where f64 finds {y}");
        }
        assert!(white(&found) < tolerance, "{} of {}", white(&found), white(&exact));
        assert!(found.values.is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn weak_axes_come_out_as_in_f64() {
        let spread: Vec<f64> =
            (0..200).map(|i| if i < 170 { 1.0 / (1.0 + i as f64) } else { 10f64.powi(-(i - 160) / 4) }).collect();
        check(&spread, 1.0, 2e-3);
        check(&spread, 1e-50, 2e-3);
        check(&spread, 1e50, 2e-3);
        // A square mixing matrix: eigenvalues run down to nothing.
        let square: Vec<f64> = (0..300).map(|i| (1.0 - i as f64 / 300.0).powi(2)).collect();
        check(&square, 4.0, 2e-3);
        // Nothing weak, and nearly all weak.
        check(&vec![1.0; 200], 1.0, 2e-3);
        let steep: Vec<f64> = (0..200).map(|i| 10f64.powf(-(i as f64) / 25.0)).collect();
        check(&steep, 1.0, 1e-5);
    }

    #[test]
    fn threads_do_not_change_a_bit() {
        let square: Vec<f64> = (0..250).map(|i| (1.0 - i as f64 / 250.0).powi(2)).collect();
        let a = with_values(&square, 5);
        let of = |threads| with_threads(threads, || decompose_for::<f32>("a", &a).unwrap());
        let (one, two, four) = (of(1), of(2), of(4));
        assert!(one.vectors == two.vectors && one.vectors == four.vectors && one.values == four.values);
    }
}
